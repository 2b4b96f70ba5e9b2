"""How TimeHUT learns, as settings, and the parts of a training that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

    from potentiate.data.batches import ResidentBatches
    from potentiate.models.timehut.encoder import Encoder
    from potentiate.models.timehut.readout import Pooling
    from potentiate.models.timehut.step import ContrastiveStep

Natural = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

LARGEST = 1e15
"""Standardized values are no larger; products of larger ones leave float32."""
STEPS, MORE_STEPS, MANY_VALUES = 200, 600, 100_000
"""Steps of a training that declares no epochs: the former, or the latter beyond so many values."""
MANY_SERIES = 2000
"""More are read by fewer numbers of each: a regression costs the square of the one times the other."""


@dataclass(frozen=True)
class Recipe:
    """The encoder, its loss, and how long it learns.

    Attributes:
        outputs: Numbers that represent an instant.
        hidden: Width within.
        depth: Blocks of that width.
        instance: Weight of the angles between series.
        temporal: Weight of the angles between instants.
        margin: Angle at which a negative is far enough, in radians.
        schedule: How the temperature changes, one of `TEMPERATURES`.
        low: Lowest temperature.
        high: Highest temperature.
        span: Epochs that a schedule takes ("T_max").
        frequency: Periods of the cosine in a span.
        epoch_steps: Steps that a schedule counts as an epoch; none: a pass over the series, as in the source.
            Where series are many, a training is less than a pass, in which no schedule would ever move.
        epochs: Passes over the training series; none: what makes 200 steps, or 600 where they hold more than
            100,000 values, which is the source's rule.
        batch_size: Series per step.
        lr: Learning rate of AdamW.
        weight_decay: Of AdamW.
        average: Decay of the average of the weights that is judged in their place; 1: the mean of all so
            far, which is the source's; 0: no average.
        head: The classifier that judges: support vectors, logistic or ridge regression.
        pooling: What it reads of a series: "max", the largest over the instants, which is the source's,
            "statistics", also the smallest, the mean and the deviation, or "pyramid", also largest and mean of
            halves and quarters; none: "pyramid", or "statistics" of more than 2,000 series, for which a
            regression on so many numbers would take longer than the training.
        holdout: The published part that validation series are held out of: "training", of which they are a
            fifth, or "test", of which they are half, so that sets with few training series can be studied;
            the other half is read once, at the end.
        evaluate_every: Epochs between evaluations.
        longest: Instants of a training series; a longer one is cut into equal pieces, each a series of its own.
    """

    outputs: Natural = 320
    hidden: Natural = 64
    depth: Natural = 10
    instance: Weight = 2.0
    temporal: Weight = 2.0
    margin: Weight = 0.5
    schedule: str = "cosine-annealing"
    low: Positive = 0.15
    high: Positive = 0.95
    span: Positive = 25.0
    frequency: Positive = 0.5
    epoch_steps: Natural | None = None
    epochs: Positive | None = None
    batch_size: Annotated[int, Field(ge=2)] = 8
    lr: Positive = 1e-3
    weight_decay: Weight = 1e-2
    average: Annotated[float, Field(ge=0, le=1)] = 1.0
    head: Literal["svm", "logistic", "ridge"] = "ridge"
    pooling: Literal["max", "statistics", "pyramid"] | None = None
    holdout: Literal["training", "test"] = "training"
    evaluate_every: Positive = 10.0
    longest: Annotated[int, Field(ge=2)] = 3000

    def read_of(self, series: int) -> Pooling:
        """Return what the classifier reads of each of so many training series."""
        return self.pooling or ("pyramid" if series <= MANY_SERIES else "statistics")


TS2VEC: dict[str, Any] = {
    "instance": 0.0,
    "temporal": 0.0,
    "schedule": "no-scheduling",
    "head": "svm",
    "pooling": "max",
}
"""The source's protocol: what TimeHUT adds to TS2Vec taken away, and its classifier."""


@dataclass(frozen=True)
class Learning:
    """The parts of a training: an untrained encoder, the series in batches, what a batch does, how long."""

    encoder: Encoder
    batches: ResidentBatches
    step: ContrastiveStep
    epochs: float


def learning(inputs: Tensor, settings: Recipe, seed: int) -> Learning:
    """Return what learns from series without labels.

    Args:
        inputs: Standardized series [n, instants, channels], NaN where a value is missing.
        settings: How.
        seed: Of the order of the series, crops and masks. Weights are drawn from PyTorch's global state.

    Raises:
        Refused: No series holds a value.
    """
    import torch

    from potentiate.data.batches import ResidentBatches
    from potentiate.models.timehut.encoder import Encoder
    from potentiate.models.timehut.loss import Hierarchy
    from potentiate.models.timehut.pieces import learnable
    from potentiate.models.timehut.step import ContrastiveStep
    from potentiate.temperature import temperature

    steps = STEPS if inputs.numel() <= MANY_VALUES else MORE_STEPS
    inputs = learnable(inputs, settings.longest)
    size = min(settings.batch_size, len(inputs))
    batches = ResidentBatches((inputs, torch.arange(len(inputs))), size, seed, drop_last=True)
    schedule = {"low": settings.low, "high": settings.high, "span": settings.span}
    if settings.schedule == "cosine-annealing":
        schedule["frequency"] = settings.frequency
    return Learning(
        Encoder(inputs.shape[2], settings.outputs, settings.hidden, settings.depth),
        batches,
        ContrastiveStep(
            Hierarchy(
                instance=settings.instance, temporal=settings.temporal, margin=settings.margin
            ),
            torch.optim.AdamW,
            {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True},
            average=settings.average or None,
            temperature=temperature(settings.schedule, **schedule),
            epoch=settings.epoch_steps or len(batches),
            seed=seed,
        ),
        steps / len(batches) if settings.epochs is None else settings.epochs,
    )
