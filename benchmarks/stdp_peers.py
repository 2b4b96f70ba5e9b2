"""The STDP work as other simulators do it, and the list of all peers.

Each function builds once, imports its package itself, and returns what prepares a repetition.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from itertools import count
from tempfile import TemporaryDirectory

import torch
from stdp_torch import indexed_torch, norse, snntorch, spikingjelly
from stdp_work import (
    A_MINUS,
    A_PLUS,
    HIDDEN,
    INHIBITION,
    INPUTS,
    RATE,
    REFRACTORY,
    RESET,
    STEPS,
    TAU,
    THRESHOLD,
    TOTAL,
    Prepare,
    Repetition,
    images,
    weights,
)


@dataclass(frozen=True)
class Peer:
    """A simulator, how many samples one repetition presents, and where its work differs from ours."""

    name: str
    package: str
    samples: int
    build: Callable[[int], Prepare]
    differs: str


def bindsnet(samples: int) -> Prepare:
    package = find_spec("bindsnet")
    if package is None:
        raise ImportError("No module named 'bindsnet'")
    sys.modules["bindsnet"] = module_from_spec(package)  # its __init__ would import games and video
    import bindsnet.network
    from bindsnet.encoding.encodings import poisson
    from bindsnet.models import DiehlAndCook2015

    rates = torch.from_numpy(images(samples)) * RATE

    def prepare() -> Repetition:
        network = DiehlAndCook2015(
            INPUTS,
            n_neurons=HIDDEN,
            inh=INHIBITION,
            nu=(A_MINUS, A_PLUS),
            norm=TOTAL,
            inpt_shape=(INPUTS,),
        )
        monitor = bindsnet.network.monitors.Monitor(network.layers["Ae"], ["s"], time=STEPS)
        network.add_monitor(monitor, "spikes")

        def run() -> float:
            total = 0.0
            for rate in rates:
                network.run({"X": poisson(rate, STEPS)}, time=STEPS)
                total += float(monitor.get("s").sum())
                network.reset_state_variables()
            return total

        return run

    return prepare


def brian2(samples: int) -> Prepare:
    import brian2 as b2

    temporary = TemporaryDirectory(prefix="brian2-")  # removed with what runs in it
    folder = temporary.name
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
    flags = ["-O3", "-ffast-math", "-march=native", "-w", "-std=c++14"]
    b2.prefs.codegen.cpp.extra_compile_args_gcc = flags
    b2.defaultclock.dt = 1 * b2.ms
    table = b2.TimedArray(images(samples).astype(float) * RATE * b2.Hz, dt=STEPS * b2.ms)
    inputs = b2.PoissonGroup(INPUTS, rates="table(t, i)", namespace={"table": table})
    hidden = b2.NeuronGroup(
        HIDDEN,
        "dv/dt = -v / (100*ms) : 1 (unless refractory)\ntheta : 1",
        threshold="v > 13 + theta",
        reset="v = 5; theta += 0.05",
        refractory=REFRACTORY * b2.ms,
        method="exact",
    )
    plastic = b2.Synapses(
        inputs,
        hidden,
        "w : 1\ndx/dt = -x / (20*ms) : 1 (event-driven)\ndy/dt = -y / (20*ms) : 1 (event-driven)",
        on_pre="v_post += w; x = 1; w = clip(w - 1e-4 * y, 0, 1)",
        on_post="y = 1; w = clip(w + 1e-2 * x, 0, 1)",
    )
    plastic.connect()
    plastic.w = weights().ravel()
    inhibition = b2.Synapses(hidden, hidden, on_pre="v_post -= 17.5")
    inhibition.connect(condition="i != j")
    spikes = b2.SpikeMonitor(hidden, record=False)
    network = b2.Network(inputs, hidden, plastic, inhibition, spikes)
    network.run(samples * STEPS * b2.ms)
    b2.device.build(directory=folder, compile=True, run=False)

    def run() -> float:
        b2.device.run(directory=temporary.name, with_output=False, run_args=[])
        return float(spikes.num_spikes)

    return lambda: run


def nest(samples: int) -> Prepare:
    os.environ["PYNEST_QUIET"] = "1"
    import nest

    rates = images(samples).astype(float) * RATE
    seeds = count(1)

    def prepare() -> Repetition:
        nest.ResetKernel()
        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.set(resolution=1.0, local_num_threads=1, rng_seed=next(seeds))
        source, inputs = (
            nest.Create("poisson_generator", INPUTS),
            nest.Create("parrot_neuron", INPUTS),
        )
        membrane = {"tau_m": TAU, "E_L": 0.0, "V_m": 0.0, "V_th": THRESHOLD, "V_reset": RESET}
        hidden = nest.Create("iaf_psc_delta", HIDDEN, {**membrane, "t_ref": float(REFRACTORY)})
        rule = {
            "Wmax": 1.0,
            "mu_plus": 0.0,
            "mu_minus": 0.0,
            "lambda": A_PLUS,
            "alpha": A_MINUS / A_PLUS,
        }
        plastic = {"synapse_model": "stdp_synapse", "weight": weights().T.astype(float), **rule}
        nest.Connect(source, inputs, "one_to_one")
        nest.Connect(inputs, hidden, "all_to_all", plastic)
        nest.Connect(
            hidden, hidden, {"rule": "all_to_all", "allow_autapses": False}, {"weight": -INHIBITION}
        )
        recorder = nest.Create("spike_recorder")
        nest.Connect(hidden, recorder)

        def run() -> float:
            for rate in rates:
                source.rate = rate
                nest.Simulate(float(STEPS))
            return float(recorder.n_events)

        return run

    return prepare


LIBRARY = "without adaptive thresholds and refractory time; traces accumulate"
PEERS = (
    Peer("Brian2, C++ standalone", "brian2", 500, brian2, "without normalization"),
    Peer("indexed torch", "torch", 10, indexed_torch, "only rows and columns that spiked"),
    Peer(
        "NEST",
        "nest-simulator",
        8,
        nest,
        "without normalization and adaptive thresholds; traces accumulate",
    ),
    Peer("BindsNET", "bindsnet", 4, bindsnet, "inhibition by a layer of neurons; one spike a step"),
    Peer("SpikingJelly", "spikingjelly", 2, spikingjelly, LIBRARY),
    Peer("snnTorch", "snntorch", 2, snntorch, LIBRARY),
    Peer("Norse", "norse", 2, norse, LIBRARY),
)
