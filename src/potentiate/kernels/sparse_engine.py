"""What every engine of sparse products does, for arrays [units, slots, samples] with the samples contiguous.

A slot is an iteration of a recurrent map; a plain map has one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Engine(ABC):
    """The products W x, W^T grad, and of both on the edges, for one weight W."""

    @abstractmethod
    def ahead(self, x: Tensor, out: Tensor) -> None:
        """Write W x into `out`, both of one slot."""

    @abstractmethod
    def iterate(self, trace: Tensor) -> None:
        """Write max(0, W h) of each slot of `trace` [neurons, slots, samples] into the next."""

    @abstractmethod
    def turn(self, room: Tensor) -> None:
        """Make ready for the ways back; the weights by source may be written into `room` [edges]."""

    @abstractmethod
    def back(self, grad: Tensor, out: Tensor) -> None:
        """Write W^T grad into `out` of one slot, from the first slot of `grad`; `turn` comes first."""

    @abstractmethod
    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """Fill `errors` from its last slot, `grad`, to its first: W^T of each is the one before.

        All are 0 where `trace` is not positive in the slot that they belong to, the one after theirs.
        `turn` comes first.
        """

    @abstractmethod
    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """Write into `out` [edges] the sums over the slots of `grad`, and samples, of x[source] grad[target]."""

    def back_and_products(self, x: Tensor, grad: Tensor, out: Tensor, products: Tensor) -> None:
        """Write W^T grad into `out` and what the edges' products are into `products`; all of one slot."""
        self.turn(products)  # room for the weights by source, until it gets its own values
        self.back(grad, out)
        self.products(x, grad, products)
