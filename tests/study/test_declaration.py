"""A study as a TOML file: its format, and what belongs together."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentiate.errors import Refused
from potentiate.study.declaration import Declaration, read_declaration, write_declaration

GOLDEN = Path(__file__).parents[1] / "golden" / "study-1" / "study.toml"


def test_a_declaration_of_format_1_is_read():
    assert read_declaration(GOLDEN) == Declaration(
        "cnn/digits",
        mode="test",
        tests=("one-cycle:lr=0.006", "early-stopping"),
        recipe={"epochs": 3},
        margin=0.005,
        budget=1800.0,
        seed=7,
    )


def test_what_is_written_names_its_format_and_is_read_back(tmp_path):
    asked = Declaration("cnn/mnist", margin=0.003, budget=7200.0)
    written = write_declaration(tmp_path / "study.toml", asked)
    assert written.read_text().startswith("format = 1\n")
    assert read_declaration(written) == asked


def test_the_file_it_was_read_from_keeps_its_comments(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('# mine\nworkload = "cnn/mnist"\n')
    write_declaration(path, read_declaration(path))
    assert path.read_text().startswith("# mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 2", "has format 2"),
        ('tests = ["one-cycle"]', "belong together"),
        ('mode = "test"', "belong together"),
        ("margin = inf", "margin = inf"),
        ("budget = inf", "budget = inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, said):
    path = tmp_path / "study.toml"
    path.write_text(f'workload = "cnn/mnist"\n{text}\n')
    with pytest.raises(Refused, match=said):
        read_declaration(path)
