"""References beside a run's result, and the picture of its embedding: printed, logged, drawn, left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from potentiate.__main__ import main
from potentiate.cli import beside as judged
from potentiate.cli.embedding import projected
from potentiate.models.timehut import baselines
from potentiate.plot import load
from potentiate.plot.embedding import COLORS, MARKERS, View, embedding

SMALL = [
    f"--set={each}" for each in ("epochs=1", "outputs=12", "hidden=8", "depth=2", "head=ridge")
]
PICTURES = ("beside-simple-references", "embedding")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(*words):
    return main(["train", "timehut/waves", *SMALL, "--out", "run", *words])


def lines():
    return [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]


def test_the_summary_shows_them_the_log_keeps_them_and_both_pictures_are_drawn(capsys):
    assert trained() == 0
    out, err = capsys.readouterr()
    assert "judging simple references on the test part" in err
    text = " ".join(out.split())
    assert "beside it accuracy" in text
    for name in ("majority class", "ridge on raw values", "untrained encoder"):
        assert f"{name} accuracy" in text or f"{name} " in text
    *_, finished, beside = lines()
    assert (finished["event"], beside["event"]) == ("finished", "beside")
    assert beside["step"] == finished["step"]
    assert beside["metric"] == "accuracy"
    assert beside["references"]["majority class"]["accuracy"] == pytest.approx(1 / 3)
    log = load(Path("run"))
    assert log.beside is not None
    assert log.beside.references == beside["references"]
    assert log.damaged == []
    assert main(["plot", "run", "--format", "svg"]) == 0
    drawn = capsys.readouterr().out.splitlines()
    assert [f"run/pictures/{name}.svg" for name in PICTURES] == drawn[-2:]
    ranked = Path("run/pictures/beside-simple-references.svg").read_text()
    assert "ridge on raw values" in ranked
    assert "trained, this run" in ranked
    untrained = beside["references"]["untrained encoder"]
    picture = Path("run/pictures/embedding.svg").read_text()
    for word in (
        "before training",
        "after 7 steps",
        "of the variance",
        f"accuracy {untrained['accuracy']:.3f}, uniformity {untrained['uniformity']:.3f}",
        f"accuracy {finished['test']['accuracy']:.3f}",
        "representations of 300 test series",
        *("saw", "sine", "square"),
    ):
        assert word in picture
    assert main(["plot", "run", "--format", "svg", "--projection", "tsne"]) == 0
    other = Path("run/pictures/embedding.svg").read_text()
    assert "t-SNE 1" in other
    assert "of the variance" not in other


def test_quiet_judges_them_without_a_word(capsys):
    assert trained("--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "beside it" in out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "the simple references are left out\n"),
        (RuntimeError("no room\nat all"), "left out, because they fail: no room\n"),
    ],
)
def test_what_goes_wrong_with_them_never_costs_the_result(capsys, monkeypatch, error, told):
    def fails(*_):
        raise error

    monkeypatch.setattr(baselines, "beside", fails)
    assert trained() == 0
    out, err = capsys.readouterr()
    assert err.endswith(told)
    assert "test" in out
    assert "beside it" not in out
    assert lines()[-1]["event"] == "finished"


def test_a_workload_without_references_has_none(capsys):
    assert main(["train", "cnn/digits", "--epochs", "1", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert "beside it" not in out
    assert "judging" not in err
    assert lines()[-1]["event"] == "finished"
    assert main(["plot", "run", "--format", "svg"]) == 0
    assert not any(name in capsys.readouterr().out for name in PICTURES)


def test_no_checkpoint_no_embedding_and_one_that_does_not_fit_is_told(capsys, monkeypatch):
    monkeypatch.setattr(judged, "beside", lambda *_, **__: {})
    assert trained("--quiet") == 0
    (step,) = Path("run/checkpoints").glob("step-*")
    state = step / "state.json"
    state.write_text(state.read_text().replace('"outputs": ', '"was outputs": '))
    capsys.readouterr()
    assert main(["plot", "run", "--format", "svg"]) == 0
    out, err = capsys.readouterr()
    assert "training-loss" in out or "metric-accuracy" in out
    assert "embedding.svg" not in out
    assert err.startswith("potentiate: no embedding: ")
    assert len(err.splitlines()) == 1
    Path("run/checkpoints").rename("elsewhere")
    assert main(["plot", "run", "--format", "svg"]) == 0
    out, err = capsys.readouterr()
    assert "embedding.svg" not in out
    assert err == ""


def test_a_projection_tells_what_its_axes_hold():
    rng = np.random.default_rng(0)
    wide = (rng.standard_normal((50, 6)) * [10, 1, 0, 0, 0, 0]).astype(np.float32)
    points, axes = projected(wide, "pca")
    assert points.shape == (50, 2)
    assert axes[0].startswith("component 1 (99 %")
    np.testing.assert_allclose(points.var(0).sum(), wide.var(0).sum(), rtol=1e-5)
    again, other = projected(wide, "tsne"), projected(wide, "tsne")
    np.testing.assert_array_equal(again[0], other[0])
    assert again[1] == ("t-SNE 1", "t-SNE 2")
    for shape in ((4, 1), (3, 5)):
        assert projected(rng.standard_normal(shape).astype(np.float32), "tsne")[0].shape[1] == 2
    assert projected(np.ones((5, 3), np.float32), "pca")[1][0] == "all are one point"


def test_classes_differ_in_color_and_mark_and_those_without_a_point_are_left_out():
    looks = {(COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]) for k in range(42)}
    assert len(looks) == 42
    labels = np.array([0, 2, 2, 0])
    view = View("before", "", np.arange(8.0).reshape(4, 2), ("x", "y"))
    drawing = embedding("title", [view, view], labels, ["a", "b", "c"]).make()
    (legend,) = drawing.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "c"]
    for axes in drawing.axes:
        drawn = np.concatenate([each.get_offsets() for each in axes.collections])
        assert len(drawn) == 4
