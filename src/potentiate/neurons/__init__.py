"""Point neurons: what turns a driving current into a membrane voltage and spikes.

A `Neuron` is a pair of functions over arrays of any shape. Its equations are written once, as plain
Python over arrays: run as it stands `step` is the definition, and `compiled(neuron.step)` of
`potentiate.kernels.compile` is the same arithmetic at speed.

Conventions: times in ms, voltages in mV. A step first integrates and then compares: a neuron fires
where v > threshold (strictly), and its voltage is put back within that step. `refractory` counts as
round(refractory / dt) whole steps, in which the voltage stays at `reset` and the drive is not felt.
The drive is constant within a step; `resistance` turns its unit into mV.
"""

from potentiate.neurons.adex import AdexState, adex
from potentiate.neurons.izhikevich import IZHIKEVICH, IzhikevichState, izhikevich
from potentiate.neurons.lif import (
    AdaptiveState,
    CurrentLifState,
    IntegratorState,
    LifState,
    ThresholdState,
    adaptive_lif,
    adaptive_threshold_lif,
    current_lif,
    leaky_integrator,
    lif,
)
from potentiate.neurons.neuron import Neuron, Trace, simulate

__all__ = [
    "IZHIKEVICH",
    "AdaptiveState",
    "AdexState",
    "CurrentLifState",
    "IntegratorState",
    "IzhikevichState",
    "LifState",
    "Neuron",
    "ThresholdState",
    "Trace",
    "adaptive_lif",
    "adaptive_threshold_lif",
    "adex",
    "current_lif",
    "izhikevich",
    "leaky_integrator",
    "lif",
    "simulate",
]
