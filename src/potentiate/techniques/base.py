"""What a technique is: a frozen value that turns a run into a faster or leaner one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import ClassVar

from potentiate.errors import NotApplicable, Refused
from potentiate.settings import as_text
from potentiate.workload import Run, Workload


class Stage(IntEnum):
    """When a technique is applied; techniques declare it, so the engine knows none by name."""

    DATA = 1
    MODEL = 2
    STEP = 3
    SCHEDULE = 4
    COMPILE = 5
    STOP = 6


class Evidence(StrEnum):
    """Which proof a technique owes before it may be called free."""

    EXACT = "exact"  # the same numbers: an equal 50-step trace
    NUMERICS = "numerics"  # other rounding: quality not inferior
    SEMANTICS = "semantics"  # another training: not inferior, and better than training shorter
    DEPLOYMENT = "deployment"  # changes the artefact, never counted as training time


class Technique:
    """A lever on training. Subclasses are frozen dataclasses and final.

    The docstring of a subclass is its method card: a first line that says what it does, then the
    sections Source, Helps, Hurts and Cost.
    """

    name: ClassVar[str]
    stage: ClassVar[Stage]
    evidence: ClassVar[Evidence]
    needs: ClassVar[frozenset[str]] = frozenset()
    excludes: ClassVar[frozenset[str]] = frozenset()
    speeds: ClassVar[tuple[str, ...]] = ()
    """Parts of the time it can shorten (data, forward, backward, optimizer, evaluation); empty: any."""

    def unavailable(self, device: str) -> str | None:
        """Say in one sentence why this machine cannot do it, or return None."""
        return None

    def settle(self, run: Run, device: str) -> Technique:
        """Return the technique with everything that a measurement has to decide decided."""
        return self

    def apply(self, run: Run) -> Run:
        """Return the run with this technique in it.

        Raises:
            NotApplicable: The run lacks what the technique works on.
        """
        raise NotImplementedError

    @property
    def spec(self) -> str:
        """The technique as typed on the command line: "name:key=value,key=value"."""
        settings = ",".join(f"{key}={value}" for key, value in as_text(self).items())
        return f"{self.name}:{settings}" if settings else self.name


def arrange(
    workload: Workload, techniques: Iterable[Technique], device: str = "cpu"
) -> Sequence[Technique]:
    """Return `techniques` in order of application, after checking that they fit the workload and each other.

    Raises:
        NotApplicable: A capability is missing, or this machine cannot do it.
        Refused: A technique is listed twice, or two of them exclude each other.
    """
    ordered = sorted(techniques, key=lambda t: (t.stage, t.name))
    names = [t.name for t in ordered]
    for technique in ordered:
        if names.count(technique.name) > 1:
            raise Refused(f"technique '{technique.name}' is listed twice; keep one of them")
        missing = technique.needs - workload.provides
        if missing:
            raise NotApplicable(
                f"{technique.name} needs {', '.join(sorted(missing))}; '{workload.name}' provides "
                f"{', '.join(sorted(workload.provides)) or 'nothing'}: leave it out"
            )
        clash = technique.excludes.intersection(names)
        if clash:
            raise Refused(
                f"{technique.name} and {min(clash)} do the same thing twice; keep one of them"
            )
        reason = technique.unavailable(device)
        if reason:
            raise NotApplicable(f"{technique.name} cannot run here: {reason}")
    return ordered


def refuse(name: str, *reasons: tuple[bool, str]) -> None:
    """Raise the first reason that holds.

    Raises:
        NotApplicable: One of the reasons holds, so that technique `name` would change nothing.
    """
    for holds, reason in reasons:
        if holds:
            raise NotApplicable(f"{name}: {reason}")
