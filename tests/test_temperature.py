"""Every temperature schedule: where it starts and ends, its range, and how it gets there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from potentiate.errors import Refused
from potentiate.temperature import TEMPERATURES, temperature
from potentiate.temperature.seed import CosineAnnealing

LOW, HIGH, SPAN = 0.15, 0.75, 12.0
MIDDLE = (LOW + HIGH) / 2
RANGE = {"low": LOW, "high": HIGH, "span": SPAN}

# Start, end of the span; None where a curve only nears it.
ENDS = {
    "cosine-annealing": (HIGH, HIGH),
    "linear-decay": (HIGH, LOW),
    "exponential-decay": (HIGH, HIGH * 0.95**12),
    "step-decay": (HIGH, LOW),
    "polynomial-decay": (HIGH, LOW),
    "sigmoid-decay": (
        LOW + 0.6 / (1 + 2.718281828459045**-6),
        LOW + 0.6 / (1 + 2.718281828459045**6),
    ),
    "warmup-cosine": (LOW, LOW),
    "constant": (HIGH, HIGH),
    "cyclic": (LOW, LOW),
    "no-scheduling": (1.0, 1.0),
    "adaptive-cosine-annealing": (HIGH, LOW),
    "multi-cycle-cosine": (HIGH, LOW + 0.6 * 0.8**3),
    "cosine-with-restarts": (HIGH, HIGH),  # the second restart is at 5 + 7.5 epochs
    "momentum-adaptive": (HIGH, LOW),
    "triangular": (LOW, LOW),
    "one-cycle": (LOW, 0.1 * LOW),
    "hyperbolic-tangent": (LOW + 0.6 * 0.8807970779778823, LOW + 0.6 * 0.11920292202211755),
    "logarithmic": (HIGH, LOW),
    "piecewise-plateau": (HIGH, LOW),
    "inverse-time": (HIGH, HIGH / 2.2),
    "double-exponential": (HIGH, HIGH * 2.718281828459045 ** (-0.36 - 0.084)),
    "noisy-cosine": (None, None),
}
FALLS = {
    "linear-decay",
    "exponential-decay",
    "step-decay",
    "polynomial-decay",
    "sigmoid-decay",
    "constant",
    "no-scheduling",
    "hyperbolic-tangent",
    "logarithmic",
    "piecewise-plateau",
    "inverse-time",
    "double-exponential",
}
PERIODS = {"cosine-annealing": SPAN, "cyclic": SPAN / 3, "triangular": SPAN}
BELOW = {"one-cycle": 0.1 * LOW}
GRID = [k / 8 for k in range(8 * 40)]


@pytest.mark.parametrize("name", TEMPERATURES)
def test_it_starts_and_ends_where_it_should(name):
    start, end = ENDS[name]
    last = 12.5 if name == "cosine-with-restarts" else SPAN
    schedule = temperature(name, **RANGE)
    if start is not None:
        assert schedule(0) == pytest.approx(start, abs=1e-9)
        assert schedule(last) == pytest.approx(end, abs=1e-9)


@pytest.mark.parametrize("name", TEMPERATURES)
def test_it_stays_in_its_range_and_is_finite_for_ever(name):
    schedule = temperature(name, **RANGE)
    values = [schedule(epoch) for epoch in [*GRID, 1e3, 1e6]]
    if name == "no-scheduling":
        assert set(values) == {1.0}
        return
    assert min(values) >= BELOW.get(name, LOW) - 1e-12
    assert max(values) <= HIGH + 1e-12


@pytest.mark.parametrize("name", sorted(FALLS))
def test_it_never_rises(name):
    values = [temperature(name, **RANGE)(epoch) for epoch in GRID]
    assert all(after <= before + 1e-12 for before, after in pairwise(values))
    if name not in ("constant", "no-scheduling"):
        assert values[-1] < values[0]


@pytest.mark.parametrize(("name", "period"), PERIODS.items())
def test_it_comes_back_after_its_period_and_not_before(name, period):
    schedule = temperature(name, **RANGE)
    near = [schedule(epoch) - schedule(epoch + period) for epoch in GRID]
    assert max(map(abs, near)) < 1e-9
    assert any(abs(schedule(epoch) - schedule(epoch + period / 2)) > 0.1 for epoch in GRID)


def test_the_papers_cosine_arrives_after_a_span_and_is_back_after_two():
    schedule = CosineAnnealing(low=0.15, high=0.95, span=25, frequency=0.5)
    assert [schedule(e) for e in (0, 12.5, 25, 50)] == pytest.approx([0.95, 0.55, 0.15, 0.95])


def test_bias_and_phase_shift_and_what_leaves_the_range_is_cut_off():
    assert CosineAnnealing(**RANGE, bias=0.2)(0) == HIGH
    assert CosineAnnealing(**RANGE, bias=0.2)(6) == pytest.approx(LOW + 0.2)
    assert CosineAnnealing(**RANGE, phase=3.141592653589793)(0) == pytest.approx(LOW)


def test_a_warm_up_rises_and_then_falls():
    schedule = temperature("warmup-cosine", **RANGE)
    assert schedule(1) == pytest.approx(MIDDLE)
    assert schedule(2) == pytest.approx(HIGH)
    assert schedule(7) == pytest.approx(MIDDLE)


def test_a_plateau_is_half_way_in_the_middle():
    schedule = temperature("piecewise-plateau", **RANGE)
    assert [schedule(e) for e in (3.9, 4, 7.9, 8)] == pytest.approx([HIGH, MIDDLE, MIDDLE, LOW])


def test_steps_are_a_third_of_the_span_in_whole_epochs():
    schedule = temperature("step-decay", **RANGE)
    assert [schedule(e) for e in (3.9, 4, 8)] == pytest.approx([0.75, 0.375, 0.1875])
    assert temperature("step-decay", low=0.1, high=0.8, span=2)(1) == 0.4


def test_cycles_shrink_and_periods_grow():
    cycles = temperature("multi-cycle-cosine", **RANGE)
    assert cycles(4) == pytest.approx(LOW + 0.8 * 0.6)
    assert cycles(3.999) < LOW + 1e-3
    restarts = temperature("cosine-with-restarts", **RANGE)
    assert restarts(4.999) < LOW + 1e-3
    assert restarts(5) == HIGH
    assert restarts(5 + 3.75) == pytest.approx(MIDDLE)


def test_a_triangle_and_one_cycle_are_highest_where_they_say():
    assert temperature("triangular", **RANGE)(6) == pytest.approx(HIGH)
    assert temperature("one-cycle", **RANGE)(3.6) == pytest.approx(HIGH)


def test_adaptive_ones_follow_the_loss_and_equal_the_cosine_without_it():
    adaptive, moving = (
        temperature(n, **RANGE) for n in ("adaptive-cosine-annealing", "momentum-adaptive")
    )
    assert adaptive(0, [0.0]) == adaptive(0) == HIGH
    assert adaptive(0, [9.0, 0.5]) == pytest.approx(LOW + 0.6 * 0.95)
    assert moving(0, [0.5]) == pytest.approx(LOW + 0.6 * (1 - 0.1 * 0.05))
    assert moving(0, [0.5, 0.5]) == pytest.approx(LOW + 0.6 * (1 - 0.1 * 0.095))
    assert adaptive(0, [-100.0]) == 1.2 * HIGH
    assert adaptive(0, [100.0]) == 0.5 * LOW


def test_noise_is_the_same_in_every_run_and_fades():
    noisy, smooth = temperature("noisy-cosine", **RANGE), CosineAnnealing(**RANGE, frequency=0.5)
    assert noisy(3.0) == noisy(3.0) != smooth(3.0)
    inside = [e for e in range(1, 400) if LOW + 0.15 < smooth(e) < HIGH - 0.15]
    off = [abs(noisy(e) - smooth(e)) for e in inside]
    assert max(off[:20]) > 0.02
    assert max(off[-20:]) < 1e-6


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("linear", "linear-decay"),
        ("cosine-anealing", "cosine-annealing"),
        ("exponential_deca", "exponential-decay"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name, near):
    with pytest.raises(Refused, match=f"did you mean '{near}"):
        temperature(name)


def test_names_of_the_page_are_known_by_underscores_too():
    assert temperature("cosine_annealing") == CosineAnnealing()


@pytest.mark.parametrize(
    "settings",
    [{"low": 0.0}, {"low": 0.8}, {"span": 0.0}, {"high": float("nan")}, {"gama": 0.5}],
)
def test_settings_that_are_none_are_refused(settings):
    with pytest.raises(Refused):
        temperature("exponential-decay", **settings)


def test_the_table_is_the_one_that_is_tested():
    assert set(ENDS) == set(TEMPERATURES)
    assert len(TEMPERATURES) == 22
