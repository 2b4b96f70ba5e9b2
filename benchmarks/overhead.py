"""What the engine costs per step against the same loop written by hand, interleaved in one run.

All loops train the same network with the same optimizer on the same samples in the same order. The
hand loop has no check for numbers that are not finite, no clock and no events. A second one has the
engine's check and nothing else of it, so that the cost is seen in two parts: what the check takes,
and what all else takes. A third repeats the first, so that the noise is seen. Blocks of the loops
take turns in random order; the blocks of a turn are compared with each other. On one thread the clock is
the CPU time of the process, which stands still while other programs hold the core. The allocator
keeps what is freed: by default glibc may give it back in every step and fault it in again, which
costs any of the loops up to 3 %, as the addresses fall.

Run: python benchmarks/overhead.py (about 6 minutes on a quiet machine)
"""

from __future__ import annotations

import argparse
import ctypes
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from math import isfinite
from time import perf_counter, process_time
from typing import Any

import torch
import torch.nn.functional as F
from records import store
from torch import nn

from potentiate.data.batches import epoch_order
from potentiate.engine import train
from potentiate.finite import GradientCheck
from potentiate.models.cnn import cnn
from potentiate.models.supervised import Parts, supervised

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**30  # bytes


@dataclass(frozen=True)
class Size:
    """A network, the samples it learns from, and how long a block of it is."""

    name: str
    network: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    samples: int
    steps: int
    blocks: int
    rounds: int


def perceptron(inputs: int, hidden: int) -> Callable[[], nn.Module]:
    layers = ((inputs, hidden), (hidden, hidden), (hidden, 10))
    return lambda: nn.Sequential(
        *(part for each in layers for part in (nn.Linear(*each), nn.ReLU()))
    )


def digits() -> nn.Module:
    return cnn(8, 8, padding=1)


SIZES = (
    Size(
        "tiny perceptron", perceptron(8, 8), (8,), 16, samples=1600, steps=500, blocks=12, rounds=9
    ),
    Size("cnn/digits", digits, (1, 8, 8), 64, samples=1280, steps=10, blocks=24, rounds=15),
    Size("cnn/mnist", cnn, (1, 28, 28), 64, samples=640, steps=5, blocks=12, rounds=9),
    # The check reads every gradient, so many weights per multiplication are its worst case.
    Size("wide perceptron", perceptron(784, 832), (784,), 96, 1920, steps=10, blocks=24, rounds=9),
)


def data(size: Size) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(size.samples, *size.shape, generator=random)
    return inputs, torch.randint(0, 10, (size.samples,), generator=random)


def by_hand(size: Size, *, checked: bool = False) -> Iterator[object]:
    """The loop that everybody writes, or that with the engine's check; yields after each step."""
    torch.manual_seed(0)
    model = size.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    sound = GradientCheck(list(model.parameters()))
    inputs, targets = data(size)
    model.train()
    for epoch in count():
        for rows in epoch_order(size.samples, 0, epoch).split(size.batch):
            optimizer.zero_grad(set_to_none=True)
            outputs = model(inputs.index_select(0, rows))
            loss = F.cross_entropy(outputs, targets.index_select(0, rows))
            loss.backward()
            if checked and not (isfinite(loss.item()) and sound()):
                raise FloatingPointError("a loss or a gradient is not finite")
            optimizer.step()
            yield loss


def by_engine(size: Size) -> Iterator[object]:
    """The same training by `train`, which evaluates at the very end only."""
    part = data(size)
    workload = supervised(
        "overhead",
        size.network,
        lambda: Parts(part, part, part),
        epochs=1e6,
        evaluate_every=1e6,
        batch_size=size.batch,
        optimizer="SGD",
        lr=1e-3,
    )
    events = train(workload, warmup=0, test=False)
    next(events)
    return events


LOOPS = {
    "hand": by_hand,
    "engine": by_engine,
    "hand checked": partial(by_hand, checked=True),
    "hand again": by_hand,
}


def compared(size: Size) -> dict[str, Any]:
    """Medians of the loops and of their paired differences, in microseconds a step.

    Where a network lies in memory costs a percent here or there, so each round builds all anew.
    """
    now = process_time if torch.get_num_threads() == 1 else perf_counter
    shuffled = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in range(size.rounds):
        order = shuffled.sample(list(LOOPS), len(LOOPS))
        loops = {name: LOOPS[name](size) for name in order}
        for block in range(-2, size.blocks):  # the first two warm allocator and thread pools
            for name in shuffled.sample(order, len(order)):
                next(loops[name])  # the loop before has filled the caches with data of its own
                steps = islice(loops[name], size.steps)
                start = now()
                deque(steps, maxlen=0)
                if block >= 0:
                    times[name].append((now() - start) / size.steps * 1e6)

    def between(longer: str, shorter: str) -> tuple[float, list[float]]:
        return difference(times[longer], times[shorter], size.blocks)

    hand = statistics.median(times["hand"])
    overhead, overheads = between("engine", "hand")
    check, checks = between("hand checked", "hand")
    rest, rests = between("engine", "hand checked")
    noise, noises = between("hand again", "hand")
    return {
        "network": size.name,
        "weights": sum(weight.numel() for weight in size.network().parameters()),
        "rounds": size.rounds,
        "blocks": size.blocks,
        "steps": size.steps,
        "hand_us": round(hand, 2),
        "engine_us": round(statistics.median(times["engine"]), 2),
        "overhead_us": overhead,
        "overhead_us_of_rounds": overheads,
        "overhead_percent": round(100 * overhead / hand, 2),
        "check_us": check,
        "check_us_of_rounds": checks,
        "rest_us": rest,
        "rest_us_of_rounds": rests,
        "hand_again_us": noise,
        "hand_again_us_of_rounds": noises,
    }


def difference(
    longer: Sequence[float], shorter: Sequence[float], blocks: int
) -> tuple[float, list[float]]:
    """Median of the rounds' median differences, and their two quartiles."""
    pairs = [b - a for a, b in zip(shorter, longer, strict=True)]
    rounds = [statistics.median(pairs[i : i + blocks]) for i in range(0, len(pairs), blocks)]
    low, middle, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return round(middle, 2), [round(low, 2), round(high, 2)]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"engine over the same loop by hand, {row['network']} ({row['weights']:,} weights)",
            "measured": f"{row['overhead_us']:.0f} us on {row['hand_us'] / 1000:.2f} ms a step "
            f"({row['overhead_percent']:.1f} %): check {row['check_us']:.0f} us, "
            f"rest {row['rest_us']:.0f} us",
            "bar": "20 us a step; 1 % at 5 ms",
        }
        for row in rows
    ]


def keep_freed_memory() -> None:
    """Tell glibc neither to trim its heap nor to map large blocks apart; elsewhere do nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, KEPT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--rounds", type=int, help="the same number for all networks")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    figures = list[dict[str, Any]]()
    for size in SIZES:
        row = compared(replace(size, rounds=asked.rounds) if asked.rounds else size)
        print(
            f"{row['network']} ({row['weights']:,} weights): by hand {row['hand_us']} us a step, "
            f"overhead {row['overhead_us']} us ({row['overhead_percent']} %), half of the rounds in "
            f"{row['overhead_us_of_rounds']}; check {row['check_us']} {row['check_us_of_rounds']}, "
            f"rest {row['rest_us']} {row['rest_us_of_rounds']}, by hand again {row['hand_again_us']} "
            f"{row['hand_again_us_of_rounds']}",
            flush=True,
        )
        figures.append(row)
    if not asked.dry:
        print(store("overhead", {"threads": asked.threads, "rows": figures}, summary(figures)))


if __name__ == "__main__":
    main()
