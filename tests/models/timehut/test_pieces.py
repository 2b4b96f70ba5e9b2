"""What TimeHUT learns from: pieces of long series, in the middle, none without a value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from potentiate import train
from potentiate.data import data_folder
from potentiate.errors import Refused
from potentiate.events import Finished, Started, Stepped
from potentiate.models.reference import find
from potentiate.models.timehut.pieces import centered, learnable, pieces
from potentiate.models.timehut.recipe import Recipe, learning

SMALL = Recipe(outputs=8, hidden=8, depth=2, epochs=3)
nan = float("nan")


@given(st.integers(1, 40), st.integers(2, 15), st.integers(1, 3), st.integers(1, 2))
def test_pieces_are_equal_no_longer_than_allowed_and_put_together_the_series(
    length, longest, count, channels
):
    series = torch.arange(float(count * length * channels)).view(count, length, channels)
    parts = pieces(series, longest)
    assert parts.shape[1] <= longest
    assert len(parts) == count * -(-length // longest)
    whole = parts.reshape(count, -1, channels)
    assert torch.equal(whole[:, :length], series)
    assert whole[:, length:].isnan().all()
    if length <= longest:
        assert parts is series


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=5))
def test_series_stand_in_the_middle_with_their_gaps(ends):
    series = torch.full((len(ends), 14, 1), nan)
    for row, (front, gap, _) in zip(series, ends, strict=True):
        row[front] = 1.0
        row[front + gap + 1] = 2.0
    for row, (_, gap, _) in zip(centered(series)[:, :, 0], ends, strict=True):
        places = (~row.isnan()).nonzero().flatten().tolist()
        front, behind = places[0], 13 - places[-1]
        assert 0 <= behind - front <= 1
        assert places[1] - places[0] == gap + 1
        assert row[places].tolist() == [1.0, 2.0]


def test_series_that_begin_and_end_with_values_stay_as_they_are():
    series = torch.tensor([[1.0, nan, 3.0], [nan, 2.0, 3.0]])[:, :, None]
    both = torch.cat([series[:1], series[:1]])
    assert learnable(both, 5) is both
    half = torch.tensor([[[nan, 1.0], [2.0, nan]]])  # each instant has a value of some channel
    assert centered(half) is half


def test_series_without_a_value_are_not_learned_from():
    series = torch.tensor([[1.0, nan], [nan, nan], [2.0, 3.0]])[:, :, None]
    assert learnable(series, 5)[:, 0, 0].tolist() == [1.0, 2.0]
    assert len(learnable(series[:1], 5)) == 1  # instants of one series can be told apart
    with pytest.raises(Refused, match="no training series holds a value"):
        learnable(series[1:2], 5)
    with pytest.raises(Refused, match="no training series"):
        learning(series[1:2], SMALL, 0)


def test_learning_cuts_centers_and_drops_and_its_length_is_that_of_the_series():
    series = torch.randn(3, 10, 1)
    series[2, 3:] = nan
    parts = learning(series, Recipe(longest=4, outputs=8, hidden=8, depth=1), 0)
    (inputs, _) = parts.batches.tensors
    assert inputs.shape == (7, 4, 1)  # nine pieces, of which two hold nothing
    assert parts.epochs * len(parts.batches) == 200
    assert torch.equal(inputs[0], series[0, :4])
    assert inputs[2, 0].isnan().all()  # two instants of four, in the middle
    assert torch.equal(inputs[2, 1:3], series[0, 8:])
    long = learning(torch.randn(11, 10_000, 1), Recipe(outputs=8, hidden=8, depth=1), 0)
    assert long.batches.tensors[0].shape == (44, 2500, 1)
    assert round(long.epochs * len(long.batches)) == 600


def losses(workload):
    return [float(event.loss) for event in train(workload, seed=0) if isinstance(event, Stepped)]


def test_series_of_very_unequal_lengths_are_learned_from():
    pytest.importorskip("sktime")
    if not (data_folder() / "uea" / "JapaneseVowels").is_dir():
        pytest.skip(f"JapaneseVowels is not in {data_folder()}")
    vowels = find("timehut/JapaneseVowels").varied(
        {"outputs": 8, "hidden": 8, "depth": 2, "epochs": 1, "head": "ridge"}
    )
    found = losses(vowels)
    assert len(found) == 33
    assert np.isfinite(found).all()


def test_crops_of_nothing_but_missing_values_have_a_loss_and_gradients():
    random = torch.Generator().manual_seed(0)
    series = torch.full((8, 60, 2), nan)
    series[:, 29:31] = torch.randn(8, 2, 2, generator=random)  # most crops see nothing
    parts = learning(series, SMALL, 0)
    step = parts.step.start(parts.encoder, 40)
    batches = parts.batches.start(0, torch.device("cpu"))
    assert np.isfinite([float(step(next(batches))) for _ in range(40)]).all()
    assert all(each.isfinite().all() for each in parts.encoder.parameters())


def test_long_series_are_cut_as_the_setting_says_and_judged_whole():
    workload = find("timehut/waves").varied(
        {"outputs": 8, "hidden": 8, "depth": 2, "epochs": 1, "longest": 20, "head": "ridge"}
    )
    found = list(train(workload, seed=0))
    (begun,) = [event.training for event in found if isinstance(event, Started)]
    assert begun.run.batches.tensors[0].shape == (60 * 4, 16, 1)
    (end,) = [event for event in found if isinstance(event, Finished)]
    assert 0 <= end.test["accuracy"] <= 1
    with pytest.raises(Refused, match="longest"):
        workload.varied({"longest": 1})
