"""Kernels for CUDA devices where there is none: interpreted, and compiled for one that is elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from math import exp, inf
from pathlib import Path
from typing import Any

import pytest

if find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

PAIRS = {"A_PLUS": 0.3, "A_MINUS": 0.4, "DECAY_PLUS": exp(-1 / 20), "DECAY_MINUS": exp(-1 / 30)}
LIF = {"BETA": 0.9, "THRESHOLD": 1.0, "BLOCK": 256}
kinds = pytest.mark.parametrize("kind", ["fp32", "fp64"])
compiles = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="TRITON_INTERPRET is set: nothing is compiled"
)


@pytest.mark.parametrize("file", ["test_lif_triton.py", "test_stdp_triton.py"])
def test_the_interpreter_passes(file: str) -> None:
    """In a process of its own: triton reads the variable when any test imports it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=250"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name(file))],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@compiles
@kinds
@pytest.mark.parametrize(
    "limits", [(-inf, inf, 0.0, 0.0), (0.1, 0.9, 1.0, 1.0), (0.1, 0.9, 0.3, 1.0)]
)
@pytest.mark.parametrize("nearest", [False, True])
def test_pair_stdp_compiles(
    kind: str, limits: tuple[float, ...], nearest: bool, compiled: Any
) -> None:
    from potentiate.kernels import stdp_triton

    room = dict(zip(("W_MIN", "W_MAX", "MU_PLUS", "MU_MINUS"), limits, strict=True))
    blocks = {"ROWS": stdp_triton.ROWS, "COLUMNS": stdp_triton.COLUMNS}
    types = [f"*{kind}", "*i1", "*i1", *[f"*{kind}"] * 4, *["i32"] * 10]
    ptx = compiled(stdp_triton._pair, types, {**PAIRS, **room, "NEAREST": nearest, **blocks})
    assert (".f64" in ptx) == (kind == "fp64" or limits[2] == 0.3)


@compiles
@kinds
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("zero", [False, True])
def test_the_lif_scan_compiles(kind: str, varying: bool, zero: bool, compiled: Any) -> None:
    from potentiate.kernels import lif_triton

    types = [*[f"*{kind}"] * 4, "i32", "i32"]
    ptx = compiled(lif_triton._forward, types, {**LIF, "VARYING": varying, "ZERO": zero})
    assert (".f64" in ptx) == (kind == "fp64")


@compiles
@kinds
@pytest.mark.parametrize("surrogate", range(4))
@pytest.mark.parametrize("detach", [False, True])
def test_the_lif_gradient_compiles(kind: str, surrogate: int, detach: bool, compiled: Any) -> None:
    from potentiate.kernels import lif_triton

    types = [*[f"*{kind}"] * 7, "i32", "i32"]
    scalars = {"VARYING": True, "ZERO": False, "DETACH": detach, "SURROGATE": surrogate}
    ptx = compiled(lif_triton._backward, types, {**LIF, **scalars, "ALPHA": 2.0})
    assert (".f64" in ptx) == (kind == "fp64")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function for the PTX of a kernel, of which there is then machine code for sm_90."""
    import triton
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))

    def ptx(kernel: Any, types: list[str], scalars: dict[str, float]) -> str:
        names = kernel.arg_names
        assert set(names[len(types) :]) == set(scalars)
        signature = types + ["constexpr"] * len(scalars)
        values = {(names.index(name),): value for name, value in scalars.items()}
        source = triton.compiler.ASTSource(kernel, dict(zip(names, signature, strict=True)), values)
        target, options = GPUTarget("cuda", 90, 32), {"enable_fp_fusion": False}
        made = triton.compile(source, target=target, options=options)
        assert made.asm["cubin"]
        return made.asm["ptx"]

    return ptx
