"""The network: its size, its gradients, that it learns digits, and that it learns nothing from noise."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from potentiate.data import load, shuffled_labels
from potentiate.engine import train
from potentiate.events import Finished
from potentiate.models import WORKLOADS
from potentiate.models.cnn import cnn
from potentiate.models.supervised import Parts, supervised

KINDS = {
    "convolution": (nn.Conv2d(2, 3, 3, padding=1), (2, 2, 5, 5)),
    "rectification": (nn.ReLU(), (3, 7)),
    "maximum of neighbors": (nn.MaxPool2d(2), (2, 2, 5, 5)),
    "dropout, when judged": (nn.Dropout(0.5), (3, 7)),
    "flattening": (nn.Flatten(), (2, 3, 2)),
    "linear": (nn.Linear(5, 4), (3, 5)),
}


def checked(module, shape):
    """Whether the gradients of inputs and weights agree with central differences, in doubles."""
    module = module.double().eval()
    names = [name for name, _ in module.named_parameters()]
    weights = [parameter.detach().clone().requires_grad_() for parameter in module.parameters()]
    inputs = torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    def call(inputs, *weights):
        return functional_call(module, dict(zip(names, weights, strict=True)), (inputs,))

    return gradcheck(call, (inputs, *weights), eps=1e-6, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_layer_agrees_with_finite_differences(kind):
    assert checked(*KINDS[kind])


def test_every_kind_of_layer_in_the_network_was_checked():
    leaves = {type(module) for module in cnn().modules() if not list(module.children())}
    assert leaves == {type(module) for module, _ in KINDS.values()}


def test_the_loss_agrees_with_finite_differences():
    outputs = torch.randn(4, 10, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1, 0, 9, 3])
    assert gradcheck(lambda o: F.cross_entropy(o, targets), (outputs,))


def test_the_whole_network_agrees_with_finite_differences_along_random_directions():
    model = cnn(8, 8, padding=1).double().eval()
    inputs, targets = torch.randn(3, 1, 8, 8, dtype=torch.float64), torch.tensor([2, 7, 1])
    loss = F.cross_entropy(model(inputs), targets)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        direction = torch.randn_like(parameter)
        with torch.no_grad():
            losses = []
            for step in (1e-6, -2e-6):
                parameter += step * direction
                losses.append(F.cross_entropy(model(inputs), targets))
            parameter += 1e-6 * direction
        slope = (losses[0] - losses[1]) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(
            float(slope), rel=1e-4, abs=1e-8
        )


def test_the_network_has_the_size_that_is_written():
    assert sum(parameter.numel() for parameter in cnn().parameters()) == 225_034
    assert cnn()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert cnn(8, 8, padding=1)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_dropout_drops_in_training_and_nowhere_else():
    model, inputs = cnn(8, 8, padding=1), torch.randn(4, 1, 8, 8)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_the_baseline_is_the_recipe_that_people_run():
    recipe = WORKLOADS["cnn/mnist"].recipe
    assert (recipe.optimizer, recipe.lr, recipe.decay) == ("Adadelta", 1.0, 0.7)
    assert (recipe.batch_size, recipe.loader, recipe.epochs) == (64, "dataloader", 5)
    assert {"gradient", "images", "blocks"} <= WORKLOADS["cnn/mnist"].provides


def digits(images):
    parts = (images.train, images.validation, images.test)
    return supervised(
        "cnn/digits-again",
        lambda: cnn(8, 8, padding=1),
        lambda: Parts(*((images.standardized(part), part.labels) for part in parts)),
        epochs=5,
        optimizer="AdamW",
        lr=3e-3,
    )


def score(images):
    *_, end = train(digits(images), seed=0)
    assert isinstance(end, Finished)
    return end.test["accuracy"]


def test_digits_are_learned():
    assert score(load("digits")) > 0.9


def test_from_shuffled_labels_nothing_is_learned_that_holds():
    # All examples of a digit tend to be called alike, so chance is 0.1 with a standard deviation of
    # up to 0.095 for one permutation, and a third of that for the mean of nine.
    scores = [score(shuffled_labels(load("digits"), seed)) for seed in range(9)]
    assert abs(sum(scores) / 9 - 0.1) < 0.095
