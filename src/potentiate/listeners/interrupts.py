"""Ctrl-C and SIGTERM: the step at hand is finished, a checkpoint written, and the run ends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from potentiate.events import Event, Stepped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """A listener and a context: within it, the first signal ends the run after the next step.

    The second signal does what it would have done without us, so that a run that hangs can end.
    Works in the main thread only, where Python delivers signals; elsewhere it watches nothing.

    Attributes:
        received: The signal that came, or None.
        saved: What `save` returned, or None.
    """

    def __init__(self, save: Callable[[], Any] = lambda: None) -> None:
        self.save = save
        self.received: signal.Signals | None = None
        self.saved: Any = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for each in SIGNALS:
            try:
                self._before[each] = signal.signal(each, self._note)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()

    def __call__(self, event: Event) -> bool:
        """Save and end the run, if a signal came and the state is between two steps."""
        if self.received is None or not isinstance(event, Stepped):
            return False
        self.saved = self.save()
        return True

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._give_back()

    def _give_back(self) -> None:
        while self._before:
            each, handler = self._before.popitem()
            # None: installed outside Python, which cannot be put back from here.
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
