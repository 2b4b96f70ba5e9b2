"""Orders are balanced as promised, and designs recover planted effects."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.errors import Refused
from potentiate.study import design

NAMES = "abcdefghijklmnopq"


@given(st.integers(1, 17))
def test_williams_balances_slots_and_first_order_carry_over(k: int) -> None:
    rows = design.williams(NAMES[:k])
    assert all(sorted(row) == sorted(NAMES[:k]) for row in rows)
    slots = Counter((slot, arm) for row in rows for slot, arm in enumerate(row))
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(slots) == k * k
    assert len(set(slots.values())) == 1
    assert len(follows) == k * (k - 1)
    assert len(set(follows.values())) <= 1


@given(st.integers(1, 17), st.integers(0, 40), st.integers(0, 5))
def test_every_two_blocks_are_mirror_images(k: int, blocks: int, seed: int) -> None:
    orders = design.block_orders(NAMES[:k], blocks, seed)
    assert len(orders) == blocks
    assert all(sorted(order) == sorted(NAMES[:k]) for order in orders)
    assert all(a[::-1] == b for a, b in zip(orders[::2], orders[1::2], strict=False))
    assert orders == design.block_orders(NAMES[:k], blocks, seed)


@pytest.mark.parametrize("k", [2, 3, 4, 7, 16])
def test_a_full_period_balances_carry_over(k: int) -> None:
    orders = design.block_orders(NAMES[:k], k if k % 2 == 0 else 2 * k, seed=3)
    follows = Counter(pair for order in orders for pair in pairwise(order))
    assert len(follows) == k * (k - 1)
    assert len(set(follows.values())) == 1


def test_two_arms_run_abba_and_the_seed_permutes_labels() -> None:
    first, second = design.block_orders(["base", "arm"], 2, seed=0)
    assert first == second[::-1]
    starts = {design.block_orders(["base", "arm"], 1, seed)[0][0] for seed in range(20)}
    assert starts == {"base", "arm"}


def test_arms_must_be_named_once() -> None:
    with pytest.raises(Refused, match="name every arm once"):
        design.block_orders(["a", "a"], 4)


def test_plackett_burman_is_orthogonal_and_its_fold_over_frees_main_effects() -> None:
    runs = design.plackett_burman_12()
    np.testing.assert_array_equal(runs.T @ runs, 12 * np.eye(11))
    np.testing.assert_array_equal(runs.sum(axis=0), 0)
    folded = design.fold_over(runs)
    products = np.stack([folded[:, i] * folded[:, j] for i in range(11) for j in range(i)])
    assert folded.shape == (24, 11)
    assert not (products @ folded).any()
    assert (products[:, :12] @ runs).any()


def test_full_factorial_is_complete() -> None:
    runs = design.full_factorial(3)
    assert len({tuple(row) for row in runs.tolist()}) == 8
    assert runs[0].tolist() == [-1, -1, -1]


def planted(runs: design.Design, noise: float) -> list[float]:
    """Factor 0 takes 30 % off, factor 1 20 %, but both together give 15 % back."""
    on = (runs + 1) / 2
    clean = np.log(0.7) * on[:, 0] + np.log(0.8) * on[:, 1] + np.log(1.15) * on[:, 0] * on[:, 1]
    return list(clean + np.random.default_rng(5).normal(0.0, noise, len(runs)))


def test_effects_are_recovered_exactly_without_noise() -> None:
    runs = design.full_factorial(3)
    effects = design.fit_log_effects(runs, planted(runs, 0.0), [(1, 0)])
    assert effects[0, 1].estimate == pytest.approx(math.log(1.15))
    assert effects[(0,)].estimate == pytest.approx(math.log(0.7) + math.log(1.15) / 2)
    assert effects[(2,)].estimate == pytest.approx(0.0, abs=1e-12)


def test_standard_errors_are_honest() -> None:
    runs = design.fold_over(design.plackett_burman_12())
    effects = design.fit_log_effects(runs, planted(runs, 0.02), [(0, 1)])
    main, joint = effects[(0,)], effects[0, 1]
    # An effect is a difference of two means of twelve runs each.
    assert main.error == pytest.approx(0.02 * math.sqrt(2 / 12), rel=0.5)
    assert abs(joint.estimate - math.log(1.15)) < 4 * joint.error
    saturated = design.fit_log_effects(runs[:12], planted(runs[:12], 0.02))
    assert saturated[(0,)].error == math.inf


def test_senseless_fits_are_refused() -> None:
    runs = design.full_factorial(2)
    with pytest.raises(Refused, match="as many finite"):
        design.fit_log_effects(runs, [0.0, 0.0, 0.0, math.inf])
    with pytest.raises(Refused, match="cannot tell"):
        design.fit_log_effects(runs[:2], [0.0, 0.1])
