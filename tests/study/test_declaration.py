"""A study as a TOML file: its format, and what belongs together."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from world import World

from potentiate.errors import Refused
from potentiate.study.blocks import request
from potentiate.study.declaration import (
    Declaration,
    read_declaration,
    resolved_claims,
    write_declaration,
)
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Claim
from potentiate.study.planning import open_study
from potentiate.study.reading import read_study

GOLDEN = Path(__file__).parents[1] / "golden" / "study-1" / "study.toml"


def test_a_declaration_of_format_1_is_read():
    assert read_declaration(GOLDEN) == Declaration(
        "cnn/digits",
        mode="test",
        tests=("one-cycle:lr=0.006", "early-stopping"),
        recipe={"epochs": 3},
        margin=0.005,
        budget=1800.0,
        seed=7,
    )


def test_what_is_written_names_its_format_and_is_read_back(tmp_path):
    asked = Declaration("cnn/mnist", margin=0.003, budget=7200.0)
    written = write_declaration(tmp_path / "study.toml", asked)
    assert written.read_text().startswith("format = 1\n")
    assert read_declaration(written) == asked


def test_the_file_it_was_read_from_keeps_its_comments(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('# mine\nworkload = "cnn/mnist"\n')
    write_declaration(path, read_declaration(path))
    assert path.read_text().startswith("# mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 2", "has format 2"),
        ('tests = ["one-cycle"]', "belong together"),
        ('mode = "test"', "belong together"),
        ("margin = inf", "margin = inf"),
        ("budget = inf", "budget = inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, said):
    path = tmp_path / "study.toml"
    path.write_text(f'workload = "cnn/mnist"\n{text}\n')
    with pytest.raises(Refused, match=said):
        read_declaration(path)


BOTH = "one-cycle + fused-optimizer"
CLAIMED = Declaration(
    "cnn/digits",
    mode="test",
    tests=("one-cycle", "fused", BOTH),
    margin=0.02,
    claims=(
        Claim("fused", "step", "2-5x faster", "a page", 2.0, 5.0),
        Claim("everything", "memory", "half the memory", low=2.0),
        Claim("compile", "quality", "no loss"),
    ),
)


def test_claims_are_read_from_tables(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        'workload = "cnn/mnist"\n[[claims]]\narm = "compile"\nmeasure = "time"\nsays = "2x"\n'
        '[[claims]]\narm = "one-cycle"\nmeasure = "quality"\nsays = "better"\nlow = 0.01\n'
    )
    assert read_declaration(path).claims == (
        Claim("compile", "time", "2x"),
        Claim("one-cycle", "quality", "better", low=0.01),
    )


def test_claims_are_written_and_read_back(tmp_path):
    assert read_declaration(write_declaration(tmp_path / "study.toml", CLAIMED)) == CLAIMED


def test_the_arms_of_claims_are_named_as_the_evidence_names_them():
    assert [claim.arm for claim in resolved_claims(CLAIMED)] == ["fused-optimizer", BOTH, "compile"]


def test_claims_travel_with_the_evidence_and_change_nothing_of_the_plan(tmp_path):
    made, _ = open_study(CLAIMED, Ledger(tmp_path / "claimed", World()))
    bare, _ = open_study(replace(CLAIMED, claims=()), Ledger(tmp_path / "bare", World()))
    found = read_study(tmp_path / "claimed")[0]
    assert found.claims == resolved_claims(CLAIMED)
    assert made == found
    assert replace(made, claims=()) == bare
    assert made.digest != bare.digest
    assert "claims" not in (tmp_path / "bare" / "evidence.jsonl").read_text().split('"plan"')[1]


def test_claims_are_fixed_before_the_first_run(tmp_path):
    with closing(Ledger(tmp_path, World())) as ledger:
        made, _ = open_study(CLAIMED, ledger)
        ledger(request(made, "noise", "baseline", (), max_steps=30))
    later = replace(CLAIMED, claims=CLAIMED.claims[:1])
    with pytest.raises(Refused, match="another claims"):
        open_study(later, Ledger(tmp_path, World()))


@pytest.mark.parametrize(
    ("arm", "tests", "said"),
    [
        ("compil", ("one-cycle",), "did you mean 'compile'"),
        ("one-cycle + fusd", ("one-cycle",), "did you mean 'fused'"),
        ("everything", ("one-cycle", "fused"), "no arm holds all that is tested"),
        ("everything", (), "no arm holds all that is tested"),
    ],
)
def test_a_claim_about_what_cannot_be_an_arm_is_refused_before_anything_runs(
    tmp_path, arm, tests, said
):
    world = World()
    asked = Declaration(
        "cnn/digits",
        mode="test" if tests else "full",
        tests=tests,
        claims=(Claim(arm, "time", "2x"),),
    )
    with pytest.raises(Refused, match=said):
        open_study(asked, Ledger(tmp_path, world))
    assert world.runs == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('claims = "2x"', r"head each claim with \[\[claims\]\]"),
        ('claims = ["2x"]', "claim 1 of .* is no table"),
        ('[[claims]]\nmeasure = "time"\nsays = "2x"', "claim 1 of .* names no arm"),
        ('[[claims]]\narm = "compile"\nmeasure = "time"\nsays = ""', "names no says"),
        ('{good}\n{good}\nmesure = "time"', r"claim 2 of .*; did you mean 'measure'"),
        ('{good}\n[[claims]]\narm = "x"\nmeasure = "speed"\nsays = "2x"', "claims 2 measure = 'speed'"),
        ("{good}\nlow = inf", "claims 1 low = inf"),
        ('{good}\nlow = "2x"', "claims 1 low = '2x'"),
        ("{good}\nlow = 5\nhigh = 2", "low = 5 above high = 2"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_meant_is_refused(tmp_path, text, said):
    path = tmp_path / "study.toml"
    good = '[[claims]]\narm = "compile"\nmeasure = "time"\nsays = "2x"'
    path.write_text(f'workload = "cnn/mnist"\n{text.replace("{good}", good)}\n')
    with pytest.raises(Refused, match=said):
        read_declaration(path)
