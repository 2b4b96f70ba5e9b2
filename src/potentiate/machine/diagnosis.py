"""What on this machine stands in the way of fast training, each with its remedy; prints nothing."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from potentiate.data import DATASETS, data_folder, folder_of
from potentiate.machine import facts

Verdict = Literal["ok", "note", "warning"]

LINUX = ("triton",) if sys.platform == "linux" else ()
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "test": ("pytest", "hypothesis", "pytest_timeout", "xdist", "playwright", *LINUX, "sktime"),
    "dev": ("ruff", "pyright", "importlinter"),
    "bench": ("snntorch", "norse", "spikingjelly"),
    "series": ("sktime",),
    "gpu": ("pynvml",),
    "app": ("streamlit", "plotly"),
    "tensorboard": ("tensorboard",),
    "tune": ("optuna",),
    "cluster": ("ray",),
    "compress": ("torchao", "torch_pruning"),
    "stream": ("river", "watchfiles"),
    "docs": ("material",),
}
"""The extras of the package and the modules that show that one is installed."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        topic: What was looked at.
        value: What was found.
        verdict: "ok"; "note": good to know; "warning": costs speed or breaks something.
        remedy: What to do or what follows; empty when there is nothing to say.
    """

    topic: str
    value: str
    verdict: Verdict = "ok"
    remedy: str = ""


def doctor() -> list[Finding]:
    """Look at processor, threads, memory, GPU, torch, compiler, extras and data, in this order.

    Cost: imports torch; below a second beyond that. Needs no privileges and changes nothing.
    """
    return [
        *_processor(),
        *_cores(),
        *_threads(),
        _memory(),
        *_accelerator(),
        *_compiler(),
        *_extras(),
        *_data(),
    ]


def _processor() -> Iterator[Finding]:
    yield Finding("processor", facts.cpu_model())
    flags = facts.cpu_flags()
    if any(flag is None for flag in flags.values()):
        unknown = "whether bf16 pays on this CPU cannot be told beforehand: measure it"
        yield Finding("processor flags", "not shown by this system", "note", unknown)
        return
    shown = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in flags.items())
    if not flags["avx2"]:
        slow = "matrix products run without wide vectors; expect training to be slow here"
        yield Finding("processor flags", shown, "warning", slow)
    elif not (flags["avx512_bf16"] or flags["amx_bf16"]):
        follows = "no bf16 arithmetic: on the CPU, bf16 autocast will be slower than float32"
        yield Finding("processor flags", shown, "note", follows)
    else:
        yield Finding("processor flags", shown)


def _cores() -> Iterator[Finding]:
    usable, total = facts.usable_cores(), os.cpu_count() or 1
    cut = "" if usable == total else "affinity or a group's quota leaves this process the rest"
    yield Finding("cores", f"{usable} usable of {total}", "note" if cut else "ok", cut)
    load = facts.load_average()
    if load is not None:
        busy = load > usable
        remedy = "other work shares the cores; timings will be noisy until it ends" if busy else ""
        yield Finding("load", f"{load:.1f} over a minute", "warning" if busy else "ok", remedy)
    governor = facts.read_line(facts.GOVERNOR)
    if governor is not None:
        saving = governor == "powersave"
        remedy = "the clock may stay low; choose 'performance' while measuring" if saving else ""
        yield Finding("governor", governor, "note" if saving else "ok", remedy)


def _threads() -> Iterator[Finding]:
    usable = facts.usable_cores()
    for pool in facts.thread_pools():
        name = " ".join(str(pool[key]) for key in ("prefix", "version") if pool[key])
        yield _thread_count(f"threads of {name}", int(pool["num_threads"]), usable)
    yield _thread_count("threads of torch", int(facts.torch_build()["threads"]), usable)
    for variable in THREAD_VARIABLES:
        if variable in os.environ:
            yield _thread_variable(variable, os.environ[variable], usable)


def _thread_count(topic: str, count: int, usable: int) -> Finding:
    if count <= usable:
        return Finding(topic, str(count))
    remedy = f"over-subscribed: set OMP_NUM_THREADS={usable}"
    return Finding(topic, f"{count} on {usable} cores", "warning", remedy)


def _thread_variable(variable: str, text: str, usable: int) -> Finding:
    try:
        counts = [
            int(part) for part in text.split(",")
        ]  # OpenMP allows one count per nesting level
    except ValueError:
        return Finding(variable, repr(text), "warning", f"not a number: set it to {usable}")
    if min(counts) < 1:
        return Finding(variable, text, "warning", f"set it to a number from 1 to {usable}")
    if max(counts) > usable:
        return Finding(variable, text, "warning", f"over-subscribed: set {variable}={usable}")
    return Finding(variable, text)


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    value = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if memory.available < 2 * 2**30:
        return Finding(
            "memory", value, "warning", "close other programs: a study's runs want 2 GiB"
        )
    return Finding("memory", value)


def _accelerator() -> Iterator[Finding]:
    names, build = facts.gpus(), facts.torch_build()
    support = next((f"{kind} {build[kind]}" for kind in ("cuda", "hip") if build[kind]), None)
    if names:
        yield Finding("GPU", ", ".join(names))
    elif not support and shutil.which("nvidia-smi"):
        remedy = (
            "there is a driver, but this torch knows only the CPU: install a CUDA build of torch"
        )
        yield Finding("GPU", "not usable", "warning", remedy)
    else:
        yield Finding("GPU", "none", "note", "training runs on the CPU")
    parts = [build["version"], support or "CPU only", build["blas"], build["capability"]]
    yield Finding("torch", ", ".join(map(str, parts)))


def _compiler() -> Iterator[Finding]:
    names = [name for name in (os.environ.get("CXX"), "g++", "c++", "clang++") if name]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        remedy = "torch.compile needs one on the CPU (Debian: apt-get install g++)"
        yield Finding("C++ compiler", "none", "note", remedy)
    else:
        yield Finding("C++ compiler", found)
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        remedy = "torch.compile needs them on the CPU (Debian: apt-get install python3-dev)"
        yield Finding("Python headers", "none", "note", remedy)


def _extras() -> Iterator[Finding]:
    checkout = (Path(__file__).parents[3] / "pyproject.toml").is_file()
    what = '-e ".' if checkout else '"potentiate'
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if find_spec(module) is None]
        if absent:
            yield Finding(f"extra {extra}", "absent", "note", f'pip install {what}[{extra}]"')
        else:
            yield Finding(f"extra {extra}", "installed")


def _data() -> Iterator[Finding]:
    folder = data_folder()
    yield Finding("data folder", str(folder) if folder.is_dir() else f"{folder} (not there yet)")
    for which in DATASETS.values():
        if folder_of(which):
            yield Finding(f"data {which.name}", "present")
        else:
            yield Finding(
                f"data {which.name}", "absent", "note", f"potentiate download {which.name}"
            )
