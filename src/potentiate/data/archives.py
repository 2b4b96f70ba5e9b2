"""The UCR and UEA archives of series: which sets are on this machine, and digests of their files.

Source: Dau et al. 2019, IEEE/CAA J. Autom. Sinica 6(6); Bagnall et al. 2018, arXiv:1811.00075.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from potentiate.data.catalog import data_folder
from potentiate.errors import Refused

FOLDERS = "ucr", "uea", ""
"""Folders of the data folder in which a set may lie, in a folder of its own name."""
ENDINGS = "ts", "tsv"
WAVES = "waves"
"""The name of the set that is made and needs no file."""


def digests() -> dict[str, str]:
    """Return the known sha256 of files of the archives by file name; they publish none themselves."""
    return listed((files("potentiate.data") / "archives.sha256").read_text("ascii"))


def listed(sums: str) -> dict[str, str]:
    """Return digests by file name, from lines as `sha256sum` writes them."""
    lines = (line.partition("  ") for line in sums.splitlines())
    return {name: digest for digest, _, name in lines if name}


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` may mean."""
    return next(iter(get_close_matches(name, list(names), 1, 0.6)), None)


def sets_here() -> list[tuple[str, str]]:
    """Return archive and name of the sets on this machine."""
    folders = [path for part in FOLDERS[:2] for path in sorted((data_folder() / part).glob("*"))]
    return [(path.parent.name, path.name) for path in folders if pair(path)]


def files_of(name: str) -> tuple[Path, Path]:
    """Return the files of the training and the test part.

    Raises:
        Refused: They are not on this machine.
    """
    plain = Path(name).name == name
    for archive in FOLDERS if plain else ():
        if found := pair(data_folder() / archive / name):
            return found
    near = nearest(name, (each for _, each in sets_here())) if plain else None
    asked = f"did you mean '{near}'? if not, " if near else ""
    get = f"get it with 'potentiate download {name}', " if plain else ""
    raise Refused(
        f"there is no set '{name}' of series in {data_folder()}; {asked}{get}set POTENTIATE_DATA to the folder "
        "that holds ucr and uea, or take 'waves', which is made"
    )


def pair(folder: Path) -> tuple[Path, Path] | None:
    """Return the training and the test file in the folder of a set, None where one is not there."""
    for ending in ENDINGS:
        train, test = (folder / f"{folder.name}_{part}.{ending}" for part in ("TRAIN", "TEST"))
        if train.is_file() and test.is_file():
            return train, test
    return None
