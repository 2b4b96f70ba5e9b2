"""What a brain is made of and how it learns, as one frozen dataclass, and its constants for the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

if TYPE_CHECKING:
    from potentiate.kernels.circuit import Physiology

Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Anatomy:
    """A brain before it learns. Defaults: Diehl & Cook 2015 (Front. Comput. Neurosci. 9:99), in mV and ms.

    Attributes:
        hidden: Competing neurons.
        complement: Give each input a second channel that is active when it is not.
        code: "poisson": rates; "latency": one spike, the sooner the larger the value.
        time_steps: Steps of 1 ms in a presentation.
        rate: Highest rate of an input in Hz.
        tau: Membrane time constant.
        threshold: Above rest.
        reset: Above rest.
        refractory: Steps without input after a spike.
        inhibition: What a spike takes from every other hidden neuron in the next step.
        single: Only the neuron furthest above its threshold fires in a step.
        baseline: Current into every hidden neuron, per step.
        theta_plus: What a spike adds to the neuron's own threshold.
        tau_theta: How that fades, once per presentation that is learned from.
        delay: Steps from the hidden neurons to the outputs.
        output_threshold: Of the outputs, in weights of certain hidden neurons.
        output_inhibition: What an output's spike takes from the other outputs.
        w_max: Largest input weight.
        total: Sum of a hidden neuron's weights per input channel; 0 leaves the sums alone.
    """

    hidden: Natural = 400
    complement: bool = False
    code: Literal["poisson", "latency"] = "poisson"
    time_steps: Natural = 250
    rate: Positive = 63.75
    tau: Annotated[float, Field(ge=0.1)] = 100.0
    threshold: Positive = 13.0
    reset: float = 0.0
    refractory: Annotated[int, Field(ge=0)] = 5
    inhibition: Amount = 60.0
    single: bool = True
    baseline: float = 0.0
    theta_plus: Amount = 0.05
    tau_theta: Positive = 1e7
    delay: Annotated[int, Field(ge=0)] = 0
    output_threshold: Positive = 1.0
    output_inhibition: Amount = 0.0
    w_max: Positive = 1.0
    total: Amount = 0.1


@dataclass(frozen=True)
class Plasticity:
    """How a brain learns.

    Attributes:
        a_plus: Potentiation at a spike of the neuron, times the trace of the input.
        a_minus: Depression at a spike of the input, times the trace of the neuron.
        tau_trace: Of both traces, ms.
        decay: Factor on both amplitudes each `decay_every` presentations, down to a tenth of them.
        decay_every: Presentations.
        normalize_every: Presentations between two normalizations of the weight sums; 0: never.
        teacher: Current into the output that the label names, in its thresholds per step.
        fade: Factor on the teacher per fifth of a presentation.
        curriculum: Share of the teacher that is gone after `curriculum_epochs`.
        curriculum_epochs: Epochs over which it goes, evenly.
        outstar: Rate at which a hidden neuron learns which output fires with it.
        protection: How much importance slows the change of a synapse; 0: not at all.
        increment: What a use adds to a synapse's importance.
        tau_importance: Presentations in which importance decays by e.
        consolidation: Rate at which slow weights follow the weights; 0: there are none.
        recall: Rate at which the weights are drawn back to the slow ones.
        consolidate_every: Presentations between two such steps; both rates are per presentation.
        silent: Fewer hidden spikes per presentation than this raise the rate of the inputs by half.
        patience: Presentations without fewer errors after which the teacher grows by a fifth; 0: never.
        history: Presentations over which both are judged.
        event_driven: Visit only the synapses that spikes touch; the numbers are the same.
        baseline_cached: Build the baseline current once and not in every step; likewise.
        shards: Parts of a batch that learn at once from the same weights, each on a thread; their
            changes are added. 1 is strictly one presentation after another.
    """

    a_plus: Amount = 1e-2
    a_minus: Amount = 1e-4
    tau_trace: Positive = 20.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    decay_every: Natural = 100
    normalize_every: Annotated[int, Field(ge=0)] = 1
    teacher: Amount = 2.0
    fade: Annotated[float, Field(gt=0, le=1)] = 1.0
    curriculum: Share = 0.0
    curriculum_epochs: Positive = 100.0
    outstar: Share = 0.03
    protection: Amount = 0.0
    increment: Amount = 0.01
    tau_importance: Positive = 1000.0
    consolidation: Share = 0.0
    recall: Share = 0.0
    consolidate_every: Natural = 1
    silent: Amount = 0.1
    patience: Annotated[int, Field(ge=0)] = 0
    history: Natural = 100
    event_driven: bool = True
    baseline_cached: bool = True
    shards: Natural = 1


@lru_cache(maxsize=64)  # a brain that learns one pattern a call asks the same again and again
def physiology(
    anatomy: Anatomy,
    plasticity: Plasticity,
    channels: int,
    *,
    gain: float = 1.0,
    teacher: float = 1.0,
    amplitude: float = 1.0,
) -> Physiology:
    """Return the kernel's constants.

    Args:
        anatomy: The circuit.
        plasticity: Its learning.
        channels: Inputs of the circuit.
        gain: Factor on the drive by the inputs.
        teacher: Factor on the teacher's current.
        amplitude: Factor on the amplitudes of potentiation and depression.
    """
    from potentiate.kernels.circuit import Physiology

    latency = anatomy.code == "latency"  # has no rates, so its gain is that of the membrane
    values: dict[str, Any] = {
        "steps": anatomy.time_steps,
        "rate": anatomy.rate * gain / 1000.0,
        "latency": latency,
        "threshold": anatomy.threshold / (gain if latency else 1.0),
        "decay": math.exp(-1.0 / anatomy.tau),
        "theta_decay": math.exp(-anatomy.time_steps / anatomy.tau_theta),
        "trace_decay": math.exp(-1.0 / plasticity.tau_trace),
        "a_plus": plasticity.a_plus * amplitude,
        "a_minus": plasticity.a_minus * amplitude,
        "fading": math.exp(-1.0 / plasticity.tau_importance),
        "consolidate_every": plasticity.consolidate_every if plasticity.consolidation else 0,
        "recall": 1.0 - (1.0 - plasticity.recall) ** plasticity.consolidate_every,
        "consolidation": 1.0 - (1.0 - plasticity.consolidation) ** plasticity.consolidate_every,
        "total": anatomy.total * channels,
        "normalize_every": plasticity.normalize_every if anatomy.total > 0 else 0,
        "fade": plasticity.fade ** (5.0 / anatomy.time_steps),
        "teacher": plasticity.teacher * teacher * anatomy.output_threshold,
    }
    for name in Physiology._fields:
        if name not in values:
            values[name] = getattr(anatomy if hasattr(anatomy, name) else plasticity, name)
    return Physiology(**{name: _single(value) for name, value in values.items()})


def _single(value: Any) -> Any:
    import numpy as np

    return np.float32(value) if isinstance(value, float) else value
