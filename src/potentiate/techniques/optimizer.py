"""Which optimizer makes the update, and in how many kernels."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import optim

from potentiate.errors import NotApplicable, unknown
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.gradient import gradient_step, optimizer_class
from potentiate.workload import Run

KINDS: dict[str, type[optim.Optimizer]] = {
    name: kind
    for name, kind in vars(optim).items()
    if isinstance(kind, type)
    and issubclass(kind, optim.Optimizer)
    and name not in ("Optimizer", "LBFGS", "SparseAdam")  # closures; sparse gradients
}
"""Optimizers of torch.optim that update after one backward pass with dense gradients."""


@dataclass(frozen=True)
class Optimizer(Technique):
    """Replace the optimizer, with its learning rate and weight decay; fused where torch can.

    Source: torch.optim; the default is AdamW, Loshchilov & Hutter 2019.
    Helps: Recipes whose optimizer is slow per step or needs many epochs.
    Hurts: Everything that was tuned for the old one, above all the learning rate; the schedule stays
        and multiplies the new rate.
    Cost: Two numbers of state per weight for the Adam family, one or none for SGD; a rate to tune.

    Attributes:
        kind: Name of a class in torch.optim (`name` is understood too).
        lr: Learning rate; none: the default of that class.
        weight_decay: none: the default of that class.
        momentum: For classes that have it; none: the default of that class.
    """

    kind: str = "AdamW"
    lr: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None

    name: ClassVar[str] = "optimizer"
    stage: ClassVar[Stage] = Stage.STEP  # before rules and schedules that work on its rate
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("optimizer in torch.optim", self.kind, KINDS)

    def apply(self, run: Run) -> Run:
        """Return the run with this optimizer; the options of the old one go with it."""
        gradient_step(run, self.name)
        stated = {"lr": self.lr, "weight_decay": self.weight_decay, "momentum": self.momentum}
        options: dict[str, Any] = {k: value for k, value in stated.items() if value is not None}
        kind: Any = KINDS[self.kind]
        if can_fuse(KINDS[self.kind]):
            options["fused"] = True
        try:
            kind([p for p in run.model.parameters() if p.requires_grad], **options)
        except (TypeError, ValueError) as error:
            raise NotApplicable(f"optimizer: {self.kind} refuses: {error}".rstrip(".")) from None
        return run.edit_step(optimizer=kind, options=options)


@dataclass(frozen=True)
class FusedOptimizer(Technique):
    """Update all weights in one kernel, or in one per kind of operation where there is no such.

    Source: torch.optim, `fused=True`, else `foreach=True`.
    Helps: Many small tensors, where starting a kernel costs more than its work.
    Hurts: Nothing known where fused exists; foreach needs memory for intermediates the size of the
        weights, and on a processor it can lose to the plain loop.
    Cost: The order of operations, so numbers differ in the last digits.
    """

    name: ClassVar[str] = "fused-optimizer"
    stage: ClassVar[Stage] = Stage.COMPILE  # after `optimizer`, whose choice it fuses
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    speeds: ClassVar[tuple[str, ...]] = ("optimizer",)

    def settle(self, run: Run, device: str) -> FusedOptimizer:
        """Return itself.

        Raises:
            NotApplicable: The run, as declared, updates that way already.
        """
        if gradient_step(run, self.name).options.get("fused"):
            raise NotApplicable("fused-optimizer: the optimizer of this run is fused already")
        return self

    def apply(self, run: Run) -> Run:
        """Return the run with a fused update, or one in lists of tensors."""
        step = gradient_step(run, self.name)
        kind = optimizer_class(step)
        label = "an optimizer built by a function" if kind is None else kind.__name__
        options = {k: v for k, v in step.options.items() if k not in ("fused", "foreach")}
        if kind is not None and can_fuse(kind):
            return run.edit_step(options={**options, "fused": True})
        if kind is not None and "foreach" in inspect.signature(kind).parameters:
            return run.edit_step(options={**options, "foreach": True})
        raise NotApplicable(f"fused-optimizer: {label} has neither a fused nor a foreach form")


def can_fuse(kind: type[optim.Optimizer]) -> bool:
    """Whether torch has a fused form of `kind` on every device we train on; Adagrad's has no GPU."""
    return "fused" in inspect.signature(kind).parameters and kind is not optim.Adagrad
