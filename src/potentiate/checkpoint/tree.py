"""A state as JSON beside a flat table of tensors, and back, type for type and bit for bit.

Plain values stand for themselves; everything else is an object whose first key is a mark ("$tuple",
"$dict", "$int", "$float", "$tensor", "$array", "$scalar") that says what it is.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, cast

from potentiate.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_PLAIN_INT = 2**63
# What safetensors stores as it is; any other dtype travels as bytes beside its name and shape.
_TORCH_NATIVE = {f"torch.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {
    f"torch.{name}" for name in ("bool", "complex64", "float16", "bfloat16", "float32", "float64")
}
_NUMPY_NATIVE = frozenset(
    ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8", "<c8")
)
_NUMPY_KINDS = "biufcUSMm"  # never "O": an object array holds pointers


def pack(value: Any, store: dict[str, Tensor] | None, path: tuple[str, ...] = ()) -> Any:
    """Return `value` as JSON; copies its tensors and arrays into `store`, named by their path.

    Args:
        value: The tree; see `potentiate.checkpoint.save` for what it may hold.
        store: Receives contiguous tensors on the CPU; None refuses tensors and arrays.
        path: Where `value` sits, for names and errors.

    Raises:
        Refused: A leaf or key of a type that would not come back as it was.
    """
    kind = cast("type[object]", type(value))
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if abs(value) < _PLAIN_INT else {"$int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": _float_name(value)}
    if kind in (list, tuple):
        items = [pack(item, store, (*path, str(i))) for i, item in enumerate(value)]
        return items if kind is list else {"$tuple": items}
    if isinstance(value, dict):
        return _pack_dict(cast("dict[Any, Any]", value), path, store)
    return _pack_numbers(value, path, store)


def _pack_dict(
    value: dict[Any, Any], path: tuple[str, ...], store: dict[str, Tensor] | None
) -> Any:
    for key in value:
        if key is not None and type(key) not in (str, int, bool, float):
            raise Refused(
                f"the key {key!r} in {_place(path)} cannot be stored in a checkpoint; "
                "use a string or a number"
            )
    pairs = {key: pack(item, store, (*path, str(key))) for key, item in value.items()}
    if all(type(key) is str and not key.startswith("$") for key in pairs):
        return pairs
    return {"$dict": [[pack(key, None, path), item] for key, item in pairs.items()]}


def _pack_numbers(value: Any, path: tuple[str, ...], store: dict[str, Tensor] | None) -> Any:
    import numpy as np
    import torch

    kind = cast("type[object]", type(value))
    if store is None and isinstance(value, np.generic):
        plain = cast("object", value.item())
        if isinstance(plain, bool | int | float):  # facts are for reading: the number will do
            return pack(plain, None, path)
    if store is not None and isinstance(value, torch.Tensor):
        if value.layout is torch.strided and not value.is_meta and not value.is_quantized:
            return _pack_tensor(value, path, store)
    elif store is not None and (kind is np.ndarray or issubclass(kind, np.generic)):
        array: np.ndarray[Any, Any] = np.asarray(cast("Any", value))
        if array.dtype.kind in _NUMPY_KINDS and array.dtype.itemsize:
            tag = "$array" if kind is np.ndarray else "$scalar"
            return _pack_array(array, tag, path, store)
    raise Refused(
        f"{_place(path)} is a {kind.__name__}, which a checkpoint cannot store"
        + (" among its facts" if store is None else "")
        + "; turn it into dicts, lists, dense tensors, arrays, numbers or strings"
    )


def _pack_tensor(tensor: Tensor, path: tuple[str, ...], store: dict[str, Tensor]) -> dict[str, Any]:
    import torch

    own = tensor.detach().resolve_conj().resolve_neg().to("cpu", copy=True)
    packed: dict[str, Any] = {"$tensor": _name(path, store)}
    # layout (channels-last) decides which kernel runs next, so a bit-exact resume needs it
    strides, sizes = own.stride(), tuple(own.shape)
    order = sorted(range(own.dim()), key=lambda i: (-strides[i], -sizes[i]))
    if order != sorted(order) and own.permute(order).is_contiguous():
        own, packed["order"] = own.permute(order), order
    own = own.contiguous()
    if str(own.dtype) not in _TORCH_NATIVE:
        packed |= {"dtype": str(own.dtype).removeprefix("torch."), "shape": list(own.shape)}
        own = own.reshape(-1).view(torch.uint8)
    store[packed["$tensor"]] = own
    return packed


def _pack_array(
    array: np.ndarray[Any, Any], tag: str, path: tuple[str, ...], store: dict[str, Tensor]
) -> dict[str, Any]:
    import numpy as np
    import torch

    packed: dict[str, Any] = {tag: _name(path, store)}
    own = np.array(array, order="C", copy=True)
    if array.dtype.str not in _NUMPY_NATIVE:
        packed |= {"dtype": array.dtype.str, "shape": list(array.shape)}
        own = np.ndarray((array.nbytes,), np.uint8, own.tobytes()).copy()
    store[packed[tag]] = torch.as_tensor(own)
    return packed


def unpack(value: Any, store: dict[str, Tensor]) -> Any:
    """Return the tree that `pack` wrote; takes each tensor out of `store`.

    Raises:
        Exception: Of any kind, where `value` was not written by `pack` or does not fit `store`.
    """
    if isinstance(value, list):
        return [unpack(item, store) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    entry = cast("dict[str, Any]", value)
    tag = next(iter(entry), "")
    if not tag.startswith("$"):
        return {key: unpack(item, store) for key, item in entry.items()}
    content = entry[tag]
    if tag == "$tuple":
        return tuple(unpack(item, store) for item in content)
    if tag == "$dict":
        return {unpack(key, store): unpack(item, store) for key, item in content}
    if tag == "$int":
        return int(content, 16)
    if tag == "$float":
        return _named_float(content)
    return _unpack_numbers(tag, entry, store.pop(content))


def _unpack_numbers(tag: str, entry: dict[str, Any], stored: Tensor) -> Any:
    import numpy as np
    import torch

    if tag == "$tensor":
        if "dtype" in entry:
            dtype = getattr(torch, entry["dtype"])
            stored = stored.view(dtype).reshape(entry["shape"])
        own = stored.clone()  # aligned as torch aligns its own, so that kernels behave as before
        order = entry.get("order", range(own.dim()))
        return own.permute([order.index(i) for i in range(own.dim())])
    array = stored.numpy().copy()
    if "dtype" in entry:
        dtype = np.dtype(entry["dtype"])
        if dtype.kind not in _NUMPY_KINDS:
            raise ValueError(dtype)
        array = np.ndarray(tuple(entry["shape"]), dtype, array.tobytes()).copy()
    return {"$array": lambda: array, "$scalar": lambda: array[()]}[tag]()


def _float_name(value: float) -> str:
    bits = struct.pack(">d", value).hex()
    return str(value) if math.isinf(value) or bits == "7ff8000000000000" else bits


def _named_float(name: str) -> float:
    if name in ("inf", "-inf", "nan"):
        return float(name)
    return struct.unpack(">d", bytes.fromhex(name))[0]


def _name(path: tuple[str, ...], store: dict[str, Tensor]) -> str:
    name = ".".join(path).encode("utf-8", "backslashreplace").decode() or "state"
    while name in store or name == "__metadata__":  # {"a.b": x} beside {"a": {"b": y}}
        name += "'"
    return name


def _place(path: tuple[str, ...]) -> str:
    return f"'{'.'.join(path)}'" if path else "the state itself"
