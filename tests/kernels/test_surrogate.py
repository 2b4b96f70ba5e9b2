from __future__ import annotations

from collections.abc import Callable
from math import atan, inf, pi, tanh

import numpy as np
import pytest
import torch

from potentiate.errors import Refused
from potentiate.kernels.surrogate import SURROGATES, slopes, spike, surrogate_of

NAMES = sorted(SURROGATES)


def compiled(name: str, u: torch.Tensor, alpha: float) -> torch.Tensor:
    out = torch.full_like(u, torch.nan)
    kind = u.numpy().dtype.type
    slopes(SURROGATES[name].code, kind(alpha), u.numpy(), out.numpy())
    return out


@pytest.mark.parametrize(
    ("name", "alpha", "u", "expected"),
    [
        ("superspike", 10.0, 0.1, 1 / 4),
        ("superspike", 10.0, -0.1, 1 / 4),
        ("arctan", 2.0, 1 / pi, 1 / 2),
        ("triangle", 1.0, -0.25, 3 / 4),
        ("triangle", 2.0, 0.6, 0.0),
        ("sigmoid", 4.0, 0.0, 1.0),
        ("sigmoid", 1.0, np.log(3.0), 3 / 16),
    ],
)
def test_the_slope_is_that_of_the_formula(
    name: str, alpha: float, u: float, expected: float
) -> None:
    at = torch.tensor([u], dtype=torch.float64)
    assert SURROGATES[name].slope(at, alpha).item() == pytest.approx(expected, abs=1e-15)
    assert compiled(name, at, alpha).item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "smooth"),
    [
        ("superspike", lambda u, a: u / (1 + a * abs(u))),
        ("arctan", lambda u, a: atan(pi / 2 * a * u) / pi),
        ("triangle", lambda u, a: u - a * u * abs(u) / 2),
        ("sigmoid", lambda u, a: tanh(a * u / 2) / 2),
    ],
)
def test_the_slope_is_the_derivative_of_the_smooth_step(
    name: str, smooth: Callable[[float, float], float]
) -> None:
    alpha = SURROGATES[name].sharpness
    for u in (-0.9, -0.3, -0.01, 0.02, 0.4):
        by_difference = (smooth(u + 1e-6, alpha) - smooth(u - 1e-6, alpha)) / 2e-6
        slope = SURROGATES[name].slope(torch.tensor(u, dtype=torch.float64), alpha).item()
        assert slope == pytest.approx(by_difference, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_the_compiled_slopes_are_those_of_torch(name: str, dtype: torch.dtype) -> None:
    u = torch.cat(
        [torch.linspace(-3, 3, 601, dtype=dtype), torch.tensor([-1e30, 1e30], dtype=dtype)]
    )
    for alpha in (0.5, SURROGATES[name].sharpness):
        found = compiled(name, u, alpha)
        torch.testing.assert_close(found, SURROGATES[name].slope(u, alpha))
        assert found.isfinite().all()


def test_there_may_be_no_neurons() -> None:
    for name in NAMES:
        assert compiled(name, torch.empty(0), 1.0).numel() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_spike_is_a_step_with_the_gradient_of_the_surrogate(name: str) -> None:
    u = torch.tensor([-0.5, -1e-9, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    spikes = spike(u, name, 2.0)
    assert spikes.tolist() == [0.0, 0.0, 1.0, 1.0]
    (grad,) = torch.autograd.grad((3 * spikes).sum(), u)
    torch.testing.assert_close(grad, 3 * SURROGATES[name].slope(u.detach(), 2.0))


def test_codes_are_the_positions_in_the_table() -> None:
    assert [found.code for found in SURROGATES.values()] == list(range(len(SURROGATES)))


def test_the_sharpness_is_the_default_unless_given() -> None:
    assert surrogate_of("arctan") == (SURROGATES["arctan"], 2.0)
    assert surrogate_of("arctan", 5)[1] == 5.0


def test_an_unknown_surrogate_is_refused() -> None:
    with pytest.raises(Refused, match="no surrogate 'arctang'; did you mean 'arctan'"):
        spike(torch.zeros(1), "arctang")


@pytest.mark.parametrize("sharpness", [0.0, -1.0, -inf])
def test_a_sharpness_that_is_not_positive_is_refused(sharpness: float) -> None:
    with pytest.raises(Refused, match="sharpness of 'sigmoid' must be above 0"):
        spike(torch.zeros(1), "sigmoid", sharpness)
