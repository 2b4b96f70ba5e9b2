"""A load with two rhythms, in which some values jump: TimeHUT's alarms as a stream would give them.

python examples/timehut_anomalies.py    # beside limits on values and on steps

What is measured is how much seeing an instant changes what it means.
"""

import numpy as np

from potentiate import TimeHUTDetector

LENGTH, TRAIN, JUMPS, NEAR = 1600, 800, 10, 1

random, at = np.random.default_rng(0), np.arange(LENGTH)
series = np.sin(2 * np.pi * at / 96) + 0.5 * np.sin(2 * np.pi * at / 32)
series += 0.1 * random.standard_normal(LENGTH)
strange = TRAIN + 50 + 70 * np.arange(JUMPS) + random.integers(0, 40, JUMPS)
series[strange] += random.choice([-2.0, 2.0], JUMPS)

small = {"outputs": 64, "hidden": 32, "depth": 5}
detector = TimeHUTDetector(context=60, settings=small, random_state=0).fit(series[:TRAIN])
before = detector.context + detector.window
steps = np.abs(np.diff(series, prepend=series[0]))


def beyond(values: np.ndarray) -> np.ndarray:
    """Whether values after training are further above the mean than 4 standard deviations before it."""
    return values[TRAIN:] > values[:TRAIN].mean() + 4 * values[:TRAIN].std()


alarms = {
    "TimeHUT": detector.predict(series[TRAIN - before :])[before:] == -1,
    "a limit on values": beyond(np.abs(series)),
    "a limit on steps": beyond(steps),
}
found = {}
for name, alarm in alarms.items():
    near = np.abs(TRAIN + np.flatnonzero(alarm)[:, None] - strange) <= NEAR
    found[name] = int(near.any(0).sum()), int((~near.any(1)).sum())
    print(f"{name:18} finds {found[name][0]} of {JUMPS}, with {found[name][1]} false alarms")
