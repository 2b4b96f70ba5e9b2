"""What a reader takes home can be run."""

from __future__ import annotations

import json
import subprocess

import pytest
from invented import ALL

from potentiate.config import read_config
from potentiate.errors import Refused
from potentiate.study import emit, report
from potentiate.study.ledger import Ledger
from potentiate.study.replay import _run, replay


def test_the_files_name_their_format_and_are_read_as_a_training(tmp_path):
    findings = ALL["full"]()
    report.write(findings, tmp_path)
    config = read_config(tmp_path / emit.CONFIG)
    assert (config.workload, config.seed) == (findings.plan.workload, findings.plan.seed)
    assert config.techniques == emit.techniques(findings)
    assert json.loads((tmp_path / "best.json").read_text())["format"] == 1


def test_references_behind_the_end_of_a_replay_are_not_its_end(tmp_path, monkeypatch):
    report.write(ALL["full"](), tmp_path)
    lines = [{"event": "finished", "seconds": {"training": 1.0}}, {"event": "beside", "step": 9}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr("potentiate.study.replay.subprocess.run", lambda *_, **__: done)
    assert _run(tmp_path / emit.CONFIG, 0, tmp_path) == lines[0]


def test_a_newer_best_toml_is_not_replayed(tmp_path):
    report.write(ALL["full"](), tmp_path)
    path = tmp_path / emit.CONFIG
    path.write_text(path.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(Refused, match="has format 2"):
        replay(tmp_path, Ledger(tmp_path))
    assert not (tmp_path / "replays").exists()
