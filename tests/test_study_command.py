"""`potentiate study`, `report` and `replay` as a user types them, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from world import World

from potentiate.cli import running, studying
from potentiate.study.declaration import Declaration
from potentiate.study.ledger import Ledger
from potentiate.study.nursery import Nursery
from potentiate.study.objective import COSTS
from potentiate.study.plan import Forecast, Plan
from potentiate.study.record import Record, Request

JOB = """
import torch
from torch import nn
from potentiate import supervised
g = torch.Generator().manual_seed(0)
x = torch.randn(600, 8, generator=g)
y = (x[:, :4].sum(1) > 0).long()
workload = supervised("job/plane", lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)),
                      (x, y), epochs=4, batch_size=16, lr=0.01, margin=0.03)
"""

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["sklearn"] = None
from potentiate.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(*words: str, cwd: Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "potentiate"]
    return subprocess.run([*start, *words], cwd=cwd, capture_output=True, text=True, timeout=280)


def records(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "run"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "job.py").write_text(JOB)
    return folder


@pytest.fixture(scope="module")
def studied(place) -> tuple[Path, subprocess.CompletedProcess[str]]:
    done = run("study", "job.py", "--test", "one-cycle", "fused", "--profile", "quick", cwd=place)
    assert done.returncode == 0, done.stderr
    return next((place / "runs" / "study").iterdir()), done


def test_a_study_ends_with_verdicts_a_report_and_a_command(studied):
    folder, done = studied
    assert {p.name for p in folder.iterdir()} >= {
        "evidence.jsonl",
        "report.md",
        "report.html",
        "best.toml",
        "best.json",
    }
    assert "one-cycle" in done.stdout
    assert "fused-optimizer" in done.stdout
    assert "plan of" in done.stdout
    assert "together" in done.stdout
    command = re.search(r"command: potentiate run (\S+)", done.stdout)
    assert command
    assert command[1].endswith("best.toml")


def test_the_report_is_rebuilt_from_the_evidence_without_pytorch(studied, place):
    folder, _ = studied
    before = {
        name: (folder / name).read_bytes() for name in ("report.md", "report.html", "best.toml")
    }
    for name in before:
        (folder / name).unlink()
    done = run("report", str(folder.relative_to(place)), cwd=place, code=WITHOUT_TORCH)
    assert done.returncode == 0, done.stderr
    for name in ("report.md", "report.html"):
        assert (folder / name).read_bytes() == before[name], name
    assert tomllib.loads((folder / "best.toml").read_text())["study"]["complete"]


def test_the_same_command_again_runs_nothing(studied, place):
    folder, _ = studied
    count = len(records(folder))
    done = run("study", "job.py", "--test", "one-cycle", "fused", "--profile", "quick", cwd=place)
    assert done.returncode == 0, done.stderr
    assert f"{count} runs are done" in done.stdout
    assert len(records(folder)) == count


def test_the_recommended_command_is_replayed_and_remembered(studied, place):
    folder, _ = studied
    interrupted = folder / "replays" / "1-seed-50000"
    interrupted.mkdir(parents=True)
    (interrupted / "metrics.jsonl").write_text("")
    for number in (1, 2):
        done = run("replay", str(folder), cwd=place)
        assert done.returncode in (0, 1), done.stderr
        assert "predicted" in done.stdout
        lines = [json.loads(x) for x in (folder / "evidence.jsonl").read_text().splitlines()]
        replays = [line for line in lines if line["kind"] == "replay"]
        assert len(replays) == number
        assert (done.returncode == 0) is replays[-1]["inside"]
        assert "torch" in replays[-1]["version"]
    assert "Runs of the emitted command" in (folder / "report.md").read_text()


def test_what_a_study_writes_nobody_else_writes_but_anybody_reads(studied, place):
    folder, _ = studied
    before = (folder / "evidence.jsonl").read_bytes()
    again = ("study", "job.py", "--test", "one-cycle", "fused", "--profile", "quick")
    running = Ledger(folder)
    running.claim()
    try:
        for words in (again, ("replay", str(folder))):
            done = run(*words, cwd=place)
            assert done.returncode == 2, done.stderr
            assert "another study or replay is writing to" in done.stderr
            assert folder.name in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
        assert run("report", str(folder), cwd=place).returncode == 0
    finally:
        running.close()
    assert (folder / "evidence.jsonl").read_bytes() == before
    assert run(*again, cwd=place).returncode == 0


def test_evidence_of_a_newer_format_is_one_sentence(studied, tmp_path):
    text = (studied[0] / "evidence.jsonl").read_text()
    (tmp_path / "evidence.jsonl").write_text(
        text.replace('"plan", "format": 1', '"plan", "format": 2')
    )
    done = run("report", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "a plan of format 2" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("step_seconds", [0.01, 1.0])
def test_a_run_may_take_twenty_times_what_the_baseline_does(tmp_path, monkeypatch, step_seconds):
    class Nowhere(Nursery):
        """Asks a world instead of processes."""

        def __init__(self, threads):
            super().__init__(threads)
            self.run = World(step_seconds=step_seconds)
            made.append(self)

    made = []
    monkeypatch.setattr(studying, "Nursery", Nowhere)
    assert studying.investigated(Declaration("cnn/digits"), tmp_path, plan_only=True) == 0
    pilot = Ledger(tmp_path).records["pilot/0/baseline"]
    assert made[0].patience == max(600.0, 20 * pilot.total)
    assert (made[0].patience == 600.0) is (step_seconds == 0.01)


def test_the_recommended_file_trains(studied, place, tmp_path):
    folder, _ = studied
    done = run("run", str(folder / "best.toml"), "--out", str(tmp_path / "r"), "--quiet", cwd=place)
    assert done.returncode == 0, done.stderr


def test_a_killed_study_goes_on_and_repeats_no_run(place, tmp_path):
    out = tmp_path / "killed"
    words = ["study", "job.py", "--baseline-only", "--profile", "quick", "--out", str(out)]
    first = subprocess.Popen(
        [sys.executable, "-m", "potentiate", *words],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (out / "evidence.jsonl").exists() and len(records(out)) >= 3:
            break
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = records(out)
    done = run(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "noise floor" in done.stdout
    every = records(out)
    assert every[: len(kept)] == kept
    keys = [(r["request"]["phase"], r["request"]["arm"], r["request"]["block"]) for r in every]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_study_says_how_to_go_on(place, tmp_path, sent, code):
    out = tmp_path / "interrupted"
    words = ["study", "job.py", "--full", "--out", str(out)]
    running = subprocess.Popen(
        [sys.executable, "-m", "potentiate", *words],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (out / "evidence.jsonl").exists() and len(records(out)) >= 3:
            break
        time.sleep(0.05)
    running.send_signal(sent)
    _, said = running.communicate(timeout=60)
    assert running.returncode == code
    assert "the same command goes on" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["study", "cnn/digitz"], "did you mean 'cnn/digits'"),
        (["study", "job.py", "--test", "one-cycel"], "did you mean 'one-cycle'"),
        (["study", "job.py", "--test", "early-stopping:patience=-1"], "patience"),
        (["study", "job.py", "--margin", "lots"], "0.5pp"),
        (["study", "job.py", "--budget", "soon"], "30m"),
        (["study", "job.py", "--budget", "1s", "--out", "poor"], "the budget is"),
        (["study", "job.py", "--full", "--baseline-only"], "exclude each other"),
        (["study", "job.py", "one-cycle"], "--test"),
        (["study", "nowhere.py:workload"], "there is no workload file"),
        (["study", "job.py:other"], "defines no 'other'"),
        (["study", "job.py", "--set", "epochz=3"], "did you mean 'epochs'"),
        (["report", "nowhere"], "there is no study"),
        (["replay", "nowhere"], "there is no study"),
    ],
)
def test_bad_input_is_one_sentence(place, words, told):
    done = run(*words, cwd=place)
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_baseline_that_diverges_is_refused_in_one_sentence(tmp_path):
    broken = JOB.replace("lr=0.01", "lr=0.01, loss=lambda o, t: o.sum() * float('nan')")
    (tmp_path / "job.py").write_text(broken)
    done = run("study", "job.py", "--full", cwd=tmp_path)
    assert done.returncode == 2
    assert "does not run" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_full_disk_is_one_sentence(place, tmp_path):
    out = tmp_path / "full"
    code = """
import errno, os, sys
real = os.fsync
def fsync(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")
os.fsync = fsync
from potentiate.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
    done = run("study", "job.py", "--full", "--out", str(out), cwd=place, code=code)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_live_table_shows_what_is_done_and_the_time_that_is_left():
    live = running.Live(Console(file=StringIO()))
    live.forecasts = Forecast("timing", 4, 40.0), Forecast("recipe", 2, 90.0)
    for phase, wall in (("timing", 11.0),) * 4 + (("option slope", 30.0),):
        live.count(Record(Request(phase, "arm"), wall=wall))
    console = Console(width=100, file=StringIO(), record=True)
    console.print(live.progress("recipe"))
    text = console.export_text()
    assert "4 of about 4" in text
    assert "44.0 s of 40.0 s" in text
    assert "1 of about 2" in text
    assert "about 1 min 00 s" in text  # of the recipe; a step that took longer owes nothing


@pytest.mark.parametrize(
    ("changes", "told", "not_told"),
    [
        ({"margin": 0.01}, "accuracy not worse by 1 point;", "to be saved"),
        ({"margin": 0.00139165, "metric": "loss"}, "loss not worse by 0.00139;", "point"),
        ({"objective": "smallest"}, f"to be saved: {COSTS['smallest']}", "1 points"),
        ({"objective": "balanced"}, f"to be saved: {COSTS['balanced']}", "1 points"),
    ],
)
def test_the_forecast_says_what_is_saved_and_what_may_be_lost(changes, told, not_told):
    plan = Plan("cnn/digits", forecast=(Forecast("noise", 4, 40.0),), **changes)
    console = Console(width=100, file=StringIO(), record=True)
    running.Live(console).forecast(plan, Record(Request("pilot", "baseline")))
    text = console.export_text()
    assert told in text
    assert not_told not in text


@pytest.mark.parametrize(
    ("metric", "metrics", "shown"),
    [
        ("accuracy", {"loss": 0.25, "accuracy": 0.9}, "accuracy 0.9000"),
        ("loss", {"loss": 0.00139165}, "loss 0.001392"),
        ("loss", {"accuracy": 0.9, "loss": 0.25}, "accuracy 0.9000  loss 0.25"),
    ],
)
def test_a_live_line_shows_the_metric_that_the_study_judges_by(metric, metrics, shown):
    console = Console(width=100, file=StringIO(), record=True)
    live = running.Live(console)
    live.forecast(Plan("cnn/digits", metric=metric), Record(Request("pilot", "baseline")))
    record = Record(
        Request("quality", "baseline"),
        seconds={"training": 2.0, "evaluation": 0.0},
        validation=metrics,
    )
    live(record)
    assert f"2.0 s  {shown}  " in console.export_text().splitlines()[-1].ljust(100)
