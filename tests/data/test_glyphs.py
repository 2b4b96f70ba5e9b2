"""Patterns made by a seed: what they are, how they are disturbed, and that they are always the same."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from potentiate.data.glyphs import BITMAPS, CHARACTERS, SHIFTS, glyphs, letters, xor

PARTS = ("train", "validation", "test")
SETS = {"xor": xor, "letters": letters, "glyphs": glyphs}
SIZES = {"xor": (2, (1, 2), (1000, 1000, 1000)), "letters": (3, (5, 5), (1000, 300, 600))}
SIZES["glyphs"] = (36, (8, 8), (6000, 1000, 2000))


@pytest.mark.parametrize("name", SETS)
def test_sets_are_what_they_say(name):
    images, (classes, shape, counts) = SETS[name](), SIZES[name]
    assert (images.name, images.classes, images.scale) == (name, classes, 1.0)
    for part, count in zip(PARTS, counts, strict=True):
        split = getattr(images, part)
        assert split.inputs.shape == (count, 1, *shape)
        assert split.inputs.dtype == torch.uint8
        assert set(split.inputs.unique().tolist()) == {0, 1}
        assert split.labels.dtype == torch.int64
        assert set(split.labels.tolist()) == set(range(classes))
    standardized = images.standardized(images.train).double()
    assert float(standardized.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(standardized.std()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", SETS)
def test_sets_are_always_the_same_whatever_the_global_random_states(name):
    first = SETS[name]()
    torch.manual_seed(1)
    np.random.seed(1)
    again = SETS[name]()
    for part in PARTS:
        assert torch.equal(getattr(first, part).inputs, getattr(again, part).inputs)
        assert torch.equal(getattr(first, part).labels, getattr(again, part).labels)


@pytest.mark.parametrize("name", ["letters", "glyphs"])
def test_parts_are_drawn_independently(name):
    images = SETS[name](counts=(500, 500, 500))
    chance = 1.0 / images.classes
    for one, other in combinations(PARTS, 2):
        same = getattr(images, one).labels == getattr(images, other).labels
        assert abs(float(same.double().mean()) - chance) < 4 * (chance / 500) ** 0.5
    longer = SETS[name](counts=(500, 10, 700))
    assert torch.equal(
        longer.train.inputs, images.train.inputs
    )  # one part's size is its own affair


def test_hardly_a_disturbed_glyph_of_the_test_part_was_seen_in_training():
    images = glyphs()
    seen = {example.numpy().tobytes() for example in images.train.inputs}
    again = [example.numpy().tobytes() in seen for example in images.test.inputs]
    assert sum(again) < 0.05 * len(again)


def test_exclusive_or():
    images = xor(repeats=3)
    patterns, labels = images.train.inputs.flatten(1), images.train.labels
    assert labels.tolist() == (patterns[:, 0] ^ patterns[:, 1]).tolist()
    assert len(images.train) == 12
    for part in (images.validation, images.test):
        assert sorted(part.inputs[:4].flatten(1).tolist()) == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert part.labels.tolist() == part.inputs.flatten(1).sum(1).remainder(2).tolist()


def bases():
    """The 36 characters as they are drawn, by label."""
    images = glyphs(flips=0.0, shift=0.0)
    found = {int(label): image[0] for image, label in zip(*parts(images.train), strict=True)}
    assert sorted(found) == list(range(36))
    return [found[label] for label in range(36)]


def parts(split):
    return split.inputs, split.labels


def test_undisturbed_characters_are_36_different_ones_even_when_they_are_moved():
    assert len(CHARACTERS) == len(set(CHARACTERS)) == len(BITMAPS) == 36
    pictures = bases()
    moved = [[p, *(p.roll(by, dims=(0, 1)) for by in SHIFTS)] for p in pictures]
    for one, other in combinations(range(36), 2):
        assert all(not torch.equal(a, pictures[other]) for a in moved[one])
    letter = "\n".join("".join(".#"[pixel] for pixel in row) for row in pictures[0].tolist())
    assert letter.split() == [
        "..###...",
        ".#...#..",
        ".#...#..",
        ".#####..",
        ".#...#..",
        ".#...#..",
        ".#...#..",
        "........",
    ]


def test_undisturbed_letters_are_three():
    images = letters(flips=0.0)
    seen = {(bytes(i.numpy()), int(label)) for i, label in zip(*parts(images.train), strict=True)}
    assert len(seen) == len({pattern for pattern, _ in seen}) == 3


@pytest.mark.parametrize("flips", [0.05, 0.3])
@pytest.mark.parametrize("name", ["letters", "glyphs"])
def test_pixels_flip_by_chance(name, flips):
    clean, noisy = SETS[name](flips=0.0).train, SETS[name](flips=flips).train
    assert torch.equal(clean.labels, noisy.labels)
    flipped = (clean.inputs ^ noisy.inputs).double()
    error = (flips * (1 - flips) / flipped.numel()) ** 0.5
    assert float(flipped.mean()) == pytest.approx(flips, abs=4 * error)
    per_pixel = flipped.mean(0)  # everywhere alike
    assert float((per_pixel - flips).abs().max()) < 5 * (flips * (1 - flips) / len(clean)) ** 0.5


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_glyphs_move_by_one_pixel_in_four_directions(shift):
    split, pictures = glyphs(flips=0.0, shift=shift, counts=(2000, 1, 1)).train, bases()
    counts = dict.fromkeys([(0, 0), *SHIFTS], 0)
    for image, label in zip(*parts(split), strict=True):
        fits = [by for by in counts if torch.equal(image[0], pictures[label].roll(by, (0, 1)))]
        assert len(fits) == 1
        counts[fits[0]] += 1
    still = counts.pop((0, 0))
    assert still / len(split) == pytest.approx(1.0 - shift, abs=0.05)
    for count in counts.values():
        assert count / len(split) == pytest.approx(shift / 4, abs=0.03)
