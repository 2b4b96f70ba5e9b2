"""Sparse layers to be used like PyTorch's own: a linear one, and neurons that drive each other."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import sparse_linear
from potentiate.kernels.sparse_recurrent import recurrent_trace, sparse_recurrent
from potentiate.models.plastic.layer import Signs, SparseLayer
from potentiate.topology import Topology, dale_signs, erdos_renyi

PROBES = 32
"""Random patterns by which recurrent weights are scaled."""
_eager = cast("Any", torch).compiler.disable  # what a sparse layer runs is compiled already


class SparseLinear(SparseLayer):
    """As `nn.Linear`, with a weight on its edges alone.

    Args:
        in_features: Sources.
        out_features: Targets.
        density: Share of possible edges there are, uniformly at random.
        bias: Whether each target has one.
        topology: The edges, in place of random ones.
        engine: How products are computed: "auto" times what there is, once for each size; or a name
            of `potentiate.kernels.sparse_linear.ENGINES`.
        seed: Of edges and weights.

    Weights start normal with variance 2 over the fan-in of their target (He et al. 2015, with the fan-in
    that there is, as Evci et al. 2022, arXiv:2010.03533).

    Example:
        >>> layer = SparseLinear(784, 300, density=0.05)
        >>> layer(torch.zeros(16, 784)).shape, layer.weight.shape
        (torch.Size([16, 300]), torch.Size([11760]))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        density: float = 0.1,
        *,
        bias: bool = True,
        topology: Topology | None = None,
        engine: str = "auto",
        seed: int = 0,
    ) -> None:
        shape = out_features, in_features
        if topology is None:
            topology = erdos_renyi(shape, density, np.random.default_rng(seed))
        elif topology.shape != shape:
            raise Refused(f"a topology of {shape} is needed, got one of {topology.shape}")
        super().__init__(topology, engine)
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        with torch.no_grad():
            self.weight.copy_(_normal(topology, seed) * _he(topology))

    @_eager
    def forward(self, x: Tensor) -> Tensor:
        """Return x [..., in_features] through the edges, [..., out_features]; in the weight's precision."""
        x = x.to(self.weight.dtype)
        samples = x.shape[:-1].numel()
        out = sparse_linear(x, self.weight, self.edges, self._engine(samples))
        out = out if self.bias is None else out + self.bias
        self._watch(x, out)
        return out

    def _units_first(self, part: Tensor) -> NDArray[np.float32]:
        return part.flatten(0, -2).t().float().cpu().numpy()

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        parts = self._before, self._after, self._came_back()
        before, after, error = (part.flatten(0, -2).t() for part in parts if part is not None)
        return before, after, error


class SparseRecurrent(SparseLayer):
    """Neurons that drive each other over sparse edges for some iterations: h <- max(0, W h).

    Args:
        neurons: How many.
        density: Share of the possible N (N - 1) edges there are, uniformly at random.
        iterations: Times that activity passes the edges in a call.
        inhibitory: Share of neurons, the last ones, whose weights are negative (Dale's law); None: every
            weight may have any sign.
        topology: The edges, in place of random ones.
        engine: As in `SparseLinear`.
        seed: Of edges and weights.

    Weights start so that activity neither dies nor explodes over the iterations: variance 2 over the
    fan-in, under Dale's law inhibition as strong as excitation in sum, and all scaled by what random
    activity lacks in the end.
    """

    def __init__(
        self,
        neurons: int,
        density: float = 0.1,
        *,
        iterations: int = 5,
        inhibitory: float | None = None,
        topology: Topology | None = None,
        engine: str = "auto",
        seed: int = 0,
    ) -> None:
        shape = neurons, neurons
        if topology is None:
            topology = erdos_renyi(shape, density, np.random.default_rng(seed), recurrent=True)
        elif topology.shape != shape:
            raise Refused(f"a topology of {shape} is needed, got one of {topology.shape}")
        if inhibitory is not None and not 0 <= inhibitory < 1:
            raise Refused(
                f"inhibitory={inhibitory} is refused: without excitation nothing is active"
            )
        if iterations < 1:
            raise Refused(f"iterations={iterations} is refused: it must be at least 1")
        super().__init__(
            topology, engine, None if inhibitory is None else dale_signs(neurons, inhibitory)
        )
        self.iterations = iterations
        weight = _normal(topology, seed) * _he(topology)
        if self.dale is not None and inhibitory is not None:
            weight = _balanced(weight, topology, self.dale, inhibitory)
        with torch.no_grad():
            self.weight.copy_(weight)
            self.weight.mul_(self._gain())

    def _gain(self) -> float:
        """The factor at which random activity has the same power after the iterations as before.

        Source: Mishkin & Matas 2016, arXiv:1511.06422; without biases one factor does it at once.
        """
        probe = torch.rand(self.shape[1], PROBES, generator=torch.Generator().manual_seed(0))
        end = sparse_recurrent(probe, self.weight.detach(), self.edges, self.iterations)
        share = float(end.square().sum() / probe.square().sum().clamp(min=1e-30))
        return share ** (-0.5 / self.iterations) if share > 0 else 1.0

    def forward(self, h: Tensor) -> Tensor:
        """Return activity h [..., neurons] after the iterations."""
        columns = h.reshape(-1, h.shape[-1]).t()
        return self.iterate(columns).t().reshape(h.shape)

    @_eager
    def iterate(self, h: Tensor) -> Tensor:
        """As `forward` for units first, [neurons, samples], which saves turning both ways."""
        h = h.to(self.weight.dtype)
        engine = self._engine(h.shape[1])
        out = sparse_recurrent(h, self.weight, self.edges, self.iterations, engine)
        self._watch(h, out)
        return out

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        assert self._before is not None
        weight, engine = self.weight.detach(), self._engine(self._before.shape[1])
        trace, errors = recurrent_trace(
            self._before, self._came_back(), weight, self.edges, self.iterations, engine
        )
        return trace[:, :-1], trace[:, 1:], errors


def _normal(topology: Topology, seed: int) -> Tensor:
    return torch.randn(topology.edges, generator=torch.Generator().manual_seed(seed))


def _he(topology: Topology) -> Tensor:
    """The standard deviation of each edge's weight: sqrt(2 / fan-in of its target)."""
    fan_in = np.maximum(topology.fan_in(), 1)
    return torch.from_numpy(np.sqrt(2.0 / np.repeat(fan_in, topology.fan_in())).astype(np.float32))


def _balanced(weight: Tensor, topology: Topology, signs: Signs, inhibitory: float) -> Tensor:
    """Give each weight its source's sign, and inhibition the strength that cancels excitation on the mean."""
    sign = torch.from_numpy(signs[topology.sources].astype(np.float32))
    ratio = (1 - inhibitory) / inhibitory if 0 < inhibitory < 1 else 1.0
    strength = torch.where(sign < 0, torch.tensor(ratio), torch.tensor(1.0))
    power = (1 - inhibitory) + inhibitory * ratio**2
    return weight.abs() * sign * strength / power**0.5
