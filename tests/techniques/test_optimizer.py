from __future__ import annotations

import copy

import pytest
import torch
from torch import nn, optim

from potentiate.errors import NotApplicable, Refused
from potentiate.techniques import arrange
from potentiate.techniques.optimizer import KINDS, FusedOptimizer, Optimizer
from potentiate.techniques.reference import parse


def test_options_of_the_old_optimizer_go_with_it(tiny):
    run = tiny(momentum=0.9, weight_decay=0.1).build(0)
    made = Optimizer("Adam", lr=0.01).apply(run)
    assert made.step.optimizer is optim.Adam
    assert made.step.options == {"lr": 0.01, "fused": True}


def test_nothing_is_fused_where_torch_cannot(run):
    assert Optimizer("Adadelta", weight_decay=0.1).apply(run).step.options == {"weight_decay": 0.1}


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"Muon"}))
def test_every_optimizer_updates(run, kind):
    made = Optimizer(kind).apply(run)
    live = made.step.start(made.model, total_steps=10)
    before = [p.detach().clone() for p in made.model.parameters()]
    live((torch.randn(8, 1, 8, 8), torch.arange(8) % 3))
    pairs = zip(before, made.model.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_muon_wants_matrices_and_there_are_biases(run):
    with pytest.raises(NotApplicable, match="Muon refuses"):
        Optimizer("Muon").apply(run)


@pytest.mark.parametrize("kind", ["LBFGS", "SparseAdam", "Optimizer", "adamw"])
def test_unknown_or_unfit_optimizers_are_refused_by_name(kind):
    with pytest.raises(Refused, match=f"there is no optimizer in torch.optim '{kind}'; "):
        Optimizer(kind)


def test_setting_that_the_class_does_not_know(run):
    with pytest.raises(NotApplicable, match="Adam refuses"):
        Optimizer("Adam", momentum=0.9).apply(run)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (optim.SGD, "fused"),
        (optim.Adam, "fused"),
        (optim.AdamW, "fused"),
        (optim.Adadelta, "foreach"),
        (optim.RMSprop, "foreach"),
        (optim.Adagrad, "foreach"),
    ],
)
def test_fused_where_it_exists_else_foreach(run, kind, option):
    made = FusedOptimizer().apply(
        run.edit_step(optimizer=kind, options={"lr": 0.1, "foreach": False})
    )
    assert made.step.options == {"lr": 0.1, option: True}
    made.step.start(made.model, total_steps=1)((torch.randn(8, 1, 8, 8), torch.arange(8) % 3))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
        (optim.Adam, {"lr": 0.01}),
        (optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_fused_updates_are_those_of_the_plain_loop(run, kind, options):
    plain = run.edit_step(optimizer=kind, options={**options, "foreach": False})
    ends = []
    for made in (plain, FusedOptimizer().apply(plain)):
        model = copy.deepcopy(run.model)
        live, batches = made.step.start(model, total_steps=20), torch.Generator().manual_seed(1)
        for _ in range(20):
            live((torch.randn(8, 1, 8, 8, generator=batches), torch.arange(8) % 3))
        ends.append([p.detach() for p in model.parameters()])
    for one, other in zip(*ends, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [optim.SparseAdam, optim.LBFGS])
def test_neither_form_is_said(run, kind):
    with pytest.raises(NotApplicable, match=f"{kind.__name__} has neither"):
        FusedOptimizer().apply(run.edit_step(optimizer=kind))


def test_optimizer_is_chosen_before_it_is_fused(tiny):
    names = [t.name for t in arrange(tiny(), [FusedOptimizer(), Optimizer(), parse("batch-size")])]
    assert names == ["optimizer", "batch-size", "fused-optimizer"]


def test_parameters_that_do_not_learn_are_left_out(run):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert Optimizer().apply(run.edit(model=model)).step.optimizer is optim.AdamW


def test_what_is_declared_fused_is_not_fused_again(run):
    declared = run.edit_step(options={"lr": 0.1, "fused": True})
    with pytest.raises(NotApplicable, match="fused already"):
        FusedOptimizer().settle(declared, "cpu")
    assert FusedOptimizer().settle(run, "cpu") == FusedOptimizer()
