"""What a study over several data sets found: each set's own findings, and each technique over all of them.

A technique that was confirmed on every set on which it was timed is pooled by its confirmations, on
held-out data; any other by its runs alone on all of them, because confirmations exist only where the
technique had looked good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from potentiate.study.declaration import Declaration
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.plan import Plan
from potentiate.study.rows import is_control, ranked
from potentiate.study.runs import BASELINE
from potentiate.study.together import PooledArm, adjusted, pooled_arm
from potentiate.study.verdict import Verdict


@dataclass(frozen=True)
class SetFindings:
    """One data set: its findings so far, None before there is a plan, and why its study was refused."""

    name: str
    findings: Findings | None
    refused: str = ""


@dataclass(frozen=True)
class Across:
    """Everything the summary shows.

    Attributes:
        declaration: What was asked; its workload is the model.
        sets: In the order asked.
        plan: That of the first set with one, with the smallest margins of all sets; None before there is any.
        arms: Best first.
    """

    declaration: Declaration
    sets: Sequence[SetFindings]
    plan: Plan | None = None
    arms: Sequence[PooledArm] = field(default_factory=tuple[PooledArm, ...])

    @property
    def measured(self) -> dict[str, Findings]:
        """The findings of the sets that have any."""
        return {each.name: each.findings for each in self.sets if each.findings}

    @property
    def complete(self) -> bool:
        """Whether the study of every set came to its end."""
        return all(each.findings and each.findings.complete for each in self.sets)

    @property
    def recommended(self) -> list[PooledArm]:
        """Faster at equal quality over two data sets or more, fastest first; of just training shorter the shortest."""
        good = [
            arm
            for arm in self.arms
            if arm.pooled > 1 and arm.row.judgement.verdict is Verdict.FASTER_EQUAL
        ]
        good.sort(key=lambda arm: arm.row.judgement.time.estimate)  # pyright: ignore[reportOptionalMemberAccess]
        shorter = [arm for arm in good if is_control(arm.row)]
        return [arm for arm in good if arm not in shorter[1:]]


def across(declaration: Declaration, sets: Sequence[SetFindings]) -> Across:
    """Pool what the sets found so far."""
    plans = {each.name: each.findings.plan for each in sets if each.findings}
    if not plans:
        return Across(declaration, sets)
    plan = replace(
        next(iter(plans.values())),
        margin=min(each.margin for each in plans.values()),
        held_out_margin=min(each.claimed_margin for each in plans.values()),
    )
    pooled = [pooled_arm(plan, plans, *_rows_of(arm, sets)) for arm in _arms(sets)]
    arms = {arm.row.arm: arm for arm in adjusted(plan, pooled)}
    order = ranked([arm.row for arm in arms.values()])
    return Across(declaration, sets, plan, [arms[row.arm] for row in order])


def _arms(sets: Sequence[SetFindings]) -> list[str]:
    """Every technique alone, and what every set confirmed: the controls, and perhaps a combination."""
    found = [each.findings for each in sets if each.findings]
    alone = [row.arm for findings in found for row in findings.singles]
    fresh = [{row.arm: row for row in findings.confirmation} for findings in found]
    everywhere = [arm for arm in fresh[0] if all(arm in rows for rows in fresh)]
    several = everywhere if len(fresh) > 1 else []
    return [arm for arm in dict.fromkeys([*alone, *several]) if arm != BASELINE]


def _rows_of(arm: str, sets: Sequence[SetFindings]) -> tuple[dict[str, ArmResult], bool]:
    """Its row on each set, and whether these are confirmations."""
    found = {each.name: each.findings for each in sets if each.findings}
    alone = {name: row for name, f in found.items() for row in f.singles if row.arm == arm}
    fresh = {name: row for name, f in found.items() for row in f.confirmation if row.arm == arm}
    held_out = bool(fresh) and all(name in fresh for name, row in alone.items() if row.ratios)
    return (alone | fresh, True) if held_out else (alone, False)
