"""Saved brains go on as if they had never stopped."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import matplotlib.image
import pytest
import torch

from jobs import same
from potentiate import checkpoint
from potentiate.checkpoint import Shelf
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.listeners.checkpoints import Checkpoints
from potentiate.listeners.watch import watch
from potentiate.models import WORKLOADS
from potentiate.models.brain import Anatomy, Plasticity, load_brain, save_brain
from potentiate.techniques.reference import parse

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"


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


def trained(folder, *techniques, name="brain/letters", **recipe):
    """Train as `potentiate train --out FOLDER` does, and return the brain."""
    checkpoints = Checkpoints(Shelf(folder / "checkpoints"))
    watch(train(WORKLOADS[name].varied(recipe), techniques, seed=3), checkpoints)
    return checkpoints.training.run.model


@pytest.fixture(scope="module")
def letters_run(tmp_path_factory):
    """The folder of a run and its brain as it was in the end."""
    folder = tmp_path_factory.mktemp("letters")
    recipe = {"epochs": 0.5, "evaluate_every": 0.1, "hidden": 20, "protection": 1.0}
    return folder, trained(folder, **recipe)


def test_the_checkpoint_of_a_run_is_a_brain(letters_run):
    folder, brain = letters_run
    shelf = Shelf(folder / "checkpoints")
    loaded = load_brain(shelf.latest())
    assert (loaded.inputs, loaded.classes, loaded.seed) == (25, 3, 3)
    assert (loaded.anatomy, loaded.plasticity) == (brain.anatomy, brain.plasticity)
    assert same(dict(loaded.state_dict()), dict(brain.state_dict()))
    patterns = torch.rand(9, 25)
    assert same(tuple(loaded.respond(patterns)), tuple(brain.respond(patterns)))
    early = load_brain(folder / "checkpoints" / f"step-{shelf.steps()[0]:08d}")
    assert int(early.age) < int(loaded.age)


def test_of_a_run_the_best_brain_is_taken_or_else_the_newest(letters_run, tmp_path):
    copy = shutil.copytree(letters_run[0], tmp_path / "copy")
    shelf = Shelf(copy / "checkpoints")
    first = checkpoint.load(shelf.folder / f"step-{shelf.steps()[0]:08d}")
    shelf.put_best(first.state, shelf.steps()[0], first.facts)
    for folder in (copy, shelf.folder, str(copy)):
        assert int(load_brain(folder).age) == int(first.state["training"]["model"]["age"])
    shutil.rmtree(shelf.folder / "best")
    assert int(load_brain(copy).age) == int(letters_run[1].age)


def test_what_techniques_changed_must_be_said(tmp_path):
    brain = trained(tmp_path, parse("fewer-time-steps:steps=50"), epochs=0.1, hidden=10)
    with pytest.raises(Refused, match=r"had techniques \(fewer-time-steps:"):
        load_brain(tmp_path)
    assert load_brain(tmp_path, {"time_steps": 50}).anatomy == brain.anatomy
    assert load_brain(tmp_path, {}).anatomy.time_steps == 100
    for settings, words in (
        ({"time_stepps": 50}, "did you mean 'time_steps'"),
        ({"time_steps": 0}, "time_steps=0 is refused"),
        ({"hidden": 11}, "has no room for what its settings ask for"),
        ({"consolidation": 0.1}, "has no room for what its settings ask for"),
    ):
        with pytest.raises(Refused, match=words):
            load_brain(tmp_path, settings)


def test_a_saved_brain_can_be_given_other_settings(small, tmp_path):
    folder = save_brain(small(), tmp_path / "brain")
    assert load_brain(folder, {"teacher": 3}).plasticity == Plasticity(teacher=3.0)


def test_a_run_of_another_model_holds_no_brain(tmp_path):
    state = {"training": {"model": {"weight": torch.ones(2, 2)}}, "listeners": {}}
    Shelf(tmp_path / "checkpoints").put(state, 1, {"recipe": {"epochs": 1}, "techniques": []})
    with pytest.raises(Refused, match="holds no brain"):
        load_brain(tmp_path)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Run the example as a person would, and return its picture."""

    def draw(*folders):
        picture = tmp_path / "fields.png"
        monkeypatch.setattr(
            sys, "argv", ["fields", *map(str, folders), *[str(picture)][: len(folders)]]
        )
        runpy.run_path(str(ROOT / "examples/receptive_fields.py"), run_name="__main__")[
            "plt"
        ].close()
        return matplotlib.image.imread(picture)

    return draw


def test_the_fields_of_a_run_are_drawn(drawn, letters_run):
    assert drawn(letters_run[0]).std() > 0.1


def test_fields_that_cannot_be_drawn_are_refused_in_a_sentence(drawn, small, tmp_path):
    with pytest.raises(SystemExit, match="give the folder of a run"):
        drawn()
    with pytest.raises(SystemExit, match="24 inputs are no square image"):
        drawn(save_brain(small(24), tmp_path / "brain"))
    with pytest.raises(SystemExit, match="there is no checkpoint at"):
        drawn(tmp_path / "nowhere")
