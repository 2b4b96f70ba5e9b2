"""What the techniques of gradient training read of a run: its step, its optimizer's class, its rate."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch

from potentiate.errors import NotApplicable
from potentiate.steps import GradientStep
from potentiate.workload import Run


def gradient_step(run: Run, name: str) -> GradientStep:
    """Return the step of `run`.

    Raises:
        NotApplicable: It is none that technique `name` can edit.
    """
    if isinstance(run.step, GradientStep):
        return run.step
    raise NotApplicable(f"{name} edits a GradientStep and this run has a {type(run.step).__name__}")


def optimizer_class(step: GradientStep) -> type[torch.optim.Optimizer] | None:
    """Return the class of the optimizer, or None where a function builds it."""
    kind: Any = step.optimizer
    while isinstance(kind, partial):
        kind = kind.func  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer):
        return kind
    return None


def learning_rate(step: GradientStep, name: str) -> float:
    """Return the declared rate: an option, or the default of the optimizer.

    Raises:
        NotApplicable: There is none that technique `name` could scale.
    """
    default = inspect.signature(step.optimizer).parameters.get("lr")
    rate = step.options.get("lr", None if default is None else default.default)
    if isinstance(rate, int | float):
        return float(rate)
    raise NotApplicable(f"{name} scales the learning rate and the optimizer's options name none")


def with_rate(run: Run, rate: float | None, name: str) -> Run:
    """Return `run` with another declared learning rate; None leaves it."""
    if rate is None:
        return run
    step = gradient_step(run, name)
    return run.edit_step(options={**step.options, "lr": rate})
