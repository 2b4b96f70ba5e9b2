"""Pavlov's conditioning: a bell that foretells food comes to excite the neuron that food excites.

python examples/pavlov.py [picture.png]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from potentiate.kernels.compile import compiled
from potentiate.neurons import current_lif
from potentiate.plasticity import pair_stdp

BELL, FOOD, TRIAL, TRIALS, PAIRS = 10, 30, 100, 100, 20  # times in ms
WEIGHT, FOOD_WEIGHT, NOISE = 0.2, 2.0, 0.02  # nA; 1 nA raises the membrane by 16 mV, 15 are needed
neuron = current_lif(tau=20, tau_syn=5, refractory=5, resistance=100)  # mV per nA
rule = pair_stdp(a_plus=0.03, a_minus=0.0315, w_max=1.5)
step, learn = compiled(neuron.step), rule.compiled().update


def trials(weight, food, random, *, plastic):
    """Ring the bell for all neurons and feed each at its own times, [trial, neuron]."""
    state, traces = neuron.start(food[0].shape), rule.init(weight, 1)
    weights, v = [weight[0].copy()], []
    for fed in food:
        for t in range(TRIAL):
            drive = (t == BELL) * weight[0] + (t == fed) * FOOD_WEIGHT
            state, fired = step(state, drive + random.normal(0, NOISE, len(fed)), 1.0)
            if plastic:
                weight, traces = learn(weight, np.array([[t == BELL]]), fired[None], traces, 1.0)
            v.append(np.where(fired, 0.0, state.v))  # a spike is drawn up to 0 mV
        weights.append(weight[0].copy())
    return np.array(weights), np.array(v)


random = np.random.default_rng(0)
paired, control = np.arange(2 * PAIRS).reshape(2, PAIRS)
food = random.integers(0, TRIAL, (TRIALS, 2 * PAIRS))  # the controls have as much, but at any time
food[:, paired] = FOOD
none, start = np.full((1, 2 * PAIRS), -1), np.full((1, 2 * PAIRS), WEIGHT)
_, naive = trials(start, none, random, plastic=False)
weights, _ = trials(start, food, random, plastic=True)
_, taught = trials(weights[-1:], none, random, plastic=False)
before, after = (naive == 0).any(0), (taught == 0).any(0)
print(f"before conditioning the bell alone fires {before.sum()} of {2 * PAIRS} neurons; after it")
print(f"{after[paired].sum()} of {PAIRS} paired and {after[control].sum()} of {PAIRS} controls")
_, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
right.plot(naive[:60, 0], "#0072B2", label="before")
for group, color, when in ((control, "#7f7f7f", "at any time"), (paired, "#D55E00", "20 ms later")):
    left.plot(weights[:, group], color, lw=0.8)
    left.text(70, weights[-1, group].max() + 0.05, f"food {when}", color=color)
    right.plot(taught[:60, group[0]], color, label=f"after, food {when}")
left.set(xlabel="trial", ylabel="weight of the bell (nA)", ylim=(0, 1.7), title="Conditioning")
right.axhline(-50, color="k", lw=0.5, ls=":", label="threshold")
right.annotate("bell", (BELL, -66), (BELL, -75), ha="center", arrowprops={"arrowstyle": "->"})
right.set(xlabel="time (ms)", ylabel="membrane (mV)", ylim=(-77, 4), title="The bell alone")
right.legend(frameon=False)
plt.savefig(sys.argv[1] if len(sys.argv) > 1 else "pavlov.png", dpi=150)
