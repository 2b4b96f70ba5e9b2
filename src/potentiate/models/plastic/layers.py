"""Layers whose weight is stored on its edges alone, to be used like PyTorch's own, and to be rewired.

The parameter holds one number for each edge, so any torch optimizer works on it; the wiring is in
buffers, so `state_dict` is complete, and it may be loaded into a layer that has another wiring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import (
    Edges,
    as_matrix,
    recurrent_trace,
    sparse_linear,
    sparse_recurrent,
)
from potentiate.models.plastic.choice import choose
from potentiate.plasticity.structural import Change, Scores, follow
from potentiate.topology import Topology, erdos_renyi

WIRING = ("ends", "sources", "back_ends", "targets")


class SparseLayer(nn.Module):
    """What sparse layers share: edges, their weights, and how both follow a change of topology.

    Attributes:
        weight: [edges], by target.
        signs: int8 [sources]: the sign that all weights out of a source keep (Dale's law); None: any.
        watched: Whether the next forward and backward pass are kept, for `scores`.
    """

    constants: ClassVar[frozenset[str]] = frozenset({*WIRING, "signs"})
    """Buffers that no forward pass changes."""

    ends: Tensor
    sources: Tensor
    back_ends: Tensor
    targets: Tensor
    signs: Tensor | None
    iterations: int = 1

    def __init__(
        self, topology: Topology, engine: str = "auto", signs: np.ndarray | None = None
    ) -> None:
        super().__init__()
        self.shape, self.recurrent, self.engine = topology.shape, topology.recurrent, engine
        self.weight = nn.Parameter(torch.zeros(topology.edges))
        for name, part in zip(WIRING, _parts(topology), strict=True):
            self.register_buffer(name, part, persistent=name in WIRING[:2])
        kept = None if signs is None else torch.from_numpy(np.asarray(signs, np.int8))
        if kept is not None and kept.shape != topology.shape[1:]:
            raise Refused(f"{topology.shape[1]} sources need as many signs, got {[*kept.shape]}")
        self.register_buffer("signs", kept)
        self.engines: dict[str, str] = {}
        self.watched = False
        self._before = self._after = self._error = None

    @property
    def edges(self) -> Edges:
        """The wiring as the kernels take it."""
        return Edges(self.ends, self.sources, self.back_ends, self.targets)

    @property
    def topology(self) -> Topology:
        """Who is connected with whom; shares its memory with the layer."""
        ends, sources = self.ends.cpu().numpy(), self.sources.cpu().numpy()
        return Topology(ends, sources, self.shape, self.recurrent)

    @property
    def density(self) -> float:
        """Edges over possible edges."""
        return self.topology.density

    def matrix(self) -> Tensor:
        """Return the weights as a matrix [targets, sources]; for looking at small layers."""
        return as_matrix(self.weight.detach(), self.edges)

    @torch.no_grad()
    def rewire(self, change: Change) -> None:
        """Take over the edges and weights of a change; an optimizer follows by `follow_optimizer`."""
        self._wire(change.topology)
        self.weight.grad = None
        self.weight.data = torch.from_numpy(change.weight).to(self.weight)

    @torch.no_grad()
    def average(self, change: Change) -> None:
        """Follow a change that another layer made, of which this one holds the averaged weights."""
        grown = torch.from_numpy(change.weight[change.moved < 0]).to(self.weight)
        self._wire(change.topology)
        self.weight.data = follow(self.weight.data, change.moved, grown)

    @torch.no_grad()
    def obey(self) -> None:
        """Set weights of the wrong sign to 0 (Dale's law); nothing where there are no signs."""
        if self.signs is not None:
            from potentiate.kernels.sparse_rows import keep_signs

            keep_signs(self.weight.numpy(), self.sources.numpy(), self.signs.numpy())

    def scores(self) -> Scores:
        """Return what a structural rule may look at: of the pass that was watched.

        Raises:
            Refused: No forward and backward pass was watched.
        """
        if self._before is None or self._after is None:
            raise Refused("nothing was watched; set .watched = True before forward and backward")
        before, after, error = self._looked_at()
        parts = (part.flatten(1).float().cpu().numpy() for part in (before, after, error))
        return Scores(*parts, self.dale)

    def activity(self) -> Scores:
        """Return what of `scores` costs nothing: activity before and after, and no gradient."""
        assert self._before is not None
        assert self._after is not None
        before, after = (self._units_first(part) for part in (self._before, self._after))
        return Scores(before, after, after, self.dale)

    def loudness(self) -> Tensor:
        """Return the mean activity of each target in the pass that was watched, [targets]."""
        assert self._after is not None
        return self._after.mean(1) if self.recurrent else self._after.flatten(0, -2).mean(0)

    @property
    def seen(self) -> bool:
        """Whether there is a pass that was watched, and what came back from it."""
        return self._before is not None

    @property
    def dale(self) -> np.ndarray | None:
        """The signs as an array."""
        return None if self.signs is None else self.signs.cpu().numpy()

    def forget(self) -> None:
        """Let go of what was watched."""
        self.watched, self._before, self._after, self._error = False, None, None, None

    def _units_first(self, part: Tensor) -> np.ndarray:
        return part.float().cpu().numpy()

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        """Units first: what edges read, what they drive, and the gradient of the sums they make."""
        raise NotImplementedError

    def _watch(self, before: Tensor, after: Tensor) -> None:
        if self.watched and self.training:
            self._before, self._after = before.detach(), after.detach()
            self._error = torch.zeros_like(self._after)
            if after.requires_grad:
                after.register_hook(self._keep_error)

    def _keep_error(self, grad: Tensor) -> None:
        self._error = grad.detach()

    def _engine(self, samples: int) -> str:
        """The engine asked for, or the fastest for so many samples; timed once."""
        if self.engine != "auto":
            return self.engine
        if self.weight.device.type != "cpu":
            return "triton"
        threads = torch.get_num_threads()
        for known, engine in self.engines.items():
            size, others = map(int, known.split(" x "))
            # What is fastest for a batch is so for the last of an epoch, which is smaller.
            if others == threads and samples <= 2 * size <= 4 * samples:
                return engine
        found = choose(self.edges, samples, self.iterations, self.weight.dtype)
        self.engines[f"{samples} x {threads}"] = found
        return found

    def _wire(self, topology: Topology) -> None:
        for name, part in zip(WIRING, _parts(topology), strict=True):
            setattr(self, name, part.to(self.weight.device))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        """Take over the wiring of the state, whatever its size, before its weights."""
        ends, sources = (state_dict.get(prefix + name) for name in WIRING[:2])
        if ends is not None and sources is not None and ends.shape == self.ends.shape:
            wiring = Topology(ends.cpu().numpy(), sources.cpu().numpy(), self.shape, self.recurrent)
            self._wire(wiring)
            if len(sources) != len(self.weight):
                self.weight.data = self.weight.data.new_zeros(len(sources))
        load: Any = super()._load_from_state_dict
        load(state_dict, prefix, *rest, **more)

    def extra_repr(self) -> str:
        """Sizes, edges and density, as a layer prints itself."""
        targets, sources = self.shape
        return f"{sources} -> {targets}, {len(self.weight)} edges, density {self.density:.4g}"


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
        seed: Of the random edges.

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
            self.weight.copy_(torch.randn(topology.edges) * _he(topology))

    @torch.compiler.disable  # what follows is compiled already
    def forward(self, x: Tensor) -> Tensor:
        """Return x [..., in_features] through the edges, [..., out_features]; in the weight's precision."""
        x = x.to(self.weight.dtype)
        samples = x.shape[:-1].numel()
        out = sparse_linear(x, self.weight, self.edges, self._engine(samples))
        out = out if self.bias is None else out + self.bias
        self._watch(x, out)
        return out

    def _units_first(self, part: Tensor) -> np.ndarray:
        return part.flatten(0, -2).t().float().cpu().numpy()

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        parts = self._before, self._after, self._error
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
        seed: Of the random edges.

    Weights start so that activity neither dies nor explodes over the iterations: variance 2 over the
    fan-in, and under Dale's law inhibition as strong as excitation in sum.
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
        from potentiate.topology import dale_signs

        shape = neurons, neurons
        if topology is None:
            topology = erdos_renyi(shape, density, np.random.default_rng(seed), recurrent=True)
        elif topology.shape != shape:
            raise Refused(f"a topology of {shape} is needed, got one of {topology.shape}")
        if iterations < 1:
            raise Refused(f"iterations={iterations} is refused: it must be at least 1")
        super().__init__(
            topology, engine, None if inhibitory is None else dale_signs(neurons, inhibitory)
        )
        self.iterations = iterations
        with torch.no_grad():
            weight = torch.randn(topology.edges) * _he(topology)
            if inhibitory is not None:
                weight = _balanced(weight, topology, dale_signs(neurons, inhibitory), inhibitory)
            self.weight.copy_(weight)

    def forward(self, h: Tensor) -> Tensor:
        """Return activity h [..., neurons] after the iterations."""
        columns = h.reshape(-1, h.shape[-1]).t()
        return self.iterate(columns).t().reshape(h.shape)

    @torch.compiler.disable  # what follows is compiled already
    def iterate(self, h: Tensor) -> Tensor:
        """As `forward` for units first, [neurons, samples], which saves turning both ways."""
        h = h.to(self.weight.dtype)
        engine = self._engine(h.shape[1])
        out = sparse_recurrent(h, self.weight, self.edges, self.iterations, engine)
        self._watch(h, out)
        return out

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        assert self._before is not None
        assert self._error is not None
        weight, engine = self.weight.detach(), self._engine(self._before.shape[1])
        trace, errors = recurrent_trace(
            self._before, self._error, weight, self.edges, self.iterations, engine
        )
        return trace[:, :-1], trace[:, 1:], errors


def sparse_layers(model: nn.Module) -> dict[str, SparseLayer]:
    """Return the sparse layers of a model by name."""
    return {name: part for name, part in model.named_modules() if isinstance(part, SparseLayer)}


def _parts(topology: Topology) -> tuple[Tensor, ...]:
    parts = topology.ends, topology.sources, *topology.reversed
    return tuple(torch.from_numpy(part) for part in parts)


def _he(topology: Topology) -> Tensor:
    """The standard deviation of each edge's weight: sqrt(2 / fan-in of its target)."""
    fan_in = np.maximum(topology.fan_in(), 1)
    return torch.from_numpy(np.sqrt(2.0 / np.repeat(fan_in, topology.fan_in())).astype(np.float32))


def _balanced(weight: Tensor, topology: Topology, signs: np.ndarray, inhibitory: float) -> Tensor:
    """Give each weight its source's sign, and inhibition the strength that cancels excitation on the mean."""
    sign = torch.from_numpy(signs[topology.sources].astype(np.float32))
    ratio = (1 - inhibitory) / inhibitory if 0 < inhibitory < 1 else 1.0
    strength = torch.where(sign < 0, torch.tensor(ratio), torch.tensor(1.0))
    power = (1 - inhibitory) + inhibitory * ratio**2
    return weight.abs() * sign * strength / power**0.5
