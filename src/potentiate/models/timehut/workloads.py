"""TimeHUT on any set of series: the workload "timehut/<set>" with the settings of the seed system."""

from __future__ import annotations

from functools import partial
from typing import Any

from potentiate.errors import Refused
from potentiate.models.timehut.recipe import TS2VEC, Recipe, learning
from potentiate.settings import changed
from potentiate.workload import Run, Target, Workload


def timehut_workload(name: str, **recipe: Any) -> Workload:
    """Return the workload "timehut/`name`" of representing and classifying the series `name`."""
    return Workload(
        name=f"timehut/{name}",
        make=partial(_make, name),
        recipe=changed(Recipe(), recipe, where=f"timehut/{name}"),
        target=Target("accuracy"),
        margin=0.01,
        provides=frozenset({"gradient", "blocks", "temperature", "angles"}),
        source=f"timehut/{name}",
        imports=("potentiate.models.timehut.step", "sklearn.svm", "sklearn.model_selection"),
        presets={"ts2vec": TS2VEC},
    )


def _make(name: str, settings: Recipe, seed: int) -> Run:
    import torch

    from potentiate.data.series import SeriesPart, load_series
    from potentiate.models.timehut.criterion import CRITERIA, Criterion
    from potentiate.models.timehut.readout import Read

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
    parts = learning(seen.inputs, settings, seed)
    return Run(
        model=parts.encoder,
        batches=parts.batches,
        step=parts.step,
        validate=Read(train, validation, settings.head, Criterion(validation.inputs)),
        test=Read(seen, test, settings.head),
        epochs=parts.epochs,
        evaluate_every=settings.evaluate_every,
        sizes={"train": len(train), "validation": len(validation), "test": len(test)},
        criteria=CRITERIA,
    )
