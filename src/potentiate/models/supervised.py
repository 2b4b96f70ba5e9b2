"""Supervised training of any `nn.Module`: the workload of a user's own job, and of our networks.

A job is a model, data, a loss and a metric; `supervised` adds a recipe, splits off what is missing of
validation and test data, and returns a `Workload` that every gradient technique applies to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from potentiate.data.batches import LoaderBatches, ResidentBatches, from_loader, moved
from potentiate.errors import Refused, unknown
from potentiate.models.parts import Data, Parts, as_tensors, size, split_off
from potentiate.schedules import Constant, StepDecay
from potentiate.settings import changed
from potentiate.steps import GradientStep, Loss, inputs_and_target
from potentiate.workload import Batches, Metrics, Run, Target, Workload

BATCH_SIZE = 64
CLOSURES = (torch.optim.Optimizer, torch.optim.LBFGS)
"""Classes of torch.optim that need more than gradients for an update."""

Metric = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Recipe:
    """How a supervised job is trained before any technique touches it.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Samples per update; None: 64, or what a DataLoader brings along.
        optimizer: The name of a class in torch.optim.
        lr: Its learning rate.
        weight_decay: Its weight decay; None leaves the optimizer's default.
        momentum: For optimizers that have it; None leaves the default.
        decay: The rate is multiplied by this after each epoch; 1 keeps it.
        loader: How tensors are read: "dataloader" through PyTorch's DataLoader, "resident" by index.
        evaluate_every: Epochs between evaluations.
    """

    epochs: Annotated[float, Field(gt=0)] = 10.0
    batch_size: Annotated[int, Field(ge=1)] | None = None
    optimizer: str = "AdamW"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    loader: Literal["dataloader", "resident"] = "resident"
    evaluate_every: Annotated[float, Field(gt=0)] = 1.0


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Return the share of rows whose largest output is the target class."""
    return float((outputs.argmax(1) == targets).double().mean())


METRICS: Mapping[str, tuple[Metric | None, bool]] = {
    "accuracy": (accuracy, True),
    "loss": (None, False),
}
"""Metric name -> (function of all outputs and targets, whether higher is better); None reads the loss."""


def supervised(
    name: str,
    model: Callable[[], nn.Module],
    data: Data | Callable[[], Parts],
    *,
    validation: Data = None,
    test: Data = None,
    loss: Loss = F.cross_entropy,
    metric: str | Metric = "accuracy",
    higher_is_better: bool | None = None,
    target: float | None = None,
    margin: float | None = None,
    split: Callable[[Any], tuple[Any, Any]] = inputs_and_target,
    provides: frozenset[str] = frozenset(),
    source: str = "",
    imports: tuple[str, ...] = (),
    **recipe: Any,
) -> Workload:
    """Return the workload of a supervised job.

    Args:
        name: What reports call it, "model/data".
        model: Builds the untrained network; called after the seed is set.
        data: Training data: (inputs, targets), a map-style Dataset, a DataLoader, or a function that
            returns `Parts` (then nothing is loaded before the first run).
        validation: Data for decisions within a run; None splits off 1/10 of the training data.
        test: Data read once per run; None splits off another 1/5.
        loss: (outputs, targets) -> mean loss.
        metric: "accuracy", "loss", or a function (outputs, targets) -> float over a whole part.
        higher_is_better: For a metric function of your own.
        target: Metric value that counts as learned.
        margin: Loss of quality that counts as equal.
        split: batch -> (inputs, targets).
        provides: Further capabilities of the network: "images" (input [n, channels, height, width]),
            "blocks" (an nn.Sequential, whose children can be recomputed, or a network with a switch
            `recompute`).
        source: Set by the table of workloads.
        imports: Modules that loading the data needs, imported before the clock starts.
        **recipe: Fields of `Recipe`.

    Example:
        >>> x, y = torch.randn(100, 4), torch.randint(0, 2, (100,))
        >>> job = supervised("tiny", lambda: nn.Linear(4, 2), (x, y), epochs=1)
        >>> job.build(seed=0).steps
        2
    """
    if isinstance(metric, str) and metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    measure, higher = METRICS[metric] if isinstance(metric, str) else (metric, True)
    higher = higher if higher_is_better is None else higher_is_better
    label = metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")

    def parts() -> Parts:
        return cast("Parts", data()) if callable(data) else split_off(data, validation, test)

    def make(settings: Recipe, seed: int) -> Run:
        given = parts()
        judge = Judge(given.validation, loss, measure, label, split)
        return Run(
            model=model(),
            batches=_batches(given.train, settings, seed),
            step=_step(settings, loss, split),
            validate=judge,
            test=replace(judge, data=given.test),
            epochs=settings.epochs,
            evaluate_every=settings.evaluate_every,
            sizes={
                "train": size(given.train),
                "validation": size(given.validation),
                "test": size(given.test),
            },
            criteria={"loss": False},
        )

    return Workload(
        name=name,
        make=make,
        recipe=changed(Recipe(), recipe, where="supervised"),
        target=Target(label, target, higher),
        margin=margin,
        provides=frozenset({"gradient"}) | provides,
        source=source,
        imports=imports,
    )


def _step(settings: Recipe, loss: Loss, split: Callable[[Any], tuple[Any, Any]]) -> GradientStep:
    kind = getattr(torch.optim, settings.optimizer, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)) or kind in CLOSURES:
        known = {n for n in dir(torch.optim) if n[0].isupper()} - {k.__name__ for k in CLOSURES}
        raise unknown("optimizer in torch.optim", settings.optimizer, known)
    options: dict[str, Any] = {"lr": settings.lr}
    for key in ("weight_decay", "momentum"):
        if getattr(settings, key) is not None:
            options[key] = getattr(settings, key)
    times = max(1, round(settings.epochs))
    schedule = Constant() if settings.decay == 1.0 else StepDecay(settings.decay, times)
    return GradientStep(loss, kind, options, schedule, split)


def _batches(train: Data, settings: Recipe, seed: int) -> Batches:
    if isinstance(train, DataLoader):
        loaded = from_loader(cast("DataLoader[Any]", train), seed)
        return loaded if settings.batch_size is None else loaded.resized(settings.batch_size)
    count = settings.batch_size or BATCH_SIZE
    if isinstance(train, Dataset):
        return LoaderBatches(cast("Dataset[Any]", train), count, seed)
    tensors = as_tensors(train)
    if settings.loader == "resident":
        return ResidentBatches(tensors, count, seed)
    return LoaderBatches(TensorDataset(*tensors), count, seed)


@dataclass(frozen=True)
class Judge:
    """Reads a network's loss and metric over a whole part of the data, in evaluation mode."""

    data: Data
    loss: Loss
    metric: Metric | None
    name: str
    split: Callable[[Any], tuple[Any, Any]] = inputs_and_target
    chunk: int = 1000

    def __call__(self, model: nn.Module) -> Metrics:
        """Return {"loss": ..., metric: ...}; the model is left in evaluation mode."""
        model.eval()
        device = next(model.parameters()).device
        outputs, targets, total, count = list[Tensor](), list[Tensor](), 0.0, 0
        with torch.no_grad():
            for batch in self._chunks():
                inputs, target = self.split(moved(batch, device))
                output = model(inputs)
                total += float(self.loss(output, target)) * len(target)
                count += len(target)
                outputs.append(output)
                targets.append(target)
        if count == 0:
            raise Refused("there is no data to evaluate on; give at least one sample")
        metrics = {"loss": total / count}
        if self.metric is not None:
            metrics[self.name] = float(self.metric(torch.cat(outputs), torch.cat(targets)))
        return metrics

    def _chunks(self) -> Any:
        if isinstance(self.data, DataLoader):
            return cast("DataLoader[Any]", self.data)
        if isinstance(self.data, Dataset):
            return DataLoader(cast("Dataset[Any]", self.data), batch_size=self.chunk)
        tensors = as_tensors(self.data)
        starts = range(0, len(tensors[0]), self.chunk)
        return (tuple(t[i : i + self.chunk] for t in tensors) for i in starts)
