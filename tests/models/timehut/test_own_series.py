"""Series of one's own as a workload, and whatever is wrong with a set told before training begins."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from potentiate import train
from potentiate.__main__ import main
from potentiate.data.series import series_set
from potentiate.errors import Refused
from potentiate.events import Finished
from potentiate.models.reference import find
from potentiate.models.timehut.workloads import timehut_workload

SMALL = {"outputs": 8, "hidden": 8, "depth": 2, "epochs": 1, "head": "ridge"}
RANDOM = np.random.default_rng(0)


def made(count, length=12, channels=1):
    return RANDOM.standard_normal((count, channels, length)), ["up", "down"] * (count // 2)


def parts(**changes):
    """Training series and labels, test series and labels, of which some are others."""
    (train, labels), (test, asked) = made(20), made(6)
    given = {"train": train, "labels": labels, "test": test, "asked": asked, **changes}
    return tuple(given.values())


JOB = """
import numpy as np
from potentiate.models.timehut.workloads import timehut_workload

def data():
    random = np.random.default_rng(0)
    labels = ["down", "up"] * 10
    series = [random.standard_normal(random.integers(8, 13)) + 3 * (k == "up") for k in labels]
    return series[:14], labels[:14], series[14:], labels[14:]

workload = timehut_workload("steps", {data}, outputs=8, hidden=8, depth=2, epochs=4, head="ridge")
"""


@pytest.mark.parametrize("given", ["data", "data()"])
def test_a_file_with_series_is_trained_from_the_command_line(tmp_path, capsys, given):
    (tmp_path / "my_series.py").write_text(JOB.replace("{data}", given))
    words = ["train", f"{tmp_path}/my_series.py:workload", "--out", str(tmp_path / "run")]
    assert main([*words, "--quiet"]) == 0
    assert float(re.search(r"test +accuracy ([\d.]+)", capsys.readouterr().out)[1]) > 0.8
    assert main(["run", str(tmp_path / "run" / "run.toml"), "--quiet"]) == 0


def test_every_form_gives_the_same_training():
    def accuracy(*data):
        workload = timehut_workload("mine", data, **SMALL)
        (end,) = [event for event in train(workload, seed=0) if isinstance(event, Finished)]
        return dict(end.test)

    train_series, labels, test, asked = parts()
    plain = accuracy(train_series, labels, test, asked)
    assert plain == accuracy(train_series[:, 0], np.array(labels), list(test), tuple(asked))


def test_the_parts_are_disjoint_and_a_fifth_is_held_out():
    train_series, labels, test, asked = parts()
    found = series_set(train_series, labels, test, asked, "mine")
    assert (len(found.train), len(found.validation), len(found.test)) == (16, 4, 6)
    assert found.classes == ("down", "up")
    assert found.validation.labels.bincount().tolist() == [2, 2]
    rows = torch.cat([found.train.inputs, found.validation.inputs])[:, 0, 0]
    assert sorted(rows.tolist()) == sorted(np.float32(train_series[:, 0, 0]).tolist())


ODD = {
    "more labels": ({"labels": ["up", "down"] * 11}, "has 20 series and 22 labels"),
    "fewer test labels": ({"asked": ["up"]}, "test part of 'mine' has 6 series and 1 labels"),
    "a label is missing": ({"labels": [None, *["up"] * 19]}, "training part of 'mine': label 0 is None"),
    "other channels": ({"test": made(6, 12, 2)[0]}, "have 1 channels, its test series 2"),
    "one series": ({"train": [[1, 2]], "labels": ["up"]}, "has 1 training series; give at least 2"),
    "two series": ({"train": [[1, 2], [3, 4]], "labels": ["up", "down"]}, "2 training series .* too few"),
    "infinite": ({"train": np.full((20, 5), np.inf)}, "training part of 'mine': series 0 .* infinite"),
    "one class": ({"labels": ["up"] * 20}, "all training series of 'mine' have one class"),
    "nothing but missing": ({"train": np.full((20, 5), np.nan)}, "every value of the training series of 'mine'"),
    "one instant": ({"train": np.ones((20, 1))}, "have one instant; give at least 2"),
    "no series": ({"test": []}, "test part of 'mine': series must not be empty"),
    "text": ({"train": [["a"]] * 20}, "must be numbers"),
    "no file": ({"train": "nowhere.csv"}, "nowhere.csv cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_cannot_be_learned_from_is_refused_before_training(what):
    changes, told = ODD[what]
    with pytest.raises(Refused, match=told) as caught:
        next(iter(train(timehut_workload("mine", parts(**changes), **SMALL))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [(1, 2), 3, lambda: None, "four"])
def test_data_that_are_no_four_parts_are_refused(data):
    with pytest.raises(Refused, match="four in a tuple; got"):
        timehut_workload("mine", data).build(0)


def test_three_training_series_are_enough():
    few = {"train": made(2)[0].repeat(2, 0)[:3], "labels": ["up", "down", "up"]}
    (*_, end) = train(timehut_workload("mine", parts(**few), **SMALL))
    assert isinstance(end, Finished)


TS = "@problemName {0}\n@timeStamps false\n@univariate true\n@classLabel true a b\n@data\n"
SETS = {
    "one-class": (TS + "1,2,3:a\n" * 6, "all training series of 'one-class' have one class"),
    "missing": (TS + "?,?:a\n?,?:b\n" * 3, "every value of the training series of 'missing' is"),
    "instant": (TS + "1:a\n2:b\n" * 3, "the training series of 'instant' have one instant"),
    "tiny": (TS + "1,2:a\n2,1:b\n", "the 2 training series of 'tiny' are too few"),
    "text": (TS + "1,2:a\n2,one:b\n", "text_TRAIN.ts is damaged"),
    "empty": (
        "",
        "empty_TRAIN.ts is damaged .it is empty.; delete it and get it again with 'potentiate download empty'",
    ),
    "other-class": (TS + "1,2:a\n2,1:c\n", "other-class_TRAIN.ts is damaged .* 'c'"),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_that_cannot_be_learned_is_one_sentence_at_the_command_line(
    name, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("sktime")
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    content, told = SETS[name]
    (tmp_path / "ucr" / name).mkdir(parents=True)
    for part in ("TRAIN", "TEST"):
        (tmp_path / "ucr" / name / f"{name}_{part}.ts").write_text(content.format(name))
    assert main(["train", f"timehut/{name}", "--out", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert re.search(told, captured.err.splitlines()[-1])


def test_an_unknown_set_names_the_command_that_gets_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    assert main(["train", "timehut/Adiac", "--out", str(tmp_path / "run")]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "there is no set 'Adiac'" in sentence
    assert "potentiate download Adiac" in sentence
    with pytest.raises(Refused, match="no set"):
        find("timehut/../Adiac").build(0)
