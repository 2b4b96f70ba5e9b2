"""Signals that come at awkward moments end the command with their exit code all the same."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from importlib import import_module

import pytest

from potentiate import __main__ as command
from potentiate.cli import ended
from potentiate.cli.ended import Terminated, came, terminable
from potentiate.errors import Refused

both = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
SWALLOWING = """
import os, time
try:
    os.kill(os.getpid(), {number})
    time.sleep(0.1)
except BaseException:
    raise RecursionError
whole = True
"""


def wait_after(module: str) -> None:
    import_module(module)
    time.sleep(5)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes a module for import."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write


@both
@pytest.mark.parametrize("turned_into", [ImportError, Refused, OSError, SystemExit])
def test_whatever_a_signal_is_turned_into_the_command_ends_as_the_signal(
    monkeypatch, capsys, number, code, turned_into
):
    def turning(_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except BaseException:
            raise turned_into("numpy could not be imported") from None

    monkeypatch.setattr(command, "_run", turning)
    assert command.main([]) == code
    assert capsys.readouterr().err == "potentiate: interrupted\n"


@both
def test_a_signal_within_a_command_is_told_in_one_line(monkeypatch, capsys, number, code):
    def tables(_: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(import_module("potentiate.cli.show"), "tables", tables)
    assert command.main(["list"]) == code
    assert capsys.readouterr().err == "potentiate: interrupted\n"


def test_an_error_without_a_signal_keeps_its_traceback(monkeypatch):
    def broken(_: object) -> None:
        raise ImportError("numpy could not be imported")

    monkeypatch.setattr(command, "_run", broken)
    with pytest.raises(ImportError):
        command.main([])
    assert came() is None


@both
def test_a_signal_waits_until_what_is_being_imported_is_whole(written, number, code):
    name = f"swallowing_{code}"
    written(name, SWALLOWING.format(number=int(number)))
    with pytest.raises((KeyboardInterrupt, Terminated)) as caught, terminable():
        wait_after(name)
    assert sys.modules[name].whole
    assert ended.exit_code(caught.value) == code


def test_an_import_that_does_not_end_is_ended(written, monkeypatch):
    monkeypatch.setattr(ended, "PATIENCE", 0.1)
    written("endless", "import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(60)\n")
    with terminable(), pytest.raises(Terminated):
        import_module("endless")


def test_of_two_signals_within_an_import_the_second_is_raised_once(written):
    again = "import os, time\nfor n in (2, 15):\n    os.kill(os.getpid(), n)\n    time.sleep(0)\n"
    written("twice", again)
    with terminable():
        with pytest.raises(Terminated):
            wait_after("twice")
        time.sleep(0.1)  # neither comes a second time
    assert isinstance(came(), Terminated)


def test_a_command_that_is_done_before_the_signal_counts_keeps_its_code(
    written, monkeypatch, capsys
):
    def importing(_: object) -> int:
        import_module("late")
        return 0

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(command, "_run", importing)
    monkeypatch.setattr(ended, "AGAIN", 0.2)
    written("late", "import os\nos.kill(os.getpid(), 15)\n")
    assert command.main([]) == 0
    assert capsys.readouterr().err == ""
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    time.sleep(0.3)  # a signal sent now would end this test


def test_who_answers_a_signal_after_the_import_may_fail_for_reasons_of_its_own(
    written, monkeypatch, capsys
):
    heard = list[int]()

    def training(_: object) -> None:
        before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
        late = time.monotonic() + 10.0
        while not heard and time.monotonic() < late:
            time.sleep(0.01)
        signal.signal(signal.SIGTERM, before)
        raise Refused("the disk is full; make room")

    def importing(_: object) -> None:
        import_module("before_training")
        training(_)

    monkeypatch.setattr(command, "_run", importing)
    written("before_training", "import os\nos.kill(os.getpid(), 15)\n")
    assert command.main([]) == 2
    assert heard == [signal.SIGTERM]
    assert "the disk is full" in capsys.readouterr().err


class Dying:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)  # the handler runs here, where nothing can be raised


def test_a_signal_within_a_destructor_is_not_lost():
    def wait() -> None:
        del [Dying()][0]
        time.sleep(5)

    with terminable(), pytest.raises(Terminated):
        wait()
    assert isinstance(came(), Terminated)


def test_ctrl_c_stays_ignored_where_the_shell_ignores_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended.terminable():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
