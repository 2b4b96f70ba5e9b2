"""LIF neurons and the linear layers around them in one, tile by tile of hidden neurons.

    lif_linear          current -> LIF -> linear
    lif_hidden_layer    spikes -> linear -> LIF -> linear

Currents, membranes and spikes of the hidden neurons stay in the caches: nothing of the size
time * batch * hidden is ever stored, for the backward pass neither, which computes it anew. For few
outputs this takes a fraction of the memory of separate layers, and less time.

`lif_linear` compiles into one graph; that spikes are counted breaks the graph of `lif_hidden_layer`.

Shapes: weights as in nn.Linear, [out, in]. Equations, settings and errors are those of
    `potentiate.kernels.lif.lif_sequence`, which computes what is left: other devices than the CPU,
    many outputs, or spikes so dense that a matrix product is faster.
"""

from __future__ import annotations

from math import prod
from typing import Any, Unpack

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels import lif_linear_cpu as loops
from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.lif import Settings, dynamics, lif_sequence
from potentiate.kernels.lif_cpu import TILE, Dynamics
from potentiate.kernels.spike_matmul import (
    COLUMNS,
    DENSE_ABOVE,
    array,
    check_spikes,
    events_by_row,
    events_of,
    sparse_enough,
)

FEW = 64  # outputs up to which the products inside a tile are no slower than one over all steps


def lif_linear(
    current: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    beta: float,
    threshold: float = 1.0,
    *,
    steps: int | None = None,
    **settings: Unpack[Settings],
) -> Tensor:
    """Return `F.linear(lif_sequence(current, ...)[0], weight, bias)`, [time, ..., n_out].

    Args:
        current: [time, ..., hidden]; or [..., hidden], the same at every step, if `steps` is given.
        weight: [n_out, hidden].
        bias: [n_out] or None.
        beta: See `lif_sequence`, as for the rest.
        threshold: Membrane at which a neuron fires.
        steps: Time steps of a constant current.
        settings: See `potentiate.kernels.lif.Settings`.
    """
    _check_fit("current", current, weight)
    if steps is None and current.dim() < 2:
        raise Refused("the current has no time axis; give steps for one that is constant in time")
    time = current.shape[0] if steps is None else steps
    if not _tiled(time, current, weight):
        spikes, _ = lif_sequence(current, beta, threshold, steps=steps, **settings)
        return F.linear(spikes, weight, bias)
    rule = list(dynamics(beta, threshold, **settings))
    drive = current if steps is None else current[None]
    batch = drive.shape[1:-1]
    flat = drive.reshape(drive.shape[0], prod(batch), drive.shape[-1])
    out = _readout(flat, weight, time, rule).reshape(time, *batch, weight.shape[0])
    return out if bias is None else out + bias


def lif_hidden_layer(
    spikes: Tensor,
    w_in: Tensor,
    b_in: Tensor | None,
    w_out: Tensor,
    b_out: Tensor | None,
    beta: float,
    threshold: float = 1.0,
    *,
    dense_above: float = DENSE_ABOVE,
    **settings: Unpack[Settings],
) -> Tensor:
    """Return `lif_linear(F.linear(spikes, w_in, b_in), w_out, b_out, ...)` for sparse spikes.

    Args:
        spikes: [time, batch, n_in], bool or uint8.
        w_in: [hidden, n_in].
        b_in: [hidden] or None.
        w_out: [n_out, hidden].
        b_out: [n_out] or None.
        beta: See `lif_sequence`, as for the rest.
        threshold: Membrane at which a neuron fires.
        dense_above: Share of spikes above which their product with w_in is a dense one.
        settings: See `potentiate.kernels.lif.Settings`.
    """
    check_spikes(spikes)
    if spikes.dim() != 3:
        raise Refused(f"spikes must be [time, batch, n_in], got {[*spikes.shape]}")
    _check_fit("spikes", spikes, w_in)
    if w_in.shape[:1] != w_out.shape[1:]:
        raise Refused(f"w_in {[*w_in.shape]} and w_out {[*w_out.shape]} do not fit")
    rule = list(dynamics(beta, threshold, **settings))
    if not (_tiled(spikes.shape[0], w_in, w_out) and sparse_enough(spikes, dense_above)):
        current = F.linear((spikes != 0).to(w_in.dtype), w_in, b_in)
        return lif_linear(current, w_out, b_out, beta, threshold, **settings)
    bias = w_in.new_zeros(w_in.shape[0]) if b_in is None else b_in
    out = _hidden(spikes, w_in, bias, w_out, rule)
    return out if b_out is None else out + b_out


def _check_fit(name: str, values: Tensor, weight: Tensor) -> None:
    if weight.dim() != 2 or values.shape[-1:] != weight.shape[1:]:
        raise Refused(f"{name} {[*values.shape]} and weight {[*weight.shape]} do not fit")


def _tiled(time: int, values: Tensor, weight: Tensor) -> bool:
    known = values.dtype in (torch.float32, torch.float64) and values.dtype == weight.dtype
    return known and values.device.type == "cpu" and weight.shape[0] <= FEW and time > 0


@torch.library.custom_op("potentiate::lif_linear", mutates_args=(), device_types="cpu")
def _readout(current: Tensor, weight: Tensor, steps: int, rule: list[float]) -> Tensor:
    """Current is [time, batch, hidden], or [1, batch, hidden] if it is constant in time."""
    drive, w = array(current), array(weight)
    scalars = Dynamics(*rule).cast(w.dtype.type)
    shape = (steps, current.shape[1], weight.shape[0])

    def add(out: NDArray[Any], *part: int) -> None:
        loops.forward_current(drive, w, out, scalars, *part)

    return _sum_of_blocks(add, shape, w, TILE)


@_readout.register_fake
def _(current: Tensor, weight: Tensor, steps: int, rule: list[float]) -> Tensor:
    return current.new_empty(steps, current.shape[1], weight.shape[0])


@torch.library.custom_op("potentiate::lif_linear_backward", mutates_args=(), device_types="cpu")
def _readout_backward(
    current: Tensor, weight: Tensor, grad: Tensor, rule: list[float]
) -> tuple[Tensor, Tensor]:
    out = _readout_grads(current, weight, grad, rule)
    given = (*map(array, (current, weight, grad)), *(g.numpy() for g in out))
    scalars = Dynamics(*rule).cast(given[0].dtype.type)
    over_blocks(lambda *part: loops.backward_current(*given, scalars, *part), weight.shape[1], TILE)
    return out


@_readout_backward.register_fake
def _readout_grads(
    current: Tensor, weight: Tensor, grad: Tensor, rule: list[float]
) -> tuple[Tensor, Tensor]:
    return current.new_empty(current.shape), weight.new_empty(weight.shape)


def _setup_readout(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    current, weight, _, ctx.rule = inputs
    ctx.save_for_backward(current, weight)


def _readout_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
    return *_readout_backward(*ctx.saved_tensors, grad, ctx.rule), None, None


_readout.register_autograd(_readout_gradient, setup_context=_setup_readout)


@torch.library.custom_op("potentiate::lif_hidden_layer", mutates_args=(), device_types="cpu")
def _hidden(spikes: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, rule: list[float]) -> Tensor:
    weights = tuple(map(array, (w_in, b_in, w_out)))
    scalars = Dynamics(*rule).cast(weights[0].dtype.type)
    lists = events_by_row(array(spikes))

    def add(out: NDArray[Any], *part: int) -> None:
        loops.forward_events(*lists, *weights, out, scalars, *part)

    return _sum_of_blocks(add, (*spikes.shape[:2], w_out.shape[0]), weights[2], COLUMNS)


@_hidden.register_fake
def _(spikes: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, rule: list[float]) -> Tensor:
    return w_out.new_empty(*spikes.shape[:2], w_out.shape[0])


@torch.library.custom_op(
    "potentiate::lif_hidden_layer_backward", mutates_args=(), device_types="cpu"
)
def _hidden_backward(
    spikes: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, grad: Tensor, rule: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    out = _hidden_grads(spikes, w_in, b_in, w_out, grad, rule)
    given = (*map(array, (w_in, b_in, w_out, grad)), *(g.numpy() for g in out))
    scalars = Dynamics(*rule).cast(given[0].dtype.type)
    time = spikes.shape[0]
    events = events_of(array(spikes), loops.group(time) * time)
    over_blocks(
        lambda *part: loops.backward_events(events, *given, scalars, *part),
        w_in.shape[0],
        COLUMNS,
    )
    return out


@_hidden_backward.register_fake
def _hidden_grads(
    spikes: Tensor, w_in: Tensor, b_in: Tensor, w_out: Tensor, grad: Tensor, rule: list[float]
) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(w.new_empty(w.shape) for w in (w_in, b_in, w_out))


def _setup_hidden(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    *tensors, ctx.rule = inputs
    ctx.save_for_backward(*tensors)


def _hidden_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return None, *_hidden_backward(*ctx.saved_tensors, grad, ctx.rule), None


_hidden.register_autograd(_hidden_gradient, setup_context=_setup_hidden)


def _sum_of_blocks(add: Any, shape: tuple[int, ...], weight: NDArray[Any], grain: int) -> Tensor:
    """Let each block of hidden neurons add to an output of its own, and sum these in order."""
    parts = dict[int, NDArray[Any]]()

    def work(first: int, last: int) -> None:
        parts[first] = np.zeros(shape, weight.dtype)
        add(parts[first], first, last)

    over_blocks(work, weight.shape[1], grain)
    return torch.from_numpy(sum(parts[first] for first in sorted(parts)))
