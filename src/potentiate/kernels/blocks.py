"""Work on a range, split into a few coarse blocks: one for each of torch's threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def over_blocks(work: Callable[[int, int], object], total: int, grain: int) -> None:
    """Call `work(first, last)` on consecutive parts of 0..total, on as many threads as torch uses.

    The calling thread does the first part. `work` must let go of the interpreter (a kernel compiled
    with nogil). Edges lie on multiples of `grain`, and a part is never smaller than it.
    """
    threads = torch.get_num_threads()
    if threads == 1 or total <= grain:
        work(0, total)
        return
    grains = -(-total // grain)
    parts = min(threads, grains)
    edges = [min(total, grains * part // parts * grain) for part in range(parts + 1)]
    others = [_pool().submit(work, *edges[part : part + 2]) for part in range(1, parts)]
    work(edges[0], edges[1])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="kernel")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
