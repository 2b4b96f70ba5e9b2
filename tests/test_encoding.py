from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.random import default_rng

from potentiate.encoding import (
    bernoulli,
    delta,
    first_spike,
    gaussian_population,
    latency,
    poisson,
    population_vector,
    rank_order,
    rate,
    receptive_fields,
    reconstruction,
)
from potentiate.errors import Refused

NAN, INF = float("nan"), float("inf")


def test_poisson_spikes_keep_the_shape_of_the_rates() -> None:
    for shape in ((), (0,), (3,), (2, 0, 5), (2, 3, 4)):
        spikes = poisson(np.full(shape, 50.0), 7, 1.0, default_rng(0))
        assert spikes.shape == (7, *shape)
        assert spikes.dtype == np.bool_


def test_poisson_spikes_come_from_the_generator_that_is_passed_in() -> None:
    first, again = (poisson([50.0] * 9, 100, 1.0, default_rng(3)) for _ in range(2))
    other = poisson([50.0] * 9, 100, 1.0, default_rng(4))
    assert (first == again).all()
    assert (first != other).any()


def test_no_rate_never_fires_and_an_infinite_one_always() -> None:
    spikes = poisson([0.0, INF], 50, 0.1, default_rng(0))
    assert spikes.sum(0).tolist() == [0, 50]


def test_a_poisson_step_fires_with_the_chance_of_one_event_or_more() -> None:
    spikes = poisson(np.full(200_000, 500.0), 1, 2.0, default_rng(0))
    assert spikes.mean() == pytest.approx(1 - np.exp(-1.0), abs=0.005)  # r dt would be 1


def test_bernoulli_spikes_have_a_chance_each() -> None:
    spikes = bernoulli([[0.0, 0.3], [0.7, 1.0]], 40_000, default_rng(0))
    assert spikes.shape == (40_000, 2, 2)
    np.testing.assert_allclose(spikes.mean(0), [[0.0, 0.3], [0.7, 1.0]], atol=0.01)


def test_latencies_are_the_sooner_the_larger_the_value() -> None:
    spikes = latency([1.0, 0.5, 0.1, 0.0], 11)
    assert spikes.shape == (11, 4)
    assert first_spike(spikes, 1.0).tolist() == [0.0, 5.0, 9.0, INF]
    assert spikes.sum(0).tolist() == [1, 1, 1, 0]


def test_latencies_in_one_step_are_all_there() -> None:
    assert latency([[0.2, 0.0, 1.0]], 1).tolist() == [[[True, False, True]]]
    assert latency(np.zeros((0, 3)), 5).shape == (5, 0, 3)


def test_receptive_fields_reach_half_a_distance_beyond() -> None:
    centers, width = receptive_fields(6, 0.0, 2.0)
    np.testing.assert_allclose(centers, [-0.25, 0.25, 0.75, 1.25, 1.75, 2.25])
    assert width == pytest.approx(0.5 / 1.5)


def test_a_population_prefers_its_centers() -> None:
    activity = gaussian_population([[0.0, 1.0, 3.0]], [0.0, 1.0], 2.0)
    assert activity.shape == (1, 3, 2)
    np.testing.assert_allclose(activity[0, 0], [1.0, np.exp(-1 / 8)])
    np.testing.assert_allclose(activity[0, 1], [np.exp(-1 / 8), 1.0])
    assert gaussian_population(0.5, [], 1.0).shape == (0,)


def test_a_population_goes_on_as_rates_or_as_latencies() -> None:
    centers, width = receptive_fields(30, -0.5, 1.5)
    activity = gaussian_population([0.2, 0.65], centers, width)
    spikes = poisson(200.0 * activity, 5000, 1.0, default_rng(0))
    told = population_vector(rate(spikes, 1.0), centers)
    np.testing.assert_allclose(told, [0.2, 0.65], atol=0.01)
    first = first_spike(latency(activity, 100), 1.0).argmin(-1)
    np.testing.assert_allclose(centers[first], [0.2, 0.65], atol=width)


def test_rank_order_is_by_falling_value_and_ties_go_to_the_first() -> None:
    spikes = rank_order([[3.0, 9.0, 3.0, -1.0]])
    assert spikes.shape == (4, 1, 4)
    assert spikes[:, 0].argmax(-1).tolist() == [1, 0, 2, 3]
    assert rank_order([3.0, 9.0, 3.0], steps=2).argmax(-1).tolist() == [1, 0]
    assert rank_order([3.0, 9.0], steps=5).sum(-1).tolist() == [1, 1, 0, 0, 0]
    assert rank_order(np.zeros((2, 0))).shape == (0, 2, 0)


@given(values=arrays(float, (4, 6), elements=st.floats(-1e9, 1e9)))
def test_a_rank_order_is_a_permutation(values: Any) -> None:
    spikes = rank_order(values)
    assert (spikes.sum(0) == 1).all()
    assert (spikes.sum(2) == 1).all()


def test_delta_spikes_are_on_up_and_off_down() -> None:
    spikes = delta([0.0, 0.5, 1.5, 2.5, 2.5, 0.5, 0.5], 1.0)
    assert spikes.shape == (7, 2)
    assert spikes[:, 0].tolist() == [False, False, True, True, False, False, False]
    assert spikes[:, 1].tolist() == [False, False, False, False, False, True, False]


def test_delta_spikes_catch_up_after_a_jump() -> None:
    told = reconstruction(delta([5.0] + [8.5] * 5, 1.0), 1.0, start=5.0)
    assert told.tolist() == [5.0, 6.0, 7.0, 8.0, 8.0, 8.0]


@given(
    moves=arrays(float, (50, 3), elements=st.floats(-1.0, 1.0)),
    start=st.floats(-100.0, 100.0),
    threshold=st.floats(0.01, 10.0),
)
def test_a_delta_code_is_off_by_no_more_than_its_threshold(
    moves: Any, start: float, threshold: float
) -> None:
    signal = start + threshold * 0.999 * np.cumsum(moves, axis=0)
    told = reconstruction(delta(signal, threshold), threshold, signal[0])
    assert np.abs(told - signal).max() <= threshold * (1 + 1e-9) + 1e-12


def test_delta_codes_of_nothing_are_empty() -> None:
    assert delta(np.zeros((0, 3)), 1.0).shape == (0, 3, 2)
    assert delta(np.zeros((4, 0)), 1.0).shape == (4, 0, 2)
    assert reconstruction(np.zeros((0, 3, 2), bool), 1.0).shape == (0, 3)


def test_a_rate_is_in_hertz_whatever_the_step() -> None:
    spikes = np.zeros((200, 2), bool)
    spikes[::20, 1] = True
    assert rate(spikes, 1.0).tolist() == [0.0, 50.0]
    assert rate(spikes, 0.1).tolist() == pytest.approx([0.0, 500.0])
    assert rate([2, 0, 1, 1], 1.0) == 1000.0  # counts


def test_the_first_spike_is_in_milliseconds() -> None:
    spikes = np.zeros((10, 3), bool)
    spikes[[4, 7], 0] = True
    spikes[0, 1] = True
    assert first_spike(spikes, 0.5).tolist() == [2.0, 0.0, INF]


def test_a_population_vector_points_where_the_active_neurons_do() -> None:
    directions = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
    preferred = np.stack([np.cos(directions), np.sin(directions)], axis=1)
    activity = 1 + np.cos(directions - 2.0)
    x, y = population_vector(activity, preferred)
    assert np.arctan2(y, x) == pytest.approx(2.0)
    assert population_vector([[1, 3], [2, 2]], [0.0, 4.0]).tolist() == [3.0, 2.0]


def test_silent_neurons_point_nowhere() -> None:
    assert np.isnan(population_vector([[0.0, 0.0]], [1.0, 2.0])).all()
    assert np.isnan(population_vector([0.0], [[1.0, 2.0]])).tolist() == [True, True]


RANDOM = default_rng(0)
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a NaN rate": (lambda: poisson([1.0, NAN], 5, 1.0, RANDOM), "rate_hz holds nan"),
    "a negative rate": (lambda: poisson(-2.0, 5, 1.0, RANDOM), "rate_hz holds -2"),
    "a rate in words": (lambda: poisson("fast", 5, 1.0, RANDOM), "cannot be read as numbers"),
    "ragged rates": (lambda: poisson([[1], [1, 2]], 5, 1.0, RANDOM), "cannot be read"),
    "no step": (lambda: poisson(1.0, 0, 1.0, RANDOM), "poisson: steps is 0"),
    "half a step": (lambda: poisson(1.0, 2.5, 1.0, RANDOM), "steps is 2.5"),  # type: ignore[arg-type]
    "no time": (lambda: poisson(1.0, 5, 0.0, RANDOM), "dt is 0"),
    "a NaN of time": (lambda: poisson(1.0, 5, NAN, RANDOM), "dt is nan"),
    "a time in words": (lambda: poisson(1.0, 5, "1", RANDOM), "dt is '1'"),  # type: ignore[arg-type]
    "times in a row": (lambda: poisson(1.0, 5, [1.0, 2.0], RANDOM), "dt is"),  # type: ignore[arg-type]
    "a rate as text": (lambda: poisson(["5"], 5, 1.0, RANDOM), "cannot be read as numbers"),  # type: ignore[arg-type]
    "a rate that is complex": (lambda: poisson([1j], 5, 1.0, RANDOM), "cannot be read as numbers"),
    "no rate": (lambda: poisson(None, 5, 1.0, RANDOM), "rate_hz holds nan"),  # type: ignore[arg-type]
    "steps in words": (lambda: poisson(1.0, "5", 1.0, RANDOM), "steps is 5"),  # type: ignore[arg-type]
    "no generator": (lambda: poisson(1.0, 5, 1.0, None), "random is None"),  # type: ignore[arg-type]
    "a seed": (lambda: bernoulli(0.5, 5, 5), "give a generator"),  # type: ignore[arg-type]
    "a chance above 1": (lambda: bernoulli(1.1, 5, RANDOM), "p holds 1.1; give numbers from 0"),
    "a negative chance": (lambda: bernoulli(-0.1, 5, RANDOM), "p holds -0.1"),
    "no step of chance": (lambda: bernoulli(0.1, -3, RANDOM), "bernoulli: steps is -3"),
    "a latency above 1": (lambda: latency([2.0], 5), "values holds 2"),
    "a NaN latency": (lambda: latency([NAN], 5), "values holds nan"),
    "a latency in no step": (lambda: latency([0.5], 0), "latency: steps is 0"),
    "two fields": (lambda: receptive_fields(2, 0.0, 1.0), "give three or more"),
    "fields the wrong way": (lambda: receptive_fields(5, 1.0, 0.0), "low below high"),
    "fields that are too wide": (lambda: receptive_fields(5, -1e308, 1e308), "cover nothing"),
    "fields between rows": (lambda: receptive_fields(5, [0.0], [1.0]), "cover nothing"),  # type: ignore[arg-type]
    "an overlap in words": (lambda: receptive_fields(5, 0.0, 1.0, "a"), "overlap is 'a'"),  # type: ignore[arg-type]
    "fields without overlap": (lambda: receptive_fields(5, 0.0, 1.0, 0.0), "overlap is 0"),
    "an infinite value": (lambda: gaussian_population(INF, [0.0], 1.0), "values holds inf"),
    "a square of centers": (lambda: gaussian_population(0.0, [[0.0]], 1.0), "give \\[n\\]"),
    "no width": (lambda: gaussian_population(0.0, [0.0], -1.0), "width is -1"),
    "the order of one": (lambda: rank_order(3.0), "one number has no order"),
    "the order of a NaN": (lambda: rank_order([NAN, 1.0]), "values holds nan"),
    "ranks in no step": (lambda: rank_order([1.0, 2.0], 0), "rank_order: steps is 0"),
    "a signal without time": (lambda: delta(1.0, 1.0), "a row a step"),
    "an infinite signal": (lambda: delta([INF], 1.0), "signal holds inf"),
    "a threshold of 0": (lambda: delta([1.0], 0.0), "delta: threshold is 0"),
    "spikes without ON and OFF": (lambda: reconstruction([[1, 0, 1]], 1.0), "\\[T, ..., 2\\]"),
    "NaN spikes of a signal": (lambda: reconstruction([[NAN, 0.0]], 1.0), "spikes holds nan"),
    "a signal of words": (lambda: reconstruction([["a", "b"]], 1.0), "cannot be read"),
    "starts that do not fit": (
        lambda: reconstruction([[1, 0]], 1.0, [1.0, 2.0]),
        "start is of shape",
    ),
    "a rate of NaN": (lambda: rate([[NAN]], 1.0), "rate: spikes holds nan"),
    "a rate of words": (lambda: rate([["a"]], 1.0), "rate: spikes cannot be read"),
    "a rate of less than nothing": (lambda: rate([-1], 1.0), "rate: spikes holds -1"),
    "the first of NaN": (lambda: first_spike([NAN], 1.0), "first_spike: spikes holds nan"),
    "the first of words": (lambda: first_spike(["a"], 1.0), "first_spike: spikes cannot be read"),
    "the first of one": (lambda: first_spike(True, 1.0), "there is no step"),
    "a rate of no step": (lambda: rate(np.zeros((0, 3)), 1.0), "rate: there is no step"),
    "the first of no step": (lambda: first_spike([], 1.0), "first_spike: there is no step"),
    "a rate in no time": (lambda: rate([1], 0.0), "rate: dt is 0"),
    "negative activity": (lambda: population_vector([-1.0], [1.0]), "activity holds -1"),
    "too many preferred": (lambda: population_vector([1.0], [1.0, 2.0]), "give \\[..., n\\]"),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_what_cannot_be_is_refused_in_a_sentence(what: str) -> None:
    act, said = WRONG[what]
    with pytest.raises(Refused, match=said) as refusal:
        act()
    assert ";" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_importing_compiles_nothing() -> None:
    code = "import sys, potentiate.encoding; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
