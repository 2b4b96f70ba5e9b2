from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.plasticity.penalties import EWC, PENALTIES, Penalty, SynapticIntelligence

STRENGTHS = {"ewc": 5.0, "synaptic-intelligence": 1.0}


def task(which: int) -> tuple[Tensor, Tensor]:
    """A linear boundary in 20 dimensions; the two tasks use different, overlapping inputs."""
    random = torch.Generator().manual_seed(which)
    x, normal = torch.zeros(400, 20), torch.zeros(20)
    own = slice(8 * which, 8 * which + 12)
    x[:, own] = torch.randn(400, 12, generator=random)
    normal[own] = torch.randn(12, generator=random)
    return x, (x @ normal > 0).long()


def parameters(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters())


def learn(model: nn.Module, data: tuple[Tensor, Tensor], penalty: Penalty, state: object) -> object:
    x, labels = data
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(300):
        params = parameters(model)
        before = {name: p.detach().clone() for name, p in params.items()}
        own = nn.functional.cross_entropy(model(x), labels)
        gradients = dict(
            zip(
                params,
                torch.autograd.grad(own, list(params.values()), retain_graph=True),
                strict=True,
            )
        )
        optimizer.zero_grad()
        (own + penalty.loss(params, state)).backward()
        optimizer.step()
        state = penalty.observe(before, params, gradients, state)
    return state


def accuracy(model: nn.Module, data: tuple[Tensor, Tensor]) -> float:
    return (model(data[0]).argmax(1) == data[1]).float().mean().item()


@cache
def after_two_tasks(name: str, strength: float) -> tuple[float, float, float, tuple[Tensor, ...]]:
    """Accuracy on the first task before and after the second, on the second, and the parameters."""
    torch.manual_seed(0)
    model = nn.Linear(20, 2)
    penalty = PENALTIES[name](strength=strength)
    first, second = task(0), task(1)
    state = learn(model, first, penalty, penalty.init(parameters(model)))

    def losses() -> Iterator[Tensor]:
        for x, label in zip(first[0][:100], first[1][:100], strict=True):
            yield nn.functional.cross_entropy(model(x), label)

    learned = accuracy(model, first)
    state = penalty.consolidate(parameters(model), state, losses())
    learn(model, second, penalty, state)
    kept = accuracy(model, first), accuracy(model, second)
    return learned, *kept, tuple(p.detach() for p in model.parameters())


@pytest.mark.parametrize("name", PENALTIES)
def test_forgetting_is_reduced(name: str) -> None:
    learned, forgotten, _, _ = after_two_tasks(name, 0.0)
    _, kept, second, _ = after_two_tasks(name, STRENGTHS[name])
    assert learned > 0.95
    assert learned - kept < 0.65 * (learned - forgotten)
    assert second > 0.8


def test_without_strength_nothing_changes() -> None:
    *_, a = after_two_tasks("ewc", 0.0)
    *_, b = after_two_tasks("synaptic-intelligence", 0.0)
    for p, q in zip(a, b, strict=True):
        assert torch.equal(p, q)


def test_ewc_by_hand() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    penalty = EWC(strength=4.0)
    state = penalty.init({"w": w})
    state = penalty.consolidate({"w": w}, state, (scale * w[0] for scale in (1.0, 3.0)))
    assert state.importance["w"].tolist() == [5.0, 0.0]  # (1 + 9) / 2
    moved = {"w": torch.tensor([1.5, 9.0], requires_grad=True)}
    loss = penalty.loss(moved, state)
    assert loss.item() == pytest.approx(4.0 / 2 * 5.0 * 0.25)
    (gradient,) = torch.autograd.grad(loss, moved["w"])
    assert gradient.tolist() == [10.0, 0.0]  # strength F (w - w*)


def test_tasks_add_up() -> None:
    w = torch.tensor([1.0], requires_grad=True)
    penalty = EWC()
    state = penalty.init({"w": w})
    for _ in range(2):
        state = penalty.consolidate({"w": w}, state, [3.0 * w.sum()])
    assert state.importance["w"].tolist() == [18.0]


def test_synaptic_intelligence_by_hand() -> None:
    penalty = SynapticIntelligence(strength=2.0, damping=1.0)
    start, end = {"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([2.0, 1.0])}
    state = penalty.init(start)
    # Against the gradient counts; along it does not.
    state = penalty.observe(start, end, {"w": torch.tensor([-3.0, 4.0])}, state)
    state = penalty.consolidate(end, state)
    assert state.importance["w"].tolist() == pytest.approx([6.0 / 5.0, 0.0])
    assert state.path["w"].tolist() == [0.0, 0.0]
    assert penalty.loss({"w": torch.tensor([3.0, 5.0])}, state).item() == pytest.approx(2.4)


@pytest.mark.parametrize("name", PENALTIES)
def test_nothing_matters_before_the_first_task_ends(name: str) -> None:
    w = {"w": torch.tensor([1.0])}
    penalty = PENALTIES[name]()
    assert penalty.loss({"w": torch.tensor([5.0])}, penalty.init(w)).item() == 0.0


@pytest.mark.parametrize("name", PENALTIES)
def test_the_state_stands_apart_from_the_parameters(name: str) -> None:
    w = torch.tensor([1.0], requires_grad=True)
    penalty = PENALTIES[name]()
    state = penalty.consolidate({"w": w}, penalty.init({"w": w}), [2 * w.sum()])
    with torch.no_grad():
        w += 1
    assert state.anchor["w"].tolist() == [1.0]
    assert not any(t.requires_grad for part in state for t in part.values())


def test_bad_settings_are_refused() -> None:
    for kind in PENALTIES.values():
        with pytest.raises(Refused, match="strength=-1"):
            kind(strength=-1)
    with pytest.raises(Refused, match="strength=inf"):
        EWC(strength=float("inf"))
    with pytest.raises(Refused, match="damping=0"):
        SynapticIntelligence(damping=0)
    w = torch.tensor([1.0], requires_grad=True)
    with pytest.raises(Refused, match="no losses"):
        EWC().consolidate({"w": w}, EWC().init({"w": w}))
