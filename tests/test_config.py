"""The file that declares a training: what is written is read back equal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.config import RunConfig, read_config, write_config
from potentiate.errors import Refused

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
