"""The gradient step: forward, backward, update; as a declaration that techniques edit, and live."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from potentiate.errors import NonFinite, Refused
from potentiate.finite import GradientCheck, finite
from potentiate.schedules import Constant, Schedule

Loss = Callable[[Any, Any], Tensor]

_torch: Any = torch  # its functions on lists of tensors have no public names

IGNORED = -100
"""The target that PyTorch's losses skip unless told otherwise."""
SMALLEST_SCALE = 2.0**-16
"""A loss scale that halving from 2^16 reaches only where no scale helps."""


def inputs_and_target(batch: Any) -> tuple[Any, Any]:
    """Split a batch (inputs, target): the order of `TensorDataset` and of most data sets."""
    inputs, target = batch
    return inputs, target


@dataclass(frozen=True)
class GradientStep:
    """Minimize a loss by one optimizer update per batch.

    Attributes:
        loss: (output, target) -> mean loss of the batch, a scalar.
        optimizer: (parameters, **options) -> a torch optimizer.
        options: Its settings; "lr" is the rate that `schedule` multiplies.
        schedule: Progress in [0, 1) -> factor on the rate.
        split: batch -> (inputs, target).
        autocast: Precision of forward pass and loss; None computes as the parameters are.
        scale: Scale the loss so that fp16 gradients do not underflow; overflowing steps are skipped.
        accumulate: Parts that a batch is computed in; gradients are added, weighted by part size.
        average: Decay of the exponential average of the weights that is judged in their place; 1: the mean
            of all weights so far.
        memory_format: Layout that image inputs are brought into.
    """

    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    schedule: Schedule = field(default_factory=Constant)
    split: Callable[[Any], tuple[Any, Any]] = inputs_and_target
    autocast: torch.dtype | None = None
    scale: bool = False
    accumulate: int = 1
    average: float | None = None
    memory_format: torch.memory_format | None = None

    varied: ClassVar[bool] = False
    """Whether steps differ in the shapes that they compute with."""

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LiveGradientStep:
        """Build optimizer, scaler and average for `model`, which already sits on its device."""
        return LiveGradientStep(self, model, total_steps, position)


class LiveGradientStep:
    """A gradient step at work. Its state is complete: what `load_state_dict` gets, it continues from."""

    def __init__(
        self, spec: GradientStep, model: nn.Module, total_steps: int, position: int
    ) -> None:
        self.spec, self.model, self.total_steps, self.done = spec, model, total_steps, position
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            raise Refused(
                "the model has no parameter that requires a gradient; nothing can be learned"
            )
        self.device = self.parameters[0].device
        self.optimizer = _optimizer(spec, self.parameters)
        if isinstance(spec.loss, nn.Module):  # weights of classes live where the outputs are
            spec.loss.to(self.device)
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.scaler = torch.amp.GradScaler(self.device.type) if spec.scale else None
        average = spec.average is not None
        self.averaged = copy.deepcopy(model).requires_grad_(False) if average else None
        self.skipped = 0  # updates left out because scaled gradients overflowed
        self.mark: Callable[[str], None] = _unmarked
        self._autocast = (
            partial(torch.autocast, self.device.type, spec.autocast)
            if spec.autocast
            else nullcontext
        )
        self._constant = isinstance(spec.schedule, Constant)
        self._buffers = _changing(model)
        self._buffers_before = [b.clone() for b in self._buffers]
        self._gradients_finite = GradientCheck(self.parameters)

    def __call__(self, batch: Any) -> Tensor:
        """Learn from one batch; return its loss, detached.

        Raises:
            NonFinite: The loss or a gradient is not finite; weights, buffers and optimizer are unchanged.
        """
        self._forget_gradients()
        if self._buffers:
            _torch._foreach_copy_(self._buffers_before, self._buffers)
        loss = self._gradients(batch)
        self._refuse_non_finite(loss, batch)
        if not self._constant:
            self._set_rates()
        self.mark("optimizer")
        if self.scaler is None:
            self.optimizer.step()
        else:
            self._step_scaled(self.scaler)
        self.done += 1
        if self.averaged is not None:
            self._average()
        return loss

    def _step_scaled(self, scaler: torch.amp.GradScaler) -> None:
        scaler.step(self.optimizer)
        before = scaler.get_scale()
        scaler.update()
        self.skipped += scaler.get_scale() < before
        if scaler.get_scale() < SMALLEST_SCALE:
            raise NonFinite(
                f"step {self.done + 1}: the gradient overflows fp16 at every loss scale, so nothing is "
                "learned; try bf16 or full precision"
            )

    def _forget_gradients(self) -> None:
        for parameter in self.parameters:  # 4 us less than the optimizer's own, which also profiles
            parameter.grad = None

    def _set_rates(self) -> None:
        factor = self.spec.schedule(min(self.done / self.total_steps, 1.0))
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def _gradients(self, batch: Any) -> Tensor:
        inputs, target = self.spec.split(batch)
        if self.spec.accumulate == 1:
            return self._forward_backward(inputs, target, 1.0)
        if not isinstance(inputs, Tensor) or not isinstance(target, Tensor):
            raise Refused(
                f"a batch of {type(inputs).__name__} and {type(target).__name__} cannot be computed in "
                "parts; leave gradient-accumulation out, or give inputs and targets as tensors"
            )
        if not target.is_floating_point() and bool((target == IGNORED).any()):
            raise Refused(
                f"targets of {IGNORED} are left out of the mean, so parts of a batch do not add up; leave "
                "gradient-accumulation out"
            )
        pieces, targets = inputs.chunk(self.spec.accumulate), target.chunk(self.spec.accumulate)
        shares = [len(piece) / len(inputs) for piece in pieces]
        parts = zip(pieces, targets, shares, strict=True)
        return torch.stack([self._forward_backward(x, y, share) for x, y, share in parts]).sum()

    def _forward_backward(self, inputs: Any, target: Any, share: float) -> Tensor:
        layout = self.spec.memory_format
        if layout is not None and isinstance(inputs, Tensor) and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=layout)
        self.mark("forward")
        with self._autocast():
            loss = self.spec.loss(self.model(inputs), target)
        if share != 1.0:
            loss = loss * share
        self.mark("backward")
        scaled: Any = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()
        return loss.detach()

    def _refuse_non_finite(self, loss: Tensor, batch: Any) -> None:
        value = float(loss)
        sound = value - value == 0.0
        if sound and self.scaler is None:  # a scaler expects overflow and skips the update
            sound = self._gradients_finite()
        if not sound:
            culprit = self._culprit(value, batch)
            self._forget_gradients()
            if self._buffers:
                _torch._foreach_copy_(self._buffers, self._buffers_before)
            raise NonFinite(culprit)

    def _culprit(self, value: float, batch: Any) -> str:
        where = f"step {self.done + 1}"
        inputs, _ = self.spec.split(batch)
        if isinstance(inputs, Tensor) and not finite(inputs):
            return f"{where}: the input holds numbers that are not finite; clean or mask the data before training"
        if value - value != 0.0:
            return (
                f"{where}: the loss is {value}; try a lower learning rate, and if it fails at once check the "
                "loss function and the targets"
            )
        named = self.model.named_parameters()
        names = [n for n, p in named if p.grad is not None and not finite(p.grad)]
        return (
            f"{where}: the gradient of '{names[0]}' is not finite (the loss is {value:.4g}); try a lower "
            "learning rate or full precision"
        )

    def _average(self) -> None:
        assert self.averaged is not None
        assert self.spec.average is not None
        # Early weights are soon forgotten, but by a plain mean.
        early = 1.0 if self.spec.average == 1.0 else 10.0
        decay = min(self.spec.average, self.done / (self.done + early))
        with torch.no_grad():  # or the average would keep the graph of every step alive
            averaged, current = list(self.averaged.parameters()), list(self.model.parameters())
            _torch._foreach_lerp_(averaged, current, 1.0 - decay)

    def evaluated(self) -> nn.Module:
        """Return the averaged network when there is one, with the current buffers, else the model."""
        if self.averaged is None:
            return self.model
        for averaged, current in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            averaged.copy_(current)
        return self.averaged

    def state_dict(self) -> dict[str, Any]:
        """Return optimizer, scaler, average and count; the model's own state is not repeated."""
        return {
            "done": self.done,
            "optimizer": self.optimizer.state_dict(),
            "skipped": self.skipped,
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which may be that of an optimizer that has not stepped yet."""
        self.done, self.skipped = state["done"], state["skipped"]
        self.optimizer.state.clear()  # torch keeps entries that the loaded state lacks
        # torch would go on in the very tensors of the state, which may be needed again.
        self.optimizer.load_state_dict(copy.deepcopy(dict(state["optimizer"])))
        if self.scaler is not None:
            self.scaler.load_state_dict(dict(state["scaler"]))
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])


def _changing(model: nn.Module) -> list[Tensor]:
    """Buffers that a forward pass may change; a module names those that none does as its `constants`."""
    found = list[Tensor]()
    for module in model.modules():
        constants: frozenset[str] = getattr(module, "constants", frozenset[str]())
        named = module.named_buffers(recurse=False)
        found.extend(buffer for name, buffer in named if name not in constants)
    return found


def _optimizer(spec: GradientStep, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    try:
        return spec.optimizer(parameters, **spec.options)
    except (TypeError, ValueError, RuntimeError) as error:
        name = getattr(spec.optimizer, "__name__", "the optimizer")
        settings = ", ".join(f"{key}={value}" for key, value in spec.options.items())
        raise Refused(
            f"{name} does not take {settings} on this network ({error}); change the recipe"
        ) from error


def _unmarked(part: str) -> None:
    """Profiling replaces this; see `potentiate.measure`."""
