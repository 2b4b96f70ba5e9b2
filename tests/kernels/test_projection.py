"""A plastic projection's own loops, where the circuit's definition does not reach."""

from __future__ import annotations

import numpy as np

from potentiate.kernels.projection import consolidate, fade, normalize


def test_no_weight_exceeds_its_largest_by_normalization():
    weight = np.array([[0.6, 0.1, 0.2], [0.3, 0.1, 0.0], [0.0, 0.0, 0.5]], np.float32)
    columns, room = np.array([0, 1], np.int32), np.empty(3, np.float32)
    normalize(weight, columns, 2, np.float32(1.2), np.float32(0.7), room)
    np.testing.assert_allclose(weight[:, 0], [0.7, 0.4, 0.0], rtol=1e-6)  # 0.8 is more than allowed
    np.testing.assert_allclose(weight[:, 1], [0.6, 0.6, 0.0], rtol=1e-6)
    np.testing.assert_array_equal(weight[:, 2], np.float32([0.2, 0.0, 0.5]))  # not asked for


def test_a_column_of_zeros_stays():
    weight, column = np.zeros((2, 1), np.float32), np.zeros(1, np.int32)
    normalize(weight, column, 1, np.float32(1.0), np.float32(1.0), np.empty(1, np.float32))
    assert not weight.any()


def test_both_kinds_of_weights_move_towards_what_the_other_was():
    weight, slow = np.full((2, 2), 1.0, np.float32), np.zeros((2, 2), np.float32)
    consolidate(weight, slow, np.float32(0.25), np.float32(0.5))
    np.testing.assert_array_equal(weight, np.full((2, 2), 0.75, np.float32))
    np.testing.assert_array_equal(slow, np.full((2, 2), 0.5, np.float32))


def test_what_is_not_there_does_not_fade():
    fade(np.empty((0, 0), np.float32), np.float32(0.5))
    importance = np.ones((2, 3), np.float32)
    fade(importance, np.float32(0.5))
    assert (importance == 0.5).all()
