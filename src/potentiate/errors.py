"""The one kind of error that is the user's to mend.

Everything refused on purpose raises `Refused` with a single sentence that names what, where, why and
the remedy. The command line prints that sentence and exits with 2; any other exception is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Refused(Exception):
    """An input or a situation we will not act on; nothing was changed."""


class NotApplicable(Refused):
    """A technique that does not fit this workload or cannot run on this machine."""


class NonFinite(Refused):
    """A number that is not finite was met before an update; the state is as it was before the step."""


def unknown(kind: str, name: str, known: Iterable[str]) -> Refused:
    """The error for a name that is in no table, with the nearest name that is.

    Example:
        >>> str(unknown("technique", "one-cycel", ["one-cycle", "compile"]))
        "there is no technique 'one-cycel'; did you mean 'one-cycle'?"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    remedy = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
    return Refused(f"there is no {kind} '{name}'; {remedy}")
