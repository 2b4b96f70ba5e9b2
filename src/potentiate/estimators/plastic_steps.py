"""The steps that `PlasticClassifier` learns by, from the parameters that it is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field

from potentiate.errors import unknown
from potentiate.estimators.patterns import within
from potentiate.kernels.sparse_linear import ENGINES
from potentiate.models.plastic import Rewiring, StructuralStep
from potentiate.models.plastic.step import LiveStructuralStep
from potentiate.plasticity.structural import STRUCTURAL, Coactivation, StructuralRule
from potentiate.schedules import Constant, OneCycle

Natural = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]

STEADY = 0.2
"""The learning rate of `partial_fit`, which does not fall, as a share of the highest of `fit`."""


@dataclass(frozen=True)
class Parameters:
    """What `PlasticClassifier` is made with, to be checked."""

    neurons: Natural | None = None
    sparsity: Share = 0.9
    iterations: Natural = 3
    rule: str = "coactivation"
    plasticity_interval: Natural | None = None
    epochs: Natural | None = None
    batch_size: Natural | None = None
    lr: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Amount = 1e-2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    homeostasis: Amount = 0.01
    engine: str = "rows"


def check(given: Parameters) -> Parameters:
    """Return the parameters, if there are such a rule and engine."""
    if given.rule not in STRUCTURAL:
        raise unknown("structural rule", given.rule, STRUCTURAL)
    engines = {"auto", "reference", *ENGINES}
    if given.engine not in engines:
        raise unknown("engine", given.engine, engines)
    return given


def fit_step(given: Parameters, interval: int, seed: int) -> StructuralStep:
    """The step of `fit`."""
    return StructuralStep(
        partial(F.cross_entropy, label_smoothing=given.label_smoothing),
        torch.optim.AdamW,
        {"lr": given.lr, "weight_decay": given.weight_decay},
        OneCycle(),
        rewiring=Rewiring(_rule(given.rule, interval), interval, homeostasis=given.homeostasis),
        seed=seed,
    )


def _rule(name: str, interval: int) -> StructuralRule:
    """The rule, with times that fit between two of its updates."""
    if name != "coactivation":
        return STRUCTURAL[name]()
    return Coactivation(
        protection=min(60, interval), coactivation_every=within((1, 20), interval // 5)
    )


def steady_step(spec: StructuralStep) -> StructuralStep:
    """The step of `partial_fit`: at one rate and without an end."""
    return replace(
        spec,
        options={**spec.options, "lr": STEADY * spec.options["lr"]},
        schedule=Constant(),
        rewiring=replace(spec.rewiring, until=inf),
    )


def resumed_step(step: LiveStructuralStep) -> LiveStructuralStep:
    """Return a steady step that goes on from where that of `fit` ended."""
    steady = steady_step(step.spec).start(step.model, step.total_steps)
    steady.load_state_dict(step.state_dict())
    for group, rate in zip(steady.optimizer.param_groups, steady.rates, strict=True):
        group["lr"] = rate
    return steady
