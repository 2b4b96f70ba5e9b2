"""Runs a study in the terminal: what was asked, the forecast, a live line per run, the verdicts."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from potentiate.cli.reporting import show
from potentiate.cli.train import changes
from potentiate.errors import Refused
from potentiate.machine import busy_cores, fingerprint, usable_cores
from potentiate.study.budget import cost
from potentiate.study.declaration import (
    Declaration,
    located,
    points,
    read_declaration,
    seconds,
)
from potentiate.study.ledger import Ledger
from potentiate.study.numbers import duration
from potentiate.study.nursery import Nursery
from potentiate.study.plan import Plan
from potentiate.study.planning import open_study
from potentiate.study.procedure import investigate
from potentiate.study.record import Record

QUIET = 0.3
"""Cores that other programs may use before a study warns."""


def declared(
    workload: str,
    tests: Sequence[str],
    settings: Sequence[str],
    epochs: float | None,
    budget: str | None,
    margin: str | None,
    **rest: object,
) -> Declaration:
    """Return what was asked, as values.

    Raises:
        Refused: A time, a margin or a setting that cannot be read.
    """
    recipe = changes(settings)
    if epochs is not None:
        recipe["epochs"] = epochs
    if rest["device"] == "auto":
        import torch

        rest["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return Declaration(
        workload=located(workload),
        tests=tuple(tests),
        recipe=recipe,
        budget=None if budget is None else seconds(budget),
        margin=None if margin is None else points(margin),
        **rest,  # pyright: ignore[reportArgumentType]
    )


def from_file(path: Path, typed: Sequence[str]) -> Declaration:
    """Return the study that a TOML file declares.

    Raises:
        Refused: Options were typed that the file already decides.
    """
    if typed:
        raise Refused(f"{path} declares the study; leave {', '.join(typed)} out, or edit the file")
    return read_declaration(path)


def default_folder(declaration: Declaration) -> Path:
    """Return where a study goes that was not told where."""
    slug = re.sub(
        r"[^a-zA-Z0-9]+", "-", Path(declaration.workload).name.removesuffix(":workload")
    ).strip("-")
    name = (
        declaration.workload.replace("/", "-")
        if "/" not in slug and ".py" not in declaration.workload
        else slug
    )
    return Path("runs") / "study" / f"{name}-{declaration.mode}-{declaration.profile}"


def investigated(declaration: Declaration, out: Path | None, *, plan_only: bool) -> int:
    """Run the study, or go on with it; return the exit code."""
    folder = out or default_folder(declaration)
    console = Console()
    signal.signal(signal.SIGTERM, _interrupted)
    busy = busy_cores()
    if busy > QUIET:
        console.print(
            f"other programs keep {busy:.1f} of {usable_cores()} cores busy: times will be noisy, and "
            "threads that wait for each other many times slower; end them for a study to trust",
            style="yellow",
        )
    with Nursery(declaration.threads) as nursery:
        live = Live(console)
        ledger = Ledger(folder, nursery.run, live)
        if ledger.records:
            console.print(
                f"going on with {folder}: {len(ledger.records)} runs are done", highlight=False
            )
        live.say("a pilot run of the baseline")
        plan, pilot = open_study(declaration, ledger, live.forecast)
        nursery.patience = max(600.0, 20.0 * pilot.total)
        live.spent = ledger.spent
        _same_machine(ledger, folder)
        if plan_only:
            return 0
        try:
            with live:
                findings = investigate(plan, pilot, ledger, _machine(ledger))
        except KeyboardInterrupt:
            done = len(ledger.records)
            sys.stderr.write(
                f"potentiate: stopped after {done} runs, all kept in {folder}; the same command goes on\n"
            )
            return 130
    show(console, findings, folder)
    return 0


def _interrupted(number: int, frame: object) -> None:
    """SIGTERM ends a study as Ctrl-C does."""
    raise KeyboardInterrupt


def _machine(ledger: Ledger) -> dict[str, object]:
    line = ledger.fact("machine") or {"facts": {}}
    return line["facts"]


def _same_machine(ledger: Ledger, folder: Path) -> None:
    """Times of two machines cannot be compared."""
    then, now = _machine(ledger), fingerprint()
    for key in ("cpu", "cores", "gpus", "torch"):
        if key in then and then[key] != now.get(key):
            raise Refused(
                f"{folder} was measured on another machine ({key}: {then[key]}, here {now.get(key)}); "
                "go on there, or choose another --out"
            )


class Live:
    """The terminal's view of a running study: a bar over the forecast time, and a line for each run."""

    def __init__(self, console: Console) -> None:
        self.console, self.plan, self.spent, self.runs = console, None, 0.0, 0
        self.started = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("study", total=None, left="")

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def say(self, what: str) -> None:
        """Announce something that takes a moment."""
        self.console.print(what, style="dim", highlight=False)

    def forecast(self, plan: Plan, pilot: Record) -> None:
        """Show what will be run, how long it takes, and what was cut to fit the budget."""
        self.plan = plan
        table = Table(title=f"plan of {plan.workload}, {plan.profile}", title_justify="left")
        for column, justify in (("step", "left"), ("runs", "right"), ("time", "right")):
            table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
        for row in plan.forecast:
            table.add_row(row.phase, str(row.runs), duration(row.seconds))
        total = cost(plan.forecast)
        table.add_row(
            "together", str(sum(r.runs for r in plan.forecast)), duration(total), style="bold"
        )
        self.console.print(table)
        name = f"{100 * plan.margin:g} points" if plan.metric == "accuracy" else f"{plan.margin:g}"
        self.console.print(
            f"equal means: {plan.metric} not worse by {name}; fixed now, before the first run",
            highlight=False,
        )
        for sentence in plan.cut:
            self.console.print(f"cut to fit the budget: {sentence}", highlight=False)
        self.bar.update(self.task, total=total)

    def __call__(self, record: Record) -> None:
        """Show a run that was just made."""
        self.runs += 1
        self.spent += record.wall
        total = cost(self.plan.forecast) if self.plan else 0.0
        left = f"about {duration(max(0.0, total - self.spent))} left" if total else ""
        self.bar.update(
            self.task, completed=min(self.spent, total), description=record.request.phase, left=left
        )
        # A line per run: what does not fit is in the report.
        self.console.print(
            line(record), highlight=False, markup=False, no_wrap=True, overflow="ellipsis"
        )


def line(record: Record) -> str:
    """Return one run as one line: step, block, result, and the arm, which may be long."""
    return f"{record.request.phase:<12.12} {record.request.block:>2}  {_result(record):<30}  {record.request.arm}"


def _result(record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    if record.request.mode == "sanity":
        good = sum(ok for _, ok, _ in record.checks)
        return f"{good} of {len(record.checks)} checks hold"
    if record.request.max_steps is not None:
        return f"projected {duration(record.total)}"
    metrics = record.test if record.test is not None else record.validation
    shown = "  ".join(f"{key} {value:.4f}" for key, value in metrics.items() if key != "loss")
    return f"{duration(record.total)}  {shown}"
