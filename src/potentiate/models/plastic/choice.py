"""Which engine is the fastest for a sparse map of some size: timed once on a machine, and kept.

What was found lies in `sparse-engines.json` in the user's cache folder, by processor, versions and size.
A file that cannot be read or written costs a timing, nothing else.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor

from potentiate.kernels.sparse_linear import ENGINES, Edges, sparse_linear
from potentiate.kernels.sparse_recurrent import sparse_recurrent

FILE = "sparse-engines.json"
ROUNDS, TURN, ENOUGH = 7, 0.01, 0.6
"""Turns of each engine, the seconds of one, and those after which no more begin once there are three."""
MATRIX = 1 << 28
"""Bytes that a matrix may have for the dense engine to be tried, 256 MiB."""
LEAST = 1.05
"""How much faster another engine must be than "rows", which needs the least memory, to be taken."""

_log = logging.getLogger("potentiate")


def choose(edges: Edges, samples: int, iterations: int, dtype: torch.dtype) -> str:
    """Return the name of the fastest engine for a forward and backward pass of so many samples.

    Cost: a lookup; the first time for a size on this machine about half a second.
    """
    if samples == 0 or len(edges.sources) == 0:
        return "rows"
    known, size = _read(), describe(edges, samples, iterations)
    if not isinstance(known.get(_machine()), dict):
        known[_machine()] = {}
    entry = known[_machine()].get(f"{size}, {str(dtype).removeprefix('torch.')}")
    if isinstance(entry, dict) and entry.get("engine") in ENGINES:
        return str(cast("dict[str, Any]", entry)["engine"])
    times = timed(edges, samples, iterations, dtype)
    best = min(times, key=lambda name: times[name] * (1.0 if name == "rows" else LEAST))
    found = {"engine": best, "milliseconds": {k: round(1e3 * v, 4) for k, v in times.items()}}
    known[_machine()][f"{size}, {str(dtype).removeprefix('torch.')}"] = found
    _write(known)
    others = ", ".join(f"{k} {1e3 * v:.2f} ms" for k, v in sorted(times.items(), key=_seconds))
    _log.info("%s: engine '%s' (%s), kept in %s", size, best, others, _path())
    return best


def describe(edges: Edges, samples: int, iterations: int) -> str:
    """Return the size that a choice is made for, in words."""
    targets, sources = len(edges.ends) - 1, len(edges.back_ends) - 1
    rounds = f" x {iterations}" if iterations > 1 else ""
    threads = torch.get_num_threads()
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{targets} x {sources}, {_rounded(len(edges.sources)):,} edges, batch {samples}{rounds}, {on}"


def _rounded(count: int) -> int:
    """Two digits of a count: what is fastest for so many edges is so for about as many."""
    return int(float(f"{count:.1e}"))


def timed(edges: Edges, samples: int, iterations: int, dtype: torch.dtype) -> dict[str, float]:
    """Return the median seconds of a forward and backward pass by engine, taken in turns."""
    targets, sources = len(edges.ends) - 1, len(edges.back_ends) - 1
    random = torch.Generator().manual_seed(0)
    x = torch.rand(sources, samples, generator=random, dtype=dtype)
    weight = torch.randn(len(edges.sources), generator=random, dtype=dtype)
    weight *= (targets / max(1, len(edges.sources))) ** 0.5
    small = targets * sources * weight.element_size() <= MATRIX
    present = torch.backends.mkl.is_available()  # torch for some processors comes without
    names = [n for n in ENGINES if (n != "dense" or small) and (n != "mkl" or present)]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    begun = perf_counter()
    for turn in range(ROUNDS + 1):  # the first compiles
        for name in names:
            passes, started = 0, perf_counter()
            while not passes or (turn and perf_counter() - started < TURN):
                _pass(x, weight, edges, iterations, name)
                passes += 1
            if turn:  # a while each, because threads that have just worked work faster
                seconds[name].append((perf_counter() - started) / passes)
        if turn >= 3 and perf_counter() - begun > ENOUGH:
            break
    return {name: median(found) for name, found in seconds.items()}


def _pass(x: Tensor, weight: Tensor, edges: Edges, iterations: int, engine: str) -> None:
    with torch.enable_grad():
        x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
        if iterations > 1:
            out = sparse_recurrent(x, weight, edges, iterations, engine)
        else:
            out = sparse_linear(x.t(), weight, edges, engine)
        torch.autograd.grad(out, (x, weight), torch.ones_like(out))


def _seconds(entry: tuple[str, float]) -> float:
    return entry[1]


def _machine() -> str:
    from numba import __version__ as numba

    from potentiate.machine import cpu_model

    return f"{cpu_model()}; torch {torch.__version__}, numba {numba}"


def _path() -> Path:
    import pooch  # type: ignore[import-untyped]

    return Path(str(pooch.os_cache("potentiate"))) / FILE


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _write(known: dict[str, Any]) -> None:
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        _log.info("the choice of engines is not kept (%s)", error)
