"""How a command ends before its time: SIGTERM stops it as Ctrl-C does, with an exit code of its own."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM came, which no workload file may catch; what has begun is cleaned up on the way out."""


def exit_code(end: BaseException) -> int:
    """Return what a shell calls the end by Ctrl-C or SIGTERM: 130 or 143."""
    return TERMINATED if isinstance(end, Terminated) else INTERRUPTED


@contextmanager
def terminable() -> Generator[None]:
    """Let SIGTERM raise `Terminated` within; only the main thread, where signals arrive, is changed."""
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        # None: installed outside Python, which cannot be put back from here.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
