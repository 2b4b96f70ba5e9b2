"""The check that stands between gradients and the update."""

import math

import pytest
import torch

from potentiate.finite import GradientCheck

SMALL, LARGE = (3, 5), (300, 300)


def dense(shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype), torch.linspace(-1, 1, math.prod(shape)).view(shape).to(
        dtype
    )


def sparse(shape):
    weight, _ = dense(shape)
    rows = torch.tensor([[0, 2, 2]])
    return weight, torch.sparse_coo_tensor(
        rows, torch.ones(3, shape[1]), shape, check_invariants=True
    )


def check_of(*pairs):
    weights = [torch.nn.Parameter(weight) for weight, _ in pairs]
    for weight, (_, gradient) in zip(weights, pairs, strict=True):
        weight.grad = gradient
    return GradientCheck(weights)


KINDS = [
    *(
        pytest.param(dense, (shape, dtype), id=f"{size}-{str(dtype)[6:]}")
        for size, shape in (("small", SMALL), ("large", LARGE))
        for dtype in (
            torch.float32,
            torch.float64,
            torch.bfloat16,
            torch.float16,
            torch.complex64,
        )
    ),
    pytest.param(sparse, (SMALL,), id="small-sparse"),
    pytest.param(sparse, (LARGE,), id="large-sparse"),
]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "arguments"), KINDS)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside-sound-ones"])
def test_one_number_that_is_not_finite_is_found_and_forgotten_once_mended(
    kind, arguments, number, alone
):
    weight, gradient = kind(*arguments)
    values = gradient._values() if gradient.is_sparse else gradient
    others = [] if alone else [dense(SMALL), dense(LARGE)]
    check = check_of(*others, (weight, gradient))
    sound = values.clone()
    assert check()
    values[-1, 2] = number
    assert not check()
    values.copy_(sound)
    assert check()


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_numbers_whose_sum_overflows_are_no_error_and_stay_as_they_are(shape, dtype):
    greatest = torch.finfo(dtype).max
    weight, gradient = dense(shape, dtype)
    gradient.fill_(greatest)
    gradient[0, :2] = torch.tensor([-0.0, torch.finfo(dtype).tiny / 4])
    before = gradient.view(torch.uint8).clone()
    assert check_of((weight, gradient))()
    assert torch.equal(gradient.view(torch.uint8), before)


def test_weights_without_a_gradient_are_passed_over():
    bare = torch.zeros(SMALL), None
    assert check_of(bare)()
    weight, gradient = dense(LARGE)
    gradient[7, 7] = math.inf
    assert not check_of(bare, (weight, gradient))()
