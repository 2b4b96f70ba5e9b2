"""The UCR and UEA archives of series: where their sets lie on this machine, and their files read.

Source: Dau et al. 2019, IEEE/CAA J. Autom. Sinica 6(6); Bagnall et al. 2018, arXiv:1811.00075.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.data.catalog import data_folder
from potentiate.data.forms import as_series, table
from potentiate.errors import Refused

FOLDERS = "ucr", "uea", ""
"""Folders of the data folder in which a set may lie, in a folder of its own name."""
ENDINGS = "ts", "tsv"


def digests() -> dict[str, str]:
    """Return the known sha256 of files of the archives by file name; they publish none themselves."""
    lines = (files("potentiate.data") / "archives.sha256").read_text("ascii").split("\n")
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def sets_here() -> list[tuple[str, str]]:
    """Return archive and name of the sets on this machine."""
    folders = [path for part in FOLDERS[:2] for path in sorted((data_folder() / part).glob("*"))]
    return [(path.parent.name, path.name) for path in folders if _pair(path)]


def files_of(name: str) -> tuple[Path, Path]:
    """Return the files of the training and the test part.

    Raises:
        Refused: They are not on this machine.
    """
    plain = Path(name).name == name
    for archive in FOLDERS if plain else ():
        if pair := _pair(data_folder() / archive / name):
            return pair
    near = get_close_matches(name, [each for _, each in sets_here()], 1, 0.5) if plain else []
    asked = f"did you mean '{near[0]}'? If not, " if near else ""
    get = f"get it with 'potentiate download {name}', " if plain else ""
    raise Refused(
        f"there is no set '{name}' of series in {data_folder()}; {asked}{get}set POTENTIATE_DATA to the folder "
        "that holds ucr and uea, or take 'waves', which is made"
    )


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
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refused(f"the file {path} is damaged ({why}); get it again") from error


def _pair(folder: Path) -> tuple[Path, Path] | None:
    for ending in ENDINGS:
        train, test = (folder / f"{folder.name}_{part}.{ending}" for part in ("TRAIN", "TEST"))
        if train.is_file() and test.is_file():
            return train, test
    return None


def _tsv(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    labels = list[str]()
    rows = table(path, "\t", labels)
    if not rows or not all(map(len, rows)):
        raise ValueError("it has no column beside the labels")
    return as_series(rows), labels


def _ts(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    declared = header(path)
    if declared.get("timestamps") == "true":
        raise ValueError("its values have timestamps, which are not read; take them out")
    if not declared.get("classlabel", "true 1").startswith("true"):
        raise ValueError("its series have no classes")
    import sktime.datasets

    readers: Any = sktime.datasets
    frame, labels = readers.load_from_tsfile(str(path), return_data_type="nested_univ")
    series, names = as_series(frame), [str(each) for each in labels]
    _check(declared, series, names)
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


def _check(declared: dict[str, str], series: NDArray[np.float32], names: list[str]) -> None:
    """Compare what a header declares with what follows it."""
    channels = 1 if declared.get("univariate") == "true" else declared.get("dimensions")
    if channels is not None and int(channels) != series.shape[2]:
        raise ValueError(f"its header says {channels} channels, its series have {series.shape[2]}")
    length = declared.get("serieslength")
    if declared.get("equallength") == "true" and length and int(length) != series.shape[1]:
        raise ValueError(f"its header says {length} instants, its series have {series.shape[1]}")
    known = declared.get("classlabel", "").split()[1:]
    if strange := sorted(set(names) - set(known)):
        raise ValueError(f"a series has the class {strange[0][:20]!r}, which its header lacks")
