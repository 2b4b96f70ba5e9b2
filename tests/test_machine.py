from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from potentiate.machine import Finding, diagnosis, doctor, facts, fingerprint
from potentiate.machine.facts import FLAGS, cpu_flags, cpu_model, throttled_seconds, usable_cores

ROOT = Path(__file__).parents[1]


def finding(topic: str) -> Finding:
    return next(f for f in doctor() if f.topic == topic)


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(facts, "CPUINFO", path)
    return path


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control-group tree in which this process sits two levels down, on a machine of 64 cores."""
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/elsewhere\n0::/outer/inner\n")
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "cpu").mkdir()
    monkeypatch.setattr(facts, "OWN_GROUPS", own)
    monkeypatch.setattr(facts, "GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return tmp_path


def test_a_fingerprint_is_plain_json() -> None:
    facts_found = fingerprint()
    assert json.loads(json.dumps(facts_found)) == facts_found


def test_a_fingerprint_is_the_same_twice_but_for_the_load() -> None:
    first, second = fingerprint(), fingerprint()
    assert {**first, "load": 0} == {**second, "load": 0}


def test_a_fingerprint_names_versions_and_flags() -> None:
    import numpy
    import torch

    facts_found = fingerprint()
    assert facts_found["packages"]["numpy"] == numpy.__version__
    assert facts_found["torch"]["version"] == torch.__version__
    assert set(facts_found["flags"]) == set(FLAGS)
    assert 1 <= facts_found["usable_cores"] <= facts_found["cores"]


def test_flags_are_whole_words(cpuinfo: Path) -> None:
    cpuinfo.write_text("model name\t: A Chip\nflags\t\t: fpu avx2 avx512f_not amx_bf16\n")
    assert cpu_model() == "A Chip"
    assert cpu_flags() == {flag: flag in {"avx2", "amx_bf16"} for flag in FLAGS}


def test_flags_are_unknown_where_the_system_does_not_say(cpuinfo: Path) -> None:
    assert not cpuinfo.exists()
    assert set(cpu_flags().values()) == {None}
    assert finding("processor flags").verdict == "note"


@pytest.mark.parametrize(
    ("flags", "verdict", "follows"),
    [
        ("avx2 avx512f avx512_bf16", "ok", ""),
        ("avx2 avx512f", "note", "bf16 autocast will be slower"),
        ("sse2", "warning", "without wide vectors"),
    ],
)
def test_what_follows_from_the_flags(cpuinfo: Path, flags: str, verdict: str, follows: str) -> None:
    cpuinfo.write_text(f"flags : {flags}\n")
    assert finding("processor flags").verdict == verdict
    assert follows in finding("processor flags").remedy


@pytest.mark.parametrize(
    ("file", "content", "cores"),
    [
        ("outer/inner/cpu.max", "150000 100000", 2),
        ("outer/cpu.max", "300000 100000", 3),
        ("cpu.max", "50000 100000", 1),
        ("outer/inner/cpu.max", "max 100000", 64),
        ("outer/inner/cpu.max", "nonsense", 64),
        ("outer/inner/cpu.max", "", 64),
    ],
)
def test_a_quota_of_any_enclosing_group_counts(
    groups: Path, file: str, content: str, cores: int
) -> None:
    (groups / file).write_text(content)
    assert usable_cores() == cores


def test_the_time_under_a_quota_is_told_by_either_version(groups: Path) -> None:
    assert throttled_seconds() == 0.0
    (groups / "cpu" / "cpu.stat").write_text("nr_throttled 3\nthrottled_time 2500000000\n")
    assert throttled_seconds() == 2.5
    (groups / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 750000\n")
    assert throttled_seconds() == 0.75


def test_a_quota_of_the_first_version_counts(groups: Path) -> None:
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("400000\n")
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores() == 4
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cores() == 64


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_counts() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from potentiate.machine import usable_cores; print(usable_cores())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("1", "ok"),
        ("2", "ok"),
        ("2,1", "ok"),
        ("3", "warning"),
        ("0", "warning"),
        ("two", "warning"),
    ],
)
def test_thread_variables(monkeypatch: pytest.MonkeyPatch, text: str, verdict: str) -> None:
    monkeypatch.setattr(facts, "usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    found = finding("OMP_NUM_THREADS")
    assert found.verdict == verdict
    assert bool(found.remedy) == (verdict == "warning")


@pytest.mark.parametrize(("threads", "verdict"), [(2, "ok"), (3, "warning")])
def test_a_pool_with_more_threads_than_cores_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, threads: int, verdict: str
) -> None:
    pool = {"user_api": "blas", "prefix": "libfast", "version": "1", "num_threads": threads}
    monkeypatch.setattr(facts, "usable_cores", lambda: 2)
    monkeypatch.setattr(facts, "thread_pools", lambda: [pool])
    assert finding("threads of libfast 1").verdict == verdict


def test_the_pools_of_numpy_and_torch_are_seen() -> None:
    pools = facts.thread_pools()
    assert {"blas", "openmp"} <= {pool["user_api"] for pool in pools}
    assert all(pool["num_threads"] >= 1 for pool in pools)


@pytest.mark.parametrize(("load", "verdict"), [(1.5, "ok"), (2.5, "warning")])
def test_a_load_above_the_cores_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, load: float, verdict: str
) -> None:
    monkeypatch.setattr(facts, "usable_cores", lambda: 2)
    monkeypatch.setattr(facts, "load_average", lambda: load)
    assert finding("load").verdict == verdict


def test_a_missing_compiler_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert finding("C++ compiler").verdict == "note"
    assert "apt-get install g++" in finding("C++ compiler").remedy


def test_an_absent_extra_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "EXTRAS", {"app": ("no_such_module",), "test": ("pytest",)})
    assert finding("extra app").remedy == 'pip install -e ".[app]"'  # as from any checkout
    assert finding("extra test") == Finding("extra test", "installed")


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {k: len(v) for k, v in extras.items()} == {
        k: len(v) for k, v in diagnosis.EXTRAS.items()
    }


def test_data_sets_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path / "nowhere"))
    assert finding("data folder").value == f"{tmp_path / 'nowhere'} (not there yet)"
    assert finding("data digits").verdict == "ok"
    assert finding("data mnist").remedy == "potentiate download mnist"


def test_whatever_is_not_well_has_a_remedy() -> None:
    assert [f for f in doctor() if f.verdict != "ok" and not f.remedy] == []


def test_a_machine_that_shows_nothing_still_has_a_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CPUINFO", "OWN_GROUPS", "GROUPS", "GOVERNOR"):
        monkeypatch.setattr(facts, name, tmp_path / "absent")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    found = fingerprint()
    assert (found["governor"], found["load"], found["source"]) == (None, None, None)
    assert found["usable_cores"] == os.cpu_count()
    assert doctor()


def test_an_installed_package_borrows_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "site-packages" / "potentiate" / "machine" / "facts.py"
    package.parent.mkdir(parents=True)
    (tmp_path / "lib" / ".git").mkdir()
    monkeypatch.setattr(facts, "__file__", str(package))
    assert facts.source_commit() is None
