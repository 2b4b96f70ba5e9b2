"""What a person gives a brain, checked: tensors, NumPy arrays and lists alike."""

from __future__ import annotations

import math
from operator import index
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from potentiate.errors import Refused
from potentiate.settings import changed

Given = Tensor | ArrayLike
Part = TypeVar("Part")


def settings(part: Any, kind: type[Part]) -> Part:
    """Return `part`, an instance of `kind`, with every field checked and of its field's type."""
    if not isinstance(part, kind):
        raise Refused(f"a brain takes {kind.__name__}(...), not a {type(part).__name__}; give one")
    return changed(part, vars(part), where=kind.__name__)


def whole(value: Any, rule: str, least: int = 0) -> int:
    """Return the whole number `value`, of which `rule` says that it is `least` or more."""
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise Refused(f"{rule}; got {value!r}")
    return number


def factor(value: Any, what: str) -> float:
    """Return `value`, finite and not below 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise Refused(f"{what}={value!r} is refused; give a finite number from 0")
    return number


def patterns(given: Given, inputs: int) -> Tensor:
    """Return float32 [n, inputs] in [0, 1] from uint8 or such values of [n, inputs or more axes]."""
    found = _tensor(given, "patterns")
    if not found.ndim:
        raise Refused(f"patterns are [n, {inputs}], but one number was given; add both axes")
    flat = found.reshape(len(found), math.prod(found.shape[1:]))
    if flat.shape[1] != inputs:
        raise Refused(
            f"this brain has {inputs} inputs, but a pattern has {flat.shape[1]} values where patterns are of "
            f"shape {list(found.shape)}; give [n, {inputs}]"
        )
    values = flat.float() / 255.0 if flat.dtype == torch.uint8 else flat.float()
    if len(values) and not (float(values.min()) >= 0.0 and float(values.max()) <= 1.0):
        raise Refused("patterns must lie in [0, 1] (or be uint8); scale them first")
    return values


def labels(given: Given, n: int, classes: int) -> Tensor:
    """Return int64 [n] from -1 to `classes` - 1."""
    found = _tensor(given, "labels")
    if found.shape != (n,):
        raise Refused(
            f"{n} patterns came with labels of shape {list(found.shape)}; give one label for each"
        )
    named = found.to(torch.int64).contiguous()
    wrong = (named < -1) | (named >= classes) | _broken(found)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise Refused(
            f"label {_shown(found[row])} of pattern {row} is refused; this brain learns labels from 0 to "
            f"{classes - 1}, and -1 where there is no teacher"
        )
    return named


def delays(given: Given, inputs: int) -> Tensor:
    """Return int64 [inputs] from 0."""
    found = _tensor(given, "delays")
    rule = f"delays must be {inputs} whole steps from 0"
    if found.shape != (inputs,):
        raise Refused(f"{rule}, but their shape is {list(found.shape)}")
    wrong = (found.to(torch.int64) < 0) | _broken(found)
    if wrong.any():
        raise Refused(f"{rule}, but one of them is {_shown(found[wrong][0])}")
    return found.to(torch.int64)


def _tensor(given: Given, what: str) -> Tensor:
    if isinstance(given, Tensor):
        found = given.detach().cpu()
    else:
        try:  # a copy, for torch takes no array that is read-only or runs backwards
            found = torch.from_numpy(np.array(given, order="C"))
        except (TypeError, ValueError, RuntimeError):
            raise Refused(
                f"{what} are no array of numbers; give a tensor, a NumPy array or lists of equal lengths"
            ) from None
    if found.is_complex():
        raise Refused(f"{what} are complex; give real numbers")
    return found


def _broken(found: Tensor) -> Tensor:
    """Where numbers are not whole."""
    if not found.is_floating_point():
        return torch.zeros(found.shape, dtype=torch.bool)
    return found != found.trunc()  # nan too


def _shown(value: Tensor) -> str:
    return f"{value.item():g}" if value.is_floating_point() else str(value.item())
