"""What a row of a table says beside its verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from world import World, plan

from potentiate.study.blocks import BASELINE, request
from potentiate.study.findings import ArmResult
from potentiate.study.results import describe
from potentiate.study.verdict import Verdict, unmeasured


def _described(histories: dict[str, list[float]], *, higher: bool = True) -> ArmResult:
    """The row of "arm" when each arm was judged after 100, 200, ... steps with these values."""
    asked, world = plan(higher_is_better=higher), World()
    sign = 1.0 if higher else -1.0
    block = {
        arm: replace(
            world(request(asked, "quality", arm, ())),
            history=[{"step": 100.0 * i, "accuracy": sign * v} for i, v in enumerate(values, 1)],
            validation={"accuracy": sign * values[-1]},
        )
        for arm, values in histories.items()
    }
    row = ArmResult("arm", (), "semantics", unmeasured(Verdict.UNRESOLVED, ""))
    return describe(asked, row, [block], {}, with_quality=True)


@pytest.mark.parametrize("higher", [True, False])
def test_steps_to_target_are_those_until_the_baselines_quality_less_the_margin(higher):
    base = [0.90, 0.94, 0.96, 0.97]  # the margin of 0.003 is reached at the end only: 400 steps
    arm = [0.95, 0.968, 0.966]  # first within it after 200
    row = _described({BASELINE: base, "arm": arm}, higher=higher)
    assert row.target_ratio == pytest.approx(0.5)


def test_a_target_that_is_never_reached_takes_for_ever():
    row = _described({BASELINE: [0.90, 0.97], "arm": [0.90, 0.95]})
    assert row.target_ratio == math.inf


def test_memory_is_that_of_the_device_where_the_training_lives_there():
    asked, world = plan(), World()
    block = {
        arm: replace(
            world(request(asked, "timing", arm, ())),
            peak_memory=1000,
            device_memory={"reserved": reserved},
        )
        for arm, reserved in {BASELINE: 400, "arm": 100}.items()
    }
    row = ArmResult("arm", (), "exact", unmeasured(Verdict.UNRESOLVED, ""))
    assert describe(asked, row, [block], {}, with_quality=False).memory_ratio == 0.25
