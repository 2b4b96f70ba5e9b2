"""Drives the iterator of events and shows each to all listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from potentiate.events import Event, Finished

Listener = Callable[[Event], bool | None]
"""Called with each event; returns True to end the run after it."""


def watch(events: Iterator[Event], *listeners: Listener) -> Finished | None:
    """Run a training to its end and return its last event, or None where a listener ended it.

    Every listener sees the event that ends the run. The iterator is closed in any case, so that
    what the run entered (thread counts, matmul precision) is left again.

    Example:
        >>> from potentiate.events import Finished
        >>> end = Finished(3, "the schedule is complete", None, {})
        >>> watch(iter([end]), lambda event: print(event.reason)).step
        the schedule is complete
        3
    """
    last: Event | None = None
    try:
        for last in events:
            ended = False
            for listener in listeners:
                ended = listener(last) or ended
            if ended:
                break
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
    return last if isinstance(last, Finished) else None
