"""Sets of series by name and forms of one's own: shapes, classes, parts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from potentiate.data import data_folder
from potentiate.data.series import as_series, load_series
from potentiate.errors import Refused


def archive(name):
    """Load a set of the archives, or skip where it is not on this machine."""
    if not any((data_folder() / part / name).is_dir() for part in ("ucr", "uea")):
        pytest.skip(f"{name} is not in {data_folder()}")
    pytest.importorskip("sktime")
    return load_series(name)


SHAPES = {  # published: training and test series, longest, channels, classes
    "Chinatown": (20, 343, 24, 1, 2),
    "Coffee": (28, 28, 286, 1, 2),
    "ECG5000": (500, 4500, 140, 1, 5),
    "DodgerLoopDay": (78, 80, 288, 1, 7),
    "AtrialFibrillation": (15, 15, 640, 2, 3),
    "JapaneseVowels": (270, 370, 29, 12, 9),
}


@pytest.mark.parametrize("name", SHAPES)
def test_archives_have_their_published_shapes(name):
    series = archive(name)
    train, test, longest, channels, classes = SHAPES[name]
    assert len(series.train) + len(series.validation) == train
    assert series.test.inputs.shape[0::2] == (test, channels)
    assert series.test.inputs.shape[1] == longest or name == "JapaneseVowels"
    assert len(series.classes) == classes
    assert series.test.inputs.dtype == torch.float32
    assert set(series.validation.labels.tolist()) == set(range(classes)) or name == "ECG5000"


def test_values_are_those_of_the_files():
    series = archive("Chinatown")
    pool = torch.cat([series.train.inputs, series.validation.inputs])[:, :, 0]
    first = torch.tensor([573.0, 375, 301, 212, 55, 34, 25, 33, 113, 143])
    assert (pool[:, :10] == first).all(1).any()
    assert series.classes == ("1", "2")


def test_missing_values_and_unequal_lengths_are_nan():
    missing = archive("DodgerLoopDay").train.inputs
    assert missing.isnan().any()
    vowels = archive("JapaneseVowels").train.inputs
    lengths = (~vowels.isnan().any(2)).sum(1)
    assert 7 <= int(lengths.min()) < int(lengths.max()) <= 29
    ends = torch.arange(vowels.shape[1]) >= lengths[:, None]
    assert vowels[ends].isnan().all()


def test_parts_are_disjoint_and_the_same_each_time():
    series, again = load_series("waves"), load_series("waves")
    assert torch.equal(series.validation.inputs, again.validation.inputs)
    rows = [
        row.numpy().tobytes()
        for part in (series.train, series.validation, series.test)
        for row in part.inputs
    ]
    assert len(set(rows)) == len(rows) == 360
    assert torch.bincount(series.validation.labels).tolist() == [4, 4, 4]


def test_moments_are_of_what_was_published_for_training():
    series = load_series("waves")
    mean, std = series.moments()
    pool = torch.cat([series.train.inputs, series.validation.inputs])
    assert float(mean) == pytest.approx(float(pool.mean()), abs=1e-6)
    assert float(std) == pytest.approx(float(pool.std(correction=0)), rel=1e-5)
    series.train.inputs[:], series.validation.inputs[:] = 3.0, 3.0
    assert [float(v) for v in series.moments()] == [3.0, 1.0]
    series.train.inputs[:], series.validation.inputs[:] = np.nan, np.nan
    assert [float(v) for v in series.moments()] == [0.0, 1.0]


def test_arrays_lists_frames_and_files_become_the_same(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    expected = values[:, :, None].astype(np.float32)
    (tmp_path / "series.csv").write_text("0,1,2,3\n4,5,6,7\n8,9,10,11\n")
    for form in (values, values[:, None], list(values), values.tolist(), tmp_path / "series.csv"):
        np.testing.assert_array_equal(as_series(form), expected)
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(as_series(pandas.DataFrame(values)), expected)
    nested = pandas.DataFrame({"a": [pandas.Series(row) for row in values]})
    np.testing.assert_array_equal(as_series(nested), expected)


def test_lists_may_have_any_lengths_and_channels():
    found = as_series([np.ones((2, 3)), np.zeros((2, 5))])
    assert found.shape == (2, 5, 2)
    assert np.isnan(found[0, 3:]).all()
    assert np.isfinite(found[0, :3]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.zeros(5), "1 axes"),
        (np.zeros((2, 3, 4, 5)), "4 axes"),
        (np.zeros((0, 5)), "empty"),
        (np.zeros((3, 0)), "empty"),
        ([], "empty"),
        ([np.ones((2, 3)), np.ones((1, 3))], "as many channels"),
        (np.array([["a", "b"]]), "numbers"),
        ("nowhere.csv", "cannot be read"),
    ],
)
def test_what_is_no_series_is_refused_in_one_sentence(values, told):
    with pytest.raises(Refused, match=told) as caught:
        as_series(values)
    assert "\n" not in str(caught.value)


def test_an_unknown_set_is_refused_with_the_nearest_name(tmp_path, monkeypatch):
    archive("Chinatown")
    with pytest.raises(Refused, match="did you mean 'Chinatown'"):
        load_series("Chinatwon")
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    with pytest.raises(Refused, match="POTENTIATE_DATA"):
        load_series("Chinatown")
    with pytest.raises(Refused, match="no set"):
        load_series("../ucr/Chinatown")


@pytest.mark.parametrize("content", ["", "1\n2\n", "@problemName x\n@data\n1,2,3\n"])
@pytest.mark.parametrize("ending", ["ts", "tsv"])
def test_a_damaged_file_is_refused_by_its_name(tmp_path, monkeypatch, content, ending):
    pytest.importorskip("sktime")
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    folder = tmp_path / "ucr" / "Broken"
    folder.mkdir(parents=True)
    for part in ("TRAIN", "TEST"):
        (folder / f"Broken_{part}.{ending}").write_text(content)
    with pytest.raises(Refused, match=f"Broken_TRAIN.{ending} is damaged"):
        load_series("Broken")
