"""The file that declares a training: what is written is read back equal."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.config import RunConfig, read_config, write_config
from potentiate.errors import Refused

GOLDEN = Path(__file__).parent / "golden"

words = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=12)
settings = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    words.filter(lambda text: text != "none"),
)


@given(
    config=st.builds(
        RunConfig,
        workload=words.filter(lambda text: not text.endswith(".py")),
        seed=st.integers(0, 2**31),
        device=st.sampled_from(["cpu", "cuda", "auto"]),
        techniques=st.lists(words, max_size=3).map(tuple),
        recipe=st.dictionaries(words, settings, max_size=4),
    )
)
def test_a_declaration_comes_back_as_it_was(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "best.toml"
    assert read_config(write_config(path, config)) == config


def test_a_list_in_a_recipe_is_typed_as_on_the_command_line(tmp_path):
    path = tmp_path / "best.toml"
    path.write_text('workload = "cnn/digits"\n[recipe]\nvalues = [1.0, 0.5]\nnames = ["a"]\n')
    assert read_config(path).recipe == {"values": "1.0|0.5", "names": "a|"}


def test_a_declaration_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="could not be written"):
        write_config(Path(tmp_path / "file" / "best.toml"), RunConfig("cnn/digits"))


def test_what_is_written_names_its_format(tmp_path):
    path = write_config(tmp_path / "run.toml", RunConfig("cnn/digits"))
    assert tomllib.loads(path.read_text())["format"] == 1


@pytest.mark.parametrize("version", ["1", "unmarked"])
def test_files_of_every_format_are_read(version):
    folder = GOLDEN / f"config-{version}"
    assert read_config(folder / "best.toml") == RunConfig(
        "cnn/digits",
        3,
        "cpu",
        ("mixed-precision", "optimizer:lr=0.006"),
        {"epochs": 5, "values": "1.0|0.5", "decay": None},
    )
    assert read_config(folder / "run.toml") == RunConfig(
        "cnn/digits", 4, "cpu", ("ema-weights",), {"epochs": 3.0, "decay": None}
    )


@pytest.mark.parametrize("version", ["2", "0", "'1'", "[1]"])
def test_another_format_is_refused_before_its_keys(tmp_path, version):
    path = tmp_path / "best.toml"
    path.write_text(f"format = {version}\nfrom_the_future = 1\n")
    with pytest.raises(Refused, match=r"has format .* reads up to 1; use the version"):
        read_config(path)
