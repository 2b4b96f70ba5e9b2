from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, nan
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.kernels.compile import compiled
from potentiate.neurons import (
    IZHIKEVICH,
    Neuron,
    adaptive_lif,
    adaptive_threshold_lif,
    adex,
    current_lif,
    izhikevich,
    leaky_integrator,
    lif,
    simulate,
)

Model = Neuron[Any]

# A model and the mean of a drive that makes it fire.
MODELS: dict[str, tuple[Model, float]] = {
    "lif": (lif(), 40.0),
    "lif, Euler": (lif(method="euler"), 40.0),
    "current_lif": (current_lif(), 2000.0),
    "adaptive_threshold_lif": (adaptive_threshold_lif(refractory=1.0), 120.0),
    "adaptive_lif": (adaptive_lif(refractory=1.0), 60.0),
    "adex": (adex(), 3000.0),
    "izhikevich": (izhikevich(), 20.0),
}
SILENT = {"leaky_integrator": (leaky_integrator(), 40.0)}


def drive_of(mean: float, shape: tuple[int, ...], steps: int = 150) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.0, 2 * mean, (steps, *shape))


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 5)])
@pytest.mark.parametrize("name", [*MODELS, *SILENT])
def test_compiled_is_the_plain_code_to_the_bit(name: str, shape: tuple[int, ...]) -> None:
    neuron, mean = {**MODELS, **SILENT}[name]
    drive = drive_of(mean, shape)
    compiled_, plain = (
        simulate(neuron, drive, 0.25, membrane=True, compile=c) for c in (True, False)
    )
    assert compiled_.spikes.shape == compiled_.v.shape == drive.shape
    assert all(array.shape == shape for array in compiled_.state)
    assert type(compiled_.state) is type(plain.state)
    np.testing.assert_array_equal(compiled_.spikes, plain.spikes)
    np.testing.assert_array_equal(compiled_.v, plain.v)
    for a, b in zip(compiled_.state, plain.state, strict=True):
        np.testing.assert_array_equal(a, b)
    fires = name in MODELS and 0 not in shape
    assert plain.spikes.any() == fires


def test_a_step_takes_arrays_without_axes() -> None:
    neuron = lif(tau=10.0, refractory=0.0)
    for step in (neuron.step, compiled(neuron.step)):
        state, fired = step(neuron.start(()), np.array(5.0), 1.0)
        assert float(state.v) == pytest.approx(5.0 * (1 - exp(-0.1)), abs=1e-15)
        assert fired.shape == ()
        assert not fired


@pytest.mark.parametrize("name", list(MODELS))
def test_elements_are_independent_of_one_another(name: str) -> None:
    neuron, mean = MODELS[name]
    drive = drive_of(mean, (2, 5))
    alone = simulate(neuron, np.ascontiguousarray(drive[:, 1:, 2]), 0.25).spikes
    np.testing.assert_array_equal(simulate(neuron, drive, 0.25).spikes[:, 1:, 2], alone)


def test_a_run_can_be_cut_in_two() -> None:
    neuron, mean = MODELS["lif"]
    drive = drive_of(mean, (3,))
    first = simulate(neuron, drive[:70], 0.25, membrane=True)
    second = simulate(neuron, drive[70:], 0.25, state=first.state, membrane=True)
    whole = simulate(neuron, drive, 0.25, membrane=True)
    np.testing.assert_array_equal(np.concatenate([first.v, second.v]), whole.v)
    np.testing.assert_array_equal(np.concatenate([first.spikes, second.spikes]), whole.spikes)


def test_the_voltage_is_kept_only_when_asked_for() -> None:
    assert simulate(lif(), np.zeros((4, 3)), 1.0, compile=False).v.shape == (0, 3)


def test_no_steps_leave_the_start_as_it_is() -> None:
    trace = simulate(lif(rest=-3.0), np.zeros((0, 2)), 1.0, compile=False)
    assert trace.spikes.shape == (0, 2)
    np.testing.assert_array_equal(trace.state.v, [-3.0, -3.0])


def plain_steps(neuron: Model, drive: list[float], dt: float) -> Any:
    return simulate(neuron, drive, dt, membrane=True, compile=False)


def test_a_neuron_fires_only_above_its_threshold() -> None:
    # With tau = dt a step of Euler puts the voltage where the drive is.
    neuron = lif(tau=1.0, threshold=20.0, reset=10.0, refractory=0.0, method="euler")
    trace = plain_steps(neuron, [20.0, np.nextafter(20.0, 21.0)], 1.0)
    assert trace.spikes.tolist() == [False, True]
    assert trace.v.tolist() == [20.0, 10.0]


def test_the_refractory_period_is_whole_steps_at_the_reset() -> None:
    neuron = lif(tau=1.0, threshold=20.0, reset=10.0, refractory=1.4, method="euler")
    trace = plain_steps(neuron, [31.0] * 7, 0.5)  # 1.4 / 0.5 is rounded to 3
    assert trace.spikes.tolist() == [False, True, False, False, False, True, False]
    assert trace.v.tolist() == [15.5, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]


def test_exact_and_euler_differ_by_the_curvature_of_the_decay() -> None:
    exact = plain_steps(lif(), [10.0], 2.0).v[0]
    euler = plain_steps(lif(method="euler"), [10.0], 2.0).v[0]
    assert exact == pytest.approx(10.0 * (1 - exp(-0.1)))
    assert euler == pytest.approx(1.0)


def test_resistance_scales_the_drive_and_rest_is_where_it_starts() -> None:
    trace = plain_steps(leaky_integrator(tau=1.0, rest=-4.0, resistance=0.5), [0.0, 6.0], 1.0)
    assert trace.v == pytest.approx([-4.0, -4.0 + 3.0 * (1 - exp(-1.0))])


def test_a_synaptic_current_decays_through_the_refractory_period() -> None:
    neuron = current_lif(tau_syn=2.0, refractory=3.0)
    trace = plain_steps(neuron, [1e5, 0.0, 7.0], 1.0)
    assert trace.spikes.tolist() == [True, False, False]
    assert trace.v.tolist() == [-65.0] * 3
    assert float(trace.state.current) == pytest.approx(1e5 * exp(-1.5) + 7.0 * exp(-0.5))


def test_close_time_constants_give_what_equal_ones_give() -> None:
    pulse = [10.0] + [0.0] * 30
    equal = plain_steps(current_lif(tau=10.0, tau_syn=10.0), pulse, 1.0).v
    close = plain_steps(current_lif(tau=10.0, tau_syn=10.0 * (1 + 1e-9)), pulse, 1.0).v
    np.testing.assert_allclose(close, equal, atol=1e-8)
    assert (equal > -65.0).all()


def test_a_spike_raises_the_threshold_and_rest_lowers_it() -> None:
    neuron = adaptive_threshold_lif(tau=1.0, refractory=0.0, theta_plus=2.0, tau_theta=10.0)
    trace = plain_steps(neuron, [1000.0, 0.0, 0.0], 1.0)
    assert trace.spikes.tolist() == [True, False, False]
    assert float(trace.state.theta) == pytest.approx(2.0 * exp(-0.2))


def test_the_raised_threshold_is_the_one_compared_with() -> None:
    neuron = adaptive_threshold_lif(tau=0.01, refractory=0.0, theta_plus=5.0, tau_theta=inf)
    trace = plain_steps(neuron, [14.0, 14.0, 17.0, 19.0], 1.0)  # the threshold is 13 above rest
    assert trace.spikes.tolist() == [True, False, False, True]
    assert float(trace.state.theta) == 10.0


def test_an_infinite_time_constant_freezes_the_threshold() -> None:
    neuron = adaptive_threshold_lif(theta_plus=0.0, tau_theta=inf)
    state = neuron.start((2,))
    state.theta[:] = 3.0
    trace = simulate(neuron, np.full((200, 2), 400.0), 1.0, state=state, compile=False)
    assert trace.spikes.any()
    assert trace.state.theta.tolist() == [3.0, 3.0]


def test_the_adaptation_current_opposes_the_drive_once() -> None:
    neuron = adaptive_lif(tau_u=20.0, u_plus=8.0, theta_plus=0.0)
    state = neuron.start(())
    state = state._replace(u=np.array(8.0), v=np.array(-52.0))
    trace = simulate(neuron, [18.0], 1.0, state=state, membrane=True, compile=False)
    assert trace.spikes.tolist() == [True]  # at -52 mV: over the threshold, not over threshold + u
    assert float(trace.state.u) == pytest.approx(8.0 * exp(-0.05) + 8.0)

    state = neuron.start(())._replace(u=np.array(8.0))
    v = simulate(neuron, [0.0], 1.0, state=state, membrane=True, compile=False).v
    assert v[0] == pytest.approx(-70.0 - 8.0 * 0.05 * exp(-0.05))  # tau_u = tau: t/tau exp(-t/tau)


def test_both_adaptations_lower_the_rate() -> None:
    def spikes(**changed: float) -> int:
        model = adaptive_lif(**{"u_plus": 0.0, "theta_plus": 0.0, **changed})
        return int(simulate(model, np.full(2000, 30.0), 0.5, compile=False).spikes.sum())

    assert spikes(u_plus=2.0) < 0.9 * spikes()
    assert spikes(theta_plus=1.0) < 0.9 * spikes()


def test_adex_jumps_by_b_and_starts_again_at_the_reset() -> None:
    neuron = adex(b=80.5)
    state = neuron.start(())._replace(v=np.array(19.9), w=np.array(10.0))
    trace = simulate(neuron, [0.0], 0.1, state=state, membrane=True, compile=False)
    assert trace.spikes.tolist() == [True]
    assert trace.v.tolist() == [-70.6]
    assert float(trace.state.w) == pytest.approx(10.0 + 80.5, abs=0.5)


def test_adex_stays_finite_in_a_coarse_step() -> None:
    trace = simulate(adex(), np.full((200, 1), 5000.0), 1.0, membrane=True, compile=False)
    assert trace.spikes.any()
    assert np.isfinite(trace.v).all()
    assert np.isfinite(trace.state.w).all()


def test_the_presets_fire_as_they_are_called() -> None:
    def intervals(name: str) -> np.ndarray:
        neuron = izhikevich(**IZHIKEVICH[name])
        return np.diff(np.flatnonzero(simulate(neuron, np.full(5000, 10.0), 0.1).spikes)) * 0.1

    regular, fast = intervals("regular spiking"), intervals("fast spiking")
    assert fast.mean() < 0.3 * regular.mean()
    assert regular[-1] / regular[1:].min() < 1.5  # after its first interval it is regular
    chattering, bursting = intervals("chattering"), intervals("bursting")
    assert chattering.max() > 5 * chattering.min()
    assert bursting[0] < 0.5 * bursting[-1]  # a burst at the start, then single spikes


def test_a_leaky_integrator_never_fires() -> None:
    assert not plain_steps(leaky_integrator(), [1e9] * 5, 1.0).spikes.any()


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (lif, {"tau": 0.0}, "lif: tau is 0.0; give a number above 0"),
        (lif, {"tau": nan}, "lif: tau is nan"),
        (lif, {"threshold": 10.0}, "threshold is 10.0 and reset is 10.0; give a threshold above"),
        (lif, {"refractory": -1.0}, "refractory is -1.0; give 0 or a finite number above"),
        (lif, {"refractory": inf}, "refractory is inf"),
        (lif, {"method": "heun"}, "there is no method 'heun'; take 'exact' or 'euler'"),
        (current_lif, {"tau_syn": -1.0}, "current_lif: tau_syn is -1.0"),
        (current_lif, {"reset": 0.0}, "give a threshold above reset"),
        (adaptive_threshold_lif, {"tau_theta": 0.0}, "adaptive_threshold_lif: tau_theta is 0.0"),
        (adaptive_threshold_lif, {"theta_plus": -0.1}, "theta_plus is -0.1"),
        (adaptive_lif, {"tau_u": 0.0}, "adaptive_lif: tau_u is 0.0"),
        (adaptive_lif, {"u_plus": -2.0}, "u_plus is -2.0"),
        (adex, {"slope": 0.0}, "adex: slope is 0.0"),
        (adex, {"peak": -80.0}, "give a peak above reset"),
        (adex, {"threshold": 30.0}, "give a peak above threshold"),
        (izhikevich, {"a": 0.0}, "izhikevich: a is 0.0"),
        (izhikevich, {"c": 40.0}, "give a peak above c"),
        (leaky_integrator, {"tau": -5.0}, "leaky_integrator: tau is -5.0"),
        (leaky_integrator, {"rest": nan}, "leaky_integrator: rest is nan; give a finite number"),
        (lif, {"resistance": nan}, "lif: resistance is nan"),
        (lif, {"reset": -inf}, "lif: reset is -inf"),
        (lif, {"tau": "1"}, "lif: tau is '1'; give a number above 0"),
        (lif, {"threshold": "a"}, "threshold is a and reset is 10.0"),
        (lif, {"refractory": None}, "refractory is None"),
        (current_lif, {"resistance": inf}, "current_lif: resistance is inf"),
        (adaptive_threshold_lif, {"rest": nan}, "adaptive_threshold_lif: rest is nan"),
        (adaptive_lif, {"rest": nan}, "adaptive_lif: rest is nan"),
        (adex, {"a": nan}, "adex: a is nan"),
        (izhikevich, {"d": nan}, "izhikevich: d is nan"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(
    make: Callable[..., Model], wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        make(**wrong)


@pytest.mark.parametrize(
    ("drive", "dt", "message"),
    [
        (np.zeros((3, 2)), 0.0, "simulate: dt is 0.0"),
        (np.zeros((3, 2)), inf, "simulate: dt is inf; give a finite number"),
        (np.zeros((3, 2)), "1", "simulate: dt is '1'"),
        (1.0, 1.0, "the drive is one number"),
        (np.full((3, 2), nan), 1.0, "the drive is not all finite"),
        ([0.0, -inf], 1.0, "the drive is not all finite"),
        ([None, 1.0], 1.0, "the drive is not all finite"),
        (["1"], 1.0, "the drive cannot be read as numbers"),
        ([[1.0], [1.0, 2.0]], 1.0, "the drive cannot be read as numbers"),
        ([1j], 1.0, "the drive cannot be read as numbers"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(drive: Any, dt: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        simulate(lif(), drive, dt)


def test_a_state_of_another_shape_is_refused() -> None:
    neuron = lif()
    with pytest.raises(Refused, match=r"shape \(3,\) and a step of the drive of \(2,\)"):
        simulate(neuron, np.zeros((5, 2)), 1.0, state=neuron.start((3,)))


def test_a_state_that_is_not_of_the_model_is_refused() -> None:
    neuron = lif()
    start = neuron.start((2,))
    wrong: list[tuple[Any, str]] = [
        (adex().start((2,)), "the state is a AdexState and the model needs a LifState"),
        (tuple(start), "the model needs a LifState"),
        (
            start._replace(wait=np.zeros(5, np.int64)),
            r"shape \(5,\) and a step of the drive of \(2,\)",
        ),
        (start._replace(v=np.zeros(2, np.int64)), "v of the state is no float64"),
        (start._replace(v=np.array([0.0, nan])), "v of the state is no float64, or NaN"),
    ]
    for state, message in wrong:
        with pytest.raises(Refused, match=message):
            simulate(neuron, np.zeros((5, 2)), 1.0, state=state)


def test_only_neurons_are_simulated() -> None:
    with pytest.raises(Refused, match="simulate: 3 is no neuron"):
        simulate(3, np.zeros(3), 1.0)  # type: ignore[arg-type]
