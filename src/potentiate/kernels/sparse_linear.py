"""A linear map whose weight is stored on its edges alone, and gets its gradient there alone.

    y[b, t] = sum over the edges e into t of  w[e] x[b, source(e)]

Inside, the batch is the contiguous axis: an edge multiplies a whole row of the input, so that its index
is read once for all samples and no weight is ever spread out to a matrix (but by the engine "dense").

Cost: 2 * edges * batch multiply-adds forward and twice that backward.
Memory: beyond the tensors, a copy of input and output with the batch contiguous.
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
    """Who is connected with whom, by target and by source. Memory: 4 or 8 bytes an edge.

    Attributes:
        ends: int64 [targets + 1]; the edges of target t are `ends[t]` to `ends[t + 1]`.
        sources: int16 or int32 [edges], by target.
        back_ends: int64 [sources + 1].
        targets: as `sources`, by source.
    """

    ends: Tensor
    sources: Tensor
    back_ends: Tensor
    targets: Tensor


ENGINES: dict[str, Any] = {"rows": Rows, "dense": Dense, "mkl": CompressedRows}
"""Ways to compute the same on the CPU; "reference" is one more, spelled with torch alone."""
TRITON = find_spec("triton") is not None
operator = partial(torch.library.custom_op, mutates_args=(), device_types=("cpu", "cuda"))


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
    check(x, weight, edges, engine)
    if engine == "reference":
        return sparse_linear_reference(x, weight, edges)
    rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
    out = _product(rows.t().contiguous(), weight, *edges, engine)
    return out.t().reshape(*x.shape[:-1], len(edges.ends) - 1)


def sparse_linear_reference(x: Tensor, weight: Tensor, edges: Edges) -> Tensor:
    """The definition: the weight as a matrix, in which what is no edge is 0."""
    return F.linear(x, as_matrix(weight, edges))


def as_matrix(weight: Tensor, edges: Edges) -> Tensor:
    """Return the weights as a matrix [targets, sources]; for looking at small maps."""
    shape = len(edges.ends) - 1, len(edges.back_ends) - 1
    rows = torch.arange(shape[0], device=edges.ends.device).repeat_interleave(edges.ends.diff())
    return weight.new_zeros(shape).index_put((rows, edges.sources.long()), weight)


def check(x: Tensor, weight: Tensor, edges: Edges, engine: str) -> None:
    """Refuse what does not fit, see `sparse_linear`."""
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


def engine_for(name: str, device: torch.device) -> Any:
    """Return the class that computes on a device what the engine `name` stands for."""
    if device.type != "cuda":
        if name not in ENGINES:
            raise Refused(f"engine '{name}' needs a CUDA device, got {device}; take 'rows'")
        return ENGINES[name]
    if not TRITON:
        raise Refused("a CUDA device needs triton here: pip install triton, or engine='reference'")
    from potentiate.kernels.sparse_triton import Triton

    return Triton


@operator("potentiate::sparse_linear")
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
    run = engine_for(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
    run.ahead(x.detach()[:, None], 0, out, 0)
    return out[:, 0]


@_product.register_fake
def _(x: Tensor, weight: Tensor, ends: Tensor, *_: Any) -> Tensor:
    return x.new_empty(len(ends) - 1, x.shape[1])


@operator("potentiate::sparse_linear_backward")
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
    run = engine_for(engine, weight.device)(Edges(ends, sources, back_ends, targets), weight)
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
