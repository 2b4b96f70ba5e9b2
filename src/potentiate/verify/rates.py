"""Rules that learn from rates, and rules that keep rates, beside what theory says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.plasticity import Rule
from potentiate.verify.check import Check

Floats = NDArray[np.float64]


def target_rate(rule: Rule, expected: float) -> Iterator[Check]:
    """Inhibition on neurons that would fire at 30 Hz, from weights of four sizes: the last minute."""
    rng = np.random.default_rng(6)
    starts = (0.0, 0.2, 0.5, 1.0)
    weight = np.tile(starts, (50, 1))
    state, step, rates = rule.init(weight, 1), 100, np.zeros(4)
    for block in range(900):
        pre = (rng.random((step, 1, 50)) < 0.02).astype(float)
        probability = 0.03 * np.maximum(0.0, 1.0 - weight.mean(0))
        post = (rng.random((step, 1, 4)) < probability).astype(float)
        weight, state = rule.run(weight, pre, post, state, 1.0)
        if block >= 300:
            rates += post.sum((0, 1)) * 1000 / (600 * step)
    for start, rate in zip(starts, rates, strict=True):
        name = f"inhibitory STDP, weights from {start:g}: rate (Hz)"
        yield Check(name, expected, float(rate), 0.05 * expected, "alpha/(2 tau), Vogels 2011; 5 %")


def principal_component(rule: Rule) -> Iterator[Check]:
    """A linear neuron on 300 samples: length and direction of its weights."""
    x = samples()
    direction = np.linalg.eigh(x.T @ x)[1][:, -1]
    weight = np.full((5, 1), 0.3)
    weight = linear(rule, weight, x, steps=3000)
    norm, along = float(np.linalg.norm(weight)), float(abs(direction @ weight[:, 0]))
    yield Check("Oja: norm of the weights", 1.0, norm, 1e-9, "Oja 1982")
    yield Check("Oja: weights along the first component", 1.0, along, 1e-9, "Oja 1982")


def divergence(rule: Rule, eta: float) -> Iterator[Check]:
    """The same neuron without forgetting: the logarithm of its length after 3000 steps."""
    x = samples()
    start = np.full((5, 1), 0.3)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    parts = (vectors.T @ start[:, 0]) * (1 + eta * values) ** 3000
    expected = float(np.log(np.linalg.norm(parts)))
    grown = float(np.log(np.linalg.norm(linear(rule, start.copy(), x, steps=3000))))
    yield Check("Hebb: log of the norm", expected, grown, 1e-9 * expected, "(1 + eta C)^n w")


def samples() -> Floats:
    """300 samples of five variables, whose directions and spreads differ."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((300, 5)) * [1.5, 1.0, 0.7, 0.5, 0.3]
    return x @ np.linalg.qr(rng.standard_normal((5, 5)))[0]


def linear(rule: Rule, weight: Floats, x: Floats, steps: int) -> Floats:
    """Return the weights of a linear neuron after some steps on all samples at once."""
    state: Any = rule.init(weight, len(x))
    for _ in range(steps):
        weight, state = rule.update(weight, x, x @ weight, state, 1.0)
    return weight


def selectivity(rule: Rule) -> Iterator[Check]:
    """Linear neurons that see two patterns in turn come to answer one: y = 2 and y = 0."""
    patterns = np.array([[1.0, 0.2], [0.2, 1.0]])
    weight = np.random.default_rng(8).uniform(0.3, 0.7, (2, 6))
    state = rule.init(weight, 2)
    for _ in range(20_000):
        weight, state = rule.update(weight, patterns, patterns @ weight, state, 1.0)
    y = patterns @ weight
    gap = float(np.abs(state.threshold - (y**2).mean(0)).max())
    yield Check("BCM: threshold less <y^2>", 0.0, gap, 1e-6, "Bienenstock, Cooper and Munro 1982")
    error = float(np.abs(np.sort(y, axis=0) - [[0.0], [2.0]]).max())
    yield Check("BCM: answers to two patterns", 0.0, error, 1e-3, "y = 1/p and 0 (p = 1/2)")
    chosen = len(set(y.argmax(0)))
    yield Check("BCM: patterns that are chosen", 2, chosen, 0.0, "either, by the first weights")


def scaling(rule: Rule, target: float) -> Iterator[Check]:
    """Neurons whose rate is their drive: it returns to the target after the drive is doubled."""
    rng = np.random.default_rng(9)
    start = rng.uniform(0.5, 1.5, (8, 3))
    weight, state = start.copy(), rule.init(start, 1)
    pre = np.zeros((1, 8))
    for drive in (1.0, 2.0):
        first = float((drive * target * weight.mean(0)).max())
        for _ in range(20_000):
            counts = drive * target * weight.mean(0)[None] / 1000  # what it fires in 1 ms
            weight, state = rule.update(weight, pre, counts, state, 1.0)
        found = float(np.abs(drive * target * weight.mean(0) - target).max())
        name = f"synaptic scaling, drive x{drive:g} (first {first:.1f} Hz): rate less target (Hz)"
        yield Check(name, 0.0, found, 1e-3 * target, "Turrigiano 1998")
    ratios = (weight / weight[0]) / (start / start[0])
    error = float(np.abs(ratios - 1).max())
    yield Check("synaptic scaling: ratios of weights", 0.0, error, 1e-12, "one factor per neuron")


def intrinsic_rate(rule: Rule, target: float) -> Iterator[Check]:
    """Neurons of different drive, rate = drive - threshold, all end at the target."""
    drive = np.array([5.0, 20.0, 80.0])
    weight = np.ones((1, 3))
    state = rule.init(weight, 1)
    pre = np.zeros((1, 1))
    for _ in range(30_000):
        counts = np.maximum(0.0, drive - state.threshold)[None] / 1000
        weight, state = rule.update(weight, pre, counts, state, 1.0)
    error = float(np.abs(drive - state.threshold - target).max())
    yield Check("intrinsic: rate less target (Hz)", 0.0, error, 1e-3 * target, "fixed point r = r*")


def normalization(rule: Rule, total: float) -> Iterator[Check]:
    """784 inputs, as in Diehl and Cook."""
    weight = np.random.default_rng(10).random((784, 20)) * 0.3
    ratio = weight[0] / weight[-1]
    pre, post = np.zeros((1, 784)), np.zeros((1, 20))
    weight, _ = rule.update(weight, pre, post, rule.init(weight, 1), 1.0)
    error = float(np.abs(weight.sum(0) - total).max())
    source = "Diehl and Cook 2015"
    yield Check("normalization: sum less total", 0.0, error, 1e-12 * total, source)
    yield Check("normalization: mean weight", 78 / 784, float(weight.mean()), 1e-12, source)
    kept = float(np.abs(weight[0] / weight[-1] / ratio - 1).max())
    yield Check("normalization: ratios of weights", 0.0, kept, 1e-12, "one factor per neuron")
