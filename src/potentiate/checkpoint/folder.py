"""One folder of files, complete or absent, whatever happens to the process or the disk.

Everything is written into a hidden sibling and synced, the sibling is renamed into place and the
parent synced; a folder that is replaced is set aside until then. Beside folder X, `.X.new` is being
written, `.X.old` is a complete one set aside, `.X.gone` is being removed; the next writer settles
what a killed one left. Needs POSIX: `flock` and `fsync` of folders.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold exactly `files`, durably; what it held before is removed afterwards.

    Args:
        folder: An absolute path; its parents are made.
        files: Name -> content.

    Raises:
        FileExistsError: `folder` holds something that `files` does not name; it is left alone.
        OSError: It could not be written; `folder` is as it was, and nothing else is left behind.
    """
    _make(folder.parent)
    with locked(folder.parent, wait=True):
        settle(folder)
        ours = folder.is_dir() and {path.name for path in folder.iterdir()} <= set(files)
        if folder.exists() and not ours:
            raise FileExistsError(errno.EEXIST, "something else is there already", str(folder))
        _write(folder, files)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _beside(folder: Path, role: str) -> Path:
    return folder.with_name(f".{folder.name}.{role}")


def present(folder: Path) -> Path:
    """Return where `folder` lies: set aside, if its writer was killed between two renames."""
    aside = _beside(Path(os.path.abspath(folder)), "old")
    return aside if not folder.exists() and aside.exists() else folder


def settle(folder: Path) -> None:
    """Finish or undo what a killed writer of `folder` began; the caller holds the lock."""
    if (aside := _beside(folder, "old")).exists():
        discard(aside, folder) if folder.exists() else os.rename(aside, folder)
    for role in ("new", "gone"):
        shutil.rmtree(_beside(folder, role), ignore_errors=True)


def discard(path: Path, named_for: Path | None = None) -> None:
    """Remove the folder `path` so that no moment shows half of it under its name."""
    gone = _beside(named_for or path, "gone")
    shutil.rmtree(gone, ignore_errors=True)
    os.rename(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    new = _beside(folder, "new")
    try:
        new.mkdir()
        for name, content in files.items():
            with (new / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync(new)
        _swap(new, folder)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(new, ignore_errors=True)
        raise


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder` and make that durable, or leave `folder` as it was."""
    aside = _beside(folder, "old")
    try:
        if folder.exists():
            os.rename(folder, aside)
        os.rename(new, folder)
        _sync(folder.parent)
    except BaseException:
        if not new.exists():
            os.rename(folder, new)
        if aside.exists():
            os.rename(aside, folder)
        raise
    if aside.exists():
        with suppress(OSError):  # the new one is in place; the next writer removes the old one
            discard(aside, folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path, *, wait: bool) -> Generator[None]:
    """Let one writer at a time into `folder`; the kernel releases the lock of a process that dies.

    Raises:
        BlockingIOError: Another writer is in it and `wait` is false.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system without locks: then one writer per folder is the user's promise
        yield
    finally:
        os.close(handle)
