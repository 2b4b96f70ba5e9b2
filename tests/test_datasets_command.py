"""`potentiate study MODEL --datasets A B`: what a user types, reads and finds, in worlds that run nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from world import Effect, World

from jobs import small_cnn
from potentiate.__main__ import main
from potentiate.cli import datasets as command
from potentiate.models import WORKLOADS
from potentiate.study.datasets import read_across, read_notes, shares
from potentiate.study.declaration import Declaration, read_declaration, write_declaration
from potentiate.study.emit import long_command
from potentiate.study.ledger import Ledger
from potentiate.study.nursery import Nursery
from potentiate.study.record import Record, Request

SETS = ("stripes", "bars", "dots")
WORDS = (
    "study",
    "cnn",
    "--datasets",
    *SETS,
    "--test",
    "channels-last",
    "fused",
    "--profile",
    "quick",
)


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[World]]:
    """Three sets of the CNN, whose runs worlds answer; returns what makes the next command's worlds."""
    for name in SETS:
        made = replace(small_cnn(), name=f"cnn/{name}", source=f"cnn/{name}")
        monkeypatch.setitem(WORKLOADS, f"cnn/{name}", made)
    asked = list[Request]()

    def prepare(stop: Callable[[Request], None] = lambda request: None) -> list[Request]:
        asked.clear()
        effects = {"channels-last": Effect(step=0.6)}
        by_set = {f"cnn/{name}": World(effects, seed=i) for i, name in enumerate(SETS)}

        class Nowhere(Nursery):
            """Asks the world of the workload."""

            def __init__(self, threads: int | None) -> None:
                super().__init__(threads)
                self.run = self.answer  # type: ignore[method-assign]

            def answer(self, request: Request) -> Record:
                stop(request)
                asked.append(request)
                return by_set[request.workload](request)

        monkeypatch.setattr(command, "Nursery", Nowhere)
        return asked

    return prepare  # pyright: ignore[reportReturnType]


def study(folder: Path, *words: str) -> int:
    return main([*WORDS, *words, "--out", str(folder)])


def test_each_set_has_a_study_of_its_own_and_the_summary_holds_all(worlds, tmp_path, capsys):
    worlds()
    assert study(tmp_path) == 0
    said = capsys.readouterr().out
    for name in SETS:
        assert (tmp_path / name / "report.html").is_file()
        assert (tmp_path / name / "best.toml").is_file()
        one = read_declaration(tmp_path / name / "study.toml")
        assert (one.workload, one.datasets) == (f"cnn/{name}", ())
    stored = json.loads((tmp_path / "summary.json").read_text())
    assert stored["complete"]
    fast = next(each for each in stored["techniques"] if each["technique"] == "channels-last")
    assert "channels-last" in stored["recommended"]
    assert fast["pooled"]["datasets"] == 3
    assert "plan of 3 data sets" in said
    assert "all together" in said
    assert f"command: potentiate train cnn/stripes --technique {stored['recommended'][0]}" in said


def test_the_report_is_rebuilt_and_the_same_command_runs_nothing(worlds, tmp_path, monkeypatch):
    worlds()
    assert study(tmp_path) == 0
    kept = {n: (tmp_path / n).read_bytes() for n in ("report.md", "report.html", "summary.json")}
    for name in kept:
        (tmp_path / name).unlink()
    (tmp_path / "bars" / "report.html").unlink()
    assert main(["report", str(tmp_path)]) == 0
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert (tmp_path / "bars" / "report.html").is_file()
    assert main(["report", str(tmp_path / "bars")]) == 0
    asked = worlds()
    assert study(tmp_path) == 0
    assert asked == []


def test_a_stopped_study_goes_on_where_it_was(worlds, tmp_path, capsys):
    whole = worlds()
    assert study(tmp_path / "whole") == 0
    count = len(whole)

    def stop(request: Request) -> None:
        if request.workload == "cnn/bars" and request.phase == "timing":
            raise KeyboardInterrupt

    first = worlds(stop)
    assert study(tmp_path / "cut") == 130
    made = len(first)
    assert 0 < made < count
    assert "the same command goes on" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "cut")]) == 0
    assert "Not finished: bars, dots." in (tmp_path / "cut" / "report.md").read_text()
    second = worlds()
    assert study(tmp_path / "cut") == 0
    assert made + len(second) == count


def test_a_set_that_fails_midway_is_told_and_loses_no_other(worlds, tmp_path, capsys):
    worlds()
    real = World.__call__

    def broken(self: World, request: Request) -> Record:
        record = real(self, request)
        if request.workload == "cnn/bars" and request.mode == "sanity":
            return replace(record, checks=[("repeats", False, "it does not")])
        return record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "__call__", broken)
        assert study(tmp_path) == 2
    assert "bars is left out: the workload 'cnn/bars' fails a check" in capsys.readouterr().out
    found = read_across(tmp_path)
    assert [bool(each.refused) for each in found.sets] == [False, True, False]
    fast = next(arm for arm in found.recommended if arm.row.arm == "channels-last")
    assert fast.pooled == 2
    assert "bars: the workload" in (tmp_path / "report.md").read_text()


def test_a_budget_is_divided_as_the_sets_cost_and_stays_divided(worlds, tmp_path, capsys):
    worlds()
    assert study(tmp_path, "--budget", "30m", "--plan") == 0
    budgets = read_notes(tmp_path).budgets
    assert set(budgets) == set(SETS)
    assert 1790.0 <= sum(budgets.values()) <= 1800.0
    for name in SETS:
        assert read_declaration(tmp_path / name / "study.toml").budget == budgets[name]
    assert study(tmp_path, "--budget", "40m") == 0  # nothing counted yet
    later = read_notes(tmp_path).budgets
    assert 2390.0 <= sum(later.values()) <= 2400.0
    capsys.readouterr()
    assert study(tmp_path, "--budget", "30m") == 2
    assert "holds a study with 40 min 00 s for" in capsys.readouterr().err


def test_the_plan_forecasts_each_set_and_all_and_runs_pilots_alone(worlds, tmp_path, capsys):
    asked = worlds()
    assert study(tmp_path, "--plan") == 0
    assert {request.phase for request in asked} == {"pilot"}
    said = capsys.readouterr().out
    for name in SETS:
        assert f"plan of cnn/{name}" in said
    assert "plan of 3 data sets" in said
    assert not (tmp_path / "report.html").exists()


def test_baselines_alone_are_measured_and_one_set_speaks_for_itself(worlds, tmp_path, capsys):
    worlds()
    rest = ("--baseline-only", "--profile", "quick", "--out", str(tmp_path / "base"))
    assert main(["study", "cnn", "--datasets", "stripes", "bars", *rest]) == 0
    assert "The baselines were measured" in capsys.readouterr().out
    assert "Baselines measured" in (tmp_path / "base" / "report.html").read_text()
    full = ("--full", "--profile", "quick", "--out", str(tmp_path / "full"))
    assert main(["study", "cnn", "--datasets", "dots", *full]) == 0
    (one,) = read_across(tmp_path / "full").measured.values()
    said = capsys.readouterr().out
    assert one.complete
    assert one.best_claim in " ".join(said.split())
    assert f"command: {long_command(one)}" in said


def test_sets_may_be_added_to_a_study_without_a_budget(worlds, tmp_path):
    words = ("--test", "channels-last", "--profile", "quick", "--out", str(tmp_path))
    worlds()
    assert main(["study", "cnn", "--datasets", "stripes,bars", *words]) == 0
    asked = worlds()
    assert main(["study", "cnn", "--datasets", "stripes", "bars", "dots", *words]) == 0
    assert {request.workload for request in asked} == {"cnn/dots"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cnn", "--datasets", "stripes", "strips"), "did you mean 'cnn/stripes'"),
        (("cnn", "--datasets", "stripes", "stripes"), "stands there twice"),
        (("cnn/digits", "--datasets", "stripes"), "write the model alone"),
        (("timehut", "--datasets", "waves", "wavs"), "'wavs'"),
        (("cnn", "--datasets", "stripes", "--test", "one-cycel"), "did you mean 'one-cycle'"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_runs(worlds, tmp_path, capsys, words, told):
    asked = worlds()
    assert main(["study", *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert asked == []


def test_the_folder_of_one_workload_is_not_mixed_with_sets(worlds, tmp_path, capsys):
    worlds()
    Ledger(tmp_path).append({"kind": "machine", "facts": {}})
    assert study(tmp_path) == 2
    assert "holds the study of one workload" in capsys.readouterr().err


def test_sets_are_declared_in_a_file_and_read_back(worlds, tmp_path):
    asked = Declaration("cnn", "test", "quick", ("channels-last",), datasets=SETS)
    path = write_declaration(tmp_path / "mine" / "study.toml", asked)
    assert 'datasets = [\n    "stripes",' in path.read_text()
    assert read_declaration(path) == asked
    worlds()
    assert main(["study", str(path), "--out", str(tmp_path / "out")]) == 0
    assert read_declaration(tmp_path / "out" / "study.toml") == asked


def test_options_that_the_file_decides_are_not_typed(tmp_path, capsys):
    path = write_declaration(tmp_path / "study.toml", Declaration("cnn", datasets=SETS))
    assert main(["study", str(path), "--datasets", "bars"]) == 2
    assert "leave --datasets out" in capsys.readouterr().err


def test_shares_are_whole_seconds_within_the_budget():
    divided = shares(100.0, {"a": 1.0, "b": 2.0, "c": 4.0})
    assert divided == {"a": 14.0, "b": 28.0, "c": 57.0}
