"""Forecasts of a chaotic series (Mackey-Glass) by TimeHUT, by a line through the past, and by no change.

python examples/timehut_forecast.py    # errors from every instant of the last quarter
"""

import numpy as np

from potentiate import TimeHUTForecaster

HORIZONS, LENGTH, TRAIN, CONTEXT = (4, 24), 1600, 1200, 48
DELAY, FINE = 34, 6  # fine steps of half a unit; what is observed are every sixth


def mackey_glass(seed: int) -> np.ndarray:
    """dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x, with a little noise on what is observed."""
    x = np.full(DELAY + LENGTH * FINE, 1.2)
    for now in range(DELAY, len(x) - 1):
        late = x[now - DELAY]
        x[now + 1] = x[now] + 0.5 * (0.2 * late / (1 + late**10) - 0.1 * x[now])
    noise = 0.01 * np.random.default_rng(seed).standard_normal(LENGTH)
    return x[DELAY::FINE] + noise


series = mackey_glass(0)
small = {"outputs": 64, "hidden": 32, "depth": 5}
forecaster = TimeHUTForecaster(CONTEXT, settings=small, random_state=0)
forecaster.fit(series[:TRAIN], horizon=max(HORIZONS))
errors = {ahead: forecaster.evaluate(series[TRAIN - CONTEXT :], ahead) for ahead in HORIZONS}
says = {
    "timehut": "ridge on TimeHUT",
    "lags": "ridge on the values themselves",
    "last": "nothing changes",
}
for ahead, found in errors.items():
    print(f"{ahead} instants ahead, mean square and mean absolute error of standardized values:")
    for name, error in found.items():
        print(f"  {says[name]:31} {error['mse']:.3f} {error['mae']:.3f}")
ahead = forecaster.predict(series[:TRAIN])
print(f"what comes next: {', '.join(f'{each:.2f}' for each in ahead[:8])} ...")
print(f"as it came:      {', '.join(f'{each:.2f}' for each in series[TRAIN : TRAIN + 8])} ...")
