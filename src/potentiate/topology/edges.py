"""Sparse directed connectivity in compressed rows: the sources of each target, in ascending order.

Row t holds the sources of target t, so shapes are those of a linear layer's weight, (targets, sources).
Every pair of them is numbered, row by row, without the pairs that may not be (a neuron with itself in a
recurrent topology): a random topology is a set of such numbers, and nothing ever lists the pairs.

Memory: 2 bytes an edge up to 32,767 neurons, else 4, and 8 a row. Numbers of pairs are int64, so that
N = 100,000 has room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentiate.errors import Refused

Ints = NDArray[np.int64]
Units = NDArray[np.signedinteger[Any]]
"""Numbers of neurons, in as few bytes as hold all of them."""


@dataclass(frozen=True, eq=False)
class Topology:
    """Edges from sources to targets.

    Attributes:
        ends: int64 [targets + 1]; the sources of target t are `sources[ends[t]:ends[t + 1]]`.
        sources: int16 or int32 [edges], see `unit_type`, ascending within each row, no two alike.
        shape: (targets, sources).
        recurrent: Both are the same neurons, and none is its own source.
    """

    ends: Ints
    sources: Units
    shape: tuple[int, int]
    recurrent: bool = False

    def __post_init__(self) -> None:
        targets, sources = self.shape
        if targets < 0 or not 0 <= sources < 2**31:
            raise Refused(f"a topology has targets and sources, got {self.shape}; check the shape")
        if self.recurrent and targets != sources:
            raise Refused(f"a recurrent topology has as many targets as sources, got {self.shape}")

    @classmethod
    def from_pairs(
        cls,
        targets: ArrayLike,
        sources: ArrayLike,
        shape: tuple[int, int],
        *,
        recurrent: bool = False,
    ) -> Topology:
        """Return the topology of these edges, in any order.

        Raises:
            Refused: An edge out of the shape, an edge twice, or a neuron that is its own source.
        """
        rows, columns = np.asarray(targets, np.int64), np.asarray(sources, np.int64)
        if rows.shape != columns.shape or rows.ndim != 1:
            raise Refused(
                f"edges need a target for each source, got {rows.shape} and {columns.shape}"
            )
        if rows.size and (
            min(rows.min(), columns.min()) < 0
            or rows.max() >= shape[0]
            or columns.max() >= shape[1]
        ):
            raise Refused(f"an edge lies outside of {shape}; check its target and source")
        if recurrent and bool((rows == columns).any()):
            raise Refused("an edge leads from a neuron to itself; leave it out")
        codes = np.sort(rows * shape[1] + columns)
        if bool((codes[1:] == codes[:-1]).any()):
            raise Refused("an edge is given twice; give each once")
        return cls.from_codes(codes, shape, recurrent=recurrent)

    @classmethod
    def from_numbers(
        cls, numbers: Ints, shape: tuple[int, int], *, recurrent: bool = False
    ) -> Topology:
        """Return the topology of the pairs with these ascending numbers, each below `possible`."""
        if not recurrent:
            return cls.from_codes(numbers, shape, recurrent=False)
        rows, columns = np.divmod(numbers, max(1, shape[1] - 1))
        columns += columns >= rows  # the diagonal has no numbers
        return cls.from_codes(rows * shape[1] + columns, shape, recurrent=True)

    @classmethod
    def from_codes(cls, codes: Ints, shape: tuple[int, int], *, recurrent: bool) -> Topology:
        """Return the topology of the edges with these ascending codes, target * sources + source; unchecked."""
        ends = np.searchsorted(codes, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
        sources = (codes % max(1, shape[1])).astype(unit_type(shape))
        return cls(ends.astype(np.int64), sources, shape, recurrent)

    @property
    def edges(self) -> int:
        """How many there are."""
        return len(self.sources)

    @property
    def possible(self) -> int:
        """How many there could be: N (N - 1) among N neurons of a recurrent topology."""
        return self.shape[0] * self.shape[1] - (self.shape[0] if self.recurrent else 0)

    @property
    def density(self) -> float:
        """Edges over possible edges; 0 where none is possible."""
        return self.edges / self.possible if self.possible else 0.0

    @property
    def targets(self) -> Units:
        """The target of each edge, of the type of `sources`; made anew at each call."""
        rows = np.arange(self.shape[0], dtype=unit_type(self.shape))
        return np.repeat(rows, np.diff(self.ends))

    @property
    def codes(self) -> Ints:
        """Target * sources + source of each edge, ascending; made anew at each call."""
        return self.targets.astype(np.int64) * self.shape[1] + self.sources

    def codes_of(self, edges: Ints) -> Ints:
        """Target * sources + source of these edges, by their places."""
        rows = np.searchsorted(self.ends, edges, side="right") - 1
        return rows * self.shape[1] + self.sources[edges]

    def fan_in(self) -> Ints:
        """Sources of each target, [targets]."""
        return np.diff(self.ends)

    def fan_out(self) -> Ints:
        """Targets of each source, [sources]."""
        return np.bincount(self.sources, minlength=self.shape[1])

    def holds(self, targets: ArrayLike, sources: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of these pairs is an edge. Cost: a binary search for each pair."""
        asked = np.asarray(targets, np.int64) * self.shape[1] + np.asarray(sources, np.int64)
        codes = self.codes
        at = np.minimum(np.searchsorted(codes, asked), max(0, len(codes) - 1))
        return codes[at] == asked if len(codes) else np.zeros(asked.shape, np.bool_)

    @property
    def reversed(self) -> tuple[Ints, Units]:
        """The targets of each source, ascending: ends [sources + 1], targets [edges]; made anew at each call.

        Cost: two passes over the edges.
        """
        from scipy.sparse import csr_array

        nothing = np.empty(self.edges, np.int8)  # only where the edges lie matters
        by_row: Any = csr_array((nothing, self.sources, self.ends), shape=self.shape)
        by_column = by_row.tocsc()
        targets = by_column.indices.astype(unit_type(self.shape), copy=False)
        return by_column.indptr.astype(np.int64, copy=False), targets


def unit_type(shape: tuple[int, int]) -> type[np.int16] | type[np.int32]:
    """Return the type of neurons' numbers: int16 up to 32,767 of them, else int32."""
    return np.int16 if max(shape) <= np.iinfo(np.int16).max else np.int32


def dale_signs(neurons: int, inhibitory: float = 0.2) -> NDArray[np.int8]:
    """Return +1 or -1 for each neuron, int8 [neurons]: the last share of them inhibits.

    Source: Dale's law, all synapses of a neuron have one sign; 20 % inhibitory as in cortex
        (Braitenberg & Schuz 1998).
    """
    if neurons < 0 or not 0.0 <= inhibitory <= 1.0:
        raise Refused(
            f"the inhibitory share must lie in [0, 1], got {inhibitory} of {neurons} neurons"
        )
    signs = np.ones(neurons, np.int8)
    signs[neurons - round(inhibitory * neurons) :] = -1
    return signs
