"""All pictures of a run, drawn to files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from potentiate.errors import Refused
from potentiate.plot.beside import beside
from potentiate.plot.learning import learning
from potentiate.plot.log import RunLog
from potentiate.plot.picture import Picture
from potentiate.plot.style import FORMATS, save, unused
from potentiate.plot.topology import topology


def draw(
    log: RunLog,
    folder: Path,
    formats: Collection[str] = FORMATS,
    more: Iterable[Picture] = (),
) -> Iterator[Path]:
    """Draw what the log gives, and `more`, to `folder`, which is made, and yield the path of each file.

    A name that comes again is numbered; files of those names are replaced.

    Raises:
        Refused: The log gives nothing to draw.
        OSError: A file cannot be written.
    """
    heading = f"{log.workload}, " if log.workload else ""
    pictures = [*learning(log), *beside(log)]
    for part, updates in log.parts.items():
        pictures += topology(part, updates, heading)
    pictures += more
    if not pictures:
        raise Refused(
            f"{log.path} holds neither a loss nor a metric that could be drawn; "
            "wait for the run's first evaluation, or name another run"
        )
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    for picture in pictures:
        yield from save(picture.make, folder / unused(picture.title, taken), formats)
