"""Compiles the kernels ahead of their first use, so that no training or measurement waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from potentiate.cli.terminal import wide


def warm() -> None:
    """Compile, or load from the cache on the disk, every kernel; print what each took."""
    table = Table("kernel", "seconds", title="Compiled for this machine", title_justify="left")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = wide(60)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(KERNELS))
        for name, compile_one in KERNELS.items():
            progress.update(task, description=name)
            start = time.perf_counter()
            compile_one()
            table.add_row(name, f"{time.perf_counter() - start:.1f}")
            progress.advance(task)
    console.print(table)


def _brain() -> None:
    from importlib import import_module

    import_module("potentiate.models.brain.compiled")


def _plastic() -> None:
    from importlib import import_module

    import_module("potentiate.models.plastic.compiled")


def _timehut() -> None:
    from importlib import import_module

    import_module("potentiate.models.timehut.compiled")


def _neurons() -> None:
    """The fused sequence of LIF neurons, alone, before a read-out and behind sparse spikes; with gradients."""
    import torch

    from potentiate.kernels.lif import lif_sequence
    from potentiate.kernels.lif_linear import lif_hidden_layer, lif_linear
    from potentiate.kernels.spike_matmul import spike_matmul

    current = torch.ones(4, 2, 16, requires_grad=True)
    weight, w_in = (torch.ones(n, 16, requires_grad=True) for n in (3, 16))
    spikes = torch.zeros(4, 2, 16, dtype=torch.bool)
    results = (
        lif_sequence(current, 0.9)[0],
        lif_linear(current, weight, None, 0.9),
        lif_hidden_layer(spikes, w_in, None, weight, None, 0.9),
        spike_matmul(spikes, w_in),
    )
    for result in results:
        result.sum().backward()


def _perceptron() -> None:
    import numpy as np

    from potentiate.kernels.spiking_mlp import Sizes, SpikingMLP, random_parameters

    sizes = Sizes(2, 4, 2, 3)
    network = SpikingMLP(sizes, random_parameters(sizes, np.random.default_rng(0)))
    inputs, targets = np.eye(2), np.arange(2)
    network.train(inputs, targets, 1)
    network.gradient(inputs, targets)
    network.logits(inputs)


def _stdp() -> None:
    import numpy as np

    from potentiate.plasticity.projection import replay
    from potentiate.plasticity.stdp import pair_stdp

    rule = pair_stdp()
    for engine in ("event", "block"):
        weight = np.full((3, 2), 0.5, np.float32)
        spikes = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
        replay(rule, weight, *spikes, rule.init(weight, 1), engine=engine)


KERNELS: dict[str, Callable[[], None]] = {
    "spiking brain": _brain,
    "LIF neurons with gradients": _neurons,
    "spiking perceptron": _perceptron,
    "pair STDP": _stdp,
    "plastic networks": _plastic,
    "TimeHUT": _timehut,
}
