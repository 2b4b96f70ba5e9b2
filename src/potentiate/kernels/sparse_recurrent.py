"""A sparse map of neurons onto themselves, applied again and again in one call.

    h_{k+1}[t, b] = max(0, sum over the edges e into t of  w[e] h_k[source(e), b])

Cost: that of `potentiate.kernels.sparse_linear` for each iteration; the weight gradient of all of them
is one pass over the edges. Memory: the activity of all iterations, and backward its gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import Edges, as_matrix, check, engine_for
from potentiate.kernels.transpose import units_first


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
    return _Recur.apply(h, weight.contiguous(), edges, iterations, engine)


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
    weight = weight.contiguous()
    run = engine_for(name, weight.device)(edges, weight)
    trace = _ahead(run, h.detach(), iterations)
    run.turn(torch.empty_like(weight))
    return trace, _errors(run, trace, grad)


def sparse_recurrent_reference(h: Tensor, weight: Tensor, edges: Edges, iterations: int) -> Tensor:
    """The definition, for activity [neurons, batch]."""
    matrix = as_matrix(weight, edges)
    for _ in range(iterations):
        h = torch.relu(matrix @ h)
    return h


class _Recur(torch.autograd.Function):
    """The iterations for samples in columns."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weight: Tensor, edges: Edges, iterations: int, engine: str
    ) -> Tensor:
        ctx.run = run = engine_for(engine, weight.device)(edges, weight)
        trace = _ahead(run, h, iterations)
        ctx.save_for_backward(trace, weight)
        return copied(trace[:, iterations], h.new_empty(h.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (trace, weight), run = ctx.saved_tensors, ctx.run
        g_h, g_weight = None, torch.empty_like(weight)
        if trace.shape[1] > 2:
            run.turn(g_weight)
        errors = _errors(run, trace, grad)
        if ctx.needs_input_grad[0]:
            g_h = torch.empty_like(grad, memory_format=torch.contiguous_format)
        if g_h is not None and trace.shape[1] == 2:
            run.back_and_products(trace, errors, g_h[:, None], g_weight)
            return g_h, g_weight, None, None, None
        if g_h is not None:
            run.back(errors, g_h[:, None])
        run.products(trace, errors, g_weight)
        return g_h, g_weight, None, None, None


def _ahead(run: Any, h: Tensor, iterations: int) -> Tensor:
    trace = h.new_empty(len(h), iterations + 1, h.shape[1])
    copied(h, trace[:, 0])
    run.iterate(trace)
    return trace


def copied(values: Tensor, out: Tensor) -> Tensor:
    """Copy values into `out` on our threads: those of a library would wait for more, in the way of ours."""
    if out.device.type != "cpu" or values.t().is_contiguous():
        return units_first(values.t(), out)
    np.copyto(out.detach().numpy(), values.detach().numpy())
    return out


def _errors(run: Any, trace: Tensor, grad: Tensor) -> Tensor:
    """The gradient with respect to the sums of each iteration."""
    iterations = trace.shape[1] - 1
    errors = torch.empty_like(trace[:, :iterations], memory_format=torch.contiguous_format)
    run.retrace(grad, trace, errors)
    return errors
