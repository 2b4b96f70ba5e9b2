from __future__ import annotations

from math import exp, nan
from typing import Any

import numpy as np
import pytest

from potentiate.errors import Refused
from potentiate.kernels.compile import compiled
from potentiate.synapses import DelayLine, delay_line, exponential, lateral_inhibition


def run(synapse: Any, shape: tuple[int, ...], spikes: np.ndarray, compile: bool) -> np.ndarray:
    step = compiled(synapse.step) if compile else synapse.step
    state, currents = synapse.start(shape), []
    for row in spikes:
        state, current = step(state, np.asarray(row), 0.5)
        currents.append(current.copy())
    return np.array(currents)


SYNAPSES = {"exponential": exponential(tau=7.0), "lateral_inhibition": lateral_inhibition(3.0)}


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 5), (2, 0)])
@pytest.mark.parametrize("name", list(SYNAPSES))
def test_compiled_is_the_plain_code_to_the_bit(name: str, shape: tuple[int, ...]) -> None:
    spikes = np.random.default_rng(0).random((20, *shape)) < 0.3
    fast, plain = (run(SYNAPSES[name], shape, spikes, c) for c in (True, False))
    assert fast.shape == spikes.shape
    np.testing.assert_array_equal(fast, plain)
    assert plain.any() == (0 not in shape)


def test_a_lone_synapse_needs_no_axis() -> None:
    spikes = np.array([True, False, True])
    for compile in (True, False):
        currents = run(exponential(tau=1.0, jump=2.0), (), spikes, compile)
        keep = exp(-0.5)
        assert currents == pytest.approx([2.0, 2.0 * keep, 2.0 * keep**2 + 2.0])


def test_counts_weigh_as_that_many_spikes() -> None:
    currents = run(exponential(tau=1.0), (2,), np.array([[3.0, 0.5]]), False)
    assert currents.tolist() == [[3.0, 0.5]]


def test_inhibition_spares_the_neuron_that_fired() -> None:
    spikes = np.array([[[True, False, False], [True, True, False]]])
    currents = run(lateral_inhibition(2.0), (2, 3), spikes, False)
    assert currents[0].tolist() == [[0.0, -2.0, -2.0], [-2.0, -2.0, -4.0]]


def test_inhibition_ends_with_the_spikes() -> None:
    spikes = np.array([[True, False], [False, False]])
    assert run(lateral_inhibition(2.0), (2,), spikes, False)[1].tolist() == [0.0, 0.0]


def deliver(
    line: DelayLine, axes: tuple[int, ...], spikes: np.ndarray, weight: np.ndarray, compile: bool
) -> np.ndarray:
    step = compiled(line.step) if compile else line.step
    state, currents = line.start(axes), []
    for row in spikes:
        state, current = step(state, row, weight)
        currents.append(current)
    return np.array(currents)


def by_definition(spikes: np.ndarray, weight: np.ndarray, delays: np.ndarray) -> np.ndarray:
    currents = np.zeros((*spikes.shape[:-1], weight.shape[1]))
    for t in range(len(spikes)):
        for i, j in np.ndindex(weight.shape):
            if t >= delays[i, j]:
                currents[t, ..., j] += spikes[t - delays[i, j], ..., i] * weight[i, j]
    return currents


@pytest.mark.parametrize("axes", [(), (0,), (3,), (2, 2)])
@pytest.mark.parametrize("size", [(1, 1), (4, 3), (3, 0), (0, 2)])
def test_every_connection_delivers_after_its_own_delay(
    axes: tuple[int, ...], size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    delays, weight = rng.integers(0, 5, size), rng.integers(1, 9, size).astype(float)
    spikes = rng.random((25, *axes, size[0])) < 0.3
    expected = by_definition(spikes, weight, delays)
    for compile in (True, False):
        measured = deliver(delay_line(delays), axes, spikes, weight, compile)
        np.testing.assert_array_equal(measured, expected)
    assert expected.any() == (0 not in axes and 0 not in size)


@pytest.mark.parametrize("delay", [0, 1, 7])
def test_a_spike_arrives_exactly_as_many_steps_later(delay: int) -> None:
    spikes = np.zeros((20, 1), np.bool_)
    spikes[[2, 3, 8], 0] = True
    arrived = deliver(delay_line([[delay]]), (), spikes, np.ones((1, 1)), True)
    assert np.flatnonzero(arrived).tolist() == [2 + delay, 3 + delay, 8 + delay]
    assert arrived.sum() == 3


def test_a_spike_carries_the_weight_it_had_when_it_was_fired() -> None:
    line = delay_line([[2]])
    state, arrived = line.start(()), []
    for t in range(4):
        state, current = line.step(state, np.array([t == 0]), np.full((1, 1), 10.0 + t))
        arrived.append(float(current[0]))
    assert arrived == [0.0, 0.0, 10.0, 0.0]


def test_two_lines_of_one_kind_do_not_share_what_is_on_its_way() -> None:
    line = delay_line([[1]])
    one, other = line.start(()), line.start(())
    line.step(one, np.array([True]), np.ones((1, 1)))
    assert not other.arriving.any()
    assert one.arriving.any()


@pytest.mark.parametrize("delays", [[[-1]], [[1.5]], [1, 2], 3, [["1"]], [[1], [1, 2]], None])
def test_delays_that_are_no_steps_are_refused(delays: Any) -> None:
    with pytest.raises(Refused, match="give integers as"):
        delay_line(delays)


def test_synapses_that_make_no_sense_are_refused() -> None:
    with pytest.raises(Refused, match="exponential: tau is 0"):
        exponential(tau=0.0)
    with pytest.raises(Refused, match="lateral_inhibition: strength is nan"):
        lateral_inhibition(nan)
    with pytest.raises(Refused, match="lateral_inhibition: strength is '3'"):
        lateral_inhibition("3")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="exponential: jump is nan"):
        exponential(tau=1.0, jump=nan)
    with pytest.raises(Refused, match="a population has an axis"):
        lateral_inhibition(1.0).start(())
