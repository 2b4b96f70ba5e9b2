"""Getting a set of the UCR and UEA archives: one zip, of which two files are kept, checked by digest.

The archive publishes no digests. Those of some files are known (`archives.digests`); of others the first that
come are stored beside the files, in the form of `sha256sum`, and compared when the set is got again.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import IO, Any

from potentiate.data import archives
from potentiate.data.catalog import data_folder
from potentiate.errors import Refused

ADDRESS = "https://timeseriesclassification.com/aeon-toolkit/{name}.zip"
"""Where a set is, as aeon has it."""
RECEIVED, UNPACKED, RATIO = 1 << 32, 1 << 33, 200
"""Bytes of a zip and of a file of it at most, and how much smaller than that a file may be packed; text of
numbers packs to a half or a tenth."""
BLOCK = 1 << 16
UNREADABLE = zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError
"""What a damaged zip raises."""

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received and the bytes expected."""


def download_series(name: str, progress: Progress | None = None) -> Path:
    """Get the training and the test file of a set, where they are not here as they should be.

    The zip is received and unpacked in a temporary folder, which goes whatever happens; only files whose
    digests are right are moved into place.

    Args:
        name: Of the set, as the archive spells it.
        progress: Told about each block received.

    Returns:
        The folder: `ucr/NAME` for one channel, `uea/NAME` for more, in the data folder.

    Raises:
        Refused: No such set, no network, no such content, another digest than expected, or no room.
    """
    if not re.fullmatch(r"\w[\w-]{0,99}", name, re.ASCII):
        raise Refused(
            f"there is no set {name!r} in the archives; a name is of letters, digits, '_' and '-'"
        )
    for archive in archives.FOLDERS[:2]:
        place = data_folder() / archive / name
        if archives.pair(place) and not _wrong(_digests(place, name), _expected(place, name)):
            return place
    where = ADDRESS.format(name=name)
    try:
        data_folder().mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=data_folder()) as room:
            _receive(where, Path(room) / "zip", progress)
            _unpack(Path(room), name, where)
            return _settle(Path(room), name, where)
    except OSError as error:
        why = error.strerror or str(error)
    raise Refused(
        f"cannot get '{name}' from {where}: {why}; make room and give write access to {data_folder()}"
    )


def _names(name: str) -> tuple[str, str]:
    return f"{name}_TRAIN.ts", f"{name}_TEST.ts"


def _receive(where: str, place: Path, progress: Progress | None) -> None:
    import requests

    try:
        with requests.get(where, stream=True, timeout=30) as answer, place.open("wb") as file:
            answer.raise_for_status()
            total, got = int(answer.headers.get("Content-Length") or 0), 0
            for block in answer.iter_content(BLOCK):
                got += len(block)
                if got > RECEIVED:
                    raise Refused(f"{where} sends more than {RECEIVED >> 30} GiB; nothing was kept")
                file.write(block)
                if progress:
                    progress(where.rpartition("/")[2], got, total)
    except requests.RequestException as error:
        status: Any = getattr(error.response, "status_code", None)
        if status in (404, 410):
            raise _absent(where) from error
        folder = data_folder() / "ucr"
        raise Refused(
            f"cannot get {where}: {f'status {status}' if status else type(error).__name__}; try again, or unpack "
            f"the .ts files into a folder of the set's name in {folder}"
        ) from error


def _absent(where: str) -> Refused:
    name = where.rpartition("/")[2].removesuffix(".zip")
    known = {file.rpartition("_")[0] for file in archives.digests()}
    near = archives.nearest(name, known - {name})
    remedy = f"did you mean '{near}'?" if near else "look its spelling up on the archive's page"
    return Refused(f"there is no set '{name}' in the archives ({where}); {remedy}")


def _unpack(room: Path, name: str, where: str) -> None:
    """Unpack the two files and no other, under no other name, and never more than a file may hold."""
    try:
        with zipfile.ZipFile(room / "zip") as pack:
            for file in _names(name):
                entry = pack.getinfo(file)
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise NotImplementedError("another compression, which the archive does not use")
                if entry.file_size > min(UNPACKED, RATIO * max(entry.compress_size, BLOCK)):
                    raise Refused(
                        f"{file} in {where} would unpack to {entry.file_size:,} bytes from "
                        f"{entry.compress_size:,}, which no series do; nothing was kept"
                    )
                with pack.open(entry) as packed, (room / file).open("wb") as plain:
                    copyfileobj(packed, plain, BLOCK)  # zipfile ends at the size that was declared
                    _flush(plain)
    except KeyError as error:
        raise Refused(
            f"the zip at {where} lacks {name}_TRAIN.ts or {name}_TEST.ts; nothing was kept"
        ) from error
    except UNREADABLE as error:
        raise Refused(
            f"what comes from {where} is no zip of a set, or damaged ({type(error).__name__}); look the spelling "
            f"of '{name}' up on the archive's page, or try again; nothing was kept"
        ) from error


def _settle(room: Path, name: str, where: str) -> Path:
    """Compare digests and move the files into place."""
    from potentiate.data.archive_files import header

    try:
        several = header(room / _names(name)[0])["univariate"] == "false"
    except (ValueError, KeyError) as error:
        raise Refused(
            f"{_names(name)[0]} from {where} is no file of series; nothing was kept"
        ) from error
    place = data_folder() / archives.FOLDERS[several] / name
    found, expected = _digests(room, name), _expected(place, name)
    for file in _wrong(found, expected):
        raise Refused(
            f"{file} from {where} has the sha256 {found[file]}, but {expected[file]} is known of it; try again, or "
            f"see whether the archive has changed it; nothing was kept"
        )
    sums = room / f"{name}.sha256"
    if expected.keys() < found.keys():
        with sums.open("wb") as file:
            file.writelines(f"{digest}  {each}\n".encode() for each, digest in found.items())
            _flush(file)
    place.mkdir(parents=True, exist_ok=True)
    for file in (*_names(name), sums.name):
        if (room / file).exists():
            os.replace(room / file, place / file)
    return place


def _wrong(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """The files whose digests are known and others."""
    return [file for file in found if found[file] != expected.get(file, found[file])]


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _digests(folder: Path, name: str) -> Mapping[str, str]:
    """The digests of the files in a folder, of those that are there."""
    found = dict[str, str]()
    for each in _names(name):
        if (folder / each).is_file():
            digest = sha256()
            with (folder / each).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            found[each] = digest.hexdigest()
    return found


def _expected(folder: Path, name: str) -> Mapping[str, str]:
    """The digests that are known of the files of a set: in the table, or stored beside the files."""
    known, sums = archives.digests(), folder / f"{name}.sha256"
    stored = archives.listed(sums.read_text("ascii")) if sums.is_file() else {}
    return {
        each: digest
        for each in _names(name)
        if (digest := known.get(each) or stored.get(each)) is not None
    }
