"""Wall time split into parts that cannot overlap and cannot leave a gap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any, cast

from potentiate.errors import Refused


class Clock:
    """At most one part runs at any time, so the parts sum to the wall time by construction.

    It stands still until the first `part`.

    Args:
        device: Where the work happens.
        sync: On "cuda", wait for the device at each switch and reading, so that work is charged to
            the part that queued it and not to the one that first waits for it. This stalls the
            queue: use it to see where time goes, not to time a whole run.

    Cost: under a microsecond a switch where nothing is waited for.

    Example:
        >>> clock = Clock()
        >>> clock.part("training")
        >>> clock.part("evaluation")
        >>> clock.stop()
        >>> list(clock.seconds)
        ['training', 'evaluation']
    """

    def __init__(self, device: Any = "cpu", *, sync: bool = False) -> None:
        self._wait = _waiting(device) if sync else None
        self._spent: dict[str, int] = {}
        self._running: str | None = None
        self._since = 0

    def part(self, name: str, *, wait: bool = True) -> None:
        """Charge what has passed to the running part and run `name` from now on.

        Without `wait` the device's queue is left alone: for switches in every step.
        """
        self._charge(wait=wait)
        self._running = name
        if name not in self._spent:
            self._spent[name] = 0

    def stop(self) -> None:
        """Charge what has passed; the clock stands still until the next `part`."""
        self._charge()
        self._running = None

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by part, in the order of their first appearance; the running part up to now."""
        self._charge()
        return {name: spent / 1e9 for name, spent in self._spent.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums so far, in nanoseconds by part."""
        self._charge()
        return {"nanoseconds": dict(self._spent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored sums in place of what was counted so far; the running part runs on.

        Raises:
            Refused: They are not whole nanoseconds from 0 by name.
        """
        spent = state.get("nanoseconds")
        if not isinstance(spent, Mapping) or not all(
            type(value) is int and value >= 0 for value in cast("dict[str, Any]", spent).values()
        ):
            raise Refused(f"{dict(state)} is no state of a clock; resume from another checkpoint")
        self._charge()
        self._spent = dict(cast("dict[str, int]", spent))
        if self._running is not None:
            self._spent.setdefault(self._running, 0)

    def _charge(self, *, wait: bool = True) -> None:
        if wait and self._wait is not None:
            self._wait()
        now = perf_counter_ns()
        if self._running is not None:
            self._spent[self._running] += now - self._since
        self._since = now


def _waiting(device: Any) -> Callable[[], None] | None:
    if not str(device).startswith("cuda"):
        return None
    import torch

    chosen = torch.device(str(device))
    return lambda: torch.cuda.synchronize(chosen)
