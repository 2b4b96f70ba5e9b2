"""A brain takes tensors, arrays and lists alike, and refuses in a sentence what it cannot take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from jobs import same
from potentiate.errors import Refused
from potentiate.models.brain import Anatomy, Brain, Plasticity, PlasticStep

PATTERNS = [[0.0, 1.0, 0.5, 1.0], [1.0, 0.0, 1.0, 0.25]]
LABELS = [1, 0]


def tiny(**anatomy):
    return Brain(4, 2, Anatomy(hidden=5, time_steps=20, rate=500.0, threshold=0.5, **anatomy))


def state(brain):
    return {name: buffer.clone() for name, buffer in brain.state_dict().items()}


BACKWARDS = np.array(PATTERNS[::-1])[::-1]
CONSTANT = np.array(PATTERNS, np.float32)
CONSTANT.setflags(write=False)


@pytest.mark.parametrize("patterns", [PATTERNS, np.array(PATTERNS), BACKWARDS, CONSTANT])
@pytest.mark.parametrize("labels", [LABELS, np.array(LABELS, np.int8), torch.tensor([1.0, 0.0])])
def test_arrays_and_lists_are_as_good_as_tensors(patterns, labels):
    brain, other = tiny(), tiny()
    response = brain.learn(torch.tensor(PATTERNS), torch.tensor(LABELS))
    assert response.spikes.any()
    assert same(tuple(other.learn(patterns, labels)), tuple(response))
    for learned in (brain, other):
        learned.assign(PATTERNS, labels)
    assert same(tuple(other.respond(patterns)), tuple(brain.respond(torch.tensor(PATTERNS))))
    assert same(state(other), state(brain))


def test_bytes_in_an_array_are_shares_of_255():
    bytes_ = np.array([[0, 255, 51, 102]], np.uint8)
    assert same(tuple(tiny().respond(bytes_)), tuple(tiny().respond([[0.0, 1.0, 0.2, 0.4]])))


@pytest.mark.parametrize("delays", [[0, 3, 1, 2], np.array([0.0, 3.0, 1.0, 2.0])])
def test_delays_may_be_any_array_of_whole_numbers(delays):
    assert Brain(4, 2, delays=delays).delays.tolist() == [0, 3, 1, 2]


REFUSED = {
    "one number": (0.5, LABELS, "one number was given"),
    "one pattern": (PATTERNS[0], LABELS, r"shape \[4\]; give \[n, 4\]"),
    "words": ([["a", "b", "c", "d"]], [0], "patterns are no array of numbers"),
    "ragged": ([[0.0, 1.0], [1.0]], LABELS, "lists of equal lengths"),
    "complex": (torch.ones(2, 4, dtype=torch.complex64), LABELS, "patterns are complex"),
    "label out of range": (PATTERNS, [0, 5], "label 5 of pattern 1 is refused"),
    "label below": (PATTERNS, [-2, 0], "label -2 of pattern 0"),
    "half a label": (PATTERNS, [0.7, 0.0], "label 0.7 of pattern 0"),
    "no label at all": (PATTERNS, [0.0, np.nan], "label nan of pattern 1"),
    "too few labels": (PATTERNS, [0], r"2 patterns came with labels of shape \[1\]"),
    "labels in a column": (PATTERNS, [[0], [1]], r"labels of shape \[2, 1\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_refused_and_changes_nothing(case):
    patterns, labels, words = REFUSED[case]
    brain = tiny()
    before = state(brain)
    with pytest.raises(Refused, match=words):
        brain.learn(patterns, labels)
    with pytest.raises(Refused, match=words):
        brain.assign(patterns, labels)
    assert same(state(brain), before)


@pytest.mark.parametrize("teacher", [np.nan, np.inf, -1.0, "strong"])
def test_a_teacher_is_a_finite_factor(teacher):
    with pytest.raises(Refused, match="teacher="):
        tiny().learn(PATTERNS, LABELS, teacher=teacher)


def test_patterns_without_label_are_assigned_to_no_class():
    brain, other = tiny(), tiny()
    brain.assign([*PATTERNS, PATTERNS[0]], [1, 0, -1])
    other.assign(PATTERNS, LABELS)
    assert other.responses.any()
    assert torch.equal(brain.responses, other.responses)


@pytest.mark.parametrize(
    ("delays", "words"),
    [([0, 0, 0, 1.5], "one of them is 1.5"), ([0, np.nan, 0, 0], "nan"), ([0], r"\[1\]")],
)
def test_delays_are_whole_steps(delays, words):
    with pytest.raises(Refused, match=f"delays must be 4 whole steps from 0, but .*{words}"):
        Brain(4, 2, delays=delays)


@pytest.mark.parametrize("number", [-1, 1.5, "7", None])
def test_seeds_and_sizes_are_whole_numbers(number):
    makers = (
        lambda: Brain(4, 2, seed=number),
        lambda: tiny().respond(PATTERNS, seed=number),
        lambda: tiny().grow(hidden=number),
        lambda: tiny().grow(inputs=number),
        lambda: Brain(number, 2),
        lambda: Brain(4, number),
    )
    for make in makers:
        with pytest.raises(Refused, match=r"whole numbers? .*got "):
            make()


@pytest.mark.parametrize("cast", [nn.Module.half, nn.Module.double])
def test_a_brain_in_another_precision_asks_to_be_cast_back(cast):
    brain = cast(tiny())
    with pytest.raises(Refused, match=r"call its float\(\)"):
        brain.respond(PATTERNS)
    assert brain.float().respond(PATTERNS).spikes.shape == (2, 5)


BROKEN = [
    (Anatomy, {"hidden": 0}),
    (Anatomy, {"hidden": -1}),
    (Anatomy, {"hidden": 2.5}),
    (Anatomy, {"tau": 0}),
    (Anatomy, {"tau": -5}),
    (Anatomy, {"code": "x"}),
    (Anatomy, {"rate": float("nan")}),
    (Anatomy, {"total": float("nan")}),
    (Anatomy, {"time_steps": 0}),
    (Anatomy, {"refractory": -3}),
    (Plasticity, {"decay_every": 0}),
    (Plasticity, {"a_plus": float("inf")}),
]


@pytest.mark.parametrize(("kind", "settings"), BROKEN)
def test_a_setting_that_breaks_its_rule_is_named_with_its_value(kind, settings):
    parts = {kind.__name__.lower(): kind(**settings)}
    ((name, value),) = settings.items()
    with pytest.raises(Refused, match=f"{kind.__name__}: {name}={value!r}") as refusal:
        Brain(4, 2, **parts)
    assert "is refused: input should be" in str(refusal.value)


@pytest.mark.parametrize("part", [{"hidden": 3}, Plasticity()])
def test_another_thing_than_an_anatomy_is_refused(part):
    with pytest.raises(Refused, match=r"takes Anatomy\(\.\.\.\), not a"):
        Brain(4, 2, part)


def test_a_plasticity_that_comes_later_is_checked_too():
    brain = tiny()
    before = brain.plasticity
    bad = replace(before, decay_every=0)
    with pytest.raises(Refused, match="Plasticity: decay_every=0"):
        brain.plasticity = bad
    with pytest.raises(Refused, match="Plasticity: decay_every=0"):
        PlasticStep(bad, samples=10).start(brain, 1)
    assert brain.plasticity is before


def test_whole_numbers_become_floats_so_that_one_kernel_serves_all():
    brain = Brain(4, 2, Anatomy(inhibition=20, reset=5), Plasticity(a_plus=0, tau_trace=20))
    given = brain.anatomy.inhibition, brain.anatomy.reset, *vars(brain.plasticity).values()
    expected = 20.0, 5.0, *vars(Plasticity(a_plus=0.0)).values()
    assert [(type(value), value) for value in given] == [(type(v), v) for v in expected]
