"""Whether a workload can be studied at all: five checks before anything is compared."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from potentiate.engine import train
from potentiate.events import Started, Stepped
from potentiate.steps import GradientStep
from potentiate.study.record import GRADIENT
from potentiate.techniques.base import Technique
from potentiate.trace import without_dropout
from potentiate.training import Training, copied
from potentiate.workload import Workload

Check = tuple[str, bool, str]

STEPS = 6
FIT_STEPS = 60

STEP = 1e-7
"""What a tensor is moved by to differentiate, of its norm: few of a large batch's rectifiers switch."""
TOLERANCE = 1e-2
ROUNDINGS = 100.0
"""Roundings of the loss that a difference may be off by."""
LEAN = 3.0
"""Length of the gradient's part in a direction whose random part has length 1 along any error."""
MOST_TENSORS = 30


def check(
    workload: Workload, techniques: Sequence[Technique] = (), seed: int = 0, device: str = "cpu"
) -> list[Check]:
    """Return (what, whether it holds, detail) for each check; all run even if one fails."""
    asked = {
        "the same seed gives the same run": _repeatable,
        "a run stopped and resumed equals one that was not": _resumable,
        "evaluating twice gives the same metrics": _evaluation,
        "one batch can be learned": _learnable,
        GRADIENT: _gradient,
    }
    results = list[Check]()
    for what, holds in asked.items():
        try:
            passed, detail = holds(workload, techniques, seed, device)
        except Exception as error:  # whatever a workload raises is an answer
            passed, detail = False, f"{type(error).__name__}: {error}".splitlines()[0]
        results.append((what, passed, detail))
    return results


def _started(
    workload: Workload, techniques: Sequence[Technique], seed: int, device: str
) -> tuple[Training, Iterator[object]]:
    events = train(
        workload, techniques, seed=seed, device=device, warmup=0, max_steps=STEPS, test=False
    )
    return next(e.training for e in events if isinstance(e, Started)), events


def _weights(training: Training) -> list[Tensor]:
    """All that learning changes; without gradients it is in buffers."""
    model = training.run.model
    return [tensor.detach().clone() for tensor in (*model.parameters(), *model.buffers())]


def _equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _repeatable(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    runs = list[list[Tensor]]()
    for _ in range(2):
        training, events = _started(w, t, seed, device)
        for _ in events:
            pass
        runs.append(_weights(training))
    same = _equal(*runs)
    return same, f"weights after {STEPS} steps are {'bitwise equal' if same else 'different'}"


def _resumable(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    training, events = _started(w, t, seed, device)
    half = None
    for event in events:
        if isinstance(event, Stepped) and event.step == STEPS // 2:
            half = copied(training.state())
    whole = _weights(training)
    assert half is not None
    events = train(
        w, t, seed=seed, device=device, warmup=0, max_steps=STEPS, test=False, resume=half
    )
    resumed = next(e.training for e in events if isinstance(e, Started))
    for _ in events:
        pass
    same = _equal(whole, _weights(resumed))
    return (
        same,
        f"stopped after {STEPS // 2} of {STEPS} steps: {'bitwise equal' if same else 'different'}",
    )


def _evaluation(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    training, _ = _started(w, t, seed, device)
    first, second = (dict(training.run.validate(training.step.evaluated())) for _ in range(2))
    if w.target.metric not in first:
        return (
            False,
            f"the target metric '{w.target.metric}' is not among {', '.join(sorted(first))}",
        )
    return (
        first == second,
        f"{w.target.metric} {first[w.target.metric]:.4f} twice" if first == second else "differ",
    )


def _learnable(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    training, _ = _started(without_dropout(w), t, seed, device)
    batch = next(training.run.batches.start(0, training.device))
    training.run.model.train()
    losses = [float(training.step(batch)) for _ in range(FIT_STEPS)]
    return losses[-1] < losses[
        0
    ], f"loss {losses[0]:.3g} to {losses[-1]:.3g} in {FIT_STEPS} steps on one batch"


def _gradient(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    training, _ = _started(w, t, seed, device)
    step = training.run.step
    if not isinstance(step, GradientStep):
        return True, "learning is not by gradient"
    if step.varied:
        return True, "each step draws views of a batch, and its loss has no target; not checked"
    inputs, target = step.split(next(training.run.batches.start(0, training.device)))
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        return True, "inputs are not floats; not checked"
    model: nn.Module = copy.deepcopy(training.run.model).double().eval()
    criterion = step.loss
    if isinstance(criterion, nn.Module):  # which may hold weights of classes
        criterion = copy.deepcopy(criterion).double()
    if isinstance(target, Tensor) and target.is_floating_point():
        target = target.double()

    def loss() -> Tensor:
        torch.manual_seed(seed)  # noise that the network draws is the same each time
        return criterion(model(inputs.double()), target)

    try:
        loss()
    except RuntimeError as error:  # what fails in float32 too, other checks tell of
        return True, f"no loss in float64 ({str(error).splitlines()[0]}); not checked"
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    off = _disagreements(loss, named, torch.Generator().manual_seed(seed))
    where, (error, allowed) = max(off.items(), key=lambda item: item[1][0] / item[1][1])
    detail = f"{where} is off by {error:.1e} of its size, {allowed:.1e} allowed, in float64"
    return error <= allowed, detail


def _disagreements(
    loss: Callable[[], Tensor], named: Mapping[str, Tensor], generator: torch.Generator
) -> dict[str, tuple[float, float]]:
    """Return by how much each gradient disagrees with differences of `loss`, and what rounding allows.

    Each tensor is asked alone, or a lost gradient would hide behind the others. Its direction is
    random, so that no error is orthogonal to it, and leans on the gradient, so that a wrong length shows.
    """
    tensors = list(named.values())
    sizes = [_norm([p]) or 1.0 for p in tensors]
    _leave_corners(tensors, generator)
    gradients = torch.autograd.grad(loss(), tensors, allow_unused=True, materialize_grads=True)
    off = dict[str, tuple[float, float]]()
    for i in map(int, torch.randperm(len(tensors), generator=generator)[:MOST_TENSORS]):
        part = slice(i, i + 1)
        lean = LEAN / (_norm(gradients[part]) or 1.0)
        along = [_random(tensors[i], generator) + lean * gradients[i]]
        off[f"the gradient of {list(named)[i]}"] = _disagreement(
            loss, tensors[part], gradients[part], along, sizes[i]
        )
    whole = _norm(gradients) or 1.0
    along = [g / whole for g in gradients]
    off["the whole gradient"] = _disagreement(loss, tensors, gradients, along, math.hypot(*sizes))
    return off


def _disagreement(
    loss: Callable[[], Tensor],
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor],
    along: Sequence[Tensor],
    size: float,
) -> tuple[float, float]:
    """Return how far the slope of `loss` is from that of `gradients`, as a share, and what is allowed.

    The weights move by STEP times `size` either way and come back to the last bit.
    """
    step, ends = STEP * size / (_norm(along) or 1.0), list[float]()
    with torch.no_grad():
        starts = [p.clone() for p in tensors]
        for sign in (1.0, -1.0):
            for p, start, d in zip(tensors, starts, along, strict=True):
                p.copy_(start + sign * step * d)
            ends.append(float(loss()))
        for p, start in zip(tensors, starts, strict=True):
            p.copy_(start)
    measured = (ends[0] - ends[1]) / (2 * step)
    expected = sum(float((g * d).sum()) for g, d in zip(gradients, along, strict=True))
    error = abs(measured - expected)
    if not math.isfinite(error):
        return math.inf, TOLERANCE
    largest = max(abs(measured), abs(expected), _norm(gradients)) or 1.0
    rounding = ROUNDINGS * torch.finfo(torch.float64).eps * max(map(abs, ends)) / step
    return error / largest, TOLERANCE + rounding / largest


def _leave_corners(tensors: Sequence[Tensor], generator: torch.Generator) -> None:
    """Replace weights of 0: they keep rectifiers in the corner and the gradient of other layers at 0."""
    with torch.no_grad():
        for p in tensors:
            p.copy_(torch.where(p == 0.0, 0.01 * _random(p, generator), p))


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float((t.detach() ** 2).sum()) for t in tensors))
