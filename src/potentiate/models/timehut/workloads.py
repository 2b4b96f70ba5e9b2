"""TimeHUT on any set of series, of the archives or of one's own, with the settings of the seed system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from potentiate.errors import Refused
from potentiate.models.timehut.recipe import LARGEST, TS2VEC, Recipe, learning
from potentiate.settings import changed
from potentiate.workload import References, Run, Target, Workload

if TYPE_CHECKING:
    from potentiate.data.series import SeriesPart, SeriesSet
    from potentiate.models.timehut.readout import Read

Parts = tuple[Any, Any, Any, Any]
"""Training series and their labels, test series and their labels."""


def timehut_workload(
    name: str, data: Parts | Callable[[], Parts] | None = None, **recipe: Any
) -> Workload:
    """Return the workload "timehut/`name`" of representing and classifying the series `name`.

    Args:
        name: A set of the archives or "waves"; what a report calls it, where `data` are given.
        data: Training series and labels, test series and labels, in the forms of `as_series` and
            `as_labels`; or what returns them, called for each training.
        recipe: Settings of `Recipe`.

    Raises:
        Refused: Of a setting; when the workload is built, of series or labels.
    """
    return Workload(
        name=f"timehut/{name}",
        make=partial(_make, name, data),
        recipe=changed(Recipe(), recipe, where=f"timehut/{name}"),
        target=Target("accuracy"),
        margin=0.01,
        provides=frozenset({"gradient", "blocks", "temperature", "angles"}),
        source=f"timehut/{name}" if data is None else "",
        imports=(
            "potentiate.models.timehut.step",
            "potentiate.models.timehut.compiled",
            "sklearn.svm",
            "sklearn.model_selection",
        ),
        presets={"ts2vec": TS2VEC},
        references=partial(_references, name, data),
    )


def _series(name: str, data: Parts | Callable[[], Parts] | None) -> SeriesSet:
    """The set, which a classifier can be fitted on."""
    from potentiate.data.series import load_series, series_set

    if data is None:
        series = load_series(name)
    else:
        parts = cast("Sequence[Any]", data() if callable(data) else data)
        if not isinstance(parts, (tuple, list)) or len(parts) != 4:
            raise Refused(
                f"the data of 'timehut/{name}' must be training series, labels, test series and labels, four in a "
                f"tuple; got {type(cast('Any', parts)).__name__}"
            )
        series = series_set(*parts, name=name)
    if len(cast("Any", series.train.labels).unique()) < 2:
        raise Refused(f"all training series of '{name}' have one class; a classifier needs two")
    if not len(series.validation):
        raise Refused(
            f"the {len(series.train)} training series of '{name}' are too few to hold one out for validation; "
            "give at least 3"
        )
    return series


def _references(
    name: str, data: Parts | Callable[[], Parts] | None, settings: Recipe, seed: int
) -> References:
    import torch

    from potentiate.models.timehut.baselines import beside

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # as before the weights of a run are drawn
        run = _make(name, data, settings, seed)
    return beside(cast("Read", run.test), run.model)


def _make(name: str, data: Parts | Callable[[], Parts] | None, settings: Recipe, seed: int) -> Run:
    import torch

    from potentiate.data.series import SeriesPart
    from potentiate.models.timehut.criterion import CRITERIA, Criterion
    from potentiate.models.timehut.readout import Read

    series = _series(name, data)
    mean, std = series.moments()
    train, validation, test = (
        SeriesPart((part.inputs - mean) / std, part.labels)
        for part in (series.train, series.validation, series.test)
    )
    seen = SeriesPart(
        torch.cat([train.inputs, validation.inputs]), torch.cat([train.labels, validation.labels])
    )
    known = train
    largest = max(
        float(part.inputs.abs().nan_to_num(0.0).max()) for part in (train, validation, test)
    )
    if not largest <= LARGEST:
        raise Refused(
            f"'{name}' holds a value more than {LARGEST:g} standard deviations from the mean; mend it, or mark it "
            "as missing with NaN"
        )
    if settings.holdout == "test":
        if len(test) < 2:
            raise Refused(
                f"the {len(test)} test series of '{name}' cannot be halved; give at least 2, or leave "
                "holdout=test out"
            )
        known, (validation, test) = seen, _halves(test)
    parts, pooling = learning(seen.inputs, settings, seed), settings.read_of(len(seen))
    return Run(
        model=parts.encoder,
        batches=parts.batches,
        step=parts.step,
        validate=Read(known, validation, settings.head, Criterion(validation.inputs), pooling),
        test=Read(seen, test, settings.head, pooling=pooling),
        epochs=parts.epochs,
        evaluate_every=settings.evaluate_every,
        sizes={"train": len(known), "validation": len(validation), "test": len(test)},
        criteria=CRITERIA,
    )


def _halves(part: SeriesPart) -> tuple[SeriesPart, SeriesPart]:
    """Every second series of each class, and the others."""
    from potentiate.data.series import SeriesPart

    order = cast("Any", part.labels.argsort(stable=True))
    first, second = (
        SeriesPart(part.inputs[rows], part.labels[rows]) for rows in (order[0::2], order[1::2])
    )
    return first, second
