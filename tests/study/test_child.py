"""The body of one run: what it puts on record."""

from __future__ import annotations

import json

import pytest
import torch

from potentiate.events import Rewired, Stepped
from potentiate.study import child
from potentiate.study.record import Request, from_json, to_json

SHORT = Request("test", "arm", workload="cnn/digits", max_steps=2, threads=1)


@pytest.fixture
def gpu(monkeypatch):
    """A device that counts, without one being here."""
    asked = []

    def held(device):
        asked.append(str(device))
        return {"allocated": 5 << 20, "reserved": 8 << 20}

    monkeypatch.setattr(child, "device_memory", held)
    return asked


def test_what_the_device_reserved_is_the_memory_of_a_run(gpu):
    record = child.answer(SHORT)
    assert record.status == "ok", record.reason
    assert gpu == ["cpu"]  # the device that the training ran on is the one that is asked
    assert record.device_memory == {"allocated": 5 << 20, "reserved": 8 << 20}
    assert record.memory == 8 << 20 < record.peak_memory
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


def test_without_a_device_it_is_the_peak_of_the_process():
    record = child.answer(SHORT)
    assert record.device_memory is None
    assert record.memory == record.peak_memory > 10 << 20


def test_a_run_that_fails_still_says_what_the_process_held(gpu):
    record = child.answer(Request("test", "arm", workload="cnn/digits", techniques=("no-such",)))
    assert record.status == "failed"
    assert record.device_memory is None
    assert record.memory == record.peak_memory > 10 << 20


def test_steps_that_change_a_topology_count_by_their_share(monkeypatch):
    """One step in twenty rewires and takes 1 s in place of 10 ms; a hiccup of the machine does not count."""
    now = [0.0]
    monkeypatch.setattr(child.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(child, "children_memory", lambda: 0)
    watch = child._Watch()
    watch(None)
    for step in range(1, 101):
        rewires = step % 20 == 0
        now[0] += 1.0 if rewires else 5.0 if step == 50 else 0.01
        if rewires:
            watch(Rewired(step, {}))
        watch(Stepped(step, torch.zeros(())))
    assert watch.steady == pytest.approx(0.95 * 0.01 + 0.05 * 1.0)
