"""The whole study in worlds whose truth is known: what it claims, what it refuses, and that it resumes."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from world import Effect, World, ledger, pilot, plan, single

from potentiate.errors import Refused
from potentiate.study.calibrate import _drift, looks_for
from potentiate.study.findings import Noise
from potentiate.study.ledger import Incomplete, Ledger
from potentiate.study.objective import cost_ratios
from potentiate.study.plan import plan_from_json, plan_to_json
from potentiate.study.procedure import investigate
from potentiate.study.record import GRADIENT, Record, Request
from potentiate.study.report import markdown
from potentiate.study.statistics import holm, look_alpha, noninferior_p, ratio_interval
from potentiate.study.verdict import Verdict

WORLDS = 200

BETTER = single("better", "semantics")


def study(world: World, *candidates, **changes):
    asked = plan(*candidates, **changes)
    return investigate(asked, pilot(world), ledger(world), {})


def test_drift_is_the_change_over_the_runs_that_were_made():
    """Ten runs of a second apart, each a hundredth slower: not what an hour of that would make."""
    request = replace(pilot(World()).request, max_steps=None)
    blocks = [
        {
            "baseline": Record(
                request,
                seconds={"training": 1.01**second, "evaluation": 0.0},
                when=f"2026-01-01T00:00:{second:02}Z",
            )
        }
        for second in range(10)
    ]
    assert _drift(blocks) == pytest.approx(1.01**9 - 1)
    assert _drift(blocks[:2]) == 0.0


def verdicts(findings) -> dict[str, Verdict]:
    return {row.arm: row.judgement.verdict for row in findings.singles}


def test_techniques_that_do_nothing_are_never_recommended_more_than_one_time_in_twenty():
    # The control is switched off by its quality, so that only the nulls can be recommended.
    nulls = [single(f"null-{i}") for i in range(15)]
    claimed = alone = 0
    for seed in range(WORLDS):
        world = World(drift=0.03, slope=0.02, seed=seed)
        found = study(world, *nulls, lengths=(1.0,), top=1, confirm_looks=(6,))
        claimed += found.best is not None
        alone += Verdict.FASTER_EQUAL in verdicts(found).values()
    assert claimed <= WORLDS * 0.05
    assert alone <= WORLDS * 0.10  # the table of singles holds its own, looser level


def test_a_planted_speed_up_of_five_percent_is_found_and_recommended():
    found = 0
    for seed in range(WORLDS):
        world = World(effects={"gain": Effect(step=1 / 1.05)}, slope=0.02, seed=seed)
        result = study(
            world, single("gain"), single("null"), lengths=(1.0,), top=1, confirm_looks=(9,)
        )
        found += result.best is not None and "gain" in result.best.techniques
    assert found >= WORLDS * 0.9


def test_a_loss_of_two_margins_is_refused():
    kept = 0
    for seed in range(WORLDS):
        lossy = Effect(step=0.7, quality=-0.006)
        world = World(effects={"lossy": lossy}, slope=0.02, seed=seed)
        result = study(world, single("lossy", "semantics"), lengths=(1.0,), top=1)
        kept += result.best is not None or verdicts(result)["lossy"] is Verdict.FASTER_EQUAL
    assert kept <= WORLDS * 0.05


def test_a_penalty_on_the_second_slot_creates_no_effect():
    claimed = 0
    for seed in range(WORLDS):
        world = World(slot_penalty=0.02, noise=0.005, seed=seed)
        result = study(world, single("null"))
        claimed += verdicts(result)["null"] is Verdict.FASTER_EQUAL
    assert claimed <= WORLDS * 0.05


def test_techniques_that_spoil_each_other_are_not_recommended_together():
    effects = {"a": Effect(step=0.8), "b": Effect(step=0.85)}
    world = World(effects=effects, together={frozenset({"a", "b"}): 1.6})
    result = study(world, single("a"), single("b"), lengths=(1.0,), top=1)
    assert result.best is not None
    assert result.best.techniques == ("a",)
    assert any(t.tried == "b" and not t.kept for t in result.trials)


def test_a_lever_too_small_alone_is_tried_again_on_top_of_a_large_one():
    world = World(
        effects={"big": Effect(step=0.5)},
        together={frozenset({"big", "small"}): 0.9},
        noise=0.01,
    )
    arms = single("big"), single("small"), single("null"), single("other", "numerics")
    result = study(world, *arms, lengths=(1.0,), top=1)
    assert verdicts(result)["small"] is not Verdict.FASTER_EQUAL
    assert result.best is not None
    assert {"big", "small"} <= set(result.best.techniques)
    added = [trial.tried for trial in result.trials if trial.stage == "add"]
    assert added.index("big") < added.index("small")
    assert "other" not in added  # it owes quality, so it is a matter of the recipe


@pytest.mark.parametrize(("steps", "faster"), [(500, False), (4000, True)])
def test_start_up_cost_flips_the_verdict_at_break_even(steps, faster):
    # 2 ms saved per step of 10 ms, 2 s at the start: even after 1,000 steps.
    effects = {"compile": Effect(step=0.8, startup=2.0)}
    world = World(effects=effects, steps=steps, noise=0.002)
    result = study(world, single("compile"))
    row = result.singles[0]
    assert (row.judgement.verdict is Verdict.FASTER_EQUAL) is faster
    assert row.break_even_steps == pytest.approx(1000, rel=0.05)


def test_training_shorter_is_recommended_where_nothing_beats_it():
    # Half the schedule costs nothing here, and the technique does no better than that.
    world = World(slope=0.0, quality_noise=0.0005)
    result = study(world, single("null", "semantics"), lengths=(0.5,), top=1, controls=(0.5,))
    assert result.control == "short-schedule:factor=0.5"
    assert result.best is not None
    assert result.best.arm == result.control
    assert "training shorter is what pays" in result.best_claim


def test_a_combination_must_beat_training_shorter():
    world = World(effects={"better": Effect(quality=0.01)}, slope=0.008)
    result = study(world, single("null"), options=(BETTER,))
    assert result.best is not None
    assert "better" in result.best.techniques
    assert result.control is None or result.best.versus_control.high < 1


def test_the_claim_runs_on_seeds_that_no_decision_saw_and_alone_reads_held_out_data():
    world = World(effects={"gain": Effect(step=0.7)}, slope=0.02)
    result = study(world, single("gain"), BETTER, options=(BETTER,))
    confirmed = [r.request for r in result.records if r.request.phase == "confirm"]
    others = [r.request for r in result.records if r.request.phase != "confirm"]
    assert len({request.seed for request in confirmed}) >= 6
    assert not {r.seed for r in confirmed} & {r.seed for r in others}
    assert all(request.test for request in confirmed if request.arm != "discarded")
    assert not any(request.test for request in others)


def test_p_values_of_several_finalists_are_adjusted_for_their_number():
    world = World(effects={"a": Effect(step=0.8), "b": Effect(step=0.9)}, slope=0.02)
    result = study(world, single("a"), single("b"), mode="test", confirm_looks=(6,))
    own = {row.arm: row for row in result.confirmation if row.p_adjusted is not None}
    assert len(own) == 3  # each alone and both together
    expected = holm({arm: row.judgement.p_claim for arm, row in own.items()})
    assert {arm: row.p_adjusted for arm, row in own.items()} == expected
    assert all(row.p_adjusted > row.judgement.p_claim for row in own.values())


def test_controls_are_judged_at_the_level_that_several_looks_leave():
    looks = (6, 9)
    result = study(World(slope=0.0), single("null"), confirm_looks=looks)
    row = next(row for row in result.confirmation if row.arm == "short-schedule:factor=0.5")
    spent = ratio_interval(row.ratios, 2 * look_alpha(looks, 0.05))
    assert row.judgement.time == spent
    assert spent.high > ratio_interval(row.ratios, 0.10).high  # wider than at a single look


def test_crashes_are_rows_that_count():
    effects = {"fragile": Effect(step=0.5, crash=0.5), "broken": Effect(crash=1.0)}
    world = World(effects=effects, seed=3)
    result = study(world, single("fragile", "numerics"), single("broken", "numerics"))
    told = verdicts(result)
    assert told["broken"] is Verdict.FAILED
    assert told["fragile"] not in (Verdict.FASTER_EQUAL, Verdict.INAPPLICABLE)


def test_an_exact_technique_whose_trace_differs_owes_quality():
    world = World(effects={"liar": Effect(step=0.7, quality=-0.02, trace=0.5)})
    result = study(world, single("liar"))
    row = result.singles[0]
    assert row.evidence == "numerics"
    assert row.judgement.verdict is Verdict.FASTER_WORSE


def test_what_has_no_headroom_is_not_run():
    world = World()
    result = study(world, single("loader", speeds=("evaluation",)))
    assert verdicts(result)["loader"] is Verdict.INAPPLICABLE
    assert not any("loader" in record.request.arm for record in result.records)


def test_a_study_killed_anywhere_resumes_to_the_same_findings(tmp_path: Path):
    def fresh(seed: int = 1) -> World:
        return World(effects={"gain": Effect(step=0.8)}, noise=0.0, quality_noise=0.0, seed=seed)

    asked = plan(single("gain"), options=(BETTER,))
    whole = ledger(fresh())
    expected = investigate(asked, pilot(fresh()), whole, {})

    class Killed(Exception):
        pass

    for lives in (1, 7, 23, 10_000):
        world, left = fresh(), lives

        def once(request, world=world):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return world(request)

        try:
            investigate(asked, pilot(fresh()), Ledger(tmp_path, once), {})
        except Killed:
            continue
        break
    resumed = investigate(asked, pilot(fresh()), Ledger(tmp_path), {})
    assert resumed.complete
    assert resumed.best_claim == expected.best_claim
    assert [t.tried for t in resumed.trials] == [t.tried for t in expected.trials]
    lines = (tmp_path / "evidence.jsonl").read_text().splitlines()
    keys = [json.loads(line)["request"]["arm"] + str(json.loads(line)["request"]["block"])
            + json.loads(line)["request"]["phase"] for line in lines]  # fmt: skip
    assert len(keys) == len(set(keys)) == len(expected.records)


def test_a_torn_last_line_is_made_again_and_damage_before_it_is_refused(tmp_path: Path):
    world = World()
    asked = plan(single("null"))
    investigate(asked, pilot(world), Ledger(tmp_path, world), {})
    path = tmp_path / "evidence.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    again = Ledger(tmp_path, world)
    assert len(again.records) == content.count(b"\n") - 1
    investigate(asked, pilot(world), again, {})
    again.close()
    assert (
        Ledger(tmp_path).records.keys() == again.records.keys()
    )  # nothing is glued to the torn line
    path.write_bytes(content[:100] + b"#\n" + content[100:])
    with pytest.raises(Refused, match="line 1 is damaged"):
        Ledger(tmp_path, world)


def test_an_unfinished_study_says_where_it_stands():
    world = World()
    reader = Ledger(None)
    result = investigate(plan(single("null")), pilot(world), reader, {})
    assert not result.complete
    assert result.pending == "sanity"
    with pytest.raises(Incomplete):
        reader(dataclasses.replace(pilot(world).request, phase="timing"))


def test_a_plan_edited_after_it_was_fixed_is_refused():
    asked = plan(single("null"), margin=0.003)
    line = json.loads(json.dumps(plan_to_json(asked)))
    assert plan_from_json(line) == asked
    with pytest.raises(Refused, match="edited"):
        plan_from_json({**line, "margin": 0.02})


def test_a_budget_ends_the_looks():
    world = World(effects={"gain": Effect(step=0.97)}, quality_noise=0.004)
    generous = study(world, single("gain", "numerics"), looks=(6, 9, 13, 20))
    world = World(effects={"gain": Effect(step=0.97)}, quality_noise=0.004)
    poor = study(world, single("gain", "numerics"), looks=(6, 9, 13, 20), budget=200.0)
    runs = [sum(r.request.phase == "quality" for r in f.records) for f in (generous, poor)]
    assert runs[1] == 12 < runs[0]


def test_baseline_only_measures_noise_and_quality():
    result = study(World(), mode="baseline-only")
    assert result.complete
    assert result.noise is not None
    assert result.noise.quality_sd is not None
    assert not result.singles


def test_named_techniques_are_confirmed_alone_and_together():
    effects = {"a": Effect(step=0.8), "b": Effect(step=0.85)}
    result = study(World(effects=effects), single("a"), single("b"), mode="test")
    assert {row.arm for row in result.confirmation} >= {"a", "b", "a + b"}
    assert result.best is not None
    assert result.best.arm == "a + b"


def test_a_finalist_that_only_trains_shorter_is_a_control_not_a_find():
    world = World(slope=0.0, quality_noise=0.0005)
    result = study(world, single("null", "semantics"), lengths=(0.27,), top=1, controls=(0.5,))
    assert result.best is not None
    assert result.best.arm == result.control == "short-schedule:factor=0.27"
    assert "simply training shorter" in result.best_claim


def test_a_control_whose_quality_is_unproven_must_still_be_beaten():
    # Quality is so noisy that nothing about the controls is shown; the combination is as fast as one.
    effects = {"swap": Effect(step=0.5, quality=0.05)}
    world = World(effects=effects, slope=0.0, quality_noise=0.01)
    result = study(
        world, single("swap", "semantics"), lengths=(1.0,), top=1, controls=(0.5,), looks=(9,)
    )
    assert result.control == "short-schedule:factor=0.5"
    assert result.best is None


def test_a_workload_that_fails_a_check_is_not_studied():
    with pytest.raises(Refused, match=r"fails a check .* repeats \(as told\)"):
        study(World(sound=False), single("null"))


def test_a_surrogate_gradient_is_told_of_and_studied():
    world = World(effects={"gain": Effect(step=0.7)}, sound=False, checked=GRADIENT, slope=0.02)
    result = study(world, single("gain"), lengths=(1.0,), top=1)
    assert result.best is not None
    assert result.checks == [(GRADIENT, False, "as told")]
    assert "Failed sanity checks: the gradient" in markdown(result)


def test_interactions_are_told_with_their_uncertainty():
    effects = {"a": Effect(step=0.8), "b": Effect(step=0.85)}
    world = World(effects=effects, together={frozenset({"a", "b"}): 1.2}, noise=0.01)
    result = study(world, single("a"), single("b"))
    assert len(result.interactions) == 1
    *_, interval = result.interactions[0]
    assert interval.low > 1.0
    assert interval.low < 1.2 < interval.high


LEAN = Effect(step=1.3, memory=0.5)
THRIFTY = Effect(step=1.05, power=0.5)
QUICK = Effect(step=0.8, memory=1.9)


@pytest.mark.parametrize(
    ("objective", "best"),
    [
        ("fastest", {"quick"}),
        ("smallest", {"lean"}),
        ("greenest", {"thrifty", "quick"}),
        ("balanced", {"lean"}),
    ],
)
def test_a_study_recommends_what_saves_what_it_was_told_to_save(objective, best):
    effects = {"lean": LEAN, "thrifty": THRIFTY, "quick": QUICK}
    world = World(effects=effects, slope=0.02)
    arms = [single("quick"), single("lean", "semantics"), single("thrifty", "numerics")]
    result = study(world, *arms, lengths=(1.0,), top=1, objective=objective)
    assert result.best is not None
    assert set(result.best.techniques) == best
    text = {
        "fastest": "1.25x faster",
        "smallest": "2.00x smaller in peak memory",
        "greenest": "2.38x greener in energy",
        "balanced": "1.24x cheaper in the mean of time and memory",
    }[objective]
    # The noise of the world is 2 % a run, and memory has none.
    number, _, words = text.partition(" ")
    found, _, rest = result.best_claim.partition(" ")
    assert float(found[:-1]) == pytest.approx(float(number[:-1]), rel=0.05)
    assert rest.startswith(words)
    if objective != "fastest":
        assert "the speed" in result.best_claim


def test_a_saving_that_costs_quality_is_not_recommended():
    effects = {"lean": Effect(step=1.3, memory=0.5, quality=-0.02)}
    result = study(
        World(effects=effects, slope=0.02),
        single("lean", "semantics"),
        lengths=(1.0,),
        top=1,
        objective="smallest",
    )
    assert result.best is None


def test_what_saves_something_else_is_not_called_equal_without_proof():
    world = World(effects={"fast": Effect(step=0.5)}, slope=0.02)
    result = study(world, single("fast", "semantics"), lengths=(1.0,), objective="smallest")
    assert verdicts(result) == {"fast": Verdict.FASTER_QUALITY_UNPROVEN}
    assert "saves no peak memory, so its quality was not measured" in markdown(result)
    assert result.best is None
    assert "Nothing was confirmed to save peak memory" in result.best_claim


def test_time_is_not_bought_with_memory_where_both_count():
    effects = {"greedy": Effect(step=0.4, memory=1.6)}
    result = study(World(effects=effects, slope=0.02), single("greedy"), objective="balanced")
    assert not any(
        "greedy" in (row.techniques) and row is result.best for row in result.confirmation
    )


def test_a_run_whose_cost_is_unknown_proves_nothing():
    unknown = Record(Request("", ""), seconds={"training": 1.0, "evaluation": 0.0})
    blocks = [{"baseline": unknown, "arm": unknown}]
    assert cost_ratios("smallest", blocks, "arm") == []
    known = replace(unknown, peak_memory=100)
    assert cost_ratios("smallest", [{"baseline": known, "arm": unknown}], "arm") == [math.inf]


def test_named_techniques_are_confirmed_for_what_is_to_be_saved():
    world = World(effects={"lean": LEAN}, slope=0.02)
    asked = (single("lean"), single("null", "semantics"))
    result = study(world, *asked, mode="test", objective="smallest")
    assert result.best is not None
    assert result.best.arm == "lean"
    assert study(world, *asked, mode="test").best is None


def noise_of(times: float, quality: float, runs: int = 6) -> Noise:
    same = (1.0,) * 6
    return Noise(same, ratio_interval(same, 0.05), times, 0.0, 0.0, 1.01, quality, runs)


@pytest.mark.parametrize(
    ("times", "quality", "looks"),
    [
        (0.002, 0.0005, (6,)),
        (0.002, 0.0010, (6, 9)),
        (0.2, 0.0005, (6, 9, 13, 20)),
        (0.002, 0.01, (6, 9, 13, 20)),
    ],
)
def test_the_noise_decides_how_many_pairs_a_confirmation_may_take(times, quality, looks):
    planned = plan(confirm_looks=(6, 9, 13, 20))
    assert looks_for(planned, noise_of(times, quality)) == looks
    assert looks_for(plan(confirm_looks=(6,)), noise_of(times, quality)) == (6,)
    assert len(looks_for(planned, noise_of(times, quality), finalists=3)) >= len(looks)
    assert len(looks_for(planned, noise_of(times, quality, runs=3))) >= len(looks)


@pytest.mark.parametrize("sd", [0.0004, 0.0008, 0.0012])
def test_looks_that_are_left_keep_the_power_that_is_promised(sd):
    """Truly equal quality is shown, by the looks that noise leaves, in four of five worlds."""
    rng, shown, worlds = np.random.default_rng(1), 0, 300
    for _ in range(worlds):
        seen = float(np.std(rng.normal(0.0, sd, 6), ddof=1))
        looks = looks_for(plan(confirm_looks=(6, 9, 13, 20)), noise_of(0.001, seen), finalists=2)
        level = look_alpha(looks, 0.025)
        differences = rng.normal(0.0, math.sqrt(2.0) * sd, looks[-1])
        shown += any(noninferior_p(differences[:n], 0.003, level) <= level for n in looks)
    assert shown >= 0.8 * worlds


def test_what_the_budget_did_not_hold_is_told():
    world = World(effects={"gain": Effect(step=0.7)}, slope=0.02, quality_noise=0.002)
    arms = [single(f"maybe-{i}", "semantics") for i in range(6)]
    result = study(world, single("gain"), *arms, looks=(6, 9), budget=400.0)
    assert any("pairs, not" in text or "seeds only" in text for text in result.cut)


def test_a_screening_in_which_every_run_fails_models_the_gains_alone():
    effects = {"a": Effect(step=0.8), "b": Effect(step=0.85)}
    whole = World(effects=effects, noise=0.005)

    def screening_fails(request):
        if request.phase.startswith("screen"):
            return Record(request, status="failed", reason="out of memory", wall=1.0)
        return whole(request)

    asked = plan(single("a"), single("b"), lengths=(1.0,), top=1)
    result = investigate(asked, pilot(whole), Ledger(None, screening_fails), {})
    assert result.complete
    assert result.interactions == []


def test_a_quiet_world_ends_its_confirmation_early():
    """The finalist is too good to leave the search and too slow to win, so no look settles it."""
    world = World(
        effects={"gain": Effect(step=0.985)}, noise=0.002, quality_noise=0.0002, slope=0.02
    )
    result = study(world, single("gain"), lengths=(1.0,), top=1, confirm_looks=(6, 9, 13, 20))
    pairs = {r.request.block for r in result.records if r.request.phase == "confirm"}
    assert len(pairs) < 20
    assert any("asks for no more than" in note for note in result.notes)
