from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.lif import RESETS, dynamics, lif_sequence_reference
from potentiate.kernels.lif_linear import _hidden, _readout, lif_hidden_layer, lif_linear
from potentiate.kernels.surrogate import SURROGATES

SIZES = [(7, 3, 5, 2), (1, 1, 300, 3), (9, 2, 515, 10), (300, 3, 20, 1), (5, 2, 0, 2), (5, 0, 4, 2)]
EMPTY = [(0, 3, 4, 2), (4, 2, 5, 0)]  # time, batch, hidden, n_out


@pytest.fixture(autouse=True)
def _poisoned() -> Iterator[None]:
    """Fill what torch leaves uninitialized with nan, so that a forgotten write cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def drawn(*shapes: tuple[int, ...], scale: float = 0.7) -> list[Tensor]:
    return [(torch.randn(s, dtype=torch.float64) * scale).requires_grad_() for s in shapes]


def assert_same(found: Tensor, expected: Tensor, by: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected)
    above = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, by, above), torch.autograd.grad(expected, by, above)
    )


def separate(current: Tensor, weight: Tensor, bias: Tensor | None, **given: Any) -> Tensor:
    return F.linear(lif_sequence_reference(current, 0.9, **given)[0], weight, bias)


@pytest.mark.parametrize("sizes", SIZES + EMPTY)
@pytest.mark.parametrize("constant", [False, True])
def test_a_linear_layer_after_the_neurons(sizes: tuple[int, ...], constant: bool) -> None:
    time, batch, hidden, n_out = sizes
    shape = (batch, hidden) if constant else (time, batch, hidden)
    current, weight, bias = drawn(shape, (n_out, hidden), (n_out,))
    steps = time if constant else None
    found = lif_linear(current, weight, bias, 0.9, steps=steps)
    assert found.shape == (time, batch, n_out)
    assert_same(found, separate(current, weight, bias, steps=steps), [current, weight, bias])


@pytest.mark.parametrize("sizes", SIZES + EMPTY)
@pytest.mark.parametrize("n_in", [0, 1, 30])
def test_a_hidden_layer_between_two_linear_ones(sizes: tuple[int, ...], n_in: int) -> None:
    time, batch, hidden, n_out = sizes
    spikes = torch.rand(time, batch, n_in) < 0.3
    by = drawn((hidden, n_in), (hidden,), (n_out, hidden), (n_out,))
    found = lif_hidden_layer(spikes, *by, 0.9, dense_above=1.0)
    expected = separate(F.linear(spikes.double(), *by[:2]), *by[2:])
    assert_same(found, expected, by)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
@pytest.mark.parametrize("detach_reset", [False, True])
def test_every_rule(reset: str, surrogate: str, detach_reset: bool) -> None:
    rule = {"reset": reset, "surrogate": surrogate, "detach_reset": detach_reset}
    current, weight, w_in = drawn((6, 2, 40), (3, 40), (40, 20))
    found = lif_linear(current, weight, None, 0.9, **rule)
    assert_same(found, separate(current, weight, None, **rule), [current, weight])
    spikes = (torch.rand(6, 2, 20) < 0.2).to(torch.uint8)
    found = lif_hidden_layer(spikes, w_in, None, weight, None, 0.9, dense_above=1.0, **rule)
    assert_same(found, separate(spikes.double() @ w_in.T, weight, None, **rule), [w_in, weight])


def test_single_precision_more_axes_and_many_outputs() -> None:
    current, weight = (t.detach().float() for t in drawn((4, 2, 3, 50), (7, 50)))
    torch.testing.assert_close(
        lif_linear(current, weight, None, 0.9), separate(current, weight, None)
    )
    wide = torch.randn(100, 50)
    torch.testing.assert_close(lif_linear(current, wide, None, 0.9), separate(current, wide, None))


def test_dense_spikes_give_the_same() -> None:
    spikes = torch.rand(6, 2, 20) < 0.7
    by = drawn((40, 20), (40,), (3, 40), (3,))
    found = [lif_hidden_layer(spikes, *by, 0.9, dense_above=d) for d in (0.0, 1.0)]
    assert_same(found[0], found[1], by)


def test_threads_change_no_more_than_the_order_of_a_sum() -> None:
    spikes = torch.rand(6, 3, 50) < 0.1
    by = drawn((900, 50), (900,), (3, 900), (3,))
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        out = lif_hidden_layer(spikes, *by, 0.9)
        found.append((out, *torch.autograd.grad(out.square().sum(), by)))
    torch.set_num_threads(1)
    torch.testing.assert_close(found[0], found[1])


def test_the_operators_keep_the_promises_of_custom_operators() -> None:
    current, weight, w_in, b_in = drawn((4, 2, 5), (3, 5), (5, 6), (5,))
    rule = list(dynamics(0.9, 1.0))
    torch.library.opcheck(_readout, (current, weight, 4, rule))
    torch.library.opcheck(_hidden, (torch.rand(4, 2, 6) < 0.5, w_in, b_in, weight, rule))


def test_it_compiles_into_one_graph() -> None:
    torch._dynamo.reset()
    current, weight, bias = drawn((4, 2, 33), (3, 33), (3,))
    run = torch.compile(lif_linear, backend="aot_eager", fullgraph=True)
    assert_same(
        run(current, weight, bias, 0.9),
        separate(current, weight, bias),
        [current, weight, bias],
    )


def test_the_count_of_spikes_may_break_the_graph() -> None:
    torch._dynamo.reset()
    spikes = torch.rand(4, 2, 30) < 0.1
    by = drawn((33, 30), (33,), (3, 33), (3,))
    run = torch.compile(lif_hidden_layer, backend="aot_eager")
    assert_same(run(spikes, *by, 0.9), lif_hidden_layer(spikes, *by, 0.9), by)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match=r"current \[4, 5\] and weight \[2, 6\] do not fit"):
        lif_linear(torch.zeros(4, 5), torch.zeros(2, 6), None, 0.9, steps=3)
    with pytest.raises(Refused, match="no time axis; give steps"):
        lif_linear(torch.zeros(5), torch.zeros(2, 5), None, 0.9)
    spikes = torch.zeros(2, 1, 3, dtype=torch.bool)
    with pytest.raises(Refused, match=r"w_in \[5, 3\] and w_out \[2, 6\] do not fit"):
        lif_hidden_layer(spikes, torch.zeros(5, 3), None, torch.zeros(2, 6), None, 0.9)
    with pytest.raises(Refused, match=r"spikes must be \[time, batch, n_in\], got \[1, 3\]"):
        lif_hidden_layer(spikes[0], torch.zeros(5, 3), None, torch.zeros(2, 5), None, 0.9)
    with pytest.raises(Refused, match="spikes must be bool or uint8"):
        lif_hidden_layer(spikes.float(), torch.zeros(5, 3), None, torch.zeros(2, 5), None, 0.9)
