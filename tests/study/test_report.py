"""The report: complete, escaped, self-contained, equal for equal findings, and in plain words."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from potentiate.errors import Refused
from potentiate.study import emit, numbers, plots, report
from potentiate.study.claim import claim
from potentiate.study.findings import Findings
from potentiate.study.glossary import WORDS
from potentiate.study.plan import Claim
from potentiate.study.reading import read_findings
from potentiate.study.rows import ranked
from potentiate.study.runs import BASELINE, curve, parts, predicted
from potentiate.study.verdict import Verdict

INVENTED: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("invented.py")))
ALL: dict[str, Callable[[], Findings]] = INVENTED["ALL"]
HOSTILE: str = INVENTED["HOSTILE"]
FOLDER = Path("studies/mnist")
GOLDEN = Path(__file__).parents[1] / "golden"
BEST: str = INVENTED["BEST_ARM"]

kinds = pytest.mark.parametrize("kind", ALL)


class Reader(HTMLParser):
    """The text that a reader sees, the tags, and every attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", list[tuple[str, dict[str, str | None]]]()
        self.open = list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data.replace("\u00a0", " ") + " "


def printed(findings: Findings) -> str:
    """The table of verdicts as a terminal that is wide enough shows it."""
    console = Console(width=300, record=True, file=StringIO())
    console.print(report.verdict_table(findings))
    return console.export_text()


@kinds
def test_every_kind_of_findings_is_rendered_twice_to_the_same_bytes(kind: str) -> None:
    first, again = ALL[kind](), ALL[kind]()
    assert report.html(first, FOLDER) == report.html(again, FOLDER)
    assert report.markdown(first, FOLDER) == report.markdown(again, FOLDER)


@kinds
def test_no_number_that_is_none_reaches_the_reader(kind: str) -> None:
    findings = ALL[kind]()
    seen = Reader(report.html(findings, FOLDER)).text
    # Code is shown as it is typed, so a setting without a value is None there.
    code = [emit.long_command(findings, " \\\n    "), emit.snippet(findings)]
    for lines in (seen, report.markdown(findings, FOLDER)):
        for part in code:
            lines = lines.replace(part, "")
        assert not re.search(r"(?<![\w.-])(inf|nan|None)(?![\w-])", lines)


@kinds
def test_the_page_needs_nothing_from_elsewhere(kind: str) -> None:
    page = Reader(report.html(ALL[kind](), FOLDER))
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "image") or (
            attributes.get("href") == "data:,"
        )
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                assert (value or "").startswith(("#", "data:,"))
            assert not name.startswith("on")
            assert "@import" not in (value or "")
            assert not re.search(r"url\((?!#)", value or "")


def test_every_arm_and_every_reason_appears_in_all_outputs() -> None:
    findings = ALL["full"]()
    console = Console(width=110, record=True, file=StringIO())
    console.print(report.verdict_table(findings))
    terminal = "".join(console.export_text().split())
    page = "".join(Reader(report.html(findings, FOLDER)).text.split())
    text = report.markdown(findings, FOLDER).replace("\\", "")
    for row in [*findings.singles, *findings.confirmation]:
        assert row.arm in text
        assert "".join(row.arm.split()) in page
        assert all(spec in page for spec in row.techniques)
        assert row.techniques[-1] in terminal
        assert numbers.plain(row.judgement.reason) in text.replace("&lt;", "<")


def test_the_terminal_table_fits_110_columns() -> None:
    for kind in ALL:
        console = Console(width=300, record=True, file=StringIO())
        console.print(report.verdict_table(ALL[kind]()))
        assert max(map(len, console.export_text().splitlines())) <= 110


def test_the_terminal_shows_the_baseline_where_nothing_was_compared() -> None:
    text = printed(ALL["baseline-only"]())
    rows = {line.strip().split("  ")[0]: line for line in text.splitlines()}
    assert "2 min 34 s" in rows["training time, all included"]
    assert "median of 6 runs" in rows["training time, all included"]
    assert re.search(r"99\.\d\d %  .*0\.06 points standard deviation over seeds", rows["accuracy"])
    assert "1.5 %" in rows["noise floor"]
    assert "2.4 %" in rows["smallest speed-up to be seen"]
    nothing = printed(ALL["empty"]())
    assert nothing.count(numbers.MISSING) == 4
    assert "over seeds" not in nothing


def test_the_terminal_shows_the_memory_where_not_only_time_is_to_be_saved() -> None:
    for kind in ALL:
        findings = ALL[kind]()
        saving = replace(findings, plan=replace(findings.plan, objective="smallest"))
        text = printed(saving)
        assert max(map(len, text.splitlines())) <= 110
        compared = bool(findings.singles or findings.confirmation)
        assert bool(re.search("peak .*\n.* memory ", text)) is compared, kind
        assert not re.search("peak .*\n.* memory ", printed(findings))
    full = ALL["full"]()
    lines = printed(replace(full, plan=replace(full.plan, objective="balanced"))).splitlines()
    start = next(line.index("peak ") for line in lines if "peak " in line)
    shown = {line[:30].strip(): line[start : start + 7].strip() for line in lines}
    assert shown["activation-checkpointing"] == "0.62x"
    assert shown["fused-optimizer"] == "-"


def test_the_head_says_what_to_do_what_it_buys_and_how_sure() -> None:
    text = report.markdown(ALL["full"](), FOLDER)
    head = text[: text.index("## Each technique alone")]
    for words in (
        "3.4x faster",
        "potentiate run studies/mnist/best.toml",
        "| 2 min 34 s | 45.2 s |",
        "99.07 %",
        "a loss of 0.3 points was accepted beforehand",
        "It is faster than just training shorter",
        "Noise floor",
    ):
        assert words in head


def test_a_study_that_confirmed_nothing_says_so_first() -> None:
    findings = ALL["nothing"]()
    text = report.markdown(findings, FOLDER)
    assert "**Nothing was confirmed**" in text.split("##")[0]
    assert "the baseline stays" in text.split("##")[0]
    config = emit.best_config(findings)
    assert config["techniques"] == ["threads:count=2"]  # as the baseline was measured
    assert "baseline stays" in config["study"]["claim"]
    assert "one-cycle" not in emit.snippet(findings)


def test_an_unfinished_study_says_what_was_not_reached() -> None:
    text = report.markdown(ALL["unfinished"](), FOLDER)
    assert "**Not finished yet**" in text
    assert text.count("Not reached yet.") >= 4


def test_warnings_stand_in_the_head() -> None:
    done = ALL["full"]()
    assert "Note:" not in report.markdown(done, FOLDER)
    outside = replace(done.replays[0], inside=False)
    marked = replace(done, replays=[*done.replays, outside], checks=[("it learns", False, "no")])
    head = report.markdown(marked, FOLDER).split("## What to do")[0]
    assert "did not land in the predicted interval" in head
    assert "Failed sanity checks: it learns" in head


def test_a_claim_that_training_shorter_beats_says_so_everywhere() -> None:
    done = ALL["full"]()
    assert done.best is not None
    slower = replace(done.best, versus_control=INVENTED["about"](1.63, 1.59, 1.85))
    unproven = INVENTED["timed"](done.control, 0.3, "semantics", 0.002, 0.02)
    verdict = replace(unproven.judgement, verdict=Verdict.FASTER_QUALITY_UNPROVEN)
    weak = [
        replace(unproven, judgement=verdict) if row.arm == done.control else row
        for row in done.confirmation
    ]
    beaten = replace(done, best=slower, confirmation=weak)
    said = claim(beaten)
    assert "just training shorter would be 1.63x faster (1.59 to 1.85) still" in said
    assert "at a quality not proven" in said
    assert "than training shorter" not in said
    head = report.markdown(beaten, FOLDER).split("## Each technique alone")[0]
    assert "It is slower than just training shorter: 0.61x" in head
    open_still = replace(
        done, best=replace(done.best, versus_control=INVENTED["about"](0.98, 0.9, 1.1))
    )
    assert "not shown to beat training shorter" in claim(open_still)


def test_runs_that_met_other_work_are_counted_in_the_head() -> None:
    done = ALL["full"]()
    slow = done.records[2]
    seconds = {part: 9.0 * spent for part, spent in slow.seconds.items()}
    stalled = [replace(r, seconds=seconds) if r is slow else r for r in done.records]
    head = report.markdown(replace(done, records=stalled), FOLDER).split("## What to do")[0]
    assert f"1 of {len(stalled)} runs took over three times as long as others like them" in head


def test_unproven_quality_comes_with_the_pairs_that_would_prove_it() -> None:
    done = ALL["full"]()
    row = INVENTED["timed"]("ema-weights", 0.7, "semantics", 0.002)
    spread = (0.002, -0.004, 0.001, -0.003, 0.0, 0.004)  # a margin of one standard deviation
    verdict = replace(row.judgement, verdict=Verdict.FASTER_QUALITY_UNPROVEN)
    open_still = replace(row, judgement=verdict, differences=spread)
    text = report.markdown(replace(done, singles=[open_still]), FOLDER)
    assert re.search(r"if there is none, about (9|1\d) pairs would show it", text)


def test_ten_pairs_are_cross_checked_by_the_bootstrap() -> None:
    done = ALL["full"]()
    assert "bootstrap" not in report.markdown(done, FOLDER)
    many = [replace(row, ratios=(0.5, 0.52) * 5) for row in done.confirmation]
    assert "The bootstrap of the median says 2.00x (1.92 to 2.00)" in report.markdown(
        replace(done, confirmation=many), FOLDER
    )


def test_hostile_names_stay_text() -> None:
    findings = ALL["hostile"]()
    page = report.html(findings, FOLDER)
    assert "<script" not in page
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in page  # shown, not computed
    text = report.markdown(findings, FOLDER)
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    tables = [line for line in outside.splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    heads = [i for i, line in enumerate(tables) if set(line) <= {"|", "-"}]
    for i in heads:
        assert bars[i - 1] == bars[i]
        assert bars[i + 1] == bars[i]


def test_the_rows_come_best_first_and_what_did_not_run_last() -> None:
    order = [row.judgement.verdict for row in ranked(ALL["full"]().singles)]
    assert order[0] is Verdict.FASTER_EQUAL
    assert order[-3:] == [Verdict.INAPPLICABLE, Verdict.INAPPLICABLE, Verdict.FAILED]
    assert set(WORDS) == set(Verdict)


@kinds
def test_written_files_are_whole_and_the_configuration_can_be_read(
    kind: str, tmp_path: Path
) -> None:
    findings = ALL[kind]()
    paths = report.write(findings, tmp_path / "new")
    assert [p.name for p in paths] == ["report.md", "report.html", "best.toml", "best.json"]
    assert sorted(tmp_path.joinpath("new").iterdir()) == sorted(paths)
    config = tomllib.loads((tmp_path / "new" / "best.toml").read_text(encoding="utf-8"))
    assert config == json.loads((tmp_path / "new" / "best.json").read_text(encoding="utf-8"))
    assert config["workload"] == findings.plan.workload
    threads = () if findings.plan.threads is None else (f"threads:count={findings.plan.threads}",)
    found = findings.best.techniques if findings.best else ()
    assert tuple(config["techniques"]) == (*found, *threads)
    assert config["study"]["digest"] == findings.plan.digest


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(Refused, match="cannot be written"):
        report.write(ALL["empty"](), blocked)
    assert blocked.read_text() == "in the way"


def test_the_prediction_holds_the_runs_it_was_made_from() -> None:
    findings = ALL["full"]()
    assert findings.best is not None
    expected = predicted(findings, findings.best.arm)
    assert expected is not None
    assert expected.quality is not None
    low, high = expected.seconds
    runs = [r for r in findings.records if r.request.arm == findings.best.arm and r.test]
    assert all(low < run.total < high for run in runs)
    assert all(expected.quality[0] < (run.test or {})["accuracy"] for run in runs)
    assert predicted(ALL["empty"](), BASELINE) is None
    study = emit.best_config(findings)["study"]
    assert study["predicted_seconds"]["low"] == pytest.approx(low, rel=1e-5)
    assert study["predicted_quality"]["metric"] == "accuracy"


def test_parts_of_the_time_sum_to_the_whole_and_curves_end_there() -> None:
    findings = ALL["full"]()
    totals = sorted(r.total for r in findings.records if r.request.arm == BASELINE and r.test)
    middle = (totals[2] + totals[3]) / 2
    split = parts(findings, BASELINE)
    assert split["start-up"] == pytest.approx(0.8)
    assert sum(split.values()) == pytest.approx(middle, rel=1e-3)
    assert curve(findings, BASELINE)[-1].seconds == pytest.approx(middle, rel=0.01)


def test_commands_quote_what_a_shell_would_split() -> None:
    findings = ALL["full"]()
    assert emit.command(findings, Path("my study")) == "potentiate run 'my study/best.toml'"
    assert emit.long_command(findings).startswith(
        "potentiate train cnn/mnist --technique channels-last --technique batch-size:size=128"
    )
    typed = replace(findings, plan=INVENTED["plan"](recipe={"a": (1, 2), "b": None, "c": 0.5}))
    assert "--set 'a=1|2' --set b=none --set c=0.5" in emit.long_command(typed)
    assert emit.best_config(typed)["recipe"] == {"a": [1, 2], "b": "none", "c": 0.5}


def test_payback_counts_trainings() -> None:
    findings = ALL["full"]()
    assert "after 50 trainings" in emit.payback(findings)
    assert "after one training" in emit.payback(replace(findings, payback_runs=0.4))
    assert "nothing" in emit.payback(ALL["nothing"]())
    assert "never" in emit.payback(ALL["broken"]())


def test_pictures_have_unique_ids_text_as_text_and_words_for_the_blind() -> None:
    page = Reader(report.html(ALL["full"](), FOLDER))
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    drawings = [a for tag, a in page.tags if tag == "svg"]
    assert len(drawings) == 5
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 40 for a in drawings)
    assert "baseline time / arm time" in page.text
    assert all(draw(ALL["empty"]()) == "" for draw in (plots.forest, plots.front, plots.noise))


def test_a_metric_that_is_a_loss_is_shown_as_it_is_read() -> None:
    done = ALL["full"]()
    records = [
        replace(
            r,
            test={"loss": 0.03},
            history=[{"loss": 0.03, "seconds": 1.0}],
        )
        for r in done.records
    ]
    rows = [replace(row, quality=-0.031) for row in done.confirmation]
    lower = replace(
        done,
        plan=INVENTED["plan"](metric="loss", higher_is_better=False, margin=0.01),
        records=records,
        confirmation=rows,
        best=rows[-1],
    )
    text = report.markdown(lower, FOLDER)
    assert "| held-out loss | 0.03 | 0.031 |" in text
    assert "below the dashed line" in text


def test_making_a_report_needs_no_torch() -> None:
    code = "import sys, potentiate.study.report; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.duration(0.0), "0 ms"),
        (numbers.duration(59.97), "1 min 00 s"),
        (numbers.duration(3599.9), "1 h 00 min"),
        (numbers.duration(float("inf")), "never"),
        (numbers.duration(float("nan")), "not measured"),
        (numbers.ratio(9.999), "10.0"),
        (numbers.times(0.0), "not measured"),
        (numbers.change(-0.0000001, "accuracy"), "0.00 points"),
        (numbers.change(-0.0021, "accuracy"), "-0.21 points"),
        (numbers.margin(0.01, "accuracy"), "1 point"),
        (numbers.margin(0.00125, "accuracy"), "0.125 points"),
        (numbers.margin(0.00139165, "loss"), "0.00139"),
        (numbers.p_value(0.0004), "< 0.001"),
        (numbers.count(31.2), "32"),
        (numbers.size(2**30), "1 GiB"),
        (numbers.operations(1.24e15), "1.24 P"),
        (numbers.plain("x (0.10 to inf)\nnan None"), "x (0.10 to no bound) not measured not set"),
        (numbers.span(0.0, 5e21), "no bounds"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_read_them(shown: str, expected: str) -> None:
    assert shown == expected


def claimed(findings: Findings, *claims: Claim) -> Findings:
    return replace(findings, plan=replace(findings.plan, claims=claims))


def beside(findings: Findings) -> list[list[str]]:
    """The rows of the last section of the Markdown report, without what they are named."""
    text = report.markdown(findings, FOLDER)
    assert text.rindex("\n## ") == text.index("\n## What is claimed, and what was measured")
    rows = [line for line in text[text.rindex("\n## ") :].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return [row[1:] for row in cells if row[0] != "arm"]


def with_costs(findings: Findings) -> Findings:
    """Every run with steps, and with memory that the best arm halves."""
    return replace(
        findings,
        records=[
            replace(r, steps=100, peak_memory=(1 if r.request.arm == BEST else 2) * 2**30)
            for r in findings.records
        ],
    )


def test_claims_stand_beside_what_was_measured_at_the_end_of_the_report() -> None:
    full, runs = with_costs(ALL["full"]()), "6 pairs of full runs, fresh seeds"
    rows = beside(
        claimed(
            full,
            Claim(BEST, "time", "3-4x", "page", 3.0, 4.0),
            Claim(BEST, "step", "10x", "page", 10.0, 10.0),
            Claim(BEST, "memory", "2x less", "page", 2.0, 2.0),
            Claim(BEST, "quality", "no loss", "page"),
        )
    )
    assert rows[0] == ["time of a run", "3-4x", "3.39x", "3.29 to 3.50", runs, "within"]
    assert rows[1][:2] == ["time of a step", "10x"]
    assert rows[1][4:] == [runs, "less"]
    step = re.fullmatch(r"(\d\.\d\d) to (\d\.\d\d)", rows[1][3])
    assert step is not None
    assert 3.2 < float(step[1]) <= float(rows[1][2][:-1]) <= float(step[2]) < 3.7
    assert rows[2] == ["peak memory", "2x less", "2.00x", "2.00 to 2.00", runs, "within"]
    assert rows[3][:2] == ["accuracy", "no loss"]
    assert rows[3][2].endswith("points")
    assert rows[3][5] == "-"


def test_claims_about_arms_without_a_measurement_say_why() -> None:
    full = ALL["full"]()
    told = [
        ("fused-optimizer", "does not apply: fused-optimizer cannot run here"),
        ("gradient-accumulation:steps=4", "failed"),
        ("lr-table", "not measured"),
        (BEST, "not measured"),  # these runs know nothing of their memory
    ]
    claims = [Claim(arm, "memory", "2x", low=2.0) for arm, _ in told]
    for row, (_, said) in zip(beside(claimed(full, *claims)), told, strict=True):
        assert row[2].startswith(said)
        assert row[3:] == ["-", "-" if said != "failed" else row[4], "-"]
    open_still = beside(claimed(ALL["unfinished"](), Claim("compile", "time", "2x", low=2.0)))
    assert open_still == [["time of a run", "2x", "not reached yet", "-", "-", "-"]]


def test_an_exact_technique_keeps_its_numbers_whatever_is_claimed() -> None:
    rows = beside(claimed(ALL["full"](), Claim("channels-last", "quality", "better", low=0.01)))
    assert rows == [["accuracy", "better", "same numbers", "-", "-", "-"]]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.2, 1.3, "more"),
        (1.3, 1.6, "within"),
        (1.40, 1.6, "unresolved"),
        (1.41, 1.41, "within"),
        (2.0, None, "less"),
        (None, 2.0, "within"),
        (None, 1.1, "more"),
        (None, None, "-"),
    ],
)
def test_an_interval_is_less_more_within_or_unresolved(
    low: float | None, high: float | None, said: str
) -> None:
    full = ALL["full"]()  # channels-last is 1.40x faster, 1.37 to 1.43
    assert beside(claimed(full, Claim("channels-last", "time", "x", "", low, high)))[0][5] == said


def test_claims_are_grouped_by_who_says_so_and_name_everything_once() -> None:
    full = ALL["full"]()
    arm = "channels-last + one-cycle"
    findings = claimed(
        full,
        Claim(arm, "time", "6x", "a page"),
        Claim("channels-last", "time", "2x", "a paper"),
        Claim(arm, "memory", "4x", "a page"),
    )
    last = report.markdown(findings, FOLDER).rpartition("\n## ")[2]
    assert f"Everything is {arm}." in last
    assert last.count("**a page**") == last.count("**a paper**") == 1
    assert last.count("\n| everything |") == 2
    page = Reader(report.html(findings, FOLDER))
    assert [a["id"] for tag, a in page.tags if tag == "section"][-1] == "claims"
    assert "typed by hand, but for the claims of others." in page.text


@kinds
def test_hostile_claims_stay_text(kind: str) -> None:
    findings = claimed(ALL[kind](), Claim(HOSTILE, "quality", HOSTILE, HOSTILE, 0.0))
    assert "<script" not in report.html(findings, FOLDER)
    last = report.markdown(findings, FOLDER).rpartition("\n## ")[2]
    assert "<script" not in last
    bars = [len(re.findall(r"(?<!\\)\|", row)) for row in last.splitlines() if row[:1] == "|"]
    assert bars == [8, 8, 8]


def test_old_evidence_has_no_claims_and_keeps_its_digest() -> None:
    for name in ("evidence-1", "evidence-unmarked"):
        findings = read_findings(GOLDEN / name)
        assert findings.plan.claims == ()
        assert findings.plan.digest == "0c7d26c44232716d"
        text = report.markdown(findings, FOLDER)
        assert "What is claimed" not in text
        assert "but for the claims" not in report.html(findings, FOLDER)
