"""Credit, ages, protection, threshold, pool: each does what it says, and can be switched off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from potentiate.errors import Refused
from potentiate.plasticity.structural import Change, Coactivation, Scores
from potentiate.plasticity.structural.coactivation import SCALE, Evidence
from potentiate.topology import Embedding, Ring, Topology, dale_signs, erdos_renyi

QUICK = Coactivation(protection=0, coactivation_every=1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def net(neurons: int = 50, density: float = 0.2) -> Topology:
    return erdos_renyi((neurons, neurons), density, rng(), recurrent=True)


def active(topology: Topology, seed: int, samples: int = 40) -> Scores:
    """Neurons of very different rates."""
    random, (targets, sources) = rng(seed), topology.shape
    levels = [np.linspace(0.1, 1, n)[:, None] for n in (sources, targets)]
    before, after = (np.maximum(random.random((len(x), samples)) - 1 + x, 0) for x in levels)
    return Scores(before, after, np.zeros((targets, samples)))


def lived(rule: Coactivation, topology: Topology, steps: int, seed: int = 0) -> Evidence:
    weight = np.ones(topology.edges, np.float32)
    state = rule.init(topology, weight, rng(seed))
    for step in range(steps):
        state = rule.observe(topology, weight, active(topology, step), state)
    return state


def updated(rule: Coactivation, topology: Topology, state: Evidence, **more: Any) -> Change:
    weight, silent = np.ones(topology.edges, np.float32), Scores.silent(topology.shape)
    return rule.update(topology, weight, silent, state, rng(9), **more)


def test_one_step_by_hand():
    topology = Topology.from_pairs([0, 1], [1, 0], (2, 2), recurrent=True)
    rule = Coactivation(trace=0.5, decay=0.75)
    before, after = np.array([[1, 3.0], [0, 0]]), np.array([[2.0, 0], [6, 0]])
    state = rule.init(topology, np.ones(2, np.float32), rng())
    state = rule.observe(topology, np.ones(2, np.float32), Scores(before, after, 0 * after), state)
    assert state.before.tolist() == [1, 0]  # half of the means
    assert state.after.tolist() == [0.5, 1.5]
    # mean p is 0.5, mean q is 1; edges are (0, 1) and (1, 0).
    assert (state.credit / SCALE).tolist() == [0, 0.25 * 1.5 / 0.5]
    assert state.age.tolist() == [1, 1]
    assert state.steps.tolist() == [1]


@pytest.mark.parametrize("scale", [1.0, 1e-7, 1e6])
def test_compact_credit_neither_underflows_nor_overflows_in_5000_steps(scale):
    topology, rule, random = net(40, 0.3), Coactivation(), rng(5)
    weight = np.ones(topology.edges, np.float32)
    state = rule.init(topology, weight, rng())
    targets, sources = topology.targets, topology.sources
    rates = 10 ** np.linspace(-2.5, 0, 40)[:, None] * scale  # credits over five decades
    p, q, credit = np.zeros(40), np.zeros(40), np.zeros(topology.edges)
    for _ in range(5000):
        before, after = (rates * random.random((40, 4)) for _ in range(2))
        scores = Scores(before, after, after)
        state = rule.observe(topology, weight, scores, state)
        p, q = 0.9 * p + 0.1 * scores.before.mean(1), 0.9 * q + 0.1 * scores.after.mean(1)
        credit = 0.96 * credit + 0.04 * p[sources] * q[targets] / (p.mean() * q.mean())
    assert state.credit.dtype == np.float16
    assert credit.min() < 1e-3
    assert np.allclose(state.credit / SCALE, credit, rtol=0.02)


def test_without_activity_there_is_no_credit_and_no_division_by_zero():
    topology = net()
    state = QUICK.init(topology, np.ones(topology.edges, np.float32), rng())
    scores = Scores(*(np.zeros((50, 3)) for _ in range(3)))
    state = QUICK.observe(topology, np.ones(topology.edges, np.float32), scores, state)
    assert not state.credit.any()
    assert updated(QUICK, topology, state).topology.edges == topology.edges


def test_ages_are_steps_and_stop_at_the_largest_that_they_can_be():
    topology = net()
    state = lived(QUICK, topology, 3)
    assert (state.age == 3).all()
    state.age[:] = 32766
    weight = np.ones(topology.edges, np.float32)
    for _ in range(3):
        state = QUICK.observe(topology, weight, active(topology, 0), state)
    assert state.age.dtype == np.int16
    assert (state.age == 32767).all()


def test_protection_is_counted_in_steps_not_updates():
    topology, rule = net(), replace(QUICK, protection=7)
    weight = np.ones(topology.edges, np.float32)
    state, grown = rule.init(topology, weight, rng()), []
    for step in range(1, 15):
        state = rule.observe(topology, weight, active(topology, step), state)
        change = updated(rule, topology, state)
        topology, state = change.topology, change.state
        grown.append(int((change.moved < 0).sum()))
    assert grown[:6] == [0] * 6
    assert grown[6] > 0


def test_what_is_protected_stays_whatever_is_asked():
    topology, rule = net(), replace(QUICK, protection=60)
    state = lived(rule, topology, 5)
    assert updated(rule, topology, state, edges=10).topology.edges == topology.edges
    state = lived(rule, topology, 5)
    state.age[:3] = 100
    change = updated(rule, topology, state, edges=10)
    assert (change.moved == np.arange(3, topology.edges)).all()


def test_the_lowest_credit_goes():
    topology = net()
    state = lived(QUICK, topology, 20)
    credit = state.credit.astype(float)
    change = updated(QUICK, topology, state)
    stayed = change.moved[change.moved >= 0]
    gone = np.setdiff1d(np.arange(topology.edges), stayed)
    assert len(gone) == int(0.05 * topology.edges) or len(gone) == int(0.1 * topology.edges)
    assert credit[gone].max() <= credit[stayed].min()


def test_an_old_edge_needs_more_credit_up_to_half_without_a_jump():
    topology = Topology.from_pairs(np.zeros(30), np.arange(30), (1, 60))
    rule = replace(QUICK, protection=10, band=(0.0, 1.0), ceiling=1.0, threshold=1.0)
    state = rule.init(topology, np.ones(30, np.float32), rng())
    state.age[:] = np.arange(30)
    assert np.isinf(rule._need(state)[:10]).all()
    state.credit[:] = SCALE
    assert np.allclose(1 / rule._need(state)[10:20], np.linspace(1, 1.45, 10))
    assert np.allclose(1 / rule._need(state)[20:], 1.5)
    state.credit[:] = 1.2 * SCALE  # 1.2 is less than 1.4 and 1.5, and enough for a younger edge
    gone = np.setdiff1d(np.arange(30), updated(rule, topology, state).moved)
    assert gone.min() == 15
    assert gone.max() == 29
    state = state._replace(credit=state.credit, age=state.age)
    assert (rule._need(state)[10:] < rule._need(state)[10] + 1e-6).all()
    assert np.ptp(replace(rule, aging=0.0)._need(state)[10:]) == 0


@pytest.mark.parametrize(("threshold", "up"), [(1e-6, True), (9.0, False)])
def test_the_threshold_rises_where_too_little_goes_and_falls_where_too_much_does(threshold, up):
    topology = net()
    rule = replace(QUICK, threshold=threshold)
    state = lived(rule, topology, 20)
    change = updated(rule, topology, state)
    assert (change.state.threshold[0] > threshold) == up
    assert change.state.threshold[0] == pytest.approx(threshold * (1.05 if up else 1 / 1.05))
    share = (change.moved < 0).sum() / topology.edges
    assert share == pytest.approx(0.05 if up else 0.10, abs=0.01)
    still = updated(replace(rule, control=0.0), topology, lived(rule, topology, 20))
    assert still.state.threshold[0] == threshold


def test_the_threshold_finds_the_band_and_the_share_stays_in_it():
    topology, rule = net(60), replace(QUICK, threshold=3.0, control=0.3)
    weight, shares, marked = np.ones(topology.edges, np.float32), [], []
    state = rule.init(topology, weight, rng())
    for step in range(80):
        state = rule.observe(topology, weight, active(topology, step), state)
        marked.append(float((rule._need(state) < state.threshold[0]).mean()))
        change = updated(rule, topology, state)
        shares.append((change.moved < 0).mean())
        topology, state = change.topology, change.state
    assert min(shares[1:]) > 0.045
    assert max(shares) <= 0.10
    assert 0.03 < np.mean(marked[-20:]) < 0.15  # without the band's help
    assert marked[0] > 0.5


@pytest.mark.parametrize("edges", [0, 2000])
def test_never_more_than_the_ceiling_changes(edges):
    topology = net()
    change = updated(QUICK, topology, lived(QUICK, topology, 10), edges=edges)
    moved = abs(change.topology.edges - topology.edges)
    assert moved == np.ceil(0.15 * topology.edges)
    assert min((change.moved < 0).sum(), topology.edges - (change.moved >= 0).sum()) == 0


def test_growth_takes_the_most_coactive_and_nearest():
    topology = net()
    state = lived(QUICK, topology, 10)
    seen, targets, sources = state.coactivation, state.targets, state.sources
    value = seen.astype(float) / Ring(50).distance(targets, sources)
    change = updated(QUICK, topology, state)
    grown = (change.moved < 0).sum()
    best = np.argsort(-value)[:grown]
    expected = np.sort(targets[best].astype(np.int64) * 50 + sources[best])
    assert (change.topology.codes[change.moved < 0] == expected).all()
    assert (change.state.coactivation == 0).all()
    assert not change.topology.holds(change.state.targets, change.state.sources).any()


def test_coactivation_is_a_running_mean_seen_now_and_then():
    topology, rule = net(), Coactivation(coactivation_every=2, memory=0.75, compact=False)
    state = lived(rule, topology, 5)
    expected = np.zeros(len(state.targets))
    for step in (1, 3):
        expected = 0.75 * expected + 0.25 * active(topology, step).coactivation(
            state.targets, state.sources
        )
    assert expected.any()
    assert np.allclose(state.coactivation, expected, atol=1e-6)


def test_the_metric_shapes_the_edges_that_grow():
    topology, ring = net(100, 0.05), Ring(100)
    shuffled = rng(7).permutation(100)
    angle = 2 * np.pi * shuffled / 100
    other = Embedding(np.stack([np.cos(angle), np.sin(angle)], 1))

    def lengths(rule: Coactivation) -> np.ndarray:
        now, grown = topology, []
        weight, state = np.ones(now.edges, np.float32), rule.init(now, np.ones(now.edges), rng())
        for step in range(30):
            state = rule.observe(now, weight, active(now, step), state)
            change = updated(rule, now, state)
            now, state, new = change.topology, change.state, change.moved < 0
            grown.append(ring.distance(now.targets[new], now.sources[new]))
        return np.concatenate(grown)

    near, elsewhere = lengths(QUICK), lengths(replace(QUICK, metric=other))
    assert ks_2samp(near, elsewhere).pvalue < 1e-6
    assert near.mean() < elsewhere.mean()
    assert ks_2samp(lengths(replace(QUICK, metric=ring)), near).pvalue > 0.99
    within = lengths(replace(QUICK, reach=(5, 9)))
    assert within.min() >= 5
    assert within.max() <= 9


def test_edge_by_edge_is_the_same_as_all_at_once():
    topology = net()
    slow = replace(QUICK, vectorized=False)
    for steps in (0, 5, 25):  # at first all credits are equal, and lots decide
        one, two = (updated(r, topology, lived(r, topology, steps)) for r in (QUICK, slow))
        assert (one.topology.codes == two.topology.codes).all()
        assert (one.moved == two.moved).all()
        for a, b in zip(one.state, two.state, strict=True):
            assert np.array_equal(a, b)


def test_a_history_of_snapshots_is_averaged():
    topology, rule = net(20), replace(QUICK, history=3)
    state = lived(rule, topology, 5)
    assert state.history.shape == (3, 20, 20)
    seen = [active(topology, step) for step in (2, 3, 4)]
    targets, sources = (part.ravel() for part in np.indices((20, 20)))
    mean = np.mean([s.coactivation(targets, sources) for s in seen], 0)
    assert np.allclose(state.history.mean(0).ravel(), mean)
    value = mean.reshape(20, 20)[state.targets, state.sources]
    value = value / Ring(20).distance(state.targets, state.sources)
    change = updated(rule, topology, state)
    new, order = change.moved < 0, np.sort(value)[::-1]
    grown = mean.reshape(20, 20)[change.topology.targets[new], change.topology.sources[new]]
    grown = grown / Ring(20).distance(change.topology.targets[new], change.topology.sources[new])
    assert np.allclose(np.sort(grown)[::-1], order[: new.sum()])


def test_without_a_pool_all_pairs_in_range_are_looked_at():
    topology = net()
    assert len(lived(QUICK, topology, 0).targets) == 3 * int(0.1 * topology.edges)
    everything = lived(replace(QUICK, pool=False), topology, 1)
    assert len(everything.targets) == topology.possible - topology.edges
    near = lived(replace(QUICK, pool=False, reach=(1, 3)), topology, 1)
    distance = Ring(50).distance(everything.targets, everything.sources)
    assert len(near.targets) == (distance <= 3).sum()
    # A pool of all pairs is no other than all pairs.
    full = lived(replace(QUICK, candidates=100), topology, 1)
    assert np.array_equal(full.coactivation, everything.coactivation)


def test_compact_state_is_small_and_decides_alike():
    topology = erdos_renyi((200, 200), 0.3, rng(), recurrent=True)
    wide = replace(QUICK, compact=False)
    states = [lived(r, topology, 30) for r in (QUICK, wide)]
    small, large = (sum(part.nbytes for part in state) / topology.edges for state in states)
    assert small <= 6.0  # with value, wiring, gradient and two moments: 26
    assert large >= 13
    assert np.allclose(states[0].credit.astype(float), states[1].credit, rtol=0.02, atol=1e-3)
    gone = [
        set(range(topology.edges)) - set(updated(r, topology, s).moved.tolist())
        for r, s in zip((QUICK, wide), states, strict=True)
    ]
    assert len(gone[0] & gone[1]) >= 0.95 * len(gone[1])


def test_idle_work_has_an_effect_and_never_moves_the_young():
    topology = net()
    state = lived(replace(QUICK, protection=5), topology, 6)
    first = updated(replace(QUICK, protection=5), topology, state)
    codes = set(first.topology.codes.tolist())
    assert codes != set(topology.codes.tolist())
    new = set(first.topology.codes[first.moved < 0].tolist())
    second = updated(replace(QUICK, protection=5), first.topology, first.state)
    assert set(second.topology.codes.tolist()) != codes
    assert new <= set(second.topology.codes.tolist())


def test_fresh_weights_are_small_and_of_their_sources_sign():
    topology, signs = net(80), dale_signs(80)
    state = lived(QUICK, topology, 5)
    scores = Scores.silent(topology.shape, signs)
    change = QUICK.update(topology, np.ones(topology.edges, np.float32), scores, state, rng())
    fresh, sources = change.weight[change.moved < 0], change.topology.sources[change.moved < 0]
    assert (np.sign(fresh) == signs[sources]).all()
    assert np.abs(fresh).mean() == pytest.approx(0.03 * np.sqrt(2 / np.pi), rel=0.2)


@pytest.mark.parametrize(
    "settings",
    [
        {"band": (0.1, 0.05)},
        {"band": (0.05, 0.2)},
        {"trace": 1.5},
        {"reach": (3, 2)},
        {"candidates": 0},
        {"coactivation_every": 0},
        {"history": -1},
        {"protection": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(Refused):
        Coactivation(**settings)
