"""The command that verifies: tables, counts, pictures, exit codes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import potentiate.verify
from potentiate.__main__ import main
from potentiate.cli.verify import _table
from potentiate.verify import Check, Curve
from potentiate.verify.pictures import draw, slug

GOOD = Check("two: sum of [halves]", 2.0, 2.0000004, 1e-6, "1 + 1, on paper")
BAD = Check("two: product", 4.0, 5.0, 0.5, "2 times 2")
NAN = Check("two: root", 1.5, float("nan"), 0.5, "sqrt(2)")
X = np.linspace(0.0, 10.0, 21)
RISE = Curve("Rise, lag 10 ms", "time (ms)", "voltage (mV)", X, X**2, X**2 + 0.5)
FALL = Curve("Rise, lag -10 ms", "time <ms>", "change & more", X, 5.0 - X, 5.0 - X)


@dataclass(frozen=True)
class Fake:
    """A suite of checks that are known."""

    known: Sequence[Check]
    drawn: Sequence[Curve] = ()

    def checks(self) -> Iterator[Check]:
        yield from self.known

    def curves(self) -> Iterator[Curve]:
        yield from self.drawn


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts suites of its own in the place of ours."""

    def replace(**fakes: Fake) -> None:
        monkeypatch.setattr(potentiate.verify, "suites", lambda: dict(fakes))

    return replace


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["verify", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = err.splitlines()
    return sentence.removeprefix("potentiate: ")


def test_all_that_passes_is_shown_and_counted(capsys, suites) -> None:
    suites(first=Fake([GOOD]), second=Fake([GOOD, GOOD]))
    assert main(["verify"]) == 0
    out, err = capsys.readouterr()
    first, second = out.split("second", 1)
    assert "first" in first
    (row,) = (line.split() for line in first.splitlines() if line.startswith("two"))
    assert " ".join(row) == "two: sum of [halves] 2 2 1e-06 1 + 1, on paper yes"
    assert second.count("two: sum") == 2
    assert out.splitlines()[-1].startswith("3 of 3 checks passed in ")
    assert out.endswith(" s\n")
    assert err.splitlines() == ["verifying first", "verifying second"]


def test_a_narrow_terminal_has_the_source_below_the_name() -> None:
    stream = StringIO()
    Console(file=stream, width=60).print(_table("first", [GOOD], narrow=True))
    lines = stream.getvalue().splitlines()
    (at,) = (place for place, line in enumerate(lines) if "two" in line)
    assert " ".join(lines[at].split()) == "two: sum of [halves] 2 2 1e-06 yes"
    assert lines[at + 1].strip() == GOOD.source


@pytest.mark.parametrize("wrong", [BAD, NAN])
def test_one_that_fails_decides_the_exit_code_and_is_named_at_the_end(capsys, suites, wrong):
    suites(first=Fake([GOOD, wrong]), second=Fake([GOOD]))
    assert main(["verify"]) == 1
    *rest, named, last = capsys.readouterr().out.splitlines()
    assert last.startswith("2 of 3 checks passed in ")
    assert named.startswith(f"FAILED  first: {wrong.name}: off by ")
    assert sum(line.rstrip().endswith("NO") for line in rest) == 1


def test_suites_are_run_in_the_order_given_and_once(capsys, suites) -> None:
    suites(first=Fake([BAD]), second=Fake([GOOD]), third=Fake([GOOD]))
    assert main(["verify", "third", "second", "third"]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == ["verifying third", "verifying second"]
    assert "2 of 2" in out


def test_the_rows_are_written_too(capsys, suites) -> None:
    suites(first=Fake([GOOD]), second=Fake([NAN]))
    assert main(["verify", "--json", "results/rows.json"]) == 1
    assert "results/rows.json" in capsys.readouterr().out
    rows = json.loads(Path("results/rows.json").read_text())
    assert [row["suite"] for row in rows] == ["first", "second"]
    assert rows[0] == {
        "suite": "first", "name": GOOD.name, "expected": 2.0, "measured": 2.0000004,
        "tolerance": 1e-6, "source": GOOD.source, "passed": True,
    }  # fmt: skip
    assert rows[1]["measured"] is None
    assert rows[1]["passed"] is False


def test_every_curve_is_drawn_twice_and_said_where(capsys, suites) -> None:
    suites(first=Fake([GOOD], [RISE, FALL]), second=Fake([GOOD]))
    assert main(["verify", "--plot", "some/pictures"]) == 0
    assert "pictures  some/pictures: 2, each as SVG and PNG" in capsys.readouterr().out
    names = sorted(path.name for path in Path("some/pictures").iterdir())
    stems = ("first-rise-lag-10-ms", "first-rise-lag-minus-10-ms")
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]


def test_no_suite_is_run_that_was_not_asked_for(capsys) -> None:
    assert "did you mean 'neurons'?" in refusal(capsys, "neurns")
    assert "known are encoding, neurons, plasticity" in refusal(capsys, "encoding", "qqq")


def test_what_cannot_be_written_is_refused_before_anything_runs(capsys, suites) -> None:
    def never() -> Iterator[Check]:
        raise AssertionError("it ran")

    suites(first=Fake([GOOD]))
    Path("file").write_text("mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "checks", lambda self: never())
        assert "file cannot be written" in refusal(capsys, "--plot", "file")
        assert "choose another folder" in refusal(capsys, "--plot", "file/below")
        assert "choose another folder" in refusal(capsys, "--json", "file/rows.json")
        assert "which is a folder; name a file in it" in refusal(capsys, "--json", ".")
    assert Path("file").read_text() == "mine"


def test_a_folder_that_fills_up_is_refused_in_a_sentence(capsys, suites, monkeypatch) -> None:
    def full(*given: object) -> Iterator[Path]:
        raise OSError(28, "No space left on device")
        yield Path()

    suites(first=Fake([GOOD], [RISE]))
    monkeypatch.setattr("potentiate.verify.pictures.draw", full)
    assert main(["verify", "--plot", "pictures"]) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence == (
        "potentiate: pictures cannot be written (No space left on device); "
        "make room there or choose another folder"
    )


def test_the_help_names_every_suite(capsys) -> None:
    assert main(["verify", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in potentiate.verify.suites())


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    paths = list(draw([RISE, FALL], tmp_path, "x"))
    for path, curve in zip(paths, (RISE, FALL), strict=True):
        tree = ElementTree.parse(path)
        said = {
            "".join(e.itertext()).strip() for e in tree.iter("{http://www.w3.org/2000/svg}text")
        }
        assert {curve.title, curve.x_label, curve.y_label, "theory", "measured"} <= said
        with Image.open(path.with_suffix(".png")) as picture:
            shades = np.asarray(picture.convert("RGB"), int).reshape(-1, 3)
        assert len(shades) > 500_000
        for color in ((0xE6, 0x9F, 0x00), (0x00, 0x72, 0xB2)):
            assert (np.abs(shades - color).sum(1) == 0).sum() > 100


def test_equal_curves_are_equal_bytes(tmp_path: Path) -> None:
    first, second = (next(draw([RISE], tmp_path, name)) for name in ("a", "b"))
    for kind in (".svg", ".png"):
        assert first.with_suffix(kind).read_bytes() == second.with_suffix(kind).read_bytes()


def test_titles_become_names_that_differ() -> None:
    assert slug("Pair STDP, lag 10 ms") == "pair-stdp-lag-10-ms"
    assert slug("Pair STDP, lag -10 ms") == "pair-stdp-lag-minus-10-ms"
    assert slug("A/B: 0.5 (two-speed-2)...") == "a-b-0.5-two-speed-2"
    assert slug("../") == "curve"


def test_curves_of_one_title_are_all_kept(tmp_path: Path) -> None:
    names = [path.name for path in draw([RISE, FALL, RISE, RISE], tmp_path, "x")]
    assert names[2:] == ["x-rise-lag-10-ms-2.svg", "x-rise-lag-10-ms-3.svg"]
    assert len(list(tmp_path.iterdir())) == 8
