from __future__ import annotations

import copy
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from potentiate import TimeHUT, TimeHUTClassifier
from potentiate.data.series import load_series
from potentiate.errors import Refused
from potentiate.models.timehut.readout import ITERATIONS, fitted

SMALL = {"outputs": 16, "hidden": 8, "depth": 3}
SHORT = {"epochs": 2, "settings": SMALL, "random_state": 0}
TINY = {"outputs": 16, "hidden": 8, "depth": 2}


def part(name):
    waves = load_series("waves")
    found = getattr(waves, name)
    names = np.array(waves.classes)
    return found.inputs.transpose(1, 2).numpy(), names[found.labels.numpy()]


@pytest.fixture(scope="module")
def waves():
    return part("train")


@pytest.fixture(scope="module")
def hut(waves):
    return TimeHUT(**SHORT).fit(waves[0])


@parametrize_with_checks(
    [
        TimeHUT(epochs=2, settings=TINY),
        TimeHUTClassifier(epochs=5, settings=TINY, head="ridge"),
        TimeHUTClassifier(epochs=2, settings=TINY),
    ]
)
def test_they_are_what_scikit_learn_defines(estimator, check):
    check(estimator)


def test_waves_never_seen_are_told_apart_by_what_was_learned(waves):
    settings = {"outputs": 64, "hidden": 32, "depth": 6}
    classifier = TimeHUTClassifier(epochs=40, settings=settings, random_state=0).fit(*waves)
    untrained = TimeHUTClassifier(epochs=1, settings={**settings, "lr": 1e-12}, random_state=0)
    test = part("test")
    assert classifier.score(*test) > max(0.75, untrained.fit(*waves).score(*test) + 0.05)
    assert set(classifier.predict(test[0])) == {"saw", "sine", "square"}
    steps = 40 * (48 // 8)
    assert classifier.losses_.shape == (steps,)
    assert classifier.losses_[-40:].mean() < classifier.losses_[:40].mean()


@pytest.mark.parametrize("head", ["svm", "logistic", "ridge"])
def test_each_head_has_scores_and_the_logistic_one_probabilities(waves, head):
    classifier = TimeHUTClassifier(**SHORT, head=head).fit(*waves)
    scores = classifier.decision_function(waves[0])
    assert scores.shape == (48, 3)
    np.testing.assert_array_equal(
        classifier.classes_[scores.argmax(1)], classifier.predict(waves[0])
    )
    assert hasattr(classifier, "predict_proba") == (head == "logistic")
    if head == "logistic":
        np.testing.assert_allclose(classifier.predict_proba(waves[0]).sum(1), 1.0)


def test_a_search_for_support_vectors_that_nothing_separates_ends():
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 2)).astype(np.float32)
    found = fitted("svm", np.repeat(features, 2, 0), np.arange(600) % 2)
    assert found.best_estimator_.max_iter == ITERATIONS


def test_without_labels_what_is_learned_is_the_same(waves, hut):
    classifier = TimeHUTClassifier(**SHORT).fit(*waves)
    for name, weight in hut.encoder_.state_dict().items():
        assert torch.equal(weight, classifier.encoder_.state_dict()[name])


def test_settings_and_preset_reach_the_training(waves):
    losses = [
        TimeHUT(epochs=1, settings={**SMALL, **more}, preset=preset, random_state=0)
        .fit(waves[0])
        .losses_[0]
        for more, preset in (({}, None), ({}, "ts2vec"), ({"instance": 9.0}, None))
    ]
    assert losses[1] < losses[0] < losses[2]


def test_a_preset_gives_way_to_settings(waves):
    given = {**SMALL, "instance": 2.0, "temporal": 2.0, "schedule": "cosine-annealing"}
    one = TimeHUT(epochs=1, preset="ts2vec", settings=given, random_state=0).fit(waves[0])
    other = TimeHUT(epochs=1, settings=SMALL, random_state=0).fit(waves[0])
    np.testing.assert_array_equal(one.losses_, other.losses_)


def test_what_was_seen_sets_the_scale(waves):
    series = waves[0] * 1e3 + 5e3
    one, other = TimeHUT(**SHORT).fit(series), TimeHUT(**SHORT).fit(waves[0])
    np.testing.assert_allclose(one.mean_, series.mean((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(one.scale_, series.std((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(one.transform(series), other.transform(waves[0]), atol=0.02)
    flat = np.stack([series[:, 0], np.full_like(series[:, 0], 7.3)], 1)
    assert TimeHUT(**SHORT).fit(flat).scale_[1] == 1.0


def test_seeds_decide_everything_and_disturb_nothing(waves):
    def made(random_state):
        return TimeHUT(epochs=2, settings=SMALL, random_state=random_state).fit_transform(waves[0])

    state = torch.get_rng_state()
    one = made(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    np.testing.assert_array_equal(made(1), one)
    assert (made(2) != one).any()
    np.testing.assert_array_equal(*[made(np.random.RandomState(5)) for _ in range(2)])


def test_an_interrupt_leaves_what_was_before(waves, monkeypatch):
    before = TimeHUTClassifier(**SHORT).fit(waves[0][:, 0], waves[1])
    answers, known = before.decision_function(waves[0]), dict(vars(before))

    def interrupted(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr("potentiate.models.timehut.step.LiveContrastiveStep.__call__", interrupted)
    state = torch.get_rng_state()
    two = np.concatenate([waves[0], waves[0]], 1)
    fresh = TimeHUTClassifier(**SHORT)
    for each in (before, fresh):
        with pytest.raises(KeyboardInterrupt):
            each.fit(two, waves[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert vars(before).keys() == known.keys()
    np.testing.assert_array_equal(before.decision_function(waves[0]), answers)
    assert vars(fresh).keys() == vars(TimeHUTClassifier()).keys()


def test_one_may_ask_for_any_form_and_length(waves, hut):
    series = waves[0]
    expected = hut.transform(series)
    frame = pd.DataFrame({"wave": [pd.Series(each[0]) for each in series]})
    for same in (list(series), [each[0] for each in series], frame, series[:, 0]):
        np.testing.assert_allclose(hut.transform(same), expected, rtol=1e-5, atol=1e-6)
    assert not hasattr(hut, "n_features_in_")
    assert hut.transform(series[:, :, :40]).shape == (48, 16)
    table = TimeHUT(**SHORT).fit(series[:, 0])
    assert table.n_features_in_ == 64
    np.testing.assert_allclose(table.transform(series[:, :, :40]), hut.transform(series[:, 0, :40]))
    with pytest.raises(ValueError, match="X has 40 features, but TimeHUT is expecting 64"):
        table.transform(series[:, 0, :40])


def test_a_series_is_represented_alike_whatever_is_beside_it(waves):
    lengths = [20 + 3 * k % 40 for k in range(48)]
    ragged = [each[:, :length] for each, length in zip(waves[0], lengths, strict=True)]
    hut = TimeHUT(**SHORT).fit(ragged)
    together = hut.transform(ragged)
    alone = np.concatenate([hut.transform([each]) for each in ragged[:6]])
    np.testing.assert_allclose(alone, together[:6], rtol=1e-5, atol=1e-6)
    encoded = hut.encode(ragged)
    assert encoded.shape == (48, max(lengths), 16)
    for each, length, whole in zip(encoded, lengths, together, strict=True):
        assert np.isnan(each[length:]).all()
        np.testing.assert_allclose(each[:length].max(0), whole, rtol=1e-5, atol=1e-6)
    scales = hut.encode(ragged, window="multiscale")
    assert np.isfinite(scales[0, : lengths[0], :16]).all()


def test_missing_values_are_taken(waves):
    series = waves[0].copy()
    series[np.random.default_rng(0).random(series.shape) < 0.1] = np.nan
    classifier = TimeHUTClassifier(**SHORT).fit(series, waves[1])
    assert np.isfinite(classifier.decision_function(series)).all()
    encoded = TimeHUT(**SHORT).fit(series[:, 0]).encode(series[:, 0])
    last = 63 - np.isfinite(series[:, 0, ::-1]).argmax(1)
    behind = np.arange(64) > last[:, None]
    assert behind.any()
    np.testing.assert_array_equal(np.isnan(encoded).all(-1), behind)
    np.testing.assert_array_equal(np.isnan(encoded).any(-1), behind)


def test_encodings_slide_causally_and_otherwise(waves, hut):
    series = waves[0][:5]
    changed = series.copy()
    changed[:, :, 40:] += 3.0
    for window in (None, 5, "multiscale"):
        causal = [hut.encode(x, sliding=12, window=window) for x in (series, changed)]
        np.testing.assert_allclose(causal[0][:, :40], causal[1][:, :40], rtol=1e-5, atol=1e-5)
        assert not np.allclose(causal[0][:, 40], causal[1][:, 40])
        both = [hut.encode(x, sliding=12, window=window, causal=False) for x in (series, changed)]
        assert not np.allclose(both[0][:, 39], both[1][:, 39])
    changed = series.copy()
    changed[:, :, :10] += 3.0
    first, second = (hut.encode(x, sliding=12)[:, 22:] for x in (series, changed))
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        hut.encode(series, window="full"), hut.transform(series), rtol=1e-5, atol=1e-6
    )


def test_they_serve_in_pipelines_searches_and_folds(waves):
    table, labels = waves[0][:, 0], waves[1]
    pipeline = make_pipeline(FunctionTransformer(), TimeHUT(**SHORT), RidgeClassifier())
    assert pipeline.fit(table, labels).predict(table).shape == (48,)
    grid = {"epochs": np.array([1, 2]), "settings": [SMALL], "head": ["ridge"]}
    search = GridSearchCV(TimeHUTClassifier(**SHORT), grid, cv=2, error_score="raise")
    assert search.fit(waves[0], labels).predict(waves[0]).shape == (48,)
    assert cross_val_score(TimeHUTClassifier(**SHORT, head="ridge"), *waves, cv=2).shape == (2,)
    frame = TimeHUT(**SHORT).set_output(transform="pandas").fit_transform(table)
    assert list(frame.columns[:2]) == ["timehut0", "timehut1"]


def test_copies_answer_the_same_and_clones_know_nothing(waves, hut):
    expected = hut.transform(waves[0])
    np.testing.assert_array_equal(copy.deepcopy(hut).transform(waves[0]), expected)
    assert not hasattr(clone(hut), "encoder_")


@pytest.mark.parametrize("count", [1, 3])
def test_few_series_do(waves, count):
    assert TimeHUT(**SHORT).fit_transform(waves[0][:count]).shape == (count, 16)


def test_three_series_with_words_for_labels_do(waves):
    classifier = TimeHUTClassifier(**SHORT).fit(waves[0][:3], ["a", "b", "a"])
    assert set(classifier.predict(waves[0])) <= {"a", "b"}


def bad(change):
    series = np.random.default_rng(0).normal(size=(6, 1, 12))
    change(series)
    return series


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (np.zeros((0, 1, 5)), "series must not be empty"),
        ([], "series must not be empty"),
        (np.zeros((5, 0)), r"0 feature\(s\)"),
        (np.arange(6.0).reshape(6, 1, 1), "no two views; give at least 2"),
        (np.arange(6.0)[:, None], r"1 feature\(s\), have no two views"),
        (bad(lambda x: x.__setitem__((2, 0, 3), np.inf)), "holds an infinite value"),
        (bad(lambda x: x.__setitem__((2, 0, 3), 1e300)), "beyond float32"),
        (bad(lambda x: x.__setitem__((2, 0, 3), np.inf))[:, 0], "infinity"),
        (bad(lambda x: x.__setitem__(4, np.nan)), "series 4 has no value, all are NaN"),
        (bad(lambda x: x.__setitem__(slice(None), np.nan)), "series 0 has no value"),
        ([np.zeros((1, 4)), np.zeros((2, 4))], "all of as many channels"),
        (np.zeros((2, 2, 2, 2)), "dim 4|4 axes"),
        (["a", "b"], "could not convert string to float"),
        ([np.array(["a"]), np.array(["b", "c"])], "series must be numbers"),
    ],
)
def test_series_that_teach_nothing_are_an_error_of_a_sentence(series, words):
    estimator = TimeHUTClassifier(**SHORT)
    with pytest.raises(ValueError, match=words):
        estimator.fit(series, np.arange(len(series)) % 2)
    assert vars(estimator).keys() == vars(TimeHUTClassifier()).keys()


def test_what_is_asked_must_have_the_channels_of_what_was_learned(waves, hut):
    two = np.concatenate([waves[0], waves[0]], 1)
    words = "X has 2 channels, but TimeHUT is expecting 1 channels as input"
    with pytest.raises(ValueError, match=words):
        hut.transform(two)
    with pytest.raises(ValueError, match="series 1 has no value"):
        hut.transform([np.ones(4), np.full(4, np.nan)])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a"] * 48, "all labels are of one class, a; at least 2 are needed"),
        (["a", None] * 24, "labels hold None; leave out"),
        ([0, 1], "inconsistent numbers of samples"),
        (np.linspace(0, 1, 48), "Unknown label type"),
        (None, "requires y to be passed"),
    ],
)
def test_labels_that_name_no_classes_are_an_error_of_a_sentence(waves, labels, words):
    with pytest.raises(ValueError, match=words):
        TimeHUTClassifier(**SHORT).fit(waves[0], labels)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"epochs": 0}, "epochs=0 is refused"),
        ({"batch_size": 1}, "batch_size=1 is refused"),
        ({"preset": "ts2vek"}, "there is no preset 'ts2vek'; did you mean 'ts2vec'?"),
        ({"settings": 3}, "settings=3 of TimeHUTClassifier is refused"),
        (
            {"settings": {"output": 8}},
            "there is no setting 'output' of settings of TimeHUTClassifier; did you mean 'outputs'?",
        ),
        ({"settings": {"outputs": 0}}, "outputs=0 is refused"),
        ({"settings": {"epochs": 3}}, "hold epochs; give it as epochs=... instead"),
        (
            {"settings": {"schedule": "cosine-aneling"}},
            "there is no temperature schedule 'cosine-aneling'; did you mean 'cosine-annealing'?",
        ),
        ({"head": "svn"}, "head='svn' is refused"),
        ({"device": "gpu"}, "device='gpu' is refused"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence(waves, parameters, words):
    estimator = TimeHUTClassifier(**{"settings": SMALL, "epochs": 1, **parameters})
    with pytest.raises(Refused, match=re.escape(words)):
        estimator.fit(*waves)


def test_a_head_is_not_for_a_transformer_and_windows_are_numbers(waves, hut):
    with pytest.raises(Refused, match="settings of TimeHUT hold head; leave it out"):
        TimeHUT(settings={"head": "ridge"}).fit(waves[0])
    for sliding in (-1, 2.5, True):
        with pytest.raises(Refused, match=f"sliding={sliding} is refused"):
            hut.encode(waves[0], sliding=sliding)
    with pytest.raises(Refused, match="window='half' is refused"):
        hut.encode(waves[0], window="half")


def test_the_preset_brings_its_head_unless_another_is_named(waves):
    def fitted_(**given):
        classifier = TimeHUTClassifier(epochs=1, settings=SMALL, random_state=0, **given)
        return classifier.fit(waves[0], np.arange(len(waves[0])) % 2)

    source, own = fitted_(preset="ts2vec"), fitted_()
    assert (type(source.head_).__name__, source.pooling_) in (
        ("SVC", "max"),
        ("GridSearchCV", "max"),
    )
    assert (type(own.head_).__name__, own.pooling_) == ("Pipeline", "pyramid")
    assert "ridge" in fitted_(preset="ts2vec", head="ridge").head_.named_steps


def test_values_beyond_all_measure_are_one_sentence(waves):
    hut = TimeHUT(epochs=1, settings=SMALL, random_state=0).fit(waves[0])
    with pytest.raises(ValueError, match="standard deviations from the mean"):
        hut.transform(np.full_like(waves[0], 1e37))
