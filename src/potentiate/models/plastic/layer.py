"""A layer whose weight is stored on its edges alone, and that can be rewired.

The parameter holds one number for each edge, so any torch optimizer works on it; the wiring is in
buffers, so `state_dict` is complete, and it may be loaded into a layer that has another wiring.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.kernels import sparse_loops
from potentiate.kernels.sparse_linear import Edges, as_matrix
from potentiate.models.plastic.choice import choose
from potentiate.plasticity.structural import Change, Scores, follow
from potentiate.topology import Topology

Signs = NDArray[np.int8]

WIRING = ("ends", "sources", "back_ends", "targets")
_loops = cast("Any", sparse_loops)


class SparseLayer(nn.Module):
    """What sparse layers share: edges, their weights, and how both follow a change of topology.

    Attributes:
        weight: [edges], by target.
        signs: int8 [sources]: the sign that all weights out of a source keep (Dale's law); None: any.
        wanted: How many edges it shall have in the end, where it starts with others; None: as many as it has.
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
        self, topology: Topology, engine: str = "auto", signs: Signs | None = None
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
        self.wanted: int | None = None
        self._edges: Edges | None = None
        self.watched = False
        self._before = self._after = self._error = None

    @property
    def edges(self) -> Edges:
        """The wiring as the kernels take it."""
        if self._edges is None or self._edges.ends is not self.ends:
            self._edges = Edges(self.ends, self.sources, self.back_ends, self.targets)
        return self._edges

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
        self._reweigh(torch.from_numpy(change.weight).to(self.weight))

    @torch.no_grad()
    def average(self, change: Change) -> None:
        """Follow a change that another layer made, of which this one holds the averaged weights."""
        grown = torch.from_numpy(change.weight[change.moved < 0]).to(self.weight)
        self._wire(change.topology)
        self._reweigh(follow(self.weight.data, change.moved, grown))

    @torch.no_grad()
    def obey(self) -> None:
        """Set weights of the wrong sign to 0 (Dale's law); nothing where there are no signs."""
        if self.signs is None:
            return
        if self.weight.device.type == "cpu":
            _loops.keep_signs(self.weight.numpy(), self.sources.numpy(), self.signs.numpy())
        else:
            self.weight.mul_(self.weight * self.signs[self.sources.long()] > 0)

    @torch.no_grad()
    def scale(self, factors: Tensor) -> None:
        """Multiply the weights into each target by its factor, [targets]."""
        if self.weight.device.type == "cpu":
            _loops.scale_targets(self.weight.numpy(), self.ends.numpy(), factors.numpy())
        else:
            fan_in = self.ends.diff()
            self.weight.mul_(factors.to(self.weight).repeat_interleave(fan_in))

    def scores(self) -> Scores:
        """Return what a structural rule may look at: of the pass that was watched.

        Raises:
            Refused: No forward and backward pass was watched.
        """
        if self._before is None or self._after is None:
            raise Refused("nothing was watched; set .watched = True before forward and backward")
        before, after, error = self._looked_at()
        parts = [part.flatten(1).float().cpu().numpy() for part in (before, after, error)]
        return Scores(parts[0], parts[1], parts[2], self.dale)

    def activity(self) -> Scores:
        """Return what of `scores` costs nothing: activity before and after, and no gradient."""
        assert self._before is not None
        assert self._after is not None
        before, after = (self._units_first(part) for part in (self._before, self._after))
        return Scores(before, after, after, self.dale)

    def loudness(self) -> Tensor:
        """Return the mean activity of each target in the pass that was watched, [targets]."""
        assert self._after is not None
        after = self._after.float()
        return after.mean(1) if self.recurrent else after.flatten(0, -2).mean(0)

    @property
    def seen(self) -> bool:
        """Whether there is a pass that was watched, and what came back from it."""
        return self._before is not None

    @property
    def dale(self) -> Signs | None:
        """The signs as an array."""
        return None if self.signs is None else self.signs.cpu().numpy()

    def forget(self) -> None:
        """Let go of what was watched."""
        self.watched, self._before, self._after, self._error = False, None, None, None

    def _units_first(self, part: Tensor) -> NDArray[np.float32]:
        return part.float().cpu().numpy()

    def _looked_at(self) -> tuple[Tensor, Tensor, Tensor]:
        """Units first: what edges read, what they drive, and the gradient of the sums they make."""
        raise NotImplementedError

    def _came_back(self) -> Tensor:
        """The gradient of what came out; 0 where the loss did not ask for it."""
        assert self._after is not None
        return torch.zeros_like(self._after) if self._error is None else self._error

    def _watch(self, before: Tensor, after: Tensor) -> None:
        if self.watched and self.training:
            self._before, self._after = before.detach(), after.detach()
            self._error = None
            if after.requires_grad:
                after.register_hook(partial(self._keep_error, self._after))

    def _keep_error(self, after: Tensor, grad: Tensor) -> None:
        if after is self._after:  # of a layer that is passed twice the last pass counts
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
            # What is fastest for a batch is so for one of about its size, and serves for the last of an epoch.
            near = samples <= 2 * size and (self.training or size <= 2 * samples)
            if near and others == threads:
                return engine
        found = choose(self.edges, samples, self.iterations, self.weight.dtype)
        self.engines[f"{samples} x {threads}"] = found
        return found

    def _sound(self, ends: Tensor, sources: Tensor, weight: Tensor) -> Topology | None:
        """The topology of a state, in memory of its own; None if it is none of this layer's shape."""
        rows, others = ends.cpu().numpy().copy(), sources.cpu().numpy().copy()
        fits = rows.shape == (self.shape[0] + 1,) and others.shape == weight.shape
        if not fits or rows[0] != 0 or rows[-1] != len(others) or (np.diff(rows) < 0).any():
            return None
        if len(others) and not 0 <= others.min() <= others.max() < self.shape[1]:
            return None
        return Topology(rows, others, self.shape, self.recurrent)

    def _reweigh(self, weight: Tensor) -> None:
        """Take other weights, as many as there are edges now."""
        self.weight.grad = None
        # Of another type for a moment: a graph that is still held then forgets the size of the old ones.
        self.weight.data = self.weight.data.new_empty(0, dtype=torch.half)
        self.weight.data = weight

    def _wire(self, topology: Topology) -> None:
        if not len(self.weight) <= 1.25 * topology.edges <= 1.5 * len(self.weight):
            self.engines.clear()  # what was fastest for so many edges need not be so now
        for name, part in zip(WIRING, _parts(topology), strict=True):
            setattr(self, name, part.to(self.weight.device))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        """Take over the wiring of the state, whatever its size, before its weights; if it is sound."""
        names = (*WIRING[:2], "weight")
        ends, sources, weight = (state_dict.get(prefix + name) for name in names)
        if ends is not None and sources is not None and weight is not None:
            wiring = self._sound(ends, sources, weight)
            if wiring is None:
                kind, (targets, others) = type(self).__name__, self.shape
                errors: list[str] = rest[-1]
                errors.append(
                    f"size mismatch for {prefix}sources: the edges of the state are none of a {kind} of "
                    f"{others} sources and {targets} targets"
                )
                return
            self._wire(wiring)
            if len(sources) != len(self.weight):
                self._reweigh(self.weight.data.new_zeros(len(sources)))
        load = cast("Any", super())._load_from_state_dict
        load(state_dict, prefix, *rest, **more)

    def extra_repr(self) -> str:
        """Sizes, edges and density, as a layer prints itself."""
        targets, sources = self.shape
        return f"{sources} -> {targets}, {len(self.weight)} edges, density {self.density:.4g}"


def sparse_layers(model: nn.Module) -> dict[str, SparseLayer]:
    """Return the sparse layers of a model by name."""
    return {
        name: part
        for name, part in cast("Any", model).named_modules()
        if isinstance(part, SparseLayer)
    }


def _parts(topology: Topology) -> tuple[Tensor, ...]:
    parts = topology.ends, topology.sources, *topology.reversed
    return tuple(torch.from_numpy(part) for part in parts)
