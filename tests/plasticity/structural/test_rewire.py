"""Who may come: uniformly drawn, in range, never listed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import chisquare

from potentiate.plasticity.structural.rewire import candidates, lowest, plan
from potentiate.plasticity.structural.srigl import sampled_by_row
from potentiate.topology import Grid, Ring, Topology, erdos_renyi
from potentiate.topology.initial import distinct


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small() -> Topology:
    return erdos_renyi((7, 7), 0.4, rng(), recurrent=True)


def drawn(topology: Topology, draw, times: int = 3000) -> np.ndarray:
    counts = np.zeros(topology.shape)
    for _ in range(times):
        found = draw()
        codes = found.targets.astype(np.int64) * topology.shape[1] + found.sources
        assert (np.diff(codes) > 0).all()
        counts[found.targets, found.sources] += 1
    assert not counts[topology.targets, topology.sources].any()
    assert not (topology.recurrent and np.diag(counts).any())
    return counts


def absent(topology: Topology) -> np.ndarray:
    free = np.ones(topology.shape, bool)
    free[topology.targets, topology.sources] = False
    if topology.recurrent:
        np.fill_diagonal(free, False)
    return free


@pytest.mark.parametrize("count", [1, 5, 20])
def test_each_pair_that_is_no_edge_is_equally_likely(count):
    random, topology = rng(1), small()
    counts = drawn(topology, lambda: candidates(topology, count, random))
    assert counts.sum() == 3000 * count
    assert chisquare(counts[absent(topology)]).pvalue > 0.001


def test_each_pair_in_range_is_equally_likely():
    random, topology, ring = rng(2), small(), Ring(7)
    counts = drawn(topology, lambda: candidates(topology, 4, random, ring, (2, 2)))
    rows, columns = np.indices((7, 7))
    able = absent(topology) & (ring.distance(rows, columns) == 2)
    assert counts.sum() == 3000 * min(4, able.sum())
    assert not counts[~able].any()
    assert chisquare(counts[able]).pvalue > 0.001


def test_by_row_each_pair_of_a_row_is_equally_likely():
    random, topology = rng(3), small()
    free = absent(topology).sum(1)
    wanted = np.minimum(free, np.arange(7) % 4)
    counts = drawn(topology, lambda: sampled_by_row(topology, wanted, random))
    assert (counts.sum(1) == 3000 * wanted).all()
    for t in np.flatnonzero(wanted % free):
        assert chisquare(counts[t][absent(topology)[t]]).pvalue > 0.001


def test_by_row_a_few_of_a_wide_row():
    topology = erdos_renyi((3, 2000), 0.01, rng())
    found = sampled_by_row(topology, np.array([5, 0, 7]), rng(1))
    assert np.bincount(found.targets, minlength=3).tolist() == [5, 0, 7]
    assert not topology.holds(found.targets, found.sources).any()
    assert (np.diff(found.targets.astype(np.int64) * 2000 + found.sources) > 0).all()


@pytest.mark.parametrize("count", [3, 100, 250])
def test_each_number_is_equally_likely_up_to_the_last(count):
    random, counts = rng(6), np.zeros(300)
    for _ in range(1500):
        numbers = distinct(300, count, random)
        assert (np.diff(numbers) > 0).all()
        counts[numbers] += 1
    assert counts.sum() == 1500 * count
    # Without replacement the counts differ by less than chi-square expects, by the share left out.
    assert chisquare(counts).statistic < 1.35 * 299 * (1 - count / 300)


def test_all_pairs_are_found_where_all_are_wanted():
    for topology in (small(), erdos_renyi((5, 8), 0.5, rng()), erdos_renyi((4, 4), 1.0, rng())):
        free = absent(topology)
        found = candidates(topology, 10**6, rng())
        assert (np.stack([found.targets, found.sources]) == np.nonzero(free)).all()


def test_a_range_that_holds_nothing_gives_nothing():
    topology = erdos_renyi((50, 50), 0.1, rng(), recurrent=True)
    assert len(candidates(topology, 10, rng(), Ring(50), (26, 30))) == 0


def test_a_range_is_found_on_a_large_grid_without_a_list_of_pairs():
    grid = Grid(100, 100)
    topology = erdos_renyi((10_000, 10_000), 1e-4, rng(), recurrent=True)
    candidates(topology, 10, rng(), grid, (0, 30))  # what is loaded at the first call
    tracemalloc.start()
    found = candidates(topology, 1000, rng(), grid, (0, 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1000  # 3 % of the pairs are that near
    assert (grid.distance(found.targets, found.sources) <= 10).all()
    assert peak < 20 * 2**20  # a byte for each pair would be 95 MiB


def test_the_lowest_are_found_and_equal_ones_are_equally_likely():
    assert lowest(np.array([3.0, 1.0, 2.0]), 2, rng()).tolist() == [1, 2]
    assert lowest(np.array([3.0, 1.0]), 5, rng()).tolist() == [0, 1]
    assert lowest(np.array([3.0, 1.0]), 0, rng()).tolist() == []
    random, counts = rng(4), np.zeros(6)
    values = np.array([0.0, 5.0, 0.0, -1.0, 0.0, 0.0])
    for _ in range(3000):
        counts[lowest(values, 3, random)] += 1
    assert counts[3] == 3000
    assert counts[1] == 0
    assert chisquare(counts[[0, 2, 4, 5]]).pvalue > 0.001


@pytest.mark.parametrize(
    ("replaced", "edges", "band", "drop", "grow"),
    [
        (3, None, 0.1, 3, 3),
        (0, None, 0.1, 0, 0),
        (3, 30, 0.1, 1, 3),  # 20 edges: 2 more at once, the third replaces one
        (0, 30, 0.1, 0, 2),
        (0, 30, 0.5, 0, 10),
        (3, 10, 0.1, 3, 1),
        (0, 10, 0.1, 2, 0),
        (20, None, 1.0, 20, 20),
        (20, 42, 1.0, 0, 20),
    ],
)
def test_plans_by_hand(replaced, edges, band, drop, grow):
    topology = erdos_renyi((7, 7), 20 / 42, rng(), recurrent=True)
    assert topology.edges == 20
    assert plan(topology, replaced, edges, band) == (drop, grow)


def test_what_cannot_grow_is_not_dropped():
    topology = erdos_renyi((7, 7), 20 / 42, rng(), recurrent=True)
    assert plan(erdos_renyi((7, 7), 0.9, rng(), recurrent=True), 9, None, 0.1) == (4, 4)
    counts = plan(topology, 5, None, 0.1)
    assert counts.with_found(2) == (2, 2)
    assert counts.with_droppable(1) == (1, 1)
    assert plan(topology, 0, 22, 0.1).with_found(1) == (0, 1)
    assert plan(topology, 0, 18, 0.1).with_droppable(1) == (1, 0)
