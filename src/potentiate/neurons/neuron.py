"""What a point neuron is, and how a population of them is run on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import inf
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentiate.errors import Refused
from potentiate.kernels.compile import compiled

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]
Fired = NDArray[np.bool_]
State = TypeVar("State", bound="tuple[NDArray[Any], ...]")


class Neuron(NamedTuple, Generic[State]):
    """A model: `start(shape) -> state` and `step(state, drive, dt) -> (state, fired)`.

    The arrays of the state and of the drive all have one shape; each element is a neuron of its
    own, and the first array of the state is its voltage `v`. The arguments of `step` are donated:
    use only what comes back.
    """

    start: Callable[[tuple[int, ...]], State]
    step: Callable[[State, Floats, float], tuple[State, Fired]]


class Trace(NamedTuple, Generic[State]):
    """What `simulate` returns: spikes and voltage are [T, ...], the voltage [0, ...] if not asked for."""

    spikes: Fired
    v: Floats
    state: State


def simulate(
    neuron: Neuron[State],
    drive: ArrayLike,
    dt: float,
    *,
    state: State | None = None,
    membrane: bool = False,
    compile: bool = True,
) -> Trace[State]:
    """Run neurons that do not see one another for as many steps as the drive has.

    Args:
        neuron: The model.
        drive: [T, ...], in the unit that the model's resistance asks for.
        dt: Step, ms.
        state: Where to go on, [...]; it is used up. Default: the model's start.
        membrane: Whether to keep the voltage of every step, as it is at the end of the step.
        compile: False runs the same functions as plain Python: the same numbers, slowly.

    Raises:
        Refused: dt is not finite or not above 0, the drive is not finite or has no time axis, or the
            state is of another model or shape.
    """
    if not isinstance(neuron, Neuron):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Refused(
            f"simulate: {neuron!r} is no neuron; give what a model returns, such as lif()"
        )
    require_positive("simulate", dt=dt)
    require_finite("simulate", dt=dt)
    given, dt = _currents(drive), float(dt)
    shape = given.shape[1:]
    state = neuron.start(shape) if state is None else _continued(state, neuron.start(shape))
    spikes = np.zeros(given.shape, np.bool_)
    v = np.zeros(given.shape if membrane else (0, *shape))
    run, step = (compiled(_run), compiled(neuron.step)) if compile else (_run, neuron.step)
    if shape:
        return Trace(spikes, v, run(step, state, given, dt, spikes, v))
    # A row of a [T] array is a number once compiled, so a lone neuron travels as a population of one.
    one = run(step, _reshaped(state, (1,)), given[:, None], dt, spikes[:, None], v[:, None])
    return Trace(spikes, v, _reshaped(one, ()))


def _currents(drive: ArrayLike) -> Floats:
    """The drive as machine code reads it, [T, ...]."""
    try:
        found = np.asarray(drive)
        kept = found.dtype.kind in "biufO"  # NumPy would make numbers of "1.5" and of 1 + 2j, too
        given = np.ascontiguousarray(found if kept else "text", np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Refused("simulate: the drive cannot be read as numbers; give [T, ...]") from None
    if found.ndim == 0:
        raise Refused("simulate: the drive is one number; give an array [T, ...], a row a step")
    if not np.isfinite(given).all():
        raise Refused("simulate: the drive is not all finite; put numbers for NaN and infinity")
    return given


def _continued(state: State, start: State) -> State:
    """The state to go on from, if it is made as the model's start is."""
    if type(state) is not type(start):
        told, needed = type(state).__name__, type(start).__name__
        raise Refused(f"simulate: the state is a {told} and the model needs a {needed}; give that")
    for name, array, like in zip(getattr(start, "_fields", range(9)), state, start, strict=False):
        if np.shape(array) != like.shape:
            raise Refused(
                f"simulate: the state is of shape {np.shape(array)} and a step of the drive of "
                f"{like.shape}; give both the same"
            )
        if np.asarray(array).dtype != like.dtype or np.isnan(array).any():
            raise Refused(f"simulate: {name} of the state is no {like.dtype}, or NaN; give numbers")
    return state


def _run(
    step: Callable[[State, Floats, float], tuple[State, Fired]],
    state: State,
    drive: Floats,
    dt: float,
    spikes: Fired,
    v: Floats,
) -> State:
    for t in range(len(drive)):
        state, fired = step(state, drive[t, ...], dt)
        spikes[t, ...] = fired
        if len(v) > 0:
            v[t, ...] = state[0]
    return state


def _reshaped(state: State, shape: tuple[int, ...]) -> State:
    return type(state)(*(array.reshape(shape) for array in state))


def require_positive(model: str, **values: float) -> None:
    """Refuse a value that is not above 0; infinity is above 0."""
    _require(model, values, lambda value: value > 0, "a number above 0")


def require_not_negative(model: str, **values: float) -> None:
    """Refuse a value that is below 0 or not finite."""
    _require(model, values, lambda value: 0 <= value < inf, "0 or a finite number above")


def require_finite(model: str, **values: float) -> None:
    """Refuse a value that is NaN, infinite or no number."""
    _require(model, values, lambda value: -inf < value < inf, "a finite number")


def require_descending(model: str, **values: float) -> None:
    """Refuse values that do not descend in the order given, such as a threshold below the reset."""
    for (high, above), (low, below) in pairwise(values.items()):
        if not _holds(lambda above=above, below=below: above > below):
            raise Refused(
                f"{model}: {high} is {above} and {low} is {below}; give a {high} above {low}"
            )


def _require(model: str, values: Mapping[str, Any], fine: Callable[[Any], bool], rule: str) -> None:
    for name, value in values.items():
        if not _holds(lambda value=value: fine(value)):
            told = value if isinstance(value, int | float) else repr(value)
            raise Refused(f"{model}: {name} is {told}; give {rule}")


def _holds(comparison: Callable[[], bool]) -> bool:
    """Whether a comparison holds; what cannot be compared, such as text, does not."""
    try:
        return bool(comparison())
    except (TypeError, ValueError):
        return False
