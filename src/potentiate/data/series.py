"""Time series with a class each: archives by name, and arrays, frames and files of one's own.

Everything becomes float32 [series, instants, channels], with NaN where a value is missing and behind the
end of a series that is shorter than the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from potentiate.data.catalog import data_folder
from potentiate.data.images import SPLIT_SEED, stratified
from potentiate.errors import Refused, unknown

if TYPE_CHECKING:
    from torch import Tensor

VALIDATION_SHARE = 5
"""One training series in five, and of each class one where it has two, is in the validation part."""
ARCHIVES = "ucr", "uea", ""
"""Folders of the data folder in which a set may lie, in a folder of its own name."""
WAVES = "waves"
"""The name of the set that is made and needs no file."""
LENGTH, NOISE = 64, 0.4
SIZES = 60, 300


@dataclass(frozen=True, eq=False)
class SeriesPart:
    """Some series of a set: `inputs` float32 [n, instants, channels], `labels` int64 [n]."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """A set of series in three disjoint parts.

    Attributes:
        train: What heads learn from, and encoders with the validation part, which they see without labels.
        validation: What decisions are made on; a fifth of what was published for training, by class.
        test: What is read once, at the end.
        classes: The classes' names; labels are their numbers.
        name: The set's name.
    """

    train: SeriesPart
    validation: SeriesPart
    test: SeriesPart
    classes: tuple[str, ...]
    name: str

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel over training and validation part.

        Of a channel without a value they are 0 and 1, and a constant one has a deviation of 1.
        """
        import torch

        seen = torch.cat([self.train.inputs, self.validation.inputs]).flatten(0, 1).double()
        mean = seen.nanmean(0).nan_to_num(0.0)
        std = (seen - mean).square().nanmean(0).sqrt().nan_to_num(0.0)
        return mean.float(), torch.where(std > 1e-8, std, 1.0).float()


def load_series(name: str) -> SeriesSet:
    """Read a set of the UCR and UEA archives from this machine, or make the set "waves".

    Raises:
        Refused: There is no such set, a file is damaged, or what reads it is not installed.

    Example:
        >>> waves = load_series("waves")
        >>> waves.train.inputs.shape, waves.test.inputs.shape, waves.classes
        (torch.Size([48, 64, 1]), torch.Size([300, 64, 1]), ('saw', 'sine', 'square'))
    """
    if name == WAVES:
        rest, test = (_waves(size, seed) for seed, size in enumerate(SIZES))
    else:
        rest, test = (_read(path) for path in _files(name))
    channels = {part[0].shape[2] for part in (rest, test)}
    if len(channels) > 1:
        raise Refused(f"the parts of '{name}' have {sorted(channels)} channels; get the set again")
    classes = tuple(sorted({*rest[1], *test[1]}))
    numbers = {each: number for number, each in enumerate(classes)}
    labels = [np.array([numbers[each] for each in part[1]], np.int64) for part in (rest, test)]
    taken = np.zeros(len(labels[0]), bool)
    taken[_held_out(labels[0], len(classes))] = True
    return SeriesSet(
        train=_part(rest[0][~taken], labels[0][~taken]),
        validation=_part(rest[0][taken], labels[0][taken]),
        test=_part(test[0], labels[1]),
        classes=classes,
        name=name,
    )


def series_names() -> list[str]:
    """Return the names of the sets of the archives that lie in the data folder."""
    folder = data_folder()
    found = [path for part in ARCHIVES[:2] for path in sorted((folder / part).glob("*"))]
    return [path.name for path in found if path.is_dir()]


def as_series(values: Any) -> NDArray[np.float32]:
    """Return series of any usual form as float32 [n, instants, channels].

    Args:
        values: An array [n, instants] or [n, channels, instants]; a list of arrays [instants] or
            [channels, instants] of any lengths; a frame with a series a row, of numbers or of series in its
            cells; or the path of a CSV file with a series a line.

    Raises:
        Refused: It is none of these, has no series, no instant, or something that is no number.
    """
    if isinstance(values, (str, Path)):
        values = _csv(Path(values))
    elif hasattr(values, "iloc"):  # a frame, without asking for pandas
        values = _cells(values)
    listed = isinstance(values, (list, tuple))
    array = _padded(cast("Sequence[Any]", values)) if listed else _numbers(values)
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3:
        raise Refused(
            f"series must be [n, instants] or [n, channels, instants], got an array of {array.ndim} axes"
        )
    if 0 in array.shape:
        raise Refused(f"series must not be empty, got {[*array.shape]}")
    return np.ascontiguousarray(array.transpose(0, 2, 1), np.float32)


def _files(name: str) -> list[Path]:
    """The files of the training and test part."""
    folder = data_folder()
    for archive in ARCHIVES:
        for ending in ("ts", "tsv"):
            paths = [
                folder / archive / name / f"{name}_{part}.{ending}" for part in ("TRAIN", "TEST")
            ]
            if all(path.is_file() for path in paths):
                return paths
    here = series_names()
    if Path(name).name != name or not here:
        raise Refused(
            f"there is no set '{name}' of series in {folder}; set POTENTIATE_DATA to the folder that holds "
            f"ucr and uea, or take '{WAVES}', which is made"
        )
    raise unknown("set of series", name, [*here, WAVES])


def _read(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Series and class names of a file."""
    try:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        return _tsv(path) if path.suffix == ".tsv" else _ts(path)
    except ImportError as error:
        raise Refused(
            f"reading {path.name} needs sktime: pip install 'potentiate[series]'"
        ) from error
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise Refused(f"the file {path} is damaged ({error}); get it again") from error


def _ts(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    import sktime.datasets

    readers: Any = sktime.datasets
    frame, labels = readers.load_from_tsfile(str(path), return_data_type="nested_univ")
    return as_series(frame), [str(each) for each in labels]


def _tsv(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    table = np.genfromtxt(path, delimiter="\t", dtype=np.float64, ndmin=2)
    if table.shape[1] < 2:
        raise ValueError("it has no column beside the labels")
    return as_series(table[:, 1:]), [f"{each:g}" for each in table[:, 0]]


def _csv(path: Path) -> NDArray[Any]:
    try:
        return np.genfromtxt(path, delimiter=",", dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read as series, one a line: {error}") from error


def _cells(frame: Any) -> Any:
    """What the cells of a frame hold: numbers, or a series for each row and channel."""
    first = frame.iloc[0, 0] if len(frame) and len(frame.columns) else 0.0
    if np.ndim(first) == 0:
        return frame.to_numpy()
    columns = [list(frame.iloc[:, k]) for k in range(len(frame.columns))]
    return [_padded([np.asarray(c) for c in row])[:, 0] for row in zip(*columns, strict=True)]


def _padded(rows: Sequence[Any]) -> NDArray[np.float32]:
    """Series of any lengths as [n, channels, longest], NaN behind their ends."""
    arrays = [_numbers(row) for row in rows]
    arrays = [row[None] if row.ndim == 1 else row for row in arrays]
    shapes = {(row.ndim, len(row)) for row in arrays}
    if len(shapes) > 1 or any(ndim != 2 for ndim, _ in shapes):
        raise Refused(
            "series of a list must each be [instants] or [channels, instants], all of as many channels"
        )
    longest = max((row.shape[1] for row in arrays), default=0)
    channels = next(iter(shapes))[1] if shapes else 0
    out = np.full((len(arrays), channels, longest), np.nan, np.float32)
    for each, row in zip(out, arrays, strict=True):
        each[:, : row.shape[1]] = row
    return out


def _numbers(values: Any) -> NDArray[np.float32]:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise Refused(f"series must be numbers: {error}") from error


def _part(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> SeriesPart:
    import torch

    return SeriesPart(torch.from_numpy(inputs), torch.from_numpy(labels))


def _held_out(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Places of the validation part: a fifth by class, and one of each class that has two."""
    chosen = stratified(labels, round(len(labels) / VALIDATION_SHARE), classes)
    counts = np.bincount(labels, minlength=classes)
    taken = np.bincount(labels[chosen], minlength=classes)
    random = np.random.RandomState(SPLIT_SEED + 1)
    more = [
        random.choice(np.flatnonzero(labels == each), 1)
        for each in range(classes)
        if counts[each] > 1 and not taken[each]
    ]
    return np.concatenate([chosen, *more])


def _waves(count: int, seed: int) -> tuple[NDArray[np.float32], list[str]]:
    """Waves of three shapes, of any phase and of one and a half to three periods, under noise."""
    random = np.random.default_rng(seed)
    names = [("saw", "sine", "square")[k % 3] for k in range(count)]
    turns = random.uniform(1.5, 3.0, (count, 1)) * np.linspace(0, 1, LENGTH)
    angle = (turns + random.uniform(0, 1, (count, 1))) % 1.0
    shapes = {
        "saw": 2 * angle - 1,
        "sine": np.sin(2 * np.pi * angle) * 2**0.5 / 3**0.5,
        "square": np.sign(0.5 - angle) / 3**0.5,
    }
    wave = np.stack([shapes[name][k] for k, name in enumerate(names)])
    noisy = wave + NOISE * random.standard_normal(wave.shape)
    return as_series(noisy), names
