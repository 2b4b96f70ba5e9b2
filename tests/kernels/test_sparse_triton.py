"""The sparse map for CUDA devices: on one where there is one, else interpreted, and compiled for one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels import sparse_linear as module
from potentiate.kernels.sparse_linear import ENGINES, Edges, sparse_linear, sparse_linear_reference
from potentiate.kernels.sparse_recurrent import (
    recurrent_trace,
    sparse_recurrent,
    sparse_recurrent_reference,
)
from potentiate.topology import Topology, constant_fan_in, erdos_renyi

if find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
runs = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="the last test interprets this one"
)
compiles = pytest.mark.skipif(INTERPRETED, reason="TRITON_INTERPRET is set: nothing is compiled")
kinds = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture(autouse=True)
def _triton_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from potentiate.kernels.sparse_triton import Triton

    if INTERPRETED:
        monkeypatch.setitem(ENGINES, "triton", Triton)


def wired(topology: Topology) -> Edges:
    parts = (topology.ends, topology.sources, *topology.reversed)
    return Edges(*(torch.tensor(part, device=DEVICE) for part in parts))


def random(shape: tuple[int, int], density: float, recurrent: bool = False) -> Edges:
    rng = np.random.default_rng([*shape, round(100 * density)])
    return wired(erdos_renyi(shape, density, rng, recurrent=recurrent))


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype).to(DEVICE).requires_grad_()


def agree(edges: Edges, batch: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
    x = values(*batch, len(edges.back_ends) - 1, dtype=dtype)
    weight = values(len(edges.sources), seed=1, dtype=dtype)
    expected = sparse_linear_reference(x, weight, edges)
    same(sparse_linear(x, weight, edges, "triton"), expected, (x, weight))


def same(out: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    """Values and gradients agree, the gradients of a weighted sum of the outputs."""
    tolerance = 1e-5 if out.dtype == torch.float32 else 1e-12
    close = {"rtol": tolerance, "atol": tolerance * max(1, *inputs[0].shape) ** 0.5}
    torch.testing.assert_close(out, expected, **close)
    above = values(*out.shape, seed=2, dtype=out.dtype)
    mine = torch.autograd.grad(out, inputs, above)
    theirs = torch.autograd.grad(expected, inputs, above)
    close["atol"] = tolerance * max(1, out.numel()) ** 0.5
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, **close)


@runs
@kinds
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (19, 6), (3, 0), (0, 5)])
def test_it_is_the_masked_dense_map(shape, density, dtype):
    for batch in ((1,), (2, 3), (0,), ()):
        agree(random(shape, density), batch, dtype)


@runs
def test_more_samples_than_a_program_takes():
    from potentiate.kernels.sparse_triton import WIDEST

    agree(random((5, 9), 0.5), (2 * WIDEST + 3,))


@runs
@pytest.mark.parametrize("samples", [1, 200])
def test_more_edges_than_a_program_takes_and_rows_of_any_length(samples):
    """A long row, a short one and empty ones; the long one takes several turns of its programs."""
    from potentiate.kernels.sparse_triton import _tile

    long = 2 * _tile(samples)["EDGES"] + 5
    full = [(1, s) for s in range(long)] + [(4, 2)]
    targets, sources = zip(*full, strict=True)
    agree(wired(Topology.from_pairs(targets, sources, (6, long))), (samples,), torch.float64)


@runs
@pytest.mark.parametrize("fan_in", [1, 8, 9, 15])
def test_constant_fan_in_of_every_remainder(fan_in):
    agree(wired(constant_fan_in((12, 20), fan_in, np.random.default_rng(fan_in))), (33,))


@runs
def test_few_programs_share_a_row_however_long(monkeypatch):
    from potentiate.kernels import sparse_triton

    monkeypatch.setattr(sparse_triton, "PARTS", 2)
    monkeypatch.setattr(sparse_triton, "TILE", 8)
    agree(random((2, 40), 1.0), (3,))


@runs
def test_sources_of_a_target_may_come_in_any_order():
    edges = random((6, 9), 0.6)
    order = torch.cat(
        [torch.arange(b - 1, a - 1, -1) for a, b in pairwise(edges.ends.cpu().tolist())]
    )
    agree(replace(edges, sources=edges.sources[order.to(DEVICE)]), (4,), torch.float64)


@runs
@kinds
@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize(("neurons", "density"), [(1, 1.0), (9, 0.0), (14, 0.3), (9, 1.0)])
def test_it_iterates_as_the_masked_dense_map(neurons, density, batch, dtype):
    edges = random((neurons, neurons), density, recurrent=True)
    for iterations in (1, 3):
        h = values(neurons, batch, dtype=dtype)
        weight = values(len(edges.sources), seed=1, dtype=dtype)
        expected = sparse_recurrent_reference(h, weight, edges, iterations)
        same(sparse_recurrent(h, weight, edges, iterations, "triton"), expected, (h, weight))


@runs
def test_the_trace_holds_what_edges_read_and_what_came_back():
    edges = random((20, 20), 0.3, recurrent=True)
    h, above = values(20, 8), values(20, 8, seed=2).detach()
    weight = values(len(edges.sources), seed=1)
    out = sparse_recurrent_reference(h, weight, edges, 3)
    (expected,) = torch.autograd.grad(out, weight, above)
    trace, errors = recurrent_trace(h, above, weight.detach(), edges, 3, "triton")
    torch.testing.assert_close(trace[:, 3], out)
    rows = torch.repeat_interleave(torch.arange(20, device=DEVICE), edges.ends.diff())
    found = (trace[edges.sources.long(), :3] * errors[rows]).sum((1, 2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@runs
def test_what_is_not_finite_stays_so_and_goes_no_further_than_its_edges():
    pairs = [0, 1, 2], [1, 2, 0]
    edges, weight = wired(Topology.from_pairs(*pairs, (3, 3))), torch.ones(3, device=DEVICE)
    h = torch.tensor([[float("nan")], [float("inf")], [1.0]], device=DEVICE)
    found = sparse_recurrent(h, weight, edges, 1, "triton")[:, 0].tolist()
    assert found[:2] == [float("inf"), 1.0]
    assert np.isnan(found[2])


@runs
def test_arrays_may_have_any_strides():
    """The engine itself, for others than its callers here."""
    from potentiate.kernels.sparse_triton import Triton

    edges = random((6, 9), 0.5)
    weight = values(2 * len(edges.sources), seed=1).detach()[::2]
    matrix = module.as_matrix(weight, edges)
    x = values(5, 1, 9).detach().permute(2, 1, 0)
    out = torch.zeros(6, 5, 1, device=DEVICE).mT
    run = Triton(edges, weight)
    run.ahead(x, out)
    torch.testing.assert_close(out[:, 0], matrix @ x[:, 0])
    run.turn(torch.empty_like(weight))
    back = torch.zeros(9, 5, 1, device=DEVICE).mT
    run.back(out, back)
    torch.testing.assert_close(back[:, 0], matrix.T @ out[:, 0])


@runs
def test_the_same_call_gives_the_same_bits():
    edges, h = random((30, 30), 0.5, recurrent=True), values(30, 6)
    weight = values(len(edges.sources), seed=1)

    def run() -> list[Tensor]:
        out = sparse_recurrent(h, weight, edges, 2, "triton")
        return [out.detach(), *torch.autograd.grad(out.square().sum(), (h, weight))]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["rows", "dense", "mkl", "triton"])
def test_a_device_takes_it_whatever_is_asked_for_and_gives_what_the_cpu_gives(engine):
    edges, around = random((300, 500), 0.1), random((300, 300), 0.1, recurrent=True)
    x, weight = values(70, 500), values(len(edges.sources), seed=1)
    loops = (0.1 * values(len(around.sources), seed=2)).detach().requires_grad_()

    def run(device: str) -> list[Tensor]:
        there = [t.detach().to(device).requires_grad_() for t in (x, weight, loops)]
        wiring = [Edges(*(part.to(device) for part in e)) for e in (edges, around)]
        name = "rows" if device == "cpu" else engine
        hidden = sparse_linear(there[0], there[1], wiring[0], name)
        out = sparse_recurrent(hidden.t(), there[2], wiring[1], 3, name)
        return [t.cpu() for t in (out.detach(), *torch.autograd.grad(out.square().sum(), there))]

    for found, expected in zip(run("cuda"), run("cpu"), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


def test_the_device_decides(monkeypatch):
    from potentiate.kernels.sparse_triton import Triton

    cpu, cuda = torch.device("cpu"), torch.device("cuda", 1)
    assert {name: module.engine_for(name, cpu) for name in ENGINES} == ENGINES
    assert {module.engine_for(name, cuda) for name in (*ENGINES, "triton")} == {Triton}
    monkeypatch.setattr(module, "TRITON", False)
    with pytest.raises(Refused, match="pip install triton, or engine='reference'"):
        module.engine_for("rows", cuda)


@compiles
def test_triton_takes_no_tensors_of_the_cpu():
    topology = Topology.from_pairs([0], [1], (2, 2))
    edges = Edges(*map(torch.tensor, (topology.ends, topology.sources, *topology.reversed)))
    with pytest.raises(Refused, match="'triton' needs a CUDA device, got cpu; take 'rows'"):
        sparse_linear(torch.zeros(3, 2), torch.zeros(1), edges, "triton")


@compiles
@kinds
@pytest.mark.parametrize("width", [1, 128])
@pytest.mark.parametrize("contiguous", [False, True])
def test_the_kernels_compile(dtype, width, contiguous, monkeypatch, tmp_path):
    from potentiate.kernels.sparse_triton import _products, _sums, _tile

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kind = "fp32" if dtype == torch.float32 else "fp64"
    columns = {"x_column", "grad_column", "out_column", "kept_column"} if contiguous else set()
    ones = dict.fromkeys(columns, 1)  # which a launch compiles in
    for relu, cut in product((False, True), repeat=2):
        ptx = compiled(_sums, kind, ones | _tile(width) | {"RELU": relu, "CUT": cut})
        assert (".f64" in ptx) == (kind == "fp64")
    for parts in ({}, {"parts": 1}):
        ptx = compiled(_products, kind, ones | _tile(width) | parts)
        assert (".f64" in ptx) == (kind == "fp64")
        assert "atom" not in ptx


def compiled(kernel: Any, kind: str, scalars: dict[str, int]) -> str:
    """Return the PTX of a kernel, of which there is then machine code for sm_90."""
    import triton
    from triton.backends.compiler import GPUTarget

    names = kernel.arg_names
    wiring = {"ends": "*i64", "others": "*i32", "sources": "*i32"}
    arrays = dict.fromkeys(("weight", "x", "grad", "out", "kept"), f"*{kind}")
    types = wiring | arrays | dict.fromkeys(scalars, "constexpr")
    values = {(names.index(name),): value for name, value in scalars.items() if name in names}
    source = triton.compiler.ASTSource(kernel, {n: types.get(n, "i32") for n in names}, values)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert made.asm["cubin"]
    return made.asm["ptx"]


@compiles
def test_the_interpreter_passes() -> None:
    """In a process of its own: triton reads the variable when any test imports it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=250"]
    done = subprocess.run(
        [*command, __file__],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
