"""Signals that come at awkward moments end the command with their exit code all the same."""

from __future__ import annotations

import os
import signal
import time

import pytest

from potentiate import __main__ as command
from potentiate.cli import ended
from potentiate.cli.ended import Terminated, came, terminable


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_an_import_that_turns_a_signal_into_its_own_error_ends_as_the_signal(
    monkeypatch, capsys, number, code
):
    def importing(**_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except BaseException:
            raise ImportError("numpy could not be imported") from None

    monkeypatch.setattr("potentiate.cli.app", importing)
    assert command.main([]) == code
    assert capsys.readouterr().err == "potentiate: interrupted\n"


def test_an_error_without_a_signal_keeps_its_traceback(monkeypatch):
    def broken(**_: object) -> None:
        raise ImportError("numpy could not be imported")

    monkeypatch.setattr("potentiate.cli.app", broken)
    with pytest.raises(ImportError):
        command.main([])
    assert came() is None


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
