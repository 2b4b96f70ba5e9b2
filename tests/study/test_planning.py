"""What a plan declares, costs and leaves out, before anything is run."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest
from world import World, pilot, plan, single

from potentiate.errors import Refused
from potentiate.models.reference import find
from potentiate.study.blocks import BASELINE, request
from potentiate.study.budget import CUTS, cost, fitted, forecast
from potentiate.study.declaration import (
    Declaration,
    points,
    read_declaration,
    write_declaration,
)
from potentiate.study.ledger import Ledger
from potentiate.study.plan import plan_from_json
from potentiate.study.planning import candidate, open_study
from potentiate.study.profiles import OPTIONS, STANDARD, suggested
from potentiate.study.reading import read_study
from potentiate.study.record import Record
from potentiate.techniques import TECHNIQUES


def arms(count: int):
    return [single(f"t{i}", "semantics" if i % 2 else "exact") for i in range(count)]


def test_a_plan_without_a_budget_is_not_cut():
    world = World()
    whole = fitted(plan(*arms(12)), pilot(world))
    assert whole.cut == ()
    assert whole.forecast == forecast(whole, pilot(World()))


def test_a_plan_is_cut_until_it_fits_and_says_so():
    world = World()
    asked = plan(
        *arms(12), options=tuple(arms(8)), looks=(6, 9, 13, 20), confirm_looks=(6, 9, 13, 20)
    )
    first = pilot(world)
    full = cost(forecast(asked, first))
    previous = 0
    for share in (0.9, 0.75, 0.65):
        cut = fitted(replace(asked, budget=share * full), first)
        assert cost(cut.forecast) <= share * full
        assert len(cut.cut) >= max(1, previous)
        previous = len(cut.cut)


def test_every_cut_makes_a_large_plan_cheaper():
    first = pilot(World())
    asked = plan(*arms(12), options=tuple(arms(8)), looks=(6, 9, 13), confirm_looks=(6, 9, 13))
    for cut in CUTS:
        changed = cut(asked)
        assert changed is not None, cut.__name__
        assert cost(forecast(changed[0], first)) <= cost(forecast(asked, first)), cut.__name__
        assert len(changed[1]) > 10


def test_a_budget_too_small_for_anything_is_refused_with_what_it_takes():
    with pytest.raises(Refused, match=r"takes about .* min .* s, the budget is 1\.0 s"):
        fitted(plan(*arms(3), budget=1.0), pilot(World()))


def test_the_standard_arms_name_every_technique_but_those_that_need_values():
    names = {spec.partition(":")[0] for text in (*STANDARD, *OPTIONS) for spec in text.split(" + ")}
    assert names <= set(TECHNIQUES)
    local = {"plasticity", "structure", "timesteps", "temperature", "angles"}
    others = {name for name, kind in TECHNIQUES.items() if kind.needs & local}
    assert set(TECHNIQUES) - names == {"lr-table", "step-decay", *others}


def test_a_contrast_is_studied_by_what_is_its_own_and_that_applies():
    contrast, digits = find("timehut/waves"), find("cnn/digits")
    whole, options = suggested(contrast.provides, quick=False)
    assert {"no-angles", "temperature"} <= {spec.partition(":")[0] for spec in whole}
    assert suggested(digits.provides, quick=False) == (STANDARD, OPTIONS) != (whole, options)
    for quick in (False, True):
        arms = suggested(contrast.provides, quick=quick)[0]
        made = [candidate((spec.format(double=16),), contrast, "cpu") for spec in arms]
        assert not [each.arm for each in made if each.refused]


def test_a_candidate_knows_what_it_owes_and_why_it_cannot_run():
    digits = find("cnn/digits")
    joint = candidate(("optimizer:lr=0.003", "one-cycle"), digits, "cpu")
    assert joint.evidence == "semantics"
    assert joint.arm == "optimizer:lr=0.003 + one-cycle"
    tf32 = candidate(("mixed-precision:dtype=tf32",), digits, "cpu")
    assert tf32.refused
    assert candidate(("early-stopping",), digits, "cpu").stops
    assert not candidate(("rarer-evaluation",), digits, "cpu").stops


def test_the_plan_is_fixed_once_and_found_again(tmp_path):
    asked = Declaration("cnn/digits", margin=0.02, profile="quick")
    world = World()
    made, _ = open_study(asked, Ledger(tmp_path, world))
    again, _ = open_study(asked, Ledger(tmp_path, world))
    assert again == made
    assert made.margin == 0.02
    assert world.runs == 1
    assert read_study(tmp_path)[0] == made


def begun(folder, asked, world=None):
    """Evidence in which one run counts."""
    with closing(Ledger(folder, world or World())) as evidence:
        made, _ = open_study(asked, evidence)
        evidence(request(made, "noise", BASELINE, ()))
    return made


def test_what_is_not_counted_cannot_be_saved(tmp_path):
    asked = Declaration("cnn/digits", objective="greenest")
    with (
        closing(Ledger(tmp_path, World(counter=False))) as ledger,
        pytest.raises(Refused, match=r"needs an energy counter.*\(no counter\)"),
    ):
        open_study(asked, ledger)


def test_a_study_from_before_an_option_existed_goes_on(tmp_path):
    with closing(Ledger(tmp_path, World())) as ledger:
        first, _ = open_study(Declaration("cnn/digits"), ledger)
    path = tmp_path / "evidence.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del next(line for line in lines if line["kind"] == "declaration")["objective"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with closing(Ledger(tmp_path, World())) as ledger:
        again, _ = open_study(Declaration("cnn/digits"), ledger)
    assert again == first


def test_another_question_in_the_same_folder_is_refused(tmp_path):
    asked = Declaration("cnn/digits", profile="quick", margin=0.01)
    begun(tmp_path, asked)
    with pytest.raises(Refused, match=r"another margin \(0\.01, now 0\.02\); choose another --out"):
        open_study(replace(asked, margin=0.02), Ledger(tmp_path, World()))


def test_a_folder_that_holds_a_plan_and_nothing_that_counts_is_planned_anew(tmp_path):
    asked = Declaration("cnn/digits", profile="quick", margin=0.01)
    with closing(Ledger(tmp_path, World())) as evidence:
        open_study(asked, evidence)
    with closing(Ledger(tmp_path, World())) as evidence:
        made, _ = open_study(replace(asked, margin=0.02), evidence)
    assert made.margin == 0.02
    assert read_study(tmp_path)[0] == made
    assert len(Ledger(tmp_path).records) == 1


def test_a_pilot_that_failed_is_tried_again(tmp_path):
    asked = Declaration("cnn/digits", profile="quick")

    def broken(request):
        return Record(request, status="failed", reason="the loss is nan")

    with (
        closing(Ledger(tmp_path, broken)) as evidence,
        pytest.raises(Refused, match="does not run"),
    ):
        open_study(asked, evidence)
    with closing(Ledger(tmp_path, World())) as evidence:
        made, first = open_study(asked, evidence)
    assert first.status == "ok"
    assert read_study(tmp_path)[0] == made


def test_more_threads_than_cores_are_refused_before_anything_runs(tmp_path):
    world = World()
    with pytest.raises(Refused, match="--threads 9999 is more than the"):
        open_study(Declaration("cnn/digits", threads=9999), Ledger(tmp_path, world))
    assert world.runs == 0


@pytest.mark.parametrize("text", ["100pp", "500pp", "0", "much"])
def test_a_margin_that_admits_everything_or_nothing_is_refused(text):
    with pytest.raises(Refused, match="is not one"):
        points(text)


def test_a_margin_below_one_test_example_is_refused(tmp_path):
    asked = Declaration("cnn/digits", margin=0.00001)
    with pytest.raises(Refused, match="less than one of the 10000 examples"):
        open_study(asked, Ledger(tmp_path, World()))


@pytest.mark.parametrize("margin", [None, 0.007])
def test_few_validation_examples_widen_the_margin_of_the_search_alone(tmp_path, margin):
    asked = Declaration("cnn/digits", margin=margin)
    made, _ = open_study(asked, Ledger(tmp_path, World(validation=60)))
    assert made.margin == pytest.approx(1.5 / 60)
    assert made.claimed_margin == (margin or find("cnn/digits").margin)
    assert read_study(tmp_path)[0] == made


def test_enough_validation_examples_leave_one_margin_and_the_plan_as_it_was(tmp_path):
    made, _ = open_study(Declaration("cnn/digits"), Ledger(tmp_path, World()))
    assert made.margin == made.claimed_margin == find("cnn/digits").margin
    assert "held_out_margin" not in (tmp_path / "evidence.jsonl").read_text()


def test_a_small_job_without_a_margin_gets_one_it_can_be_judged_by(tmp_path):
    job = tmp_path / "job.py"
    job.write_text(
        "import torch\nfrom torch import nn\nfrom potentiate import supervised\n"
        "data = torch.randn(600, 4), torch.randint(0, 2, (600,))\n"
        "workload = supervised('job/small', lambda: nn.Linear(4, 2), data)\n"
    )
    asked = Declaration(f"{job}:workload")
    made = begun(tmp_path / "study", asked, World(validation=60))
    assert made.margin == pytest.approx(1.5 / 60)
    job.write_text(job.read_text() + "# edited\n")
    with pytest.raises(Refused, match="another file"):
        open_study(asked, Ledger(tmp_path / "study", World(validation=60)))


def test_an_unknown_technique_is_refused_before_anything_runs(tmp_path):
    world = World()
    asked = Declaration("cnn/digits", mode="test", tests=("one-cycel",))
    with pytest.raises(Refused, match="did you mean 'one-cycle'"):
        open_study(asked, Ledger(tmp_path, world))
    assert world.runs == 0
    assert not (tmp_path / "evidence.jsonl").exists()


def test_seeds_replace_the_looks(tmp_path):
    asked = Declaration("cnn/digits", seeds=8)
    made, _ = open_study(asked, Ledger(tmp_path, World()))
    assert made.looks == made.confirm_looks == (8,)


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"evidence\.jsonl is missing"):
        read_study(tmp_path)


def test_a_damaged_plan_is_refused():
    with pytest.raises(Refused, match="edited"):
        plan_from_json({"kind": "plan", "digest": "x", "workload": "w"})


def test_a_declaration_is_a_file_that_reads_back_equal(tmp_path):
    asked = Declaration(
        "cnn/digits", "test", "quick", ("one-cycle",), {"epochs": 3}, 0.003, 7200.0, "smallest", 8
    )
    path = write_declaration(tmp_path / "study.toml", asked)
    assert read_declaration(path) == asked
    assert 'budget = "120m"' in path.read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("workload = ", "not valid TOML"),
        ("profile = 'quick'", "names no workload"),
        ("workload = 'cnn/digits'\nprofil = 'quick'", "did you mean 'profile'"),
        ("workload = 'cnn/digits'\nprofile = 'slow'", "profile = 'slow' is refused"),
        ("workload = 'cnn/digits'\nbudget = 'soon'", "not a time"),
        ("workload = 'cnn/digits'\nobjective = 'cheapest'", "objective = 'cheapest' is refused"),
    ],
)
def test_a_bad_declaration_is_refused_in_one_sentence(tmp_path, content, told):
    path = tmp_path / "study.toml"
    path.write_text(content)
    with pytest.raises(Refused, match=told):
        read_declaration(path)


def test_a_margin_of_accuracy_that_forgot_its_pp_is_refused(tmp_path):
    with pytest.raises(Refused, match="accepts almost any loss"):
        open_study(Declaration("cnn/digits", margin=0.5), Ledger(tmp_path, World()))
