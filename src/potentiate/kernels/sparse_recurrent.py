"""A sparse map of neurons onto themselves, applied again and again in one call.

    h_{k+1}[t, b] = max(0, sum over the edges e into t of  w[e] h_k[source(e), b])

Cost: that of `potentiate.kernels.sparse_linear` for each iteration; the weight gradient of all of them
is one pass over the edges. Memory: the activity of all iterations, and backward its gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import Edges, as_matrix, check, engine_for, operator


def sparse_recurrent(
    h: Tensor, weight: Tensor, edges: Edges, iterations: int, engine: str = "rows"
) -> Tensor:
    """Return activity h [neurons, batch] after so many iterations, [neurons, batch].

    Units come first here, so that a caller who keeps them first pays for no turning.

    Raises:
        Refused: As `sparse_linear`; or the map leads from neurons to others.
    """
    check(h.t(), weight, edges, engine)
    if len(edges.ends) != len(edges.back_ends):
        raise Refused(
            f"a recurrent map has as many targets as sources, got {len(edges.ends) - 1} and {len(h)}"
        )
    if iterations < 1:
        return h
    if engine == "reference":
        return sparse_recurrent_reference(h, weight, edges, iterations)
    return _recur(h.contiguous(), weight, *edges, iterations, engine)[0]


def recurrent_trace(
    h: Tensor, grad: Tensor, weight: Tensor, edges: Edges, iterations: int, engine: str = "rows"
) -> tuple[Tensor, Tensor]:
    """Return what the edges read and what came back to them in every iteration, for rules that look.

    Args:
        h: Activity before the first iteration, [neurons, batch].
        grad: Gradient of the loss with respect to the activity after the last, [neurons, batch].
        weight: [edges].
        edges: The wiring.
        iterations: At least 1.
        engine: As `sparse_linear`.

    Returns:
        Activity [neurons, iterations + 1, batch], and the gradient with respect to the sums that each
        iteration made, [neurons, iterations, batch].
    """
    name = "dense" if engine == "reference" else engine
    run = engine_for(name, weight.device)(edges, weight)
    trace = _ahead(run, h.detach().contiguous(), iterations)
    run.turn(torch.empty_like(weight))
    return trace, _errors(run, trace, grad)


def sparse_recurrent_reference(h: Tensor, weight: Tensor, edges: Edges, iterations: int) -> Tensor:
    """The definition, for activity [neurons, batch]."""
    matrix = as_matrix(weight, edges)
    for _ in range(iterations):
        h = torch.relu(matrix @ h)
    return h


@operator("potentiate::sparse_recurrent")
def _recur(
    h: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    iterations: int,
    engine: str,
) -> tuple[Tensor, Tensor]:
    run = engine_for(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
    trace = _ahead(run, h.detach(), iterations)
    return trace[:, iterations].clone(), trace


def _ahead(run: Any, h: Tensor, iterations: int) -> Tensor:
    trace = h.new_empty(len(h), iterations + 1, h.shape[1])
    trace[:, 0] = h
    for k in range(iterations):
        run.ahead(trace, k, trace, k + 1, relu=True)
    return trace


def _errors(run: Any, trace: Tensor, grad: Tensor) -> Tensor:
    """The gradient with respect to the sums of each iteration."""
    iterations = trace.shape[1] - 1
    errors = torch.empty_like(trace[:, :iterations], memory_format=torch.contiguous_format)
    torch.mul(grad, trace[:, iterations] > 0, out=errors[:, iterations - 1])
    for k in range(iterations - 1, 0, -1):
        run.back(errors, k, errors, k - 1, trace)
    return errors


@_recur.register_fake
def _(h: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(h), h.new_empty(h.shape[0], rest[-2] + 1, h.shape[1])


@operator("potentiate::sparse_recurrent_backward")
def _recur_backward(
    grad: Tensor,
    trace: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    engine: str,
) -> tuple[Tensor, Tensor]:
    run = engine_for(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
    g_h = torch.empty_like(grad, memory_format=torch.contiguous_format)
    g_weight = torch.empty_like(weight)
    run.turn(g_weight)
    errors = _errors(run, trace, grad)
    run.back(errors, 0, g_h[:, None], 0)
    run.products(trace, errors, g_weight)
    return g_h, g_weight


@_recur_backward.register_fake
def _(grad: Tensor, trace: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(grad, memory_format=torch.contiguous_format), torch.empty_like(weight)


def _recur_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    _, *tensors, _, ctx.engine = inputs
    ctx.save_for_backward(output[1], *tensors)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _recur_gradient(ctx: Any, grad: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 8
    return *_recur_backward(grad, *ctx.saved_tensors, ctx.engine), *(None,) * 6


_recur.register_autograd(_recur_gradient, setup_context=_recur_setup)
