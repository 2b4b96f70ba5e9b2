"""Leaky integrate-and-fire neurons over a sequence, with surrogate gradients.

    v_t = beta * m_{t-1} + current_t        integrate
    s_t = 1 if v_t >= threshold else 0      fire
    m_t = v_t - threshold * s_t             reset "subtract"
    m_t = v_t * (1 - s_t)                   reset "zero"

The gradient of s_t by v_t is a surrogate (`SURROGATES`). It flows through the reset as well; with
`detach_reset` the s_t of the reset counts as a constant, as in snnTorch and Norse.

Units: none; beta is exp(-dt / tau) or 1 - dt / tau of the membrane.
Cost: one pass over time for each tile of neighboring neurons. The backward pass integrates again from
    the current instead of reading membranes that were kept, so nothing is kept but the current.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypedDict, Unpack

import torch
from numpy.typing import NDArray
from torch import Tensor

from potentiate.errors import Refused, unknown
from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.lif_cpu import Dynamics, backward, forward
from potentiate.kernels.surrogate import spike, surrogate_of

RESETS = ("subtract", "zero")
GRAIN = 16 * 256  # neurons that are worth a thread
TRITON = find_spec("triton") is not None


class Settings(TypedDict, total=False):
    """What may be set by name."""

    reset: str  # "subtract", the default, or "zero"
    surrogate: str  # a name of SURROGATES, "arctan" by default
    sharpness: float | None  # alpha of the surrogate; None is its default
    detach_reset: bool  # let no gradient through the reset; False by default


def dynamics(
    beta: float,
    threshold: float,
    reset: str = "subtract",
    surrogate: str = "arctan",
    sharpness: float | None = None,
    detach_reset: bool = False,
) -> Dynamics:
    """Return the scalars for settings by name.

    Raises:
        Refused: A name is unknown or a number out of range.
    """
    if reset not in RESETS:
        raise unknown("reset", reset, RESETS)
    if not 0 <= beta <= 1:
        raise Refused(f"beta must lie in [0, 1], got {beta}; it is exp(-dt / tau)")
    if not threshold > 0:
        raise Refused(f"the threshold must be above 0, got {threshold}; scale it with the current")
    found, alpha = surrogate_of(surrogate, sharpness)
    return Dynamics(beta, threshold, reset == "zero", detach_reset, found.code, alpha)


def lif_sequence(
    current: Tensor,
    beta: float,
    threshold: float = 1.0,
    *,
    steps: int | None = None,
    initial: Tensor | None = None,
    **settings: Unpack[Settings],
) -> tuple[Tensor, Tensor]:
    """Run neurons over time and return their spikes [time, ...] and last membranes [...].

    Args:
        current: [time, ...]; or [...], the same at every step, if `steps` is given.
        beta: Share of the membrane that is left after a step, in [0, 1].
        threshold: Membrane at which a neuron fires, above 0.
        steps: Time steps of a constant current. Its gradient is then summed over time as it is
            computed, never stored for each step.
        initial: Membranes before the first step [...]; zero if not given.
        settings: See `Settings`.

    Returns:
        Both in the dtype of `current`. A compiled kernel runs on the CPU and on CUDA devices,
        `lif_sequence_reference` elsewhere; float16 and bfloat16 are computed in float32.

    Raises:
        Refused: A setting is out of range, or `initial` has another shape than a step.

    Example:
        >>> spikes, _ = lif_sequence(torch.tensor([0.6]), 0.5, steps=6)
        >>> spikes[:, 0].tolist()
        [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    """
    if not _compiled_for(current.device):
        return lif_sequence_reference(
            current, beta, threshold, steps=steps, initial=initial, **settings
        )
    rule = dynamics(beta, threshold, **settings)
    drive, start = _wide(current), _wide(_start(current, steps, initial))
    spikes, membrane = _lif(drive, start, -1 if steps is None else steps, list(rule))
    return spikes.to(current.dtype), membrane.to(current.dtype)


def lif_sequence_reference(
    current: Tensor,
    beta: float,
    threshold: float = 1.0,
    *,
    steps: int | None = None,
    initial: Tensor | None = None,
    **settings: Unpack[Settings],
) -> tuple[Tensor, Tensor]:
    """The definition of `lif_sequence`: a loop over the steps that autograd differentiates."""
    rule = dynamics(beta, threshold, **settings)
    surrogate = settings.get("surrogate", "arctan")
    membrane = _start(current, steps, initial)
    drive = current if steps is None else current.expand(steps, *current.shape)
    fired = [drive[:0]]
    for now in drive:
        v = beta * membrane + now
        s = spike(v - threshold, surrogate, rule.alpha)
        fired.append(s[None])
        s = s.detach() if rule.detach else s
        membrane = v * (1 - s) if rule.zero else v - threshold * s
    return torch.cat(fired), membrane


def _start(current: Tensor, steps: int | None, initial: Tensor | None) -> Tensor:
    """Return the first membranes, after checking that the arguments fit each other."""
    if not current.is_floating_point():
        raise Refused(f"the current must be of a floating type, got {current.dtype}; call .float()")
    if steps is None and current.dim() == 0:
        raise Refused("the current has no time axis; give steps for one that is constant in time")
    if steps is not None and steps < 0:
        raise Refused(f"steps must not be negative, got {steps}")
    shape = current.shape[1:] if steps is None else current.shape
    if initial is None:
        return current.new_zeros(shape)
    if initial.shape != shape:
        raise Refused(f"initial must have the shape of a step, {[*shape]}, got {[*initial.shape]}")
    return initial.to(current.dtype)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _compiled_for(device: torch.device) -> bool:
    return device.type == "cpu" or (device.type == "cuda" and TRITON)


@torch.library.custom_op("potentiate::lif", mutates_args=(), device_types="cpu")
def _lif(current: Tensor, initial: Tensor, steps: int, rule: list[float]) -> tuple[Tensor, Tensor]:
    """Spikes and last membranes; `steps` is negative for a current that changes in time."""
    spikes, membrane = _lif_shapes(current, initial, steps, rule)
    drive, fired, start, end = map(_rows(initial), (current, spikes, initial, membrane))
    scalars = Dynamics(*rule).cast(drive.dtype.type)
    over_blocks(
        lambda *part: forward(drive, start[0], fired, end[0], steps < 0, scalars, *part),
        initial.numel(),
        GRAIN,
    )
    return spikes, membrane


@_lif.register_fake
def _lif_shapes(
    current: Tensor, initial: Tensor, steps: int, rule: list[float]
) -> tuple[Tensor, Tensor]:
    time = current.shape[0] if steps < 0 else steps
    return initial.new_empty(time, *initial.shape), initial.new_empty(initial.shape)


@torch.library.custom_op("potentiate::lif_backward", mutates_args=(), device_types="cpu")
def _lif_backward(
    current: Tensor,
    initial: Tensor,
    grad_spikes: Tensor,
    grad_membrane: Tensor,
    steps: int,
    rule: list[float],
) -> tuple[Tensor, Tensor]:
    """Gradients of the current and of the first membranes."""
    out = _lif_backward_shapes(current, initial, grad_spikes, grad_membrane, steps, rule)
    given = (current, initial, grad_spikes, grad_membrane)
    drive, start, gs, gm, g_drive, g_start = map(_rows(initial), (*given, *out))
    scalars = Dynamics(*rule).cast(drive.dtype.type)
    over_blocks(
        lambda *part: backward(
            drive, start[0], gs, gm[0], g_drive, g_start[0], steps < 0, scalars, *part
        ),
        initial.numel(),
        GRAIN,
    )
    return out


@_lif_backward.register_fake
def _lif_backward_shapes(
    current: Tensor,
    initial: Tensor,
    grad_spikes: Tensor,
    grad_membrane: Tensor,
    steps: int,
    rule: list[float],
) -> tuple[Tensor, Tensor]:
    return current.new_empty(current.shape), initial.new_empty(initial.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    current, initial, ctx.steps, ctx.rule = inputs
    ctx.save_for_backward(current, initial)


def _gradient(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
    return *_lif_backward(*ctx.saved_tensors, *grads, ctx.steps, ctx.rule), None, None


_lif.register_autograd(_gradient, setup_context=_setup)


@_lif.register_kernel("cuda")
def _(current: Tensor, initial: Tensor, steps: int, rule: list[float]) -> tuple[Tensor, Tensor]:
    from potentiate.kernels.lif_triton import forward

    return forward(current, initial, steps, Dynamics(*rule))


@_lif_backward.register_kernel("cuda")
def _(
    current: Tensor,
    initial: Tensor,
    grad_spikes: Tensor,
    grad_membrane: Tensor,
    steps: int,
    rule: list[float],
) -> tuple[Tensor, Tensor]:
    from potentiate.kernels.lif_triton import backward

    return backward(current, initial, grad_spikes, grad_membrane, steps, Dynamics(*rule))


def _rows(step: Tensor) -> Callable[[Tensor], NDArray[Any]]:
    """View a tensor of time steps as [time, neurons]; one that is constant in time has one row."""
    width = step.numel()

    def rows(values: Tensor) -> NDArray[Any]:
        time = 1 if values.dim() == step.dim() else values.shape[0]
        return values.detach().reshape(time, width).numpy()

    return rows
