"""Runs a study in the terminal: what was asked, the forecast, a live line per run, the verdicts."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import rich.live
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from potentiate.cli.ended import Terminated, exit_code
from potentiate.cli.reporting import STUDY, show
from potentiate.cli.terminal import wide
from potentiate.cli.train import changes, device_of
from potentiate.errors import Refused
from potentiate.machine import busy_cores, fingerprint, usable_cores
from potentiate.models.reference import find
from potentiate.study.budget import cost
from potentiate.study.declaration import (
    Declaration,
    located,
    points,
    read_declaration,
    seconds,
)
from potentiate.study.ledger import Ledger
from potentiate.study.numbers import duration, is_share, margin
from potentiate.study.nursery import Nursery
from potentiate.study.objective import COSTS
from potentiate.study.plan import Forecast, Plan, workload_name
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
    rest["device"] = device_of(str(rest["device"]))
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
        r"[^a-zA-Z0-9]+",
        "-",
        Path(declaration.workload).name.removesuffix(":workload").removesuffix(".py"),
    ).strip("-")
    name = (
        declaration.workload.replace("/", "-")
        if "/" not in slug and ".py" not in declaration.workload
        else slug
    )
    what = "+".join([declaration.mode, *(spec.partition(":")[0] for spec in declaration.tests)])
    if declaration.datasets:
        name = f"{name}-{'+'.join(declaration.datasets)[:80]}"
    saved = "" if declaration.objective == "fastest" else f"-{declaration.objective}"
    return Path("runs") / "study" / f"{name}-{what[:80]}-{declaration.profile}{saved}"


def investigated(declaration: Declaration, out: Path | None, *, plan_only: bool) -> int:
    """Run the study, or go on with it; return the exit code."""
    device_of(declaration.device)
    folder = out or default_folder(declaration)
    if declaration.datasets:
        from potentiate.cli.datasets import studied_across

        return studied_across(declaration, folder, plan_only=plan_only)
    console = wide(STUDY)
    warn_of_others(console)
    live = Live(console)
    with (
        Nursery(declaration.threads) as nursery,
        closing(Ledger(folder, nursery.run, live)) as ledger,
    ):
        if ledger.records:
            console.print(
                f"going on with {folder}: {len(ledger.records)} runs are done", highlight=False
            )
        for record in ledger.records.values():
            live.count(record)
        live.say("a pilot run of the baseline")
        plan, pilot = open_study(declaration, ledger, live.forecast)
        nursery.patience = max(600.0, 20.0 * pilot.total)
        same_machine(ledger, folder)
        if plan_only:
            return 0
        try:
            with live:
                findings = investigate(
                    plan,
                    pilot,
                    ledger,
                    machine_of(ledger),
                    references=has_references(plan.workload),
                )
        except (KeyboardInterrupt, Terminated) as end:
            done = len(ledger.records)
            sys.stderr.write(
                f"potentiate: stopped after {done} runs, all kept in {folder}; the same command goes on\n"
            )
            return exit_code(end)
    show(console, findings, folder)
    return 0


def has_references(workload: str) -> bool:
    """Whether a workload declares simple references to stand beside its results."""
    return find(workload).references is not None


def warn_of_others(console: Console) -> None:
    """Say that other programs keep the machine busy, where they do."""
    busy = busy_cores()
    if busy > QUIET:
        console.print(
            f"other programs keep {busy:.1f} of {usable_cores()} cores busy: times will be noisy, and "
            "threads that wait for each other many times slower; end them for a study to trust",
            style="yellow",
        )


def machine_of(ledger: Ledger) -> dict[str, object]:
    """Return the fingerprint of the machine that the evidence was made on."""
    line = ledger.fact("machine") or {"facts": {}}
    return line["facts"]


def same_machine(ledger: Ledger, folder: Path) -> None:
    """Refuse to go on with the evidence of another machine: its times cannot be compared."""
    then, now = machine_of(ledger), fingerprint()
    for key in ("cpu", "cores", "gpus", "torch"):
        if key in then and then[key] != now.get(key):
            raise Refused(
                f"{folder} was measured on another machine ({key}: {then[key]}, here {now.get(key)}); "
                "go on there, or choose another --out"
            )


class Live:
    """The terminal's view of a running study: a line for each run, and below a table of the steps."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.forecasts: tuple[Forecast, ...] = ()
        self.metric = "accuracy"
        self.runs, self.seconds = Counter[str](), defaultdict[str, float](float)
        self.table = rich.live.Live(console=console, transient=True, refresh_per_second=1)

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self.table.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.table.stop()

    def say(self, what: str) -> None:
        """Announce something that takes a moment."""
        self.console.print(what, style="dim", highlight=False)

    def foresee(self, plan: Plan, pilot: Record) -> None:
        """Take the plan for the table of steps and show nothing."""
        self.forecasts, self.metric = plan.forecast, plan.metric

    def forecast(self, plan: Plan, pilot: Record) -> None:
        """Show what will be run, how long it takes, and what was cut to fit the budget."""
        self.foresee(plan, pilot)
        table = Table(title=f"plan of {workload_name(plan)}, {plan.profile}", title_justify="left")
        for column, justify in (("step", "left"), ("runs", "right"), ("time", "right")):
            table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
        for row in plan.forecast:
            table.add_row(row.phase, str(row.runs), duration(row.seconds))
        total = cost(plan.forecast)
        table.add_row(
            "together", str(sum(r.runs for r in plan.forecast)), duration(total), style="bold"
        )
        self.console.print(table)
        if plan.objective != "fastest":
            self.console.print(f"to be saved: {COSTS[plan.objective]}", highlight=False)
        allowed = margin(plan.claimed_margin, plan.metric)
        if plan.held_out_margin is not None:
            coarse = margin(plan.margin, plan.metric)
            allowed += f" ({coarse} on validation data, which are too few for that)"
        self.console.print(
            f"equal means: {plan.metric} not worse by {allowed}; fixed now, before the first run",
            highlight=False,
        )
        for sentence in plan.cut:
            self.console.print(f"cut to fit the budget: {sentence}", highlight=False)

    def count(self, record: Record) -> None:
        """Take a run into the table, whether it was made now or before."""
        step = step_of(record.request.phase)
        self.runs[step] += 1
        self.seconds[step] += record.wall

    def __call__(self, record: Record) -> None:
        """Show a run that was just made."""
        self.count(record)
        # A line per run: what does not fit is in the report.
        self.console.print(
            line(record, self.metric),
            highlight=False,
            markup=False,
            no_wrap=True,
            overflow="ellipsis",
        )
        self.table.update(self.progress(step_of(record.request.phase)))

    def progress(self, now: str) -> Table:
        """The steps with what is done of them and of the time, and what is left, at step `now`."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for column, justify in (
            ("step", "left"),
            ("", "left"),
            ("runs", "right"),
            ("time", "right"),
        ):
            table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
        left, steps = 0.0, [row.phase for row in self.forecasts]
        furthest = max((i for i, step in enumerate(steps) if self.runs[step]), default=0)
        for place, row in enumerate(self.forecasts):
            spent, over = self.seconds[row.phase], place < furthest
            left += 0.0 if over else max(0.0, row.seconds - spent)
            table.add_row(
                row.phase,
                ProgressBar(
                    row.seconds, row.seconds if over else min(spent, row.seconds), width=20
                ),
                f"{self.runs[row.phase]} of about {row.runs}",
                f"{duration(spent)} of {duration(row.seconds)}",
                style="bold" if row.phase == now else "",
            )
        table.add_row("left", "", "", f"about {duration(left)}")
        return table


def step_of(phase: str) -> str:
    """The step of the forecast that a phase of the evidence belongs to."""
    first = phase.partition(" ")[0]
    return {"screen": "combination", "build": "combination", "option": "recipe"}.get(first, first)


def line(record: Record, metric: str) -> str:
    """Return one run as one line: step, block, result, and the arm, which may be long."""
    result = _result(record, metric)
    return f"{record.request.phase:<12.12} {record.request.block:>2}  {result:<30}  {record.request.arm}"


def _result(record: Record, metric: str) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    if record.request.mode == "sanity":
        good = sum(ok for _, ok, _ in record.checks)
        return f"{good} of {len(record.checks)} checks hold"
    if record.request.mode == "beside":
        return f"{len(record.references)} simple references"
    if record.request.max_steps is not None:
        return f"projected {duration(record.total)}"
    metrics = record.test if record.test is not None else record.validation
    shown = (
        f"{key} {value:.4f}" if is_share(key) else f"{key} {value:.4g}"
        for key, value in metrics.items()
        if key == metric or key != "loss"
    )
    return f"{duration(record.total)}  {'  '.join(shown)}"
