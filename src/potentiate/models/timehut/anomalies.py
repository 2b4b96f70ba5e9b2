"""How little an instant is what those before it made expect: its representation, hidden and seen, compared.

Source: Yue et al. 2022, arXiv:2106.10466, after Ren et al. 2019, arXiv:1906.03821, for the adjustment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.sliding import sliding


def surprise(encoder: Encoder, inputs: Tensor, before: int) -> NDArray[np.float64]:
    """Return the L1 distance between what each instant means where it is hidden and where it is seen.

    Args:
        encoder: Left in evaluation mode.
        inputs: Standardized series [series, instants, channels].
        before: Instants before each that are looked at; what follows it is not.

    Returns:
        [series, instants]; 0 where the value is missing.
    """
    seen, hidden = (sliding(encoder, inputs, before, hide=hide) for hide in (False, True))
    return (seen - hidden).abs().sum(-1).double().numpy()


def adjusted(scores: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return by how much scores exceed the mean of the `window` before them, as a share of it.

    Args:
        scores: [series, instants].
        window: Instants.

    Returns:
        [series, instants]; 0 where fewer than `window` instants come before, so that nothing is known.

    Example:
        >>> adjusted(np.array([[1.0, 3.0, 2.0, 6.0]]), 2).tolist()
        [[0.0, 0.0, 0.0, 1.4]]
    """
    out = np.zeros_like(scores)
    if scores.shape[1] > window:
        windows = np.lib.stride_tricks.sliding_window_view(scores[:, :-1], window, axis=1)
        usual = windows.mean(-1)
        least = np.finfo(np.float32).tiny
        out[:, window:] = np.where(
            usual > least, (scores[:, window:] - usual) / np.maximum(usual, least), 0.0
        )
    return out
