"""The compiled circuit against its equations, written once more over dense arrays in double precision."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from potentiate.kernels.circuit import Circuit, Physiology, present
from potentiate.kernels.events import poisson_events

Array = NDArray[Any]
AGE = 5
"""Presentations before the first."""

DEFAULTS = {
    "steps": 30,
    "rate": 0.1,
    "latency": False,
    "decay": exp(-1 / 20.0),
    "threshold": 1.2,
    "reset": -0.5,
    "refractory": 2,
    "inhibition": 0.7,
    "single": True,
    "baseline": 0.0,
    "baseline_cached": True,
    "theta_plus": 0.3,
    "theta_decay": exp(-1 / 50.0),
    "trace_decay": exp(-1 / 10.0),
    "a_plus": 0.05,
    "a_minus": 0.003,
    "w_max": 0.8,
    "total": 2.0,
    "normalize_every": 1,
    "protection": 3.0,
    "increment": 0.4,
    "fading": exp(-1 / 20.0),
    "consolidate_every": 0,
    "recall": 0.3,
    "consolidation": 0.1,
    "teacher": 0.6,
    "fade": 0.95,
    "delay": 0,
    "output_threshold": 1.1,
    "output_inhibition": 0.35,
    "outstar": 0.15,
    "event_driven": True,
}


def physiology(**changes: Any) -> Physiology:
    values = {**DEFAULTS, **changes}
    return Physiology(**{k: np.float32(v) if type(v) is float else v for k, v in values.items()})


def circuit(
    inputs: int = 12,
    hidden: int = 7,
    outputs: int = 3,
    *,
    delays: int = 0,
    important: bool = True,
    slow: bool = False,
) -> Circuit:
    random = np.random.default_rng([inputs, hidden, outputs])
    weight = random.uniform(0.0, 0.7, (inputs, hidden)).astype(np.float32)
    return Circuit(
        weight,
        random.random(weight.shape if important else (0, 0), np.float32),
        random.random(hidden, np.float32),
        random.random((hidden, outputs), np.float32),
        random.integers(0, delays + 1, inputs),
        random.uniform(0.0, 0.7, weight.shape if slow else (0, 0)).astype(np.float32),
    )


def copied(brain: Circuit) -> Circuit:
    return Circuit(*(part.copy() for part in brain))


def presented(
    brain: Circuit, p: Physiology, images: Array, labels: Array, learn: bool = True, seed: int = 0
) -> tuple[Array, Array]:
    """Present by the kernel, which changes `brain`; return spikes and scores."""
    spikes = np.zeros((len(images), brain.weight.shape[1]), np.int32)
    scores = np.zeros((len(images), brain.readout.shape[1]), np.float32)
    random = np.random.default_rng(seed)
    present(brain, p, images, labels, random, learn, AGE, spikes, scores)
    return spikes, scores


def patterns(count: int, brain: Circuit, seed: int = 0) -> tuple[Array, Array]:
    """Patterns with zeros among them, and labels of which some are -1."""
    random = np.random.default_rng(seed)
    images = random.random((count, len(brain.weight)), np.float32)
    images[random.random(images.shape) < 0.2] = 0.0
    return images, random.integers(-1, brain.readout.shape[1], count)


def defined(
    brain: Circuit, p: Physiology, arrivals: Array, labels: Array, learn: bool
) -> tuple[Circuit, Array, Array]:
    """The circuit by its equations: every membrane, trace and weight, in every step.

    Args:
        brain: Before; left alone.
        p: The constants.
        arrivals: bool [n, steps, inputs]; which inputs arrive when.
        labels: int [n].
        learn: Whether it learns.
    """
    w, m, theta, v = (part.astype(float) for part in brain[:4])
    (inputs, hidden), outputs = w.shape, v.shape[1]
    spikes, scores = np.zeros((len(arrivals), hidden)), np.zeros((len(arrivals), outputs))
    kept = brain.slow.astype(float)
    for n, raster in enumerate(arrivals):
        u, y, until, fires = np.zeros(hidden), np.zeros(hidden), np.zeros(hidden), np.zeros(hidden)
        x, z, potential = np.zeros(inputs), np.zeros(outputs), np.zeros(outputs)
        theta = theta * p.theta_decay if learn else theta
        on_their_way, teacher, ever = np.zeros((p.steps + p.delay, outputs)), p.teacher, fires > 0
        for t, s in enumerate(raster):
            drive = np.where(until <= t, s @ w + p.baseline, 0.0)
            u = u * p.decay + drive - p.inhibition * (fires.sum() - fires)
            above = u - p.threshold - theta
            fires = above > 0
            if p.single:
                fires &= np.arange(hidden) == above.argmax()
            u[fires], until[fires] = p.reset, t + 1 + p.refractory
            spikes[n] += fires
            x, y = np.where(s, 1.0, x * p.trace_decay), np.where(fires, 1.0, y * p.trace_decay)
            if learn:
                theta[fires] += p.theta_plus
                ever = ever | fires
                f = 1.0 / (1.0 + p.protection * m) if m.size else np.ones_like(w)
                w = np.where(s[:, None], np.maximum(w - p.a_minus * y * f, 0.0), w)
                w = np.where(fires, np.minimum(w + p.a_plus * x[:, None] * f, p.w_max), w)
                m = m + p.increment * x[:, None] * fires if m.size else m
            on_their_way[t + p.delay] = fires @ v
            potential += on_their_way[t]
            if learn and labels[n] >= 0:
                potential[labels[n]] += teacher
            teacher *= p.fade
            output = potential > p.output_threshold
            potential -= output * p.output_threshold
            potential -= ~output * output.sum() * p.output_inhibition
            z = np.where(output, 1.0, z * p.trace_decay)
            scores[n] += output
            if learn:
                v[fires] += p.outstar * (z - v[fires])
        scores[n] += potential / p.output_threshold
        m = m * p.fading if learn else m
        if learn and p.normalize_every and (AGE + n + 1) % p.normalize_every == 0:
            seen = ever if p.normalize_every == 1 else np.ones_like(ever)
            sums = np.where(seen & (w.sum(0) > 0), w.sum(0), p.total)
            w = np.minimum(w * (p.total / sums), p.w_max)
        if learn and p.consolidate_every and (AGE + n + 1) % p.consolidate_every == 0 and kept.size:
            w, kept = w + p.recall * (kept - w), kept + p.consolidation * (w - kept)
    return Circuit(w, m, theta, v, brain.delays, kept), spikes, scores


def recorded(brain: Circuit, p: Physiology, images: Array, seed: int = 0) -> Array:
    """The Poisson spikes that the kernel draws for `images`, bool [n, steps, inputs]."""
    random = np.random.default_rng(seed)
    arrivals = np.zeros((len(images), p.steps, len(brain.weight)), bool)
    arriving = np.empty((p.steps, len(brain.weight)), np.int32)
    count, active = np.zeros(p.steps, np.int32), np.empty(len(brain.weight), np.int32)
    for raster, image in zip(arrivals, images, strict=True):
        rates = image * p.rate
        poisson_events(random, rates, brain.delays, p.steps, arriving, count, active)
        for t in range(p.steps):
            raster[t, arriving[t, : count[t]]] = True
    return arrivals


def timed(brain: Circuit, p: Physiology, images: Array) -> Array:
    """One spike of each value above 0, the larger the sooner."""
    at = np.round((1.0 - images.astype(float)) * (p.steps - 1)) + brain.delays
    return (np.arange(p.steps)[:, None] == at[:, None, :]) & (images[:, None, :] > 0)


def constant(brain: Circuit, p: Physiology, images: Array) -> Array:
    """A spike of each value above 0 in every step from its delay on."""
    return (np.arange(p.steps)[:, None] >= brain.delays) & (images[:, None, :] > 0)


def agree(
    brain: Circuit, p: Physiology, arrivals: Array, images: Array, labels: Array, learn: bool
) -> tuple[Circuit, Array, Array]:
    """Demand of the kernel what the definition says; return what that is."""
    expected, spikes, scores = defined(brain, p, arrivals, labels, learn)
    got = copied(brain)
    got_spikes, got_scores = presented(got, p, images, labels, learn)
    np.testing.assert_array_equal(got_spikes, spikes)
    np.testing.assert_allclose(got_scores, scores, rtol=0, atol=1e-5)
    for name, mine, theirs in zip(Circuit._fields, got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5, err_msg=name)
    return expected, spikes, scores


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "delays": ({"delays": 9}, {}),
    "all that are above threshold fire": ({}, {"single": False}),
    "no importance": ({"important": False}, {}),
    "nothing protected": ({}, {"protection": 0.0}),
    "sums left alone": ({}, {"normalize_every": 0}),
    "sums seen to rarely": ({}, {"normalize_every": 4}),
    "a baseline current": ({}, {"baseline": 0.15, "baseline_cached": False}),
    "outputs hear later": ({}, {"delay": 3}),
    "outputs hear too late": ({}, {"delay": 40}),
    "bounds that are met": ({}, {"a_plus": 0.9, "a_minus": 0.6, "normalize_every": 0}),
    "no refractoriness": ({}, {"refractory": 0}),
    "no competition": ({}, {"inhibition": 0.0, "single": False}),
    "many inputs": ({"inputs": 61, "hidden": 33, "outputs": 10}, {"threshold": 9.0, "total": 15.0}),
    "no outputs": ({"outputs": 0}, {}),
    "one neuron": ({"hidden": 1}, {}),
    "one input": ({"inputs": 1}, {"threshold": 0.4, "theta_plus": 0.01, "total": 0.5}),
    "one of each": ({"inputs": 1, "hidden": 1, "outputs": 1}, {"threshold": 0.4, "total": 0.5}),
    "one step": ({}, {"steps": 1, "refractory": 0}),
    "slow weights": ({"slow": True}, {"consolidate_every": 1}),
    "slow weights, rarely": ({"slow": True}, {"consolidate_every": 4}),
    "slow weights without importance": (
        {"slow": True, "important": False},
        {"consolidate_every": 2},
    ),
    "slow weights that are not used": ({"slow": True}, {}),
    "consolidation without slow weights": ({}, {"consolidate_every": 1}),
}
INPUTS = {"poisson": {}, "latency": {"latency": True}, "in every step": {"rate": 1e9}}


@pytest.mark.parametrize("learn", [True, False], ids=["learning", "judging"])
@pytest.mark.parametrize("spikes_of", INPUTS)
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_is_its_definition(case: str, spikes_of: str, learn: bool) -> None:
    shape, constants = CASES[case]
    p, brain = physiology(**{**constants, **INPUTS[spikes_of]}), circuit(**shape)
    images, labels = patterns(6, brain)
    raster = {"poisson": recorded, "latency": timed, "in every step": constant}[spikes_of]
    expected, _, _ = agree(brain, p, raster(brain, p, images), images, labels, learn)
    if not learn:
        assert all((mine == before).all() for mine, before in zip(expected, brain, strict=True))


@pytest.mark.parametrize("case", [case for case in CASES if case != "one step"])
def test_each_case_moves_what_it_compares(case: str) -> None:
    shape, constants = CASES[case]
    p, brain = physiology(**constants, rate=1e9), circuit(**shape)
    images, labels = patterns(6, brain)
    arrivals = constant(brain, p, images)
    after, spikes, scores = defined(brain, p, arrivals, labels, True)
    assert spikes.sum() > 6
    assert np.abs(after.weight - brain.weight).max() > 0.01
    assert not brain.importance.size or np.abs(after.importance - brain.importance).max() > 0.1
    assert not brain.readout.size or np.abs(after.readout - brain.readout).max() > 0.01
    assert not brain.readout.size or scores.max() > 1
    exchanged = brain.slow.size > 0 and p.consolidate_every > 0
    assert not exchanged or np.abs(after.slow - brain.slow).max() > 0.01


@pytest.mark.parametrize("important", [True, False])
@pytest.mark.parametrize("spikes_of", INPUTS)
@pytest.mark.parametrize("setting", ["event_driven", "baseline_cached"])
def test_what_only_saves_work_changes_no_bit(setting: str, spikes_of: str, important: bool) -> None:
    constants = {"baseline": 0.05, "single": False, **INPUTS[spikes_of]}
    brains = [circuit(30, 9, 4, delays=5, important=important) for _ in range(2)]
    images, labels = patterns(20, brains[0])
    outcomes = [
        presented(brain, physiology(**constants, **{setting: on}), images, labels)
        for brain, on in zip(brains, (True, False), strict=True)
    ]
    assert outcomes[0][0].sum() > 10
    for mine, theirs in zip((*brains[0], *outcomes[0]), (*brains[1], *outcomes[1]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_no_pattern_is_no_change() -> None:
    brain = circuit()
    before = copied(brain)
    spikes, scores = presented(brain, physiology(), *patterns(0, brain))
    assert (spikes.shape, scores.shape) == ((0, 7), (0, 3))
    assert all((mine == theirs).all() for mine, theirs in zip(brain, before, strict=True))


def test_a_blank_pattern_evokes_nothing_and_draws_no_number() -> None:
    brain, p = circuit(), physiology()
    images, labels = patterns(3, brain)
    blank = np.zeros_like(images[:1])
    spikes, _ = presented(brain, p, np.concatenate([blank, images]), np.append(-1, labels), False)
    alone, _ = presented(brain, p, images, labels, False)
    assert not spikes[0].any()
    assert alone.any()
    np.testing.assert_array_equal(spikes[1:], alone)


def test_a_column_of_zeros_stays() -> None:
    brain, p = circuit(important=False), physiology(baseline=2.5, a_plus=0.0, inhibition=0.0)
    brain.weight[:, 2] = 0.0
    spikes, _ = presented(brain, p._replace(single=False), *patterns(4, brain))
    assert spikes[:, 2].any()
    assert not brain.weight[:, 2].any()
    assert brain.weight[:, 3].sum() == pytest.approx(2.0, rel=1e-5)
