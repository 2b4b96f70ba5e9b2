"""The two contrasts in one pass against their definition: values, gradients, odd cases."""

from __future__ import annotations

import pytest
import torch

from potentiate.errors import Refused
from potentiate.kernels.contrast import contrast, contrast_reference


def rows(groups, pairs, channels, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(groups, 2 * pairs, channels, generator=generator, dtype=dtype)
    return z.requires_grad_()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 4), (2, 5, 3), (24, 8, 16), (8, 24, 16)])
@pytest.mark.parametrize(
    "options", [{}, {"weight": 0.3, "angular": 2.0}, {"angular": 0.7, "margin": 1.9}]
)
@pytest.mark.parametrize("temperature", [0.15, 1.0])
def test_values_and_gradients_are_those_of_the_definition(shape, options, temperature):
    z = rows(*shape)
    mine, theirs = (f(z, temperature, **options) for f in (contrast, contrast_reference))
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)
    a, b = (torch.autograd.grad(3.0 * loss, z)[0] for loss in (mine, theirs))
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("apart", [None, 1])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 4), (2, 5, 3), (24, 8, 16), (2, 70, 320), (3, 301, 4)]
)
@pytest.mark.parametrize(
    "options", [{}, {"weight": 0.3, "angular": 2.0}, {"angular": 0.7, "margin": 3.1}]
)
def test_the_compiled_loops_are_the_definition(shape, options, apart, monkeypatch):
    monkeypatch.setattr("potentiate.kernels.contrast_cpu.CACHED", 1 << 12)  # some portions
    monkeypatch.setattr("potentiate.kernels.contrast_cpu.FEW", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        z = rows(*shape, dtype=torch.float32)
        exact = z.detach().double().requires_grad_()
        mine = contrast(z, 0.3, **options, apart=apart)
        (a,) = torch.autograd.grad(3.0 * mine, z)
    finally:
        torch.set_num_threads(before)
    theirs = contrast_reference(exact, 0.3, **options, apart=apart)
    (b,) = torch.autograd.grad(3.0 * theirs, exact)
    torch.testing.assert_close(mine.double(), theirs, rtol=2e-5, atol=2e-6)
    torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-5 * float(b.abs().max()) + 1e-6)


def test_rows_may_lie_in_memory_as_they_like():
    z = rows(5, 4, 6, dtype=torch.float32).detach()
    turned = z.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    losses = [contrast(x, 0.5, angular=1.0) for x in (z.requires_grad_(), turned)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, x)[0] for loss, x in zip(losses, (z, turned), strict=True))
    )


@pytest.mark.parametrize("size", [1e3, 1e4])
def test_large_similarities_keep_their_digits(size):
    z = (rows(2, 6, 8, dtype=torch.float32).detach() * size**0.5).requires_grad_()
    exact = z.detach().double().requires_grad_()
    (a,) = torch.autograd.grad(contrast(z, 0.1), z)
    (b,) = torch.autograd.grad(contrast_reference(exact, 0.1), exact)
    assert float((a - b).norm() / b.norm()) < 1e-3


@pytest.mark.parametrize("pairs", [1, 3, 20])
@pytest.mark.parametrize("angular", [0.0, 2.0])
def test_what_is_not_a_number_is_not_hidden(pairs, angular):
    for bad in (float("nan"), float("inf")):
        z = rows(2, pairs, 4, dtype=torch.float32).detach()
        z[1, pairs, 2] = bad
        assert not torch.isfinite(contrast(z, 0.5, angular=angular))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": 3.2}, "margin"),
        ({"weight": -1.0}, "weights"),
        ({"angular": -1.0}, "weights"),
        ({"apart": 3}, "do not pair"),
    ],
)
def test_settings_that_make_no_loss_are_refused(options, words):
    with pytest.raises(Refused, match=words):
        contrast(rows(1, 4, 2), 1.0, **options)


@pytest.mark.parametrize("angular", [0.0, 2.0])
def test_equal_views_opposite_ones_and_zeros_have_finite_gradients(angular):
    z = rows(2, 3, 4, dtype=torch.float32).detach()
    z[0, 3:] = z[0, :3]  # views alike
    z[1, 3:] = -z[1, :3]
    z[1, 0] = 0.0
    z.requires_grad_()
    loss = contrast(z, 0.1, angular=angular)
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_angles_are_averaged_so_their_weight_depends_on_neither_batch_nor_length():
    small, large = (
        contrast(torch.eye(2 * pairs)[None], 1.0, weight=0.0, angular=1.0, margin=3.0)
        for pairs in (20, 80)
    )
    right = 1.5707963  # all are at right angles: negatives (3 - pi/2)^2, views (pi/2)^2
    for loss, pairs in ((small, 20), (large, 80)):
        share = 1 / (2 * pairs - 1)
        expected = share * right**2 + (1 - share) * (3 - right) ** 2
        assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_views_are_drawn_together_and_near_negatives_apart():
    """A step down the gradient of each part does what its name says."""
    z = rows(1, 4, 8, seed=3)
    for options in ({"weight": 1.0}, {"weight": 0.0, "angular": 1.0, "margin": 2.5}):
        (gradient,) = torch.autograd.grad(contrast(z, 0.5, **options), z)
        before, after = (
            torch.nn.functional.normalize(v.detach()[0], dim=-1) for v in (z, z - 0.1 * gradient)
        )
        assert (after[:4] * after[4:]).sum() > (before[:4] * before[4:]).sum()


@pytest.mark.parametrize("shape", [(1, 3, 2), (4, 2), (0, 2, 2), (1, 0, 2)])
def test_what_is_no_pairs_is_refused(shape):
    with pytest.raises(Refused, match="2n"):
        contrast(torch.zeros(shape), 1.0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf"), 1e19])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(Refused, match="above 0"):
        contrast(rows(1, 1, 2), temperature)
