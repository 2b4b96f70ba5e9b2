"""The networks of surrogate_gradient.py, ours and the peers', each as a step that can be repeated.

A step is forward and backward without an update. All have the same weights: 784 inputs, 1000 hidden
and 10 output neurons with beta 0.9 and threshold 1, reset by subtraction, and the cross entropy of the
output spikes summed over 25 steps. Each function imports its package itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from potentiate.kernels.lif import lif_sequence
from potentiate.kernels.lif_linear import lif_hidden_layer, lif_linear
from potentiate.kernels.surrogate import spike

STEPS, BATCH, INPUTS, HIDDEN, CLASSES, BETA = 25, 128, 784, 1000, 10, 0.9
DENSITIES = {"poisson": 0.131, "sparse": 0.02}

Forward = Callable[[nn.Linear, nn.Linear, Tensor], Tensor]
"""From both layers and the input to the output spikes summed over time."""


@dataclass(frozen=True)
class Network:
    """A way to compute the network; `differs` says where it is not the network above."""

    name: str
    build: Callable[[], Forward]
    package: str = "torch"
    differs: str = ""
    modes: tuple[str, ...] = ("constant", "poisson", "sparse")
    events: bool = False  # takes spikes as bool, not as float


def inputs(mode: str) -> Tensor:
    """A batch of images [batch, inputs], or of their spikes [time, batch, inputs] as bool.

    A fifth of the pixels are not black, as in MNIST, and spike at most as often as there are steps.
    """
    generator = torch.Generator().manual_seed(0)
    lit = torch.rand(BATCH, INPUTS, generator=generator) < 0.19
    images = lit * (0.4 + 0.6 * torch.rand(BATCH, INPUTS, generator=generator))
    if mode == "constant":
        return images
    rates = images * (DENSITIES[mode] / images.mean())
    return torch.rand(STEPS, BATCH, INPUTS, generator=generator) < rates


def step_of(network: Network, mode: str) -> Callable[[], tuple[float, list[Tensor]]]:
    """Return a step, which returns its loss and the gradients of the four parameters."""
    forward = network.build()
    torch.manual_seed(1)
    layers = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
    parameters = [p for layer in layers for p in layer.parameters()]
    given, targets = inputs(mode), torch.randint(0, CLASSES, (BATCH,))
    if given.dtype == torch.bool and not network.events:
        given = given.float()

    def step() -> tuple[float, list[Tensor]]:
        loss = F.cross_entropy(forward(*layers, given), targets)
        return loss.item(), list(torch.autograd.grad(loss, parameters))

    return step


def over_time(given: Tensor) -> list[Tensor]:
    return [given] * STEPS if given.dim() == 2 else list(given)


def ours() -> Forward:
    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        last = second.weight, second.bias
        if given.dim() == 2:
            current = lif_linear(first(given), *last, BETA, steps=STEPS)
        else:
            current = lif_hidden_layer(given, first.weight, first.bias, *last, BETA)
        return lif_sequence(current, BETA)[0].sum(0)

    return forward


def ours_in_layers() -> Forward:
    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        steps = STEPS if given.dim() == 2 else None
        spikes, _ = lif_sequence(first(given), BETA, steps=steps)
        return lif_sequence(second(spikes), BETA)[0].sum(0)

    return forward


def plain_torch(hoisted: bool = False, fire: Callable[[Tensor], Tensor] = spike) -> Forward:
    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        currents = over_time(first(given)) if hoisted else map(first, over_time(given))
        hidden = output = total = torch.zeros(())
        for current in currents:
            v = BETA * hidden + current
            s = fire(v - 1)
            hidden = v - s
            v = BETA * output + second(s)
            s = fire(v - 1)
            output = v - s
            total = total + s
        return total

    return forward


def straight_through(u: Tensor) -> Tensor:
    """The same spike for a compiler that cannot look into a custom function."""
    smooth = torch.atan(math.pi * u) / math.pi
    return smooth + ((u >= 0).float() - smooth).detach()


def compiled_torch() -> Forward:
    torch._dynamo.reset()
    return torch.compile(plain_torch(hoisted=True, fire=straight_through))


def snntorch() -> Forward:
    from snntorch import Leaky, surrogate

    slope = surrogate.atan(alpha=2.0)
    neurons = [Leaky(BETA, spike_grad=slope) for _ in range(2)]

    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        hidden, output = (neuron.reset_mem() for neuron in neurons)
        total = torch.zeros(())
        for now in over_time(given):
            s, hidden = neurons[0](first(now), hidden)
            s, output = neurons[1](second(s), output)
            total = total + s
        return total

    return forward


def norse() -> Forward:
    from norse.torch import LIFBoxCell, LIFBoxParameters

    rule = LIFBoxParameters(tau_mem_inv=torch.tensor(100.0), v_th=torch.tensor(0.1))
    cells = LIFBoxCell(rule), LIFBoxCell(rule)

    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        hidden = output = None
        total = torch.zeros(())
        for now in over_time(given):
            s, hidden = cells[0](first(now), hidden)
            s, output = cells[1](second(s), output)
            total = total + s
        return total

    return forward


def spikingjelly() -> Forward:
    from spikingjelly.activation_based import neuron, surrogate

    layers = [
        neuron.LIFNode(
            tau=1 / (1 - BETA),
            decay_input=False,
            v_reset=None,
            surrogate_function=surrogate.ATan(),
            step_mode="m",
        )
        for _ in range(2)
    ]

    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        for layer in layers:
            layer.reset()
        current = first(given)
        if current.dim() == 2:
            current = current.expand(STEPS, *current.shape)
        return layers[1](second(layers[0](current))).sum(0)

    return forward


NETWORKS = [
    Network("potentiate", ours, "potentiate", events=True),
    Network("potentiate, dense products and stored spikes", ours_in_layers, "potentiate"),
    Network("snnTorch", snntorch, "snntorch", "no gradient through the reset; spikes above 1"),
    Network("Norse", norse, "norse", "another surrogate; no gradient through the reset"),
    Network("SpikingJelly", spikingjelly, "spikingjelly"),
    Network("torch, step by step", plain_torch),
    Network("torch, one product for all steps", lambda: plain_torch(hoisted=True)),
    Network("torch.compile of it", compiled_torch, modes=()),
]
PEERS = ("snnTorch", "Norse", "SpikingJelly")


def by_name(name: str) -> Network:
    return next(network for network in NETWORKS if network.name == name)


def xor_networks() -> Mapping[str, Callable[[], Callable[[], Any]]]:
    """The network 2-16-2 of peers on XOR: what builds a step of forward, backward and Adam."""
    return {"torch": xor_torch, "snnTorch": xor_snntorch, "SpikingJelly": xor_spikingjelly}


def xor_step(forward: Callable[[nn.Linear, nn.Linear, Tensor], Tensor]) -> Callable[[], Any]:
    layers = nn.Linear(2, 16), nn.Linear(16, 2)
    optimizer = torch.optim.Adam([p for each in layers for p in each.parameters()], lr=0.01)
    given = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    targets = torch.tensor([0, 1, 1, 0])

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(forward(*layers, given), targets).backward()
        optimizer.step()

    return step


def xor_torch() -> Callable[[], Any]:
    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        current = first(given)
        hidden = output = total = torch.zeros(())
        for _ in range(3):
            v = BETA * hidden + current
            s = spike(v - 1, "superspike")
            hidden = v - s
            output = BETA * output + second(s)
            total = total + output
        return total

    return xor_step(forward)


def xor_snntorch() -> Callable[[], Any]:
    from snntorch import Leaky, surrogate

    slope = surrogate.fast_sigmoid(25)
    spiking = Leaky(BETA, spike_grad=slope)
    leaky = Leaky(BETA, spike_grad=slope, reset_mechanism="none")

    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        hidden, output, total = spiking.reset_mem(), leaky.reset_mem(), torch.zeros(())
        for _ in range(3):
            s, hidden = spiking(first(given), hidden)
            _, output = leaky(second(s), output)
            total = total + output
        return total

    return xor_step(forward)


def xor_spikingjelly() -> Callable[[], Any]:
    from spikingjelly.activation_based import neuron, surrogate

    layer = neuron.LIFNode(
        tau=1 / (1 - BETA),
        decay_input=False,
        v_reset=None,
        surrogate_function=surrogate.ATan(),
        step_mode="m",
    )

    def forward(first: nn.Linear, second: nn.Linear, given: Tensor) -> Tensor:
        layer.reset()
        return second(layer(first(given).expand(3, 4, 16))).sum(0)

    return xor_step(forward)
