"""The body of one run: what it puts on record."""

from __future__ import annotations

import json

import pytest

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
