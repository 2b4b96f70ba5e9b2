"""Runs a study over several data sets in the terminal: each set's study, then the summary over all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from potentiate.cli.ended import Terminated, exit_code
from potentiate.cli.reporting import STUDY, show, show_across
from potentiate.cli.running import Live
from potentiate.cli.studying import has_references, machine_of, same_machine, warn_of_others
from potentiate.cli.terminal import wide
from potentiate.errors import Refused
from potentiate.study.budget import cost
from potentiate.study.datasets import (
    EVIDENCE,
    check,
    counts,
    member,
    read_across,
    read_notes,
    shares,
    write_notes,
)
from potentiate.study.declaration import FILE, Declaration, write_declaration
from potentiate.study.ledger import Ledger
from potentiate.study.numbers import duration
from potentiate.study.nursery import Nursery
from potentiate.study.plan import Plan
from potentiate.study.planning import open_study
from potentiate.study.procedure import investigate
from potentiate.study.record import Record

REFUSED = 2


def studied_across(declaration: Declaration, folder: Path, *, plan_only: bool) -> int:
    """Study every set, or go on with it, and summarize; return the exit code.

    A set that is refused on the way is told in the summary, and the others go on.

    Raises:
        Refused: Something is wrong before the first run that counts, or the folder holds another study.
    """
    check(declaration)
    if (folder / EVIDENCE).exists():
        raise Refused(f"{folder} holds the study of one workload; choose another --out")
    console = wide(STUDY)
    warn_of_others(console)
    with Nursery(declaration.threads) as nursery:
        budgets = _budgets(declaration, folder, nursery, console)
        asked = {
            name: member(declaration, name, budgets.get(name)) for name in declaration.datasets
        }
        plans = {
            name: _opened(each, folder / name, nursery, console) for name, each in asked.items()
        }
        write_notes(folder, replace(read_notes(folder), budget=declaration.budget, budgets=budgets))
        write_declaration(folder / FILE, declaration)
        console.print(_forecast(plans))
        if plan_only:
            return 0
        try:
            for name, each in asked.items():
                console.rule(name)
                _study(each, folder, name, nursery, console)
        except (KeyboardInterrupt, Terminated) as end:
            sys.stderr.write(
                f"potentiate: stopped, every run is kept in {folder}; the same command goes on\n"
            )
            return exit_code(end)
    console.rule("all data sets")
    found = read_across(folder)
    show_across(console, found, folder)
    return REFUSED if any(each.refused for each in found.sets) else 0


def _budgets(
    declaration: Declaration, folder: Path, nursery: Nursery, console: Console
) -> Mapping[str, float]:
    """Each set's share of the budget: as its whole plan would cost without one; none without a budget.

    Sets may be added to a study without a budget. Whatever else changes, each set's evidence refuses.
    """
    names, notes = declaration.datasets, read_notes(folder)
    if notes.budget == declaration.budget and set(notes.budgets) in (set[str](), set(names)):
        return notes.budgets
    if any(counts(folder / name) for name in {*notes.budgets, *names}):
        before = duration(notes.budget, "no budget")
        raise Refused(
            f"{folder} holds a study with {before} for {', '.join(notes.budgets) or 'its sets'}; name the same "
            "again, or choose another --out"
        )
    if declaration.budget is None:
        return {}
    costs = dict[str, float]()
    for name in names:
        console.print(f"{name}: a pilot run, to divide the budget", style="dim", highlight=False)
        plan = _opened(member(declaration, name), folder / name, nursery, console, quiet=True)
        costs[name] = cost(plan.forecast)
    return shares(declaration.budget, costs)


def _opened(
    asked: Declaration, folder: Path, nursery: Nursery, console: Console, *, quiet: bool = False
) -> Plan:
    """The plan of one set; its pilot run is all that runs."""
    live = Live(console)
    show: Callable[[Plan, Record], None] = (lambda plan, pilot: None) if quiet else live.forecast
    try:
        with closing(Ledger(folder, nursery.run, live)) as ledger:
            plan, _ = open_study(asked, ledger, show)
            same_machine(ledger, folder)
            return plan
    except Refused as error:
        raise Refused(f"{folder.name}: {error}") from None


def _study(asked: Declaration, folder: Path, name: str, nursery: Nursery, console: Console) -> None:
    """Run one set's study to its end, or note why that is refused."""
    live, place = Live(console), folder / name
    try:
        with closing(Ledger(place, nursery.run, live)) as ledger:
            for record in ledger.records.values():
                live.count(record)
            plan, pilot = open_study(asked, ledger, live.foresee)
            nursery.patience = max(600.0, 20.0 * pilot.total)
            with live:
                findings = investigate(
                    plan,
                    pilot,
                    ledger,
                    machine_of(ledger),
                    references=has_references(plan.workload),
                )
        _note(folder, name, "")
        show(console, findings, place)
    except Refused as error:
        _note(folder, name, str(error))
        console.print(
            f"{name} is left out: {error}",
            style="red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _note(folder: Path, name: str, why: str) -> None:
    notes = read_notes(folder)
    others = {other: text for other, text in notes.refused.items() if other != name}
    refused = {**others, name: why} if why else others
    if refused != notes.refused:
        write_notes(folder, replace(notes, refused=refused))


def _forecast(plans: Mapping[str, Plan]) -> Table:
    """What each set takes, and all of them."""
    table = Table(title=f"plan of {len(plans)} data sets", title_justify="left")
    for column, justify in (("data set", "left"), ("runs", "right"), ("time", "right")):
        table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
    for name, plan in plans.items():
        runs = sum(row.runs for row in plan.forecast)
        table.add_row(name, str(runs), duration(cost(plan.forecast)))
    rows = [row for plan in plans.values() for row in plan.forecast]
    table.add_row(
        "together", str(sum(row.runs for row in rows)), duration(cost(rows)), style="bold"
    )
    return table
