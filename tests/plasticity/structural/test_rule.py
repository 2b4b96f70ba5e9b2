"""What belongs to edges follows them, and how many there ever were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from potentiate.errors import Refused
from potentiate.plasticity.structural import SET, Explored, Scores, follow, follow_optimizer
from potentiate.topology import erdos_renyi

MOVED = np.array([-1, 2, -1, 0])


def test_values_follow_by_hand():
    values = np.array([1.0, 2.0, 3.0], np.float16)
    assert follow(values, MOVED).tolist() == [0, 3, 0, 1]
    assert follow(values, MOVED, 7).tolist() == [7, 3, 7, 1]
    assert follow(values, MOVED, np.array([5, 6])).tolist() == [5, 3, 6, 1]
    assert follow(values, MOVED).dtype == np.float16
    assert follow(torch.tensor([1.0, 2.0, 3.0]), MOVED).tolist() == [0, 3, 0, 1]
    assert follow(np.array([[1, 1], [2, 2], [3, 3]]), MOVED).tolist() == [
        [0, 0],
        [3, 3],
        [0, 0],
        [1, 1],
    ]
    assert follow(np.empty(0), np.array([-1, -1]), 4.0).tolist() == [4, 4]
    assert follow(values, np.empty(0, np.int64)).shape == (0,)


def test_values_that_follow_need_no_gradient_of_their_own():
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    assert follow(weight.detach(), MOVED, 0.5).tolist() == [0.5, 3, 0.5, 1]
    assert weight.tolist() == [1, 2, 3]


OPTIMIZERS: dict[str, Any] = {
    "adam amsgrad": lambda p: Adam(p, amsgrad=True),
    "adamw": AdamW,
    "adamw foreach": lambda p: AdamW(p, foreach=True),
    "adamw fused": lambda p: AdamW(p, fused=True),
    "adagrad": Adagrad,
    "rmsprop": lambda p: RMSprop(p, momentum=0.9, centered=True),
    "rmsprop foreach": lambda p: RMSprop(p, foreach=True),
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "sgd fused": lambda p: SGD(p, lr=0.1, momentum=0.9, fused=True),
    "sgd without momentum": lambda p: SGD(p, lr=0.1),
}


def step(optimizer: Any, weight: nn.Parameter, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight.grad = torch.randn(weight.shape, generator=generator)
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_moments_of_survivors_stay_to_the_bit_and_new_ones_are_zero(name):
    topology = erdos_renyi((20, 20), 0.3, np.random.default_rng(0), recurrent=True)
    weight, other = (nn.Parameter(torch.randn(n)) for n in (topology.edges, 5))
    optimizer = OPTIMIZERS[name]([weight, other])
    for seed in range(3):
        other.grad = torch.ones(5)
        step(optimizer, weight, seed)
    before = {
        k: torch.as_tensor(v).clone() for k, v in optimizer.state[weight].items() if v is not None
    }
    others = {k: v.clone() for k, v in optimizer.state[other].items() if v is not None}
    rule, random = SET(), np.random.default_rng(1)
    values = weight.detach().numpy()
    state = rule.init(topology, values, random)
    change = rule.update(
        topology, values, Scores.silent((20, 20)), state, random, edges=topology.edges + 9
    )
    follow_optimizer(optimizer, weight, change.moved)
    stayed, arrays = change.moved >= 0, 0
    for key, was in before.items():
        now = optimizer.state[weight][key]
        if was.ndim:
            arrays += 1
            assert torch.equal(now[stayed], was[change.moved[stayed]])
            assert not now[~stayed].any()
            assert was.any()
        else:
            assert now == was
    assert arrays >= ("without" not in name)
    for key, was in others.items():
        assert torch.equal(optimizer.state[other][key], was)
    with torch.no_grad():
        weight.set_(torch.from_numpy(change.weight))
    step(optimizer, weight, 4)
    assert torch.isfinite(weight).all()
    assert len(weight) == topology.edges + 9


def test_a_change_followed_twice_is_refused():
    weight = nn.Parameter(torch.ones(3))
    optimizer = AdamW([weight])
    step(optimizer, weight, 0)
    follow_optimizer(optimizer, weight, np.array([2]))
    with pytest.raises(Refused, match="1 entries"):
        follow_optimizer(optimizer, weight, np.array([2]))


def test_an_optimizer_that_has_not_stepped_has_nothing_to_follow():
    weight = nn.Parameter(torch.ones(3))
    optimizer = AdamW([weight])
    follow_optimizer(optimizer, weight, MOVED)
    assert weight not in optimizer.state


def test_few_edges_are_counted_exactly():
    random, explored, seen = np.random.default_rng(0), Explored(10**6), set[int]()
    for _ in range(30):
        codes = random.integers(0, 3000, 400)
        explored.see(codes)
        seen |= set(codes.tolist())
        assert explored.count == len(seen)
    assert explored.fraction == len(seen) / 10**6


def test_many_edges_are_counted_within_two_percent_in_constant_memory():
    random, explored, seen = (
        np.random.default_rng(0),
        Explored(4_000_000),
        np.zeros(4_000_000, bool),
    )
    for _ in range(20):
        codes = random.integers(0, 4_000_000, 100_000)
        explored.see(codes)
        seen[codes] = True
    assert len(explored.least) == 16384
    assert abs(explored.count / seen.sum() - 1) < 0.02
    again = Explored(4_000_000, least=explored.least.copy())
    again.see(codes)  # nothing new
    assert again.count == explored.count


def test_the_count_is_right_on_average():
    found = []
    for seed in range(8):
        explored = Explored(10**12)
        explored.see(np.random.default_rng(seed).integers(0, 10**12, 200_000))
        found.append(explored.count / 200_000)
    assert abs(np.mean(found) - 1) < 0.01


def test_neighboring_codes_are_counted_as_well_as_random_ones():
    explored = Explored(10**7)
    explored.see(np.arange(10**6))
    assert abs(explored.count / 10**6 - 1) < 0.03


def test_nothing_possible_is_nothing_explored():
    explored = Explored(0)
    explored.see(np.empty(0, np.int64))
    assert (explored.count, explored.fraction) == (0.0, 0.0)
    with pytest.raises(Refused, match="at least 2"):
        Explored(10, size=1)


def test_scores_of_pairs_by_hand():
    before = np.array([[1, 0, 2], [0, 3, 0]])
    after = np.array([[1, 1, 0], [-1, 0, 4], [0, 0, 0]])
    error = np.array([[1, 2, 3], [0, -1, 1], [5, 0, 0]])
    scores = Scores(before, after, error)
    targets, sources = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])
    assert scores.gradient(targets, sources).tolist() == [7, -3, 2, 5]
    assert np.allclose(scores.coactivation(targets, sources), np.array([1, 0, 1, 0]) / 3)


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 65, 200])
def test_scores_of_pairs_are_those_of_the_matrices(samples):
    random = np.random.default_rng(samples)
    before, after, error = (random.normal(size=(n, samples)) for n in (9, 11, 11))
    scores = Scores(before, after, error)
    targets, sources = (part.ravel() for part in np.indices((11, 9)))
    assert np.allclose(scores.gradient(targets, sources), (error @ before.T).ravel(), atol=1e-4)
    both = (after > 0).astype(float) @ (before > 0).T / max(1, samples)
    assert np.allclose(scores.coactivation(targets, sources), both.ravel())
    mixed = random.permutation(99)
    assert np.allclose(
        scores.gradient(targets[mixed], sources[mixed]),
        (error @ before.T).ravel()[mixed],
        atol=1e-4,
    )


def test_scores_that_do_not_fit_each_other_are_refused():
    with pytest.raises(Refused, match="transpose"):
        Scores(np.zeros((4, 3)), np.zeros((5, 2)), np.zeros((5, 2)))
    with pytest.raises(Refused, match="transpose"):
        Scores(np.zeros((4, 3)), np.zeros((5, 3)), np.zeros((4, 3)))
