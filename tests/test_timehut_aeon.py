"""Pipelines of aeon, where it is installed: it holds NumPy back, so it is not beside what we test with."""

from __future__ import annotations

import numpy as np
import pytest

aeon_pipeline = pytest.importorskip("aeon.pipeline")

from aeon.classification.compose import ClassifierEnsemble  # noqa: E402
from aeon.transformations.collection import Normalizer  # noqa: E402
from aeon.transformations.collection.unequal_length import Padder  # noqa: E402
from sklearn.linear_model import RidgeClassifier  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from potentiate import TimeHUT, TimeHUTClassifier  # noqa: E402

SMALL = {"epochs": 8, "settings": {"outputs": 16, "hidden": 8, "depth": 4}, "random_state": 0}


@pytest.fixture(scope="module")
def waves():
    """Slow and fast ones, of two channels."""
    random, fast = np.random.default_rng(0), np.arange(24) % 2
    angle = np.linspace(0, 6, 30) * (1 + 2 * fast)[:, None] + random.uniform(0, 6, (24, 1))
    series = np.stack([np.sin(angle), np.cos(angle)], 1) + 0.1 * random.normal(size=(24, 2, 30))
    return series, np.array(["slow", "fast"])[fast]


def test_a_classifier_ends_a_pipeline(waves):
    """aeon's own pipeline takes what is not aeon's to know one channel only; scikit-learn's does not."""
    series, labels = waves
    for made, given in ((make_pipeline, series), (aeon_pipeline.make_pipeline, series[:, :1])):
        pipeline = made(Normalizer(), TimeHUTClassifier(**SMALL)).fit(given, labels)
        assert (pipeline.predict(given) == labels).mean() > 0.9
    pipeline = make_pipeline(Normalizer(), TimeHUTClassifier(**SMALL))
    assert cross_val_score(pipeline, *waves, cv=3).mean() > 0.8


def test_a_transformer_is_amid_one(waves):
    series, labels = waves
    for made, given in ((make_pipeline, series), (aeon_pipeline.make_pipeline, series[:, :1])):
        pipeline = made(Normalizer(), TimeHUT(**SMALL), RidgeClassifier()).fit(given, labels)
        assert (pipeline.predict(given) == labels).mean() > 0.9


def test_series_of_any_lengths_are_taken_as_they_are_and_padded(waves):
    series = [each[:, : 20 + k % 10] for k, each in enumerate(waves[0])]
    direct = TimeHUTClassifier(**SMALL).fit(series, waves[1])
    assert direct.score(series, waves[1]) > 0.9
    padded = make_pipeline(Padder(), TimeHUTClassifier(**SMALL)).fit(series, waves[1])
    assert padded.score(series, waves[1]) > 0.9


def test_an_ensemble_has_it_for_a_member(waves):
    series, labels = waves[0][:, :1], waves[1]
    ensemble = ClassifierEnsemble([("timehut", TimeHUTClassifier(**SMALL, head="logistic"))])
    assert (ensemble.fit(series, labels).predict(series) == labels).mean() > 0.9
