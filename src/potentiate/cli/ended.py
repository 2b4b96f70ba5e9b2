"""How a command ends before its time: SIGTERM stops it as Ctrl-C does, with an exit code of its own."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
AGAIN = 0.002  # seconds; there may be no more than a few milliseconds between two imports
PATIENCE = 5.0
"""Seconds that an import may hold a signal back; a file that never ends being imported must be endable."""

_IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


class Terminated(BaseException):
    """SIGTERM came, which no workload file may catch; what has begun is cleaned up on the way out."""


def exit_code(end: BaseException) -> int:
    """Return what a shell calls the end by Ctrl-C or SIGTERM: 130 or 143."""
    return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


class _Signals:
    """The handler of both signals: raises at once, or as soon as no import is in progress.

    Within an import nothing may be raised: modules catch it, turn it into an error of their own, or
    abort the process where C++ calls back. So the signal is sent again a little later, to the handler
    that there is by then: a training has its own.

    Attributes:
        latest: The last signal that came, or 0.
        first: When the first one came; `PATIENCE` counts from here.
        timer: Sends a signal again, if it is still running.
        over: Whether nothing is raised any more.
    """

    def __init__(self) -> None:
        self.latest = 0
        self.first = math.inf
        self.timer: threading.Timer | None = None
        self.over = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.latest = number
        if self.over:
            return
        now = time.monotonic()
        self.first = min(self.first, now)
        if not _importing(frame) or now >= self.first + PATIENCE:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.again()

    def again(self) -> None:
        """Send the latest signal once more; a second one by the user takes the place of the first."""
        if self.timer is not None:
            self.timer.cancel()
        timer = self.timer = threading.Timer(AGAIN, self._send, (self.latest,))
        timer.daemon = True
        timer.start()

    def _send(self, number: int) -> None:
        self.latest = (
            0  # until it has come: what answers it instead of us may fail for reasons of its own
        )
        os.kill(os.getpid(), number)

    def unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        """Send a signal again that came within a destructor or callback, where nothing can be raised."""
        if isinstance(lost.exc_value, Terminated | KeyboardInterrupt) and self.latest:
            self.again()
        else:
            sys.__unraisablehook__(lost)

    def close(self) -> None:
        """Raise nothing more, and wait until nothing more can be sent."""
        self.over = True
        if self.timer is not None and self.timer.is_alive():
            self.timer.cancel()
            self.timer.join()


_signals = _Signals()


@contextmanager
def terminable() -> Generator[None]:
    """Let SIGTERM raise `Terminated` and SIGINT `KeyboardInterrupt` within, but not amid an import.

    What is raised may still be turned into another error on its way; `came` tells the cause.
    Only the main thread, where signals arrive, is changed.
    """
    global _signals
    signals = _signals = _Signals()
    numbers = [signal.SIGTERM]
    # A shell starts what is not to hear Ctrl-C with the signal ignored.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        numbers.append(signal.SIGINT)
    try:
        before = {number: signal.signal(number, signals) for number in numbers}
    except ValueError:  # not the main thread
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, signals.unraisable
    try:
        yield
    finally:
        signals.close()
        sys.unraisablehook = hook
        for number, handler in before.items():
            # None: installed outside Python, which cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def came() -> BaseException | None:
    """Return the end that the latest signal asked for; None if none came."""
    if not _signals.latest:
        return None
    return Terminated() if _signals.latest == signal.SIGTERM else KeyboardInterrupt()


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename in _IMPORTING:
            return True
        frame = frame.f_back
    return False
