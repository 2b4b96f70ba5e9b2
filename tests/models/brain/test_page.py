"""The page about the brain tells the truth: its code runs, its table is complete."""

from __future__ import annotations

import re
from pathlib import Path

from potentiate.models.brain import Recipe
from potentiate.settings import written

PAGE = (Path(__file__).parents[3] / "docs/models/brain.md").read_text()


def test_the_table_of_settings_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| .+ \|$", PAGE, re.MULTILINE)
    assert dict(rows) == written(Recipe())
    assert len(rows) == len(dict(rows))


def test_the_code_on_the_page_runs_and_learns():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    assert names["right"] > 0.9
    assert names["spikes"].shape == (600, 60)
    assert names["grown"].channels == 60
    assert names["end"].test["accuracy"] > 0.8
