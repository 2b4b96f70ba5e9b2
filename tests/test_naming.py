"""The words of the seed system on our command line: a data set apart from its model, its names of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentiate.__main__ import main
from potentiate.cli import studying
from potentiate.cli.naming import with_dataset
from potentiate.errors import Refused
from potentiate.models.reference import find


@pytest.mark.parametrize(
    ("workload", "dataset", "meant"),
    [
        ("timehut", "Coffee", "timehut/Coffee"),
        ("timehut/", "Coffee", "timehut/Coffee"),
        ("timehut/Coffee", "Coffee", "timehut/Coffee"),
        ("cnn", "mnist", "cnn/mnist"),
        ("timehut", None, "timehut"),
        ("job.py:workload", None, "job.py:workload"),
    ],
)
def test_a_model_and_its_data_may_be_typed_apart(workload, dataset, meant):
    assert with_dataset(workload, dataset) == meant


@pytest.mark.parametrize(
    ("workload", "sentence"),
    [
        (
            "timehut/Chinatown",
            "timehut/Chinatown names the data set Chinatown and --dataset Coffee",
        ),
        ("job.py", "job.py brings its own data; leave --dataset Coffee out"),
        ("folder/job.py:workload", "brings its own data"),
        ("study.toml", "study.toml brings its own data"),
    ],
)
def test_two_that_contradict_each_other_are_refused(workload, sentence):
    with pytest.raises(Refused, match=sentence):
        with_dataset(workload, "Coffee")


@pytest.mark.parametrize("name", ["timehut", "timehut/"])
def test_a_family_alone_says_which_sets_there_are(name, tmp_path, monkeypatch):
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    with pytest.raises(Refused, match=r"timehut/waves is made and needs no file, and any set of"):
        find(name)
    for number in range(10):
        folder = tmp_path / "uea" / f"Set{number}"
        folder.mkdir(parents=True)
        for part in ("TRAIN", "TEST"):
            (folder / f"Set{number}_{part}.ts").touch()
    with pytest.raises(
        Refused, match=r"timehut/NAME takes a set in .*Set0, .* Set7 and 2 more lie"
    ):
        find(name)
    with pytest.raises(
        Refused, match="Set3 is a set of series; say what learns from it: timehut/Set3"
    ):
        find("Set3")


@pytest.fixture
def asked(monkeypatch):
    """What a study was asked, which is not run."""
    found = list[object]()

    def note(declaration, out, *, plan_only):
        found.extend([declaration, out])
        return 0

    monkeypatch.setattr(studying, "investigated", note)
    return found


def test_a_study_is_asked_for_in_the_words_of_the_seed_system(asked):
    words = "study timehut --full-optimization --dataset Coffee --epochs 150 --results-dir out"
    assert main(words.split()) == 0
    declaration, out = asked
    assert (declaration.workload, declaration.mode) == ("timehut/Coffee", "full")
    assert declaration.recipe == {"epochs": 150.0}
    assert out == Path("out")


def test_techniques_are_asked_for_in_the_words_of_the_seed_system(asked):
    words = "study timehut --test mixed-precision gradient-checkpointing --dataset Chinatown"
    assert main(words.split()) == 0
    assert asked[0].workload == "timehut/Chinatown"
    assert asked[0].tests == ("mixed-precision", "gradient-checkpointing")


def test_a_training_takes_its_data_apart_too(capsys, tmp_path):
    words = f"train cnn --dataset digits --epochs 0.05 --quiet --out {tmp_path / 'run'}"
    assert main(words.split()) == 0
    assert "cnn/digits" in (tmp_path / "run" / "run.toml").read_text()
    assert main(["train", "cnn", "--dataset", "digit", "--quiet"]) == 2
    assert "did you mean 'cnn/digits'" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path / "run"), "--dataset", "digits"]) == 2
    assert "leave --dataset out" in capsys.readouterr().err
