"""Verdicts over data sets: where the truth is known, and in every form that sets can leave behind."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invented import MACHINE, plan
from world import Effect, World, ledger, pilot, single
from world import plan as small_plan

from potentiate.errors import Refused
from potentiate.study import report, summary
from potentiate.study.across import Across, SetFindings, across
from potentiate.study.declaration import Declaration
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.pooling import pool
from potentiate.study.procedure import investigate
from potentiate.study.sections import datasets, takehome
from potentiate.study.verdict import Verdict, judge, unmeasured

SETS = ("Coffee", "GunPoint", "waves", "Trace", "Beef")


def row(
    name: str, ratios: list[float], differences: list[float] | None = None, margin: float = 0.003
) -> ArmResult:
    """A row as the table of techniques alone has it."""
    return ArmResult(
        name,
        (name,),
        "exact" if differences is None else "numerics",
        judge(ratios, differences, margin=margin, resolution=1e-4),
        runs=len(ratios),
        ratios=tuple(ratios),
        differences=tuple(differences or ()),
    )


def found(*rows: list[ArmResult], **changes: object) -> Across:
    """A study in which each list is what one set found."""
    names = SETS[: len(rows)]
    asked = Declaration("cnn", "test", tests=("a",), datasets=names)
    made = [
        SetFindings(
            name, Findings(plan(mode="test", **changes), MACHINE, complete=True, singles=each)
        )
        for name, each in zip(names, rows, strict=True)
    ]
    return across(asked, made)


def noisy(rng: np.random.Generator, mean: float, between: float, blocks: int) -> list[float]:
    """Time ratios of one set whose own effect differs from the mean effect."""
    own = mean + between * rng.standard_normal()
    return [float(x) for x in np.exp(own + 0.03 * rng.standard_normal(blocks))]


def verdict(across: Across, arm: str = "a") -> Verdict:
    return next(each for each in across.arms if each.row.arm == arm).row.judgement.verdict


@pytest.mark.parametrize(("sets", "between"), [(2, 0.0), (2, 0.2), (3, 0.1), (5, 0.0), (5, 0.2)])
def test_a_technique_that_does_nothing_on_average_is_recommended_in_one_study_of_twenty(
    sets, between
):
    rng, worlds = np.random.default_rng(sets), 400
    wrong = sum(
        bool(found(*([row("a", noisy(rng, 0.0, between, 3))] for _ in range(sets))).recommended)
        for _ in range(worlds)
    )
    assert wrong <= 0.05 * worlds + 2 * math.sqrt(worlds * 0.05 * 0.95)


def test_a_planted_loss_of_quality_is_not_recommended():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows = [
            [row("a", noisy(rng, -0.3, 0.02, 6), list(rng.normal(-0.006, 0.0008, 6)))]
            for _ in range(3)
        ]
        assert verdict(found(*rows)) is not Verdict.FASTER_EQUAL


@pytest.mark.parametrize("sets", [2, 3, 5])
def test_a_planted_effect_is_found(sets):
    rng, worlds = np.random.default_rng(sets), 50
    right = 0
    for _ in range(worlds):
        rows = [
            [row("a", noisy(rng, -0.4, 0.02, 6), list(rng.normal(0.0, 0.0005, 6)))]
            for _ in range(sets)
        ]
        seen = found(*rows)
        right += verdict(seen) is Verdict.FASTER_EQUAL
    assert right >= 0.9 * worlds


def test_the_whole_procedure_finds_what_is_planted_on_every_set_and_nothing_else():
    effects = {"fast": Effect(step=0.6), "nothing": Effect()}
    sets = list[SetFindings]()
    for seed, name in enumerate(SETS[:3]):
        world = World(effects, seed=seed)
        asked = small_plan(single("fast"), single("nothing", "numerics"), mode="test")
        sets.append(SetFindings(name, investigate(asked, pilot(world), ledger(world), MACHINE)))
    seen = across(Declaration("world", "test", tests=("fast", "nothing")), sets)
    best = next(arm for arm in seen.recommended if arm.row.arm == "fast")
    assert best.held_out  # every set confirmed it
    assert best.row.judgement.time is not None
    assert best.row.judgement.time.low < 0.6 < best.row.judgement.time.high
    assert "nothing" not in [arm.row.arm for arm in seen.recommended]
    assert verdict(seen, "nothing") in (Verdict.UNRESOLVED, Verdict.EQUAL)


def test_the_speed_up_is_the_geometric_mean_and_a_set_that_differs_widens_the_interval():
    alike = found(*([row("a", [r, r * 1.01, r * 0.99])] for r in (0.50, 0.50, 0.50))).arms[0]
    apart = found(*([row("a", [r, r * 1.01, r * 0.99])] for r in (0.25, 0.50, 1.00))).arms[0]
    for arm in (alike, apart):
        assert arm.row.judgement.time is not None
        assert arm.row.judgement.time.estimate == pytest.approx(0.5, rel=1e-3)
        assert arm.row.judgement.time.n == 3
    assert alike.time is not None
    assert apart.time is not None
    assert alike.time.share < 0.1
    assert apart.time.share > 0.9
    assert apart.row.judgement.time.high > 1.0 > alike.row.judgement.time.high  # pyright: ignore
    assert apart.row.judgement.verdict is Verdict.UNRESOLVED
    assert apart.prediction is not None
    assert apart.prediction.high > apart.row.judgement.time.high  # pyright: ignore


def test_one_set_speaks_for_itself_and_recommends_nothing_over_sets():
    alone = row("a", [0.5, 0.51, 0.49, 0.5, 0.52, 0.5])
    seen = found([alone])
    assert seen.arms[0].row == alone
    assert seen.recommended == []


def test_a_set_on_which_runs_failed_takes_the_claim_back():
    fast = [0.5, 0.51, 0.49]
    assert verdict(found(*([row("a", fast)] for _ in range(3)))) is Verdict.FASTER_EQUAL
    lost = row("a", [0.5, math.inf, math.inf])
    seen = found(*([each] for each in (row("a", fast), row("a", fast), lost)))
    assert verdict(seen) is Verdict.UNRESOLVED
    assert "runs failed on waves" in seen.arms[0].row.judgement.reason
    assert seen.arms[0].pooled == 2


def test_a_set_to_which_it_does_not_apply_is_left_out_and_none_leaves_nothing():
    fast, none = row("a", [0.5, 0.51, 0.49]), unmeasured(Verdict.INAPPLICABLE, "needs a GPU.")
    refused = ArmResult("a", ("a",), "exact", none)
    assert found([fast], [fast], [refused]).arms[0].pooled == 2
    assert verdict(found([refused], [refused])) is Verdict.INAPPLICABLE
    alone = found([fast], [refused])
    assert verdict(alone) is Verdict.FASTER_EQUAL
    assert "on Coffee alone" in alone.arms[0].row.judgement.reason
    assert alone.recommended == []


def test_quality_that_one_set_has_not_measured_is_unproven():
    kept = row("a", [0.5, 0.51, 0.49], [0.0, 0.0005, -0.0005])
    bare = replace(kept, differences=())
    assert verdict(found([kept], [kept], [kept])) is Verdict.FASTER_EQUAL
    seen = found([kept], [kept], [bare])
    assert verdict(seen) is Verdict.FASTER_QUALITY_UNPROVEN
    assert "quality was not measured on every one" in seen.arms[0].row.judgement.reason


def test_many_techniques_make_one_that_looks_fast_by_luck_unresolved():
    lucky = [row("a", [r, 0.95 * r, 1.05 * r]) for r in (0.90, 0.93, 0.96)]
    assert verdict(found(*([each] for each in lucky))) is Verdict.FASTER_EQUAL
    others = [row(f"null-{i}", [1.0, 1.03, 0.98]) for i in range(15)]
    seen = found(*([each, *others] for each in lucky))
    assert verdict(seen) is Verdict.UNRESOLVED
    assert "by luck" in next(a for a in seen.arms if a.row.arm == "a").row.judgement.reason


def test_confirmations_are_pooled_only_where_every_set_has_them():
    alone, fresh = row("a", [0.5, 0.51, 0.49]), row("a", [0.7, 0.71, 0.69])
    sets = [
        SetFindings(
            name, Findings(plan(mode="test"), MACHINE, singles=[alone], confirmation=[fresh])
        )
        for name in SETS[:2]
    ]
    asked = Declaration("cnn", "test", tests=("a",))
    both = across(asked, sets).arms[0]
    assert both.held_out
    assert both.row.judgement.time.estimate == pytest.approx(0.7, rel=0.01)  # pyright: ignore
    assert sets[1].findings is not None
    bare = SetFindings("Beef", replace(sets[1].findings, confirmation=[]))
    mixed = across(asked, [*sets, bare]).arms[0]
    assert not mixed.held_out
    assert mixed.row.judgement.time.estimate == pytest.approx(0.5, rel=0.01)  # pyright: ignore


def test_controls_that_every_set_confirmed_are_pooled_and_the_shortest_stands_for_them():
    slow, half, fifth = (
        row("a", [1.2, 1.21, 1.19]),
        row("short-schedule:factor=0.5", [0.5, 0.51, 0.49], [0.0, 0.0005, -0.0005]),
        row("short-schedule:factor=0.2", [0.2, 0.21, 0.19], [0.0, 0.0005, -0.0005]),
    )
    sets = [
        SetFindings(
            name, Findings(plan(mode="test"), MACHINE, singles=[slow], confirmation=[half, fifth])
        )
        for name in SETS[:2]
    ]
    seen = across(Declaration("cnn", "test", tests=("a",), datasets=SETS[:2]), sets)
    assert {arm.row.arm for arm in seen.arms} == {"a", half.arm, fifth.arm}
    assert [arm.row.arm for arm in seen.recommended] == [fifth.arm]
    assert "Simply training shorter is what pays" in takehome.take_home(seen)
    assert sets[1].findings is not None
    less = SetFindings("waves", replace(sets[1].findings, confirmation=[]))
    assert across(seen.declaration, [*sets, less]).recommended == []


def test_the_smallest_margin_of_the_sets_holds_for_all():
    kept = row("a", [0.5, 0.51, 0.49], [-0.02, -0.021, -0.019], margin=0.1)
    wide = Findings(plan(mode="test", margin=0.1), MACHINE, singles=[kept])
    strict = Findings(plan(mode="test", margin=0.01), MACHINE, singles=[kept])
    asked = Declaration("cnn", "test", tests=("a",))
    same = across(asked, [SetFindings("A", wide), SetFindings("B", wide)])
    less = across(asked, [SetFindings("A", wide), SetFindings("B", strict)])
    assert verdict(same) is Verdict.FASTER_EQUAL
    assert verdict(less) is Verdict.FASTER_WORSE


@pytest.mark.parametrize(
    ("effects", "errors"),
    [([0.1], [0.1]), ([0.1, math.inf], [0.1, 0.1]), ([0.1, 0.2], [0.1, 0.0]), ([0.1, 0.2], [0.1])],
)
def test_what_cannot_be_pooled_is_refused(effects, errors):
    with pytest.raises(Refused, match="pooling takes"):
        pool(effects, errors)


def test_the_interval_of_two_sets_covers_the_truth_as_often_as_it_says():
    rng, hits, draws = np.random.default_rng(7), 0, 2000
    for _ in range(draws):
        interval = pool(list(rng.normal(0.0, 0.1, 2)), [0.01, 0.01]).interval(0.10)
        hits += interval.low <= 0.0 <= interval.high
    assert abs(hits / draws - 0.90) < 0.025


# The page, the text and the JSON.


def several() -> Across:
    """Three sets with a technique that pays, one that does not apply to a set, and a set refused."""
    rows = [
        [
            row("fast", [speed, 1.01 * speed, 0.99 * speed]),
            row("slow", [1.3, 1.31, 1.29], [0.0, 0.0005, -0.0005]),
            *([row("odd", [0.9, 0.91, 0.89])] if speed > 0.5 else []),
        ]
        for speed in (0.50, 0.55, 0.60)
    ]
    seen = found(*rows)
    declaration = replace(seen.declaration, datasets=(*SETS[:3], "Trace"), threads=1)
    return across(declaration, [*seen.sets, SetFindings("Trace", None, "its runs <fail>")])


def test_the_summary_leads_with_what_to_use_and_links_every_report(tmp_path: Path):
    seen = several()
    names = {path.name for path in summary.write(seen, tmp_path)}
    assert names == {"report.md", "report.html", "summary.json"}
    page = (tmp_path / "report.html").read_text()
    for name in SETS[:3]:
        assert f'<a href="{name}/report.html">' in page
    assert "its runs &lt;fail&gt;" in page
    assert "Use fast: " in page
    assert page.count("<svg") == 1
    assert "http" not in page.replace("http://www.w3.org", "")
    text = (tmp_path / "report.md").read_text()
    assert "[report](Coffee/report.html)" in text
    assert "potentiate train cnn/Coffee --technique fast --technique threads:count=1" in text
    assert "From 1.67x on waves to 2.00x on Coffee" in text


def test_the_summary_as_json_holds_every_number_and_nothing_that_json_has_no_word_for(tmp_path):
    summary.write(several(), tmp_path)
    stored = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert stored["recommended"] == ["fast", "odd"]
    assert [each["name"] for each in stored["datasets"]] == [*SETS[:3], "Trace"]
    assert stored["datasets"][3]["refused"] == "its runs <fail>"
    assert not stored["complete"]
    fast = next(each for each in stored["techniques"] if each["technique"] == "fast")
    assert fast["pooled"]["datasets"] == 3
    assert fast["pooled"]["speedup"]["low"] > 1.0
    assert set(fast["datasets"]) == set(SETS[:3])


def test_equal_findings_make_equal_pages():
    made = [report.render(datasets.page(several(), Path("there"))) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("measured", [0, 1])
def test_a_study_that_has_hardly_begun_has_a_page(measured: int, tmp_path: Path):
    asked = Declaration("cnn", datasets=SETS[:2])
    sets = [
        SetFindings(name, Findings(plan(), {}) if i < measured else None)
        for i, name in enumerate(SETS[:2])
    ]
    summary.write(across(asked, sets), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Not finished yet" in page
    assert "nothing is claimed" in page or "Not finished: Coffee, GunPoint." in page
