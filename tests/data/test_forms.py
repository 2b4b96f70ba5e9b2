"""Forms of series and labels: whatever comes, it becomes one form or one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from potentiate.data.forms import as_labels, as_series, table
from potentiate.errors import Refused

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=6),
    st.binary(max_size=4),
    st.dates(),
    hnp.arrays(
        st.sampled_from(["f8", "f4", "i8", "u1", "?", "U3", "S3", "O", "c8", "M8[s]"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=2),
    ),
    max_leaves=8,
)


def held(convert, values):
    """What a conversion makes of anything: its result, or None where it is refused in one sentence."""
    try:
        return convert(values)
    except Refused as error:
        told = str(error)
    assert "\n" not in told
    return None


@given(ANYTHING)
def test_anything_becomes_series_or_is_refused(values):
    found = held(as_series, values)
    if found is not None:
        assert found.dtype == np.float32
        assert found.ndim == 3
        assert 0 not in found.shape
        assert not np.isinf(found).any()


@given(ANYTHING)
def test_anything_becomes_labels_or_is_refused(values):
    found = held(as_labels, values)
    assert found is None or all(isinstance(each, str) for each in found)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_file_becomes_series_or_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "series.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "ignore"))
    found = held(as_series, path)
    assert found is None or (found.ndim == 3 and 0 not in found.shape)


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32) | st.just(np.nan), min_size=1, max_size=5)))
def test_lists_of_any_lengths_keep_their_values(rows):
    found = held(as_series, rows)
    if found is not None:
        for row, series in zip(rows, found, strict=True):
            np.testing.assert_array_equal(series[: len(row), 0], np.float32(row))
            assert np.isnan(series[len(row) :]).all()
    assert (found is None) == (not rows)


@pytest.mark.parametrize("worst", [np.inf, -np.inf, 1e300])
def test_an_infinite_value_is_refused_with_the_place_of_its_series(worst):
    values = np.zeros((3, 4))
    values[1, 2] = worst
    with pytest.raises(Refused, match=r"series 1 \(from 0\) holds an infinite value"):
        as_series(values)


def test_other_arrays_are_taken_and_what_a_mask_hides_is_missing():
    masked = np.ma.masked_equal(np.array([[1, 2, 9], [4, 5, 6]]), 9)
    found = as_series(masked)
    assert np.isnan(found[0, 2, 0])
    assert np.isnan(found).sum() == 1
    np.testing.assert_array_equal(as_series(torch.ones(2, 1, 3)), np.ones((2, 3, 1)))
    several = np.empty(2, object)
    several[:] = [np.ones(2), np.ones(3)]
    assert as_series(several).shape == (2, 3, 1)
    with pytest.raises(Refused, match="datetime"):
        as_series(np.zeros((2, 3), "M8[s]"))


def test_a_column_of_series_is_taken():
    pandas = pytest.importorskip("pandas")
    assert as_series(pandas.Series([[1.0, 2.0], [3.0]])).shape == (2, 2, 1)
    with pytest.raises(Refused, match="of a list"):
        as_series(pandas.Series([1.0, 2.0]))
    with pytest.raises(Refused, match="empty"):
        as_series(pandas.DataFrame())


def test_a_file_may_have_lines_of_any_lengths_and_missing_values(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("\ufeff1,2,?\n\n4, ,6,NaN,8\n", "utf-8")
    expected = [[1, 2, np.nan, np.nan, np.nan], [4, np.nan, 6, np.nan, 8]]
    np.testing.assert_array_equal(as_series(path)[:, :, 0], np.float32(expected))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"time,value\n1,2\n", "'time' in line 1"),
        (b"1,2\n3,four\n", "'four' in line 2"),
        (b"", "empty"),
        (b"\x00\xff\x13", "cannot be read"),
        (b"1,inf\n", "infinite"),
    ],
)
def test_a_file_of_something_else_is_refused_by_its_place(tmp_path, content, told):
    path = tmp_path / "series.csv"
    path.write_bytes(content)
    with pytest.raises(Refused, match=told):
        as_series(path)


def test_labels_are_names_and_numbers_of_any_type():
    for form in ([1, 2], (1.0, 2.0), np.array([1, 2]), np.array([1.0, 2.0]), torch.tensor([1, 2])):
        assert as_labels(form) == ["1", "2"]
    assert as_labels(np.array(["up", "down"])) == ["up", "down"]
    assert as_labels([1.5, True]) == ["1.5", "True"]
    pandas = pytest.importorskip("pandas")
    assert as_labels(pandas.Series(["a", "b"], dtype="category")) == ["a", "b"]


@pytest.mark.parametrize("labels", [[1, None], [1, np.nan], [[1], [2]], 3, None, np.ones((2, 2))])
def test_what_is_no_label_is_refused(labels):
    with pytest.raises(Refused, match="label"):
        as_labels(labels)


def test_the_first_column_may_hold_labels(tmp_path):
    path = tmp_path / "set.tsv"
    path.write_text("1.0\t5\t6\nx\t7\n")
    labels = []
    assert [row.tolist() for row in table(path, "\t", labels)] == [[5.0, 6.0], [7.0]]
    assert labels == ["1", "x"]
