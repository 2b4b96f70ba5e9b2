"""The page of the plastic network says what the code does."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from potentiate.models import WORKLOADS
from potentiate.models.plastic.workloads import REFERENCE, Recipe
from potentiate.plasticity.structural import STRUCTURAL
from potentiate.techniques import TECHNIQUES

PAGE = (Path(__file__).parents[3] / "docs" / "models" / "plastic.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_is_listed_with_its_default():
    listed = {row[0].strip("`"): row[1] for row in table("Settings")}
    assert listed == {name: str(value) for name, value in asdict(Recipe()).items()}


def test_every_rule_and_technique_is_on_the_page():
    assert {row[0].strip("`") for row in table("Rules")} == set(STRUCTURAL)
    levers = {name for name, kind in TECHNIQUES.items() if "structure" in kind.needs}
    assert levers <= set(re.findall(r"`([a-z-]+)`", PAGE))


def test_the_reference_spelling_is_another_one_in_everything_it_names():
    recipe = asdict(Recipe())
    assert all(recipe[name] != value for name, value in REFERENCE.items())
    for name, workload in WORKLOADS.items():
        if name.startswith("plastic/"):
            assert workload.preset("reference").recipe.history == 1000
