"""The one kind of error that is the user's to mend.

Everything refused on purpose raises `Refused` with a single sentence that names what, where, why and
the remedy. The command line prints that sentence and exits with 2; any other exception is a bug of ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches


class Refused(Exception):
    """An input or a situation we will not act on; nothing was changed."""


class NotApplicable(Refused):
    """A technique that does not fit this workload or cannot run on this machine."""


class NonFinite(Refused):
    """A number that is not finite was met before an update; the state is as it was before the step."""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> Refused:
    """The error for a name that is in no table, with the nearest name that is.

    Args:
        kind: What the name should be, such as "technique".
        name: What was given.
        known: The names of the table.
        where: Of which table, such as " of best.toml"; empty where there is only one.

    Example:
        >>> str(unknown("technique", "one-cycel", ["one-cycle", "compile"]))
        "there is no technique 'one-cycel'; did you mean 'one-cycle'?"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    remedy = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
    return Refused(f"there is no {kind} '{name}'{where}; {remedy}")


def make_way(error: OSError) -> str:
    """Say what lets a file be written that could not be."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there or choose another folder"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "a file stands where its folder belongs, so choose another folder"
    return "choose a folder that you may write to"
