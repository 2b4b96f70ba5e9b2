"""Each rule on answers computed by hand, and what only it promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from potentiate.errors import Refused
from potentiate.plasticity.structural import (
    SET,
    CHTs,
    DeepR,
    RandomRewiring,
    RigL,
    Scores,
    SRigL,
    StructuralRule,
)
from potentiate.plasticity.structural.chts import ch3_l3, importance
from potentiate.plasticity.structural.rewire import candidates
from potentiate.topology import Topology, erdos_renyi


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def row(*sources: int, width: int = 7) -> Topology:
    return Topology.from_pairs([0] * len(sources), sources, (1, width))


def updated(
    rule: StructuralRule, topology: Topology, weight: Any, scores: Scores | None = None, **more: Any
):
    values = np.array(weight, np.float32)
    state = rule.init(topology, values, rng())
    return rule.update(
        topology, values, scores or Scores.silent(topology.shape), state, rng(1), **more
    )


def test_set_drops_the_weights_nearest_to_zero_of_each_sign():
    change = updated(SET(zeta=0.4, scale=0.0), row(0, 1, 2, 3, 4), [0.1, 0.9, -0.2, -0.8, 0.5])
    assert change.topology.sources.tolist() == [1, 3, 4, 5, 6]
    assert np.allclose(change.weight, [0.9, -0.8, 0.5, 0, 0])
    assert change.moved.tolist() == [1, 3, 4, -1, -1]


def test_fresh_weights_are_as_large_as_those_at_the_start():
    topology = erdos_renyi((60, 60), 0.3, rng(), recurrent=True)
    weight = 0.2 * rng().normal(size=topology.edges)
    for rule in (SET(), RandomRewiring(0.3), CHTs()):
        change = updated(rule, topology, weight)
        fresh = change.weight[change.moved < 0]
        assert len(fresh) > 300
        assert abs(fresh.std() / 0.2 - 1) < 0.15
        assert abs(fresh.mean()) < 0.04


def test_random_rewiring_drops_each_edge_equally_often():
    topology, random, rule = row(0, 2, 3, 5, 8, 9, width=20), rng(), RandomRewiring(0.3)
    counts, weight = np.zeros(6), np.arange(6, dtype=np.float32)
    state = rule.init(topology, weight, random)
    for _ in range(3000):
        change = rule.update(topology, weight, Scores.silent((1, 20)), state, random)
        counts[change.moved[change.moved >= 0]] += 1
    assert chisquare(counts).pvalue > 0.001


def test_rigl_grows_the_largest_gradient():
    topology = Topology.from_pairs([0, 0, 1, 1], [0, 1, 1, 2], (2, 4))
    before = np.array([[1, 0], [0, 1], [1, 1], [2, -2]])
    error = np.array([[1, 2], [-3, 1]])
    # Gradients of the pairs without an edge: (0,2) 3, (0,3) -2, (1,0) -3, (1,3) -8.
    scores = Scores(before, np.zeros((2, 2)), error)
    weight = [0.5, -0.1, 0.7, 0.9]
    for rule in (RigL(alpha=0.5, candidates=None), RigL(alpha=0.5, candidates=100)):
        change = updated(replace(rule, alpha=0.25), topology, weight, scores)
        assert change.topology.codes.tolist() == [0, 5, 6, 7]
        assert np.allclose(change.weight, [0.5, 0.7, 0.9, 0])
        assert change.moved.tolist() == [0, 2, 3, -1]


def test_by_dales_law_rigl_grows_where_the_weight_may_go():
    scores = Scores(
        np.eye(4),
        np.zeros((1, 4)),
        np.array([[0, 5.0, 2.0, -3.0]]),
        np.array([1, 1, -1, 1], np.int8),
    )
    # Descent wants -5, -2 and +3; of these, the first sign is forbidden.
    change = updated(RigL(alpha=1.0, candidates=None), row(0, width=4), [1.0], scores)
    assert change.topology.sources.tolist() == [3]


def test_the_share_of_rigl_is_half_a_cosine():
    rule = RigL()
    assert [round(rule.share(p), 6) for p in (0, 0.375, 0.75, 0.9)] == [0.3, 0.15, 0, 0]
    topology = erdos_renyi((20, 20), 0.3, rng())
    change = updated(rule, topology, rng().normal(size=topology.edges), progress=0.8)
    assert (change.moved >= 0).all()


def test_exact_rigl_takes_pieces(monkeypatch):
    topology = erdos_renyi((30, 40), 0.2, rng())
    random = rng(3)
    scores = Scores(random.normal(size=(40, 9)), np.zeros((30, 9)), random.normal(size=(30, 9)))
    whole = updated(RigL(candidates=None), topology, rng().normal(size=topology.edges), scores)
    monkeypatch.setattr("potentiate.plasticity.structural.magnitude.CHUNK", 37)
    pieces = updated(RigL(candidates=None), topology, rng().normal(size=topology.edges), scores)
    assert (whole.topology.codes == pieces.topology.codes).all()
    gradient = np.abs(scores.error @ scores.before.T)
    gradient[topology.targets, topology.sources] = 0
    grown = (whole.moved < 0).sum()
    best = np.sort(np.argsort(-gradient.ravel())[:grown])
    assert (whole.topology.codes[whole.moved < 0] == best).all()


def test_a_gradient_that_is_no_number_does_not_grow():
    topology = Topology.from_pairs([0, 1], [0, 0], (2, 3))
    scores = Scores(np.ones((3, 1)), np.zeros((2, 1)), np.array([[np.nan], [1e-6]]))
    change = updated(RigL(alpha=1.0, candidates=None), topology, [1.0, 1.0], scores)
    assert change.topology.codes.tolist() == [4, 5]


def test_srigl_drops_and_grows_in_each_row():
    topology = Topology.from_pairs([0, 0, 1, 1], [0, 1, 2, 3], (2, 4))
    before, error = np.eye(4), np.array([[0, 0, 1, -2.0], [3, -4.0, 0, 0]])
    scores = Scores(before, np.zeros((2, 4)), error)
    # Half of two edges a row: of all weights row 1 has both smallest, but each row drops one.
    change = updated(SRigL(alpha=0.5), topology, [0.9, 0.5, 0.1, 0.2], scores)
    assert change.topology.codes.tolist() == [0, 3, 5, 7]
    assert np.allclose(change.weight, [0.9, 0, 0, 0.2])


def test_srigl_rounds_a_small_share_at_random():
    topology = Topology.from_pairs(
        np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300), (300, 40)
    )
    weight = rng().normal(size=topology.edges)
    scores = Scores(rng().normal(size=(40, 8)), np.zeros((300, 8)), rng().normal(size=(300, 8)))
    change = updated(SRigL(alpha=0.1), topology, weight, scores)
    assert (change.topology.fan_in() == 4).all()
    assert 90 <= (change.moved < 0).sum() <= 150  # 0.4 a row


@pytest.mark.parametrize("wanted", [103, 77, 40])
def test_srigl_spreads_a_new_number_of_edges_evenly(wanted):
    topology = Topology.from_pairs(np.repeat(np.arange(20), 4), np.tile(np.arange(4), 20), (20, 30))
    for _ in range(20):
        topology = updated(
            SRigL(), topology, np.ones(topology.edges), edges=wanted, progress=0.9
        ).topology
    assert topology.edges == wanted
    assert np.ptp(topology.fan_in()) <= 1


def test_deep_r_drops_what_has_crossed_zero():
    rule = DeepR(rate=1.0, penalty=0.1, temperature=0.0)
    topology, start = row(0, 1, 2, 3), np.array([0.5, -0.5, 0.05, -0.3], np.float32)
    state = rule.init(topology, start, rng())
    assert state.sign.tolist() == [1, -1, 1, -1]
    learned = np.array([0.4, 0.2, 0.05, -0.3], np.float32)  # the second has crossed in training
    change = rule.update(topology, learned, Scores.silent((1, 7)), state, rng())
    assert change.moved[:2].tolist() == [0, 3]
    assert np.allclose(change.weight, [0.3, -0.2, 0, 0])
    assert (change.moved < 0).sum() == 2
    assert change.state.sign[:2].tolist() == [1, -1]
    assert set(change.state.sign.tolist()) == {1, -1}


def test_deep_r_drifts_for_each_step_observed_and_diffuses():
    topology = erdos_renyi((100, 100), 0.5, rng())
    weight = np.full(topology.edges, 20.0, np.float32)
    silent = Scores.silent(topology.shape)
    for steps, temperature in ((1, 0.0), (40, 0.0), (40, 0.5)):
        rule = DeepR(rate=0.1, penalty=0.2, temperature=temperature)
        state = rule.init(topology, weight, rng())
        for _ in range(steps):
            state = rule.observe(topology, weight, silent, state)
        change = rule.update(topology, weight, silent, state, rng())
        assert change.state.steps.tolist() == [0]
        stayed = change.weight[change.moved >= 0]
        assert abs(stayed.mean() - (20 - steps * 0.02)) < 0.1
        assert abs(stayed.std() - np.sqrt(2 * steps * 0.1 * temperature)) < 0.1


def test_deep_r_keeps_what_it_cannot_replace_at_zero():
    topology = erdos_renyi((3, 4), 1.0, rng())
    rule = DeepR(rate=1.0, penalty=0.0, temperature=0.0)
    state = rule.init(topology, np.ones(12, np.float32), rng())
    weight = np.where(np.arange(12) % 2, 1, -1).astype(np.float32)
    change = rule.update(topology, weight, Scores.silent((3, 4)), state, rng())
    assert (change.moved == np.arange(12)).all()
    assert (change.weight == np.maximum(weight, 0)).all()


def brute_ch3_l3(topology: Topology, t: int, s: int) -> float:
    """From sets and the definition."""
    edges = set(zip(topology.targets.tolist(), topology.sources.tolist(), strict=True))
    over_t = {b for a, b in edges if a == t}  # sources of t
    over_s = {a for a, b in edges if b == s}  # targets of s
    total = 0.0
    for target in over_s:
        for source in over_t:
            if (target, source) in edges:
                out_t = sum(a == target and b != s and b not in over_t for a, b in edges)
                out_s = sum(b == source and a != t and a not in over_s for a, b in edges)
                total += 1 / np.sqrt((1 + out_t) * (1 + out_s))
    return total


def test_ch3_l3_by_hand():
    # s=2 to t=0 through 2 - 1 - 0 - 0, where target 1 also hears source 3, and source 0 also drives 2.
    topology = Topology.from_pairs([0, 1, 1, 1, 2], [0, 0, 2, 3, 0], (3, 4))
    pair = candidates(topology, 100, rng())
    score = dict(
        zip(zip(pair.targets, pair.sources, strict=True), ch3_l3(topology, pair, 64), strict=True)
    )
    assert score[0, 2] == pytest.approx(1 / np.sqrt(2 * 2))
    assert score[0, 1] == 0


@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 0.8])
def test_ch3_l3_is_that_of_the_definition(density):
    topology = erdos_renyi((9, 11), density, rng())
    found = candidates(topology, 100, rng())
    score = ch3_l3(topology, found, 64)
    for t, s, value in zip(found.targets, found.sources, score, strict=True):
        assert value == pytest.approx(brute_ch3_l3(topology, int(t), int(s)), rel=1e-5)


def test_ch3_l3_of_a_few_neighbors_speaks_for_all():
    topology = erdos_renyi((60, 60), 0.3, rng())
    found = candidates(topology, 400, rng())
    exact, rough = ch3_l3(topology, found, 64), ch3_l3(topology, found, 8)
    assert abs(rough.mean() / exact.mean() - 1) < 0.25
    assert np.corrcoef(exact, rough)[0, 1] > 0.5
    assert not np.allclose(exact, rough)


def test_chts_grows_where_paths_are():
    # Two communities; pairs within are on many paths, pairs across on none.
    inside = (np.arange(20)[:, None] // 10 == np.arange(20) // 10) & (rng().random((20, 20)) < 0.5)
    topology = Topology.from_pairs(*np.nonzero(inside), (20, 20))
    change = updated(CHTs(zeta=0.2), topology, rng().normal(size=topology.edges))
    grown = change.moved < 0
    within = change.topology.targets[grown] // 10 == change.topology.sources[grown] // 10
    assert grown.sum() >= 15
    assert within.all()


def test_importance_by_hand():
    topology = Topology.from_pairs([0, 0, 1], [0, 1, 1], (2, 2))
    found = importance(topology, np.array([1, -3, 2], np.float32))
    assert np.allclose(found, [1 / 4 + 1, 3 / 4 + 3 / 5, 1 + 2 / 5])
    assert not importance(topology, np.zeros(3, np.float32)).any()


def test_chts_removes_by_lot_softly_at_first_and_sharply_later():
    topology, random = Topology.from_pairs(np.arange(8), np.zeros(8), (8, 3)), rng()
    weight = np.arange(1, 9, dtype=np.float32)

    def kept(delta: float) -> np.ndarray:
        rule, counts = CHTs(zeta=0.125, first=delta, last=delta), np.zeros(8)
        state = rule.init(topology, weight, random)
        for _ in range(2000):
            change = rule.update(topology, weight, Scores.silent((8, 3)), state, random)
            counts[change.moved[change.moved >= 0]] += 1
        return counts

    assert chisquare(kept(0.0)).pvalue > 0.001  # blind
    soft, sharp = kept(0.5), kept(0.999)
    assert soft[0] < soft[-1]
    assert soft.min() > 1000
    assert sharp[0] == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: SET(zeta=1.5),
        lambda: SET(scale=-1.0),
        lambda: RandomRewiring(-0.1),
        lambda: RigL(candidates=0),
        lambda: RigL(alpha=float("nan")),
        lambda: SRigL(end=2.0),
        lambda: DeepR(temperature=-1.0),
        lambda: CHTs(neighbors=65),
        lambda: CHTs(last=1.0),
        lambda: CHTs(candidates=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(Refused):
        make()
