"""Pictures of a run: what is read from a log, which pictures there are, and what each holds."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from potentiate.errors import Refused
from potentiate.plot import draw, load
from potentiate.plot.courses import MANY
from potentiate.plot.style import slug
from potentiate.plot.topology import topology

SVG = "{http://www.w3.org/2000/svg}"
BLUE, RED, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
STARTED = {"event": "started", "step": 0, "format": 1, "workload": "plastic/digits"}
FINISHED = {
    "event": "finished", "step": 40, "test": {"accuracy": 0.9}, "seconds": {"training": 8.0},
}  # fmt: skip
LEARNING = [
    STARTED,
    *({"event": "stepped", "step": 5 * k, "loss": 2.0 / k} for k in range(1, 9)),
    *(
        {"event": "evaluated", "step": 10 * k, "seconds": 2.0 * k, "metrics": {"accuracy": 0.2 * k}}
        for k in range(1, 5)
    ),
    FINISHED,
]
PART_PICTURES = {
    "topology-over-time", "degrees", "ages", "edge-lengths", "density-and-edges", "change-rate",
    "explored-share", "firing-rate", "time", "memory",
}  # fmt: skip


def rewired(step: int, **changes: Any) -> dict[str, Any]:
    """A line of a plastic network, all measures known."""
    counted = {"edges": [0, 10, 20, 40], "counts": [3, 5, 2]}
    measures = {
        "part": "core", "edges": 1000, "density": 0.1, "dropped": 70, "grown": 71, "change": 0.07,
        "explored": 0.1 + 0.001 * step, "band": [0.05, 0.1], "threshold": 0.3, "interval": 20,
        "rate": 0.12, "seconds": 0.01, "batch_seconds": 0.003, "memory_mb": 210.0,
        "fan_in": counted, "fan_out": counted, "ages": counted, "lengths": counted,
        "blocks": [[step, 2], [3, 4]],
    }  # fmt: skip
    return {"event": "rewired", "step": step, "measures": {**measures, **changes}}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a log of the given lines, then of raw bytes."""

    def write(lines: Sequence[Mapping[str, Any]], rest: bytes = b"") -> Path:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "metrics.jsonl").write_bytes(text.encode() + rest)
        return tmp_path

    return write


def drawn(folder: Path) -> dict[str, ElementTree.Element]:
    """The SVG pictures of a run by the names of their files."""
    paths = draw(load(folder), folder / "pictures", ["svg"])
    return {path.stem: ElementTree.parse(path).getroot() for path in paths}


def said(picture: ElementTree.Element) -> set[str]:
    return {"".join(each.itertext()).strip() for each in picture.iter(f"{SVG}text")}


def styles(picture: ElementTree.Element, *tags: str) -> list[str]:
    return [each.get("style", "") for tag in tags for each in picture.iter(f"{SVG}{tag}")]


def marks(picture: ElementTree.Element, color: str) -> int:
    """How many points are marked in a color, filled or hollow, those of legends too."""
    return sum(color in style for style in styles(picture, "use")) - shaded(picture, color, "use")


def shaded(picture: ElementTree.Element, color: str, *tags: str) -> int:
    filled = (style for style in styles(picture, *tags) if f"fill: {color}" in style)
    return sum("opacity" in style for style in filled)


def areas(picture: ElementTree.Element, color: str) -> int:
    """How many areas are shaded with a color, those of legends too."""
    return shaded(picture, color, "use", "path")


def titles(folder: Path) -> set[str]:
    """The pictures of the one part of a plastic network, without drawing them."""
    ((part, updates),) = load(folder).parts.items()
    pictures = topology(part, updates, "")
    return {slug(picture.title).removeprefix(f"{slug(part)}-") for picture in pictures}


def test_a_log_is_read_as_it_was_written(run) -> None:
    log = load(run([*LEARNING, rewired(20, threshold=None, fan_in=None)]))
    assert log.workload == "plastic/digits"
    assert log.losses[:2] == [(5, 2.0), (10, 1.0)]
    assert log.evaluations[1] == (20, 4.0, {"accuracy": 0.4})
    assert log.test == (40, 8.0, {"accuracy": 0.9})
    (update,) = log.parts["core"]
    assert (update.step, update.edges, update.band) == (20, 1000.0, (0.05, 0.1))
    assert math.isnan(update.threshold)
    assert update.fan_in is None
    assert update.fan_out is not None
    assert update.fan_out.edges.tolist() == [0, 10, 20, 40]
    assert update.fan_out.counts.tolist() == [3, 5, 2]
    assert update.blocks is not None
    assert update.blocks.tolist() == [[20, 2], [3, 4]]
    assert list(log.left_out()) == []


def test_the_log_itself_can_be_named(run) -> None:
    assert len(load(run(LEARNING) / "metrics.jsonl").losses) == 8


def test_any_workload_has_learning_curves(run) -> None:
    pictures = drawn(run(LEARNING))
    assert set(pictures) == {"training-loss", "metric-accuracy"}
    assert {"plastic/digits: training loss", "loss", "step"} <= said(pictures["training-loss"])
    assert marks(pictures["training-loss"], BLUE) == 8
    accuracy = pictures["metric-accuracy"]
    expected = {"accuracy", "step", "seconds of training", "validation", "test"}
    assert expected <= said(accuracy)
    assert marks(accuracy, BLUE) == 2 * 4 + 1
    assert marks(accuracy, RED) == 2 * 1 + 1


def test_without_seconds_there_is_one_panel(run) -> None:
    lines = [{**line, "seconds": None} for line in LEARNING]
    accuracy = drawn(run(lines))["metric-accuracy"]
    assert "seconds of training" not in said(accuracy)
    assert marks(accuracy, BLUE) == 4 + 1


def test_a_metric_of_the_test_alone_is_drawn(run) -> None:
    accuracy = drawn(run([STARTED, FINISHED]))["metric-accuracy"]
    assert marks(accuracy, RED) == 2 + 1
    assert "validation" not in said(accuracy)


def test_a_loss_over_decades_has_a_logarithmic_axis(run) -> None:
    lines = [{"event": "stepped", "step": k, "loss": 10.0 ** (1 - k)} for k in range(1, 7)]
    picture = drawn(run([STARTED, *lines]))["training-loss"]
    heights = sorted(
        float(e.get("y", "nan")) for e in picture.iter(f"{SVG}use") if BLUE in e.get("style", "")
    )
    assert np.allclose(np.diff(heights), np.diff(heights)[0])
    assert {"1", "0.01", "0.0001"} <= said(picture)


def test_a_long_run_is_drawn_as_mean_and_range(run) -> None:
    lines = [{"event": "stepped", "step": k, "loss": float(k % 2)} for k in range(1, 10 * MANY + 1)]
    picture = drawn(run([STARTED, *lines]))["training-loss"]
    assert marks(picture, BLUE) == 0
    assert areas(picture, BLUE) == 1
    assert len(ElementTree.tostring(picture)) < 100_000


def test_a_plastic_network_has_all_its_pictures(run) -> None:
    updates = [rewired(10 * k, change=0.01 * k) for k in range(1, 9)]
    pictures = drawn(run([*LEARNING, *updates]))
    assert set(pictures) == {"training-loss", "metric-accuracy"} | {
        f"core-{name}" for name in PART_PICTURES
    }
    heads = {f"plastic/digits, core: {name.replace('-', ' ')}" for name in PART_PICTURES}
    assert heads <= set().union(*map(said, pictures.values()))
    change = pictures["core-change-rate"]
    assert {"edges dropped (%)", "declared band", "dropped", "grown", "threshold"} <= said(change)
    assert areas(change, GREEN) == 2  # the band, and its place in the legend
    assert marks(pictures["core-explored-share"], BLUE) == 8
    assert {"edges", "density (%)", "step"} <= said(pictures["core-density-and-edges"])
    assert {"topology update (ms)", "batch (ms)"} <= said(pictures["core-time"])


def test_the_topology_is_shown_first_between_and_last(run) -> None:
    picture = drawn(run([STARTED, *(rewired(10 * k) for k in range(1, 8))]))[
        "core-topology-over-time"
    ]
    steps = {text for text in said(picture) if text.startswith("step ")}
    assert steps == {"step 10", "step 30", "step 50", "step 70"}
    assert {"from 10 to 70", "sources", "targets", "edges per block"} <= said(picture)


def test_the_blocks_share_one_scale_and_the_change_is_the_last_less_the_first(
    run, monkeypatch
) -> None:
    shown: list[tuple[list[list[float]], float, float]] = []
    import potentiate.plot.topology as module

    original = module._image

    def spy(axes: Any, name: str, values: Any, **style: Any) -> Any:
        shown.append((values.tolist(), style["vmin"], style["vmax"]))
        return original(axes, name, values, **style)

    monkeypatch.setattr(module, "_image", spy)
    drawn(run([STARTED, rewired(10), rewired(90)]))
    assert shown == [
        ([[10, 2], [3, 4]], 0.0, 90.0),
        ([[90, 2], [3, 4]], 0.0, 90.0),
        ([[80, 0], [0, 0]], -80.0, 80.0),
    ]


def test_distributions_hold_first_against_last_and_ages_the_last(run) -> None:
    pictures = drawn(run([STARTED, rewired(10), rewired(20), rewired(30)]))
    for name in ("degrees", "edge-lengths"):
        assert {"step 10", "step 30"} <= said(pictures[f"core-{name}"])
        assert "step 20" not in said(pictures[f"core-{name}"])
        assert areas(pictures[f"core-{name}"], ORANGE) > 0
    assert "step 30" in said(pictures["core-ages"])
    assert "step 10" not in said(pictures["core-ages"])


@pytest.mark.parametrize(
    ("measure", "picture"),
    [
        ("blocks", "topology-over-time"), ("ages", "ages"), ("lengths", "edge-lengths"),
        ("rate", "firing-rate"), ("explored", "explored-share"), ("memory_mb", "memory"),
    ],
)  # fmt: skip
def test_what_is_null_has_no_picture(run, measure: str, picture: str) -> None:
    lines = [rewired(step, **{measure: None}) for step in (10, 20)]
    assert titles(run([STARTED, *lines])) == PART_PICTURES - {picture}
    assert titles(run([STARTED, *lines, rewired(30)])) == PART_PICTURES


def test_one_of_two_nulls_leaves_the_other_panel(run) -> None:
    lines = [rewired(10, fan_out=None, threshold=None, band=None, batch_seconds=None)]
    pictures = drawn(run([STARTED, *lines]))
    fan = {text for text in said(pictures["core-degrees"]) if text.startswith("fan-")}
    assert fan == {"fan-in (edges into a neuron)"}
    assert not {"threshold", "declared band"} & said(pictures["core-change-rate"])
    assert "batch (ms)" not in said(pictures["core-time"])


def test_a_band_that_changes_is_shaded_where_it_holds(run) -> None:
    lines = [rewired(10, band=None), *(rewired(10 * k, band=[0.05, 0.1]) for k in range(2, 6))]
    change = drawn(run([STARTED, *lines]))["core-change-rate"]
    assert "declared band" in said(change)
    assert areas(change, GREEN) == 2


def test_each_part_has_a_set_of_its_own(run) -> None:
    lines = [rewired(10), rewired(10, part="input", blocks=[[1, 2, 3]])]
    names = set(drawn(run([STARTED, *lines])))
    assert names == {f"{part}-{name}" for part in ("core", "input") for name in PART_PICTURES}


def test_parts_whose_names_become_equal_are_numbered(run) -> None:
    lines = [rewired(10, part="a b"), rewired(10, part="a-b")]
    names = set(drawn(run([STARTED, *lines])))
    assert {"a-b-memory", "a-b-memory-2"} <= names
    assert len(names) == 2 * len(PART_PICTURES)


@pytest.mark.parametrize("part", ["$x_1$", "核", "tab\tbell\x07 <&>", "long " * 100])
def test_any_name_of_a_part_can_be_drawn(run, part: str) -> None:
    pictures = drawn(run([STARTED, rewired(10, part=part)]))
    assert len(pictures) == len(PART_PICTURES)
    assert all(any(name.endswith(what) for name in pictures) for what in PART_PICTURES)
    assert any(
        text.endswith(": topology over time") for each in pictures.values() for text in said(each)
    )


def test_empty_parts_are_drawn(run) -> None:
    none = {"edges": [0, 1], "counts": [0]}
    nothing = {"edges": 0, "density": 0.0, "dropped": 0, "grown": 0, "change": None, "fan_in": none}
    lines = [rewired(10 * k, **nothing, blocks=[[0]], ages=none) for k in (1, 2)]
    pictures = drawn(run([STARTED, *lines]))
    assert set(pictures) == {f"core-{name}" for name in PART_PICTURES - {"ages"}}


def test_blocks_of_another_shape_are_not_compared(run) -> None:
    lines = [rewired(10, blocks=[[1]]), rewired(20), rewired(30)]
    picture = drawn(run([STARTED, *lines]))["core-topology-over-time"]
    assert {text for text in said(picture) if text.startswith("step ")} == {"step 20", "step 30"}


def test_equal_logs_are_equal_bytes(run, tmp_path: Path) -> None:
    log = load(run([*LEARNING, rewired(10), rewired(20)]))
    first, second = (list(draw(log, tmp_path / name)) for name in ("a", "b"))
    assert len(first) == len(second) == 2 * (2 + len(PART_PICTURES))
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()


def test_a_png_holds_the_curve(run, tmp_path: Path) -> None:
    first = next(draw(load(run(LEARNING)), tmp_path / "pictures", ["png"]))
    with Image.open(first) as picture:
        shades = np.asarray(picture.convert("RGB"), int).reshape(-1, 3)
    assert (np.abs(shades - (0x00, 0x72, 0xB2)).sum(1) == 0).sum() > 500


def test_a_line_cut_off_by_a_crash_is_named_and_the_rest_drawn(run) -> None:
    log = load(run(LEARNING[:4], b'{"event": "stepped", "st'))
    assert len(log.losses) == 3
    (sentence,) = log.left_out()
    assert sentence.endswith("metrics.jsonl: left out what cannot be read: line 5")


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe", b"null", b"[1]", b"7", b'{"event": "stepped"}', b'{"step": 3, "loss": 1}',
        b'{"event": "stepped", "step": "3", "loss": 1}',
        b'{"event": "stepped", "step": 3, "loss": "low"}',
        b'{"event": "evaluated", "step": 3, "seconds": 1, "metrics": [1]}',
        b'{"event": "rewired", "step": 3, "measures": {}}',
        b'{"event": "rewired", "step": 3, "measures": {"part": "a", "band": 3}}',
        b'{"event": "rewired", "step": 3, "measures": {"part": "a", "blocks": [[1], [2, 3]]}}',
        b'{"event": "rewired", "step": 3, "measures": {"part": "a", "blocks": [1, 2]}}',
        b'{"event": "rewired", "step": 3, "measures": '
        b'{"part": "a", "ages": {"edges": [0, 1], "counts": [1, 2]}}}',
        b'{"event": "rewired", "step": 3, "measures": '
        b'{"part": "a", "ages": {"edges": [1, 0], "counts": [1]}}}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_line_is_left_out_and_named(run, line: bytes) -> None:
    rest = line + b"\n" + json.dumps(FINISHED).encode() + b"\n"
    log = load(run(LEARNING[:3], rest))
    assert log.damaged == [4]
    assert (len(log.losses), log.parts) == (2, {})
    assert log.test is not None


def test_events_to_come_are_passed_over(run) -> None:
    log = load(run([*LEARNING, {"event": "slept", "step": 3}]))
    assert log.damaged == []
    assert list(log.left_out()) == []


def test_what_is_not_finite_is_left_out_and_named(run) -> None:
    lines = [
        {"event": "stepped", "step": 1, "loss": 1.0},
        {"event": "stepped", "step": 2, "loss": None},
        {"event": "stepped", "step": 3, "loss": 0.5},
        {"event": "evaluated", "step": 3, "seconds": 1.0, "metrics": {"loss": None, "auc": 0.5}},
    ]
    folder = run([STARTED, *lines], b'{"event": "stepped", "step": 4, "loss": 1e999}\n')
    pictures = drawn(folder)
    assert set(pictures) == {"training-loss", "metric-auc"}
    assert marks(pictures["training-loss"], BLUE) == 2
    losses, metric = load(folder).left_out()
    assert losses.endswith("losses that are not finite are left out, the first at step 2")
    assert metric.endswith("loss is not finite at some evaluations, the first at step 3")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty, so there is nothing to draw"),
        (b'{"event": "star', "holds no whole line"),
        (b"step,loss\n1,2\n", "is no log of a run; name a run's folder"),
        (b'{"key": "x", "seconds": 3}\n', "is no log of a run; name a run's folder"),
        (b'{"event": "click", "step": 1}\n', "is no log of a run; name a run's folder"),
        (b"\x89PNG\r\n\x1a\n", "is no log of a run; name a run's folder"),
        (b'{"event": "started", "step": 0, "format": 2}\n', "is of format 2, and this version"),
    ],
)
def test_what_is_no_log_is_refused(run, content: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        load(run([], content))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Refused, match=r"there is no log of a run at .*metrics.jsonl"):
            load(path)


@pytest.mark.parametrize("lines", [[STARTED], [STARTED, {**LEARNING[1], "loss": None}]])
def test_a_run_that_only_began_has_nothing_to_draw(run, tmp_path: Path, lines) -> None:
    with pytest.raises(Refused, match="holds neither a loss nor a metric"):
        list(draw(load(run(lines)), tmp_path / "pictures"))
    assert not (tmp_path / "pictures").exists()
