"""Simple references in a study: judged once, kept, shown beside the trained, and said plainly when as good."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import World, ledger, pilot, plan, single

from potentiate.errors import Refused
from potentiate.study import child, report
from potentiate.study.findings import Findings
from potentiate.study.ledger import Ledger
from potentiate.study.plan import plan_to_json
from potentiate.study.procedure import investigate
from potentiate.study.reading import read_findings
from potentiate.study.record import Record, Request, from_json, to_json
from potentiate.study.reference import sentences, standings

ALL: dict[str, Callable[[], Findings]] = runpy.run_path(
    str(Path(__file__).with_name("invented.py"))
)["ALL"]
GOLDEN = Path(__file__).parents[1] / "golden"
TITLE = "Beside simple references"


class Judged(World):
    """A world that also judges references."""

    ridge = 0.5

    def __call__(self, request: Request) -> Record:
        if request.mode != "beside":
            return super().__call__(request)
        self.runs += 1
        told = {
            "majority class": {"accuracy": 0.1},
            "ridge on raw values": {"accuracy": self.ridge},
        }
        return Record(request, references=told, wall=2.0)


def found(ridge: float, test: int = 10_000, **more: Any) -> Findings:
    world = Judged()
    world.ridge = ridge
    asked = plan(sizes={"train": 100, "validation": 5_000, "test": test}, **more)
    return investigate(asked, pilot(world), ledger(world), {}, references=True)


def section(findings: Findings) -> str:
    _, _, rest = report.markdown(findings).partition(f"## {TITLE}\n")
    return rest.partition("\n## ")[0]


def test_a_reference_that_wins_is_said_plainly_in_both_reports() -> None:
    findings = found(0.99, mode="baseline-only")
    words = "Ridge on raw values is better: on this set training shows nothing."
    assert words in section(findings)
    assert words in report.html(findings)
    rows = [line for line in section(findings).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[1:]] == [
        "baseline",
        "ridge on raw values",
        "majority class",
    ]
    assert "| better |" in rows[2]
    assert "| worse |" in rows[3]


def test_a_reference_that_loses_is_shown_and_nothing_is_claimed() -> None:
    text = section(found(0.5, mode="baseline-only"))
    assert "Every simple reference is worse by more than the noise." in text
    assert "training shows nothing" not in text
    assert "50.00 %" in text


def test_few_examples_make_more_noise() -> None:
    assert "worse by more than" in section(found(0.95, mode="baseline-only"))
    assert "Ridge on raw values is worse by less than the noise: on this set" in section(
        found(0.95, test=100, mode="baseline-only")
    )


def test_the_best_arm_stands_beside_the_baseline() -> None:
    findings = ALL["full"]()
    request = Request("beside", "baseline", mode="beside")
    told = {"ridge on raw values": {"accuracy": 0.9}}
    findings.beside = Record(request, references=told)
    rows = [line for line in section(findings).splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    assert rows[0].startswith("| baseline")
    assert rows[1].startswith("| best: ")


def test_before_a_run_has_read_the_held_out_data_the_section_says_so() -> None:
    findings = found(0.9, mode="baseline-only")
    findings.records = [r for r in findings.records if r.request.phase != "quality"]
    text = section(findings)
    assert "No run has read the held-out data yet." in text
    assert "90.00 %" in text


def test_references_that_fail_are_told_and_those_of_no_workload_have_no_section() -> None:
    findings = found(0.9, mode="baseline-only")
    assert findings.beside is not None
    findings.beside = replace(findings.beside, status="failed", reason="no data", references={})
    assert "They could not be judged: no data." in section(findings)
    findings.beside = replace(findings.beside, status="inapplicable")
    assert TITLE not in report.markdown(findings)


def test_they_are_judged_once_and_the_report_is_made_again_from_the_evidence(tmp_path) -> None:
    world = Judged()
    asked = plan(single("fast"), mode="test")
    kept = Ledger(tmp_path, world)
    first = kept(Request("pilot", "baseline", mode="probe", max_steps=30))
    kept.append({"kind": "machine", "facts": {}})
    kept.append(plan_to_json(asked))
    whole = investigate(asked, first, kept, {}, references=True)
    kept.close()
    made = world.runs
    lines = [json.loads(x) for x in (tmp_path / "evidence.jsonl").read_text().splitlines()]
    assert sum(line.get("request", {}).get("mode") == "beside" for line in lines) == 1
    assert report.markdown(read_findings(tmp_path)) == report.markdown(whole)
    assert TITLE in report.markdown(whole)
    again = Ledger(tmp_path, world)
    again(Request("pilot", "baseline", mode="probe", max_steps=30))
    assert report.markdown(
        investigate(asked, first, again, {}, references=True)
    ) == report.markdown(whole)
    assert world.runs == made
    assert again.charged == pytest.approx(again.spent)


def test_they_change_neither_verdicts_nor_claim() -> None:
    both = list[Findings]()
    for references in (True, False):
        world = Judged()
        asked = plan(single("fast"), mode="test")
        both.append(investigate(asked, pilot(world), ledger(world), {}, references=references))
    with_them, without = both
    assert with_them.best_claim == without.best_claim
    assert [r.judgement for r in with_them.singles] == [r.judgement for r in without.singles]
    assert TITLE not in report.markdown(without)


def test_old_evidence_has_no_section() -> None:
    for name in ("evidence-1", "evidence-unmarked"):
        findings = read_findings(GOLDEN / name)
        assert findings.beside is None
        assert TITLE not in report.markdown(findings)
        assert TITLE not in report.html(findings)


def test_a_record_without_references_is_written_as_before_there_were_any() -> None:
    plain = Record(Request("noise", "baseline"))
    assert "references" not in to_json(plain)
    with_them = replace(plain, references={"majority class": {"accuracy": 0.5}})
    assert from_json(json.loads(json.dumps(to_json(with_them)))) == with_them


def test_a_child_judges_the_references_of_a_workload() -> None:
    small = {"outputs": 8, "hidden": 8, "depth": 2}
    asked = Request("beside", "baseline", mode="beside", workload="timehut/waves", recipe=small)
    record = child.answer(asked)
    assert record.status == "ok", record.reason
    assert record.references["majority class"]["accuracy"] == pytest.approx(1 / 3)
    none = child.answer(replace(asked, workload="cnn/digits", recipe={}))
    assert none.status == "inapplicable"
    assert "declares no references" in none.reason


def test_standings_put_the_best_first_whatever_the_direction() -> None:
    losses = standings([0.3, 0.32, 0.31], {"a": 0.9, "b": 0.2}, higher_is_better=False)
    assert [each.name for each in losses] == ["b", "a"]
    assert [each.verdict for each in losses] == ["better", "worse"]
    assert standings([0.9], {"a": float("nan")}) == []
    several = standings([0.9], {"a": 0.9, "b": 0.9, "c": 0.89, "d": 0.1}, examples=100)
    assert sentences(several) == (
        "A and b are as good: on this set training shows nothing. C is worse by less than the noise."
    )


def test_references_are_no_way_around_a_broken_workload() -> None:
    world = Judged(sound=False)
    with pytest.raises(Refused, match="fails a check"):
        investigate(plan(mode="baseline-only"), pilot(world), ledger(world), {}, references=True)
    assert world.runs == 2  # the pilot and the check
