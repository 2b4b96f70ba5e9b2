"""A study where nothing is learned by gradient: kernels of our own, no optimizer, steps in one part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from world import World, ledger, pilot, plan, single

from potentiate.models import WORKLOADS
from potentiate.study import planning
from potentiate.study.calibrate import headroom
from potentiate.study.child import answer
from potentiate.study.declaration import Declaration
from potentiate.study.findings import Findings
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Candidate
from potentiate.study.procedure import investigate
from potentiate.study.profiles import PLASTIC, QUICK_PLASTIC
from potentiate.study.record import Record, Request
from potentiate.study.report import markdown
from potentiate.study.sanity import check
from potentiate.study.verdict import Verdict
from potentiate.techniques import TECHNIQUES
from potentiate.techniques.reference import parse


class Unsplit(World):
    """The invented world, with steps that show neither parts nor operations."""

    def __call__(self, request: Request) -> Record:
        return replace(super().__call__(request), phases={}, flops=None)


def study(world: World, *candidates: Candidate) -> Findings:
    return investigate(plan(*candidates), pilot(world), ledger(world), {})


def probed(mode: Any, **more: Any) -> Record:
    return answer(Request("probe", "baseline", mode=mode, workload="brain/xor", **more))


def test_a_probe_says_what_it_cannot_count():
    record = probed("probe", max_steps=3)
    assert record.status == "ok", record.reason
    assert record.flops is None
    assert record.phases == {}
    assert len(record.trace) == 5  # the whole schedule
    again = probed("probe", max_steps=3)
    assert (again.trace, again.weights) == (record.trace, record.weights)


def test_the_sanity_checks_hold_for_a_brain():
    record = probed("sanity")
    assert all(ok for _, ok, _ in record.checks), record.checks
    assert len(record.checks) == 5


def test_the_sanity_checks_see_what_buffers_hold():
    """A brain has no parameters, so a state that does not come back must show in its buffers."""
    xor = WORKLOADS["brain/xor"]
    calls = iter(range(100))

    def forgetful(recipe, seed):
        run = xor.make(recipe, seed)
        run.model.weight += 0.01 * next(calls)
        return run

    results = {what: holds for what, holds, _ in check(replace(xor, make=forgetful))}
    assert not results["the same seed gives the same run"]


def test_time_of_a_step_that_shows_no_parts_is_one_part():
    record = replace(
        probed("run", max_steps=3), step_seconds=2.0, declared_steps=10, seconds={"setup": 5.0}
    )
    shares = headroom(replace(record, evaluation_seconds=3.0, declared_evaluations=5))
    assert shares == pytest.approx(
        {"training steps": 20 / 40, "evaluation": 15 / 40, "start-up": 5 / 40}
    )


def test_only_parts_that_are_known_tell_that_nothing_can_be_won():
    result = study(Unsplit(), single("loader", speeds=("data",)))
    assert any("loader" in record.request.arm for record in result.records)
    result = study(Unsplit(), single("seldom", speeds=("evaluation",)))
    assert result.singles[0].judgement.verdict is Verdict.INAPPLICABLE


def test_what_was_not_counted_is_no_axis_of_the_front():
    result = study(Unsplit(), single("nothing"))
    assert result.front
    assert all(point.flops is None for point in result.front)
    assert not any("fewest FLOPs" in point.titles for point in result.front)
    assert "not counted" in markdown(result)


def test_the_arms_for_local_rules_name_every_technique_that_is_for_them():
    names = {spec.partition(":")[0] for spec in PLASTIC}
    others = {"gradient", "structure", "temperature", "angles"}
    local = {name for name, kind in TECHNIQUES.items() if not others & kind.needs}
    assert names == local - {"data-loading"}  # what a brain learns from is in memory
    assert set(QUICK_PLASTIC) <= set(PLASTIC)


def test_a_full_study_of_a_brain_plans_those_arms(tmp_path):
    made, _ = planning.open_study(Declaration("brain/digits"), Ledger(tmp_path, World()))
    assert [candidate.arm for candidate in made.candidates] == [parse(s).spec for s in PLASTIC]
    assert not any(candidate.refused for candidate in made.candidates)
    assert made.options == ()


def test_threads_do_not_change_what_a_brain_learns_or_answers():
    before = torch.get_num_threads()
    try:
        ends = []
        for count in (1, 2):
            torch.set_num_threads(count)
            record = probed("run", test=True)
            ends.append((record.validation, record.test))
        assert ends[0] == ends[1]
    finally:
        torch.set_num_threads(before)
