"""A linear map whose weight is stored on its edges alone, and gets its gradient there alone.

    y[b, t] = sum over the edges e into t of  w[e] x[b, source(e)]

and the same map applied again and again with what is negative cut off in between, in one call:

    h_0 = x,   h_{k+1}[b, t] = max(0, sum over the edges e into t of  w[e] h_k[b, source(e)])

Inside, the batch is the contiguous axis: an edge multiplies a whole row of the input, so that its index
is read once for all samples and no weight is ever spread out to a matrix (but by the engine "dense").

Cost: 2 * edges * batch multiply-adds forward and twice that backward, for each iteration.
Memory: beyond the tensors, a copy of input and output with the batch contiguous; of the recurrent map
the activity of all iterations, and backward its gradient.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from potentiate.errors import Refused, unknown
from potentiate.kernels.sparse_matrix import CompressedRows, Dense
from potentiate.kernels.sparse_rows import Rows


class Edges(NamedTuple):
    """Who is connected with whom, by target and by source. Memory: 8 bytes an edge.

    Attributes:
        ends: int64 [targets + 1]; the edges of target t are `ends[t]` to `ends[t + 1]`.
        sources: int32 [edges], by target.
        back_ends: int64 [sources + 1].
        targets: int32 [edges], by source.
    """

    ends: Tensor
    sources: Tensor
    back_ends: Tensor
    targets: Tensor


ENGINES: dict[str, Any] = {"rows": Rows, "dense": Dense, "mkl": CompressedRows}
"""Ways to compute the same on the CPU; "reference" is one more, spelled with torch alone."""
TRITON = find_spec("triton") is not None
_operator = partial(torch.library.custom_op, mutates_args=(), device_types=("cpu", "cuda"))


def sparse_linear(x: Tensor, weight: Tensor, edges: Edges, engine: str = "rows") -> Tensor:
    """Return x [..., sources] through the edges, [..., targets].

    Args:
        x: float32 or float64.
        weight: [edges] by target, of the type of `x`.
        edges: The wiring, on the device of `x`.
        engine: One of `ENGINES`, or "reference"; CUDA tensors take "triton" for all but the latter.

    Raises:
        Refused: Shapes, types or devices do not fit, there is no such engine, or no triton for CUDA.
    """
    _check(x, weight, edges, engine)
    if engine == "reference":
        return sparse_linear_reference(x, weight, edges)
    rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
    out = _product(rows.t().contiguous(), weight, *edges, engine)
    return out.t().reshape(*x.shape[:-1], len(edges.ends) - 1)


def sparse_recurrent(
    h: Tensor, weight: Tensor, edges: Edges, iterations: int, engine: str = "rows"
) -> Tensor:
    """Return activity h [neurons, batch] after so many iterations, [neurons, batch].

    Units come first here, so that a caller who keeps them first pays for no turning.

    Raises:
        Refused: As `sparse_linear`; or the map leads from neurons to others.
    """
    _check(h.t(), weight, edges, engine)
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
    run = _engine(engine, weight.device)(edges, weight)
    trace = _ahead(run, h.detach().contiguous(), iterations)
    run.turn(torch.empty_like(weight))
    return trace, _errors(run, trace, grad)


def sparse_linear_reference(x: Tensor, weight: Tensor, edges: Edges) -> Tensor:
    """The definition: the weight as a matrix, in which what is no edge is 0."""
    return F.linear(x, as_matrix(weight, edges))


def sparse_recurrent_reference(h: Tensor, weight: Tensor, edges: Edges, iterations: int) -> Tensor:
    """The definition, for activity [neurons, batch]."""
    matrix = as_matrix(weight, edges)
    for _ in range(iterations):
        h = torch.relu(matrix @ h)
    return h


def as_matrix(weight: Tensor, edges: Edges) -> Tensor:
    """Return the weights as a matrix [targets, sources]; for looking at small maps."""
    shape = len(edges.ends) - 1, len(edges.back_ends) - 1
    rows = torch.arange(shape[0], device=edges.ends.device).repeat_interleave(edges.ends.diff())
    return weight.new_zeros(shape).index_put((rows, edges.sources.long()), weight)


def _check(x: Tensor, weight: Tensor, edges: Edges, engine: str) -> None:
    if x.shape[-1:] != (len(edges.back_ends) - 1,) or weight.shape != edges.sources.shape:
        raise Refused(
            f"x {[*x.shape]} and weight {[*weight.shape]} do not fit {len(edges.back_ends) - 1} sources "
            f"and {len(edges.sources)} edges"
        )
    if x.dtype != weight.dtype or x.dtype not in (torch.float32, torch.float64):
        raise Refused(f"x, weight must both be float32 or float64, got {x.dtype}, {weight.dtype}")
    places = [str(part.device) for part in (x, weight, edges.sources)]
    if len({*places}) > 1:
        raise Refused(f"x, weight and edges must be on one device, got {', '.join(places)}")
    if engine not in {*ENGINES, "triton", "reference"}:
        raise unknown("engine", engine, {*ENGINES, "triton", "reference"})


def _engine(name: str, device: torch.device) -> Any:
    if device.type != "cuda":
        if name not in ENGINES:
            raise Refused(f"engine '{name}' needs a CUDA device, got {device}; take 'rows'")
        return ENGINES[name]
    if not TRITON:
        raise Refused("a CUDA device needs triton here: pip install triton, or engine='reference'")
    from potentiate.kernels.sparse_triton import Triton

    return Triton


@_operator("potentiate::sparse_linear")
def _product(
    x: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    engine: str,
) -> Tensor:
    out = x.new_empty(len(ends) - 1, 1, x.shape[1])
    run = _engine(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
    run.ahead(x.detach()[:, None], 0, out, 0)
    return out[:, 0]


@_product.register_fake
def _(x: Tensor, weight: Tensor, ends: Tensor, *_: Any) -> Tensor:
    return x.new_empty(len(ends) - 1, x.shape[1])


@_operator("potentiate::sparse_linear_backward")
def _product_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    engine: str,
) -> tuple[Tensor, Tensor]:
    run = _engine(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
    g_x, g_weight = torch.empty_like(x), torch.empty_like(weight)
    above = grad.contiguous()[:, None]
    run.turn(g_weight)  # room for the weights by source, until it gets its own values
    run.back(above, 0, g_x[:, None], 0)
    run.products(x.detach()[:, None], above, g_weight)
    return g_x, g_weight


@_product_backward.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _product_setup(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    *tensors, ctx.engine = inputs
    ctx.save_for_backward(*tensors)


def _product_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return *_product_backward(grad, *ctx.saved_tensors, ctx.engine), *(None,) * 5


_product.register_autograd(_product_gradient, setup_context=_product_setup)


@_operator("potentiate::sparse_recurrent")
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
    run = _engine(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
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


@_operator("potentiate::sparse_recurrent_backward")
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
    run = _engine(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
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
