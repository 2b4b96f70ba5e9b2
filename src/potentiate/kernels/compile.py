"""An equation is written once, as a plain function over arrays; this compiles it as it stands."""

from __future__ import annotations

from collections.abc import Callable
from dis import get_instructions
from types import CellType, FunctionType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_known: WeakKeyDictionary[Callable[..., Any], Any] = WeakKeyDictionary()


def compiled(function: Function) -> Function:
    """Return `function` compiled by numba, once per function object and for as long as it lives.

    Plain functions that it closes over or calls by a global name are compiled with it, so that
    composed closures need no marks. Functions inside tuples are not found: bind `rule.update` to
    a name first, and write NumPy's as `np.exp`. What else it closes over becomes a constant, so
    arrays of any size belong in its arguments. Sums are not reordered and products not fused: the
    answers are those of the plain function. Division by zero gives inf or nan.

    Cost: about a second at the first call with new types; nothing is kept on disk.
    """
    if not isinstance(function, FunctionType):
        return function
    if function not in _known:
        _known[function] = numba.njit(error_model="numpy")(_linked(function))
    return _known[function]


def _linked(function: FunctionType) -> FunctionType:
    """A copy of `function` that refers to compiled functions where the original has plain ones."""
    scope = dict(function.__globals__)
    for name in _global_names(function):
        scope[name] = _compiled_or_same(scope.get(name))
    cells = tuple(
        CellType(_compiled_or_same(cell.cell_contents)) for cell in function.__closure__ or ()
    )
    copy = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    return copy


def _global_names(function: FunctionType) -> set[str]:
    loads = (i for i in get_instructions(function) if i.opname == "LOAD_GLOBAL")
    return {i.argval for i in loads} & function.__globals__.keys()


def _compiled_or_same(value: Any) -> Any:
    return compiled(value) if isinstance(value, FunctionType) else value
