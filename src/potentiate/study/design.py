"""In which order arms run, and which combinations: balanced orders and factorial designs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused

Design = NDArray[np.int64]
"""Shape (runs, factors): +1 where a factor is on, -1 where it is off."""

_GENERATOR = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)


def williams(arms: Sequence[str]) -> list[list[str]]:
    """Rows of a Williams design: every arm precedes every other equally often.

    Source: Williams, Aust. J. Sci. Res. A 2, 1949. An even number of arms k needs k rows; an odd
    one 2k, the second half being the mirror images of the first.
    """
    count = len(arms)
    # 0, 1, k-1, 2, k-2, ...: neighbors differ by every distance once, which the shifts then spread.
    zigzag = [(i + 1) // 2 if i % 2 else -(i // 2) for i in range(count)]
    rows = [[arms[(step + shift) % count] for step in zigzag] for shift in range(count)]
    return rows if count % 2 == 0 else rows + [row[::-1] for row in rows]


def block_orders(arms: Sequence[str], blocks: int, seed: int = 0) -> list[list[str]]:
    """The order of the arms in each block, balanced against drift, slot and carry-over effects.

    Blocks come in pairs, a Williams row and its mirror image (AB, BA for two arms), so that after
    every second block each arm has had the same mean slot; a full period is a Williams design. The
    seed permutes the labels, anew for every period.

    Args:
        arms: Names, the baseline among them.
        blocks: Number of blocks; each holds every arm once.
        seed: Seed of the permutation.

    Raises:
        Refused: No arm, an arm named twice, or a negative number of blocks.
    """
    if not arms or len(set(arms)) < len(arms) or blocks < 0:
        raise Refused(f"cannot order {list(arms)} in {blocks} blocks; name every arm once")
    rng = np.random.default_rng(seed)
    count = len(arms)
    orders: list[list[str]] = []
    while len(orders) < blocks:
        shuffled = [arms[int(i)] for i in rng.permutation(count)]
        # With an even count the mirror of a row is a row of the second half.
        halves = williams(shuffled)[: count if count % 2 else count // 2]
        for row in halves:
            orders += [row, row[::-1]]
    return orders[:blocks]


def plackett_burman_12() -> Design:
    """Twelve runs that estimate up to eleven main effects, shape (12, 11).

    Source: Plackett and Burman, Biometrika 33, 1946. Main effects are partly mixed with two-factor
    interactions; `fold_over` separates them.
    """
    rows = [np.roll(_GENERATOR, shift) for shift in range(11)]
    return np.vstack([*rows, -np.ones(11, dtype=np.int64)]).astype(np.int64)


def fold_over(design: Design) -> Design:
    """The design followed by its opposite, which frees main effects of two-factor interactions."""
    return np.vstack([design, -design])


def full_factorial(k: int) -> Design:
    """All combinations of k factors, shape (2^k, k); the first row has everything off."""
    return np.array(list(itertools.product((-1, 1), repeat=k)), dtype=np.int64)


@dataclass(frozen=True)
class Effect:
    """An effect on log time: negative is faster.

    Attributes:
        estimate: A main effect is the change by switching a factor on, averaged over the others; an
            interaction is what both on together add beyond the sum of the two alone.
        error: Standard error; infinite where no run is left to estimate it.
        spare: Degrees of freedom of the error.
    """

    estimate: float
    error: float
    spare: int = 0


Effects = Mapping[tuple[int, ...], Effect]
"""Effects by the columns they concern: `(2,)` is a main effect, `(2, 5)` an interaction."""


def fit_log_effects(
    design: Design, log_times: Sequence[float], pairs: Sequence[tuple[int, int]] = ()
) -> dict[tuple[int, ...], Effect]:
    """Main effects and named two-factor interactions by least squares.

    Args:
        design: Shape (runs, factors) of +1 and -1; repeat rows for repeated blocks.
        log_times: Log times, or better log ratios to the same block's baseline, one per run.
        pairs: Columns of the suspected interactions.

    Raises:
        Refused: Times that do not match or are not finite, or effects that the design cannot tell
            apart.
    """
    times = np.asarray(log_times, dtype=np.float64)
    if times.shape != (len(design),) or not bool(np.isfinite(times).all()):
        raise Refused(
            f"{len(design)} runs need as many finite log times; leave a crashed run's row out"
        )
    keys: list[tuple[int, ...]] = [(i,) for i in range(design.shape[1])]
    keys += [(min(i, j), max(i, j)) for i, j in pairs]
    matrix = np.stack(
        [np.ones(len(design)), *(design[:, key].prod(axis=1) for key in keys)], axis=1
    )
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise Refused(
            f"{len(design)} runs cannot tell {len(keys)} effects apart; fold the design over or "
            "name fewer interactions"
        )
    inverse = np.linalg.inv(matrix.T @ matrix)
    weights = inverse @ matrix.T @ times
    spare = len(times) - matrix.shape[1]
    rest = float(((times - matrix @ weights) ** 2).sum())
    sd = math.sqrt(rest / spare) if spare else math.inf
    return {
        # From -1 to +1 are two units, hence 2 for a main effect and 2 x 2 for an interaction.
        key: Effect(
            2.0 ** len(key) * float(weights[i]),
            2.0 ** len(key) * sd * math.sqrt(inverse[i, i]),
            spare,
        )
        for i, key in enumerate(keys, start=1)
    }
