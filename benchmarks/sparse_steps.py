"""A sparse layer in training, for sparse_scaling.py: its steps, updates of its edges, and what it holds."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from turns import Resident, middle

from potentiate.models.plastic import Rewiring, SparseLinear, SparseRecurrent, StructuralStep
from potentiate.plasticity.structural import STRUCTURAL
from potentiate.topology import Ring, Topology, erdos_renyi, small_world

BATCH = 64
NEVER = 10**9


def at_random(neurons: int, edges: int, rng: np.random.Generator) -> Topology:
    density = edges / (neurons * (neurons - 1))
    return erdos_renyi((neurons, neurons), density, rng, recurrent=True)


def along_a_ring(neurons: int, edges: int, rng: np.random.Generator) -> Topology:
    return small_world(Ring(neurons), edges // neurons, REWIRED, rng)


WIRINGS = {"random": at_random, "small world": along_a_ring}
REWIRED = 0.1
"""Share of the edges of a small world that lead anywhere."""


class Within(torch.autograd.Function):
    """Ends the way back, as the rest of a network would take it up: nothing is added up in a leaf."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, *__: Tensor) -> None:
        return None


class Network(nn.Sequential):
    """Layers whose input asks for a gradient, as that of a layer within a network does."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(Within.apply(x))


def output_power(out: Tensor, _: object) -> Tensor:
    return out.square().mean()


def live(neurons: int, edges: int, rule: str, wiring: str = "random") -> Any:
    """A structural step on a recurrent layer of one iteration, with AdamW."""
    topology = WIRINGS[wiring](neurons, edges, np.random.default_rng(0))
    model = Network(SparseRecurrent(neurons, topology=topology, iterations=1, engine="rows"))
    options = {"lr": 1e-3, "fused": True}
    plan = Rewiring(STRUCTURAL[rule](), interval=NEVER, until=1.0)
    step = StructuralStep(output_power, torch.optim.AdamW, options, rewiring=plan)
    return step.start(model, 2 * NEVER)


def batch_of(neurons: int) -> tuple[Tensor, None]:
    """Random patterns."""
    x = torch.rand(BATCH, neurons, generator=torch.Generator().manual_seed(0))
    return x.requires_grad_(), None


def updated(step: Any, batch: Any) -> float:
    """Take a step that changes the edges; return the seconds of the change."""
    before = step.notes.update_seconds
    step.due = step.done + 1
    step(batch)
    step.notes.take()
    step.due = NEVER
    return step.notes.update_seconds - before


def held(
    neurons: int, edges: int, rule: str, updates: int = 0, wiring: str = "random"
) -> dict[str, Any]:
    """MB that a layer takes to train, at the peak and at the end; bytes of its arrays, by what they are for."""
    tiny, batch = live(50, 200, rule), batch_of(50)
    tiny(batch)
    updated(tiny, batch)
    resident, batch = Resident(), batch_of(neurons)
    step = live(neurons, edges, rule, wiring)
    for _ in range(3):
        step(batch)
    found = {"now": resident.now(), "peak": resident.peak(), **arrays(step)}
    for _ in range(updates):
        updated(step, batch)
    return {**found, "peak_of_update": resident.peak()}


def arrays(step: Any) -> dict[str, float]:
    """Bytes of all arrays of a step: of the edges, of the rule's candidates, and of the neurons."""
    layer = step.layers["0"]
    parts = [layer.weight.detach(), layer.weight.grad, *layer.edges]
    parts += [v for v in step.optimizer.state[layer.weight].values() if v.ndim]
    edges = len(layer.weight)
    sizes = [(len(part), part.numel() * part.element_size()) for part in parts]
    sizes += [(len(part), part.nbytes) for part in step.states["0"]]
    pool = len(getattr(step.states["0"], "coactivation", ()))
    return {
        "edges": edges,
        "edge_bytes": sum(size for count, size in sizes if count == edges),
        "pool_bytes": sum(size for count, size in sizes if count == pool and pool),
        "neuron_bytes": sum(size for count, size in sizes if count not in (edges, pool)),
    }


def built(neurons: int, density: float) -> dict[str, Any]:
    """Seconds of building a topology with its edges by source, and the MiB that takes at the peak."""
    erdos_renyi((100, 100), 0.1, np.random.default_rng(0), recurrent=True).reversed  # noqa: B018
    resident, seconds = Resident(), list[float]()
    for seed in range(5):
        start = perf_counter()
        topology = erdos_renyi(
            (neurons, neurons), density, np.random.default_rng(seed), recurrent=True
        )
        _ = topology.reversed
        seconds.append(perf_counter() - start)
    assert topology.edges == round(density * neurons * (neurons - 1))
    row = {"neurons": neurons, "density": density, "edges": topology.edges}
    return {**row, "seconds": middle(seconds), "mib": resident.peak() * 1e6 / 2**20}


def first_order(kind: str, neurons: int) -> dict[str, float]:
    """MB of three AdamW steps above those of a tiny layer, at the peak."""

    def learned(size: int) -> None:
        layer = (
            nn.Linear(size, size)
            if kind == "dense"
            else SparseLinear(size, size, 0.01, engine="rows")
        )
        optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
        x = torch.rand(BATCH, size)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x).square().mean().backward()
            optimizer.step()

    learned(100)
    resident = Resident()
    learned(neurons)
    return {"mb": resident.peak()}
