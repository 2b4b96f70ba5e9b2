"""The command that verifies: a table for each suite, pictures, and whether all is as theory says."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from potentiate.errors import Refused, make_way, unknown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from potentiate.verify import Check, Suite

WIDTH = 132
"""Columns where there is no terminal; most checks fit into one line of it."""
NARROW = 110
FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(verify)


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SUITE", help="neurons, plasticity or encoding; all of them without one."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw there what can be drawn over theory.")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows there, too.")
    ] = None,
) -> int:
    """Hold neurons, plasticity rules and codes against theory; exit with 1 where one is off."""
    suites = _chosen(names or [])
    _claim(plot, rows)
    from potentiate.cli.terminal import wide

    start, console = perf_counter(), wide(WIDTH)
    found: dict[str, list[Check]] = {}
    pictures: list[Path] = []
    for name, suite in suites.items():
        found[name] = _checked(name, suite)
        console.print(_table(name, found[name], narrow=console.width < NARROW))
        if plot is not None:
            pictures += _drawn(name, suite, plot)
    if rows is not None:
        _write(rows, found)
        console.print(f"rows      {rows}", soft_wrap=True, markup=False)
    if plot is not None:
        said = f"pictures  {plot}: {len(pictures)}, each as SVG and PNG"
        console.print(said, soft_wrap=True, markup=False)
    return _outcome(console, found, perf_counter() - start)


def _chosen(names: Sequence[str]) -> Mapping[str, Suite]:
    """The suites of these names, in the order given; all without a name."""
    from potentiate.verify import suites

    known = suites()
    for name in names:
        if name not in known:
            raise unknown("suite", name, known)
    return {name: known[name] for name in names or known}


def _claim(plot: Path | None, rows: Path | None) -> None:
    """Make the folders of what will be written, so that what cannot be is said before the work."""
    if rows is not None and rows.is_dir():
        raise Refused(f"the rows cannot be written to {rows}, which is a folder; name a file in it")
    for folder in (plot, rows and rows.parent):
        if folder is not None:
            with _writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                TemporaryFile(dir=folder).close()


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{path} cannot be written ({error.strerror or error}); {make_way(error)}"
        ) from None


def _checked(name: str, suite: Suite) -> list[Check]:
    """Run the checks of a suite, while saying how far they are."""
    checks: list[Check] = []
    with _watched(f"verifying {name}") as say:
        for check in suite.checks():
            checks.append(check)
            say(f"{len(checks)} checks, the last: {check.name}")
    return checks


def _drawn(name: str, suite: Suite, folder: Path) -> list[Path]:
    """Draw the curves of a suite, while saying which."""
    from potentiate.verify.pictures import draw

    paths: list[Path] = []
    with _watched(f"drawing {name}") as say, _writing(folder):
        for path in draw(suite.curves(), folder, name):
            paths.append(path)
            say(path.name)
    return paths


@contextmanager
def _watched(what: str) -> Generator[Callable[[str], None]]:
    """A live line on a terminal, a plain one elsewhere; both on standard error."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        sys.stderr.write(f"{what}\n")
        yield lambda _: None
        return
    start = perf_counter()
    with console.status(what) as status:

        def say(news: str) -> None:
            line = f"{what}, {perf_counter() - start:.0f} s: {news}"
            status.update(Text(line, no_wrap=True, overflow="ellipsis"))

        yield say


def _table(name: str, checks: Sequence[Check], *, narrow: bool) -> Table:
    """One row a check; where it is narrow, its source stands below its name."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"\n{name}", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("check, source" if narrow else "check", overflow="fold")
    for column in ("expected", "measured", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("source", overflow="fold")
    table.add_column("pass", no_wrap=True)
    for check in checks:
        title = Text(check.name)
        numbers = (f"{check.expected:.6g}", f"{check.measured:.6g}", f"{check.tolerance:.2g}")
        passed = Text("yes") if check.passed else Text("NO", "bold red")
        if narrow:
            table.add_row(title.append(f"\n{check.source}", "dim"), *numbers, passed)
        else:
            table.add_row(title, *numbers, Text(check.source), passed)
    return table


def _write(path: Path, found: Mapping[str, Sequence[Check]]) -> None:
    """Write a list of one object for each check; a number that is not finite is null."""
    rows = [
        {"suite": name, **{key: _plain(value) for key, value in asdict(check).items()}}
        for name, checks in found.items()
        for check in checks
    ]
    with _writing(path):
        path.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: str | float) -> str | float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _outcome(console: Console, found: Mapping[str, Sequence[Check]], seconds: float) -> int:
    """Repeat what failed, count, and return the exit code."""
    checks = [(name, check) for name, each in found.items() for check in each]
    failed = [(name, check) for name, check in checks if not check.passed]
    for name, check in failed:
        off = f"off by {abs(check.measured - check.expected):.2g}, allowed {check.tolerance:.2g}"
        console.print(f"FAILED  {name}: {check.name}: {off}", soft_wrap=True, markup=False)
    passed = f"{len(checks) - len(failed)} of {len(checks)} checks passed"
    console.print(f"{passed} in {seconds:.1f} s", style="bold red" if failed else "bold")
    return FAILED if failed else 0
