"""The command that draws: pictures of a run from its log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from potentiate.errors import Refused, make_way

Format = Literal["svg", "png", "both"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(plot)


def plot(
    run: Annotated[Path, typer.Argument(help="A run's folder, or its metrics.jsonl.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw there. [default: RUN/pictures]")
    ] = None,
    kind: Annotated[Format, typer.Option("--format", help="Which files.")] = "both",
    projection: Annotated[
        Literal["pca", "tsne"],
        typer.Option(help="How the embedding of a timehut run gets its two dimensions."),
    ] = "pca",
    quiet: Annotated[bool, typer.Option("--quiet", help="Name no files.")] = False,
) -> None:
    """Draw a run: its learning curves, the references beside it, and what its model has to show.

    Of a plastic network that is how its topology changed; of a timehut encoder, what it makes of the test
    series before and after training.
    """
    from potentiate.cli.embedding import embedded
    from potentiate.plot import draw, load

    log, more, missing = load(run), [], []
    try:
        more = [picture] if (picture := embedded(log, projection)) else []
    except Refused as reason:  # the other pictures do not need it
        missing = [f"no embedding: {reason}"]
    folder = out or log.path.parent / "pictures"
    try:
        for path in draw(log, folder, ("svg", "png") if kind == "both" else (kind,), more):
            if not quiet:
                sys.stdout.write(f"{path}\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(
            f"{folder} cannot be written ({error.strerror or error}); {make_way(error)}"
        ) from None
    for sentence in (*missing, *log.left_out()):
        sys.stderr.write(f"potentiate: {sentence}\n")
