"""Files of the UCR and UEA archives: series and their classes from .ts and .tsv, as float32 arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.data.forms import as_series, table
from potentiate.errors import Refused


def read(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Return series [n, instants, channels] and class names of a file of an archive, .ts or .tsv.

    Raises:
        Refused: The file is damaged, says what is not so, or what reads it is not installed.
    """
    try:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        return _tsv(path) if path.suffix == ".tsv" else _ts(path)
    except ImportError as error:
        raise Refused(
            f"reading {path.name} needs sktime: pip install 'potentiate[series]'"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a reader of text meets what is no such text in any way
        if isinstance(error, Refused) and str(path) in str(error):
            raise  # it has said where and what to do
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused(
            f"the file {path} is damaged ({why}); delete it and get it again with 'potentiate download "
            f"{path.parent.name}'"
        ) from error


def _tsv(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    labels = list[str]()
    rows = table(path, "\t", labels)
    if not rows or not all(map(len, rows)):
        raise ValueError("it has no column beside the labels")
    return as_series(rows), labels


def _ts(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    declared = header(path)
    if declared.get("timestamps") == "true":
        raise Refused(f"the values in {path} have timestamps, which are not read; take them out")
    if not declared.get("classlabel", "true 1").startswith("true"):
        raise Refused(f"the series in {path} have no classes; give each one at the end of its line")
    import sktime.datasets

    readers: Any = sktime.datasets
    frame, labels = readers.load_from_tsfile(str(path), return_data_type="nested_univ")
    series, names = as_series(frame), [str(each) for each in labels]
    lengths = {len(cell) for k in range(series.shape[2]) for cell in frame.iloc[:, k]}
    _check(declared, lengths, series.shape[2], set(names))
    return series, names


def header(path: Path) -> dict[str, str]:
    """Return what the header of a .ts file declares, in lower case and without "@"."""
    declared = dict[str, str]()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.strip().lower().partition(" ")
            if key == "@data":
                break
            if key.startswith("@"):
                declared[key[1:]] = value.strip()
    return declared


def _check(declared: dict[str, str], lengths: set[int], channels: int, names: set[str]) -> None:
    """Compare what a header declares with what follows it."""
    said = 1 if declared.get("univariate") == "true" else int(declared.get("dimensions", channels))
    if said != channels:
        raise ValueError(f"its header says {said} channels, its series have {channels}")
    length = int(declared.get("serieslength", max(lengths)))
    if declared.get("equallength") == "true" and lengths != {length}:
        other = min(lengths - {length})
        raise ValueError(f"its header says {length} instants, a series has {other}")
    known = {_plain(each) for each in declared.get("classlabel", "").split()[1:]}
    if strange := sorted(each for each in names if _plain(each) not in known):
        raise ValueError(f"a series has the class {strange[0][:20]!r}, which its header lacks")


def _plain(name: str) -> str:
    """The name of a class, of whole numbers without ".0"."""
    return name.removesuffix(".0")
