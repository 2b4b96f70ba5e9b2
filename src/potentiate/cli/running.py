"""A study while it runs, in the terminal: the forecast, a line for each run, and what is done of each step."""

from __future__ import annotations

from collections import Counter, defaultdict

import rich.live
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from potentiate.study.budget import cost
from potentiate.study.numbers import duration, is_share, margin
from potentiate.study.objective import COSTS
from potentiate.study.plan import Forecast, Plan, workload_name
from potentiate.study.record import Record


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
