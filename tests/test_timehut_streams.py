"""The forecaster and the detector of TimeHUT."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from sklearn.base import clone

from potentiate import TimeHUTDetector, TimeHUTForecaster
from potentiate.errors import Refused
from potentiate.estimators.series import pieces
from potentiate.models.timehut.anomalies import adjusted, surprise
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.forecast import chosen_ridge, errors, futures, lags

SMALL = {"outputs": 32, "hidden": 16, "depth": 4}
SHORT = {"context": 30, "epochs": 5, "settings": SMALL, "random_state": 0}


def rhythm(length=400, channels=1, seed=0):
    random, at = np.random.default_rng(seed), np.arange(length)
    waves = [np.sin(at / 4 + k) * (2 + np.sin(at / 29)) for k in range(channels)]
    return 7.0 + np.array(waves) + 0.1 * random.standard_normal((channels, length))


@pytest.fixture(scope="module")
def forecaster():
    return TimeHUTForecaster(**SHORT).fit(rhythm()[:, :300], horizon=8)


@pytest.fixture(scope="module")
def detector():
    return TimeHUTDetector(**{**SHORT, "epochs": 30}).fit(rhythm()[0, :300])


def test_futures_and_lags_are_what_follows_and_what_was():
    series = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(futures(series, 2), [[2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]])
    known = lags(series, 2).reshape(5, 2, 3)
    np.testing.assert_array_equal(known[0], [[0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(known[4], [[4, 6, 8], [5, 7, 9]])


def test_the_strength_is_the_one_that_does_best_on_validation():
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 40)).astype(np.float32)
    truth = features[:, :1] + 3 * random.normal(size=(60, 1)).astype(np.float32)
    parts = (features[:45], truth[:45]), (features[45:], truth[45:])
    assert chosen_ridge(*parts)[-1].alpha >= 50
    clear = features[:, :1]
    parts = (features[:45, :1], clear[:45]), (features[45:, :1], clear[45:])
    assert chosen_ridge(*parts)[-1].alpha == 0.1
    assert errors(np.array([1.0, 3.0]), np.array([2.0, 6.0])) == {"mse": 5.0, "mae": 2.0}


def test_forecasts_beat_no_change_and_raw_errors_are_in_units(forecaster):
    found = forecaster.evaluate(rhythm()[:, 270:])
    assert found["timehut"]["mse"] < 0.5 * found["last"]["mse"]
    assert forecaster.score(rhythm()[:, 270:]) == -found["timehut"]["mse"]
    for each in found.values():
        assert each["raw_mae"] == pytest.approx(each["mae"] * forecaster.scale_[0], rel=1e-4)
        assert each["raw_mse"] == pytest.approx(each["mse"] * forecaster.scale_[0] ** 2, rel=1e-4)
    assert forecaster.evaluate(rhythm()[:, 270:], 1)["last"]["mse"] < found["last"]["mse"]


def test_evaluation_is_of_what_is_predicted(forecaster):
    series = rhythm()[0, 260:330]
    told = np.array([forecaster.predict(series[: t + 1]) for t in range(30, 62)])
    truth = np.array([series[t + 1 : t + 9] for t in range(30, 62)])
    found = forecaster.evaluate(series)["timehut"]
    assert found["raw_mse"] == pytest.approx(errors(truth, told)["mse"], rel=1e-3)


def test_a_single_instant_ahead_is_forecast():
    series = rhythm()[0]
    forecaster = TimeHUTForecaster(**SHORT).fit(series[:300], horizon=1)
    assert forecaster.predict(series).shape == (1,)
    found = forecaster.evaluate(series[270:])
    assert found["timehut"]["mse"] < found["last"]["mse"]


def test_the_encoder_does_not_see_what_chooses_the_strength():
    series = rhythm()[0, :300]
    other = series.copy()
    other[240:] += np.linspace(0, 9, 60)
    one, two = (TimeHUTForecaster(**SHORT).fit(each, horizon=8) for each in (series, other))
    np.testing.assert_array_equal(one.losses_, two.losses_)
    assert one.mean_ == two.mean_
    assert not np.allclose(one.predict(series), two.predict(series))


def test_forecasts_have_the_form_of_what_is_past(forecaster):
    series = rhythm()[:, :200]
    expected = forecaster.predict(series)
    assert expected.shape == (1, 8)
    np.testing.assert_array_equal(forecaster.predict(series[0]), expected[0])
    np.testing.assert_array_equal(forecaster.predict(series[None]), expected[None])
    np.testing.assert_array_equal(forecaster.predict(series[:, -31:]), expected)
    assert np.isfinite(forecaster.predict(series[:, :3])).all()


def test_several_series_of_several_channels_and_missing_values():
    series = np.stack([rhythm(200, 2, seed) for seed in range(3)])
    series[1, 0, 20:24] = np.nan
    forecaster = TimeHUTForecaster(**SHORT).fit(series, horizon=4)
    told = forecaster.predict(series)
    assert told.shape == (3, 2, 4)
    assert np.isfinite(told).all()
    assert forecaster.evaluate(series)["timehut"]["mse"] < 1.0
    detector = TimeHUTDetector(**SHORT).fit(series)
    scores = detector.score_samples(series)
    assert scores.shape == (3, 200)
    assert detector.predict(series).shape == (3, 200)
    np.testing.assert_allclose(detector.score_samples(series[1]), scores[1], rtol=1e-3, atol=1e-4)


def test_pieces_cover_all():
    series = np.arange(50, dtype=np.float32).reshape(1, 50, 1)
    for length, count in ((7, 1), (7, 20), (50, 8), (49, 8), (90, 8)):
        found = pieces(series, length, count)
        assert set(found.ravel()) == set(range(50))
        assert found.shape[1] == min(length, 50)
        assert len(found) >= min(count, 50 - found.shape[1] + 1)


def test_surprise_is_the_distance_of_hidden_and_seen():
    torch.manual_seed(0)
    net, x = Encoder(1, 6, 5, 2).eval(), torch.randn(1, 12, 1)
    x[0, 5] = torch.nan
    found = surprise(net, x, 40)[0]
    assert np.isnan(found[5])
    window = torch.cat([torch.full((34, 1, 1), torch.nan), x[0, :7, None]])
    keep = torch.ones(len(window), dtype=torch.bool)
    seen = net(window)[-1, 0]
    keep[-1] = False
    hidden = net(window.flatten(0, 1), ((1, len(window)),), keep)[-1]
    assert found[6] == pytest.approx(float((seen - hidden).detach().abs().sum()), rel=1e-4)


def test_what_is_usual_is_the_mean_of_the_window_before():
    scores = np.random.default_rng(0).random((2, 30))
    found = adjusted(scores, 5)
    assert np.isnan(found[:, :5]).all()
    usual = scores[1, 7:12].mean()
    assert found[1, 12] == pytest.approx((scores[1, 12] - usual) / usual)
    assert (adjusted(np.zeros((1, 9)), 3)[:, 3:] == 0).all()
    assert np.isnan(adjusted(scores[:, :4], 5)).all()


def test_jumps_are_found_and_the_usual_is_not(detector):
    series = rhythm()[0]
    quiet = detector.predict(series)
    assert (quiet[300:] == -1).sum() <= 1
    series[[330, 370]] += 8.0
    found = detector.predict(series)
    assert set(found) == {-1, 1}
    assert (found[[330, 370]] == -1).all()
    scores = detector.score_samples(series)
    np.testing.assert_array_equal(found == -1, scores < detector.offset_)
    np.testing.assert_array_equal(detector.decision_function(series), scores - detector.offset_)
    assert set(scores.argsort()[:2]) == {330, 370}


def test_the_limit_is_four_deviations_above_what_fit_saw(detector):
    usual = -detector.score_samples(rhythm()[0, :300])[21:]
    assert -detector.offset_ == pytest.approx(usual.mean() + 4 * usual.std(), rel=1e-5)


def test_a_stream_is_judged_as_it_comes(detector):
    series = rhythm()[0]
    whole = detector.score_samples(series)
    np.testing.assert_allclose(detector.score_samples(series[:350]), whole[:350], atol=1e-4)
    before = detector.context + detector.window
    np.testing.assert_allclose(
        detector.score_samples(series[350 - before :])[before:], whole[350:], atol=1e-4
    )


@pytest.mark.parametrize("kind", [TimeHUTDetector, TimeHUTForecaster])
def test_seeds_decide_everything_and_interrupts_leave_nothing(kind, monkeypatch):
    series = rhythm(200)[0]
    state = torch.get_rng_state()
    one, two = (clone(kind(**SHORT)).fit(series) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(one.predict(series), two.predict(series))
    np.testing.assert_array_equal(one.losses_, two.losses_)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("potentiate.kernels.dilated._Block.backward", interrupted)
    known = dict(vars(one))
    with pytest.raises(KeyboardInterrupt):
        one.fit(np.stack([series, series]))
    assert vars(one) == known


@pytest.mark.parametrize("kind", [TimeHUTDetector, TimeHUTForecaster])
@pytest.mark.parametrize(
    ("series", "words"),
    [
        (np.full(100, np.nan), "series 0 has no value"),
        (np.array([1.0]), "too short|no two views"),
        (np.zeros(20), "too short"),
        (np.zeros((1, 0)), "must not be empty"),
        (np.array([1.0, np.inf] * 50), "holds an infinite value"),
        (np.zeros((1, 1, 1, 9)), "got 4 axes"),
        (["a"] * 9, "must be numbers in an array"),
    ],
)
def test_series_that_teach_nothing_are_an_error_of_a_sentence(kind, series, words):
    estimator = kind(**SHORT)
    with pytest.raises(ValueError, match=words):
        estimator.fit(series)
    assert vars(estimator).keys() == vars(kind()).keys()


def test_a_stream_of_other_channels_is_an_error_of_a_sentence(forecaster, detector):
    two = rhythm(100, 2)
    for ask in (forecaster.predict, forecaster.evaluate, detector.predict):
        with pytest.raises(ValueError, match="the series have 2 channels, but TimeHUT"):
            ask(two)
    for horizon in (0, 9):
        with pytest.raises(ValueError, match=f"horizon={horizon} and 100 instants do not fit"):
            forecaster.evaluate(two[:1], horizon)
    sparse = np.where(np.arange(200) % 3, rhythm(200)[0], np.nan)
    with pytest.raises(ValueError, match="no stretch of the series is without missing values"):
        TimeHUTForecaster(**SHORT).fit(sparse, horizon=8)


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        (TimeHUTForecaster, {"context": 0}, "TimeHUTForecaster: context=0 is refused"),
        (TimeHUTDetector, {"context": 2.5}, "TimeHUTDetector: context=2.5 is refused"),
        (TimeHUTDetector, {"window": 0}, "TimeHUTDetector: window=0 is refused"),
        (TimeHUTDetector, {"deviations": 0}, "deviations=0 is refused"),
        (TimeHUTDetector, {"settings": {"head": "svm"}}, "hold head; leave it out"),
        (TimeHUTForecaster, {"settings": {"schedul": "x"}}, "did you mean 'schedule'?"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence(kind, parameters, words):
    with pytest.raises(Refused, match=re.escape(words)):
        kind(**{**SHORT, **parameters}).fit(rhythm()[0])


def test_what_follows_a_gap_is_held_against_what_is_known():
    from potentiate.models.timehut.anomalies import adjusted

    scores = np.ones((1, 60))
    scores[0, 20:35] = np.nan
    found = adjusted(scores, 10)[0]
    assert np.isnan(found[:10]).all()
    assert np.isnan(found[20:35]).all()
    assert np.nanmax(np.abs(found)) < 1e-12


def test_a_constant_series_has_no_anomaly():
    detector = TimeHUTDetector(context=20, window=10, epochs=1, settings=SMALL, random_state=0)
    assert (detector.fit(np.ones(120)).predict(np.ones(120)) == 1).all()


@pytest.mark.parametrize("horizon", [0, 2.5, "a", True])
def test_a_horizon_that_is_no_number_of_instants_is_refused(horizon):
    with pytest.raises(Refused, match="give a number of instants, 1 or more"):
        TimeHUTForecaster(context=20, settings=SMALL).fit(np.arange(200.0), horizon=horizon)


def test_a_context_that_is_changed_later_waits_for_the_next_fit():
    wave = np.sin(np.arange(200) / 5)
    forecaster = TimeHUTForecaster(context=20, epochs=1, settings=SMALL, random_state=0)
    before = forecaster.fit(wave, horizon=5).predict(wave)
    np.testing.assert_array_equal(forecaster.set_params(context=9).predict(wave), before)
    assert forecaster.evaluate(wave)["timehut"]["mse"] >= 0
