"""Saved brains go on as if they had never stopped."""

from __future__ import annotations

import pytest

from jobs import same
from potentiate import checkpoint
from potentiate.errors import Refused
from potentiate.models.brain import load_brain, save_brain


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
