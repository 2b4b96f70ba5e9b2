"""The words of a report: the nine verdicts as a reader meets them, and its other terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from potentiate.study.verdict import Verdict


@dataclass(frozen=True)
class Word:
    """How a verdict looks and what it means. Color is never alone: label and marker differ too.

    Attributes:
        label: The verdict in plain words.
        tone: Name of its color.
        marker: Its marker in pictures, as matplotlib names it.
        meaning: One or two sentences.
    """

    label: str
    tone: str
    marker: str
    meaning: str


WORDS: Mapping[Verdict, Word] = {
    Verdict.FASTER_EQUAL: Word(
        "faster, equal quality",
        "good",
        "o",
        "Faster beyond chance, and quality is shown to be kept within the margin (or the numbers "
        "are the same). Use it.",
    ),
    Verdict.FASTER_QUALITY_UNPROVEN: Word(
        "faster, quality unproven",
        "doubt",
        "D",
        "Faster beyond chance, but these runs do not show that quality is kept. It may be; measure "
        "more seeds or widen the margin.",
    ),
    Verdict.FASTER_WORSE: Word(
        "faster, worse quality",
        "bad",
        "X",
        "Faster beyond chance, and quality drops by more than the margin beyond chance.",
    ),
    Verdict.EQUAL: Word(
        "same speed",
        "muted",
        "s",
        "The time is shown to be the same within the smallest difference that matters.",
    ),
    Verdict.UNRESOLVED: Word(
        "unresolved",
        "muted",
        "d",
        "Neither a difference nor its absence is shown. The smallest speed-up that these runs "
        "would have shown is given.",
    ),
    Verdict.SLOWER: Word("slower", "slow", "v", "Slower beyond chance."),
    Verdict.MEMORY_ONLY: Word(
        "saves memory only", "info", "P", "Clearly less peak memory, without a gain of time."
    ),
    Verdict.INAPPLICABLE: Word(
        "does not apply",
        "muted",
        "x",
        "Cannot run on this workload or this machine; the reason is given.",
    ),
    Verdict.FAILED: Word(
        "failed",
        "bad",
        "x",
        "Every run crashed, met a number that is not finite or missed the target.",
    ),
}
"""Every verdict, in the order of the table that explains them."""

TERMS = (
    "Speed-up: the baseline's total training time over the arm's, start-up and evaluations "
    "included; a failed run counts as infinitely slow.",
    "Interval, in brackets: the values that the paired runs do not rule out.",
    "Block: runs of all arms side by side with one seed, so that a slow hour of the machine hits "
    "all of them.",
    "Short-schedule control: the baseline trained for as short a schedule as keeps its quality; a "
    "technique must beat it, or it has only trained less.",
    "Steps to target: steps until validation quality first comes within the margin of what the baseline "
    "ends with, seen at evaluations; over the baseline's own.",
    "Pays off after: number of steps from which a longer start-up is earned back.",
    "Held-out data: read once at the end of a run, never to decide anything.",
)
