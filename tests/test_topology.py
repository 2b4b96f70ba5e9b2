"""Topologies: exact counts, uniform draws, invariants, and nothing that grows with the pairs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from potentiate.errors import Refused
from potentiate.topology import (
    Embedding,
    Grid,
    Ring,
    Topology,
    constant_fan_in,
    dale_signs,
    erdos_renyi,
    erk,
    small_world,
    unit_type,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sound(found: Topology) -> Topology:
    """Demand what holds of every topology."""
    assert found.ends[0] == 0
    assert found.ends[-1] == found.edges
    assert (np.diff(found.ends) >= 0).all()
    assert found.sources.dtype == unit_type(found.shape)
    if found.edges:
        assert 0 <= found.sources.min() <= found.sources.max() < found.shape[1]
    assert (np.diff(found.codes) > 0).all()  # ascending, and so no edge twice
    assert not found.recurrent or (found.sources != found.targets).all()
    return found


@pytest.mark.parametrize("density", [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("shape", [(40, 40), (7, 90), (1, 1), (3, 0)])
def test_the_density_asked_for_is_that_reported_within_one_edge(shape, density):
    for recurrent in {False, shape[0] == shape[1]}:
        found = sound(erdos_renyi(shape, density, rng(), recurrent=recurrent))
        assert abs(found.edges - density * found.possible) <= 0.5
        possible = shape[0] * (shape[1] - recurrent)
        assert found.density == (found.edges / possible if possible else 0.0)


@pytest.mark.parametrize("density", [0.2, 0.45, 0.7])
def test_every_pair_is_equally_likely(density):
    random, counts = rng(1), np.zeros((9, 9))
    for _ in range(2000):
        found = erdos_renyi((9, 9), density, random, recurrent=True)
        counts[found.targets, found.sources] += 1
    assert chisquare(counts[~np.eye(9, dtype=bool)]).pvalue > 0.001


@pytest.mark.parametrize("possible", [200, 200_000])
def test_pairs_are_drawn_alike_whether_they_are_marked_or_sorted(possible):
    from potentiate.topology.initial import distinct

    random, counts = rng(2), np.zeros(20)
    for _ in range(400):
        numbers = distinct(possible, 40, random)
        assert (np.diff(numbers) > 0).all()
        assert len(numbers) == 40
        np.add.at(counts, numbers * 20 // possible, 1)
    assert chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("fan_in", [0, 1, 3, 8, 9, 10])
@pytest.mark.parametrize("recurrent", [True, False])
def test_constant_fan_in_is_constant_and_uniform(fan_in, recurrent):
    others = 11 - recurrent
    counts, random = np.zeros((11, 11)), rng(3)
    for _ in range(600):
        found = sound(constant_fan_in((11, 11), fan_in, random, recurrent=recurrent))
        assert (found.fan_in() == fan_in).all()
        counts[found.targets, found.sources] += 1
    allowed = counts[~np.eye(11, dtype=bool)] if recurrent else counts.ravel()
    assert fan_in in (0, others) or chisquare(allowed).pvalue > 0.001


@pytest.mark.parametrize(
    "metric",
    [Ring(30), Grid(5, 6), Embedding(rng(4).normal(size=(30, 3)))],
    ids=["ring", "grid", "points"],
)
@pytest.mark.parametrize("rewire", [0.0, 0.2, 1.0])
def test_a_small_world_keeps_its_fan_in_and_loses_its_order(metric, rewire):
    found = sound(small_world(metric, 6, rewire, rng(5)))
    assert (found.fan_in() == 6).all()
    lengths = metric.distance(found.targets, found.sources)
    near = np.sort(metric.distance(np.arange(30)[:, None], np.arange(30)), axis=1)[:, 1:7]
    assert lengths.sum() >= near.sum() - 1e-9
    if rewire == 0.0:
        np.testing.assert_allclose(np.sort(lengths), np.sort(near.ravel()))
    else:
        assert lengths.mean() > near.mean()


def test_more_rewiring_makes_longer_edges():
    means = []
    for rewire in (0.0, 0.1, 0.5, 1.0):
        found = small_world(Ring(500), 10, rewire, rng(6))
        means.append(Ring(500).distance(found.targets, found.sources).mean())
    assert means == sorted(means)
    assert means[-1] == pytest.approx(125, rel=0.05)  # a quarter of the way round: anywhere


def test_who_hears_all_others_cannot_be_rewired():
    assert small_world(Ring(5), 4, 1.0, rng()).density == 1.0


@pytest.mark.parametrize(
    "metric", [Ring(9), Grid(3, 4), Grid(1, 7), Embedding(rng(7).normal(size=(9, 2)))]
)
def test_a_distance_is_a_metric(metric):
    n = np.arange(metric.neurons)
    apart = metric.distance(n[:, None], n)
    assert (apart.diagonal() == 0).all()
    assert (apart[~np.eye(len(n), dtype=bool)] > 0).all()
    np.testing.assert_array_equal(apart, apart.T)
    assert (apart[:, None, :] <= apart[:, :, None] + apart[None, :, :] + 1e-12).all()
    others = apart + np.diag(np.full(len(n), np.inf))
    for count in (0, 1, 2, len(n) - 1):
        found = metric.nearest(count)
        assert found.shape == (len(n), count)
        mine = np.sort(np.take_along_axis(others, found, 1), axis=1)
        np.testing.assert_allclose(mine, np.sort(others, axis=1)[:, :count])


def test_points_that_coincide_have_neighbors_that_are_not_themselves():
    metric = Embedding(np.zeros((6, 2)))
    found = metric.nearest(3)
    assert (found != np.arange(6)[:, None]).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 12), st.integers(0, 12), st.floats(0, 1), st.integers(0, 9))
def test_pairs_make_the_topology_and_the_topology_the_pairs(targets, sources, density, seed):
    first = sound(erdos_renyi((targets, sources), density, rng(seed)))
    order = rng(seed).permutation(first.edges)
    again = Topology.from_pairs(first.targets[order], first.sources[order], first.shape)
    np.testing.assert_array_equal(again.codes, first.codes)
    np.testing.assert_array_equal(again.ends, first.ends)
    some = np.flatnonzero(rng(seed).random(first.edges) < 0.5)
    np.testing.assert_array_equal(first.codes_of(some), first.codes[some])
    ends, rows = first.reversed
    np.testing.assert_array_equal(ends, np.concatenate([[0], np.cumsum(first.fan_out())]))
    by_source = np.argsort(first.sources, kind="stable")
    np.testing.assert_array_equal(rows, first.targets[by_source])
    matrix = np.zeros(first.shape, bool)
    matrix[first.targets, first.sources] = True
    t, s = np.indices(first.shape)
    np.testing.assert_array_equal(first.holds(t, s), matrix)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: erdos_renyi((3, 4), 0.5, rng(), recurrent=True), "as many targets as sources"),
        (lambda: erdos_renyi((3, 3), 1.5, rng()), "density must lie"),
        (
            lambda: constant_fan_in((3, 3), 3, rng(), recurrent=True),
            "has 2 possible sources, 3 were",
        ),
        (lambda: small_world(Ring(4), 4, 0.0, rng()), "has 3 others, 4 were asked"),
        (lambda: small_world(Ring(4), 2, -0.1, rng()), "rewire must lie"),
        (lambda: Topology.from_pairs([0, 0], [1, 1], (2, 2)), "given twice"),
        (lambda: Topology.from_pairs([0], [2], (2, 2)), "outside of"),
        (lambda: Topology.from_pairs([-1], [0], (2, 2)), "outside of"),
        (lambda: Topology.from_pairs([1], [1], (2, 2), recurrent=True), "to itself"),
        (lambda: Topology.from_pairs([0, 1], [1], (2, 2)), "a target for each source"),
        (lambda: dale_signs(4, 1.1), "must lie in"),
        (lambda: Embedding(np.full((2, 2), np.nan)), "finite numbers"),
        (lambda: Embedding(np.zeros(3)), "finite numbers"),
    ],
)
def test_what_cannot_be_is_refused(make, told):
    with pytest.raises(Refused, match=told):
        make()


@pytest.mark.parametrize(
    ("neurons", "share", "negative"), [(10, 0.2, 2), (0, 0.2, 0), (7, 1.0, 7), (5, 0.0, 0)]
)
def test_the_last_share_of_neurons_inhibits(neurons, share, negative):
    signs = dale_signs(neurons, share)
    assert (signs[neurons - negative :] == -1).all()
    assert (signs[: neurons - negative] == 1).all()


def test_layers_share_a_density_in_proportion_to_their_neurons():
    shapes = [(784, 300), (300, 100), (100, 10)]
    for density in (0.01, 0.05, 0.2, 0.6, 1.0):
        found = erk(shapes, density)
        edges = [d * n * m for d, (n, m) in zip(found, shapes, strict=True)]
        assert sum(edges) == pytest.approx(density * sum(n * m for n, m in shapes))
        assert max(found) <= 1.0
    sparse = erk(shapes, 0.01)
    scaled = [d * n * m / (n + m) for d, (n, m) in zip(sparse, shapes, strict=True)]
    assert scaled == pytest.approx([scaled[0]] * 3)


def test_memory_follows_the_edges_and_not_the_pairs():
    tracemalloc.start()
    found = erdos_renyi((20_000, 20_000), 1e-3, rng(), recurrent=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.edges == 399_980
    assert peak < 60 * found.edges  # 400 million pairs would be 50 MB as single bits


@pytest.mark.parametrize(("neurons", "kind"), [(32_767, np.int16), (32_768, np.int32)])
def test_numbers_of_neurons_take_as_few_bytes_as_hold_them(neurons, kind):
    found = sound(erdos_renyi((neurons, neurons), 40 / neurons**2, rng(), recurrent=True))
    assert found.sources.dtype == kind
    assert found.reversed[1].dtype == kind
    assert found.edges == 40
    last = Topology.from_pairs([neurons - 1], [neurons - 2], (neurons, neurons), recurrent=True)
    assert last.sources.tolist() == [neurons - 2]
    assert last.codes.tolist() == [(neurons - 1) * neurons + neurons - 2]
