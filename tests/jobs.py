"""Small trainings for tests: fast enough to be stopped after every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from potentiate.events import Evaluated, Event, Finished, Started, Stepped
from potentiate.models import WORKLOADS
from potentiate.models.cnn import cnn
from potentiate.models.supervised import Parts, supervised
from potentiate.training import Training
from potentiate.workload import Workload


def images(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three classes of 8 x 8 images, each a bright stripe in noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    pixels = torch.randn(count, 1, 8, 8, generator=random)
    pixels[torch.arange(count), 0, labels * 2] += 2.0
    return pixels, labels


def small_cnn(**recipe: Any) -> Workload:
    """The digits network on 120 stripes: 15 batches of 8 an epoch, four epochs, dropout."""
    settings = {"epochs": 4, "batch_size": 8, "optimizer": "Adadelta", "lr": 1.0, "decay": 0.7}
    return supervised(
        "cnn/stripes",
        lambda: cnn(8, 8, classes=3, padding=1),
        lambda: Parts(images(120), images(30, 1), images(30, 2)),
        provides=frozenset({"images", "blocks"}),
        **{**settings, **recipe},
    )


def normalized() -> nn.Sequential:
    """A network whose buffers learn too."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(144, 3),
    )


def small_norm(**recipe: Any) -> Workload:
    """The same data through batch normalization."""
    settings = {"epochs": 4, "batch_size": 8, "optimizer": "AdamW", "lr": 1e-2}
    return supervised(
        "norm/stripes",
        normalized,
        lambda: Parts(images(120), images(30, 1), images(30, 2)),
        provides=frozenset({"images", "blocks"}),
        **{**settings, **recipe},
    )


def same(one: Any, other: Any) -> bool:
    """Whether two trees are equal bit for bit, in values and in types."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def timeless(state: Mapping[str, Any]) -> dict[str, Any]:
    """A training's state without what the wall clock wrote into it."""
    kept = {key: value for key, value in state.items() if key != "clock"}
    kept["history"] = [
        {key: value for key, value in entry.items() if key != "seconds"}
        for entry in state["history"]
    ]
    return kept


def trained(events: Any) -> tuple[Training, list[Event]]:
    """Run to the end; return the live training and all events."""
    seen = list(events)
    assert isinstance(seen[0], Started)
    return seen[0].training, seen


def losses(events: Sequence[Event]) -> list[float]:
    """The loss of each step."""
    return [float(event.loss) for event in events if isinstance(event, Stepped)]


def told(events: Sequence[Event]) -> list[Any]:
    """What a run said, without times: losses, evaluations and the end."""
    said = list[Any]()
    for event in events:
        if isinstance(event, Stepped):
            said.append((event.step, float(event.loss)))
        elif isinstance(event, Evaluated):
            said.append((event.step, dict(event.metrics)))
        elif isinstance(event, Finished):
            said.append((event.step, event.reason, event.test))
    return said


def busy_brain(**recipe: Any) -> Workload:
    """XOR on a brain with every mechanism at work, done the slow way: 50 steps of 20 presentations."""
    settings = {
        "batch_size": 20,
        "output_threshold": 2.0,
        "teacher": 1.0,  # no more than the outputs need, so that less of it shows
        "curriculum": 0.1,
        "curriculum_epochs": 100,
        "protection": 0.5,
        "consolidation": 0.01,
        "recall": 0.01,
        "consolidate_every": 5,
        "decay": 0.99,
        "decay_every": 10,
        "patience": 100,
        "history": 300,
        "rate": 500.0,  # errors remain, without which no trainer looks at its history
        "baseline": 0.01,
        "event_driven": False,
        "baseline_cached": False,
    }
    return WORKLOADS["brain/xor"].varied({**settings, **recipe})


def busy_plastic(**recipe: Any) -> Workload:
    """A small network on digits that rewires itself every tenth step, done the slow way."""
    settings = {
        **WORKLOADS["plastic/digits"].presets["reference"],
        "neurons": 40,
        "sparsity": 0.7,
        "epochs": 2,
        "plasticity_interval": 10,
        "protection": 5,
        "history": 30,
        "homeostasis": 0.01,
    }
    return WORKLOADS["plastic/digits"].varied({**settings, **recipe})
