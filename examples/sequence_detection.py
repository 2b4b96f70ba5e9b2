"""A detector of 0, 2, 1: of three delays from each input STDP keeps those with which all arrive at once.

python examples/sequence_detection.py [picture.png]
"""

import sys
from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

from potentiate.kernels.compile import compiled
from potentiate.neurons import current_lif
from potentiate.plasticity import pair_stdp
from potentiate.synapses import delay_line

GAP, DELAYS, PERIOD, JITTER = 20, (0, 20, 40), 120, (0, 2, 4, 6, 8, 10)  # ms
ORDERS = list(permutations(range(3)))  # the second is the one to learn: 0, 2, 1
THRESHOLD, SPIKE = 12.5, 20.0  # mV above rest; two spikes at once give 10, three give 15
relays, branches = delay_line(np.tile(DELAYS, (3, 3))), np.repeat(np.eye(3), 3, 1)
neuron = current_lif(tau=10, tau_syn=3, threshold=THRESHOLD, reset=0, rest=0, resistance=28)
rule = pair_stdp(a_plus=0.05, a_minus=0.02, tau_plus=5, tau_minus=60)
deliver, step, learn = compiled(relays.step), compiled(neuron.step), rule.compiled().update


def play(orders, weight, random, jitter=0.5, *, plastic=False):
    """Play the inputs in each order, 20 ms apart but for `jitter` (ms); return weight and voltages."""
    state, lines, traces = neuron.start((1,)), relays.start(()), rule.init(weight, 1)
    v = np.empty((len(orders), PERIOD))
    for row, order in zip(v, orders, strict=True):
        at = 10 + GAP * np.argsort(order) + random.normal(0, jitter, 3).round()
        for t in range(PERIOD):
            lines, arrived = deliver(lines, (at == t).astype(float), branches)
            state, fired = step(state, arrived @ weight, 1.0)
            if plastic:
                weight, traces = learn(weight, arrived[None], fired[None], traces, 1.0)
            row[t] = SPIKE if fired[0] else state.v[0]
    return weight, v


random, start = np.random.default_rng(0), np.full((9, 1), 0.8)
naive = (play(ORDERS * 25, start, random)[1].max(1) == SPIKE).mean()
weight, _ = play(ORDERS[1:2] * 200, start, random, plastic=True)
played = np.array([play(ORDERS * 25, weight, random, jitter)[1] for jitter in JITTER])
found = (played.max(2) == SPIKE).reshape(len(JITTER), 25, 6).mean(1)
this, others = found[:, 1], np.delete(found, 1, 1)
print(f"before learning {naive:.0%} of sequences are detected; after it {this[0]:.0%} of 0, 2, 1")
print(f"and {others[0].max():.0%} of others, with 4 ms jitter {this[2]:.0%}, {others[2].max():.0%}")
_, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
left.imshow(weight.reshape(3, 3), cmap="Blues")
left.set(xticks=range(3), xticklabels=DELAYS, xlabel="delay (ms)", yticks=range(3), ylabel="input")
left.set_title("Weights kept (blue: 1)")
middle.plot(played[0, :6].T, "#9f9f9f")
middle.plot(played[0, 1], "#D55E00")
middle.axhline(THRESHOLD, color="k", lw=0.5, ls=":")
middle.set(xlabel="time (ms)", ylabel="membrane above rest (mV)", title="The six orders")
right.plot(JITTER, others, "#9f9f9f", marker="o")
right.plot(JITTER, this, "#D55E00", marker="o")
right.set(xlabel="jitter of each input (ms)", ylabel="share detected", title="0, 2, 1 and others")
plt.savefig(sys.argv[1] if len(sys.argv) > 1 else "sequence_detection.png", dpi=150)
