"""Series and their labels in any usual form, as arrays of one form.

Everything becomes float32 [series, instants, channels], with NaN where a value is missing and behind the
end of a series that is shorter than the longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused

MISSING = "", "?", "na", "nan", "null", "none"
"""What stands for a missing value in a text file, in lower case."""


def as_series(values: Any) -> NDArray[np.float32]:
    """Return series of any usual form as float32 [n, instants, channels].

    Args:
        values: An array [n, instants] or [n, channels, instants]; a list of arrays [instants] or
            [channels, instants] of any lengths; a frame with a series a row, of numbers or of series in its
            cells; or the path of a CSV file with a series a line, of any lengths. A missing value is NaN, in
            a file also nothing or "?".

    Raises:
        Refused: It is none of these, has no series, no instant, an infinite value, or something that is
            no number.

    Example:
        >>> as_series([[1, 2, 3], [4, 5]]).shape
        (2, 3, 1)
    """
    if isinstance(values, (str, Path)):
        path = Path(values)
        values = table(path, ",")
        if not values:
            raise Refused(f"{path} is empty; it must hold a series a line")
    elif hasattr(values, "iloc"):  # a frame, without asking for pandas
        values = _cells(values) if hasattr(values, "columns") else list(values)
    elif isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1:
        values = list(cast("Sequence[Any]", values))
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
    if np.isinf(array).any():
        first = int(np.flatnonzero(np.isinf(array).any((1, 2)))[0])
        raise Refused(
            f"series {first} (from 0) holds an infinite value, or one beyond float32; mend it, or mark it as "
            "missing with NaN"
        )
    return np.ascontiguousarray(array.transpose(0, 2, 1), np.float32)


def as_labels(values: Any) -> list[str]:
    """Return class labels, numbers or names in any sequence [n], as names; 2 and 2.0 are one class.

    Raises:
        Refused: It is no sequence, or a label is missing.

    Example:
        >>> as_labels([1, 2.0, "left"])
        ['1', '2', 'left']
    """
    if isinstance(values, (str, bytes, Mapping)):
        raise Refused(
            f"labels must be a list or an array [n], not a {type(cast('Any', values)).__name__}"
        )
    try:
        listed = list(values.tolist() if hasattr(values, "tolist") else values)
    except (TypeError, ValueError) as error:
        raise Refused(f"labels must be a list or an array [n]: {error}") from error
    return [_label(each, place) for place, each in enumerate(listed)]


def table(path: Path, separator: str, labels: list[str] | None = None) -> list[NDArray[np.float32]]:
    """Read a text file with a series a line.

    Args:
        path: Where.
        separator: Between values.
        labels: Takes the first column, where there is one of labels.

    Raises:
        Refused: The file cannot be read, or something in it is no number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read as series, one a line: {error}") from error
    rows = list[NDArray[np.float32]]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(separator)]
        if labels is not None:
            labels.append(_label(_number(cells[0], cells[0]), f"of line {number}"))
            del cells[0]
        values = [_number(cell, None) for cell in cells]
        if None in values:
            word = cells[values.index(None)]
            raise Refused(
                f"{path} has {word[:20]!r} in line {number}, which is no number; give a series a line, no header"
            )
        rows.append(_numbers(values))
    return rows


def _number(cell: str, otherwise: Any) -> Any:
    if cell.lower() in MISSING:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return otherwise


def _label(value: Any, place: int | str) -> str:
    kinds: Any = (str, int, float, np.generic)
    if not issubclass(type(value), kinds) or value != value:
        shown = repr(value).splitlines()[0][:40]
        raise Refused(f"label {place} is {shown}; give each series the name or number of a class")
    number = issubclass(type(value), (float, np.floating))
    return str(int(value)) if number and value.is_integer() else str(value)


def _cells(frame: Any) -> Any:
    """What the cells of a frame hold: numbers, or a series for each row and channel."""
    first = frame.iloc[0, 0] if len(frame) and len(frame.columns) else 0.0
    if np.ndim(first) == 0:
        return frame.to_numpy()
    columns = [list(frame.iloc[:, k]) for k in range(len(frame.columns))]
    return [_padded([_line(c) for c in row])[:, 0] for row in zip(*columns, strict=True)]


def _line(cell: Any) -> NDArray[np.float32]:
    line = _numbers(cell)
    if line.ndim != 1:
        raise Refused(f"a cell of a frame of series must hold one series, got {line.ndim} axes")
    return line


def _padded(rows: Sequence[Any]) -> NDArray[np.float32]:
    """Series of any lengths as [n, channels, longest], NaN behind their ends."""
    arrays = [_numbers(row) for row in rows]
    arrays = [row[None] if row.ndim == 1 else row for row in arrays]
    shapes = {(row.ndim, row.shape[0] if row.ndim else 0) for row in arrays}
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
    """Numbers as float32, an infinity for those beyond it, and what a mask hides as NaN."""
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = cast("Any", values).astype(np.float64).filled(np.nan)
        array = np.asarray(values)
        if array.dtype.kind in "cmMV":
            raise TypeError(f"they are of type {array.dtype}")
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused(f"series must be numbers: {why}") from error
