"""Rebuilds reports and replays recommendations in the terminal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rich.console import Console

from potentiate.cli.terminal import wide
from potentiate.study import summary
from potentiate.study.across import Across
from potentiate.study.datasets import holds_datasets, read_across
from potentiate.study.emit import command
from potentiate.study.findings import Findings
from potentiate.study.reading import read_findings, read_study
from potentiate.study.report import verdict_table, write
from potentiate.study.sections import takehome

STUDY = 132
"""Columns that the table of verdicts wants where no terminal says how many there are."""
WIDE = 3.0
"""A prediction whose ends differ by more tests nothing."""


def show(console: Console, findings: Findings, folder: Path) -> None:
    """Write the report, and print the verdicts, the claim, where the report is and the command."""
    write(findings, folder)
    console.print(verdict_table(findings))
    console.print(findings.best_claim, style="bold", highlight=False)
    console.print(f"report:  {folder / 'report.html'}", highlight=False, soft_wrap=True)
    console.print(f"command: {command(findings, folder)}", highlight=False, soft_wrap=True)


def show_across(console: Console, found: Across, folder: Path) -> None:
    """Write the summary over data sets, and print its verdicts, what to take home, and where it is."""
    summary.write(found, folder)
    console.print(summary.verdict_table(found))
    console.print(takehome.take_home(found), style="bold", highlight=False, markup=False)
    console.print(f"report:  {folder / 'report.html'}", highlight=False, soft_wrap=True)
    console.print(f"command: {takehome.command(found)}", highlight=False, soft_wrap=True)


def rebuild(folder: Path) -> None:
    """Write a study's report anew from its evidence; of a study over data sets, all of its reports."""
    if holds_datasets(folder):
        found = read_across(folder)
        for name, findings in found.measured.items():
            write(findings, folder / name)
        show_across(wide(STUDY), found, folder)
        return
    show(wide(STUDY), read_findings(folder), folder)


def replayed(folder: Path, seed: int | None) -> int:
    """Run the recommended command; return 0 if it does what was predicted, 1 if not."""
    from potentiate.study.numbers import duration, quality
    from potentiate.study.replay import replay

    plan, _, ledger = read_study(folder)
    with closing(ledger):
        done = replay(folder, ledger, seed)
    write(read_findings(folder), folder)
    low, high = done.predicted_seconds
    worst, best = done.predicted_quality
    console = Console(highlight=False)
    console.print(
        f"time     {duration(done.seconds)}, predicted {duration(low)} to {duration(high)}"
    )
    span = f"{quality(worst, plan.metric)} to {quality(best, plan.metric)}"
    console.print(f"quality  {quality(done.quality, plan.metric)}, predicted {span}")
    if high > WIDE * low:
        console.print(
            "so wide a prediction says little: the runs it was made from met other work on the machine"
        )
    console.print("as predicted" if done.inside else "NOT as predicted", style="bold")
    return 0 if done.inside else 1
