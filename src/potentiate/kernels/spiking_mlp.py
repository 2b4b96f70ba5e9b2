"""A small spiking perceptron that learns by surrogate gradients, many steps in one compiled call.

    hidden   LIF neurons on a current that is constant in time, x @ w_in + b_in
    output   leaky integrators that do not spike, y_t = beta * y_{t-1} + w_out @ s_t + b_out
    loss     mean cross entropy of the softmax of y summed over time
    update   Adam on all samples at once

The output is linear, so its sum over time is that of the hidden spikes weighted by what is left of
them, c_t = 1 + beta + ... + beta^(T-1-t): one product for all steps, and its gradient is as simple.

Shapes: inputs [samples, n_in]; targets [samples], class numbers; a parameter vector is w_in
    [n_in, hidden], b_in [hidden], w_out [n_out, hidden], b_out [n_out], one after the other.
Source: Kingma & Ba 2015, arXiv:1412.6980, for Adam; see `potentiate.kernels.lif` for the neurons.
Cost: no allocation and no call of a library inside a step; 2 * samples * hidden * (n_in + n_out +
    time) multiply-adds or so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.lif import Settings, dynamics, lif_sequence_reference
from potentiate.kernels.lif_cpu import Dynamics, differentiate, dot, integrate


class Sizes(NamedTuple):
    """How many of everything."""

    n_in: int
    hidden: int
    n_out: int
    time: int

    @property
    def parameters(self) -> int:
        """Length of the parameter vector."""
        return (self.n_in + 1) * self.hidden + (self.hidden + 1) * self.n_out


class Adam(NamedTuple):
    """Settings of the optimizer; the defaults are the paper's but for the rate."""

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass
class SpikingMLP:
    """A network, its optimizer and what both remember.

    Args:
        sizes: Neurons and time steps.
        parameters: The parameter vector, changed in place; `random_parameters` makes one.
        rule: The neurons; see `potentiate.kernels.lif.dynamics`.
        adam: The optimizer.
    """

    sizes: Sizes
    parameters: NDArray[np.floating[Any]]
    rule: Dynamics = field(default_factory=lambda: dynamics(0.9, 1.0, surrogate="superspike"))
    adam: Adam = field(default_factory=Adam)
    steps: int = 0
    moments: NDArray[np.floating[Any]] = field(init=False)

    def __post_init__(self) -> None:
        if min(self.sizes) < 1:
            raise Refused(f"there must be one of everything at least, got {self.sizes}")
        if self.parameters.shape != (self.sizes.parameters,):
            raise Refused(
                f"a network of {self.sizes} has {self.sizes.parameters} parameters, "
                f"got {self.parameters.shape}; random_parameters makes them"
            )
        self.moments = np.zeros((2, self.sizes.parameters), self.parameters.dtype)

    def train(self, inputs: NDArray[Any], targets: NDArray[Any], steps: int) -> float:
        """Take `steps` steps on all samples and return the loss before the last of them."""
        grad, rooms = np.empty_like(self.parameters), self._rooms(inputs)
        update = self.moments, self.adam, self.steps, steps
        loss = _train(*self._problem(inputs, targets), grad, rooms, *update)
        self.steps += steps
        return loss

    def gradient(
        self, inputs: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[float, NDArray[np.floating[Any]]]:
        """Return the loss and its gradient by the parameter vector."""
        grad, rooms = np.empty_like(self.parameters), self._rooms(inputs)
        return _gradient(*self._problem(inputs, targets), grad, rooms), grad

    def logits(self, inputs: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the outputs summed over time, [samples, n_out]."""
        rooms = self._rooms(inputs)
        _forward(self.parameters, self._data(inputs), self.sizes, self._rule(), rooms)
        return rooms.logits

    def _problem(self, inputs: NDArray[Any], targets: NDArray[Any]) -> tuple[Any, ...]:
        classes = np.arange(self.sizes.n_out)
        if (
            not len(inputs)
            or targets.shape != inputs.shape[:1]
            or not np.isin(targets, classes).all()
        ):
            raise Refused(
                f"targets must be a class below {self.sizes.n_out} for each of {len(inputs)} samples, "
                "of which there must be one at least"
            )
        data = self._data(inputs), targets.astype(np.int64)
        return self.parameters, *data, self.sizes, self._rule()

    def _data(self, inputs: NDArray[Any]) -> NDArray[np.floating[Any]]:
        if inputs.ndim != 2 or inputs.shape[1] != self.sizes.n_in:
            raise Refused(f"inputs must be [samples, {self.sizes.n_in}], got {[*inputs.shape]}")
        return np.ascontiguousarray(inputs, self.parameters.dtype)

    def _rule(self) -> Dynamics:
        return self.rule.cast(self.parameters.dtype.type)

    def _rooms(self, inputs: NDArray[Any]) -> _Rooms:
        neurons, time = (len(inputs) * self.sizes.hidden,), (self.sizes.time,)
        outputs = (len(inputs), self.sizes.n_out)
        shapes = [neurons, neurons, time + neurons, *[neurons] * 5, outputs, time]
        return _Rooms(*(np.empty(shape, self.parameters.dtype) for shape in shapes))


def random_parameters(sizes: Sizes, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return float32 parameters: normal weights of variance 1 / inputs of a neuron, biases of 0."""
    fans = (sizes.n_in, 0, sizes.hidden, 0)
    counts = (sizes.n_in * sizes.hidden, sizes.hidden, sizes.hidden * sizes.n_out, sizes.n_out)
    parts = [
        rng.standard_normal(n) / sqrt(fan) if fan else np.zeros(n)
        for n, fan in zip(counts, fans, strict=True)
    ]
    return np.concatenate(parts).astype(np.float32)


def loss_reference(
    parameters: Tensor,
    inputs: Tensor,
    targets: Tensor,
    sizes: Sizes,
    beta: float = 0.9,
    threshold: float = 1.0,
    **settings: Unpack[Settings],
) -> Tensor:
    """The definition: the equations step by step, which autograd differentiates."""
    n_in, hidden, n_out, time = sizes
    lengths = [n_in * hidden, hidden, n_out * hidden, n_out]
    w_in, b_in, w_out, b_out = parameters.split(lengths)
    current = inputs @ w_in.view(n_in, hidden) + b_in
    spikes, _ = lif_sequence_reference(current, beta, threshold, steps=time, **settings)
    y = total = inputs.new_zeros(len(inputs), n_out)
    for s in spikes:
        y = beta * y + s @ w_out.view(n_out, hidden).T + b_out
        total = total + y
    return torch.nn.functional.cross_entropy(total, targets)


class _Rooms(NamedTuple):
    """What a step is computed in: [samples * hidden] unless said."""

    current: NDArray[Any]  # and then its gradient
    m: NDArray[Any]  # and then its gradient
    u: NDArray[Any]  # [time, samples * hidden], v - threshold
    spikes: NDArray[Any]  # and then their gradient
    weighted: NDArray[Any]  # the sum of c_t s_t
    back: NDArray[Any]  # its gradient
    grad: NDArray[Any]
    slope: NDArray[Any]
    logits: NDArray[Any]  # [samples, n_out], and then their gradient
    left: NDArray[Any]  # [time], c_t


@njit(cache=True, nogil=True, error_model="numpy")
def _train(parameters, inputs, targets, sizes, rule, grad, rooms, moments, adam, before, steps):
    """Take `steps` steps after `before` earlier ones and return the last loss."""
    loss = 0.0
    for step in range(before + 1, before + steps + 1):
        loss = _gradient(parameters, inputs, targets, sizes, rule, grad, rooms)
        _update(parameters, grad, moments[0], moments[1], adam, step)
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def _parts(vector, sizes):
    """View a parameter vector as w_in, b_in, w_out, b_out."""
    a = sizes.n_in * sizes.hidden
    b = a + sizes.hidden
    c = b + sizes.n_out * sizes.hidden
    w_in = vector[:a].reshape(sizes.n_in, sizes.hidden)
    w_out = vector[b:c].reshape(sizes.n_out, sizes.hidden)
    return w_in, vector[a:b], w_out, vector[c:]


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(parameters, inputs, sizes, rule, rooms):
    """Fill the rooms up to the logits."""
    w_in, b_in, w_out, b_out = _parts(parameters, sizes)
    left, zero = rooms.left, parameters.dtype.type(0)
    for t in range(sizes.time - 1, -1, -1):
        left[t] = 1 + (rule.beta * left[t + 1] if t + 1 < sizes.time else zero)
    for n in range(inputs.shape[0]):
        current = rooms.current[n * sizes.hidden : (n + 1) * sizes.hidden]
        current[:] = b_in
        for i in range(sizes.n_in):
            _add_scaled(current, inputs[n, i], w_in[i])
    rooms.m[:] = 0
    rooms.weighted[:] = 0
    for t in range(sizes.time):
        integrate(rooms.m, rooms.current, rooms.u[t], rooms.spikes, rule)
        _add_scaled(rooms.weighted, left[t], rooms.spikes)
    for n in range(inputs.shape[0]):
        spikes = rooms.weighted[n * sizes.hidden : (n + 1) * sizes.hidden]
        for o in range(sizes.n_out):
            rooms.logits[n, o] = left.sum() * b_out[o] + dot(w_out[o], spikes)


@njit(cache=True, nogil=True, error_model="numpy")
def _gradient(parameters, inputs, targets, sizes, rule, grad, rooms):
    """Write the gradient of the mean loss and return the loss."""
    _forward(parameters, inputs, sizes, rule, rooms)
    loss = _cross_entropy(rooms.logits, targets)
    w_in, b_in, w_out, b_out = _parts(grad, sizes)
    grad[:] = 0
    by_weight = _parts(parameters, sizes)[2]
    for n in range(inputs.shape[0]):
        spikes = rooms.weighted[n * sizes.hidden : (n + 1) * sizes.hidden]
        back = rooms.back[n * sizes.hidden : (n + 1) * sizes.hidden]
        back[:] = 0
        for o in range(sizes.n_out):
            d = rooms.logits[n, o]
            b_out[o] += rooms.left.sum() * d
            _add_scaled(w_out[o], d, spikes)
            _add_scaled(back, d, by_weight[o])
    rooms.m[:] = 0
    rooms.current[:] = 0
    for t in range(sizes.time - 1, -1, -1):
        rooms.spikes[:] = 0
        _add_scaled(rooms.spikes, rooms.left[t], rooms.back)
        differentiate(rooms.m, rooms.spikes, rooms.u[t], rooms.slope, rooms.grad, rule)
        _add_scaled(rooms.current, grad.dtype.type(1), rooms.grad)
    for n in range(inputs.shape[0]):
        current = rooms.current[n * sizes.hidden : (n + 1) * sizes.hidden]
        _add_scaled(b_in, grad.dtype.type(1), current)
        for i in range(sizes.n_in):
            _add_scaled(w_in[i], inputs[n, i], current)
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def _cross_entropy(logits, targets):
    """Return the mean cross entropy; the logits become its gradient."""
    loss, samples = 0.0, logits.shape[0]
    for n in range(samples):
        most = logits[n].max()
        loss += (most - logits[n, targets[n]]) / samples
        total = 0.0
        for o in range(logits.shape[1]):
            logits[n, o] = exp(logits[n, o] - most)
            total += logits[n, o]
        loss += log(total) / samples
        for o in range(logits.shape[1]):
            logits[n, o] = (logits[n, o] / total - (o == targets[n])) / samples
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def _update(parameters, grad, first, second, adam, step):
    """Take step number `step` of Adam."""
    kind = parameters.dtype.type
    one, beta1, beta2, eps = kind(1), kind(adam.beta1), kind(adam.beta2), kind(adam.eps)
    rate = kind(adam.lr / (1 - adam.beta1**step))
    scale = kind(1 / sqrt(1 - adam.beta2**step))
    for i in range(parameters.size):
        g = grad[i]
        first[i] = beta1 * first[i] + (one - beta1) * g
        second[i] = beta2 * second[i] + (one - beta2) * g * g
        parameters[i] -= rate * first[i] / (scale * np.sqrt(second[i]) + eps)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_scaled(total, factor, values):
    for j in range(total.size):
        total[j] += factor * values[j]
