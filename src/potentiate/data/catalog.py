"""The data sets by name: what each holds, where it comes from, and where its files lie here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from potentiate.errors import Refused, unknown


@dataclass(frozen=True)
class DataFile:
    """One file of a data set: gzipped idx, unsigned bytes.

    Attributes:
        name: File name.
        shape: The dimensions that its header must declare, examples first.
        sha256: Digest of the gzipped file, in hexadecimal.
        url: Where `potentiate download` gets it.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    url: str


@dataclass(frozen=True)
class DataSet:
    """A data set of images with one class each.

    Attributes:
        name: What the command line calls it.
        kind: "images".
        classes: Number of classes; labels are 0 to classes - 1.
        shape: Channels, height, width of one image.
        n_train: Examples outside the test part; a twelfth of them becomes the validation part.
        n_test: Examples of the test part.
        scale: The value of a white pixel in the raw data.
        files: Training images and labels, test images and labels; empty if scikit-learn ships them.
        source: What to cite.
        license: The terms its authors state.
    """

    name: str
    kind: str
    classes: int
    shape: tuple[int, int, int]
    n_train: int
    n_test: int
    scale: float
    files: tuple[DataFile, ...]
    source: str
    license: str


def _idx_files(base: str, digests: tuple[str, str, str, str]) -> tuple[DataFile, ...]:
    """The four files that MNIST and the sets made in its image consist of."""
    parts: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("train-images-idx3-ubyte.gz", (60_000, 28, 28)),
        ("train-labels-idx1-ubyte.gz", (60_000,)),
        ("t10k-images-idx3-ubyte.gz", (10_000, 28, 28)),
        ("t10k-labels-idx1-ubyte.gz", (10_000,)),
    )
    return tuple(
        DataFile(name, shape, digest, base + name)
        for (name, shape), digest in zip(parts, digests, strict=True)
    )


DIGITS = DataSet(
    name="digits",
    kind="images",
    classes=10,
    shape=(1, 8, 8),
    n_train=1438,
    n_test=359,
    scale=16.0,
    files=(),
    source="Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI repository",
    license="CC BY 4.0; shipped with scikit-learn",
)
MNIST = DataSet(
    name="mnist",
    kind="images",
    classes=10,
    shape=(1, 28, 28),
    n_train=60_000,
    n_test=10_000,
    scale=255.0,
    files=_idx_files(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    source="LeCun, Bottou, Bengio & Haffner 1998, Proc. IEEE 86(11)",
    license="CC BY-SA 3.0, copyright Y. LeCun and C. Cortes",
)
FASHION_MNIST = DataSet(
    name="fashion-mnist",
    kind="images",
    classes=10,
    shape=(1, 28, 28),
    n_train=60_000,
    n_test=10_000,
    scale=255.0,
    files=_idx_files(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    source="Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747",
    license="MIT, copyright Zalando SE",
)

DATASETS: Mapping[str, DataSet] = {each.name: each for each in (DIGITS, MNIST, FASHION_MNIST)}
"""Every data set by its name."""


def dataset(name: str) -> DataSet:
    """Return the entry of the table.

    Raises:
        Refused: There is no such data set; the nearest name is suggested.

    Example:
        >>> dataset("digits").shape
        (1, 8, 8)
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    return DATASETS[name]


def data_folder() -> Path:
    """Return the folder that holds the data sets: `POTENTIATE_DATA`, or the user's cache folder."""
    chosen = os.environ.get("POTENTIATE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("potentiate"))


def folder_of(which: DataSet) -> Path | None:
    """Return the folder that holds every file of a set, or None; a folder may spell "-" as "_"."""
    for spelling in (which.name, which.name.replace("-", "_")):
        folder = data_folder() / spelling
        if all((folder / file.name).is_file() for file in which.files):
            return folder
    return None


def missing(which: DataSet) -> Refused:
    """The error for a set whose files are not there: what, where, and the command that gets it."""
    return Refused(
        f"the data set '{which.name}' is not in {data_folder() / which.name}; "
        f"get it with 'potentiate download {which.name}', or set POTENTIATE_DATA to the folder "
        "that holds it"
    )
