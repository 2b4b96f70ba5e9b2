"""How little an instant is what those before it made expect: its representation, hidden and seen, compared.

Source: Yue et al. 2022, arXiv:2106.10466, after Ren et al. 2019, arXiv:1906.03821, for the adjustment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.sliding import sliding

ROUNDING = 1e-5
"""Of the largest score: what is usual is taken as no less, or rounding would be strange."""


def surprise(encoder: Encoder, inputs: Tensor, before: int) -> NDArray[np.float64]:
    """Return the L1 distance between what each instant means where it is hidden and where it is seen.

    Args:
        encoder: Left in evaluation mode.
        inputs: Standardized series [series, instants, channels].
        before: Instants before each that are looked at; what follows it is not.

    Returns:
        [series, instants]; NaN where a value is missing, for a missing instant is hidden both times.
    """
    seen, hidden = (sliding(encoder, inputs, before, hide=hide) for hide in (False, True))
    scores = (seen - hidden).abs().sum(-1).double().numpy()
    scores[inputs.isnan().any(-1).numpy()] = np.nan
    return scores


def adjusted(scores: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return by how much scores exceed the mean of the `window` before them, as a share of it.

    Args:
        scores: [series, instants], NaN where there is none.
        window: Instants.

    Returns:
        [series, instants]; NaN where there is no score, or too little to hold it against: fewer than `window`
        instants come before it, or half of those have none.

    Example:
        >>> adjusted(np.array([[1.0, 3.0, 2.0, 6.0]]), 2).tolist()
        [[nan, nan, 0.0, 1.4]]
    """
    out = np.full_like(scores, np.nan)
    if scores.shape[1] > window:
        windows = np.lib.stride_tricks.sliding_window_view(scores[:, :-1], window, axis=1)
        known = np.isfinite(windows)
        count = known.sum(-1)
        usual = np.where(known, windows, 0.0).sum(-1) / np.maximum(count, 1)
        least = ROUNDING * np.nanmax(scores, initial=0.0) + np.finfo(np.float32).tiny
        share = (scores[:, window:] - usual) / np.maximum(usual, least)
        out[:, window:] = np.where(2 * count >= window, share, np.nan)
    return out
