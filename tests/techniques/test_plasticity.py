from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from jobs import busy_brain
from potentiate.errors import NotApplicable, Refused
from potentiate.techniques.plasticity import (
    RarerConsolidation,
    RarerHomeostasis,
    RarerRateAdaptation,
    ShorterHistory,
    SmallerImportance,
)
from potentiate.techniques.presentation import (
    BatchedPresentation,
    CachedBaselineCurrent,
    EventDrivenUpdates,
    FasterTeacherFade,
    FewerTimeSteps,
    SteeperCurriculum,
)
from potentiate.techniques.reference import parse
from potentiate.trace import trace

BUNDLE = (
    FewerTimeSteps(),
    FasterTeacherFade(),
    SteeperCurriculum(),
    RarerHomeostasis(),
    RarerRateAdaptation(),
    RarerConsolidation(),
    SmallerImportance(),
    ShorterHistory(),
    CachedBaselineCurrent(),
    EventDrivenUpdates(),
    BatchedPresentation(),
)


@pytest.mark.parametrize(
    ("technique", "edits"),
    [
        (FasterTeacherFade(), {"fade": 0.85}),
        (SteeperCurriculum(), {"curriculum": 0.15, "curriculum_epochs": 50.0}),
        (RarerHomeostasis(), {"normalize_every": 500}),
        (RarerRateAdaptation(), {"decay_every": 200}),
        (RarerConsolidation(), {"consolidate_every": 100}),
        (SmallerImportance(), {"increment": 0.005}),
        (ShorterHistory(), {"history": 100}),
        (CachedBaselineCurrent(), {"baseline_cached": True}),
        (EventDrivenUpdates(), {"event_driven": True}),
        (BatchedPresentation(4), {"shards": 4}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_edits_what_it_names_and_nothing_else(technique, edits):
    run = busy_brain().build(0)
    after = technique.apply(run)
    assert after.step.plasticity == replace(run.step.plasticity, **edits)
    assert after.edit(step=run.step) == run


@pytest.mark.parametrize(
    ("technique", "steps"),
    [
        (FewerTimeSteps(), 6),
        (FewerTimeSteps(0.25), 2),
        (FewerTimeSteps(0.01), 1),
        (FewerTimeSteps(steps=7), 7),
    ],
)
def test_fewer_steps_are_a_share_or_a_number(technique, steps):
    run = busy_brain(time_steps=10).build(0)
    before = run.model.anatomy
    assert technique.apply(run).model.anatomy == replace(before, time_steps=steps)


def test_shorter_presentations_spike_less_often():
    run = busy_brain(time_steps=10).build(0)
    patterns = torch.ones(8, 2)
    longer = run.model.respond(patterns).spikes.sum()
    shorter = FewerTimeSteps(0.2).apply(run).model.respond(patterns).spikes.sum()
    assert 0 < shorter < longer


@pytest.mark.parametrize(
    ("technique", "recipe", "reason"),
    [
        (FewerTimeSteps(steps=3), {}, "a presentation has 3 steps, not more than 3"),
        (FasterTeacherFade(), {"teacher": 0.0}, "has no teacher"),
        (FasterTeacherFade(), {"fade": 1.0}, "does not fade"),
        (FasterTeacherFade(), {"fade": 0.8}, "fades by 0.8 already"),
        (SteeperCurriculum(), {"teacher": 0.0}, "has no teacher"),
        (SteeperCurriculum(), {"curriculum": 0.0}, "has no curriculum"),
        (SteeperCurriculum(), {"curriculum_epochs": 10}, "loses 0.01 of its current an epoch"),
        (RarerHomeostasis(), {"normalize_every": 0}, "never scales"),
        (RarerHomeostasis(), {"total": 0.0}, "never scales"),
        (RarerHomeostasis(), {"normalize_every": 500}, "every 500 presentations"),
        (RarerRateAdaptation(), {"decay": 1.0}, "do not fall"),
        (RarerRateAdaptation(), {"decay_every": 300}, "every 300 presentations"),
        (RarerConsolidation(), {"consolidation": 0.0}, "consolidates nothing"),
        (RarerConsolidation(), {"consolidate_every": 100}, "every 100 presentations already"),
        (SmallerImportance(), {"protection": 0.0}, "protects nothing"),
        (SmallerImportance(), {"increment": 0.001}, "adds 0.001"),
        (ShorterHistory(), {"silent": 0.0, "patience": 0}, "no remedies"),
        (ShorterHistory(), {"history": 100}, "judges 100 presentations"),
        (CachedBaselineCurrent(), {"baseline_cached": True}, "already"),
        (EventDrivenUpdates(), {"event_driven": True}, "already"),
        (BatchedPresentation(), {"shards": 2}, "in 2 parts already"),
        (BatchedPresentation(21), {}, "a batch of 20 has no 21 parts"),
        (BatchedPresentation(6), {"decay_every": 5}, "due every 5 presentations"),
        (BatchedPresentation(), {"decay_every": 1}, "due every 1 presentations"),
    ],
)
def test_what_is_off_or_so_already_is_refused(technique, recipe, reason):
    with pytest.raises(NotApplicable, match=f"^{technique.name}: .*{reason}"):
        technique.apply(busy_brain(**recipe).build(0))


@pytest.mark.parametrize("technique", BUNDLE, ids=lambda technique: technique.name)
def test_other_runs_are_refused_with_the_kind_they_are(technique, run):
    with pytest.raises(NotApplicable, match=r"this run has a (GradientStep|Sequential)"):
        technique.apply(run)


@pytest.mark.parametrize(
    "spec",
    [
        "fewer-time-steps:share=1",
        "fewer-time-steps:steps=0",
        "faster-teacher-fade:fade=1",
        "steeper-curriculum:share=1.5",
        "rarer-homeostasis:every=1",
        "rarer-consolidation:every=0",
        "smaller-importance-increment:increment=-1",
        "shorter-history:history=0",
        "batched-presentation:shards=1",
    ],
)
def test_settings_are_checked(spec):
    with pytest.raises(Refused, match="is refused"):
        parse(spec)


def test_consolidation_keeps_its_rate_whatever_the_interval():
    """Ten presentations at once draw weights as far as ten times one, where nothing else moves them."""
    still = {"a_plus": 0.0, "a_minus": 0.0, "total": 0.0, "batch_size": 100}
    recipe = {**still, "recall": 0.0, "consolidate_every": 1, "decay": 1.0}
    ends = []
    for techniques in ([], [RarerConsolidation(10)]):
        workload = busy_brain(**recipe)

        def make(settings, seed, job=workload):
            run = job.make(settings, seed)
            run.model.slow.zero_()
            return run

        ends.append(trace(replace(workload, make=make), techniques, steps=1).state["slow"])
    assert torch.allclose(*ends, rtol=1e-5)
    assert float((ends[0] / ends[0].max()).max()) > 0.5
    assert float(ends[0].max()) > 0


def test_the_whole_bundle_goes_together():
    workload = busy_brain(time_steps=5)
    traced = trace(workload, BUNDLE)
    assert traced == trace(workload, BUNDLE[::-1])
    assert traced != trace(workload)
    assert sum(traced.losses[-10:]) / 10 < traced.losses[0] / 2  # it learns all the same
