"""Runs in processes of their own: fresh, isolated, and reported whatever becomes of them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from potentiate.study.nursery import PATIENCE, Nursery
from potentiate.study.record import GRADIENT, Request

JOB = """
import os, signal, sys, torch
from torch import nn
from potentiate import supervised
x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
def leave():
    print("so long", file=sys.stderr); os._exit(7)
def noisy():
    print("noise on standard output"); return nn.Linear(4, 2)
def diverging(outputs, targets):
    return outputs.sum() * float("inf")
class Straight(nn.Linear):
    def forward(self, x):
        out = super().forward(x)
        return out + (torch.sign(out) - out).detach()
good = supervised("job/good", lambda: nn.Linear(4, 2), (x, y), epochs=2, batch_size=20)
loud = supervised("job/loud", noisy, (x, y), epochs=1)
crashing = supervised("job/crashing", crash, (x, y))
leaving = supervised("job/leaving", leave, (x, y))
infinite = supervised("job/infinite", lambda: nn.Linear(4, 2), (x, y), loss=diverging)
class Held(torch.utils.data.Dataset):
    kept = None
    def __len__(self):
        return 200
    def __getitem__(self, i):
        if torch.utils.data.get_worker_info() and self.kept is None:
            self.kept = bytearray(b"x" * (96 << 20))
        return x[i], y[i]
def held(workers):
    return torch.utils.data.DataLoader(Held(), batch_size=20, num_workers=workers, persistent_workers=workers > 0)
parts = dict(validation=held(0), test=held(0), epochs=30)
held_0 = supervised("job/held-0", lambda: nn.Linear(4, 2), held(0), **parts)
held_1 = supervised("job/held-1", lambda: nn.Linear(4, 2), held(1), **parts)
straight = supervised("job/straight", lambda: Straight(4, 2), (x, y), epochs=2, batch_size=20)
stuck = supervised("job/stuck", lambda: __import__("time").sleep(600), (x, y))
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("job") / "job.py"
    path.write_text(JOB)
    return path


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(threads=1) as made:
        yield made


def asked(job: Path, name: str, **more) -> Request:
    return Request("test", name, workload=f"{job}:{name}", **more)


def test_a_run_is_measured_from_start_to_end(job, nursery):
    record = nursery.run(asked(job, "good", test=True))
    assert record.status == "ok", record.reason
    assert record.steps == record.declared_steps == 14
    assert record.declared_evaluations == 2
    assert set(record.test) == {"loss", "accuracy"}
    assert record.sizes == {"train": 140, "validation": 20, "test": 40}
    parts = sum(record.seconds.values())
    assert parts <= record.wall
    assert record.peak_memory > 10_000_000


def test_equal_seeds_give_equal_runs_in_different_processes(job, nursery):
    first, second = (nursery.run(asked(job, "good", seed=3)) for _ in range(2))
    assert first.validation == second.validation
    assert nursery.run(asked(job, "good", seed=4)).validation != first.validation


def test_a_probe_counts_and_traces(job, nursery):
    record = nursery.run(asked(job, "good", mode="probe", max_steps=5))
    assert record.status == "ok", record.reason
    assert record.flops["matmul"] > 0
    assert record.flops["elementwise"] > 0
    assert len(record.trace) == 14
    assert {"forward", "backward", "optimizer", "data"} <= set(record.phases)


def test_the_sanity_checks_hold_for_an_ordinary_job(job, nursery):
    record = nursery.run(asked(job, "good", mode="sanity"))
    assert len(record.checks) == 5
    assert all(ok for _, ok, _ in record.checks), record.checks


def test_the_gradient_check_sees_a_gradient_that_is_none(job, nursery):
    record = nursery.run(asked(job, "straight", mode="sanity"))
    assert [what for what, holds, _ in record.checks if not holds] == [GRADIENT]


def test_what_a_loader_worker_holds_is_memory_of_the_run(job, nursery):
    without, beside = (nursery.run(asked(job, f"held_{workers}")) for workers in (0, 1))
    assert beside.status == "ok", beside.reason
    assert beside.memory - without.memory > 80 << 20


def test_what_a_workload_prints_does_not_disturb_the_answer(job, nursery):
    assert nursery.run(asked(job, "loud")).status == "ok"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crashing", "segmentation fault"),
        ("leaving", "code 7: so long"),
        ("infinite", "the loss is"),
        ("missing", "defines no 'missing'"),
    ],
)
def test_a_run_that_dies_is_a_record_and_the_next_one_runs(job, nursery, name, reason):
    record = nursery.run(asked(job, name))
    assert record.status == "failed"
    assert reason in record.reason
    assert record.total == float("inf")
    assert nursery.run(asked(job, "good")).status == "ok"


def test_a_technique_that_does_not_apply_says_so(job, nursery):
    record = nursery.run(asked(job, "good", techniques=("channels-last",)))
    assert record.status == "inapplicable"
    assert "images" in record.reason


def test_a_template_that_is_killed_is_replaced(job):
    with Nursery(threads=1) as own:
        assert own.run(asked(job, "good")).status == "ok"
        template = own.template

        def kill() -> None:
            time.sleep(1.5)
            os.killpg(template.pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        record = own.run(asked(job, "stuck"))
        thread.join()
        assert record.status == "failed"
        assert own.run(asked(job, "good")).status == "ok"


def alive(group: int) -> list[psutil.Process]:
    """Processes of a group that still run; a killed one may wait as a zombie for its parent."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_a_run_that_hangs_is_given_up_with_all_it_started(job):
    with Nursery(threads=1) as own:
        assert own.run(asked(job, "good")).status == "ok"
        template, own.patience = own.template, 0.3
        record = own.run(asked(job, "stuck"))
        assert record.status == "failed"
        assert "never ended" in record.reason
        while alive(template.pid):  # neither the template nor its child stays
            time.sleep(0.05)
        own.patience = PATIENCE
        assert own.run(asked(job, "good")).status == "ok"


STAND_IN = """
import json, sys
print("ready", flush=True)
request = json.loads(sys.stdin.readline())["request"]
{then}
"""
ANSWER = (
    "print(json.dumps({'record': {'kind': 'run', 'format': 1, 'request': request}}), flush=True)"
)


@pytest.fixture
def stand_in(monkeypatch):
    """Let a few lines of Python play the template."""
    start = subprocess.Popen

    def playing(then: str) -> Nursery:
        code = STAND_IN.format(then=then)
        monkeypatch.setattr(
            subprocess, "Popen", lambda _, **options: start([sys.executable, "-c", code], **options)
        )
        return Nursery()

    return playing


@pytest.mark.parametrize("patience", [PATIENCE, 1234.5])
def test_an_answer_is_waited_for_as_long_as_patience_says(monkeypatch, stand_in, patience):
    waited = []

    def nothing_comes(reading, writing, failing, seconds):
        waited.append(seconds)
        return [], [], []

    with stand_in("sys.stdin.readline()") as own:
        if patience != PATIENCE:
            own.patience = patience
        monkeypatch.setattr(select, "select", nothing_comes)
        record = own.run(Request("test", "hung"))
    assert waited == [patience]
    assert record.status == "failed"
    assert record.total == float("inf")


def test_a_template_that_is_lost_is_noticed_before_patience_ends(stand_in):
    with stand_in("sys.exit(3)") as own:
        record = own.run(Request("test", "lost"))
        assert record.status == "failed"
        assert "without an answer" in record.reason
        assert own.template is None


def test_an_answer_within_patience_counts(stand_in):
    with stand_in(f"import time; time.sleep(0.3); {ANSWER}") as own:
        own.patience = 60.0
        assert own.run(Request("test", "slow", seed=5)).request.seed == 5


def test_closing_ends_what_still_runs(job):
    own = Nursery(threads=1)
    own.run(asked(job, "good"))
    template = own.template
    own.close()
    assert template.poll() is not None


def test_a_study_that_dies_leaves_no_run_behind(job, tmp_path):
    template = subprocess.Popen(
        [sys.executable, "-m", "potentiate.study.template"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert template.stdout.readline() == "ready\n"
    request = {"errors": str(tmp_path / "errors"), "request": asdict(asked(job, "stuck"))}
    template.stdin.write(json.dumps(request) + "\n")
    template.stdin.flush()
    time.sleep(1.0)
    template.stdin.close()  # what the template sees when the study is gone
    assert template.wait(timeout=30) == 0
    template.stdout.close()
    with pytest.raises(ProcessLookupError):  # nobody is left in its group
        os.killpg(template.pid, 0)
