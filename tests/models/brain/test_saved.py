"""Saved brains go on as if they had never stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from jobs import same
from potentiate import checkpoint
from potentiate.errors import Refused
from potentiate.models.brain import Anatomy, Plasticity, load_brain, save_brain

GOLDEN = Path(__file__).parents[2] / "golden"


def test_a_loaded_brain_goes_on_to_the_bit(small, abc, tmp_path):
    settings = {"protection": 1.0, "consolidation": 0.01, "recall": 0.02, "decay": 0.9}
    brain = small(seed=4, **settings)
    brain.learn(abc[0][:100], abc[1][:100])
    folder = save_brain(brain, tmp_path / "brain")
    loaded = load_brain(folder)
    assert checkpoint.load(folder).facts["age"] == int(loaded.age) == 100
    assert (loaded.anatomy, loaded.plasticity) == (brain.anatomy, brain.plasticity)
    assert same(tuple(loaded.learn(*abc)), tuple(brain.learn(*abc)))
    assert same(tuple(loaded.respond(abc[0])), tuple(brain.respond(abc[0])))
    assert same(dict(loaded.state_dict()), dict(brain.state_dict()))


def test_a_folder_of_something_else_is_refused(tmp_path):
    folder = checkpoint.save(tmp_path / "other", {"x": 1}, facts={})
    with pytest.raises(Refused, match="holds no brain"):
        load_brain(folder)
    with pytest.raises(Refused):
        load_brain(tmp_path / "nowhere")


def test_a_newer_format_is_refused(small, tmp_path):
    state = {**checkpoint.load(save_brain(small(), tmp_path / "now")).state, "brain": 99}
    with pytest.raises(Refused, match="format 99"):
        load_brain(checkpoint.save(tmp_path / "newer", state, facts={}))


def test_a_brain_of_format_1_is_read():
    brain = load_brain(GOLDEN / "brain-1")
    assert (brain.inputs, brain.classes, int(brain.age)) == (3, 2, 2)
    assert brain.anatomy == Anatomy(
        hidden=4, complement=True, time_steps=20, rate=900.0, threshold=0.2, tau=20.0
    )
    assert brain.plasticity == Plasticity(protection=1.0, consolidation=0.1, recall=0.1)
    assert brain.delays.tolist() == [0, 1, 2, 0, 1, 2]
    assert float(brain.theta.sum()) > 0.0
    assert not torch.equal(brain.slow, brain.weight)
