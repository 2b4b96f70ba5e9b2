from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from potentiate.errors import Refused
from potentiate.kernels.spike_matmul import (
    _product,
    events_of,
    sparse_enough,
    spike_matmul,
)


@pytest.fixture(autouse=True)
def _poisoned() -> Iterator[None]:
    """Fill what torch leaves uninitialized with nan, so that a forgotten write cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def assert_product(spikes: torch.Tensor, n_out: int, dtype: torch.dtype = torch.float64) -> None:
    weight = torch.randn(spikes.shape[-1], n_out, dtype=dtype, requires_grad=True)
    found, expected = spike_matmul(spikes, weight, 1.0), (spikes != 0).to(dtype) @ weight
    torch.testing.assert_close(found, expected)
    above = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, weight, above), torch.autograd.grad(expected, weight, above)
    )


@settings(max_examples=30)
@given(
    rows=st.integers(0, 600),
    n_in=st.integers(0, 40),
    n_out=st.integers(0, 300),
    density=st.floats(0, 1),
)
def test_product_and_gradient_are_those_of_the_dense_one(
    rows: int, n_in: int, n_out: int, density: float
) -> None:
    assert_product(torch.rand(rows, n_in) < density, n_out)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_more_axes_single_precision_and_bytes(dtype: torch.dtype) -> None:
    assert_product((torch.rand(5, 3, 70) < 0.1).to(torch.uint8) * 7, 130, dtype)
    assert_product(torch.rand(70) < 0.1, 130, dtype)
    assert_product((torch.rand(70, 300) < 0.1).T, 130, dtype)


def test_above_the_given_density_the_dense_product_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the lists were used")

    monkeypatch.setattr("potentiate.kernels.spike_matmul._product", never)
    spikes = torch.zeros(10, 10, dtype=torch.bool)
    spikes[:3] = True
    assert spike_matmul(spikes, torch.ones(10, 2), 0.29).sum() == 60
    with pytest.raises(AssertionError, match="lists were used"):
        spike_matmul(spikes, torch.ones(10, 2), 0.3)


def test_the_density_counts_spikes_not_numbers() -> None:
    assert sparse_enough(torch.tensor([9, 0, 0, 0], dtype=torch.uint8), 0.25)


def test_lists_hold_each_spike_once_by_row_and_by_input() -> None:
    spikes = np.array([[[1, 0, 1]], [[0, 0, 0]], [[0, 0, 1]]], np.uint8)  # [time, batch, inputs]
    events = events_of(spikes, 2)
    assert events.row_ends.tolist() == [0, 2, 2, 3]
    assert events.inputs[:3].tolist() == [0, 2, 2]
    assert events.input_ends.tolist() == [[0, 1, 1, 2], [2, 2, 2, 3]]
    assert events.rows.tolist() == [0, 0, 0]


def test_threads_share_the_work_and_change_nothing() -> None:
    spikes, weight = torch.rand(300, 50) < 0.1, torch.randn(50, 700, requires_grad=True)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        out = spike_matmul(spikes, weight)
        found.append((out, *torch.autograd.grad(out.square().sum(), weight)))
    torch.set_num_threads(1)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_the_operator_keeps_the_promises_of_a_custom_operator() -> None:
    weight = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(_product, (torch.rand(5, 6) < 0.5, weight))


def test_spikes_of_another_type_are_refused() -> None:
    with pytest.raises(
        Refused, match=r"must be bool or uint8, got torch\.float32; write spikes != 0"
    ):
        spike_matmul(torch.zeros(2, 3), torch.zeros(3, 4))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Refused, match=r"spikes \[2, 3\] and weight \[4, 3\] do not fit"):
        spike_matmul(torch.zeros(2, 3, dtype=torch.bool), torch.zeros(4, 3))
