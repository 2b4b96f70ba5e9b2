"""Simple references beside TimeHUT: what they reach on known sets, and that odd series are no obstacle."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from potentiate.data.catalog import data_folder
from potentiate.data.series import SeriesPart
from potentiate.models.reference import find
from potentiate.models.timehut.baselines import beside, raw
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.readout import Read

NAMES = [
    "majority class",
    "1-NN on raw values",
    "ridge on raw values",
    "SVM on raw values",
    "untrained encoder",
]
SMALL = {"outputs": 24, "hidden": 16, "depth": 4}


def references(name, seed=0, **recipe):
    workload = find(f"timehut/{name}").varied(recipe)
    assert workload.references is not None
    return workload.references(workload.recipe, seed)


def test_waves_have_no_simple_solution():
    found = references("waves", **SMALL)
    assert list(found) == NAMES
    assert found["majority class"]["accuracy"] == pytest.approx(1 / 3)
    assert found["majority class"]["f1"] == pytest.approx(1 / 6)
    assert all(0.3 < found[name]["accuracy"] < 0.6 for name in NAMES[1:4])
    assert {"accuracy", "f1", "uniformity", "tolerance"} <= set(found["untrained encoder"])


def test_the_untrained_encoder_is_that_of_a_run_of_the_same_seed_and_draws_nothing():
    before = torch.get_rng_state()
    found = references("waves", seed=3, **SMALL)["untrained encoder"]
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(3)
    run = find("timehut/waves").varied(SMALL).build(3)
    assert found == run.test(run.model)
    assert found != references("waves", seed=4, **SMALL)["untrained encoder"]


def test_chinatown_is_solved_by_a_ridge_on_raw_values():
    if not (data_folder() / "ucr" / "Chinatown").is_dir():
        pytest.skip("the set Chinatown is not here; set POTENTIATE_DATA")
    found = {name: told["accuracy"] for name, told in references("Chinatown").items()}
    assert found["majority class"] == pytest.approx(0.726, abs=5e-4)
    assert found["1-NN on raw values"] == pytest.approx(0.9446, abs=5e-4)
    assert found["ridge on raw values"] == pytest.approx(0.9854, abs=5e-4)
    assert found["SVM on raw values"] == pytest.approx(0.9650, abs=5e-4)
    assert found["untrained encoder"] == pytest.approx(0.974, abs=0.02)


def part(lengths, labels, longest, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((len(lengths), longest, channels)) + np.reshape(labels, (-1, 1, 1))
    for each, length in zip(values, lengths, strict=True):
        each[length:] = np.nan
    return SeriesPart(torch.from_numpy(values.astype(np.float32)), torch.tensor(labels))


def test_raw_values_are_channels_in_a_row_of_equal_length_and_what_is_missing_is_the_mean(caplog):
    known, asked = part([3, 2], [0, 1], 3), part([5], [1], 5)
    with caplog.at_level(logging.INFO, "potentiate"):
        first, second = raw(known, asked)
    assert "taken as their channel's mean" in caplog.text
    assert first.shape == (2, 10)
    assert second.shape == (1, 10)
    np.testing.assert_array_equal(first[0, :3], known.inputs[0, :, 0])
    np.testing.assert_array_equal(first[0, 5:8], known.inputs[0, :, 1])
    np.testing.assert_array_equal(first[:, 3:5], 0.0)
    np.testing.assert_array_equal(first[1, 2::5], 0.0)
    caplog.clear()
    raw(asked, asked)
    assert caplog.text == ""


def test_series_of_several_channels_and_lengths_are_judged():
    labels = [0, 1, 2] * 6
    known, asked = part([6, 8, 7] * 6, labels, 8), part([9] * 18, labels, 9, seed=1)
    found = beside(Read(known, asked, "ridge"), Encoder(2, 8, 4, 2))
    assert list(found) == NAMES
    assert found["ridge on raw values"]["accuracy"] > found["majority class"]["accuracy"] + 0.2
