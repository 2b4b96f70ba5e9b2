"""Loops over edges and pairs, against the same in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from potentiate.kernels import pairs
from potentiate.topology import Topology, erdos_renyi

SHAPES = [(9, 9, True), (9, 9, False), (6, 13, False), (1, 1, True), (3, 0, False), (0, 4, False)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def absent(topology: Topology) -> np.ndarray:
    """The codes of the pairs that are no edge."""
    targets, sources = (part.ravel() for part in np.indices(topology.shape))
    able = ~topology.holds(targets, sources)
    if topology.recurrent:
        able &= targets != sources
    return np.flatnonzero(able)


@pytest.mark.parametrize(("rows", "columns", "recurrent"), SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_absent_pairs_by_rank(rows, columns, recurrent, density):
    topology = erdos_renyi((rows, columns), density, rng(), recurrent=recurrent)
    expected = absent(topology)
    for step in (1, 3):
        ranks = np.arange(0, len(expected), step)
        targets, sources = (np.full(len(ranks), -1, np.int32) for _ in range(2))
        pairs.absent(topology.ends, topology.sources, columns, recurrent, ranks, targets, sources)
        assert (targets * columns + sources == expected[::step]).all()


@pytest.mark.parametrize(("rows", "columns", "recurrent"), SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_merged_edges(rows, columns, recurrent, density):
    topology = erdos_renyi((rows, columns), density, rng(), recurrent=recurrent)
    keep, new = rng(1).random(topology.edges) < 0.5, absent(topology)
    new = new[rng(2).random(len(new)) < 0.5]
    edges = int(keep.sum()) + len(new)
    ends, sources = np.empty(rows + 1, np.int64), np.empty(edges, np.int32)
    moved = np.empty(edges, np.int64)
    targets = (new // max(1, columns)).astype(np.int32)
    grown = (new % max(1, columns)).astype(np.int32)
    pairs.merge(topology.ends, topology.sources, keep, targets, grown, ends, sources, moved)
    after = Topology(ends, sources, (rows, columns), recurrent)
    assert (after.codes == np.sort(np.concatenate([topology.codes[keep], new]))).all()
    assert (topology.codes[moved[moved >= 0]] == after.codes[moved >= 0]).all()
    assert (after.codes[moved < 0] == new).all()


def test_the_lowest_of_each_row():
    bounds, counts = np.array([0, 4, 4, 7, 9]), np.array([2, 0, 3, 0])
    values = np.array([5.0, 1, 5, 5, 3, 2, 1, 0, 0], np.float32)
    chosen = np.zeros(9, np.bool_)
    pairs.lowest_by_row(bounds, values, counts, chosen)
    assert np.flatnonzero(chosen).tolist() == [0, 1, 4, 5, 6]


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 65, 129])
def test_bits_are_counted(samples):
    a, b = (rng(seed).normal(size=(5, samples)).astype(np.float32) for seed in (1, 2))
    words = [np.empty((5, -(-samples // 64)), np.uint64) for _ in range(2)]
    for part, bits in zip((a, b), words, strict=True):
        pairs.packed(part, bits)
    targets, sources = (part.ravel() for part in np.indices((5, 5)))
    out = np.empty(25, np.float32)
    pairs.coincidences(*words, targets, sources, out)
    both = (a > 0).astype(int) @ (b > 0).astype(int).T
    assert (out == both.ravel()).all()


def credit(value: np.ndarray, gain: np.ndarray, decay: float) -> np.ndarray:
    """One step of the compact credit of edges from a neuron of activity `gain` each to one target."""
    ends, sources = np.array([0, len(value)]), np.arange(len(value), dtype=np.int32)
    bits, age = value.astype(np.float16).view(np.uint16).copy(), np.zeros(len(value), np.int16)
    one = np.ones(1, np.float32)
    pairs.credit_compact(ends, sources, gain, one, np.float32(decay), bits, age)
    assert (age == 1).all()
    return bits.view(np.float16)


def test_every_float16_survives_the_way_to_float32_and_back():
    values = np.arange(0x7C00, dtype=np.uint16).view(
        np.float16
    )  # all that are finite and not negative
    assert (credit(values, np.zeros(len(values), np.float32), 1.0) == values).all()


def test_float32_is_rounded_to_the_nearest_float16_and_does_not_overflow():
    exact = np.exp(rng().uniform(-20, 11, 100_000)).astype(np.float32)
    found = credit(np.zeros(len(exact)), exact, 0.0).astype(np.float64)
    nearest = np.minimum(exact, 65504).astype(np.float16).astype(np.float64)
    away = np.abs(found - exact) - np.abs(nearest - exact)
    assert (away[exact < 65504] <= 1e-12).all()
    assert credit(np.zeros(2), np.array([1e9, np.inf], np.float32), 0.0).tolist() == [65504, 65504]


def test_wide_credit_is_float32():
    topology = erdos_renyi((7, 9), 0.5, rng())
    before, after = rng(1).random(9, np.float32), rng(2).random(7, np.float32)
    value = rng(3).random(topology.edges, np.float32)
    expected = value * np.float32(0.9) + before[topology.sources] * after[topology.targets]
    age = np.zeros(topology.edges, np.int64)
    pairs.credit_wide(topology.ends, topology.sources, before, after, np.float32(0.9), value, age)
    assert np.allclose(value, expected, rtol=1e-6)
    assert (age == 1).all()
