"""What every structural rule owes, run over the table: a new line in it is tested here without a line more."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.plasticity.structural import STRUCTURAL, Change, Scores, StructuralRule, follow
from potentiate.topology import Topology, constant_fan_in, dale_signs, erdos_renyi, unit_type

SETTINGS: dict[str, dict[str, Any]] = {
    "coactivation": {"protection": 2, "coactivation_every": 1},
    "deep-r": {"rate": 0.5, "penalty": 0.05, "temperature": 1e-3},
}
"""So that something happens within a few steps."""
MOVES_WEIGHTS = {"deep-r"}
EXACT_GRADIENT = ["rigl", "srigl"]
SHAPES = [(12, 12), (7, 30), (30, 7), (1, 1), (1, 9), (9, 1), (3, 0), (0, 3)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rule_of(name: str, **more: Any) -> StructuralRule:
    return STRUCTURAL[name](**SETTINGS.get(name, {}), **more)


def scores_of(topology: Topology, seed: int = 1, signs: Any = None, samples: int = 33) -> Scores:
    random, (targets, sources) = rng(seed), topology.shape
    before, after = (np.maximum(random.normal(size=(n, samples)), 0) for n in (sources, targets))
    return Scores(before, after, random.normal(size=(targets, samples)), signs)


def weights_of(topology: Topology, seed: int = 2, signs: Any = None) -> Any:
    weight = rng(seed).normal(size=topology.edges).astype(np.float32)
    return weight if signs is None else np.abs(weight) * signs[topology.sources]


def lived(rule: StructuralRule, topology: Topology, weight: Any, scores: Scores, seed: int = 3):
    """The state of a rule that has seen a few steps."""
    state = rule.init(topology, weight, rng(seed))
    for _ in range(4):
        state = rule.observe(topology, weight, scores, state)
    return state


def updated(name: str, topology: Topology, signs: Any = None, **more: Any) -> tuple[Any, Change]:
    rule, weight = rule_of(name), weights_of(topology, signs=signs)
    scores = scores_of(topology, signs=signs)
    state = lived(rule, topology, weight, scores)
    return weight, rule.update(topology, weight, scores, state, rng(4), **more)


def sound(found: Topology) -> None:
    assert found.ends[0] == 0
    assert found.ends[-1] == found.edges
    assert found.sources.dtype == unit_type(found.shape)
    assert (np.diff(found.codes) > 0).all()  # ascending, and so no edge twice
    assert not found.recurrent or (found.sources != found.targets).all()
    if found.edges:
        assert 0 <= found.sources.min() <= found.sources.max() < found.shape[1]


def consistent(before: Topology, weight: Any, change: Change, name: str) -> None:
    """Demand that survivors are where `moved` says, that the others are new, and that nothing came back."""
    old, new, moved = before.codes, change.topology.codes, change.moved
    assert moved.dtype == np.int64
    assert moved.shape == change.weight.shape == new.shape
    stayed = moved >= 0
    assert (new[stayed] == old[moved[stayed]]).all()
    assert not np.isin(new[~stayed], old).any()  # what went does not come back at once
    if name not in MOVES_WEIGHTS:
        assert (change.weight[stayed] == weight[moved[stayed]]).all()
    assert change.weight.dtype == weight.dtype
    for part in change.state:
        assert isinstance(part, np.ndarray)


@pytest.mark.parametrize("density", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", STRUCTURAL)
def test_every_shape_keeps_its_count_and_its_survivors(name, shape, density):
    for recurrent in {False, shape[0] == shape[1]}:
        topology = erdos_renyi(shape, density, rng(), recurrent=recurrent)
        weight, change = updated(name, topology)
        sound(change.topology)
        assert change.topology.edges == topology.edges
        assert change.topology.shape == shape
        assert change.topology.recurrent == recurrent
        consistent(topology, weight, change, name)


@pytest.mark.parametrize("name", [n for n in STRUCTURAL if n != "static"])
def test_a_rule_rewires_within_its_share(name):
    topology = erdos_renyi((60, 60), 0.2, rng(), recurrent=True)
    grown = (updated(name, topology)[1].moved < 0).sum()
    assert 0.03 * topology.edges < grown <= 0.31 * topology.edges


def test_static_stays():
    topology = erdos_renyi((20, 20), 0.3, rng(), recurrent=True)
    weight, change = updated("static", topology, edges=10)
    assert (change.topology.codes == topology.codes).all()
    assert change.weight is weight


@pytest.mark.parametrize("name", STRUCTURAL)
def test_the_same_seed_gives_the_same_edges_and_another_others(name):
    topology = erdos_renyi((60, 60), 0.03, rng(), recurrent=True)
    rule, weight, scores = rule_of(name), weights_of(topology), scores_of(topology)

    def run(seed: int) -> Change:
        state = lived(rule, topology, weight.copy(), scores, seed)
        return rule.update(topology, weight.copy(), scores, state, rng(seed))

    one, same, other = run(5), run(5), run(6)
    assert (one.topology.codes == same.topology.codes).all()
    assert (one.weight == same.weight).all()
    for a, b in zip(one.state, same.state, strict=True):
        assert np.array_equal(a, b)
    assert name == "static" or not np.array_equal(one.topology.codes, other.topology.codes)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_dales_law_holds_after_growth(name):
    signs = dale_signs(40)
    topology = erdos_renyi((40, 40), 0.3, rng(), recurrent=True)
    _, change = updated(name, topology, signs)
    assert (change.weight * signs[change.topology.sources] >= 0).all()
    if name in {"coactivation", "set", "random", "chts"}:
        grown = change.moved < 0
        assert grown.any()
        assert (change.weight[grown] != 0).all()


@pytest.mark.parametrize("wanted", [40, 300, 870])
@pytest.mark.parametrize("name", [n for n in STRUCTURAL if n != "static"])
def test_the_number_of_edges_asked_for_is_reached_in_steps(name, wanted):
    topology = erdos_renyi((30, 30), 120 / 870, rng(), recurrent=True)
    rule, random, weight = rule_of(name), rng(1), weights_of(topology)
    state = rule.init(topology, weight, random)
    for _ in range(100):
        scores = scores_of(topology, random.integers(1000))
        for _ in range(3):
            state = rule.observe(topology, weight, scores, state)
        have = topology.edges
        change = rule.update(topology, weight, scores, state, random, edges=wanted)
        consistent(topology, weight, change, name)
        sound(change.topology)
        topology, weight, state = change.topology, change.weight, change.state
        assert abs(topology.edges - have) <= max(1, 0.3 * have + 1)
        assert min(have, wanted) <= topology.edges <= max(have, wanted)
        if topology.edges == wanted:
            break
    assert topology.edges == wanted


@pytest.mark.parametrize("name", [n for n in STRUCTURAL if n != "static"])
def test_more_edges_than_possible_are_refused(name):
    topology = erdos_renyi((5, 5), 0.5, rng(), recurrent=True)
    with pytest.raises(Refused, match="room for 0 to 20"):
        updated(name, topology, edges=21)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_what_does_not_fit_is_refused(name):
    topology = erdos_renyi((6, 4), 0.5, rng())
    other = erdos_renyi((4, 6), 0.5, rng())
    rule, weight = rule_of(name), weights_of(topology)
    state = rule.init(topology, weight, rng())
    with pytest.raises(Refused, match="does not fit 12 edges"):
        rule.update(topology, weight[1:], scores_of(topology), state, rng())
    with pytest.raises(Refused, match="do not fit"):
        rule.update(topology, weight, scores_of(other), state, rng())


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_state_follows_its_edges(name):
    topology = erdos_renyi((20, 20), 0.3, rng(), recurrent=True)
    rule, weight, scores = rule_of(name), weights_of(topology), scores_of(topology)
    state = lived(rule, topology, weight, scores)
    before = {k: v.copy() for k, v in state._asdict().items()}
    change = rule.update(topology, weight, scores, state, rng())
    for part in ("credit", "age", "sign"):
        if part in before:
            after = getattr(change.state, part)
            stayed = change.moved >= 0
            assert (after[stayed] == follow(before[part], change.moved)[stayed]).all()
            assert part == "sign" or (after[~stayed] == 0).all()


@pytest.mark.parametrize("name", STRUCTURAL)
def test_no_sample_is_no_reason_to_fail(name):
    topology = erdos_renyi((10, 8), 0.4, rng())
    rule, weight, silent = rule_of(name), weights_of(topology), Scores.silent((10, 8))
    state = lived(rule, topology, weight, silent)
    change = rule.update(topology, weight, silent, state, rng())
    assert change.topology.edges == topology.edges
    consistent(topology, weight, change, name)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_constant_fan_in_is_kept_by_rules_that_promise_it(name):
    topology = constant_fan_in((25, 40), 6, rng())
    _, change = updated(name, topology)
    if name in {"srigl", "static"}:
        assert (change.topology.fan_in() == 6).all()
    else:
        assert len(np.unique(change.topology.fan_in())) > 1


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", EXACT_GRADIENT)
def test_growth_by_gradient_bears_half_precision(name, kind):
    import torch

    topology = erdos_renyi((60, 80), 0.2, rng())
    rule, weight, exact = rule_of(name), weights_of(topology), scores_of(topology)
    for scale in (1.0, 1024.0):  # as a loss scale does

        def halved(part: Any, scale: float = scale) -> Any:
            return (torch.from_numpy(part) * scale).to(getattr(torch, kind)).float().numpy()

        rough = Scores(halved(exact.before), exact.after, halved(exact.error))
        one, two = (rule.update(topology, weight, s, (), rng()) for s in (exact, rough))
        a, b = (set(c.topology.codes[c.moved < 0].tolist()) for c in (one, two))
        assert len(a & b) >= 0.97 * len(a)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_memory_follows_the_edges_and_not_the_pairs(name):
    topology = erdos_renyi((20_000, 20_000), 5e-4, rng(), recurrent=True)
    rule, weight = rule_of(name), weights_of(topology)
    scores = scores_of(topology, samples=4)
    tracemalloc.start()
    state = lived(rule, topology, weight, scores)
    change = rule.update(topology, weight, scores, state, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert change.topology.edges == topology.edges
    assert peak < 300 * topology.edges  # 57 MiB; a byte for each pair would be 381
