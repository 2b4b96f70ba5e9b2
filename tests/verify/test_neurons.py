from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from potentiate.neurons import (
    IZHIKEVICH,
    adaptive_lif,
    adaptive_threshold_lif,
    adex,
    current_lif,
    izhikevich,
    leaky_integrator,
    lif,
)
from potentiate.synapses import delay_line, exponential, lateral_inhibition
from potentiate.verify import Check, Suite, neurons, suites, synapses, theory
from potentiate.verify.neurons import ADAPTIVE, NOISY, POTENTIAL, RAISED, TABLE, UNIT

# Steady current (mV): rate (Hz) and steps to the threshold of 15 mV with tau 20 ms, by exact steps
# and by Euler's, at dt 1 and 0.1 ms.
RATES = {16: 17.406, 18: 26.430, 20: 33.641, 25: 49.199, 30: 63.040, 50: 109.487}
STEPS = {16: (56, 55, 555, 554), 20: (28, 28, 278, 277), 30: (14, 14, 139, 139), 50: (8, 7, 72, 72)}
UNIT_RATES = {1.1: 41.70, 1.5: 91.02, 2.0: 144.27, 4.0: 347.61}
NOISY_RATES = {
    (5, 5): 1.726, (10, 5): 16.760, (12, 5): 26.954, (15, 5): 43.362, (18, 5): 59.434,
    (20, 5): 69.649, (10, 10): 38.677, (20, 1): 63.404, (25, 1): 89.750,
}  # fmt: skip


@pytest.mark.slow
def test_every_check_passes() -> None:
    found = list(suites()["neurons"].checks())
    assert [c for c in found if not c.passed] == []
    assert len({c.name for c in found}) == len(found) > 70


def test_theory_gives_the_printed_steps() -> None:
    for drive, printed in STEPS.items():
        counted = [
            count(drive, threshold=15.0, tau=20.0, dt=dt)
            for dt in (1.0, 0.1)
            for count in (theory.steps_to_threshold, theory.euler_steps_to_threshold)
        ]
        assert tuple(counted) == printed


def test_theory_gives_the_printed_rates() -> None:
    assert theory.lif_rate(15.0, **TABLE) == 0.0
    for drive, rate in RATES.items():
        assert theory.lif_rate(drive, **TABLE) == pytest.approx(rate, abs=5e-4)
    for drive, rate in UNIT_RATES.items():
        assert theory.lif_rate(drive, **UNIT) == pytest.approx(rate, abs=5e-3)
    for (mean, sigma), rate in NOISY_RATES.items():
        assert theory.siegert_rate(mean, sigma, **NOISY) == pytest.approx(rate, abs=5.1e-4)
    assert set(NOISY_RATES) == set(neurons.NOISE)


def test_little_noise_is_no_noise() -> None:
    for mean, rate in ((20.0, 33.64), (25.0, 49.20)):
        assert theory.lif_rate(mean, **TABLE) == pytest.approx(rate, abs=5e-3)
        assert theory.siegert_rate(mean, 0.05, **TABLE) == pytest.approx(rate, rel=1e-3)


def test_the_potential_is_continuous_in_its_time_constants() -> None:
    t = np.linspace(0.0, 50.0, 20)
    equal = theory.postsynaptic_potential(t, tau=10.0, tau_syn=10.0)
    close = theory.postsynaptic_potential(t, tau=10.0, tau_syn=10.001)
    np.testing.assert_allclose(close, equal, atol=1e-4)


def test_the_solver_finds_the_spikes_of_a_known_equation() -> None:
    # dv/dt = 1 reaches 2 after 2 ms, and from 1 after 1 ms; w jumps by 3.
    times = theory.spike_times(
        lambda _, y: [1.0 + 0.0 * y[0], 0.0], v=0.0, w=0.0, peak=2.0, reset=1.0, jump=3.0, end=5.5
    )
    assert times == pytest.approx([2.0, 3.0, 4.0, 5.0])


WRONG: dict[str, Callable[[], Iterator[Check]]] = {
    "tau of the exact step": lambda: neurons.steps_to_threshold(
        lif(**{**TABLE, "tau": 21.0}, reset=0.0), "exact"
    ),
    "Euler in place of the exact step": lambda: neurons.steps_to_threshold(
        lif(**TABLE, reset=0.0, method="euler"), "exact"
    ),
    "a refractory period of one step too many": lambda: neurons.steps_to_threshold(
        lif(**{**TABLE, "refractory": 2.1}, reset=0.0), "exact"
    ),
    "tau of the continuum": lambda: neurons.continuous_rates(
        lif(**{**UNIT, "tau": 10.5}, reset=0.0), UNIT, (1.1, 4.0)
    ),
    "tau of the integrator": lambda: neurons.below_threshold(leaky_integrator(tau=21.0), 20.0),
    "tau_syn": lambda: neurons.potential(
        current_lif(**POTENTIAL, tau=10.0, tau_syn=2.1), 10.0, 2.0
    ),
    "tau of the noisy neuron": lambda: neurons.noisy_rates(
        lif(**{**NOISY, "tau": 10.5}, reset=0.0)
    ),
    "tau_theta": lambda: neurons.raised_threshold(
        adaptive_threshold_lif(theta_plus=RAISED["theta_plus"], tau_theta=21000.0), **RAISED
    ),
    "tau_u": lambda: neurons.adaptation(adaptive_lif(**{**ADAPTIVE, "tau_u": 2100.0})),
    "tau_w of AdEx": lambda: neurons.adex_spikes(adex(tau_w=144.0 * 1.05)),
    "a of Izhikevich": lambda: neurons.izhikevich_spikes(
        izhikevich(**{**IZHIKEVICH["bursting"], "a": 0.021}), "bursting"
    ),
    "a neuron that never fires": lambda: neurons.adex_spikes(adex(b=0.0, leak=1000.0)),
    "a delay": lambda: synapses.arrivals(delay_line([[0, 1, 3, 8]]), (0, 1, 3, 7)),
    "tau of the synapse": lambda: synapses.random_input(exponential(tau=10.5), 10.0),
    "strength of inhibition": lambda: synapses.inhibition(lateral_inhibition(2.1), 2.0),
}


@pytest.mark.parametrize("mistake", list(WRONG))
def test_a_mistake_is_caught(mistake: str) -> None:
    assert not all(check.passed for check in WRONG[mistake]())


def test_a_check_passes_up_to_its_tolerance_and_never_with_nan() -> None:
    def passed(measured: float, expected: float = 1.0) -> bool:
        return Check("x", expected, measured, 0.5, "here").passed

    assert passed(1.5)
    assert passed(0.5)
    assert not passed(1.6)
    assert not passed(float("nan"))
    assert not passed(1.0, expected=float("nan"))


def test_the_suites_are_imported_when_they_are_asked() -> None:
    assert list(suites()) == ["neurons", "plasticity", "encoding"]
    absent = Suite("potentiate.verify.nothing")
    with pytest.raises(ModuleNotFoundError):
        next(absent.checks())


def test_a_suite_without_curves_has_none() -> None:
    assert list(Suite("potentiate.verify.synapses").curves()) == []


def test_every_curve_lies_on_its_theory() -> None:
    curves = list(suites()["neurons"].curves())
    assert len({c.title for c in curves}) == len(curves) == 10
    for curve in curves:
        assert curve.x.shape == curve.theory.shape == curve.measured.shape
        assert (np.diff(curve.x) > 0).all()
        error = np.abs(curve.measured - curve.theory).max()
        assert error < 0.03 * curve.theory.max(), curve.title
