"""The counter: sees every operation that reaches torch's dispatcher, backward included."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

from potentiate.measure.costs import ALLOCATES, DRAWS, FILLS, Flops, elementwise

Formula = Callable[..., int]


def count(fn: Callable[[], Any]) -> Flops:
    """Run `fn()` and count it; see `potentiate.measure.count_flops`."""
    counter = _Counting()
    with _as_written(), counter:
        fn()
    totals = counter.matmul + counter.elementwise
    return Flops(
        matmul=counter.matmul.total(),
        elementwise=counter.elementwise.total(),
        bytes=counter.bytes,
        by_operation={name: amount for name, amount in totals.most_common() if amount},
    )


def _as_written() -> AbstractContextManager[Any]:
    # asking for the stance imports the compiler, seconds long; without it nothing can be compiled
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.matmul: Counter[str] = Counter()
        self.elementwise: Counter[str] = Counter()
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        formula = _formulas().get(func._overloadpacket)
        if formula is None:
            # under inference mode whole layers arrive here; their parts are what we can count
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if func.is_view:
            return result
        if formula is not None:
            self.matmul[name] += formula(*args, **kwargs, out_val=result)
        else:
            self.elementwise[name] += elementwise(name, args, kwargs, result)
        self.bytes += _traffic(func, name, args, kwargs, result)
        return result


@cache
def _formulas() -> Mapping[Any, Formula]:
    """By operation: the formulas of torch, and those for what it counts as nothing."""
    aten = torch.ops.aten
    table = dict(cast("Mapping[Any, Formula]", flop_counter.flop_registry))
    for name, formula in _MISSING.items():
        if hasattr(aten, name):
            table.setdefault(getattr(aten, name), formula)
    return table


def _matrix(at: int, by: int) -> Formula:
    return lambda *args, **_: 2 * args[at].numel() * args[by].shape[-1]


def _vector(at: int) -> Formula:
    return lambda *args, **_: 2 * args[at].numel()


def _outer(*args: Any, **_: Any) -> int:
    return 2 * args[1].numel() * args[2].numel()


def _attention(*args: Any, **_: Any) -> int:
    count_one = cast("Formula", flop_counter.sdpa_flop_count)  # pyright: ignore[reportUnknownMemberType]
    return count_one(*(tensor.shape for tensor in args[:3]))


def _attention_backward(*args: Any, **_: Any) -> int:
    count_one = cast("Formula", flop_counter.sdpa_backward_flop_count)  # pyright: ignore[reportUnknownMemberType]
    return count_one(*(tensor.shape for tensor in args[:4]))


def _recurrent(times: int) -> Formula:
    """Each sample meets every weight once at each time step; going backward, twice."""

    def formula(x: Tensor, *rest: Any, **_: Any) -> int:
        given = _tensors(rest[0]) if isinstance(rest[0], list) else _tensors(rest[:2])
        weights = sum(weight.numel() for weight in given if weight.dim() == 2)
        return times * 2 * (x.numel() // x.shape[-1]) * weights

    return formula


_MISSING: Mapping[str, Formula] = {
    **dict.fromkeys(("dot", "vdot", "mv"), _vector(0)),
    **dict.fromkeys(("addmv", "addmv_"), _vector(1)),
    **dict.fromkeys(("addr", "addr_"), _outer),
    **dict.fromkeys(("addmm_", "baddbmm_", "addbmm", "addbmm_"), _matrix(1, 2)),
    "_int_mm": _matrix(0, 1),
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    **dict.fromkeys(("mkldnn_rnn_layer", "_cudnn_rnn"), _recurrent(1)),
    **dict.fromkeys(("mkldnn_rnn_layer_backward", "_cudnn_rnn_backward"), _recurrent(2)),
}


def _traffic(func: Any, name: str, args: Any, kwargs: Mapping[str, Any], result: Any) -> int:
    plain = name.removeprefix("_foreach_").rstrip("_")
    if plain in ALLOCATES:
        return 0
    written = {id(t): t for t in _tensors(result)}
    positions, names = _written_arguments(func)
    targets = [args[i] for i in positions if i < len(args)] + [kwargs.get(n) for n in names]
    written |= {id(t): t for t in _tensors(targets)}
    read = {id(t): t for t in _tensors([args, *kwargs.values()])}
    if plain in FILLS or (plain in DRAWS | {"copy"} and name.endswith("_")):
        for tensor in _tensors(targets):
            read.pop(id(tensor), None)
    return sum(_bytes(t) for t in read.values()) + sum(_bytes(t) for t in written.values())


@cache
def _written_arguments(func: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Where `func` writes, by position and by name."""
    written = [
        (place, argument)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None
        and argument.alias_info.is_write
        # fused optimizers may write gradients, but only to unscale them
        and not (argument.name == "grads" and func._overloadpacket.__name__.startswith("_fused_"))
    ]
    by_position = tuple(place for place, argument in written if not argument.kwarg_only)
    return by_position, tuple(argument.name for _, argument in written)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [t for item in cast("list[Any]", value) for t in _tensors(item)]
    return []


def _bytes(tensor: Tensor) -> int:
    whole = tensor.numel() * tensor.element_size()
    # an expanded tensor is read from the little memory it has
    return (
        min(whole, tensor.untyped_storage().nbytes()) if tensor.layout is torch.strided else whole
    )
