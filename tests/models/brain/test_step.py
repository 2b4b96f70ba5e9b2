"""One step of training: its loss, its remedies, its curriculum, and that it can be stopped anywhere."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch
from torch import nn

from jobs import same, timeless, told, trained
from potentiate.checkpoint import load, save
from potentiate.data.glyphs import letters
from potentiate.engine import train
from potentiate.errors import NonFinite, Refused
from potentiate.events import Evaluated, Stepped
from potentiate.models.brain import PlasticStep, brain_workload
from potentiate.training import copied


def started(brain, samples=600):
    return PlasticStep(brain.plasticity, samples).start(brain, 10)


def state(step):
    return copied({"step": step.state_dict(), "brain": dict(step.brain.state_dict())})


def test_the_loss_is_the_error_of_what_was_known_before_the_batch(small, abc):
    brain = small()
    step = started(brain)
    first, later = (float(step((abc[0][k : k + 300], abc[1][k : k + 300]))) for k in (0, 300))
    assert first == pytest.approx(
        float((abc[1][:300] != 0).double().mean())
    )  # all alike: the first
    assert later < 0.2
    assert step.evaluated() is brain


def test_a_brain_learns_as_its_step_says(small, abc):
    brain = small()
    frozen = replace(brain.plasticity, a_plus=0.0, a_minus=0.0)
    before = brain.weight.clone()
    PlasticStep(frozen, 600).start(brain, 10)((abc[0], abc[1]))
    torch.testing.assert_close(brain.weight, before)  # but for rounding, when they are normalized
    assert brain.plasticity == frozen


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_patterns_that_are_not_finite_change_nothing(small, abc, value):
    step = started(small(protection=1.0, consolidation=0.1))
    step((abc[0][:50], abc[1][:50]))
    before, bad = state(step), abc[0][50:100].clone()
    bad[-1, 7] = value
    with pytest.raises(NonFinite, match="presentation 51 or a later one"):
        step((bad, abc[1][50:100]))
    assert same(state(step), before)


def test_patterns_out_of_range_change_nothing(small, abc):
    step = started(small())
    before = state(step)
    with pytest.raises(Refused, match="must lie in"):
        step((abc[0][:50] * 2, abc[1][:50]))
    assert same(state(step), before)


def test_only_a_brain_has_plasticity(small):
    with pytest.raises(Refused, match="not on a Linear"):
        PlasticStep(small().plasticity, 10).start(nn.Linear(2, 2), 1)


def test_a_silent_brain_gets_more_drive_until_it_fires(small, abc):
    quiet = {"rate": 8.0, "history": 50}
    brain, unaided = small(**quiet), small(silent=0.0, **quiet)
    assert not brain.respond(abc[0]).spikes.any()
    gains = []
    for each in (unaided, brain):
        step = started(each)
        for k in range(0, 600, 50):
            step((abc[0][k : k + 50], abc[1][k : k + 50]))
            gains.append(float(each.gain))
    assert set(gains[:12]) == {1.0}
    assert gains[12:15] == [1.5, 2.25, 3.375]
    assert gains[-1] == gains[-2] < 100.0  # it has come to an end
    assert brain.respond(abc[0]).spikes.sum() > 0.1 * 600


def test_the_drive_of_a_brain_that_stays_silent_has_a_limit(small):
    brain = small(complement=False, history=1)
    step = started(brain)
    for _ in range(20):
        step((torch.zeros(1, 25), torch.tensor([0])))
    assert float(brain.gain) == 100.0


@pytest.mark.parametrize("patience", [0, 20, 30])
def test_a_brain_that_stalls_gets_more_teacher(small, patience):
    """A deaf brain names the first class for everything, so its errors never get fewer."""
    brain = small(complement=False, silent=0.0, history=10, patience=patience)
    step = started(brain)
    for _ in range(12):
        step((torch.zeros(10, 25), torch.ones(10, dtype=torch.int64)))
    grown = 120 // patience if patience else 0
    assert float(brain.urge) == pytest.approx(1.2**grown)


def test_a_brain_that_improves_is_let_alone(small, abc):
    brain = small(history=100, patience=300)
    step = started(brain)
    for k in range(0, 400, 100):
        step((abc[0][k : k + 100], abc[1][k : k + 100]))
    assert (float(brain.urge), float(brain.gain)) == (1.0, 1.0)


def test_the_urge_makes_the_teacher_stronger(small):
    """Nothing else drives the outputs of a deaf brain."""
    scores = []
    for urge in (1.0, 1.2):
        brain = small(complement=False, teacher=0.01)
        brain.urge.fill_(urge)
        scores.append(brain.learn(torch.zeros(1, 25), torch.tensor([1])).scores[0, 1])
    assert float(scores[1] / scores[0]) == pytest.approx(1.2, rel=1e-4)


def test_the_curriculum_lowers_the_teacher_evenly_and_then_stops(small, monkeypatch):
    brain = small(curriculum=0.6, curriculum_epochs=2.0)
    step, learn, heard = started(brain, samples=10), brain.learn, []

    def overheard(*batch, teacher):
        heard.append(teacher)
        return learn(*batch, teacher=teacher)

    monkeypatch.setattr(brain, "learn", overheard)
    for _ in range(6):
        step((torch.zeros(5, 25), torch.ones(5, dtype=torch.int64)))
    assert heard == pytest.approx([1.0, 0.85, 0.7, 0.55, 0.4, 0.4])


EVERYTHING = {
    "protection": 2.0,
    "tau_importance": 100.0,
    "consolidation": 0.02,
    "recall": 0.01,
    "consolidate_every": 5,
    "normalize_every": 7,
    "decay": 0.9,
    "decay_every": 11,
    "curriculum": 0.5,
    "curriculum_epochs": 2.0,
    "fade": 0.9,
    "history": 7,
    "patience": 14,
    "silent": 3.0,
}


def workload(**settings):
    return brain_workload(
        "few-letters",
        lambda: letters(counts=(45, 30, 30)),
        target=0.9,
        margin=0.01,
        epochs=3,
        batch_size=10,
        evaluate_every=0.5,
        hidden=20,
        complement=True,
        time_steps=40,
        rate=250.0,
        inhibition=20.0,
        **settings,
    )


CASES = {
    "as it is": {},
    "everything": EVERYTHING,
    "assigned labels": {"labels": "assigned", "labelled": 20},
    "shards": {"shards": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_a_brain_stopped_after_any_step_goes_on_as_if_it_had_not(case, tmp_path):
    job = workload(**CASES[case])
    unwatched, _ = trained(train(job, seed=3, warmup=2))
    seen, states = [], {}
    for event in train(job, seed=3, warmup=0):
        seen.append(event)
        if isinstance(event, Stepped | Evaluated):
            states[len(seen) - 1] = copied(seen[0].training.state())
    training = seen[0].training
    assert same(timeless(unwatched.state()), timeless(training.state()))
    assert training.position == 3 * ceil(45 / 10)
    for place, stored in states.items():
        folder = save(tmp_path / f"{place}", stored, facts={})
        again, rest = trained(train(job, seed=3, warmup=1, resume=load(folder).state))
        assert told(rest) == told(seen[place + 1 :])
        assert same(timeless(again.state()), timeless(training.state()))
    if case == "everything":
        brain = training.run.model
        assert brain.gain > 1.0
        assert brain.urge > 1.0
        assert brain.importance.any()
        assert not torch.equal(brain.slow, brain.weight)
