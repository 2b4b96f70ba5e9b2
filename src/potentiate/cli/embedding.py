"""What an encoder makes of the test series, before and after training, as a picture of a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.plot.embedding import View, embedding
from potentiate.plot.log import RunLog
from potentiate.plot.picture import Picture

if TYPE_CHECKING:
    from torch import nn

    from potentiate.listeners.resume import Resumed

Projection = Literal["pca", "tsne"]
FAMILY = "timehut/"
CHECKPOINTS = "checkpoints"
DRAWN = 2000
"""Series drawn at most."""
FEWEST = 3
"""Series without which there is no picture."""
PERPLEXITY = 30.0
UNTRAINED = "untrained encoder"
TOLD = "accuracy", "uniformity", "tolerance"


def embedded(log: RunLog, projection: Projection = "pca") -> Picture | None:
    """Return the picture of a timehut run that has a checkpoint, None of any other run.

    Raises:
        Refused: The checkpoint does not fit the workload as it is here, or its data are not here.
    """
    folder = log.path.parent
    if not log.workload.startswith(FAMILY) or not (folder / CHECKPOINTS).is_dir():
        return None
    from potentiate.listeners.resume import resumed

    try:
        return _picture(log, resumed(folder), projection)
    except (KeyError, TypeError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise Refused(
            f"the checkpoint in {folder} does not fit '{log.workload}' as it is here ({said}); draw it with "
            "the version that wrote it"
        ) from error


def _picture(log: RunLog, found: Resumed, projection: Projection) -> Picture | None:
    import torch

    from potentiate.data.series import load_series
    from potentiate.models.timehut.readout import Read, represented
    from potentiate.training import seed_globally

    seed_globally(found.seed)
    run = found.workload.build(found.seed)
    if not isinstance(run.test, Read) or len(run.test.asked) < FEWEST:
        return None
    asked = run.test.asked
    some = np.random.default_rng(0).permutation(len(asked))[:DRAWN]
    inputs, labels = asked.inputs[torch.from_numpy(some)], asked.labels.numpy()[some]
    before = represented(run.model, inputs)
    _load(run.model, found.state)
    after = represented(run.model, inputs)
    told = log.beside.references if log.beside else dict[str, dict[str, float]]()
    untrained = told.get(UNTRAINED, dict[str, float]())
    position = int(found.state["position"])
    ended = log.test if log.test and log.test.step == position else None
    drawn = "" if len(asked) <= DRAWN else f"{DRAWN:,} of "
    return embedding(
        f"{log.workload}: representations of {drawn}{len(asked):,} test series",
        [
            _view("before training", untrained, before, projection),
            _view(
                f"after {position:,} steps",
                ended.metrics if ended else dict[str, float](),
                after,
                projection,
            ),
        ],
        labels,
        load_series(found.workload.name.removeprefix(FAMILY)).classes,
    )


def _load(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Take the weights that are judged: their average, where there is one."""
    averaged = state["step"].get("averaged")
    model.load_state_dict(state["model"] if averaged is None else averaged)


def _view(
    title: str,
    metrics: Mapping[str, float],
    features: NDArray[np.float32],
    projection: Projection,
) -> View:
    line = ", ".join(f"{name} {metrics[name]:.3f}" for name in TOLD if name in metrics)
    points, axes = projected(features, projection)
    return View(title, line, points, axes)


def projected(
    features: NDArray[np.float32], projection: Projection
) -> tuple[NDArray[Any], tuple[str, str]]:
    """Return features [n, width] as points [n, 2], and what the two axes are.

    "pca": the two principal components, with the share of the variance that each holds; "tsne":
    neighborhoods (van der Maaten & Hinton 2008) from a fixed seed, in which only nearness has a meaning.
    """
    if features.shape[1] < 2:
        features = np.pad(features, ((0, 0), (0, 1)))
    if projection == "tsne" and np.ptp(features):
        from sklearn.manifold import TSNE

        near = min(PERPLEXITY, (len(features) - 1) / 3)
        found: Any = TSNE(perplexity=near, random_state=0)
        return found.fit_transform(features), ("t-SNE 1", "t-SNE 2")
    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), 2)), ("all are one point", "")
    from sklearn.decomposition import PCA

    pca: Any = PCA(2, random_state=0)
    points = pca.fit_transform(features.astype(np.float64))
    first, second = (f"{100 * share:.0f} %" for share in pca.explained_variance_ratio_)
    return points, (f"component 1 ({first} of the variance)", f"component 2 ({second})")
