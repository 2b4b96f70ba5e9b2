"""Whether a workload can be studied at all: five checks before anything is compared."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

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


def _weights(training: Training) -> list[torch.Tensor]:
    """All that learning changes; without gradients it is in buffers."""
    model = training.run.model
    return [tensor.detach().clone() for tensor in (*model.parameters(), *model.buffers())]


def _equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _repeatable(w: Workload, t: Sequence[Technique], seed: int, device: str) -> tuple[bool, str]:
    runs = list[list[torch.Tensor]]()
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
    batch = next(training.run.batches.start(0, training.device))
    inputs, target = step.split(batch)
    if not isinstance(inputs, torch.Tensor) or not inputs.is_floating_point():
        return True, "inputs are not floats; not checked"
    model: nn.Module = copy.deepcopy(training.run.model).double().eval()
    target = (
        target.double()
        if isinstance(target, torch.Tensor) and target.is_floating_point()
        else target
    )

    def loss() -> torch.Tensor:
        return step.loss(model(inputs.double()), target)

    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True, materialize_grads=True)
    along = _direction(gradients, seed)
    expected = sum(float((g * d).sum()) for g, d in zip(gradients, along, strict=True))
    # Small, so that few of a large batch's rectifiers switch within it; the loss still moves by 1e7 roundings.
    size, ends = 1e-8, list[float]()
    with torch.no_grad():
        for sign in (1.0, -2.0):  # from the start to +size, from there to -size
            for p, d in zip(parameters, along, strict=True):
                p.add_(d, alpha=sign * size)
            ends.append(float(loss()))
    measured = (ends[0] - ends[1]) / (2 * size)
    error = abs(measured - expected) / max(abs(expected), 1e-8)
    return error < 1e-3, f"relative error {error:.1e} along the gradient and at random, in float64"


def _direction(gradients: Sequence[torch.Tensor], seed: int) -> list[torch.Tensor]:
    """The gradient plus something random, both of length 1: along the sum the loss surely changes."""
    generator = torch.Generator().manual_seed(seed)
    random = [torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in gradients]
    lengths = [math.sqrt(sum(float((d**2).sum()) for d in ds)) or 1.0 for ds in (gradients, random)]
    return [
        g / lengths[0] + r.to(g.device) / lengths[1] for g, r in zip(gradients, random, strict=True)
    ]
