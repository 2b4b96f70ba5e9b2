"""Plasticity of plasticity: what a neuron did lately decides how it learns."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from potentiate.plasticity import checks
from potentiate.plasticity.homeostasis import mean_of
from potentiate.plasticity.limits import positive
from potentiate.plasticity.rule import Rule, State
from potentiate.plasticity.stdp import pair_stdp
from potentiate.plasticity.traces import Array, per_output

PAIRS = pair_stdp()


class Activity(NamedTuple):
    """State of `metaplasticity`."""

    activity: Array  # [post] in spikes per ms, the running mean; 0 to begin with
    inner: State


def metaplasticity(
    rule: Rule = PAIRS, *, threshold: float = 0.1, tau: float = 1000.0, factor: float = 1.2
) -> Rule:
    """Let busy neurons depress more and potentiate less.

    While the mean activity of a postsynaptic neuron over `tau` exceeds `threshold`, `factor` multiplies
    what `rule` takes from its weights and divides what it adds.

    Units: threshold in spikes per ms (per step at dt = 1); tau in ms. Activity is averaged over the batch.
    Convention: the sign is that of the net change of a weight in a step, and activity is read before
        the spikes of the step join it.
    Source: after Bienenstock, Cooper & Munro 1982 (a sliding threshold), in two levels.
    Cost: a copy of the weight and pre * post per step. A change that is made larger can pass the
        bounds of `rule`; chain `bound` after it.

    Raises:
        Refused: A parameter is not positive, or `rule` is none.
    """
    positive(threshold=threshold, tau=tau, factor=factor)
    checks.rules("metaplasticity", rule)
    update_inner = rule.update

    def init(weight: Array, batch: int) -> Activity:
        return Activity(per_output(weight), rule.init(weight, batch))

    def update(
        weight: Array, pre: Array, post: Array, state: Activity, dt: float
    ) -> tuple[Array, Activity]:
        before = weight.copy()
        weight, inner = update_inner(weight, pre, post, state.inner, dt)
        follow = 1.0 - exp(-dt / tau)
        for j in range(weight.shape[1]):
            if state.activity[j] > threshold:
                _tilt(weight, before, j, factor)
            state.activity[j] += follow * (mean_of(post, j) / dt - state.activity[j])
        return weight, Activity(state.activity, inner)

    return Rule(init, update)


def _tilt(weight: Array, before: Array, j: int, factor: float) -> None:
    for i in range(weight.shape[0]):
        moved = weight[i, j] - before[i, j]
        if moved != 0:
            weight[i, j] = before[i, j] + (moved * factor if moved < 0 else moved / factor)
