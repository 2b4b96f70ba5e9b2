"""The encoder: what each instant of a series means in its surroundings, by dilated convolutions.

Source: Yue et al. 2022, arXiv:2106.10466 (TS2Vec).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.kernels.dilated import Segment, dilated_block
from potentiate.models.timehut.views import Pair

TAPS = 3


class Block(nn.Module):
    """x + conv(gelu(conv(gelu(x)))), through a map of its own where the width changes.

    Args:
        channels: Of the input.
        outputs: Of the output.
        dilation: Instants between two taps.
        mapped: Whether the way around has a map although the width stays.
    """

    def __init__(self, channels: int, outputs: int, dilation: int, *, mapped: bool = False) -> None:
        super().__init__()
        self.dilation = dilation
        self.first, self.first_bias = _taps(TAPS, channels, outputs)
        self.second, self.second_bias = _taps(TAPS, outputs, outputs)
        self.around = nn.Linear(channels, outputs) if mapped or channels != outputs else None

    def forward(self, x: Tensor, segments: Sequence[Segment]) -> Tensor:
        """Return rows x [rows, channels] as [rows, outputs]."""
        first, second = (self.first, self.first_bias), (self.second, self.second_bias)
        around = None if self.around is None else (self.around.weight, self.around.bias)
        return dilated_block(x, first, second, around, self.dilation, segments)


class Encoder(nn.Module):
    """Series, an instant a row, to representations of their instants.

    Args:
        channels: Of the series.
        outputs: Numbers that represent an instant.
        hidden: Width within.
        depth: Blocks of that width, the dilation of each twice that of the one before; one more follows.
        dropout: Share of the output that is left out in training.

    Attributes:
        recompute: Whether blocks are computed again on the way back, which keeps one array of each and not two.
    """

    def __init__(
        self,
        channels: int,
        outputs: int = 320,
        hidden: int = 64,
        depth: int = 10,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("outputs", outputs), ("hidden", hidden)):
            if value < 1:
                raise Refused(f"{name}={value} is refused: it must be at least 1")
        if depth < 0 or not 0 <= dropout <= 0.99:
            raise Refused(
                f"depth={depth} and dropout={dropout} are refused: depth >= 0, 0 <= dropout <= 0.99"
            )
        self.channels, self.outputs, self.dropout = channels, outputs, dropout
        self.recompute = False  # blocks but the last keep their input alone for the way back
        self.input = nn.Linear(channels, hidden)
        self.blocks = nn.ModuleList(Block(hidden, hidden, 2**i) for i in range(depth))
        self.blocks.append(Block(hidden, outputs, 2**depth, mapped=True))

    def forward(
        self, x: Tensor, segments: Sequence[Segment] | None = None, keep: Tensor | None = None
    ) -> Tensor:
        """Return the representations, in the shape of x with `outputs` for its channels.

        Args:
            x: [instants, series, channels], NaN where a value is missing; or rows [rows, channels], the
                `segments` one after another, each time-major.
            segments: What the rows are; without, `x` is one.
            keep: Truth values [rows]: the instants that are not hidden after the first map.
        """
        if segments is None:
            instants, series, _ = x.shape
            out: Tensor = self.forward(x.flatten(0, 1), ((series, instants),), keep)
            return out.view(instants, series, -1)
        h = self._within(x, keep)
        for block in self.blocks:
            h = self._through(block, h, segments)
        return dropped(h, self.dropout) if self.training else h

    def overlap(self, views: Pair) -> Tensor:
        """Return what both views see, [instants, 2, series, outputs].

        Where a dilation reaches beyond the ends of the views, a row sees itself alone: from there on
        rows beside the overlap are left out, which is exact.
        """
        h, segments, blocks = self._within(views.rows, views.keep), views.segments, [*self.blocks]
        longest = max(instants for _, instants in segments)
        while blocks and cast("Block", blocks[0]).dilation < longest:
            h = self._through(blocks.pop(0), h, segments)
        h = torch.stack(views.seen(h), 1)
        shape, h = h.shape, h.flatten(0, 2)
        for block in blocks:
            h = self._through(block, h, ((len(h), 1),))
        h = dropped(h, self.dropout) if self.training else h
        return h.view(*shape[:3], -1)

    def _through(self, block: nn.Module, h: Tensor, segments: Sequence[Segment]) -> Tensor:
        again = self.recompute and torch.is_grad_enabled() and block is not self.blocks[-1]
        return _recomputed(block, h, segments) if again else block(h, segments)

    def _within(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Rows as the first block sees them: mapped, and nothing where a value is missing or hidden."""
        missing = x.isnan().any(-1, keepdim=True)
        h = self.input(x.masked_fill(missing, 0.0))
        return h.masked_fill(missing if keep is None else missing | ~keep[:, None], 0.0)


def dropped(x: Tensor, share: float) -> Tensor:
    """Return x with about this share of its numbers left out, to a 65,536th, and the others enlarged.

    Sixteen random bits decide on a number, a quarter of what PyTorch's own dropout draws for it.
    """
    if not share:
        return x
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    bits = draws.random_(-(1 << 63), None).view(torch.int16)[: x.numel()].view_as(x)
    kept = bits >= round(share * 65536) - 32768
    return x * (kept.to(x.dtype) / (1 - share))


def _recomputed(block: nn.Module, h: Tensor, segments: Sequence[Segment]) -> Tensor:
    from torch.utils import checkpoint

    recomputing: Any = checkpoint
    return recomputing.checkpoint(
        block, h, segments, use_reentrant=False, preserve_rng_state=False
    )  # nothing in a block is drawn


def _taps(taps: int, channels: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight [taps, channels, outputs] and bias, uniform in +-1 / sqrt(taps * channels) as `nn.Conv1d` has them."""
    bound = (taps * channels) ** -0.5
    weight = torch.empty(taps, channels, outputs).uniform_(-bound, bound)
    return nn.Parameter(weight), nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
