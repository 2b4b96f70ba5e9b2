from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn, optim

from potentiate import GradientStep
from potentiate.errors import NotApplicable, Refused
from potentiate.techniques.batch import BatchSize, GradientAccumulation


@pytest.mark.parametrize(
    ("kind", "rule", "rate"),
    [
        (optim.SGD, "auto", 0.4),  # four times the samples: linear
        (optim.AdamW, "auto", 0.2),  # square root
        (optim.RMSprop, "auto", 0.2),
        (optim.Adadelta, "auto", 0.1),  # its unit is its own
        (optim.Adadelta, "linear", 0.4),
        (optim.SGD, "sqrt", 0.2),
        (optim.SGD, "none", 0.1),
    ],
)
def test_rate_follows_the_rule(run, kind, rule, rate):
    before = run.edit_step(optimizer=kind)
    after = BatchSize(32, rule).apply(before)
    assert after.batches.size == 32
    assert after.step.options["lr"] == pytest.approx(rate)


def test_smaller_batches_lower_the_rate(run):
    assert BatchSize(2).apply(run).step.options["lr"] == pytest.approx(0.025)


def test_nothing_else_is_scaled(run):
    before = run.edit_step(
        options={"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}, average=0.9, accumulate=2
    )
    after = BatchSize(16).apply(before)
    assert after.step == replace(before.step, options={**before.step.options, "lr": 0.2})
    assert after.edit(batches=before.batches, step=before.step) == before


def test_rate_that_is_not_stated_is_the_optimizers_default(run):
    after = BatchSize(32).apply(run.edit_step(optimizer=optim.Adam, options={}))
    assert after.step.options["lr"] == pytest.approx(2e-3)


def test_same_size_is_the_same_run(run):
    assert BatchSize(8).apply(run) is run


def test_unknown_optimizer_needs_a_stated_rule(run):
    def build(parameters, **options):
        return optim.SGD(parameters, **options)

    strange = run.edit_step(optimizer=build)
    with pytest.raises(NotApplicable, match="state lr_rule=none"):
        BatchSize(16).apply(strange)
    assert BatchSize(16, "linear").apply(strange).step.options["lr"] == pytest.approx(0.2)


def test_partial_optimizer_is_seen_through(run):
    after = BatchSize(32).apply(run.edit_step(optimizer=partial(optim.Adam, amsgrad=True)))
    assert after.step.options["lr"] == pytest.approx(0.2)


def test_more_than_the_training_set_is_refused(run):
    with pytest.raises(NotApplicable, match="exceeds the 42 training samples"):
        BatchSize(43).apply(run)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_accumulated_gradient_is_that_of_the_full_batch(run, parts):
    """17 samples, so that the parts differ in size; in double precision only rounding is left."""
    inputs, target = torch.randn(17, 1, 8, 8, dtype=torch.float64), torch.arange(17) % 3
    gradients = []
    for step in (run.step, GradientAccumulation(parts).apply(run).step):
        model = run.model.double()
        live = step.start(model, total_steps=10)
        loss = live._gradients((inputs, target))
        gradients.append([loss, *(p.grad.clone() for p in model.parameters())])
        live.optimizer.zero_grad()
    for whole, sum_of_parts in zip(*gradients, strict=True):
        assert torch.allclose(whole, sum_of_parts, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(reduction="sum"),
        nn.CrossEntropyLoss(weight=torch.ones(3)),
        nn.CrossEntropyLoss(ignore_index=0),
        partial(F.cross_entropy, weight=torch.ones(3)),
        partial(F.cross_entropy, reduction="sum"),
    ],
)
def test_losses_that_do_not_add_up_are_refused(run, loss):
    with pytest.raises(NotApplicable, match="not a plain mean"):
        GradientAccumulation().apply(run.edit_step(loss=loss))


def test_targets_that_the_loss_skips_are_refused_in_parts(run):
    live = GradientAccumulation(2).apply(run).step.start(run.model, total_steps=10)
    target = torch.tensor([0, 1, -100, 2])
    with pytest.raises(Refused, match="targets of -100 are left out of the mean"):
        live((torch.randn(4, 1, 8, 8), target))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), F.mse_loss])
def test_plain_means_are_accepted(run, loss):
    assert GradientAccumulation(4).apply(run.edit_step(loss=loss)).step.accumulate == 4


def test_batch_normalization_would_see_parts(run):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with pytest.raises(NotApplicable, match="batch normalization"):
        GradientAccumulation().apply(run.edit(model=model))


def test_only_gradient_steps_are_edited(run):
    class Step:
        def start(self, model, total_steps, position=0):
            raise AssertionError

    with pytest.raises(NotApplicable, match="has a Step"):
        GradientAccumulation().apply(run.edit(step=Step()))
    assert isinstance(run.step, GradientStep)
