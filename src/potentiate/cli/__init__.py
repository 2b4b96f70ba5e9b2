"""The command line: only what `--help` shows is imported here, each body when it runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    name="potentiate",
    help="Make training fast, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: drawing it with rich costs more than everything else here
    pretty_exceptions_enable=False,
)

Technique = Annotated[
    list[str] | None,
    typer.Option(
        "--technique", "-t", metavar="NAME[:key=value,...]", help="Add one; repeat for more."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="key=value", help="Change a setting of the recipe; repeat for more."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, max=2**63 - 1, help="Decides weights, data order and dropout. [default: 0]"
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or auto. [default: auto]")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the run. [default: runs/WORKLOAD/DATE-TIME]"),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Steps between checkpoints. [default: at each evaluation]"
    ),
]
Keep = Annotated[
    int, typer.Option(min=1, help="Newest checkpoints to keep; the best is kept apart.")
]
LogEvery = Annotated[
    int, typer.Option(min=0, metavar="N", help="Steps between two logged losses; 0 logs none.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Table = Literal["workloads", "techniques", "datasets"]


def _version(asked: bool) -> None:
    if asked:
        from potentiate import __version__

        typer.echo(f"potentiate {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def train(
    workload: Annotated[
        str | None,
        typer.Argument(help="A name of 'potentiate list workloads', or file.py:attribute."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Short for WORKLOAD/NAME, after a model's name."),
    ] = None,
    technique: Technique = None,
    setting: Settings = None,
    preset: Annotated[
        str | None, typer.Option(help="A named set of settings, where the workload has some.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Short for --set epochs=...")] = None,
    seed: Seed = None,
    device: Device = None,
    out: Out = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the run in this folder.")
    ] = None,
    save_every: SaveEvery = None,
    keep: Keep = 10,
    log_every: LogEvery = 50,
    quiet: Quiet = False,
) -> int:
    """Train a workload; Ctrl-C writes a checkpoint and says how to go on."""
    from potentiate.cli.naming import with_dataset
    from potentiate.cli.train import Shown, carry_out, from_options, from_resume

    if workload is not None:
        workload = with_dataset(workload, dataset)
    shown = Shown(save_every, keep, quiet, log_every)
    if resume is None:
        order = from_options(
            workload, technique or [], setting or [], epochs, seed, device, out, preset
        )
    else:
        given = {
            "--dataset": dataset,
            "--technique": technique,
            "--set": setting,
            "--preset": preset,
            "--epochs": epochs,
            "--seed": seed,
            "--device": device,
        }
        refused = [key for key, value in given.items() if value is not None]
        order = from_resume(resume, workload, refused, out)
    return carry_out(order, shown)


@app.command()
def run(
    config: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="Such as a study's best.toml.")
    ],
    seed: Seed = None,
    device: Device = None,
    out: Out = None,
    save_every: SaveEvery = None,
    keep: Keep = 10,
    log_every: LogEvery = 50,
    quiet: Quiet = False,
) -> int:
    """Train what a TOML file declares."""
    from potentiate.cli.train import Shown, carry_out, from_file

    return carry_out(
        from_file(config, seed, device, out), Shown(save_every, keep, quiet, log_every)
    )


@app.command(name="list")
def show(
    what: Annotated[Table | None, typer.Argument(help="One table; all three without it.")] = None,
) -> None:
    """Show the workloads, techniques and data sets there are."""
    from potentiate.cli.show import tables

    tables((what,) if what else ("workloads", "techniques", "datasets"))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile all kernels now, not at their first use.")
    ] = False,
) -> None:
    """Look for what stands in the way of speed on this machine."""
    if warm:
        from potentiate.cli.warm import warm as compile_all

        compile_all()
        return
    from potentiate.cli.show import findings

    findings(as_json=as_json)


@app.command()
def download(
    name: Annotated[
        str,
        typer.Argument(
            help="A name of 'potentiate list datasets', or of the UCR and UEA archives of series."
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of all data sets. [default: POTENTIATE_DATA or the cache]"
        ),
    ] = None,
) -> None:
    """Get a data set over the network, checked by its digest."""
    from potentiate.cli.show import fetch

    fetch(name, folder)


for name in ("study", "verify", "plot"):
    import_module(f"potentiate.cli.{name}").register(app)
