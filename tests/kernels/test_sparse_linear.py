"""The sparse linear map against a masked dense one: values, both gradients, odd and empty shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import ENGINES, Edges, sparse_linear, sparse_linear_reference
from potentiate.kernels.sparse_recurrent import (
    recurrent_trace,
    sparse_recurrent,
    sparse_recurrent_reference,
)
from potentiate.topology import Topology, constant_fan_in, erdos_renyi


def wired(topology: Topology) -> Edges:
    parts = (topology.ends, topology.sources, *topology.reversed)
    return Edges(*map(torch.from_numpy, parts))


def random(shape: tuple[int, int], density: float, recurrent: bool = False) -> Edges:
    rng = np.random.default_rng([*shape, round(100 * density)])
    return wired(erdos_renyi(shape, density, rng, recurrent=recurrent))


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)


def agree(edges: Edges, batch: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
    x = values(*batch, len(edges.back_ends) - 1, dtype=dtype)
    weight = values(len(edges.sources), seed=1, dtype=dtype)
    expected = sparse_linear_reference(x, weight, edges)
    for engine in ENGINES:
        same(sparse_linear(x, weight, edges, engine), expected, (x, weight))


def same(out: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    """Values and gradients agree, the gradients of a weighted sum of the outputs."""
    tolerance = 1e-5 if out.dtype == torch.float32 else 1e-12
    close = {"rtol": tolerance, "atol": tolerance * max(1, *inputs[0].shape) ** 0.5}
    torch.testing.assert_close(out, expected, **close)
    above = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
    mine = torch.autograd.grad(out, inputs, above)
    theirs = torch.autograd.grad(expected, inputs, above, retain_graph=True)
    close["atol"] = tolerance * max(1, out.numel()) ** 0.5
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", [0.0, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (40, 40), (65, 17), (3, 0), (0, 5)])
def test_it_is_the_masked_dense_map(shape, density, dtype):
    for batch in ((1,), (5,), (2, 3), (0,), (64,), ()):
        agree(random(shape, density), batch, dtype)


def test_rows_may_be_empty_or_full():
    full = [(0, s) for s in range(9)] + [(3, s) for s in range(9)] + [(4, 2)]
    targets, sources = zip(*full, strict=True)
    agree(wired(Topology.from_pairs(targets, sources, (6, 9))), (11,))


@pytest.mark.parametrize("fan_in", [1, 4, 8, 9, 15])
def test_constant_fan_in_of_every_remainder(fan_in):
    edges = wired(constant_fan_in((30, 20), fan_in, np.random.default_rng(fan_in)))
    agree(edges, (33,))


def test_a_single_neuron_without_edges_answers_nothing():
    edges = random((1, 1), 1.0, recurrent=True)
    assert sparse_linear(values(4, 1), values(0), edges).tolist() == [[0.0]] * 4


def test_the_gradients_are_those_of_finite_differences():
    edges = random((6, 8), 0.4)
    x = values(3, 8, dtype=torch.float64)
    weight = values(len(edges.sources), seed=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x, w: sparse_linear(x, w, edges), (x, weight))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [0, 1, 5, 64])
@pytest.mark.parametrize(("neurons", "density"), [(1, 1.0), (9, 0.0), (40, 0.1), (33, 1.0)])
def test_it_iterates_as_the_masked_dense_map(neurons, density, batch, engine):
    edges = random((neurons, neurons), density, recurrent=True)
    for iterations in (1, 2, 5):
        h = values(neurons, batch)
        weight = (values(len(edges.sources), seed=1) / max(1, density * neurons) ** 0.5).detach()
        weight.requires_grad_()
        expected = sparse_recurrent_reference(h, weight, edges, iterations)
        same(sparse_recurrent(h, weight, edges, iterations, engine), expected, (h, weight))


def test_the_gradients_of_iterations_are_those_of_finite_differences():
    edges = random((7, 7), 0.5, recurrent=True)
    weight = values(len(edges.sources), seed=4, dtype=torch.float64)
    h = values(7, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h, w: sparse_recurrent(h, w, edges, 3), (h, weight))


def test_no_iteration_is_no_change_and_what_is_not_finite_stays_so():
    edges, h = random((6, 6), 0.5, recurrent=True), values(6, 2)
    weight = values(len(edges.sources), seed=1)
    assert sparse_recurrent(h, weight, edges, 0) is h
    bad = torch.full((6, 2), float("nan"))
    for engine in ENGINES:
        assert sparse_recurrent(bad, weight, edges, 2, engine).isnan().any()


def test_the_trace_holds_what_edges_read_and_what_came_back():
    edges = random((20, 20), 0.3, recurrent=True)
    h, above = values(20, 8), torch.randn(20, 8)
    weight = values(len(edges.sources), seed=1)
    out = sparse_recurrent(h, weight, edges, 3)
    (expected,) = torch.autograd.grad(out, weight, above)
    for engine in ENGINES:
        with torch.no_grad():
            trace, errors = recurrent_trace(h, above, weight, edges, 3, engine)
        torch.testing.assert_close(trace[:, 3], out)
        rows = torch.repeat_interleave(torch.arange(20), edges.ends.diff())
        found = (trace[edges.sources.long(), :3] * errors[rows]).sum((1, 2))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(threads):
    edges, before = random((130, 90), 0.2), torch.get_num_threads()
    x, weight = values(17, 90), values(len(edges.sources), seed=1)

    around = random((130, 130), 0.2, recurrent=True)
    h, loops = values(130, 17), values(len(around.sources), seed=2)

    def run() -> list[Tensor]:
        out, end = sparse_linear(x, weight, edges), sparse_recurrent(h, loops, around, 3)
        loss = out.square().sum() + end.square().sum()
        inputs = (x, weight, h, loops)
        return [out.detach(), end.detach(), *torch.autograd.grad(loss, inputs)]

    torch.set_num_threads(1)
    expected = run()
    try:
        torch.set_num_threads(threads)
        assert all(torch.equal(a, b) for a, b in zip(run(), expected, strict=True))
    finally:
        torch.set_num_threads(before)


TRAINING = """
import numpy as np, torch
from potentiate.kernels.sparse_linear import Edges, sparse_linear
from potentiate.measure import peak_memory
from potentiate.topology import erdos_renyi

def trained(neurons, density):
    found = erdos_renyi((neurons, neurons), density, np.random.default_rng(0), recurrent=True)
    parts = found.ends, found.sources, *found.reversed
    edges = Edges(*map(torch.from_numpy, parts))
    weight = torch.nn.Parameter(torch.randn(found.edges))
    optimizer = torch.optim.Adam([weight])
    for _ in range(3):
        optimizer.zero_grad()
        sparse_linear(torch.randn(8, neurons), weight, edges).square().mean().backward()
        optimizer.step()

trained(50, 0.1)
before = peak_memory()
trained(20_000, 5e-4)
print(peak_memory() - before)
"""


def test_a_large_map_trains_in_memory_that_no_matrix_fits_in():
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], capture_output=True, text=True, check=True
    )
    matrix = 20_000 * 20_000 * 4
    assert int(done.stdout) < matrix / 16  # 200,000 edges; even one byte a pair would be 400 MB


def test_any_optimizer_trains_what_is_stored():
    edges = random((5, 12), 0.5)
    x = values(40, 12).detach()
    wanted = sparse_linear(x, values(len(edges.sources), seed=3).detach(), edges)
    weight = torch.nn.Parameter(values(len(edges.sources), seed=1).detach())
    optimizer = torch.optim.AdamW([weight], lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (sparse_linear(x, weight, edges) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize(
    ("x", "weight", "told"),
    [
        (torch.zeros(2, 4), torch.zeros(6), "do not fit"),
        (torch.zeros(2, 3), torch.zeros(5), "do not fit"),
        (torch.zeros(2, 3), torch.zeros(6, dtype=torch.float64), "must both be float32 or float64"),
        (torch.zeros(2, 3).half(), torch.zeros(6).half(), "must both be float32 or float64"),
    ],
)
def test_what_does_not_fit_is_refused(x, weight, told):
    with pytest.raises(Refused, match=told):
        sparse_linear(x, weight, random((2, 3), 1.0))


def test_a_second_backward_pass_through_the_same_graph_is_the_same():
    edges, around = random((9, 6), 0.5), random((9, 9), 0.5, recurrent=True)
    x, weight, loops = values(4, 6), values(len(edges.sources), seed=1), values(len(around.sources))
    for engine in ENGINES:
        out = sparse_recurrent(
            sparse_linear(x, weight, edges, engine).t(), loops, around, 2, engine
        ).sum()
        first = torch.autograd.grad(out, (x, weight, loops), retain_graph=True)
        second = torch.autograd.grad(out, (x, weight, loops))
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_weights_changed_in_place_before_the_backward_pass_are_refused():
    edges = random((9, 6), 0.5)
    x, weight = values(4, 6), values(len(edges.sources), seed=1)
    out = sparse_linear(x, weight, edges).sum()
    with torch.no_grad():
        weight.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_an_input_that_needs_no_gradient_gets_none():
    edges = random((9, 6), 0.5)
    x, weight = values(4, 6).detach(), values(len(edges.sources), seed=1)
    sparse_linear(x, weight, edges).sum().backward()
    assert weight.grad is not None
    assert x.grad is None


def test_an_engine_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(Refused, match="dense"):
        sparse_linear(torch.zeros(2, 3), torch.zeros(6), random((2, 3), 1.0), engine="dence")


def test_a_recurrent_map_leads_back_to_its_own_neurons():
    with pytest.raises(Refused, match="as many targets as sources, got 2 and 3"):
        sparse_recurrent(torch.zeros(3, 4), torch.zeros(6), random((2, 3), 1.0), 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", ["strided", "expanded"])
def test_tensors_may_lie_in_memory_as_they_like(engine, layout):
    edges, count = random((20, 20), 0.3, recurrent=True), 16

    def laid(*shape):
        if layout == "expanded":
            return values(*shape[:-1], 1).expand(shape)
        return values(*shape[:-1], 2 * shape[-1])[..., ::2]

    x, weight = laid(count, 20), laid(len(edges.sources))
    same(
        sparse_linear(x, weight, edges, engine),
        sparse_linear_reference(x, weight, edges),
        (x, weight),
    )
    mine = sparse_recurrent(x.t(), weight, edges, 2, engine)
    same(mine, sparse_recurrent_reference(x.t(), weight, edges, 2), (x, weight))
    apart = Edges(*(torch.stack([part, part], 1)[:, 0] for part in edges))
    assert not apart.sources.is_contiguous()
    same(
        sparse_linear(x, weight, apart, engine),
        sparse_linear_reference(x, weight, edges),
        (x, weight),
    )
