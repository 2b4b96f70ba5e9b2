from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
import torch

from potentiate.kernels.blocks import over_blocks


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def parts(total: int, grain: int, threads: int) -> list[tuple[int, int]]:
    torch.set_num_threads(threads)
    seen: list[tuple[int, int]] = []
    over_blocks(lambda first, last: seen.append((first, last)), total, grain)
    return sorted(seen)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("total", [0, 1, 63, 64, 65, 1000])
def test_each_number_is_in_one_part_and_edges_lie_on_the_grain(total: int, threads: int) -> None:
    found = parts(total, 64, threads)
    assert [n for first, last in found for n in range(first, last)] == list(range(total))
    assert all(first % 64 == 0 for first, _ in found)
    assert len(found) == max(1, min(threads, -(-total // 64)))


def test_parts_run_at_the_same_time() -> None:
    torch.set_num_threads(2)
    together = threading.Barrier(2, timeout=30)
    over_blocks(lambda *_: together.wait(), 2, 1)


def test_what_a_part_raises_is_raised() -> None:
    torch.set_num_threads(2)

    def work(first: int, _: int) -> None:
        if first:
            raise ValueError("the second part")

    with pytest.raises(ValueError, match="the second part"):
        over_blocks(work, 2, 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    assert len(parts(2, 1, 2)) == 2
    child = os.fork()
    if child == 0:
        os._exit(0 if len(parts(2, 1, 2)) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
