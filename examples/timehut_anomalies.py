"""Beats of a heart with noise: TimeHUT finds what does not belong there, also where the value alone is usual.

python examples/timehut_anomalies.py    # judged as a stream, beside a limit on the value itself
"""

import numpy as np

from potentiate import TimeHUTDetector

LENGTH, TRAIN, PERIOD, NEAR = 2400, 1200, 40, 3


def beats(random: np.random.Generator) -> np.ndarray:
    """A peak, a trough and a wave in each period."""
    at = np.arange(LENGTH) % PERIOD
    bumps = ((6, 1.5, 3.0), (10, 1.5, -1.5), (24, 4.0, 1.0))
    wave = sum(height * np.exp(-(((at - place) / width) ** 2)) for place, width, height in bumps)
    return wave + 0.05 * random.standard_normal(LENGTH)


random = np.random.default_rng(0)
series = beats(random)
strange = TRAIN + 100 + np.arange(12) * 90 + random.integers(0, 40, 12)
series[strange] += random.choice([-1.2, 1.2], 12)

small = {"outputs": 64, "hidden": 32, "depth": 5}
detector = TimeHUTDetector(context=80, settings=small, random_state=0)
detector.fit(series[:TRAIN])
before = detector.context + detector.window
mean, spread = series[:TRAIN].mean(), series[:TRAIN].std()
steps = np.abs(np.diff(series, prepend=series[0]))
limit = steps[:TRAIN].mean() + 4 * steps[:TRAIN].std()
alarms = {
    "TimeHUT": detector.predict(series[TRAIN - before :])[before:] == -1,
    "values 4 deviations off": np.abs(series[TRAIN:] - mean) > 4 * spread,
    "steps 4 deviations off": steps[TRAIN:] > limit,
}
found = {}
for name, alarm in alarms.items():
    at = TRAIN + np.flatnonzero(alarm)
    near = np.abs(at[:, None] - strange) <= NEAR
    found[name] = int(near.any(0).sum()), int((~near.any(1)).sum())
    print(f"{name:24} finds {found[name][0]} of {len(strange)}, with {found[name][1]} false alarms")
