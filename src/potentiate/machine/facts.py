"""The facts of this machine, read from where the system shows them to everybody.

Whatever cannot be read is None: a record with a gap is better than a run that does not start.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from typing import Any, cast

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "avx512_vnni")
"""Processor flags that decide which number format and which vector width are worth trying."""

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "triton", "pydantic", "psutil")
"""Packages whose version can change a measurement or a number."""

CPUINFO = Path("/proc/cpuinfo")
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def fingerprint() -> dict[str, Any]:
    """Return what a record must say about the machine and the software, as plain JSON values.

    All but "load" stays the same while machine and software do. Sizes are in bytes. The names of
    the machine and of its user are left out.

    Cost: imports torch; about 50 ms beyond that, for one call of git.
    """
    return {
        "cpu": cpu_model(),
        "flags": cpu_flags(),
        "cores": os.cpu_count(),
        "physical_cores": _physical_cores(),
        "usable_cores": usable_cores(),
        "memory": _memory(),
        "governor": read_line(GOVERNOR),
        "load": load_average(),
        "gpus": gpus(),
        "torch": torch_build(),
        "threads": thread_pools(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "os": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "source": source_commit(),
    }


def read_line(path: Path) -> str | None:
    """Return the first line of a file, or None where it is missing, unreadable or empty."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return lines.readline().strip() or None
    except OSError:
        return None


def _cpuinfo(*keys: str) -> str | None:
    """The first value under one of the keys; processors differ in what they call their flags."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return None


def cpu_model() -> str:
    """Return the processor's name as it gives it, or its architecture."""
    return _cpuinfo("model name", "Model") or platform.processor() or platform.machine()


def cpu_flags() -> dict[str, bool] | dict[str, None]:
    """Return which of `FLAGS` the processor has; None for each where the system does not say."""
    listed = _cpuinfo("flags", "Features")
    if listed is None:
        return dict.fromkeys(FLAGS)
    present = set(listed.split())
    return {flag: flag in present for flag in FLAGS}


def usable_cores() -> int:
    """Return how many cores this process may keep busy: its affinity, cut by its group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cores = os.cpu_count() or 1
    quotas = [quota for folder in _groups() if (quota := _quota(folder)) is not None]
    return max(1, min([cores, *(ceil(quota) for quota in quotas)]))


def throttled_seconds() -> float:
    """Return for how long a quota has held the process's control group back; 0 where none is told."""
    for folder in _groups():
        with suppress(OSError, ValueError, KeyError):
            lines = (folder / "cpu.stat").read_text(encoding="utf-8").splitlines()
            stat = dict(line.split() for line in lines)
            if "throttled_usec" in stat:
                return int(stat["throttled_usec"]) / 1e6
            return int(stat["throttled_time"]) / 1e9  # version 1 counts nanoseconds
    return 0.0


def _groups() -> list[Path]:
    """The control groups of this process, innermost first; a container may show only the root."""
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    own = [GROUPS / line.split(":", 2)[2].lstrip("/") for line in lines if line.startswith("0::")]
    folders = [folder for start in own for folder in (start, *start.parents)]
    return [folder for folder in folders if folder.is_relative_to(GROUPS)] + [GROUPS / "cpu"]


def _quota(folder: Path) -> float | None:
    """Cores granted by a group of version 2 ("quota period" in one file) or 1 (a file each)."""
    line = read_line(folder / "cpu.max")
    if line is None:
        line = f"{read_line(folder / 'cpu.cfs_quota_us')} {read_line(folder / 'cpu.cfs_period_us')}"
    try:
        quota, period = (int(part) for part in line.split())
    except ValueError:  # "max": no limit; "None": no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _physical_cores() -> int | None:
    import psutil

    return psutil.cpu_count(logical=False)


def _memory() -> int:
    import psutil

    return psutil.virtual_memory().total


def load_average() -> float | None:
    """Return the mean number of processes at work or waiting over the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def busy_cores(seconds: float = 0.5) -> float:
    """Return how many cores all programs together keep busy, watched for `seconds`."""
    import psutil

    return psutil.cpu_percent(interval=seconds) / 100.0 * (psutil.cpu_count() or 1)


def gpus() -> list[str]:
    """Return the names of the accelerators that torch can use."""
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ["Apple GPU"] if torch.backends.mps.is_available() else []


def torch_build() -> dict[str, Any]:
    """Return torch's version, what it was built against, and the vector width that it chose."""
    import torch

    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "commit": torch.version.git_version,
        "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        "onednn": torch.backends.mkldnn.is_available(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
    }


def thread_pools() -> list[dict[str, Any]]:
    """Return the BLAS and OpenMP libraries of numpy and torch, with their thread counts."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    loaded = (np.__name__, torch.__name__)  # a pool shows once its library is in memory
    keys = ("user_api", "prefix", "version", "num_threads")
    pools = cast(Any, threadpool_info() if loaded else [])
    return [{key: pool.get(key) for key in keys} for pool in pools]


def package_version(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def source_commit() -> dict[str, Any] | None:
    """Return commit and state of the checkout that this code runs from; None when installed."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists() or not (root / "src" / "potentiate").is_dir():
        return None  # site-packages inside somebody else's repository must not borrow its commit
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", "src")
    return {"commit": commit, "modified": bool(changes)} if commit else None


def _git(root: Path, *words: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        answer = subprocess.run(
            [git, "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
