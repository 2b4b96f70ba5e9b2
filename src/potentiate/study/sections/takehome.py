"""The head of the summary over data sets: what to take home, the command, and how sure that is."""

from __future__ import annotations

import shlex

from potentiate.study import emit, numbers
from potentiate.study.across import Across
from potentiate.study.plan import Plan
from potentiate.study.rows import baseline_row, is_control, oriented
from potentiate.study.sections.blocks import Head
from potentiate.study.sections.cells import gain
from potentiate.study.together import PooledArm
from potentiate.study.verdict import speedup


def title(found: Across) -> str:
    """The title of the page."""
    count = len(found.sets)
    sets = f"{count} data set{'s' * (count != 1)}"
    return f"Training-efficiency study of {numbers.plain(found.declaration.workload)} on {sets}"


def take_home(found: Across) -> str:
    """The sentence that a reader keeps."""
    if found.plan is None:
        return "No data set was measured yet, so nothing is claimed."
    sets, open_still = found.measured, _waiting(found)
    if len(found.sets) == 1:
        text = emit.claim(next(iter(sets.values())))
    elif found.declaration.mode == "baseline-only":
        text = "The baselines were measured; nothing was compared with them."
    elif good := found.recommended:
        text = f"Use {good[0].row.arm}: {numbers.plain(good[0].row.judgement.reason)}"
        if is_control(good[0].row):
            text += " Simply training shorter is what pays here."
        if len(good) > 1:
            others = ", ".join(arm.row.arm for arm in good[1:])
            text += f" Also shown: {others}; what they do together was not measured over the sets."
    else:
        text = "No technique is shown to be faster at equal quality over the data sets; keep the baseline."
    return f"{text} {open_still}".strip()


def _waiting(found: Across) -> str:
    waiting = [each.name for each in found.sets if not (each.findings and each.findings.complete)]
    if not waiting:
        return ""
    return f"Not finished: {', '.join(waiting)}."


def command(found: Across) -> str:
    """The command that trains with what is recommended, on the first set."""
    name = next(iter(found.measured), found.sets[0].name)
    one = found.measured.get(name)
    if len(found.sets) == 1 and one is not None:
        return emit.long_command(one)
    declaration = found.declaration
    words = ["potentiate", "train", f"{declaration.workload}/{name}"]
    for spec in found.recommended[0].row.techniques if found.recommended else ():
        words += ["--technique", spec]
    if declaration.threads is not None:
        words += ["--technique", f"threads:count={declaration.threads}"]
    for key, value in declaration.recipe.items():
        words += ["--set", f"{key}={emit.typed(value)}"]
    return shlex.join([*words, "--seed", str(declaration.seed), "--device", declaration.device])


def head(found: Across) -> Head:
    """What a newcomer sees first."""
    state, headline, subline = _headline(found)
    several = "; for another set put its name in place of this one" * (len(found.sets) > 1)
    what = "what is shown to pay" if found.recommended else "the baseline recipe"
    if len(found.sets) == 1:
        what = "what the study of the set recommends"
    return Head(
        state=state,
        workload=numbers.plain(found.declaration.workload),
        headline=headline,
        subline=subline,
        claim=numbers.plain(take_home(found)),
        command=command(found),
        command_note=f"This trains with {what}{several}.",
        before_after=_before_after(found),
        before_title="What it buys on each set" if found.recommended else "What the baseline takes",
        sure=_sure(found),
        warnings=[
            f"{each.name}: {numbers.plain(each.refused)}" for each in found.sets if each.refused
        ],
    )


def _headline(found: Across) -> tuple[str, str, str]:
    good, count = found.recommended, len(found.measured)
    if good:
        judged = good[0].row.judgement
        assert judged.time is not None
        gain = numbers.times(speedup(judged.time).estimate)
        judged_on = "" if _held_out(good[0]) else ", judged on validation data"
        return (
            "confirmed",
            f"{gain} faster",
            f"at equal quality, over {good[0].pooled} data sets{judged_on}",
        )
    if not found.complete and not all(each.refused for each in found.sets if not each.findings):
        return "open", "Not finished yet", "what follows holds for the runs so far"
    if found.declaration.mode == "baseline-only":
        return "measured", "Baselines measured", "no technique was asked for"
    if len(found.sets) == 1:
        best = next((f.best for f in found.measured.values()), None)
        if best is not None:
            return "confirmed", "Confirmed", "on one data set, which says nothing of others"
    return "nothing", "Nothing was shown", f"over {count} data set{'s' * (count != 1)}"


def _held_out(arm: PooledArm) -> bool:
    """Whether held-out data bear it out; where the same numbers are computed there is nothing to bear out."""
    return arm.held_out or arm.row.evidence == "exact"


def _before_after(found: Across) -> list[tuple[str, str, str, str]]:
    """Time of a run on each set, with what is recommended where there is anything."""
    best = found.recommended[0] if found.recommended else None
    lines = list[tuple[str, str, str, str]]()
    for name, findings in found.measured.items():
        base = baseline_row(findings)
        if base is None:
            continue
        row = best.sets.get(name) if best else None
        before, metric = numbers.duration(base.seconds), findings.plan.metric
        if row is not None and row.judgement.time is not None:
            after = numbers.duration(base.seconds * row.judgement.time.estimate)
            lines.append((name, before, after, f"{gain(row)} faster"))
        else:
            reached = numbers.quality(oriented(findings, base.quality), metric)
            lines.append((name, before, "", f"a run, to {reached} {metric}"))
    return lines


def _sure(found: Across) -> list[str]:
    if found.plan is None:
        return []
    plan, lines = found.plan, list[str]()
    for arm in found.recommended[:1]:
        judged = arm.row.judgement
        assert judged.time is not None
        over = speedup(judged.time)
        lines.append(
            f"Speed-up {numbers.span(over.low, over.high)} times at {numbers.level(over)} confidence, data "
            f"sets taken as a sample (p {numbers.p_value(arm.row.p_adjusted)}, adjusted for the techniques)."
        )
        lines += [f"{sentence[0].upper()}{sentence[1:]}." for sentence in _differ(arm)]
        if not _held_out(arm):
            lines.append(
                "Its quality was judged on validation data: not every set confirmed it on held-out data."
            )
        if arm.row.evidence == "semantics" and not is_control(arm.row):
            lines.append(
                "It trains otherwise, and was compared with the baseline, not with just training shorter."
            )
    allowed = numbers.margin(plan.claimed_margin, plan.metric)
    lines.append(
        f"Equal means: held-out {plan.metric} not worse by {allowed} on average over the sets"
        f"{_coarse(plan)}."
    )
    if len(found.measured) == 2:
        lines.append("Two data sets say little of others: only large effects can be shown on them.")
    return lines


def _coarse(plan: Plan) -> str:
    if plan.margin == plan.claimed_margin:
        return ""
    coarse = numbers.margin(plan.margin, plan.metric)
    return f"; validation {plan.metric}, where there are few examples, by {coarse}"


def _differ(arm: PooledArm) -> list[str]:
    """How much the sets differ, in sentences without a stop."""
    if arm.time is None:
        return []
    timed = [(name, row.judgement.time) for name, row in arm.sets.items()]
    gains = sorted((speedup(time).estimate, name) for name, time in timed if time)
    (least, slow), (most, fast) = gains[0], gains[-1]
    text = f"from {numbers.times(least)} on {slow} to {numbers.times(most)} on {fast}"
    lines = [f"{text}; {numbers.share(arm.time.share)} of that spread is more than noise"]
    if arm.prediction is not None:
        ahead = speedup(arm.prediction)
        lines.append(
            f"on one more set like these expect {numbers.span(ahead.low, ahead.high)} times, 9 times out of 10"
        )
    return lines
