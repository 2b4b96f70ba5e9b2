"""What a structural rule is: which edges go, which come, and how all that belongs to edges follows.

A rule has three functions, so that a training loop needs to know no more:

- `init(topology, weight, rng) -> state` before the first step;
- `observe(topology, weight, scores, state) -> state` after an optimizer step;
- `update(topology, weight, scores, state, rng) -> change` now and then.

The state is a NamedTuple of numpy arrays, so that a checkpoint of it is complete; it is donated: only
what is returned may be used afterwards. Weights are float32 [edges], in the order of the topology.
Nothing here takes memory or time for pairs that are neither edges nor asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.kernels import pairs
from potentiate.topology import Topology, Units

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Indices: TypeAlias = Units | NDArray[np.int64]
State: TypeAlias = Any  # a NamedTuple of arrays
Values = TypeVar("Values")


CHUNK = 1 << 18
"""Edges hashed at a time."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a rule may look at: the last batch, a row for each neuron.

    Attributes:
        before: float32 [sources, samples], the activity that the edges read.
        after: float32 [targets, samples], the activity that they drive.
        error: float32 [targets, samples], the gradient of the loss with respect to the targets' input.
        signs: int8 [sources], the sign of all weights out of a source (Dale's law); None: any.
    """

    before: Floats
    after: Floats
    error: Floats
    signs: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        for name in ("before", "after", "error"):
            part = np.ascontiguousarray(getattr(self, name), np.float32)
            object.__setattr__(self, name, part)
        shapes = self.before.shape, self.after.shape, self.error.shape
        if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes) or (
            shapes[1] != shapes[2]
        ):
            raise Refused(
                f"before, after and error must be [neurons, samples], got {shapes}; transpose them"
            )

    @classmethod
    def silent(cls, shape: tuple[int, int], signs: NDArray[np.int8] | None = None) -> Scores:
        """Return the scores of no sample, for rules that look at weights alone."""
        after, before = (np.empty((neurons, 0), np.float32) for neurons in shape)
        return cls(before, after, after, signs)

    def gradient(self, targets: Indices, sources: Indices) -> Floats:
        """Return the gradient that a weight would have on each of these pairs, float32 [pairs]."""
        found = np.empty(len(targets), np.float32)
        pairs.products(self.error, self.before, targets, sources, found)
        return found

    def coactivation(self, targets: Indices, sources: Indices) -> Floats:
        """Return the share of samples in which both of each pair are above 0, float32 [pairs]."""
        found, samples = np.empty(len(targets), np.float32), self.before.shape[1]
        pairs.coincidences(_bits(self.after), _bits(self.before), targets, sources, found)
        return found / np.float32(max(1, samples))


def _bits(activity: Floats) -> NDArray[np.uint64]:
    bits = np.empty((len(activity), -(-activity.shape[1] // 64)), np.uint64)
    pairs.packed(activity, bits)
    return bits


class Change(NamedTuple):
    """What an update has made of a topology.

    Attributes:
        topology: The edges after it.
        moved: int64 [edges after], the place of each edge before, -1 for a grown one.
        weight: [edges after], of the type of the weight before.
        state: The rule's, for these edges.
    """

    topology: Topology
    moved: Ints
    weight: Floats
    state: State


class Nothing(NamedTuple):
    """State of a rule that has none."""


@dataclass(frozen=True)
class StructuralRule:
    """A rule by which edges go and come; subclasses are frozen dataclasses with their settings."""

    def init(self, topology: Topology, weight: Floats, rng: np.random.Generator) -> State:
        """Return the state before the first step."""
        return Nothing()

    def observe(self, topology: Topology, weight: Floats, scores: Scores, state: State) -> State:
        """Return the state with one training step in it."""
        return state

    def update(
        self,
        topology: Topology,
        weight: Floats,
        scores: Scores,
        state: State,
        rng: np.random.Generator,
        *,
        progress: float = 0.0,
        edges: int | None = None,
    ) -> Change:
        """Return the topology with some edges dropped and others grown.

        Args:
            topology: The edges so far.
            weight: [edges].
            scores: Of the last batch.
            state: The rule's; donated.
            rng: Draws candidates and fresh weights.
            progress: Share of the training done, for schedules.
            edges: How many there shall be; None: as many as before. An update adds or removes no more
                than the rule's share of them on the way there.

        Raises:
            Refused: Weight or scores do not fit the topology.
        """
        raise NotImplementedError


def follow(values: Values, moved: Ints, fresh: Any = 0) -> Values:
    """Return per-edge values, an array or a tensor, for the edges after a change.

    Args:
        values: [edges before, ...].
        moved: Of the change.
        fresh: The value of all grown edges, or [grown, ...].
    """
    given: Any = values
    nothing: Any = (len(moved), *given.shape[1:])
    if isinstance(values, np.ndarray):
        after: Any = (
            given.take(moved, 0, mode="clip") if len(given) else np.empty(nothing, given.dtype)
        )
        after[moved < 0] = fresh
        return after
    import torch

    places = torch.from_numpy(moved).to(given.device)
    after = given[places.clamp(min=0)] if len(given) else given.new_empty(nothing)
    after[places < 0] = torch.as_tensor(fresh, dtype=given.dtype, device=given.device)
    return after


def follow_optimizer(optimizer: Any, parameter: Any, moved: Ints) -> None:
    """Let an optimizer's state of one parameter follow a change of edges.

    Survivors keep theirs to the bit, grown edges start at 0. Scalars, such as a count of steps, stay.

    Args:
        optimizer: A torch optimizer whose state tensors have one entry per edge, as those of AdamW,
            SGD with momentum, Adagrad and RMSprop have.
        parameter: As the optimizer knows it; its values may have changed size already.
        moved: Of the change.

    Raises:
        Refused: A state tensor is for fewer edges than the change speaks of.
    """
    state = optimizer.state.get(parameter, {})
    arrays = {name: value for name, value in state.items() if getattr(value, "ndim", 0)}
    sizes = {len(value) for value in arrays.values()}
    if len(sizes) > 1:
        raise Refused(
            f"the optimizer keeps {sorted(sizes)} numbers for one parameter, so they do not belong to edges; "
            "take one such as AdamW or SGD"
        )
    for name, value in arrays.items():
        if len(value) <= moved.max(initial=-1):
            raise Refused(
                f"'{name}' of the optimizer has {len(value)} entries, fewer than edges before the change; "
                "let it follow each change once, in order"
            )
    for name, value in arrays.items():
        state[name] = follow(value, moved)


class Explored:
    """How many different edges there ever were, in constant memory.

    Of the hashes of all edges the `size` smallest are kept: exact while there are fewer edges than
    that, within 1 / sqrt(size) beyond, 0.8 % with the default.

    Source: Bar-Yossef et al. 2002 (k minimum values); the explored fraction is that of Liu et al. 2021,
        arXiv:2102.02887.
    Cost: edges seen log edges seen; 8 * size bytes.

    Attributes:
        possible: How many edges there could be.
        size: How many hashes are kept.
        least: int64, the smallest hashes, ascending; all there is to save.

    Example:
        >>> import numpy as np
        >>> explored = Explored(possible=100)
        >>> explored.see(np.array([3, 1, 4]))
        >>> explored.see(np.array([1, 5]))
        >>> explored.count, explored.fraction
        (4.0, 0.04)
    """

    def __init__(self, possible: int, size: int = 16384, least: Ints | None = None) -> None:
        if size < 2:
            raise Refused(f"size={size} is refused: a count needs at least 2 hashes; raise it")
        self.possible, self.size = possible, size
        self.least = np.empty(0, np.int64) if least is None else least

    def see(self, codes: Ints) -> None:
        """Count these edges, by their codes; those seen before count once."""
        for first in range(0, len(codes), CHUNK):
            hashes = _hash(codes[first : first + CHUNK])
            if len(self.least) == self.size:
                hashes = hashes[hashes < self.least[-1]]
            self.least = np.union1d(self.least, hashes)[: self.size]

    @property
    def count(self) -> float:
        """Different edges seen."""
        if len(self.least) < self.size:
            return float(len(self.least))
        below = (float(self.least[-1]) + 2.0**63) / 2.0**64
        return (self.size - 1) / below

    @property
    def fraction(self) -> float:
        """Different edges seen over possible edges; 0 where none is possible."""
        return min(1.0, self.count / self.possible) if self.possible else 0.0


def _hash(codes: Ints) -> Ints:
    """Mix the bits, one to one, so that no two codes share a hash (the finalizer of splitmix64)."""
    bits = codes.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return (bits ^ (bits >> np.uint64(31))).view(np.int64)
