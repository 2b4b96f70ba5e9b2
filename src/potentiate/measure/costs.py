"""What one operation costs beside matrix products: the table and its rules.

Convention: an arithmetic operation, a comparison, a transcendental function or the drawing of a
random number on one element counts 1, whatever its type; moving numbers counts 0. An operation
that is not listed counts 1 per element of its largest argument or result, which is exact for
element-wise operations (the result is the largest) and for reductions (the argument is). Others:

* compound operations: operations per element (`PER_ELEMENT`), the same for every spelling: `lerp`,
  `lerp_`, `_foreach_lerp_`;
* operations whose size is not that of their largest tensor: a rule of their own (`RULES`);
* fused optimizers: operations per parameter, equal to what the `foreach` optimizers do one by one;
* copies, gathers, fills and factories: none (`MOVES`). A view does not even move bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, log2, prod
from typing import Any, cast

Rule = Callable[[tuple[Any, ...], Mapping[str, Any], Any], int]
"""(args, kwargs, result) of one call -> operations."""


@dataclass(frozen=True)
class Flops:
    """Operations and memory traffic of one piece of work.

    Attributes:
        matmul: In matrix products, convolutions, attention; a multiply-add is two.
        elementwise: In everything else.
        bytes: Read and written if each operation fetches its arguments and stores its result: an
            upper bound, because caches and fusion save some of it.
        by_operation: Operations by name, both kinds, for finding where they go.
    """

    matmul: int
    elementwise: int
    bytes: int
    by_operation: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def total(self) -> int:
        """All operations."""
        return self.matmul + self.elementwise


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOCATES = _names(
    "empty empty_like empty_strided new_empty new_empty_strided resize set _unsafe_view"
)
"""Touch no number; `_unsafe_view` is a view that torch does not call one."""

FILLS = _names(
    "zeros zeros_like zero ones ones_like full full_like fill new_zeros new_ones new_full"
)
"""Write their result and read nothing."""

DRAWS = _names("uniform normal bernoulli random exponential cauchy log_normal geometric")
"""In place, they write without reading what was there."""

MOVES = (
    ALLOCATES
    | FILLS
    | _names(
        "copy clone _to_copy contiguous cat stack hstack vstack repeat repeat_interleave roll flip"
    )
    | _names(
        "arange linspace eye scalar_tensor tril triu tril_indices triu_indices constant_pad_nd"
    )
    | _names(
        "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d lift_fresh_copy"
    )
    | _names("gather index index_select index_copy index_fill embedding take masked_select nonzero")
    | _names("masked_scatter scatter select_backward slice_backward select_scatter slice_scatter")
    | _names("diagonal_scatter as_strided_scatter channel_shuffle pixel_shuffle pixel_unshuffle")
    | _names("upsample_nearest1d upsample_nearest2d im2col _local_scalar_dense")
    | _names("view_as_real_copy _reshape_copy _resize_output split_with_sizes_copy unbind_copy")
)
"""Count no operation, in place or not, alone or `_foreach_`."""

PER_ELEMENT: Mapping[str, int] = {
    # a + b c, a + b / c, a + w (b - a); squares and their sums
    **dict.fromkeys(("addcmul", "addcdiv", "lerp", "mse_loss", "mse_loss_backward", "l1_loss"), 3),
    **dict.fromkeys(("norm", "linalg_vector_norm", "_amp_foreach_non_finite_check_and_unscale"), 2),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean", "logsumexp"), 4),
    # activations and their derivatives, written out
    **dict.fromkeys(("leaky_relu", "native_dropout", "native_dropout_backward", "hardtanh"), 2),
    **dict.fromkeys(("elu", "softplus", "sigmoid_backward", "tanh_backward", "logit"), 3),
    **dict.fromkeys(("sigmoid", "hardsigmoid", "log_sigmoid_forward", "elu_backward"), 4),
    **dict.fromkeys(("silu", "hardswish", "smooth_l1_loss", "huber_loss"), 5),
    **dict.fromkeys(("gelu", "silu_backward", "binary_cross_entropy"), 6),
    "gelu_backward": 10,
    # maximum, difference, exponential, sum, division or difference
    **dict.fromkeys(("_softmax", "_log_softmax"), 5),
    **dict.fromkeys(("_softmax_backward_data", "_log_softmax_backward_data"), 4),
    # mean 1, variance 3, then difference, scale, weight, bias
    **dict.fromkeys(("native_layer_norm", "native_group_norm", "_native_batch_norm_legit"), 8),
    **dict.fromkeys(("cudnn_batch_norm", "_batch_norm_with_update"), 8),
    **dict.fromkeys(("_native_batch_norm_legit_no_training", "_batch_norm_no_update"), 4),
    "_fused_rms_norm": 4,
    **dict.fromkeys(("native_layer_norm_backward", "native_group_norm_backward"), 10),
    **dict.fromkeys(("native_batch_norm_backward", "batch_norm_backward"), 10),
    **dict.fromkeys(("cudnn_batch_norm_backward", "_fused_rms_norm_backward"), 10),
}


def size(value: Any) -> int:
    """Return the elements of a tensor, or of a list of tensors together; 0 for anything else."""
    if isinstance(value, list | tuple):
        return sum(size(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return value.numel() if hasattr(value, "numel") else 0


def _largest(args: tuple[Any, ...], result: Any) -> int:
    # several results come as a tuple, one list of tensors as a list
    results = cast("tuple[Any, ...]", result if isinstance(result, tuple) else (result,))
    return max((size(value) for value in (*args, *results)), default=0)


def elementwise(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    """Return the operations of one call of the aten operation `name` that is no matrix product."""
    plain = name.removeprefix("_foreach_").rstrip("_")
    if plain in MOVES:
        return 0
    if plain in RULES:
        return RULES[plain](args, kwargs, result)
    scaled = plain in ("add", "sub", "rsub") and kwargs.get("alpha", 1) != 1
    return (PER_ELEMENT.get(plain, 1) + scaled) * _largest(args, result)


def _argument(position: int) -> Rule:
    return lambda args, kwargs, result: size(args[position])


def _pool(dimensions: int) -> Rule:
    def rule(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
        out = result[0] if isinstance(result, tuple) else result  # pyright: ignore[reportUnknownVariableType]
        return size(out) * _window(args[1], dimensions)

    return rule


def _window(kernel: list[int], dimensions: int) -> int:
    return prod(kernel) if len(kernel) == dimensions else kernel[0] ** dimensions


def _clamp(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    bounds = [*args[1:3], kwargs.get("min"), kwargs.get("max")]
    return size(result) * sum(bound is not None for bound in bounds)


def _batch_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    return size(args[0]) * (8 if args[5] else 4)


def _index_put(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    values, *accumulate = args[2:4]
    return size(values) * bool(accumulate[0] if accumulate else kwargs.get("accumulate"))


def _sort(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    values = args[0]
    length = values.shape[-1] if values.dim() else 1
    return size(values) * max(1, ceil(log2(max(length, 1))))


def _cdist(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    return 3 * size(result) * args[0].shape[-1]


def _fused_adam(decay: int) -> Rule:
    """First moment 3, second moment 4, denominator 3, update 3; decoupled decay is one product."""

    def rule(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
        per = 13 + decay * (kwargs["weight_decay"] != 0) + bool(kwargs["amsgrad"])
        return per * size(args[0])

    return rule


def _fused_sgd(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    settings = (kwargs["weight_decay"], kwargs["momentum"], kwargs["nesterov"])
    return 2 * (1 + sum(bool(setting) for setting in settings)) * size(args[0])


def _fused_adagrad(args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    return (8 + 2 * (kwargs["weight_decay"] != 0)) * size(args[0])


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("max_pool1d", "avg_pool1d"), _pool(1)),
    **dict.fromkeys(("max_pool2d_with_indices", "avg_pool2d", "mkldnn_max_pool2d"), _pool(2)),
    **dict.fromkeys(("max_pool3d_with_indices", "avg_pool3d", "mkldnn_max_pool3d"), _pool(3)),
    **dict.fromkeys(
        ("max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward"), _argument(0)
    ),
    "avg_pool2d_backward": lambda args, kwargs, result: size(args[0]) * _window(args[2], 2),
    "avg_pool3d_backward": lambda args, kwargs, result: size(args[0]) * _window(args[2], 3),
    "clamp": _clamp,
    "native_batch_norm": _batch_norm,
    # one pick and one sum per target, one write per target
    "nll_loss_forward": lambda args, kwargs, result: 2 * size(args[1]),
    "nll_loss_backward": _argument(2),
    "embedding_dense_backward": _argument(0),
    **dict.fromkeys(("index_add", "scatter_add", "scatter_reduce"), _argument(3)),
    **dict.fromkeys(("index_put", "_index_put_impl", "_unsafe_index_put"), _index_put),
    **dict.fromkeys(("sort", "argsort", "topk", "kthvalue", "median"), _sort),
    "_cdist_forward": _cdist,
    "_fused_adam": _fused_adam(decay=2),
    "_fused_adamw": _fused_adam(decay=1),
    "_fused_sgd": _fused_sgd,
    "_fused_adagrad": _fused_adagrad,
}
"""Operations whose cost is not so much per element of their largest tensor."""
