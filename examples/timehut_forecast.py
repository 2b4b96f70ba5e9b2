"""Forecasts of a series with two rhythms and a drifting level, by TimeHUT and by two simple ones.

python examples/timehut_forecast.py    # errors from every instant of the last quarter
"""

import numpy as np

from potentiate import TimeHUTForecaster

HORIZONS, LENGTH, TRAIN = (4, 24), 1600, 1200


def made(seed: int) -> np.ndarray:
    """A daily rhythm whose strength follows a weekly one, a level that wanders, and noise."""
    random, hours = np.random.default_rng(seed), np.arange(LENGTH)
    daily = np.sin(2 * np.pi * hours / 24) * (1.5 + np.sin(2 * np.pi * hours / 168))
    level = 0.05 * random.standard_normal(LENGTH).cumsum()
    return 20 + 5 * (daily + level + 0.3 * random.standard_normal(LENGTH))


series = made(0)
small = {"outputs": 64, "hidden": 32, "depth": 6}
forecaster = TimeHUTForecaster(context=96, epochs=12, settings=small, random_state=0)
forecaster.fit(series[:TRAIN], horizon=max(HORIZONS))
errors = {
    ahead: forecaster.evaluate(series[TRAIN - forecaster.context :], ahead) for ahead in HORIZONS
}
says = {
    "timehut": "ridge on TimeHUT",
    "lags": "ridge on the values themselves",
    "last": "nothing changes",
}
for ahead, found in errors.items():
    print(f"{ahead} hours ahead, mean square and mean absolute error of standardized values:")
    for name, error in found.items():
        print(f"  {says[name]:31} {error['mse']:.3f} {error['mae']:.3f}")
ahead = forecaster.predict(series[:TRAIN])
print(f"the next hours: {', '.join(f'{each:.1f}' for each in ahead[:6])} ...")
print(f"as they were:   {', '.join(f'{each:.1f}' for each in series[TRAIN : TRAIN + 6])} ...")
