"""Representations of stretches of time: the largest over windows of instants.

Source: Yue et al. 2022, arXiv:2106.10466.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from potentiate.errors import Refused

Window = int | Literal["full", "multiscale"]


def pooled(z: Tensor, window: Window, *, causal: bool = False) -> Tensor:
    """Return the largest over a window around each instant.

    Args:
        z: [series, instants, outputs].
        window: Instants of a window, the one asked for in its middle. "full": all instants, which leaves
            [series, outputs]. "multiscale": windows of 3, 5, 9, 17 ... instants up to the length of the
            series, one after another in the last axis.
        causal: Windows end at the instant asked for.

    Raises:
        Refused: There is no such window.

    Example:
        >>> z = torch.tensor([[[1.0], [3.0], [2.0], [0.0]]])
        >>> pooled(z, 3).flatten().tolist(), pooled(z, 3, causal=True).flatten().tolist()
        ([3.0, 3.0, 3.0, 2.0], [1.0, 3.0, 3.0, 3.0])
        >>> pooled(z, "full").tolist(), pooled(z, "multiscale").shape
        ([[3.0]], torch.Size([1, 4, 2]))
    """
    if window == "full":
        return z.amax(1)
    if window == "multiscale":
        widths = [2**k + 1 for k in range(1, 64) if k == 1 or 2 ** (k - 1) + 1 < z.shape[1]]
        return torch.cat([_largest(z, width, causal) for width in widths], -1)
    given: Any = window
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise Refused(
            f"window={window!r} is refused; give a number of instants, 'full' or 'multiscale'"
        )
    return _largest(z, window, causal)


def _largest(z: Tensor, width: int, causal: bool) -> Tensor:
    before = width - 1 if causal else width // 2
    ends = before, width - 1 - before
    return F.max_pool1d(F.pad(z.transpose(1, 2), ends, value=-torch.inf), width, 1).transpose(1, 2)
