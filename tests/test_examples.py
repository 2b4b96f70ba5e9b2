"""Examples are run, and kept short."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentiate.engine import train
from potentiate.events import Finished
from potentiate.models.reference import find

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_its_page(path):
    assert len(path.read_text().splitlines()) <= 60


def test_a_job_of_ones_own_takes_forty_lines_and_learns():
    path = EXAMPLES / "own_job.py"
    assert len(path.read_text().splitlines()) <= 40
    *_, end = train(find(f"{path}:workload").varied({"epochs": 6}), seed=0)
    assert isinstance(end, Finished)
    assert end.test["accuracy"] > 0.9
