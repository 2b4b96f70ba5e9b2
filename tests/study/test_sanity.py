"""The gradient check: passes for what is differentiated right, however steep, and names what is not."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from potentiate import Workload, supervised
from potentiate.models import WORKLOADS
from potentiate.models.reference import find
from potentiate.study import sanity
from potentiate.study.record import GRADIENT

SEEDS = range(3)


def job(model, **changes) -> Workload:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 16, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    return supervised("job/hand-made", model, (x, y), **{"batch_size": 32, **changes})


def verdict(workload: Workload, seed: int = 0) -> tuple[bool, str]:
    return next(
        (ok, text) for name, ok, text in sanity.check(workload, seed=seed) if name == GRADIENT
    )


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """The other checks are not asked here."""
    monkeypatch.setattr(sanity, "FIT_STEPS", 1)
    monkeypatch.setattr(sanity, "STEPS", 2)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 1.1 * gradient


class Between(nn.Module):
    """A function between layers."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def net(width=32, between=nn.Identity, last=3):
    """Three layers, with `between` after the first."""
    return nn.Sequential(
        nn.Linear(16, width),
        nn.ReLU(),
        between(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, last),
    )


def detached():
    return Between(torch.Tensor.detach)


class DetachedBias(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight, self.bias.detach())


class ScaledWeight(nn.Linear):
    def forward(self, x):
        return F.linear(x, Scaled.apply(self.weight), self.bias)


class Noisy(nn.Sequential):
    """Draws noise in evaluation too, as a variational network does."""

    def forward(self, x):
        return super().forward(x + 0.1 * torch.randn_like(x))


class Spare(nn.Module):
    """Has a layer that it never asks."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = net(), nn.Linear(2, 2)

    def forward(self, x):
        return self.used(x)


def corners():
    """Biases of 0 under inputs of 0 put rectifiers exactly in the corner; some networks start so."""
    made = nn.Sequential(Between(lambda x: x * (x[:, :1] > 0)), *net())
    for layer in made.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return made


def silent(between=nn.Identity):
    """The last layer starts at 0, so that no gradient passes it yet."""
    made = net(between=between)
    nn.init.zeros_(made[-1].weight)
    return made


def convolutions():
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def many():
    """More tensors than are asked."""
    layers = [nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(20)]
    return nn.Sequential(nn.Linear(16, 8), *layers, nn.Linear(8, 3))


def faint(outputs, targets):
    """A loss whose differences drown in its rounding."""
    return 1000 + 1e-4 * F.cross_entropy(outputs, targets)


RIGHT = {
    "three layers": lambda: job(net),
    "a large batch": lambda: job(net, batch_size=128),
    "faint": lambda: job(net, loss=faint),
    "large": lambda: job(net, loss=lambda o, t: 1e6 * F.cross_entropy(o, t)),
    "convolutions": lambda: job(convolutions),
    "noisy": lambda: job(lambda: Noisy(*net())),
    "corners": lambda: job(corners),
    "silent": lambda: job(silent),
    "many": lambda: job(many),
    "weights of classes": lambda: job(net, loss=nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]))),
    "an unused layer": lambda: job(Spare),
    "a net of one precision": lambda: job(
        lambda: nn.Sequential(Between(torch.Tensor.float), *net())
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_differentiated_right_passes(name, seed):
    holds, text = verdict(RIGHT[name](), seed)
    assert holds, text


WRONG = {
    "detached, 64 wide": (lambda: net(64, detached), ("0.weight", "0.bias")),
    "detached, 256 wide": (lambda: net(256, detached), ("0.weight", "0.bias")),
    "detached, 1024 wide": (lambda: net(1024, detached), ("0.weight", "0.bias")),
    "detached bias": (
        lambda: nn.Sequential(DetachedBias(16, 64), nn.ReLU(), nn.Linear(64, 3)),
        ("0.bias",),
    ),
    "detached under a silent layer": (lambda: silent(detached), ("0.weight", "0.bias")),
    "scaled": (lambda: net(between=lambda: Between(Scaled.apply)), ("0.weight", "0.bias")),
    "straight through": (
        lambda: net(between=lambda: Between(lambda h: h + (torch.sign(h - 0.1) - h).detach())),
        ("0.weight", "0.bias"),
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_fails_and_is_named(name, seed):
    model, culprits = WRONG[name]
    holds, text = verdict(job(model), seed)
    assert not holds
    assert any(f"the gradient of {culprit} is off by" in text for culprit in culprits), text


@pytest.mark.parametrize("seed", [16, 49, 54])
def test_a_wrong_length_shows_where_a_random_direction_is_orthogonal_to_it(seed):
    """At these seeds a direction that does not lean on the gradient sees less than a hundredth."""
    model = lambda: nn.Sequential(ScaledWeight(16, 32), *net(32)[1:])  # noqa: E731
    holds, text = verdict(job(model), seed)
    assert not holds
    assert "the gradient of 0.weight" in text


def test_more_tensors_than_are_asked_one_by_one_are_asked_together(monkeypatch):
    monkeypatch.setattr(sanity, "MOST_TENSORS", 0)
    holds, text = verdict(job(lambda: net(between=lambda: Between(Scaled.apply))))
    assert not holds
    assert "the whole gradient" in text


def test_a_loss_that_is_no_number_fails():
    assert not verdict(job(net, loss=lambda o, t: o.sum() * float("nan")))[0]


def test_weights_come_back_to_the_last_bit():
    model = net().double()
    x, y = torch.randn(8, 16, dtype=torch.float64), torch.arange(8) % 3
    before = copy.deepcopy(model.state_dict())
    sanity._disagreements(
        lambda: F.cross_entropy(model(x), y), dict(model.named_parameters()), torch.Generator()
    )
    assert all(torch.equal(after, before[name]) for name, after in model.state_dict().items())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_digits_pass(seed):
    holds, text = verdict(WORKLOADS["cnn/digits"], seed)
    assert holds, text


def test_a_loss_of_two_views_has_no_target_to_be_compared_with():
    small = {"outputs": 8, "hidden": 4, "depth": 2, "epochs": 1.0, "head": "ridge"}
    ok, text = verdict(find("timehut/waves").varied(small))
    assert ok
    assert text == "each step draws views of a batch, and its loss has no target; not checked"
