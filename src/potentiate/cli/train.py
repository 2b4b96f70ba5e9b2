"""From what was typed, or a file, or a checkpoint, to one training that is watched and reported."""

from __future__ import annotations

import logging
import re
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from potentiate.checkpoint import Shelf
from potentiate.cli.beside import beside
from potentiate.cli.blame import blaming
from potentiate.cli.device import device_of
from potentiate.cli.summary import summary
from potentiate.config import RunConfig, Setting, read_config, write_config
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.events import Event, Started
from potentiate.listeners import (
    Checkpoints,
    Interrupts,
    MetricsLog,
    Progress,
    Resumed,
    resumed,
    watch,
)
from potentiate.listeners.resume import SHELF
from potentiate.models.reference import find
from potentiate.settings import plain
from potentiate.techniques.base import Technique, arrange
from potentiate.techniques.reference import parse
from potentiate.workload import Workload

LOG = "metrics.jsonl"
CONFIG = "run.toml"


@dataclass(frozen=True)
class Order:
    """One training to carry out, and the folder that it fills."""

    workload: Workload
    techniques: Sequence[Technique]
    seed: int
    device: str
    out: Path
    resumed: Resumed | None = None


@dataclass(frozen=True)
class Shown:
    """How the training is watched: steps between checkpoints, how many stay, silence, logged steps."""

    save_every: int | None = None
    keep: int = 10
    quiet: bool = False
    log_every: int = 50


def from_options(
    name: str | None,
    techniques: Sequence[str],
    settings: Sequence[str],
    epochs: float | None,
    seed: int | None,
    device: str | None,
    out: Path | None,
    preset: str | None = None,
) -> Order:
    """Return what the options of `potentiate train` ask for; settings go before a preset.

    Raises:
        Refused: Something does not exist, does not fit, or its folder is taken.
    """
    if name is None:
        raise Refused(
            "no workload is named; see 'potentiate list workloads', or go on with --resume DIR"
        )
    recipe = changes(settings, epochs)
    if preset is not None:
        recipe = {**find(name).preset(preset).changes, **recipe}
    config = RunConfig(name, seed or 0, device or "auto", tuple(techniques), recipe)
    return _order(config, out)


def from_file(path: Path, seed: int | None, device: str | None, out: Path | None) -> Order:
    """Return what the TOML file at `path` declares, with the options typed in its place.

    Raises:
        Refused: As `from_options` and `read_config`.
    """
    config = read_config(path)
    typed: dict[str, Any] = {"seed": seed, "device": device}
    return _order(replace(config, **{k: v for k, v in typed.items() if v is not None}), out)


def from_resume(folder: Path, name: str | None, typed: Sequence[str], out: Path | None) -> Order:
    """Return the training that was stopped in `folder`, to go on in the same folder.

    From one checkpoint of several (its own folder is named) it goes on in a new folder, so that the
    later ones stay true.

    Raises:
        Refused: There is no checkpoint, or what was typed would make it another training.
    """
    if typed:
        raise Refused(f"--resume goes on as the run began; leave {', '.join(typed)} out")
    found = resumed(folder)
    if name is not None and name not in (found.facts["workload"], found.workload.name):
        raise Refused(
            f"{folder} holds a run of '{found.workload.name}', not of '{name}'; leave '{name}' out"
        )
    if found.folder == folder:  # this one was asked for, whatever came later
        place = _free(out or _new_folder(found.workload))
    elif out is not None and out != folder:
        raise Refused(
            f"--resume goes on in {folder}; leave --out out, or name one of its checkpoints to copy"
        )
    else:
        place = folder.parent if folder.name == SHELF else folder
    if found.folder != folder:
        _tell_of_damage(found.folder)
    device = device_of(found.device)
    return Order(found.workload, found.techniques, found.seed, device, place, found)


def _tell_of_damage(checkpoint: Path) -> None:
    later = [p for p in checkpoint.parent.glob("step-*") if p.name > checkpoint.name]
    if later and checkpoint.name.startswith("step-"):
        sys.stderr.write(
            f"potentiate: {max(later).name} is damaged or of a newer version; going on from {checkpoint.name}\n"
        )


def carry_out(order: Order, shown: Shown) -> int:
    """Train, show, save and report; return the exit code.

    Raises:
        Refused: The training was refused, or its folder cannot be written.
    """
    if order.resumed is not None and order.resumed.finished:
        sys.stdout.write(f"{order.out} is complete: {order.resumed.finished}\n")
        return 0
    if order.resumed is None:
        _clear(order.out / LOG)
    made = [folder for folder in (order.out, *order.out.parents) if not folder.exists()]
    try:
        with closing(MetricsLog(order.out / LOG, shown.log_every)) as log:
            shelf = Shelf(order.out / SHELF, shown.keep)
            checkpoints = Checkpoints(shelf, shown.save_every, {"log": log})
            if order.resumed is not None:
                checkpoints.restore(order.resumed.listeners)
            return _watched(order, shown, log, checkpoints)
    except Refused:
        _take_back(order.out / LOG, made)
        raise


def _watched(order: Order, shown: Shown, log: MetricsLog, checkpoints: Checkpoints) -> int:
    interrupts = Interrupts(checkpoints.save)
    events = train(
        order.workload,
        order.techniques,
        seed=order.seed,
        device=order.device,
        resume=None if order.resumed is None else order.resumed.state,
    )
    telling = nullcontext() if shown.quiet else _telling()
    with telling, blaming(order.workload), interrupts, closing(Progress()) as progress:
        shows = () if shown.quiet else (progress,)
        end = watch(events, *shows, log, checkpoints, interrupts, partial(_repeatable, order))
    again = shlex.join(["potentiate", "train", "--resume", str(order.out)])
    if end is None:
        assert interrupts.received is not None
        assert checkpoints.training is not None
        step = checkpoints.training.position
        sys.stderr.write(
            f"potentiate: stopped by {interrupts.received.name} after step {step}, saved in "
            f"{interrupts.saved}; go on with: {again}\n"
        )
        return 128 + interrupts.received
    assert checkpoints.training is not None
    repeat = shlex.join(["potentiate", "run", str(order.out / CONFIG)])
    found = beside(checkpoints.training, log, quiet=shown.quiet)
    summary(checkpoints.training, end, checkpoints.written, repeat, found)
    return 0


@contextmanager
def _telling() -> Generator[None]:
    """Show what parts of the library have to tell, such as which engine they chose."""
    log, handler = logging.getLogger("potentiate"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("potentiate: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _order(config: RunConfig, out: Path | None) -> Order:
    workload = find(config.workload).varied(config.recipe)
    techniques = [parse(spec) for spec in config.techniques]
    device = device_of(config.device)
    arrange(workload, techniques, device)  # refused before a folder is made
    return Order(workload, techniques, config.seed, device, _free(out or _new_folder(workload)))


def _repeatable(order: Order, event: Event) -> None:
    """Write what repeats the run, once the techniques have settled what they had to measure."""
    if isinstance(event, Started) and not (order.resumed and (order.out / CONFIG).exists()):
        write_config(order.out / CONFIG, _config(order, event.training.techniques))


def _config(order: Order, techniques: Sequence[Technique]) -> RunConfig:
    recipe: dict[str, Setting] = plain(order.workload.recipe)
    specs = tuple(technique.spec for technique in techniques)
    return RunConfig(order.workload.source, order.seed, order.device, specs, recipe)


def changes(settings: Sequence[str], epochs: float | None = None) -> dict[str, Setting]:
    """Return what `--set key=value` options and `--epochs` change.

    Raises:
        Refused: One is not of that form, or a key is given twice.
    """
    recipe: dict[str, Setting] = {} if epochs is None else {"epochs": epochs}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Refused(f"--set {text} is no setting; write key=value, for example --set lr=0.01")
        if key in recipe:
            also = "as --epochs too" if key == "epochs" and epochs is not None else "twice"
            raise Refused(f"--set {key} is given {also}; keep one of them")
        recipe[key] = value
    return recipe


def _new_folder(workload: Workload) -> Path:
    parts = [re.sub(r"[^\w.-]+", "-", part).strip(".") for part in workload.name.split("/")]
    stem = Path("runs", *(part or "run" for part in parts), time.strftime("%Y-%m-%d-%H%M%S"))
    names = (stem if n == 1 else stem.with_name(f"{stem.name}-{n}") for n in range(1, 1000))
    return next(name for name in names if not name.exists())


def _clear(log: Path) -> None:
    """Remove the log of a run that ended before its first checkpoint; nothing could go on from it."""
    with suppress(OSError):  # where it cannot be removed it cannot be written either, which is told
        log.unlink(missing_ok=True)


def _take_back(log: Path, made: Sequence[Path]) -> None:
    """Remove the folders that a run has made which was refused before it began, from the inmost on."""
    with suppress(OSError):  # where there is a line, or something else in a folder, it stays
        if not log.stat().st_size:
            log.unlink()
        for folder in made:
            folder.rmdir()


def _free(folder: Path) -> Path:
    log, config = folder / LOG, folder / CONFIG
    if (config.exists() and not log.exists()) or (log.exists() and not _ours(log)):
        taken = config.name if config.exists() and not log.exists() else log.name
        raise Refused(
            f"{folder} holds a {taken} that no run of ours left there; choose another --out"
        )
    if Shelf(folder / SHELF).steps():
        raise Refused(
            f"{folder} holds a run already; choose another --out, or go on with "
            f"'potentiate train --resume {folder}'"
        )
    return folder


def _ours(log: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError), log.open(encoding="utf-8") as lines:
        first = lines.readline(1000)
        return not first or first.startswith('{"event"')
    return False
