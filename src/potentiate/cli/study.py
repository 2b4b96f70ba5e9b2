"""The commands of a study: run it, rebuild its report, replay what it recommends, answer for one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from potentiate.cli.lists import Lists

Profile = Literal["quick", "standard", "thorough"]
Dataset = Annotated[
    str | None, typer.Option(metavar="NAME", help="Short for WORKLOAD/NAME, after a model's name.")
]
Objective = Literal["fastest", "smallest", "greenest", "balanced"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(cls=Lists)(study)
    app.command()(report)
    app.command()(replay)
    app.command(hidden=True)(answer)


def study(
    workload: Annotated[
        str,
        typer.Argument(
            help="A name of 'potentiate list workloads', file.py:attribute, study.toml, or a model "
            "with --datasets."
        ),
    ],
    names: Annotated[list[str] | None, typer.Argument(help="Further techniques of --test.")] = None,
    dataset: Dataset = None,
    baseline_only: Annotated[
        bool, typer.Option("--baseline-only", help="Measure the baseline and its noise.")
    ] = False,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="NAME [NAME ...]", help="Measure the named techniques."),
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option("--datasets", metavar="NAME [NAME ...]", help="Study the model on each set."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            "--full-optimization",
            help="Every technique, alone and combined, confirmed. [default]",
        ),
    ] = False,
    profile: Annotated[Profile, typer.Option(help="How thorough.")] = "standard",
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 30m or 2h; the plan is cut to fit.")
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS", help="Largest loss of quality that counts as equal, such as 0.5pp."
        ),
    ] = None,
    objective: Annotated[
        Objective,
        typer.Option(help="What to save: time, peak memory, energy, or time and memory."),
    ] = "fastest",
    seeds: Annotated[
        int | None, typer.Option(min=3, max=100, help="Full paired runs, instead of looks.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Short for --set epochs=...")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="key=value", help="Change the baseline's recipe."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="First seed.")] = 0,
    device: Annotated[
        Literal["cpu", "cuda", "auto"], typer.Option(help="Where to train.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of every run. [default: PyTorch's own]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--results-dir",
            metavar="DIR",
            help="Folder of the study. [default: runs/study/WORKLOAD-MODE-PROFILE]",
        ),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Show what it would run and stop.")
    ] = False,
) -> int:
    """Measure techniques on a workload, alone and combined, and say with intervals what they buy.

    The same command goes on where an interrupted study stopped.
    """
    from potentiate.cli.naming import with_dataset
    from potentiate.cli.studying import declared, from_file, investigated

    workload = with_dataset(workload, dataset)
    asked = [*(test or []), *(names or [])]
    sets = tuple(name for word in datasets or () for name in word.split(",") if name)
    if workload.endswith(".toml"):
        given = {
            "--baseline-only": baseline_only, "--test": asked, "--full": full, "--budget": budget,
            "--margin": margin, "--seeds": seeds, "--epochs": epochs, "--set": setting,
            "--profile": profile != "standard", "--seed": seed, "--device": device != "auto",
            "--threads": threads, "--objective": objective != "fastest", "--datasets": sets,
        }  # fmt: skip
        declaration = from_file(Path(workload), [key for key, value in given.items() if value])
        return investigated(declaration, out, plan_only=plan_only)
    declaration = declared(
        workload, asked, setting or [], epochs, budget, margin,
        mode=_mode(baseline_only=baseline_only, test=bool(test), full=full, names=names or []),
        profile=profile, objective=objective, seeds=seeds, seed=seed, device=device, threads=threads,
        datasets=sets,
    )  # fmt: skip
    return investigated(declaration, out, plan_only=plan_only)


def _mode(*, baseline_only: bool, test: bool, full: bool, names: list[str]) -> str:
    from potentiate.errors import Refused

    if baseline_only + test + full > 1:
        raise Refused("--baseline-only, --test and --full exclude each other; choose one")
    if names and not test:
        raise Refused(
            f"'{names[0]}' stands after the workload; put --test before the names of techniques"
        )
    return "baseline-only" if baseline_only else "test" if test else "full"


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study.")],
) -> None:
    """Rebuild a study's report, or that over data sets, from the evidence; nothing is run and PyTorch is not needed."""
    from potentiate.cli.reporting import rebuild

    rebuild(folder)


def replay(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study.")],
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the run. [default: one not used before]")
    ] = None,
) -> int:
    """Run the command that a study recommends, and say whether it does what was predicted."""
    from potentiate.cli.reporting import replayed

    return replayed(folder, seed)


def answer() -> None:
    """Do the one run that standard input asks for, as JSON: how this program tries itself out."""
    from potentiate.study.child import main

    main()
