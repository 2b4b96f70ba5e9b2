from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from potentiate import Run, Workload, supervised


def network() -> nn.Sequential:
    convolution = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(convolution, nn.Flatten(), nn.Linear(64, 3))


def images(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 1, 8, 8, generator=generator), torch.arange(count) % 3


@pytest.fixture
def tiny() -> Callable[..., Workload]:
    """Returns a job on 42 training images (after the split); keywords go to `supervised`."""

    def made(model: Callable[[], nn.Module] = network, **changes: object) -> Workload:
        provides = frozenset({"images", "blocks"})
        settings = {"epochs": 4, "batch_size": 8, "optimizer": "SGD", "lr": 0.1, **changes}
        return supervised("tiny/images", model, images(), provides=provides, **settings)

    return made


@pytest.fixture
def run(tiny: Callable[..., Workload]) -> Run:
    return tiny().build(seed=0)
