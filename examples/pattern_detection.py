"""Of 20 channels that all fire at 30 Hz, STDP finds the four that every 100 ms fire together.

python examples/pattern_detection.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from potentiate.kernels.compile import compiled
from potentiate.neurons import adaptive_threshold_lif
from potentiate.plasticity import pair_stdp
from potentiate.synapses import exponential

EVERY, TIME, SEEDS, PATTERN = 100, 4000, 10, [0, 5, 10, 15]  # times in ms
CHANCE = np.where(np.isin(range(20), PATTERN), 0.02, 0.03)  # per ms; the pattern adds the rest
RISE = {"theta_plus": 6, "tau_theta": 500}  # 30 mV at 10 Hz: only what fires together gets through
neuron = adaptive_threshold_lif(tau=5, threshold=9, reset=0, rest=0, resistance=28, **RISE)
synapse, rule = exponential(tau=3), pair_stdp(a_plus=0.04, a_minus=0.048)
flow, step, learn = compiled(synapse.step), compiled(neuron.step), rule.compiled().update


def listen(channels, weight, *, plastic):
    """Return the weight [channel, 1] afterwards, and when the detector fired (ms)."""
    current, state, traces = synapse.start((1,)), neuron.start((1,)), rule.init(weight, 1)
    times = []
    for t, spikes in enumerate(channels):
        current, drive = flow(current, spikes @ weight, 1.0)
        state, fired = step(state, drive, 1.0)
        if plastic:
            weight, traces = learn(weight, spikes[None], fired[None], traces, 1.0)
        times += [t] * int(fired[0])
    return weight, np.array(times)


weights, found, wrong = np.empty((20, SEEDS)), 0, 0
for seed in range(SEEDS):
    random = np.random.default_rng(seed)
    first, second = random.random((2, TIME, 20)) < CHANCE
    first[::EVERY, PATTERN] = second[::EVERY, PATTERN] = True
    weight, _ = listen(first, random.uniform(0.2, 0.4, (20, 1)), plastic=True)
    _, times = listen(second, weight, plastic=False)
    weights[:, seed], late = weight[:, 0], times % EVERY > 15
    found += len(np.unique(times[~late] // EVERY)) / (SEEDS * TIME / EVERY)
    wrong += late.sum() / (SEEDS * TIME / 1000)
on, off = weights[PATTERN].mean(0), np.delete(weights, PATTERN, 0).mean(0)
print(f"weights {on.mean():.2f} and {off.mean():.2f}, apart in {sum(on > off + 0.15)} of {SEEDS}")
print(f"then {found:.0%} of new patterns are found, with {wrong:.1f} false alarms per second")
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", width_ratios=(3, 2))
left.plot(*second[:800].nonzero(), ".", color="#9f9f9f")
left.plot(*np.meshgrid(range(0, 800, EVERY), PATTERN), ".", color="#D55E00")
left.plot(times, np.full(len(times), 21), "v", color="#0072B2")
left.set(xlim=(-10, 790), yticks=[*PATTERN, 21], yticklabels=[*PATTERN, "detector"])
left.set(xlabel="time (ms)", ylabel="channel", title="New spikes, after learning (last seed)")
right.plot(weights, "o", color="#9f9f9f", ms=4)
right.plot(PATTERN, weights[PATTERN], "o", color="#D55E00", ms=4)
right.axhspan(0.2, 0.4, color="#0072B2", alpha=0.15, lw=0)
right.set(xlabel="channel", ylabel="weight", xticks=PATTERN, title="After 4 s (band: before)")
plt.savefig(sys.argv[1] if len(sys.argv) > 1 else "pattern_detection.png", dpi=150)
