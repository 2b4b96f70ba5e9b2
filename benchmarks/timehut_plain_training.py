"""A training of TimeHUT spelled plainly, as its originals are, and the encoding that follows it.

A loader over a data set, crops by fancy indexing, masks from NumPy's draws, two passes, the loss scale by
scale, its value fetched in each step, and PyTorch's own class for the average of the weights. The mathematics,
and how often each thing is drawn, are those of ours; the draws themselves differ.
"""

from __future__ import annotations

from math import cos, pi

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from timehut_plain import PlainEncoder, plain_loss
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, TensorDataset

from potentiate.models.timehut.recipe import Recipe


def plain_learned(
    inputs: NDArray[np.float32], recipe: Recipe, seed: int, *, scheduled: bool = True
) -> nn.Module:
    """Return the averaged encoder of `recipe.epochs` passes over series [n, instants, channels].

    Without `scheduled` the temperature is 1, as that of TS2Vec is.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    size = min(recipe.batch_size, len(inputs))
    loader = DataLoader(
        TensorDataset(torch.from_numpy(inputs)), batch_size=size, shuffle=True, drop_last=True
    )
    encoder = PlainEncoder(inputs.shape[2], recipe.outputs, recipe.hidden, recipe.depth)
    averaged = AveragedModel(encoder)
    averaged.update_parameters(encoder)
    settings = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    optimizer = torch.optim.AdamW(encoder.parameters(), **settings)
    for epoch in range(round(recipe.epochs or 1)):
        temperature = cosine(epoch, recipe) if scheduled else 1.0
        total = 0.0
        for (batch,) in loader:
            optimizer.zero_grad()
            loss = plain_loss(
                *seen_twice(encoder, batch, random),
                temperature,
                recipe.instance,
                recipe.temporal,
                recipe.margin,
            )
            loss.backward()
            optimizer.step()
            averaged.update_parameters(encoder)
            total += loss.item()
    return averaged.eval()


def cosine(epoch: int, recipe: Recipe) -> float:
    """From the highest temperature to the lowest and back, a period in `span / frequency` epochs."""
    turn = 2 * pi * recipe.frequency * epoch / recipe.span
    return recipe.low + (recipe.high - recipe.low) / 2 * (1 + cos(turn))


def seen_twice(
    encoder: PlainEncoder, x: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Representations of the overlap of two random crops, each [series, overlap, outputs]."""
    series, length, _ = x.shape
    overlap = random.integers(min(2, length), length + 1)
    left = random.integers(length - overlap + 1)
    right = left + overlap
    begin, end = random.integers(left + 1), random.integers(right, length + 1)
    offsets = random.integers(-begin, length - end + 1, size=series)
    first = rows_from(x, offsets + begin, right - begin)
    second = rows_from(x, offsets + left, end - left)
    a = encoder(first, half_hidden(first, random))[:, -overlap:]
    b = encoder(second, half_hidden(second, random))[:, :overlap]
    return a, b


def rows_from(x: Tensor, first: NDArray[np.int64], count: int) -> Tensor:
    at = torch.from_numpy(first[:, None] + np.arange(count))
    return x[torch.arange(len(x))[:, None], at]


def half_hidden(x: Tensor, random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.binomial(1, 0.5, size=x.shape[:2])).bool()


def plain_represented(encoder: nn.Module, inputs: Tensor, size: int = 256) -> NDArray[np.float32]:
    """The largest of each number over the instants of a series, [series, outputs], `size` series at a time."""
    encoder.eval()
    found = list[Tensor]()
    with torch.no_grad():
        for (batch,) in DataLoader(TensorDataset(inputs), batch_size=size):
            mask = batch.new_ones(batch.shape[:2]).bool()
            out = encoder(batch, mask).transpose(1, 2)
            found.append(F.max_pool1d(out, out.shape[2]).squeeze(2).cpu())
    return torch.cat(found).numpy()
