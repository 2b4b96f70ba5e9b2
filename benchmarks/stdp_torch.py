"""The STDP work by hand in PyTorch, and with the rules and neurons of libraries built on it.

Each function builds once, imports its package itself, and returns what prepares a repetition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from stdp_work import (
    A_MINUS,
    A_PLUS,
    HIDDEN,
    INHIBITION,
    INPUTS,
    RATE,
    REFRACTORY,
    RESET,
    STEPS,
    TAU,
    TAU_TRACE,
    THETA_PLUS,
    THRESHOLD,
    TOTAL,
    Prepare,
    Repetition,
    images,
    weights,
)
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]


def in_torch(network: Callable[[], tuple[Tensor, Callable[[], Step]]], samples: int) -> Prepare:
    """Encode a sample by one comparison, go through its steps, normalize the weight.

    `network()` returns its weight [HIDDEN, INPUTS] and what begins a sample: that returns the step,
    (arriving [1, INPUTS], spikes before [1, HIDDEN]) -> spikes.
    """
    chances = torch.from_numpy(images(samples)) * (RATE / 1000)

    def prepare() -> Repetition:
        weight, begin = network()

        @torch.no_grad()
        def run() -> float:
            total = 0.0
            for chance in chances:
                step, z, spikes = begin(), torch.zeros(1, HIDDEN), torch.zeros(())
                for arriving in (torch.rand(STEPS, 1, INPUTS) < chance).float():
                    z = step(arriving, z)
                    spikes += z.sum()
                weight.mul_(TOTAL / weight.sum(1, keepdim=True))
                total += float(spikes)
            return total

        return run

    return prepare


def rival(z: Tensor) -> Tensor:
    """What each neuron is inhibited by: the spikes of all others."""
    return INHIBITION * (z.sum() - z)


def indexed_torch(samples: int) -> Prepare:
    decay, fade = float(np.exp(-1 / TAU)), float(np.exp(-1 / TAU_TRACE))

    def network() -> tuple[Tensor, Callable[[], Step]]:
        weight, theta = torch.from_numpy(weights()), torch.zeros(HIDDEN)

        def begin() -> Step:
            x, y = torch.zeros(INPUTS), torch.zeros(HIDDEN)
            u, rest = torch.zeros(HIDDEN), torch.zeros(HIDDEN)

            def step(arriving: Tensor, z: Tensor) -> Tensor:
                rows = arriving[0].nonzero().squeeze(1)
                u.mul_(decay).add_((rest <= 0) * (weight[rows].sum(0) - rival(z[0])))
                fired = u > THRESHOLD + theta
                rest.sub_(1).masked_fill_(fired, REFRACTORY)
                u.masked_fill_(fired, RESET)
                theta.add_(fired, alpha=THETA_PLUS)
                x.mul_(fade).index_fill_(0, rows, 1.0)
                y.mul_(fade).masked_fill_(fired, 1.0)
                weight[rows] = (weight[rows] - A_MINUS * y).clamp_(min=0.0)
                if fired.any():
                    columns = fired.nonzero().squeeze(1)
                    weight[:, columns] = (weight[:, columns] + A_PLUS * x[:, None]).clamp_(max=1.0)
                return fired.float()[None]

            return step

        return weight.T, begin

    return in_torch(network, samples)


def snntorch(samples: int) -> Prepare:
    from snntorch import Leaky
    from snntorch.functional.stdp_learner import stdp_linear_single_step

    decay, rule = float(np.exp(-1 / TAU)), (lambda w: A_MINUS, lambda w: A_PLUS)

    def network() -> tuple[Tensor, Callable[[], Step]]:
        layer = torch.nn.Linear(INPUTS, HIDDEN, bias=False).requires_grad_(False)
        layer.weight.copy_(torch.from_numpy(weights().T))
        neurons = Leaky(beta=decay, threshold=THRESHOLD, reset_mechanism="zero")

        def begin() -> Step:
            u, x, y = torch.zeros(1, HIDDEN), None, None

            def step(arriving: Tensor, z: Tensor) -> Tensor:
                nonlocal u, x, y
                z, u = neurons(layer(arriving) - rival(z), u)
                x, y, change = stdp_linear_single_step(
                    layer, arriving, z, x, y, TAU_TRACE, TAU_TRACE, *rule
                )
                layer.weight.add_(change).clamp_(0.0, 1.0)
                return z

            return step

        return layer.weight, begin

    return in_torch(network, samples)


def spikingjelly(samples: int) -> Prepare:
    from spikingjelly.activation_based import functional, neuron

    rule = {"f_pre": lambda w: A_MINUS, "f_post": lambda w: A_PLUS}

    def network() -> tuple[Tensor, Callable[[], Step]]:
        weight = torch.from_numpy(weights().T.copy())
        neurons = neuron.LIFNode(tau=TAU, decay_input=False, v_threshold=THRESHOLD, v_reset=0.0)

        def begin() -> Step:
            neurons.reset()
            traces = torch.zeros(1, INPUTS), torch.zeros(1, HIDDEN)

            def step(arriving: Tensor, z: Tensor) -> Tensor:
                nonlocal traces
                z = neurons(arriving @ weight.T - rival(z))
                change, traces = functional.stdp_linear_step(
                    arriving, z, traces, weight, tau_pre=TAU_TRACE, tau_post=TAU_TRACE, **rule
                )
                weight.add_(change).clamp_(0.0, 1.0)
                return z

            return step

        return weight, begin

    return in_torch(network, samples)


def norse(samples: int) -> Prepare:
    from norse.torch.functional import lif, stdp

    one = torch.ones(())
    cell = lif.LIFParameters(
        v_th=one * THRESHOLD, tau_mem_inv=one * 1000 / TAU, tau_syn_inv=one * 1000
    )
    rule = stdp.STDPParameters(
        eta_minus=A_MINUS, eta_plus=A_PLUS, hardbound=True, w_min=one * 0, w_max=one
    )

    def network() -> tuple[Tensor, Callable[[], Step]]:
        weight = torch.from_numpy(weights().T.copy())

        def begin() -> Step:
            state = lif.LIFFeedForwardState(torch.zeros(1, HIDDEN), torch.zeros(1, HIDDEN))
            traces = stdp.STDPState(torch.zeros(1, INPUTS), torch.zeros(1, HIDDEN))

            def step(arriving: Tensor, z: Tensor) -> Tensor:
                nonlocal state, traces
                drive = TAU * (arriving @ weight.T - rival(z))
                z, state = lif.lif_feed_forward_step(drive, state, cell)
                changed, traces = stdp.stdp_step_linear(arriving, z, weight, traces, rule)
                weight.set_(changed)
                return z

            return step

        return weight, begin

    return in_torch(network, samples)
