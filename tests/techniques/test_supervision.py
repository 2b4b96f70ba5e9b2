from __future__ import annotations

from functools import partial
from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from potentiate.errors import NotApplicable
from potentiate.techniques.supervision import AveragedWeights, LabelSmoothing


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, nn.CrossEntropyLoss(), partial(F.cross_entropy, ignore_index=-1)]
)
def test_smoothed_loss_by_hand(run, loss):
    """Four classes, logits that give the probabilities 0.7 and three times 0.1; smoothing 0.2."""
    logits = torch.tensor([[0.7, 0.1, 0.1, 0.1]]).log()
    target = torch.tensor([0])
    step = LabelSmoothing(0.2).apply(run.edit_step(loss=loss)).step
    expected = -(0.85 * log(0.7) + 3 * 0.05 * log(0.1))
    assert float(step.loss(logits, target)) == pytest.approx(expected, rel=1e-6)


def test_other_settings_of_the_loss_are_kept(run):
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]), ignore_index=1)
    made = LabelSmoothing(0.3).apply(run.edit_step(loss=loss)).step.loss
    assert (made.weight is loss.weight, made.ignore_index, made.label_smoothing) == (True, 1, 0.3)


def test_validation_keeps_the_loss_of_the_workload(run):
    assert LabelSmoothing().apply(run).validate is run.validate


@pytest.mark.parametrize("loss", [F.mse_loss, nn.MSELoss(), partial(F.mse_loss, reduction="sum")])
def test_other_losses_have_nothing_to_smooth(run, loss):
    with pytest.raises(NotApplicable, match="works on cross entropy"):
        LabelSmoothing().apply(run.edit_step(loss=loss))


@pytest.mark.parametrize(
    "loss",
    [nn.CrossEntropyLoss(label_smoothing=0.1), partial(F.cross_entropy, label_smoothing=0.1)],
)
def test_smoothing_twice_is_refused(run, loss):
    with pytest.raises(NotApplicable, match=r"smoothed already, by 0\.1"):
        LabelSmoothing().apply(run.edit_step(loss=loss))


def test_average_by_hand(run):
    """The decay is the smaller of 0.5 and n / (n + 10), so 1/11, then 2/12."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)

    def toward(output, target):
        return (output * target).mean()

    made = AveragedWeights(0.5).apply(
        run.edit(model=model).edit_step(loss=toward, options={"lr": 1.0})
    )
    live = made.step.start(model, total_steps=10)
    batch = (torch.ones(1, 1), torch.ones(1, 1))
    average = 1.0
    for step, decay in ((1, 1 / 11), (2, 2 / 12)):
        live(batch)  # the gradient is 1, so the weight falls by 1
        assert model.weight.item() == pytest.approx(1.0 - step)
        average = decay * average + (1 - decay) * (1.0 - step)
        assert live.evaluated().weight.item() == pytest.approx(average)


def test_average_keeps_no_graph(run):
    live = AveragedWeights().apply(run).step.start(run.model, total_steps=10)
    for _ in range(2):
        live((torch.randn(8, 1, 8, 8), torch.arange(8) % 3))
    assert not any(p.requires_grad for p in live.evaluated().parameters())


def test_averaging_twice_is_refused(run):
    with pytest.raises(NotApplicable, match="already"):
        AveragedWeights().apply(AveragedWeights().apply(run))
