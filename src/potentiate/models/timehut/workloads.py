"""TimeHUT on any set of series: the workload "timehut/<set>" with the settings of the seed system."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from potentiate.errors import Refused
from potentiate.models.timehut.recipe import TS2VEC, Recipe, learning
from potentiate.settings import changed
from potentiate.workload import References, Run, Target, Workload

if TYPE_CHECKING:
    from potentiate.models.timehut.readout import Read


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
        references=partial(_references, name),
    )


def _references(name: str, settings: Recipe, seed: int) -> References:
    import torch

    from potentiate.models.timehut.baselines import beside

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # as before the weights of a run are drawn
        run = _make(name, settings, seed)
    return beside(cast("Read", run.test), run.model)


def _make(name: str, settings: Recipe, seed: int) -> Run:
    import torch

    from potentiate.data.series import SeriesPart, load_series
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
        validate=Read(train, validation, settings.head),
        test=Read(seen, test, settings.head),
        epochs=parts.epochs,
        evaluate_every=settings.evaluate_every,
        sizes={"train": len(train), "validation": len(validation), "test": len(test)},
    )
