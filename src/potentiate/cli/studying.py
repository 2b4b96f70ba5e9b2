"""Runs a study in the terminal: what was asked, the forecast, a live line per run, the verdicts."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from potentiate.cli.device import device_of
from potentiate.cli.ended import Terminated, exit_code
from potentiate.cli.reporting import STUDY, show
from potentiate.cli.running import Live
from potentiate.cli.terminal import wide
from potentiate.cli.train import changes
from potentiate.errors import Refused
from potentiate.machine import busy_cores, fingerprint, usable_cores
from potentiate.models.reference import find
from potentiate.study.declaration import (
    Declaration,
    located,
    points,
    read_declaration,
    seconds,
)
from potentiate.study.ledger import Ledger
from potentiate.study.nursery import Nursery
from potentiate.study.planning import open_study
from potentiate.study.procedure import investigate

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
    recipe = changes(settings, epochs)
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
