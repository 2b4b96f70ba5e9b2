"""What `evolve` promises of its training, held against the same training spelled by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from potentiate.models.plastic import PlasticNet, Rewiring, StructuralStep, evolve
from potentiate.models.plastic.step import GAIN
from potentiate.plasticity.structural import STRUCTURAL
from potentiate.schedules import OneCycle


def batches(count):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(16) % 3
    return [(torch.randn(16, 12, generator=generator), labels) for _ in range(count)]


def net(**more):
    return PlasticNet(30, 12, 3, iterations=1, initial_sparsity=0.5, **more)


def test_without_changes_it_is_adamw_with_smoothed_labels_on_one_cycle():
    model, other, data = net(inhibitory=None), net(inhibitory=None), batches(4)
    evolve(model, data, data, epochs=2, lr=0.01, rule="static")
    optimizer, shape = torch.optim.AdamW(other.parameters(), weight_decay=1e-4), OneCycle()
    for done, (x, y) in enumerate(data + data):
        optimizer.param_groups[0]["lr"] = 0.01 * shape(done / 8)
        optimizer.zero_grad()
        F.cross_entropy(other(x), y, label_smoothing=0.1).backward()
        optimizer.step()
    for (name, mine), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, msg=name)


def test_each_epoch_learns_in_training_mode_and_is_judged_in_the_other():
    class Noted(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.modes = net(), []

        def forward(self, x):
            self.modes.append(self.training)
            return self.net(x)

    model = Noted()
    evolve(model, batches(2), batches(1), epochs=2)
    assert model.modes == [True, True, False] * 2


@pytest.mark.parametrize(("target", "factor"), [(1e-6, GAIN[0]), (1.0, GAIN[1])])
def test_homeostasis_scales_by_no_more_than_its_clamp(target, factor):
    plan = Rewiring(
        STRUCTURAL["static"](), homeostasis=1e6, target_rate=target, homeostasis_every=1
    )
    model = net()
    step = StructuralStep(
        F.cross_entropy, torch.optim.SGD, {"lr": 0.0}, rewiring=plan, seed=0
    ).start(model, 100)
    before = model.core.weight.detach().clone()
    step(batches(1)[0])
    into = torch.repeat_interleave(step.firing["core"], model.core.ends.diff())
    scaled = (into > target) if target < 0.5 else (into < target)
    assert scaled.any()
    torch.testing.assert_close(model.core.weight.detach()[scaled], factor * before[scaled])
