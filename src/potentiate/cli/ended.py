"""How a command ends before its time: SIGTERM stops it as Ctrl-C does, with an exit code of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
AGAIN = 0.02  # seconds


_came: list[int] = []
"""Signals that came; what fails after one fails because of it."""


class Terminated(BaseException):
    """SIGTERM came, which no workload file may catch; what has begun is cleaned up on the way out."""


def exit_code(end: BaseException) -> int:
    """Return what a shell calls the end by Ctrl-C or SIGTERM: 130 or 143."""
    return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


@contextmanager
def terminable() -> Generator[None]:
    """Let SIGTERM raise `Terminated` and SIGINT `KeyboardInterrupt` within.

    A module in C that is being imported turns either into an error of its own; `came` tells the cause.
    Only the main thread, where signals arrive, is changed.
    """
    _came.clear()
    handlers = {signal.SIGTERM: _terminate, signal.SIGINT: _interrupt}
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # so a shell starts what is not to hear Ctrl-C
        del handlers[signal.SIGINT]
    try:
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    except ValueError:  # not the main thread
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            # None: installed outside Python, which cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def came() -> BaseException | None:
    """Return the end that the latest signal asked for; None if none came."""
    if not _came:
        return None
    return Terminated() if _came[-1] == signal.SIGTERM else KeyboardInterrupt()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    _came.append(number)
    raise Terminated


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again that came within a destructor or callback, where nothing can be raised."""
    if isinstance(lost.exc_value, Terminated | KeyboardInterrupt) and _came:
        threading.Timer(AGAIN, os.kill, (os.getpid(), _came[-1])).start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _came.append(number)
    raise KeyboardInterrupt
