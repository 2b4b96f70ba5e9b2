"""Files of the archives: what a file holds is read, and what is wrong with one is told."""

from __future__ import annotations

import numpy as np
import pytest

from potentiate.data.archive_files import read
from potentiate.errors import Refused

pytest.importorskip("sktime")

HEADER = """# What it is, by whom
@problemName Hills
@timeStamps false
@missing true
@univariate true
@equalLength {equal}
@seriesLength 3
@classLabel true up Down
@data
"""


def ts(rows, header=HEADER, **changes):
    for old, new in {"{equal}": "true", **changes}.items():
        header = header.replace(old, new)
    return header + rows


@pytest.fixture
def written(tmp_path):
    def write(content, name="Hills_TRAIN.ts"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_missing_values_and_unequal_lengths_are_read(written):
    series, labels = read(written(ts("1,?,3:up\n4,NaN:down\n", **{"{equal}": "false"})))
    expected = np.float32([[1, np.nan, 3], [4, np.nan, np.nan]])
    np.testing.assert_array_equal(series[:, :, 0], expected)
    assert labels == ["up", "down"]


def test_several_channels_may_have_lengths_of_their_own(written):
    several = {"{equal}": "false", "@univariate true": "@univariate false\n@dimensions 2"}
    series, _ = read(written(ts("1,2,3:4,5,6:up\n1,2:3:down\n", **several)))
    assert series.shape == (2, 3, 2)
    np.testing.assert_array_equal(series[1], np.float32([[1, 3], [2, np.nan], [np.nan, np.nan]]))


BAD = {
    "empty": ("", "it is empty"),
    "binary": (b"\x00\x8f\xff" * 50, "damaged"),
    "no series": (ts(""), "damaged"),
    "no header": ("1,2,3:up\n", "damaged"),
    "truncated in a number": (ts("1,2,3:up\n4,5,6.2"), "damaged"),
    "truncated in a label": (ts("1,2,3:up\n4,5,6:do"), "class 'do', which its header lacks"),
    "text in numbers": (ts("1,two,3:up\n"), "damaged .*'two'"),
    "infinite": (ts("1,inf,3:up\n"), "infinite"),
    "other channels": (ts("1,2,3:4,5,6:up\n"), "header says 1 channels, its series have 2"),
    "other lengths": (ts("1,2,3,4:up\n5,6,7,8:down\n"), "says 3 instants, a series has 4"),
    "a shorter one": (ts("1,2,3:up\n5,6:down\n"), "says 3 instants, a series has 2"),
    "other class": (ts("1,2,3:left\n"), "class 'left', which its header lacks"),
    "channels that differ": (ts("1,2,3:up\n1,2,3:4,5,6:up\n"), "damaged"),
    "no classes": (ts("1,2,3\n", **{"true up Down": "false"}), "no classes"),
    "timestamps": (ts("(0,1),(1,2):up\n", **{"Stamps false": "Stamps true"}), "timestamps"),
    "no number of channels": (ts("1,2,3:up\n", **{"@univariate true": "@univariate false\n@dimensions x"}), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_damaged_file_is_refused_in_one_sentence(written, what):
    content, told = BAD[what]
    path = written(content)
    with pytest.raises(Refused, match=told) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert ("get it again" in str(caught.value)) == (what not in ("no classes", "timestamps"))
    assert "\n" not in str(caught.value)


def test_tables_are_read_and_refused_alike(written):
    series, labels = read(written("1\t0.5\tNaN\n2\t1\t2\n", "Hills_TRAIN.tsv"))
    assert labels == ["1", "2"]
    np.testing.assert_array_equal(series[:, :, 0], np.float32([[0.5, np.nan], [1, 2]]))
    for content, told in (
        ("1\n2\n", "no column"),
        ("1\tx\n", "'x' in line 1"),
        ("\n", "no column"),
    ):
        with pytest.raises(Refused, match=told):
            read(written(content, "Hills_TRAIN.tsv"))
