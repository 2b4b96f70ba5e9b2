from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
from numba.core.registry import CPUDispatcher

from potentiate.kernels import compile as module
from potentiate.kernels.compile import compiled


def doubled(x: float) -> float:
    return 2 * x


def adding(amount: float) -> Callable[[float], float]:
    def add(x: float) -> float:
        return doubled(x) + amount

    return add


def applied(first: Callable[[float], float], second: Callable[[float], float]) -> Callable:
    def both(values: np.ndarray) -> np.ndarray:
        for i in range(values.size):
            values[i] = second(first(values[i]))
        return values

    return both


def test_closures_over_closures_and_globals_compile_unmarked() -> None:
    both = applied(adding(1.0), adding(10.0))
    assert isinstance(compiled(both), CPUDispatcher)
    np.testing.assert_array_equal(compiled(both)(np.arange(3.0)), [12.0, 16.0, 20.0])
    np.testing.assert_array_equal(both(np.arange(3.0)), [12.0, 16.0, 20.0])


def test_a_function_is_compiled_once() -> None:
    add = adding(1.0)
    assert compiled(add) is compiled(add)
    assert compiled(add) is not compiled(adding(1.0))
    assert compiled(compiled(add)) is compiled(add)


def test_what_was_compiled_goes_with_its_function() -> None:
    add = adding(3.0)
    compiled(add)
    before, gone = len(module._known), weakref.ref(add)
    del add
    gc.collect()
    assert gone() is None
    assert len(module._known) == before - 1


def test_defaults_stay() -> None:
    def power(x: float, n: int = 3) -> float:
        return x**n

    assert compiled(power)(2.0) == 8.0


def test_division_by_zero_gives_infinity() -> None:
    def inverse(x: float) -> float:
        return 1.0 / x

    assert compiled(inverse)(0.0) == np.inf
