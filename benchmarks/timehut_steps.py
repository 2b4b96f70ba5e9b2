"""A step of TimeHUT's training, ours against its plain spelling, in turns on one thread.

A step is the encoder on two crops with masks, the loss at all scales, the gradients, AdamW, and the average of
the weights. Both learn from the same crops with the same masks, which are made beforehand; before anything is
timed their losses and gradients must agree. "angles" is the cost of the angular margin on top of the softmax contrast.

Run: python benchmarks/timehut_steps.py (about 3 minutes on a quiet machine)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import torch
from records import store
from timehut_plain import PlainEncoder, carry, plain_loss
from torch import Tensor, nn
from turns import middle, show, told, turns

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.loss import Hierarchy
from potentiate.models.timehut.views import Pair, pair

LENGTHS, BATCHES = (24, 96, 136, 286, 640), (8, 16, 32, 64)
POINTS = (*((length, 8) for length in LENGTHS), *((96, batch) for batch in BATCHES[1:]))
TEMPERATURE, ANGULAR, MARGIN = 0.55, 2.0, 0.5
KEPT = 12
"""Crops that the steps go through again and again."""

Step = Callable[[], Tensor]


def ours(encoder: Encoder, data: Sequence[Pair], angular: float) -> Step:
    loss = Hierarchy(instance=angular, temporal=angular, margin=MARGIN)
    return _training(encoder, data, lambda pair: loss(encoder.overlap(pair), TEMPERATURE))


def plain(encoder: PlainEncoder, data: Sequence[Pair], angular: float) -> Step:
    def learned(views: Parts, overlap: int) -> Tensor:
        (first, shown), (second, also) = views
        a, b = encoder(first, shown)[:, -overlap:], encoder(second, also)[:, :overlap]
        return plain_loss(a, b, TEMPERATURE, angular, angular, MARGIN)

    parts = [(apart(pair), pair.overlap) for pair in data]
    return _training(encoder, parts, lambda given: learned(*given))


Parts = Sequence[tuple[Tensor, Tensor]]
"""Of both views, series [series, instants, channels] and what is not hidden of them."""


def apart(pair: Pair) -> Parts:
    sizes = [series * instants for series, instants in pair.segments]
    return [
        (
            rows.unflatten(0, (instants, series)).transpose(0, 1).contiguous(),
            keep.unflatten(0, (instants, series)).t().contiguous(),
        )
        for rows, keep, (series, instants) in zip(
            pair.rows.split(sizes), pair.keep.split(sizes), pair.segments, strict=True
        )
    ]


def _training(encoder: nn.Module, data: Sequence[Any], learned: Callable[[Any], Tensor]) -> Step:
    parameters, mine = list(encoder.parameters()), isinstance(encoder, Encoder)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=mine)
    averaged, done = [p.detach().clone() for p in parameters], 0

    def step() -> Tensor:
        nonlocal done
        optimizer.zero_grad()
        loss = learned(data[done % len(data)])
        loss.backward()
        optimizer.step()
        done += 1
        if mine:
            torch._foreach_lerp_(averaged, [p.detach() for p in parameters], 1 / (done + 1))
        else:
            for mean, now in zip(averaged, parameters, strict=True):
                mean.copy_(mean + (now.detach() - mean) / (done + 1))
        return loss.detach()

    return step


def crops_of(length: int, series: int, *, whole: bool = False) -> list[Pair]:
    """What the steps learn from; with `whole` both views are the whole series, which takes the most."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(series, length, 1, generator=random).cumsum(1) / length**0.5
    if not whole:
        return [pair(x, random) for _ in range(KEPT)]
    keep = torch.rand(2 * length * series, generator=random) < 0.5
    rows = x.transpose(0, 1).flatten(0, 1).repeat(2, 1)
    return [Pair(rows, ((series, length),) * 2, keep, length)]


def both(length: int, series: int, angular: float) -> dict[str, Step]:
    """Ours and the plain one with the same weights, on the same crops and masks."""
    data = crops_of(length, series)
    torch.manual_seed(0)
    mine, other = Encoder(1), PlainEncoder(1)
    carry(mine, other)
    agree(mine, other, data, angular)
    return {"ours": ours(mine, data, angular), "plain": plain(other, data, angular)}


def agree(
    mine: Encoder,
    other: PlainEncoder,
    data: Sequence[Pair],
    angular: float,
) -> None:
    """Refuse to time anything unless losses and gradients are the same, without dropout."""
    found = list[tuple[float, Tensor]]()
    for encoder, kind in ((mine.eval(), ours), (other.eval(), plain)):
        weights = [p.detach().clone() for p in encoder.parameters()]
        loss = float(kind(encoder, data, angular)())
        found.append((loss, encoder.input.weight.grad.clone()))
        with torch.no_grad():
            for parameter, kept in zip(encoder.parameters(), weights, strict=True):
                parameter.copy_(kept)
        encoder.train()
    (loss, gradient), (expected, known) = found
    assert abs(loss - expected) < 1e-4 * abs(expected), (loss, expected)
    assert float((gradient - known).norm() / known.norm()) < 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="two points, to see that it runs")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    start, rows = perf_counter(), list[dict[str, Any]]()
    for length, series in ((24, 8), (30, 4)) if asked.quick else POINTS:
        steps = both(length, series, ANGULAR)
        steps["ours, no angles"] = both(length, series, 0.0)["ours"]
        times = turns(steps, asked.rounds, 0.1)
        row = {
            "length": length,
            "batch": series,
            "ms": {name: middle(kept) for name, kept in times.items()},
            "ratio": over(times["ours"], times["plain"]),
            "angles": over(times["ours, no angles"], times["ours"]),
        }
        rows.append(row)
        print(row, flush=True)
    show(summary(rows))
    print(f"{perf_counter() - start:.0f} s")
    if not asked.dry:
        print(store("timehut-steps", {"rounds": asked.rounds, "rows": rows}, summary(rows)))


def over(ours: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    return middle([b / a for a, b in zip(ours, others, strict=True)])


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"training step of TimeHUT, {row['batch']} series of {row['length']}, one thread",
            "measured": f"{row['ms']['ours']['median']:.3g} ms; plain spelling {told(row['ratio'])} times "
            f"that; with angles {told(row['angles'])} times that without",
            "bar": f">= {3 if (row['length'], row['batch']) == (24, 8) else 2}; <= 1.2",
        }
        for row in rows
    ]


if __name__ == "__main__":
    main()
