"""Your own series as a workload of TimeHUT: arrays, lists of any lengths, frames or CSV files, with labels.

potentiate train examples/own_series.py:workload
potentiate study examples/own_series.py:workload --test mixed-precision early-stopping
"""

import numpy as np

from potentiate.models.timehut.workloads import timehut_workload

STEADY, RISING = "steady", "rising"


def machines(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Vibration and temperature of machines, 40 to 80 instants each; some begin to shake more and more."""
    random = np.random.default_rng(seed)
    series, labels = [], []
    for number in range(count):
        length = random.integers(40, 81)
        label = RISING if number % 2 else STEADY
        growth = np.linspace(0, 2 if label == RISING else 0, length)
        vibration = np.sin(np.arange(length) * random.uniform(0.5, 1.0)) * np.exp(growth)
        temperature = 40 + np.cumsum(random.standard_normal(length))
        temperature[random.random(length) < 0.05] = np.nan  # the sensor was silent
        series.append(np.stack([vibration, temperature]))  # [channels, instants]
        labels.append(label)
    return series, labels


def data() -> tuple[list[np.ndarray], list[str], list[np.ndarray], list[str]]:
    """Training series and labels, test series and labels; read your files here."""
    return *machines(500, seed=0), *machines(200, seed=1)


workload = timehut_workload("machines", data, outputs=64, hidden=32, depth=5)
