"""What happens in a training run, as values; the engine yields them, listeners read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from potentiate.workload import Metrics

if TYPE_CHECKING:
    from torch import Tensor

    from potentiate.training import Training


@dataclass(frozen=True)
class Started:
    """Set-up and warm-up are done; `training` holds the live parts, the first step comes next."""

    training: Training


@dataclass(frozen=True)
class Stepped:
    """One batch was learned. `step` counts from 1; `loss` is a scalar on the device."""

    step: int
    loss: Tensor


@dataclass(frozen=True)
class Rewired:
    """After `step` steps a network changed its edges; `measures` says how, as plain JSON values."""

    step: int
    measures: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluated:
    """The network was judged on validation data after `step` steps and `seconds` of training."""

    step: int
    seconds: float
    metrics: Metrics


@dataclass(frozen=True)
class Finished:
    """The run is over; `test` was read once, after `step` steps; `seconds` are the parts of wall time."""

    step: int
    reason: str
    test: Metrics | None
    seconds: Mapping[str, float]


Event = Started | Stepped | Rewired | Evaluated | Finished
