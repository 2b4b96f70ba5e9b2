"""Every call that can meet a full or failing disk fails once, in turn, and once for good."""

import errno
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from potentiate.checkpoint import Shelf, load, save
from potentiate.errors import Refused

OLD, NEW = {"w": torch.full((1000,), 1.0)}, {"w": torch.full((1000,), 2.0)}


class Disk:
    """Counts the calls that change the disk; raises from number `fails_at` on, `times` times."""

    def __init__(self, monkeypatch, fails_at=-1, times=1):
        self.calls, self.fails_at, self.times = [], fails_at, times
        for name in ("rename", "fsync", "mkdir"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))
        opened = Path.open
        monkeypatch.setattr(
            Path, "open", lambda path, *args, **kw: self._file(opened(path, *args, **kw))
        )

    def _watched(self, name, call):
        def watched(*args, **kwargs):
            self.meet(name)
            return call(*args, **kwargs)

        return watched

    def _file(self, file):
        return FailingFile(self, file) if file.writable() else file

    def meet(self, name):
        self.calls.append(name)
        if 0 <= self.fails_at < len(self.calls) <= self.fails_at + self.times:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FailingFile:
    def __init__(self, disk, file):
        self.disk, self.file = disk, file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def fileno(self):
        return self.file.fileno()

    def write(self, content):
        self.file.write(content[: len(content) // 2])  # a full disk takes a part of it
        self.disk.meet("write")
        return self.file.write(content[len(content) // 2 :])

    def flush(self):
        self.disk.meet("flush")
        self.file.flush()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def calls_of_one_save(folder):
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        save(folder, NEW, facts={})
    return disk.calls


def test_the_calls_are_those_of_a_durable_replacement(tmp_path):
    save(tmp_path / "c", OLD, facts={})
    per_file = ["write", "flush", "fsync"]
    assert calls_of_one_save(tmp_path / "c") == [
        *("mkdir", *per_file, *per_file, "fsync"),  # both files and their folder
        *("rename", "rename", "fsync"),  # old aside, new in, their parent
        "rename",  # the old one, to be removed
    ]


@pytest.mark.parametrize("there", [True, False], ids=["replacing", "first"])
def test_each_call_failing_once_leaves_the_previous_one(tmp_path, there):
    save(tmp_path / "rehearsal" / "c", OLD, facts={})
    total = len(calls_of_one_save(tmp_path / "rehearsal" / "c"))
    for fails_at in range(total):
        folder = tmp_path / f"{fails_at}" / "c"
        folder.parent.mkdir()
        if there:
            save(folder, OLD, facts={"step": 1})
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, fails_at)
            said = None
            try:
                save(folder, NEW, facts={"step": 2})
            except Refused as error:
                said = str(error)
        written = said is None
        if said is not None:
            assert f"{folder} could not be written (No space left on device)" in said
            assert "make 0.0 MB of room there or choose another folder" in said
            assert "\n" not in said
        # all but the removal of the replaced one, which happens when the new one is safe
        assert written == (fails_at >= len(disk.calls) or (there and fails_at == total - 1))
        if written:
            assert load(folder).state["w"][0] == 2
        elif there:
            assert load(folder).state["w"][0] == 1
            assert names(folder.parent) == ["c"]
        else:
            assert names(folder.parent) == []
        assert load(save(folder, NEW, facts={})).state["w"][0] == 2
        assert names(folder.parent) == ["c"]


def test_a_disk_that_fails_for_good_still_loads(tmp_path):
    save(tmp_path / "rehearsal" / "c", OLD, facts={})
    for fails_at in range(len(calls_of_one_save(tmp_path / "rehearsal" / "c"))):
        shelf = Shelf(tmp_path / f"{fails_at}")
        shelf.put(OLD, 1, {})
        shelf.put_best(OLD, 1, {})
        for put in (shelf.put, shelf.put_best):
            with pytest.MonkeyPatch.context() as patch:
                Disk(patch, fails_at, times=10**9)
                with suppress(Refused):
                    put(NEW, 1, {})
                assert load(shelf.folder / "step-00000001").state["w"][0] in (1, 2)
                assert load(shelf.folder / "best").state["w"][0] in (1, 2)
        assert load(shelf.latest()).state["w"][0] in (1, 2)
        assert names(shelf.folder) == ["best", "step-00000001"]


def test_a_real_limit_on_the_size_of_files(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put(OLD, 1, {"metric": 0.5})
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(Refused, match=r"File too large.*make 4\.0 MB of room"):
            shelf.put({"w": torch.ones(1_000_000)}, 2, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert names(tmp_path) == ["step-00000001"]
    assert load(shelf.latest()).state["w"][0] == 1


def test_an_interrupt_in_the_middle_leaves_the_previous_one(tmp_path, monkeypatch):
    save(tmp_path / "c", OLD, facts={})

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "c", NEW, facts={})
    assert load(tmp_path / "c").state["w"][0] == 1
    assert names(tmp_path) == ["c"]
