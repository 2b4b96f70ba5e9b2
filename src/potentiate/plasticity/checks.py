"""What a window asks of its arguments, once before its first step.

Machine code reads and writes wherever it is told to, so `Rule.run` and `replay` look first. Nothing
here is called from a loop over time; the cost is one pass over the weight and over the spikes.
"""

from __future__ import annotations

from functools import cache
from math import inf
from operator import index
from typing import Any, cast

import numpy as np

from potentiate.errors import Refused
from potentiate.plasticity.limits import holds, told

FLOATS = ("float32", "float64")


def matrix(where: str, weight: Any, *, written: bool = False, tensor: bool = False) -> None:
    """Check that a weight is an array (or a `tensor`) [pre, post] of float32 or float64.

    Raises:
        Refused: It is not, or it is to be `written` and cannot be.
    """
    array = isinstance(weight, np.ndarray)
    if not (tensor or array):
        raise Refused(
            f"{where}: the weight is a {type(weight).__name__}; give an array (of a tensor on the CPU "
            "weight.numpy(), which shares its memory)"
        )
    made = layout(weight).removeprefix("tensor ")
    if not made.removeprefix("" if written else "read-only ").startswith("float ["):
        raise Refused(
            f"{where}: the weight is {made}; give [pre, post] of float32 or float64"
            f"{' that can be written' if written else ''}"
        )
    if len(shape(weight)) != 2:
        raise Refused(f"{where}: the weight has the shape {shape(weight)}; give [pre, post]")


def rules(where: str, *given: Any) -> None:
    """Check that what is to be composed or run are rules.

    Raises:
        Refused: One is not, such as a factory that was not called.
    """
    for rule in given:
        if not (hasattr(rule, "init") and hasattr(rule, "update")):
            name = getattr(rule, "__name__", repr(rule))
            raise Refused(f"{where}: {name} is no rule; give what a factory returns: pair_stdp()")


def samples(where: str, batch: int) -> None:
    """Check the number of samples that a state is for.

    Raises:
        Refused: It is no whole number, or below 0.
    """
    if not holds(lambda: index(batch) >= 0):
        raise Refused(
            f"{where}: the batch is {told(batch)}; give a whole number of samples, 0 or more"
        )


def time_step(where: str, dt: float) -> float:
    """Return `dt` as a float, so that machine code knows one type of it.

    Raises:
        Refused: It is not a finite number above 0.
    """
    if not holds(lambda: 0 < dt < inf):
        raise Refused(f"{where}: dt is {told(dt)}; give a finite number of ms above 0")
    return float(dt)


def spikes(
    where: str, weight: Any, pre: Any, post: Any, axes: str, *, tensors: bool = False
) -> tuple[Any, Any]:
    """Return the spikes of a window as arrays that machine code can read.

    Args:
        where: Who asks.
        weight: [pre, post].
        pre: [*axes, pre].
        post: [*axes, post].
        axes: The names of the axes before the neurons, such as "time, batch".
        tensors: Whether tensors stay tensors.

    Raises:
        Refused: The spikes are no finite numbers, or do not fit the weight or each other.
    """
    pre, post = (
        values if tensors and hasattr(values, "is_cuda") else _array(where, values, weight)
        for values in (pre, post)
    )
    front = shape(pre)[:-1]
    fit = shape(pre) == (*front, weight.shape[0]) and shape(post) == (*front, weight.shape[1])
    if not fit or len(front) != len(axes.split(", ")):
        raise Refused(
            f"{where}: spikes of shapes {shape(pre)} and {shape(post)} do not fit a weight "
            f"{shape(weight)}; give [{axes}, pre] and [{axes}, post]"
        )
    finite(where, "presynaptic spikes", pre)
    finite(where, "postsynaptic spikes", post)
    return pre, post


def finite(where: str, what: str, values: Any) -> None:
    """Check that no number of an array or tensor is NaN or infinite.

    Raises:
        Refused: One is.
    """
    if "float" not in _kind(values.dtype):
        return
    found: Any = values.isfinite() if hasattr(values, "isfinite") else np.isfinite(values)
    if not found.all():
        raise Refused(f"{where}: the {what} are not all finite; put numbers for NaN and infinity")


def belongs(where: str, state: Any, wanted: str, batch: int, *, tensors: bool = False) -> None:
    """Check that a state has the layout that is wanted, of arrays or, where they may be, `tensors`.

    Raises:
        Refused: It was made by another rule, or for another weight or batch.
    """
    found = layout(state)
    if wanted not in (found, found.replace("tensor ", "") if tensors else found):
        raise Refused(
            f"{where}: the state is {found} and the rule needs {wanted}; give what "
            f"rule.init(weight, {batch}) returns"
        )


def layout(state: Any) -> str:
    """Return what a state is made of, as "PairTraces(float [1, 3], float [1, 2])".

    Single and double precision are both "float". What is no array is not looked into.
    """
    if isinstance(state, tuple):
        parts = cast("tuple[Any, ...]", state)
        return f"{type(parts).__name__}({', '.join(map(layout, parts))})"
    if not hasattr(state, "dtype") or isinstance(state, np.generic):
        return "no array"
    flags = getattr(state, "flags", None)
    mark = "tensor " if flags is None else "" if flags.writeable else "read-only "
    return f"{mark}{_kind(state.dtype)} {list(shape(state))}"


@cache  # what NumPy needs to spell a dtype is most of what a short window costs
def _kind(dtype: Any) -> str:
    name = str(dtype).rpartition(".")[2]  # "torch.float32"
    return "float" if name in FLOATS else name


def shape(values: Any) -> tuple[int, ...]:
    """Return the shape of an array or tensor as a tuple."""
    sizes: Any = values.shape
    return tuple(sizes)


def _array(where: str, values: Any, weight: Any) -> Any:
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # ragged, on another device, or with a gradient
        given = np.array("")
    if given.dtype.kind not in "biuf":
        raise Refused(f"{where}: spikes cannot be read as numbers; give arrays of bool or float")
    if (given.dtype.kind == "f" and given.dtype.name not in FLOATS) or not given.dtype.isnative:
        return given.astype(weight.dtype)  # numba does not know it
    return given
