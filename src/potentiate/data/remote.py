"""Getting a data set over the network, on request only and checked by digest."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from potentiate.data import catalog
from potentiate.data.archive_remote import Progress, download_series
from potentiate.data.archives import WAVES
from potentiate.data.catalog import (
    DataFile,
    DataSet,
    data_folder,
    dataset,
    folder_of,
)
from potentiate.errors import Refused


def download(name: str, progress: Progress | None = None) -> Path | None:
    """Get the files of a data set that are not there yet and return their folder.

    A name that is in no table is one of the UCR and UEA archives of series, see `archive_remote`.

    Each file is received beside its place, compared with its sha256 and only then moved into place.

    Args:
        name: A name of the table, or of the archives.
        progress: Told about each block received.

    Returns:
        The folder, or None for a set that scikit-learn ships or that is made.

    Raises:
        Refused: No such set, no network, another content than expected, or no room to write.
    """
    if name == WAVES:
        return None
    if name not in catalog.DATASETS and not get_close_matches(name, catalog.DATASETS, 1, 0.75):
        return download_series(name, progress)
    which = dataset(name)
    if not which.files:
        return None
    folder = folder_of(which) or data_folder() / which.name
    for file in which.files:
        _fetch(which, file, folder, progress)
    return folder


def _fetch(which: DataSet, file: DataFile, folder: Path, progress: Progress | None) -> None:
    import pooch
    import requests

    library = cast(Any, pooch)  # its annotations are incomplete
    library.get_logger().setLevel(logging.ERROR)  # the caller reports
    store = library.create(
        folder, "", registry={file.name: file.sha256}, urls={file.name: file.url}
    )
    bar = _Bar(file.name, progress) if progress else False
    try:
        store.fetch(
            file.name,
            downloader=library.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=30),
        )
    except requests.RequestException as error:
        why, remedy = type(error).__name__, f"try again, or put the file into {folder} by hand"
    except ValueError:
        why, remedy = "its sha256 is not the published one", "try again; nothing was kept"
    except OSError as error:
        why, remedy = error.strerror or str(error), f"make room and give write access to {folder}"
    else:
        return
    raise Refused(f"cannot get {file.name} of '{which.name}' from {file.url}: {why}; {remedy}")


class _Bar:
    """What pooch expects of a progress bar (tqdm's shape), handing on to a function."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress, self.total, self.received = name, progress, 0, 0

    def update(self, count: int) -> None:
        self.received = min(self.received + count, self.total)  # pooch counts whole blocks
        self.progress(self.name, self.received, self.total)

    def reset(self) -> None:  # pooch rewinds at the end, to finish bars whose total was wrong
        self.received = 0

    def close(self) -> None:
        """Nothing is held open."""
