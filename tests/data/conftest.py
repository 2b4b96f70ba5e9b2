"""A data set small enough to be made, damaged and served within a test."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from numpy.typing import NDArray

from potentiate.data import DATASETS, DataFile, DataSet, catalog

Write = Callable[[Path], DataSet]


def idx(elements: NDArray[np.uint8]) -> bytes:
    """The bytes of an idx file, before compression."""
    return pack(f">HBB{elements.ndim}I", 0, 8, elements.ndim, *elements.shape) + elements.tobytes()


def contents() -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Shape and gzipped bytes of the four files."""
    random = np.random.default_rng(0)
    parts: dict[str, NDArray[np.uint8]] = {}
    for part, count in (("train", 48), ("test", 12)):
        parts[f"{part}-images.gz"] = random.integers(0, 256, (count, 4, 5), np.uint8)
        parts[f"{part}-labels.gz"] = (np.arange(count) % 3).astype(np.uint8)
    return {name: (p.shape, gzip.compress(idx(p), mtime=0)) for name, p in parts.items()}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """An entry "tiny-set" of the table, whose data folder is `tmp_path`; no file is there yet."""
    files = tuple(
        DataFile(name, shape, sha256(content).hexdigest(), f"http://127.0.0.1:9/{name}")
        for name, (shape, content) in contents().items()
    )
    entry = DataSet("tiny-set", "images", 3, (1, 4, 5), 48, 12, 255.0, files, "none", "none")
    monkeypatch.setattr(catalog, "DATASETS", {**DATASETS, "tiny-set": entry})
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    return entry


@pytest.fixture
def folder(tiny: DataSet, tmp_path: Path) -> Path:
    """The folder of the tiny set, with its files."""
    folder = tmp_path / tiny.name
    folder.mkdir()
    for name, (_, content) in contents().items():
        (folder / name).write_bytes(content)
    return folder
