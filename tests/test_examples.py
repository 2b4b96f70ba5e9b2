"""Examples are run, and kept short."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import matplotlib.image
import pytest

from potentiate.engine import train
from potentiate.events import Finished
from potentiate.models.reference import find

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_its_page(path):
    assert len(path.read_text().splitlines()) <= 60


def test_a_job_of_ones_own_takes_forty_lines_and_learns():
    path = EXAMPLES / "own_job.py"
    assert len(path.read_text().splitlines()) <= 40
    *_, end = train(find(f"{path}:workload").varied({"epochs": 6}), seed=0)
    assert isinstance(end, Finished)
    assert end.test["accuracy"] > 0.9


def test_series_of_ones_own_with_gaps_and_of_any_length_are_learned():
    *_, end = train(find(f"{EXAMPLES / 'own_series.py'}:workload").varied({"epochs": 1}), seed=0)
    assert isinstance(end, Finished)
    assert end.test["accuracy"] > 0.9


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Run an example as a person would; return its variables, once its picture is there."""

    def run(name):
        picture = tmp_path / f"{name}.png"
        monkeypatch.setenv("MPLBACKEND", "Agg")
        monkeypatch.setattr("sys.argv", [name, str(picture)])
        variables = runpy.run_path(str(EXAMPLES / f"{name}.py"))
        variables["plt"].close("all")
        height, width, _ = matplotlib.image.imread(picture).shape
        assert width > height > 400
        return variables

    return run


def test_a_bell_that_foretells_food_comes_to_fire_the_neuron_and_no_other_bell_does(shown):
    pavlov = shown("pavlov")
    assert not pavlov["before"].any()
    assert pavlov["after"][pavlov["paired"]].all()
    assert not pavlov["after"][pavlov["control"]].any()


def test_the_pattern_is_told_from_noise_of_the_same_rate(shown):
    detection = shown("pattern_detection")
    assert (detection["on"] - detection["off"] > 0.15).all()
    assert detection["found"] > 0.85
    assert detection["wrong"] < 5


def test_the_right_order_alone_fires_the_detector(shown):
    sequence = shown("sequence_detection")
    assert sequence["naive"] == 1.0
    assert sequence["this"][0] == 1.0
    assert sequence["others"][:2].max() == 0.0
    kept = sequence["weight"].reshape(3, 3) > 0.5
    assert kept.tolist() == [[False, False, True], [True, False, False], [False, True, False]]


def test_a_network_of_ones_own_learns_on_a_twentieth_of_its_edges_whether_they_move_or_not(capsys):
    sparse = runpy.run_path(str(EXAMPLES / "sparse_layer.py"))
    printed = capsys.readouterr().out
    shares = [float(each) for each in re.findall(r"([\d.]+)% of test digits", printed)]
    assert len(shares) == 2
    assert min(shares) > 95
    step, _ = sparse["runs"][0]
    bytes_an_edge = sum(sparse["KEPT"].values())
    for name, layer in step.layers.items():
        begun = sparse["mlp"](0).get_submodule(name).topology
        assert layer.topology.edges == begun.edges == round(0.05 * begun.possible)
        assert step.explored[name].fraction > 2 * begun.density
        kept = [layer.weight, layer.weight, *step.optimizer.state[layer.weight].values()]
        wiring = [layer.sources, layer.targets]
        assert sum(each.nbytes for each in kept + wiring) == 4 + bytes_an_edge * begun.edges


def test_timehut_forecasts_chaos_better_than_a_line_through_its_past():
    errors = runpy.run_path(str(EXAMPLES / "timehut_forecast.py"))["errors"]
    for found in errors.values():
        assert 2 * found["timehut"]["mse"] < found["lags"]["mse"] < found["last"]["mse"]


def test_timehut_finds_most_jumps():
    found = runpy.run_path(str(EXAMPLES / "timehut_anomalies.py"))["found"]
    hits, wrong = found["TimeHUT"]
    assert hits >= 7
    assert wrong <= 10


def test_timehut_tells_waves_apart_that_their_values_do_not():
    scores = runpy.run_path(str(EXAMPLES / "timehut_classify.py"))["scores"]
    assert (
        scores["TimeHUT"] > 0.75 > max(value for name, value in scores.items() if name != "TimeHUT")
    )
