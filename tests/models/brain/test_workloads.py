"""What brains learn from a whole training, and what they must not learn."""

from __future__ import annotations

import pytest
import torch

from potentiate.data import load, shuffled_labels
from potentiate.data.glyphs import letters
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.events import Evaluated, Finished
from potentiate.models import WORKLOADS
from potentiate.models.brain import Brain, brain_workload

BRAINS = [name for name in WORKLOADS if name.startswith("brain/")]
DIGITS = {"hidden": 100, "complement": True, "time_steps": 60, "rate": 400.0, "inhibition": 30.0}


def trained(workload, seed=0):
    started, *_, end = train(workload, seed=seed, warmup=0)
    assert isinstance(end, Finished)
    return started.training.run.model, end.test["accuracy"]


def digits(data, **recipe):
    return brain_workload("digits", data, target=0.9, margin=0.01, **{**DIGITS, **recipe})


@pytest.mark.parametrize("seed", range(20))
def test_exclusive_or_is_learned_by_every_seed(seed):
    _, accuracy = trained(WORKLOADS["brain/xor"], seed)
    assert accuracy == 1.0


def test_exclusive_or_is_not_known_before_it_is_learned():
    right = []
    for seed in range(20):
        run = WORKLOADS["brain/xor"].build(seed)
        right.append(run.test(run.model)["accuracy"])
    assert sum(right) / 20 == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_letters_are_learned(seed):
    _, accuracy = trained(WORKLOADS["brain/letters"], seed)
    assert accuracy > 0.95


def test_digits_are_learned_and_few_weights_saturate():
    brain, accuracy = trained(digits(lambda: load("digits")))
    assert accuracy > 0.6  # chance is 0.1
    assert int(brain.age) == 1318
    share = brain.weight / brain.anatomy.w_max
    assert share.min() >= 0.0
    assert share.max() <= 1.0
    assert float((share > 0.99).double().mean()) < 0.001
    assert brain.weight.sum(0).tolist() == pytest.approx([12.8] * 100, rel=1e-4)


def test_from_shuffled_labels_nothing_is_learned_that_holds():
    # All examples of a digit tend to be called alike, so chance is 0.1 with a standard deviation of up
    # to 0.095 for one permutation, and a third of that for the mean of nine.
    scores = [
        trained(digits(lambda seed=seed: shuffled_labels(load("digits"), seed)), seed)[1]
        for seed in range(9)
    ]
    assert abs(sum(scores) / 9 - 0.1) < 0.095


def test_glyphs_are_learned_beyond_chance():
    quick = WORKLOADS["brain/glyphs"].varied({"hidden": 150, "epochs": 0.3, "time_steps": 60})
    assert trained(quick.varied({"rate": 400.0}))[1] > 0.15  # chance is 0.028


def test_neurons_named_by_their_responses_classify():
    workload = WORKLOADS["brain/letters"].varied({"labels": "assigned", "epochs": 1})
    brain, accuracy = trained(workload.varied({"teacher": 0.0}))
    assert accuracy > 0.8  # without the outputs, which were not taught
    train_part = letters().train
    inputs = train_part.inputs.flatten(1).float()
    known = brain.responses.clone()
    brain.assign(inputs, train_part.labels, seed=1)
    assert torch.equal(known, brain.responses)  # of training patterns, and of nothing else


def test_labels_are_assigned_from_as_many_patterns_as_asked():
    job = WORKLOADS["brain/letters"].varied({"labels": "assigned", "labelled": 7})
    run = job.build(0)
    run.test(run.model)
    part = letters().train
    other = Brain(25, 3, run.model.anatomy, run.model.plasticity)
    other.assign(part.inputs[:7].flatten(1).float(), part.labels[:7], seed=1)
    assert other.responses.any()
    assert torch.equal(run.model.responses, other.responses)


def test_an_evaluation_tells_accuracy_and_activity():
    events = train(WORKLOADS["brain/letters"].varied({"epochs": 1}), warmup=0)
    *_, metrics = (event.metrics for event in events if isinstance(event, Evaluated))
    assert set(metrics) == {"accuracy", "spikes", "silent"}
    assert metrics["spikes"] > 1
    assert metrics["silent"] == 0.0


@pytest.mark.parametrize("name", BRAINS)
def test_every_brain_says_how_it_is_judged(name):
    workload = WORKLOADS[name]
    assert workload.target.metric == "accuracy"
    assert {"plasticity", "timesteps"} <= workload.provides
    assert workload.unit == "presentations"


@pytest.mark.parametrize(
    "setting",
    ["hidden=0", "tau=0", "rate=-1", "code=morse", "delay=-1", "fade=0", "shards=0", "recall=2"],
)
def test_settings_that_make_no_brain_are_refused(setting):
    key, value = setting.split("=")
    with pytest.raises(Refused, match=f"{key}="):
        WORKLOADS["brain/xor"].varied({key: value})
