"""What there is and what this machine is, as tables; and getting data sets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from potentiate.cli.terminal import wide
from potentiate.data import DATASETS, DataSet, download, folder_of
from potentiate.data.archives import WAVES, sets_here

NAME = 26
MARKS = {"ok": "", "note": "note", "warning": "WARNING"}


def tables(names: Sequence[str]) -> None:
    """Print the tables of these names."""
    for place, name in enumerate(names):
        if place:
            sys.stdout.write("\n")
        _print(TABLES[name]())


def findings(*, as_json: bool) -> None:
    """Print what `potentiate.machine.doctor` finds, as a table or as JSON."""
    from potentiate.machine import doctor

    found = doctor()
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    rows = [(each.topic, each.value, MARKS[each.verdict], each.remedy) for each in found]
    _print(_table("This machine", ("topic", "found", "", "what to do"), rows))
    warnings = sum(each.verdict == "warning" for each in found)
    sys.stdout.write(f"{warnings} warning{'' if warnings == 1 else 's'}\n")


def fetch(name: str, folder: Path | None) -> None:
    """Download a data set, with a bar for each file on a terminal; print where it lies and what is not known."""
    if folder is not None:
        os.environ["POTENTIATE_DATA"] = str(folder)
    with _bars() as report:
        place = download(name, report)
    if place is None:
        why = "is made" if name == WAVES else "comes with scikit-learn"
        sys.stdout.write(f"{name} {why}; there is nothing to download\n")
        return
    sys.stdout.write(f"{name} is in {place}\n")
    sums = place / f"{name}.sha256"
    if sums.is_file():
        sys.stdout.write(
            "The archive publishes no sha256 and none is known here; what came is stored in "
            f"{sums.name}, and a later download is compared with it:\n{sums.read_text('ascii')}"
        )


def _workloads() -> Table:
    from potentiate.models import FAMILIES, WORKLOADS
    from potentiate.models.reference import schedule

    rows = list[Sequence[str]]()
    for name, workload in WORKLOADS.items():
        data = DATASETS.get(name.partition("/")[2])
        here = data is None or bool(folder_of(data))
        target = workload.target
        goal = target.metric if target.value is None else f"{target.metric} {target.value:g}"
        data_text = "here" if here else f"potentiate download {name.partition('/')[2]}"
        rows.append((name, goal, schedule(workload), data_text))
    for name, make in FAMILIES.items():
        member = make("waves")
        data_text = "'waves' is made; others: potentiate download SET"
        rows.append((f"{name}/SET", member.target.metric, schedule(member), data_text))
    rows.append(("my_job.py:workload", "your own", "see examples/own_job.py", "your own"))
    return _table("Workloads", ("name", "target", "recipe", "data"), rows)


def _techniques() -> Table:
    from potentiate.techniques.reference import cards

    rows = [(card.name, card.summary, card.evidence, card.refused or "yes") for card in cards()]
    return _table("Techniques", ("name", "what it does", "evidence", "runs here"), rows)


def _datasets() -> Table:
    rows = list[Sequence[str]]()
    for name, each in DATASETS.items():
        shape = " x ".join(map(str, each.shape))
        size = f"{each.n_train:,} + {each.n_test:,} of {shape}, {each.classes} classes"
        rows.append((name, size, _place(each), each.license))
    rows.append((WAVES, "60 + 300 of 64 x 1, 3 classes", "made", "ours"))
    for archive, name in sets_here():
        rows.append((name, f"{archive.upper()} series", "here", "see its archive"))
    rows.append(("NAME", "UCR and UEA series", "potentiate download NAME", "see its archive"))
    return _table("Data sets", ("name", "train + test", "where", "license"), rows)


def _place(which: DataSet) -> str:
    if not which.files:
        return "with scikit-learn"
    return "here" if folder_of(which) else f"potentiate download {which.name}"


TABLES: Mapping[str, Callable[[], Table]] = {
    "workloads": _workloads,
    "techniques": _techniques,
    "datasets": _datasets,
}


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(
        title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), title_style="bold"
    )
    short = max((len(row[0]) for row in rows), default=0) <= NAME
    for place, column in enumerate(columns):
        name = place == 0
        table.add_column(
            column, no_wrap=name and short, max_width=NAME if name else None, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))  # Text: nothing in a row is markup
    return table


def _print(table: Table) -> None:
    wide().print(table)


class _Bars:
    """A bar for each file on a terminal, silence elsewhere."""

    def __init__(self) -> None:
        from rich.progress import BarColumn as Bar
        from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        name = TextColumn("{task.description}", markup=False)
        console = Console(stderr=True)
        self._progress = Progress(
            name,
            Bar(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def __call__(self, name: str, received: int, expected: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=expected or None)
        self._progress.update(self._tasks[name], completed=received, total=expected or None)


def _bars() -> _Bars:
    return _Bars()
