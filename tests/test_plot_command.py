"""The command that draws a run: files, words, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from potentiate.__main__ import main

LINES = [
    {"event": "started", "step": 0, "format": 1, "workload": "cnn/digits"},
    {"event": "stepped", "step": 1, "loss": 2.0},
    {"event": "stepped", "step": 2, "loss": 1.0},
    {"event": "evaluated", "step": 2, "seconds": 0.5, "metrics": {"accuracy": 0.5}},
]
STEMS = "training-loss", "metric-accuracy"


@pytest.fixture(autouse=True)
def _a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["plot", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = err.splitlines()
    return sentence.removeprefix("potentiate: ")


def test_each_file_is_drawn_into_the_run_and_named(capsys) -> None:
    assert main(["plot", "run"]) == 0
    out, err = capsys.readouterr()
    names = [f"run/pictures/{stem}.{kind}" for stem in STEMS for kind in ("svg", "png")]
    assert out.splitlines() == names
    assert err == ""
    assert sorted(str(path) for path in Path("run/pictures").iterdir()) == sorted(names)


def test_the_log_may_be_named_and_the_folder_and_the_format(capsys) -> None:
    assert main(["plot", "run/metrics.jsonl", "--out", "some/where", "--format", "svg"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"some/where/{stem}.svg" for stem in STEMS]
    assert not Path("run/pictures").exists()
    assert len(list(Path("some/where").iterdir())) == 2


def test_a_second_time_replaces_the_files(capsys) -> None:
    for _ in range(2):
        assert main(["plot", "run", "--format", "png"]) == 0
    assert len(list(Path("run/pictures").iterdir())) == 2


def test_quiet_names_no_files_but_what_is_missing(capsys) -> None:
    with Path("run/metrics.jsonl").open("a") as log:
        log.write('{"event": "stepp')
    assert main(["plot", "run", "--quiet", "--format", "svg"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "potentiate: run/metrics.jsonl: left out what cannot be read: line 5\n"
    assert len(list(Path("run/pictures").iterdir())) == 2


def test_what_cannot_be_drawn_is_refused_in_a_sentence(capsys) -> None:
    assert "there is no log of a run at absent; name a run's folder" in refusal(capsys, "absent")
    Path("run/metrics.jsonl").write_text(json.dumps(LINES[0]) + "\n")
    assert "holds neither a loss nor a metric" in refusal(capsys, "run")
    Path("run/metrics.jsonl").write_text("")
    assert "is empty" in refusal(capsys, "run")
    assert "see 'potentiate plot --help'" in refusal(capsys, "run", "--format", "gif")
    assert not Path("run/pictures").exists()


def test_a_place_that_is_taken_is_refused(capsys) -> None:
    Path("file").write_text("mine")
    sentence = refusal(capsys, "run", "--out", "file")
    assert sentence == (
        "file cannot be written (File exists); a file stands where its folder belongs, so choose "
        "another folder"
    )
    assert "choose another folder" in refusal(capsys, "run", "--out", "file/below")
    assert Path("file").read_text() == "mine"


def test_a_disk_that_fills_up_is_refused(capsys, monkeypatch) -> None:
    def full(*given: object) -> list[Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("potentiate.plot.pictures.save", full)
    sentence = refusal(capsys, "run")
    assert sentence.startswith("run/pictures cannot be written (No space left on device); make")


def test_drawing_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from potentiate.__main__ import main; "
        "assert main(['plot', 'run', '--quiet']) == 0; "
        "sys.exit(str({'torch', 'numba', 'scipy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert len(list(Path("run/pictures").iterdir())) == 4


def test_the_help_names_the_command_and_its_options(capsys) -> None:
    assert main(["--help"]) == 0
    assert "\n  plot " in capsys.readouterr().out
    assert main(["plot", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("--out", "--format", "--quiet", "metrics.jsonl"))
