"""How many samples an update learns from, and in how many parts they are computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import nn, optim

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.gradient import (
    gradient_step,
    learning_rate,
    optimizer_class,
    with_rate,
)
from potentiate.workload import Run

Rule = Literal["auto", "none", "sqrt", "linear"]

RULES: dict[type[optim.Optimizer], Rule] = {
    optim.SGD: "linear",
    optim.ASGD: "linear",
    optim.Adam: "sqrt",
    optim.AdamW: "sqrt",
    optim.NAdam: "sqrt",
    optim.RAdam: "sqrt",
    optim.Adamax: "sqrt",
    optim.RMSprop: "sqrt",
    optim.Adagrad: "sqrt",
    optim.Adafactor: "sqrt",
    optim.Muon: "sqrt",
    optim.Adadelta: "none",
    optim.Rprop: "none",
}
"""The rule that "auto" takes for an optimizer's class.

Linear where the step is proportional to the gradient; square root where it is divided by the
gradient's size, whose noise shrinks with the root; none where the optimizer finds its own unit.
"""

EXPONENTS: dict[Rule, float] = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}


@dataclass(frozen=True)
class BatchSize(Technique):
    """Learn from batches of a stated size, with the learning rate rescaled by a declared rule.

    Source: Goyal et al. 2017 (linear, SGD); Krizhevsky 2014 and Malladi et al. 2022 (square root,
        adaptive optimizers).
    Helps: Hardware that small batches leave idle: fewer, larger steps with less overhead each.
    Hurts: Few updates: beyond a critical size quality falls at equal epochs. On a processor, batches
        whose activations exceed the cache cost more per sample.
    Cost: Memory in proportion. Nothing but size and rate changes: epochs, weight decay, momentum and
        averaging stay as declared. A rate that a schedule states is not rescaled.

    Attributes:
        size: Samples of a batch.
        lr_rule: With k = new / old size the rate is multiplied by k ("linear"), its root ("sqrt") or 1
            ("none"); "auto" is linear for SGD, sqrt for the Adam family, none for Adadelta and Rprop.
        lr_factor: A further factor on the rescaled rate, as the check of adaptive-batch finds it.
    """

    size: Annotated[int, Field(ge=1)] = 256
    lr_rule: Rule = "auto"
    lr_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    name: ClassVar[str] = "batch-size"
    # First of its stage by name: after `optimizer`, which states a rate for the old size, and before
    # the schedules, whose stated rates are meant as they are.
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    excludes: ClassVar[frozenset[str]] = frozenset({"adaptive-batch"})

    def apply(self, run: Run) -> Run:
        """Return the run in batches of `size`, with its learning rate rescaled."""
        before, most = run.batches.size, samples(run)
        if self.size == before:
            return run
        if self.size > most:
            raise NotApplicable(f"batch-size {self.size} exceeds the {most} training samples")
        passes = len(run.batches)
        run = run.edit(batches=run.batches.resized(self.size))
        epoch: int | None = getattr(run.step, "epoch", None)
        if epoch is not None:  # steps that count epochs have fewer to one now
            run = run.edit_step(epoch=max(1, round(epoch * len(run.batches) / passes)))
        factor = self.lr_factor * (self.size / before) ** EXPONENTS[self.rule(run)]
        if factor == 1.0:
            return run
        rate = learning_rate(gradient_step(run, self.name), self.name)
        return with_rate(run, rate * factor, self.name)

    def rule(self, run: Run) -> Rule:
        """Return the rule that holds for the optimizer of `run`."""
        if self.lr_rule != "auto":
            return self.lr_rule
        kind = optimizer_class(gradient_step(run, self.name))
        if kind not in RULES:
            label = "an optimizer built by a function" if kind is None else kind.__name__
            raise NotApplicable(
                f"batch-size knows no learning-rate rule for {label}; state lr_rule=none, sqrt or linear"
            )
        return RULES[kind]


def samples(run: Run) -> int:
    """Return the number of samples that a training goes through: all it has, where some serve without labels."""
    stated = run.sizes.get("train", len(run.batches) * run.batches.size)
    return max(int(stated), getattr(run.batches, "count", 0))


@dataclass(frozen=True)
class GradientAccumulation(Technique):
    """Compute a batch in parts and add their gradients before the one update.

    Source: Common practice; the identity holds for any loss that is a mean over samples.
    Helps: Memory: activations of one part at a time, so that a batch too large to hold can be learned
        from. Together with batch-size it gives large batches on small devices.
    Hurts: Time, where the batch fits: more, smaller kernels. Speeds nothing up by itself.
    Cost: The order of additions, and dropout draws its masks part by part. Batch normalization would
        see the parts and not the batch, and losses that are not plain means over samples (class
        weights, ignored targets) would not add up: both are refused.

    Attributes:
        parts: Pieces of equal size that a batch is computed in.
    """

    parts: Annotated[int, Field(ge=2)] = 2

    name: ClassVar[str] = "gradient-accumulation"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def apply(self, run: Run) -> Run:
        """Return the run with batches computed in parts."""
        step = gradient_step(run, self.name)
        if step.accumulate > 1:
            raise NotApplicable(
                f"gradient-accumulation: the step computes {step.accumulate} parts already"
            )
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in run.model.modules()):  # pyright: ignore[reportPrivateUsage]
            raise NotApplicable(
                "gradient-accumulation: batch normalization would see the parts and not the batch"
            )
        if not _plain_mean(step.loss):
            raise NotApplicable(
                "gradient-accumulation: the loss is not a plain mean over samples, so parts do not add up"
            )
        return run.edit_step(accumulate=self.parts)


def _plain_mean(loss: Any) -> bool:
    """Whether nothing says that `loss` weights its samples; a function of the user's own is believed."""
    if isinstance(loss, nn.Module):
        weights = getattr(loss, "weight", None), getattr(loss, "pos_weight", None)
        ignored = getattr(loss, "ignore_index", -100)
        return (
            getattr(loss, "reduction", "mean") == "mean" and weights[0] is None and ignored == -100
        )
    while isinstance(loss, partial):
        keywords: dict[str, Any] = loss.keywords
        if (
            keywords.get("reduction", "mean") != "mean"
            or {"weight", "ignore_index"} & keywords.keys()
        ):
            return False
        loss = loss.func  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return True
