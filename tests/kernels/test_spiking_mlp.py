from __future__ import annotations

import numpy as np
import pytest
import torch

from potentiate.errors import Refused
from potentiate.kernels.lif import RESETS, dynamics
from potentiate.kernels.spiking_mlp import (
    Adam,
    Sizes,
    SpikingMLP,
    loss_reference,
    random_parameters,
)
from potentiate.kernels.surrogate import SURROGATES

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])
ANY = [Sizes(2, 16, 2, 3), Sizes(5, 7, 3, 1), Sizes(3, 1, 2, 10), Sizes(1, 20, 4, 5)]


def problem(sizes: Sizes, samples: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters, inputs and targets in double precision."""
    rng = np.random.default_rng(0)
    parameters = random_parameters(sizes, rng) + 0.1 * rng.standard_normal(sizes.parameters)
    return parameters, rng.random((samples, sizes.n_in)), rng.integers(0, sizes.n_out, samples)


@pytest.mark.parametrize("sizes", ANY)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
def test_loss_and_gradient_are_those_of_the_reference(
    sizes: Sizes, reset: str, surrogate: str
) -> None:
    parameters, inputs, targets = problem(sizes)
    rule = dynamics(0.8, 0.7, reset, surrogate)
    loss, grad = SpikingMLP(sizes, parameters.copy(), rule).gradient(inputs, targets)
    vector = torch.tensor(parameters, requires_grad=True)
    expected = loss_reference(
        vector,
        torch.tensor(inputs),
        torch.tensor(targets),
        sizes,
        0.8,
        0.7,
        reset=reset,
        surrogate=surrogate,
    )
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(torch.tensor(grad), torch.autograd.grad(expected, vector)[0])


@pytest.mark.parametrize("sizes", ANY)
def test_a_step_is_one_of_torchs_adam(sizes: Sizes) -> None:
    parameters, inputs, targets = problem(sizes)
    net = SpikingMLP(sizes, parameters.copy(), adam=Adam(lr=0.02, beta1=0.8, eps=1e-6))
    vector = torch.tensor(parameters, requires_grad=True)
    optimizer = torch.optim.Adam([vector], lr=0.02, betas=(0.8, 0.999), eps=1e-6)
    for _ in range(5):
        optimizer.zero_grad()
        given = torch.tensor(inputs), torch.tensor(targets)
        loss = loss_reference(vector, *given, sizes, surrogate="superspike")
        loss.backward()
        optimizer.step()
        assert net.train(inputs, targets, 1) == pytest.approx(loss.item(), rel=1e-10)
        np.testing.assert_allclose(net.parameters, vector.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_many_steps_in_a_call_are_many_calls() -> None:
    sizes = ANY[0]
    start = random_parameters(sizes, np.random.default_rng(1))
    one, many = SpikingMLP(sizes, start.copy()), SpikingMLP(sizes, start.copy())
    for _ in range(30):
        one.train(*XOR, 1)
    many.train(*XOR, 20)
    many.train(*XOR, 10)
    assert np.array_equal(one.parameters, many.parameters)
    assert np.array_equal(one.moments, many.moments)
    assert one.steps == many.steps == 30


def test_xor_is_learned_with_every_seed() -> None:
    for seed in range(20):
        net = SpikingMLP(ANY[0], random_parameters(ANY[0], np.random.default_rng(seed)))
        loss = net.train(*XOR, 1000)
        assert (net.logits(XOR[0]).argmax(1) == XOR[1]).all(), f"seed {seed}, loss {loss}"


def test_what_cannot_be_separated_is_not_learned() -> None:
    net = SpikingMLP(ANY[0], random_parameters(ANY[0], np.random.default_rng(0)))
    loss = net.train(np.zeros_like(XOR[0]), XOR[1], 1000)
    assert loss == pytest.approx(np.log(2), abs=1e-3)


def test_the_logits_are_those_whose_loss_is_reported() -> None:
    parameters, inputs, targets = problem(ANY[1])
    net = SpikingMLP(ANY[1], parameters)
    loss = torch.nn.functional.cross_entropy(
        torch.tensor(net.logits(inputs)), torch.tensor(targets)
    )
    assert net.gradient(inputs, targets)[0] == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros((4, 3)), XOR[1], r"inputs must be \[samples, 2\], got \[4, 3\]"),
        (XOR[0], np.array([0, 1, 2, 0]), "a class below 2 for each of 4 samples"),
        (XOR[0], np.array([0, 1]), "a class below 2 for each of 4 samples"),
        (XOR[0][:0], XOR[1][:0], "one at least"),
    ],
)
def test_data_that_do_not_fit_are_refused(
    inputs: np.ndarray, targets: np.ndarray, message: str
) -> None:
    net = SpikingMLP(ANY[0], random_parameters(ANY[0], np.random.default_rng(0)))
    with pytest.raises(Refused, match=message):
        net.train(inputs, targets, 1)


def test_parameters_of_another_network_are_refused() -> None:
    with pytest.raises(Refused, match=r"has 82 parameters, got \(81,\)"):
        SpikingMLP(Sizes(2, 16, 2, 3), np.zeros(81))


def test_a_network_without_time_is_refused() -> None:
    with pytest.raises(Refused, match="one of everything at least"):
        SpikingMLP(Sizes(2, 16, 2, 0), np.zeros(82))
