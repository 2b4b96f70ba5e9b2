from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from potentiate.data import load
from potentiate.data.idx import read_idx
from potentiate.errors import Refused

IMAGES, LABELS = "train-images.gz", "train-labels.gz"
Damage = Callable[[bytes], bytes]


def repacked(change: Damage) -> Damage:
    """The damage applied to the content instead of to the compressed bytes."""
    return lambda packed: gzip.compress(change(gzip.decompress(packed)))


def flipped(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 255]) + packed[middle + 1 :]


DAMAGES: dict[str, tuple[str, Damage, str]] = {
    "no bytes": (IMAGES, lambda packed: b"", "is empty"),
    "nothing compressed": (IMAGES, lambda packed: gzip.compress(b""), "is empty"),
    "half a file": (IMAGES, lambda packed: packed[: len(packed) // 2], "truncated or corrupt"),
    "no checksum": (IMAGES, lambda packed: packed[:-8], "truncated or corrupt"),
    "wrong checksum": (IMAGES, lambda packed: packed[:-8] + bytes(8), "truncated or corrupt"),
    "a flipped byte": (IMAGES, flipped, "truncated or corrupt"),
    "not gzip": (IMAGES, lambda packed: b"<html>not found</html>", "truncated or corrupt"),
    "another format": (IMAGES, repacked(lambda raw: b"PNG!" + raw), "no idx file"),
    "another type": (IMAGES, repacked(lambda raw: b"\0\0\x0d" + raw[3:]), "no idx file"),
    "labels as images": (LABELS, repacked(lambda raw: b"\0\0\x08\x03" + raw[4:]), "no idx file"),
    "half a header": (IMAGES, repacked(lambda raw: raw[:9]), "within its header"),
    "one image less": (IMAGES, repacked(lambda raw: raw[:-20]), "ends after 940 of 960"),
    "one byte more": (IMAGES, repacked(lambda raw: raw + b"x"), "goes on after its 960"),
    "another count": (
        LABELS,
        repacked(lambda raw: pack(">HBBI", 0, 8, 1, 47) + raw[8:-1]),
        "declares 47 values where 48 belong",
    ),
    "other sides": (
        IMAGES,
        repacked(lambda raw: pack(">HBB3I", 0, 8, 3, 48, 5, 4) + raw[16:]),
        "declares 48 x 5 x 4 values where 48 x 4 x 5 belong",
    ),
    "a label too many": (LABELS, repacked(lambda raw: raw[:-1] + b"\x03"), "holds the label 3"),
}


def test_whole_files_are_read(folder: Path) -> None:
    images = load("tiny-set")
    assert (len(images.train), len(images.validation), len(images.test)) == (44, 4, 12)
    assert images.classes == 3


def test_a_folder_may_spell_the_name_with_underscores(folder: Path) -> None:
    folder.rename(folder.with_name("tiny_set"))
    assert len(load("tiny-set").test) == 12


@pytest.mark.parametrize(("file", "damage", "complaint"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_one_sentence_that_names_the_file(
    folder: Path, file: str, damage: Damage, complaint: str
) -> None:
    path = folder / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Refused) as refused:
        load("tiny-set")
    sentence = str(refused.value)
    assert complaint in sentence
    assert str(path) in sentence
    assert "potentiate download" in sentence
    assert "\n" not in sentence


def test_a_folder_in_the_place_of_a_file_is_a_missing_file(folder: Path) -> None:
    (folder / IMAGES).unlink()
    (folder / IMAGES).mkdir()
    with pytest.raises(Refused, match="is not in"):
        load("tiny-set")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read_idx(tmp_path, (1,))


@pytest.mark.parametrize("declared", [(1, 4, 5), (2**32 - 1,) * 3])
def test_a_bomb_costs_no_memory(tmp_path: Path, declared: tuple[int, ...]) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(pack(">HBB3I", 0, 8, 3, *declared))
        for _ in range(64):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            read_idx(path, (1, 4, 5))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_is_written_is_read(tmp_path: Path, elements: np.ndarray) -> None:
    path = tmp_path / "elements.gz"
    header = pack(f">HBB{elements.ndim}I", 0, 8, elements.ndim, *elements.shape)
    path.write_bytes(gzip.compress(header + elements.tobytes()))
    assert np.array_equal(read_idx(path, elements.shape), elements)


@given(st.binary(max_size=60), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_arbitrary_bytes_are_refused(tmp_path: Path, noise: bytes, compressed: bool) -> None:
    path = tmp_path / "noise.gz"
    path.write_bytes(gzip.compress(noise) if compressed else noise)
    with pytest.raises(Refused, match=r"noise\.gz"):
        read_idx(path, (7, 7))
