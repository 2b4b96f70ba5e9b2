"""Series as an encoder learns from them: no longer than it pays, in the middle, none without a value.

Source: Yue et al. 2022, arXiv:2106.10466, and the code published with it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from potentiate.errors import Refused


def learnable(inputs: Tensor, longest: int) -> Tensor:
    """Return what views are taken of: pieces of series, centered, without those that hold no value.

    Args:
        inputs: Series [n, instants, channels], NaN where a value is missing; returned as they are where
            they are short, begin and end with values and all have one.
        longest: Instants of a piece, at most.

    Raises:
        Refused: None holds a value.
    """
    parts = centered(pieces(inputs, longest))
    empty = parts.isnan().flatten(1).all(1)
    if empty.all():
        raise Refused("no training series holds a value; give at least one")
    return parts[~empty] if empty.any() else parts


def pieces(inputs: Tensor, longest: int) -> Tensor:
    """Cut series [n, instants, channels] along time into equal pieces, each a series of its own.

    The last piece of a series has NaN behind its end, where instants are no multiple of the pieces.

    Example:
        >>> pieces(torch.arange(5.0).view(1, 5, 1), 2)[:, :, 0]
        tensor([[0., 1.],
                [2., 3.],
                [4., nan]])
    """
    count = -(-inputs.shape[1] // longest)
    if count < 2:
        return inputs
    length = -(-inputs.shape[1] // count)
    whole = F.pad(inputs, (0, 0, 0, count * length - inputs.shape[1]), value=float("nan"))
    return cast("Tensor", whole.unflatten(1, (count, length))).flatten(0, 1)


def centered(inputs: Tensor) -> Tensor:
    """Move series [n, instants, channels] that begin or end with missing instants into the middle.

    What is missing in front and behind becomes equal, the odd instant behind; gaps within stay.

    Example:
        >>> nan = float("nan")
        >>> centered(torch.tensor([[1.0, nan, 2.0, nan, nan, nan]]).unsqueeze(-1))[0, :, 0]
        tensor([nan, 1., nan, 2., nan, nan])
    """
    here = ~inputs.isnan().all(2)
    front, behind = here.int().argmax(1), here.flip(1).int().argmax(1)
    if not (front + behind).any():
        return inputs
    shift = (front + behind) // 2 - front
    at = (torch.arange(inputs.shape[1]) - shift[:, None]) % inputs.shape[1]
    return inputs.gather(1, at[:, :, None].expand_as(inputs))
