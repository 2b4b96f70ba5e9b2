"""The idx format of MNIST, gzipped, read so that no file decides how much memory it takes.

Source: Y. LeCun's description of the MNIST files: two zero bytes, the element type (8 = unsigned
byte), the number of dimensions, each dimension as a big-endian 32-bit number, then the elements.
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from struct import unpack
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused

UNSIGNED_BYTE = 8


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a gzipped idx file of unsigned bytes that must have exactly this shape.

    The header is compared with `shape` before anything is allocated, and never more than one byte
    beyond the expected size is decompressed.

    Raises:
        Refused: The file is unreadable, empty, truncated, corrupt, too long, or of another shape.
    """
    try:
        with gzip.open(path) as stream:
            content = _elements(cast(BinaryIO, stream), path, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _refusal(path, f"is truncated or corrupt ({error})") from None
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror or error})") from None
    return np.frombuffer(content, np.uint8).reshape(shape)


def _elements(stream: BinaryIO, path: Path, shape: tuple[int, ...]) -> bytearray:
    header = stream.read(4 + 4 * len(shape))
    if not header:
        raise _refusal(path, "is empty")
    if header[:4] != bytes((0, 0, UNSIGNED_BYTE, len(shape))):
        raise _refusal(path, f"is no idx file of unsigned bytes in {len(shape)} dimensions")
    if len(header) < 4 + 4 * len(shape):
        raise _refusal(path, "is truncated within its header")
    declared = unpack(f">{len(shape)}I", header[4:])
    if declared != shape:
        raise _refusal(path, f"declares {_spelled(declared)} values where {_spelled(shape)} belong")
    content = bytearray(prod(shape))  # torch wants writable memory, and one copy is enough
    view, filled = memoryview(content), 0
    while filled < len(content) and (read := cast("Any", stream).readinto(view[filled:])):
        filled += read
    if filled < len(content):
        raise _refusal(path, f"ends after {filled} of {prod(shape)} values")
    if stream.read(1):  # reading to the end also verifies the checksum
        raise _refusal(path, f"goes on after its {prod(shape)} values")
    return content


def _spelled(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _refusal(path: Path, what: str) -> Refused:
    return Refused(
        f"the data file {path} {what}; delete it and get it again with 'potentiate download'"
    )
