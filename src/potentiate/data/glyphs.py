"""Small patterns made by a seed, so that nothing is downloaded: XOR, the letters A, B, C, 36 characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from potentiate.data.images import Images, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

# Seven rows of five pixels; a row is one hexadecimal byte whose lowest bit is the rightmost pixel.
BITMAPS = [
    "0E11111F111111",
    "1E11111E11111E",
    "0E11101010110E",
    "1E11111111111E",
    "1F10101E10101F",
    "1F10101E101010",
    "0E11101713110F",
    "1111111F111111",
    "0E04040404040E",
    "0702020202120C",
    "11121418141211",
    "1010101010101F",
    "111B1515111111",
    "11191513111111",
    "0E11111111110E",
    "1E11111E101010",
    "0E11111115120D",
    "1E11111E141211",
    "0F10100E01011E",
    "1F040404040404",
    "1111111111110E",
    "11111111110A04",
    "11111115151B11",
    "11110A040A1111",
    "11110A04040404",
    "1F01020408101F",
    "0E11131519110E",
    "040C040404040E",
    "0E11010204081F",
    "1F02040201110E",
    "02060A121F0202",
    "1F101E0101110E",
    "0608101E11110E",
    "1F010204080808",
    "0E11110E11110E",
    "0E11110F01020C",
]

LETTERS = (
    "01110 10001 11111 10001 10001",
    "11110 10001 11110 10001 11110",
    "01111 10000 10000 10000 01111",
)
"""A, B and C, five rows of five pixels."""

SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def xor(*, repeats: int = 250) -> Images:
    """Return exclusive or, patterns [n, 1, 1, 2]: all four in each part, `repeats` times.

    There are no others to hold out; the repeats let a margin be less than one pattern in four.
    """
    import numpy as np

    patterns = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8).reshape(4, 1, 2)
    labels = np.array([0, 1, 1, 0])
    part = _split(np.tile(patterns, (repeats, 1, 1)), np.tile(labels, repeats))
    return Images(part, part, part, classes=2, mean=0.5, std=0.5, scale=1.0, name="xor")


def letters(*, flips: float = 0.05, counts: tuple[int, int, int] = (1000, 300, 600)) -> Images:
    """Return A, B and C as 5 x 5 pixels, each flipped with chance `flips`; parts of `counts` examples."""
    import numpy as np

    rows = [[[int(pixel) for pixel in row] for row in letter.split()] for letter in LETTERS]
    return _noisy(np.array(rows, dtype=np.uint8), "letters", flips, 0.0, counts)


def glyphs(
    *, flips: float = 0.05, shift: float = 0.5, counts: tuple[int, int, int] = (6000, 1000, 2000)
) -> Images:
    """Return A-Z and 0-9 as 8 x 8 pixels, moved by one pixel with chance `shift`, then flipped.

    Args:
        flips: Chance of each pixel to be inverted.
        shift: Chance of a move up, down, left or right; what leaves comes in at the other side.
        counts: Examples of the training, validation and test part, drawn independently.
    """
    import numpy as np

    bases = np.zeros((len(BITMAPS), 8, 8), dtype=np.uint8)
    for base, bitmap in zip(bases, BITMAPS, strict=True):
        bytes_ = np.frombuffer(bytes.fromhex(bitmap), dtype=np.uint8)
        base[:7, 1:6] = np.unpackbits(bytes_[:, None], axis=1)[:, 3:]
    return _noisy(bases, "glyphs", flips, shift, counts)


def _noisy(
    bases: NDArray[np.uint8], name: str, flips: float, shift: float, counts: tuple[int, int, int]
) -> Images:
    import numpy as np

    def drawn(part: int) -> Split:
        random = np.random.default_rng([part, len(bases)])  # the set's definition, never of a run
        labels = random.integers(0, len(bases), counts[part])
        moves = np.where(
            random.random(counts[part]) < shift, random.integers(0, 4, counts[part]), -1
        )
        inputs = bases[labels]
        for number, move in enumerate(SHIFTS):
            inputs[moves == number] = np.roll(inputs[moves == number], move, axis=(1, 2))
        return _split(inputs ^ (random.random(inputs.shape) < flips), labels)

    train, validation, test = (drawn(part) for part in range(3))
    mean, std = float(train.inputs.double().mean()), float(train.inputs.double().std())
    return Images(train, validation, test, len(bases), mean, std, scale=1.0, name=name)


def _split(inputs: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    import torch

    return Split(torch.from_numpy(inputs[:, None]), torch.from_numpy(labels))
