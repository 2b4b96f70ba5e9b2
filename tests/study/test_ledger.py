"""The evidence: one writer at a time, and lines that say in which format they are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from world import World, plan, single

from potentiate.errors import Refused
from potentiate.study.findings import Replay
from potentiate.study.ledger import Ledger
from potentiate.study.plan import plan_to_json
from potentiate.study.reading import read_study
from potentiate.study.record import Request
from potentiate.study.replay import read_replays

GOLDEN = Path(__file__).parents[1] / "golden"
HOLDER = """
import sys, time
from pathlib import Path
from potentiate.study.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), lambda request: None)
ledger.append({"kind": "declaration"})
print("held", flush=True)
time.sleep(600)
"""


def write_golden(folder: Path) -> None:
    """Made `golden/evidence-1` once: `python tests/study/test_ledger.py FOLDER`."""
    ledger = Ledger(folder, World())
    ledger.append({"kind": "declaration", "workload": "world", "mode": "full"})
    ledger.append({"kind": "machine", "facts": {"cpu": "a processor", "cores": 2}})
    ledger(Request("pilot", "baseline", mode="probe", max_steps=30))
    ledger.append(plan_to_json(plan(single("fast"))))
    ledger(Request("noise", "baseline", block=0, slot=0, max_steps=200))
    ledger.append(
        {
            "kind": "replay",
            **asdict(
                Replay(
                    when="2026-01-01T00:00:00Z",
                    machine="a processor, 2 cores",
                    version="0.1.0",
                    seconds=4.5,
                    quality=0.97,
                    predicted_seconds=(4.0, 5.0),
                    predicted_quality=(0.96, 0.98),
                    inside=True,
                )
            ),
        }
    )
    ledger.close()


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path):
    first = Ledger(tmp_path, World())
    second = Ledger(tmp_path, World())  # nothing is there yet, so nothing is written over
    first.append({"kind": "declaration"})
    for write in (lambda: second.append({"kind": "late"}), lambda: Ledger(tmp_path, World())):
        with pytest.raises(Refused, match=rf"is writing to {tmp_path}; wait until it has ended"):
            write()
    assert Ledger(tmp_path).fact("declaration") == {"kind": "declaration"}
    assert [line["kind"] for line in lines(tmp_path)] == ["declaration"]
    first.close()
    third = Ledger(tmp_path, World())
    assert third.fact("declaration") is not None
    with pytest.raises(Refused, match="another study or replay"):
        first.append({"kind": "too late"})


def test_a_killed_writer_leaves_no_lock(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Refused, match="another study or replay"):
            Ledger(tmp_path, World())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    ledger = Ledger(tmp_path, World())
    assert ledger(Request("pilot", "baseline")).status == "ok"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.jsonl"]


def test_a_torn_line_of_a_running_study_is_left_to_it(tmp_path):
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(b'{"kind": "declaration"}\n{"kind": "pl')
    assert Ledger(tmp_path).fact("declaration") is not None
    assert path.read_bytes().endswith(b"pl")
    Ledger(tmp_path, World())
    assert path.read_bytes() == b'{"kind": "declaration"}\n'


def test_every_line_names_its_format_and_is_read_back_without_it(tmp_path):
    write_golden(tmp_path)
    assert {line["format"] for line in lines(tmp_path)} == {1}
    assert [line["kind"] for line in lines(tmp_path)] == [
        "declaration",
        "machine",
        "run",
        "plan",
        "run",
        "replay",
    ]
    assert all("format" not in fact for fact in Ledger(tmp_path).facts)


@pytest.mark.parametrize("name", ["evidence-1", "evidence-unmarked"])
def test_evidence_of_every_format_is_read(name):
    found, pilot, ledger = read_study(GOLDEN / name)
    assert found.workload == "world"
    assert found.margin == 0.003
    assert found.candidates[0].techniques == ("fast",)
    assert pilot.steps == 30
    assert set(ledger.records) == {"pilot/0/baseline", "noise/0/baseline"}
    assert [replay.seconds for replay in read_replays(ledger)] == [4.5]
    assert ledger.fact("machine") == {
        "kind": "machine",
        "facts": {"cpu": "a processor", "cores": 2},
    }


@pytest.mark.parametrize("kind", ["declaration", "plan", "run", "replay"])
def test_a_newer_format_is_refused_in_one_sentence(tmp_path, kind):
    text = (GOLDEN / "evidence-1" / "evidence.jsonl").read_text()
    newer = text.replace(f'"kind": "{kind}", "format": 1', f'"kind": "{kind}", "format": 2')
    assert newer != text
    (tmp_path / "evidence.jsonl").write_text(newer)
    with pytest.raises(Refused, match=r"format 2 .*use the version of potentiate that wrote it"):
        Ledger(tmp_path)


if __name__ == "__main__":
    write_golden(Path(sys.argv[1]))
