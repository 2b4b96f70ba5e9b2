"""Training a plastic network on loaders of one's own, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from potentiate.errors import Refused, unknown
from potentiate.measure import peak_memory
from potentiate.models.plastic.layer import sparse_layers
from potentiate.models.plastic.step import LiveStructuralStep, Rewiring, StructuralStep
from potentiate.plasticity.structural import STRUCTURAL, StructuralRule
from potentiate.schedules import OneCycle

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Summary:
    """What a training came to; `summary["test_accuracy"]` works too.

    Attributes:
        test_accuracy: On `test_loader`, after the last epoch.
        test_accuracies: After each epoch.
        avg_batch_time: Mean seconds of a step, without changes of the topology.
        avg_plasticity_time: Mean seconds of a change of the topology; 0 if there was none.
        memory_usage_mb: Largest resident memory of this process so far, in MiB.
        seconds: Of all of it, with evaluation.
        steps: Batches learned.
        updates: Changes of the topology.
        edges: At the end, by layer.
        explored: Share of the possible edges that there ever were, by layer.
    """

    test_accuracy: float
    test_accuracies: tuple[float, ...]
    avg_batch_time: float
    avg_plasticity_time: float
    memory_usage_mb: float
    seconds: float
    steps: int
    updates: int
    edges: dict[str, int]
    explored: dict[str, float]

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)


def evolve(
    model: nn.Module,
    train_loader: Batches,
    test_loader: Batches,
    *,
    epochs: int = 5,
    lr: float = 3e-3,
    plasticity_interval: int = 100,
    rule: StructuralRule | str = "coactivation",
    seed: int = 0,
    progress: Callable[[int, float], object] | None = None,
) -> Summary:
    """Train a model with sparse layers while it rewires itself; the model is left trained.

    AdamW with weight decay 1e-4 and a one-cycle schedule, label smoothing 0.1; edges change for the first
    three quarters of the steps.

    Args:
        model: A `PlasticNet`, or any model with `SparseLinear` or `SparseRecurrent` in it.
        train_loader: Yields (inputs, class numbers) and has a length; read once an epoch.
        test_loader: As that; judged after each epoch, never learned from.
        epochs: Passes over `train_loader`.
        lr: Highest learning rate.
        plasticity_interval: Steps between two changes of the topology.
        rule: By which edges go and come, or the name of one of `STRUCTURAL`.
        seed: Of what the rule draws.
        progress: Called with the number of each finished epoch and its test accuracy.

    Raises:
        Refused: The model has no sparse layer, or a loader is empty; NonFinite names the step.
    """
    if epochs < 1 or plasticity_interval < 1:
        raise Refused(
            f"epochs={epochs} and plasticity_interval={plasticity_interval} must be at least 1"
        )
    begun, total = perf_counter(), epochs * _length(train_loader)
    if hasattr(test_loader, "__len__"):
        _length(test_loader, "test_loader")  # refused before anything is trained
    step = StructuralStep(
        partial(F.cross_entropy, label_smoothing=0.1),
        torch.optim.AdamW,
        {"lr": lr, "weight_decay": 1e-4},
        OneCycle(),
        rewiring=Rewiring(_rule(rule), plasticity_interval),
        seed=seed,
    ).start(model, total)
    found = list[float]()
    device = next(model.parameters()).device
    for epoch in range(epochs):
        model.train()
        for inputs, labels in train_loader:
            if not step.done:
                _check(labels)
            step((inputs.to(device), labels.to(device)))
            step.notes.take()
        found.append(_accuracy(model, test_loader, device))
        if progress is not None:
            progress(epoch + 1, found[-1])
    return _summary(step, found, perf_counter() - begun)


def _check(labels: Tensor) -> None:
    if labels.dim() != 1 or labels.is_floating_point():
        raise Refused(
            f"labels must be class numbers [n], got {labels.dtype} {[*labels.shape]}; take argmax or squeeze"
        )


def _rule(rule: StructuralRule | str) -> StructuralRule:
    if not isinstance(rule, str):
        return rule
    if rule not in STRUCTURAL:
        raise unknown("structural rule", rule, STRUCTURAL)
    return STRUCTURAL[rule]()


def _length(loader: Any, name: str = "train_loader") -> int:
    try:
        count = len(loader)
    except TypeError as error:
        raise Refused(
            f"{name} has no length, so there is no schedule; give a DataLoader or a list"
        ) from error
    if count == 0:
        raise Refused(f"{name} is empty; give at least one batch")
    return count


def _accuracy(model: nn.Module, loader: Batches, device: torch.device) -> float:
    model.eval()
    right = count = 0
    with torch.no_grad():
        for inputs, labels in loader:
            _check(labels)
            named = model(inputs.to(device)).argmax(1)
            right, count = right + int((named == labels.to(device)).sum()), count + len(labels)
    if count == 0:
        raise Refused("test_loader is empty; give at least one sample to judge by")
    return right / count


def _summary(step: LiveStructuralStep, found: list[float], seconds: float) -> Summary:
    notes = step.notes
    return Summary(
        test_accuracy=found[-1],
        test_accuracies=tuple(found),
        avg_batch_time=notes.batch_seconds / max(1, notes.batches),
        avg_plasticity_time=notes.update_seconds / max(1, step.updates),
        memory_usage_mb=peak_memory() / 2**20,
        seconds=seconds,
        steps=step.done,
        updates=step.updates,
        edges={name: part.topology.edges for name, part in sparse_layers(step.model).items()},
        explored={name: seen.fraction for name, seen in step.explored.items()},
    )
