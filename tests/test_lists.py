"""Options that take several words: the words as a user types them, and as the parser gets them."""

from __future__ import annotations

import pytest

from potentiate.cli.lists import gathered

SEVERAL = {"--datasets", "--test"}
VALUED = SEVERAL | {"--profile", "--out"}


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("t --datasets A B --test x y", "t --datasets A --datasets B --test x --test y"),
        (
            "t --test x y --datasets A B --full",
            "t --test x --test y --datasets A --datasets B --full",
        ),
        ("--profile quick t --datasets A B", "--profile quick t --datasets A --datasets B"),
        ("t --datasets A B --profile quick", "t --datasets A --datasets B --profile quick"),
        ("t --datasets=A B", "t --datasets=A --datasets B"),
        ("--datasets A B --out d t", "--datasets A --datasets B --out d t"),
        ("--test x -- t", "--test x -- t"),
        ("--test x t", "--test x t"),  # or nothing would be left for the workload
        ("t x --test y", "t x --test y"),
        ("t --test", "t --test"),
        ("", ""),
    ],
)
def test_words_up_to_the_next_option_belong_to_the_list(typed: str, parsed: str) -> None:
    assert gathered(typed.split(), SEVERAL, VALUED) == parsed.split()
