"""Where commands print: as wide as the terminal, or as files and pipes are read."""

from __future__ import annotations

from rich.console import Console


def wide(width: int = 100) -> Console:
    """Return a console for tables: the terminal's width, and `width` where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width)
