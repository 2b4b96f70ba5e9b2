"""A step of TimeHUT's training, ours against its plain spelling, in turns on one thread.

A step is two crops, the encoder with masks, the loss at all scales, the gradients, AdamW, and the average of
the weights. Both learn from the same crops with the same masks; before anything is timed their losses and
gradients must agree. "angles" is the cost of the angular margin on top of the softmax contrast.

Run: python benchmarks/timehut_steps.py (about 3 minutes on a quiet machine)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import torch
from records import store
from timehut_plain import PlainEncoder, plain_loss
from torch import Tensor
from turns import middle, show, told, turns

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.loss import Hierarchy
from potentiate.models.timehut.views import Views, binomial, crops

LENGTHS, BATCHES = (24, 96, 136, 286, 640), (8, 16, 32, 64)
POINTS = (*((length, 8) for length in LENGTHS), *((96, batch) for batch in BATCHES[1:]))
TEMPERATURE, ANGULAR, MARGIN = 0.55, 2.0, 0.5
KEPT = 12
"""Crops that the steps go through again and again."""

Step = Callable[[], Tensor]


def ours(encoder: Encoder, data: Sequence[tuple[Views, Tensor, Tensor]], angular: float) -> Step:
    loss = Hierarchy(instance=angular, temporal=angular, margin=MARGIN)

    def learned(views: Views, first: Tensor, second: Tensor) -> Tensor:
        series = views.first.shape[1]
        rows = torch.cat([views.first.flatten(0, 1), views.second.flatten(0, 1)])
        segments = (series, len(views.first)), (series, len(views.second))
        out = encoder(rows, segments, torch.cat([first.flatten(), second.flatten()]))
        middle = views.first.numel() // views.first.shape[-1]
        last = middle - views.overlap * series
        a, b = out[last:middle], out[middle : middle + views.overlap * series]
        shape = views.overlap, series
        return loss(a.unflatten(0, shape), b.unflatten(0, shape), TEMPERATURE)

    return _training(encoder, data, learned, in_one=True)


def plain(
    encoder: PlainEncoder, data: Sequence[tuple[Views, Tensor, Tensor]], angular: float
) -> Step:
    def learned(views: Views, first: Tensor, second: Tensor) -> Tensor:
        a = encoder(views.first.transpose(0, 1), first.t())[:, -views.overlap :]
        b = encoder(views.second.transpose(0, 1), second.t())[:, : views.overlap]
        return plain_loss(a, b, TEMPERATURE, angular, angular, MARGIN)

    return _training(encoder, data, learned, in_one=False)


def _training(
    encoder: torch.nn.Module,
    data: Sequence[tuple[Views, Tensor, Tensor]],
    learned: Callable[..., Tensor],
    *,
    in_one: bool,
) -> Step:
    parameters = list(encoder.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=in_one)
    averaged, done = [p.detach().clone() for p in parameters], 0

    def step() -> Tensor:
        nonlocal done
        optimizer.zero_grad()
        loss = learned(*data[done % len(data)])
        loss.backward()
        optimizer.step()
        done += 1
        if in_one:
            torch._foreach_lerp_(averaged, [p.detach() for p in parameters], 1 / (done + 1))  # pyright: ignore
        else:
            for mean, now in zip(averaged, parameters, strict=True):
                mean.copy_(mean + (now.detach() - mean) / (done + 1))
        return loss.detach()

    return step


def pair(length: int, series: int, angular: float) -> dict[str, Step]:
    """Ours and the plain one with the same weights, on the same crops and masks."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(length, series, 1, generator=random).cumsum(0) / length**0.5
    data = list[tuple[Views, Tensor, Tensor]]()
    for _ in range(KEPT):
        views = crops(x, 0, random)
        masks = (binomial(series, len(part), random) for part in (views.first, views.second))
        data.append((views, *masks))
    torch.manual_seed(0)
    mine, other = Encoder(1), PlainEncoder(1)
    carry(mine, other)
    agree(mine, other, data, angular)
    return {"ours": ours(mine, data, angular), "plain": plain(other, data, angular)}


def carry(mine: Encoder, other: PlainEncoder) -> None:
    """Give the plain encoder the weights of ours."""
    with torch.no_grad():
        for name, given in mine.input.named_parameters():
            other.input.get_parameter(name).copy_(given)
        for block, plain_block in zip(mine.blocks, other.blocks, strict=True):
            for weight, bias, conv in (
                (block.first, block.first_bias, plain_block.first),
                (block.second, block.second_bias, plain_block.second),
            ):
                conv.weight.copy_(weight.permute(2, 1, 0))
                conv.bias.copy_(bias)
            if block.around is not None:
                plain_block.around.weight.copy_(block.around.weight[..., None])
                plain_block.around.bias.copy_(block.around.bias)


def agree(
    mine: Encoder,
    other: PlainEncoder,
    data: Sequence[tuple[Views, Tensor, Tensor]],
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
        both = pair(length, series, ANGULAR)
        both["ours, no angles"] = pair(length, series, 0.0)["ours"]
        times = turns(both, asked.rounds, 0.1)
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
