"""A picture that is drawn when it is asked for, where the style holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Picture(NamedTuple):
    """What the picture shows, after which its file is named, and what makes its figure."""

    title: str
    make: Callable[[], Any]
