"""TimeHUT on any set of series: the workload "timehut/<set>" with the settings of the seed system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from potentiate.errors import Refused
from potentiate.settings import changed
from potentiate.workload import Run, Target, Workload

Natural = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


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
        epochs: Passes over the training series.
        batch_size: Series per step.
        lr: Learning rate of AdamW.
        weight_decay: Of AdamW.
        average: Decay of the average of the weights that is judged in their place.
        head: The classifier that judges: support vectors, logistic or ridge regression.
        evaluate_every: Epochs between evaluations.
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
    epochs: Positive = 50.0
    batch_size: Annotated[int, Field(ge=2)] = 8
    lr: Positive = 1e-3
    weight_decay: Weight = 1e-2
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    head: Literal["svm", "logistic", "ridge"] = "svm"
    evaluate_every: Positive = 10.0


TS2VEC: dict[str, Any] = {"instance": 0.0, "temporal": 0.0, "schedule": "no-scheduling"}
"""What TimeHUT adds to TS2Vec, taken away."""


def timehut_workload(name: str, **recipe: Any) -> Workload:
    """Return the workload "timehut/`name`" of representing and classifying the series `name`."""
    return Workload(
        name=f"timehut/{name}",
        make=partial(_make, name),
        recipe=changed(Recipe(), recipe, where=f"timehut/{name}"),
        target=Target("accuracy"),
        margin=0.01,
        provides=frozenset({"gradient"}),
        source=f"timehut/{name}",
        imports=("potentiate.models.timehut.step", "sklearn.svm", "sklearn.model_selection"),
        presets={"ts2vec": TS2VEC},
    )


def _make(name: str, settings: Recipe, seed: int) -> Run:
    import torch

    from potentiate.data.batches import ResidentBatches
    from potentiate.data.series import SeriesPart, load_series
    from potentiate.models.timehut.encoder import Encoder
    from potentiate.models.timehut.loss import Hierarchy
    from potentiate.models.timehut.readout import Read
    from potentiate.models.timehut.step import ContrastiveStep
    from potentiate.models.timehut.temperature import temperature

    series = load_series(name)
    if all(part.inputs.isnan().all() for part in (series.train, series.validation)):
        raise Refused(f"every value of the training series of '{name}' is missing")
    mean, std = series.moments()
    train, validation, test = (
        SeriesPart((part.inputs - mean) / std, part.labels)
        for part in (series.train, series.validation, series.test)
    )
    seen = SeriesPart(
        torch.cat([train.inputs, validation.inputs]), torch.cat([train.labels, validation.labels])
    )
    size = min(settings.batch_size, len(seen))
    batches = ResidentBatches((seen.inputs, seen.labels), size, seed, drop_last=True)
    schedule = {"low": settings.low, "high": settings.high, "span": settings.span}
    if settings.schedule == "cosine-annealing":
        schedule["frequency"] = settings.frequency
    return Run(
        model=Encoder(seen.inputs.shape[2], settings.outputs, settings.hidden, settings.depth),
        batches=batches,
        step=ContrastiveStep(
            Hierarchy(
                instance=settings.instance, temporal=settings.temporal, margin=settings.margin
            ),
            torch.optim.AdamW,
            {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True},
            average=settings.average or None,
            temperature=temperature(settings.schedule, **schedule),
            epoch=len(batches),
            seed=seed,
        ),
        validate=Read(train, validation, settings.head),
        test=Read(seen, test, settings.head),
        epochs=settings.epochs,
        evaluate_every=settings.evaluate_every,
        sizes={
            "train": len(train),
            "validation": len(validation),
            "test": len(test),
        },
    )
