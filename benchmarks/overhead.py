"""What the engine costs per step against the same loop written by hand, interleaved in one run.

Both train the same network with the same optimizer on the same samples in the same order; the hand
loop has no check for numbers that are not finite, no clock and no events. Blocks of the loops
alternate, forth and back, and blocks that are neighbors give one difference; the hand loop runs
twice, so that the noise is seen. Run: python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import statistics
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from records import store
from torch import nn

from potentiate.data.batches import epoch_order
from potentiate.engine import train
from potentiate.models.cnn import cnn
from potentiate.models.supervised import Parts, supervised


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


def by_hand(size: Size) -> Iterator[object]:
    """The loop that everybody writes; yields after each step."""
    torch.manual_seed(0)
    model = size.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    inputs, targets = data(size)
    model.train()
    for epoch in count():
        for rows in epoch_order(size.samples, 0, epoch).split(size.batch):
            optimizer.zero_grad(set_to_none=True)
            outputs = model(inputs.index_select(0, rows))
            loss = F.cross_entropy(outputs, targets.index_select(0, rows))
            loss.backward()
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


LOOPS = {"hand": by_hand, "engine": by_engine, "hand again": by_hand}


def compared(size: Size) -> dict[str, Any]:
    """Medians of the loops and of their paired differences, in microseconds a step.

    Where a network lies in memory costs a percent here or there, so each round builds all anew.
    """
    times: dict[str, list[float]] = {name: [] for name in LOOPS}
    for turn in range(size.rounds):
        order = list(LOOPS) if turn % 2 == 0 else list(LOOPS)[::-1]
        loops = {name: LOOPS[name](size) for name in order}
        for block in range(-2, size.blocks):  # the first two warm caches and thread pools
            for name in order if block % 2 == 0 else order[::-1]:
                steps = islice(loops[name], size.steps)
                start = perf_counter()
                deque(steps, maxlen=0)
                if block >= 0:
                    times[name].append((perf_counter() - start) / size.steps * 1e6)
    hand = statistics.median(times["hand"])
    middle, low, high = difference(times["engine"], times["hand"], size.blocks)
    noise, *_ = difference(times["hand again"], times["hand"], size.blocks)
    return {
        "network": size.name,
        "weights": sum(weight.numel() for weight in size.network().parameters()),
        "rounds": size.rounds,
        "blocks": size.blocks,
        "steps": size.steps,
        "hand_us": round(hand, 2),
        "engine_us": round(statistics.median(times["engine"]), 2),
        "overhead_us": round(middle, 2),
        "overhead_us_of_rounds": [round(low, 2), round(high, 2)],
        "hand_again_us": round(noise, 2),
        "overhead_percent": round(100 * middle / hand, 2),
    }


def difference(
    longer: Sequence[float], shorter: Sequence[float], blocks: int
) -> tuple[float, float, float]:
    """Median of the rounds' median differences, and the least and greatest of them."""
    pairs = [b - a for a, b in zip(shorter, longer, strict=True)]
    rounds = [statistics.median(pairs[i : i + blocks]) for i in range(0, len(pairs), blocks)]
    return statistics.median(rounds), min(rounds), max(rounds)


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"engine over the same loop by hand, {row['network']} ({row['weights']:,} weights)",
            "measured": f"{row['overhead_us']:.0f} us on {row['hand_us'] / 1000:.2f} ms a step "
            f"({row['overhead_percent']:.1f} %)",
            "bar": "20 us a step; 1 % at 5 ms",
        }
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    figures = [compared(size) for size in SIZES]
    for row in figures:
        print(
            f"{row['network']} ({row['weights']:,} weights): by hand {row['hand_us']} us a step, "
            f"engine {row['engine_us']}, "
            f"overhead {row['overhead_us']} us (rounds {row['overhead_us_of_rounds']}; by hand "
            f"again {row['hand_again_us']}), {row['overhead_percent']} %"
        )
    if not asked.dry:
        print(store("overhead", {"threads": asked.threads, "rows": figures}, summary(figures)))


if __name__ == "__main__":
    main()
