"""Whether numbers are finite, asked in every step and so at the least cost."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

_torch: Any = torch  # its functions on lists of tensors have no public names


def finite(tensor: Tensor) -> bool:
    """Return whether all numbers of a tensor, dense or sparse, are finite."""
    values = tensor.coalesce().values() if tensor.is_sparse else tensor
    return bool(torch.isfinite(values).all())


class GradientCheck:
    """Tells whether all gradients of `parameters` are finite; reads each once and changes none.

    Small ones share one call, that of loss scaling with a factor of 1, because what a call finds cold
    in the caches costs more than their numbers. Large ones on the CPU are summed, which reads without
    writing; a sum is not finite if any part is not, and one that overflows is looked at exactly.
    Elsewhere all share the one call, because each sum would wait for the device.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._large = [p for p in parameters if _is_large(p)]
        self._small = [p for p in parameters if not _is_large(p)]
        self._overflow = torch.zeros(1, device=parameters[0].device)
        self._one = torch.ones_like(self._overflow)

    def __call__(self) -> bool:
        """Return whether the gradients at hand are finite; a weight without one counts as such."""
        small = [g for p in self._small if (g := p.grad) is not None]
        large = [g for p in self._large if (g := p.grad) is not None]
        if small:
            try:
                _torch._amp_foreach_non_finite_check_and_unscale_(small, self._overflow, self._one)
            except RuntimeError:  # sparse or complex
                self._overflow.zero_()
                return all(map(finite, small + large))
            if self._overflow.item():
                self._overflow.zero_()
                return False
        return all(isfinite(gradient.sum()) or finite(gradient) for gradient in large)


def _is_large(parameter: Tensor) -> bool:
    on_cpu = parameter.device.type == "cpu"
    # Up to here a call of its own costs more than the writing that it saves.
    return on_cpu and parameter.is_floating_point() and parameter.numel() > 65536
