"""The command line: every command does its work, and every mistake is one sentence and exit code 2."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import torch

from potentiate import __version__
from potentiate.__main__ import main
from potentiate.checkpoint import Shelf, load
from potentiate.config import read_config

JOB = """
import torch
from torch import nn
from potentiate import supervised

random = torch.Generator().manual_seed(0)
inputs = torch.randn(200, 6, generator=random)
labels = (inputs[:, 0] > 0).long()

def net():
    return nn.Sequential(nn.Linear({width}, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 2))

workload = supervised("mlp/signs", net, ({inputs}, labels), batch_size=16, epochs={epochs})
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def job(tmp_path):
    def write(text=JOB, **changes):
        values = {"width": 6, "inputs": "inputs", "epochs": 3, **changes}
        path = tmp_path / "my_job.py"
        path.write_text(text.format(**values) if text is JOB else text)
        return f"{path.name}:workload"

    return write


def refusal(capsys, *words):
    """The one sentence on standard error; nothing else may be there."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    *_, sentence = err.splitlines()
    assert sentence.startswith("potentiate: ")
    return sentence.removeprefix("potentiate: ")


def spoken(capsys, *words):
    assert main(words) == 0
    return capsys.readouterr().out


def command(*words, code=None, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, *(("-c", code) if code else ("-m", "potentiate", *words))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_help_names_every_command(capsys):
    text = spoken(capsys, "--help")
    for name in ("train", "run", "list", "doctor", "download"):
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", ["train", "run", "list", "doctor", "download"])
def test_every_command_has_help(capsys, name):
    assert "--help" in spoken(capsys, name, "--help")


def test_help_imports_nothing_heavy():
    heavy = "{'torch', 'scipy', 'numpy', 'sklearn', 'matplotlib', 'pandas', 'rich.progress'}"
    code = (
        "import sys; from potentiate.__main__ import main; main(['--help']); "
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_told(capsys):
    assert spoken(capsys, "--version") == f"potentiate {__version__}\n"


def test_lists_are_readable_tables(capsys):
    text = spoken(capsys, "list")
    for name in ("cnn/mnist", "one-cycle", "fashion-mnist"):
        assert name in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "one-cycle" not in spoken(capsys, "list", "datasets")


def test_a_technique_that_cannot_run_here_says_why(capsys, monkeypatch):
    from potentiate.techniques import TECHNIQUES

    kind = TECHNIQUES["compile"]
    monkeypatch.setattr(kind, "unavailable", lambda self, device: "the moon is in the wrong phase")
    words = " ".join(spoken(capsys, "list", "techniques").split())
    assert re.search(r"the moon.* is in the.* wrong", words)


def test_the_doctor_looks_and_never_fails(capsys):
    text = spoken(capsys, "doctor")
    assert "processor" in text
    assert re.search(r"\d+ warnings?\n$", text)
    found = json.loads(spoken(capsys, "doctor", "--json"))
    assert {"topic", "value", "verdict", "remedy"} == set(found[0])


def test_downloading_what_is_always_there_says_so(capsys):
    assert "nothing to download" in spoken(capsys, "download", "digits")


def test_training_fills_its_folder_and_reports(capsys, tmp_path, job):
    assert main(["train", job(), "-t", "ema-weights", "--set", "lr=0.02", "--seed", "4"]) == 0
    out, err = capsys.readouterr()
    for word in ("test", "validation", "set-up", "warm-up", "training", "evaluation", "samples/s"):
        assert word in out
    assert "validation loss" in err
    (folder,) = (tmp_path / "runs" / "mlp" / "signs").iterdir()
    assert Shelf(folder / "checkpoints").steps() == (9, 18, 27)
    assert f"potentiate run {folder.relative_to(tmp_path)}/run.toml" in out
    config = tomllib.loads((folder / "run.toml").read_text())
    assert config["techniques"] == ["ema-weights"]
    assert config["seed"] == 4
    assert config["recipe"]["lr"] == 0.02
    assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 27


def test_quiet_is_quiet(capsys, job):
    assert main(["train", job(), "--quiet", "--epochs", "1", "--out", "here"]) == 0
    assert capsys.readouterr().err == ""


def weights(folder):
    shelf = Shelf(Path(folder) / "checkpoints")
    return load(shelf.latest()).state["training"]["model"]


def test_the_file_of_a_run_repeats_it(capsys, tmp_path, job):
    name = job()
    spoken(capsys, "train", name, "--out", "first", "-t", "one-cycle:rise=0.5", "--seed", "3")
    spoken(capsys, "run", "first/run.toml", "--out", "second")
    first, second = weights("first"), weights("second")
    assert all(torch.equal(first[key], second[key]) for key in first)
    spoken(capsys, "run", "first/run.toml", "--out", "third", "--seed", "5")
    assert not torch.equal(weights("third")["0.weight"], first["0.weight"])


def test_a_run_ended_by_sigterm_says_how_to_go_on_and_does(capsys, tmp_path, job):
    name = job(epochs=400)
    process = command("train", name, "--out", "run", "--save-every", "1000")
    log = tmp_path / "run" / "metrics.jsonl"
    while not (log.exists() and "evaluated" in log.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "Traceback" not in err
    found = re.search(r"stopped by SIGTERM after step (\d+), saved in (\S+); go on with: (.+)", err)
    assert found is not None
    assert Path(found[2]).name == f"step-{int(found[1]):08d}"
    words = found[3].split()
    assert words[0] == "potentiate"
    # the rest of 400 epochs in this process, and all of them at once, are the same training
    assert main([*words[1:], "--quiet"]) == 0
    assert main(["train", name, "--out", "whole", "--quiet", "--save-every", "100000"]) == 0
    first, second = weights("run"), weights("whole")
    assert all(torch.equal(first[key], second[key]) for key in first)
    capsys.readouterr()
    assert "is complete" in spoken(capsys, *words[1:])


def test_ctrl_c_once_saves_what_was_learned(tmp_path, job):
    process = command("train", job(epochs=100000), "--out", "run", "--quiet")
    log = tmp_path / "run" / "metrics.jsonl"
    while not (log.exists() and "evaluated" in log.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by SIGINT" in err
    assert Shelf(tmp_path / "run" / "checkpoints").latest() is not None


STUCK = """
import signal, time
from pathlib import Path
import torch
from torch import nn
from potentiate import supervised

first = signal.getsignal(signal.SIGINT)

class Stuck(nn.Linear):
    def forward(self, x):
        if self.training and Path("run/run.toml").exists():
            while True:  # as a step that hangs: what the first signal asks for never comes
                watched = signal.getsignal(signal.SIGINT) is not first
                Path("stuck" if watched else "noticed").touch()
                time.sleep(0.01)
        return super().forward(x)

data = torch.zeros(200, 6), torch.zeros(200, dtype=torch.long)
workload = supervised("mlp/stuck", lambda: Stuck(6, 2), data, batch_size=16, epochs=3)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_run_that_hangs(tmp_path, job, sent):
    process = command("train", job(STUCK), "--out", "run", "--quiet")
    for name in ("stuck", "noticed"):
        while not (tmp_path / name).exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert "stopped by" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_any_command_ends_with_the_code_of_its_signal(sent):
    code = """
import sys, time
from importlib import import_module
from potentiate.__main__ import main
import_module("potentiate.cli.show").tables = lambda names: (print("ready", flush=True), time.sleep(600))
sys.exit(main(["list"]))
"""
    process = command(code=code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert "Traceback" not in err


def test_signals_are_as_before_when_a_command_has_ended(capsys):
    before = signal.getsignal(signal.SIGTERM)
    spoken(capsys, "--version")
    assert signal.getsignal(signal.SIGTERM) is before


def test_nobody_reading_is_no_error():
    process = command("list")
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_going_on_from_an_older_checkpoint_leaves_the_newer_alone(capsys, job):
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    before = sorted(path.name for path in Path("run/checkpoints").iterdir())
    older = "run/checkpoints/step-00000018"
    spoken(capsys, "train", "--resume", older, "--out", "copy", "--quiet")
    assert sorted(path.name for path in Path("run/checkpoints").iterdir()) == before
    first, second = weights("run"), weights("copy")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_names_that_do_not_exist_are_refused_with_the_nearest(capsys):
    assert "did you mean 'cnn/digits'?" in refusal(capsys, "train", "cnn/digit")
    assert "did you mean 'one-cycle'?" in refusal(capsys, "train", "cnn/digits", "-t", "one-cycel")
    assert "did you mean 'mnist'?" in refusal(capsys, "download", "mnits")
    assert "'train'" in refusal(capsys, "trian")
    assert "'momentum'" in refusal(capsys, "train", "cnn/digits", "--set", "momentun=0.9")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("train",), "no workload is named"),
        (("train", "cnn/digits", "--set", "lr"), "write key=value"),
        (("train", "cnn/digits", "--set", "lr=1", "--set", "lr=2"), "given twice"),
        (("train", "cnn/digits", "--epochs", "1", "--set", "epochs=2"), "given as --epochs too"),
        (("study", "cnn/digits", "--epochs", "1", "--set", "epochs=2"), "given as --epochs too"),
        (("train", "cnn/digits", "--epochs", "many"), "potentiate train --help"),
        (("train", "cnn/digits", "--epochs", "-1"), "epochs=-1.0 is refused"),
        (("train", "cnn/digits", "--device", "abacus"), "there is no device 'abacus'"),
        (("train", "cnn/digits", "-t", "one-cycle", "-t", "one-cycle"), "listed twice"),
        (("train", "cnn/digits", "-t", "one-cycle", "-t", "cosine"), "one-cycle"),
        (("train", "cnn/digits", "--save-every", "0"), "--save-every"),
        (("train", "--resume", "nowhere"), "does not exist"),
        (("train", "nowhere.py:workload"), "there is no workload file"),
        (("run", "nowhere.toml"), "there is no file nowhere.toml"),
        (("list", "planets"), "planets"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(capsys, words, part):
    assert part in refusal(capsys, *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_run_that_is_refused_before_it_began_leaves_no_folder(capsys, tmp_path):
    Path("mine").mkdir()
    for place in ((), ("--out", "mine/new"), ("--out", "mine")):
        assert "no set 'Nowhere'" in refusal(capsys, "train", "timehut/Nowhere", *place)
    assert [*tmp_path.rglob("*")] == [tmp_path / "mine"]


def test_a_device_that_is_not_there_is_refused(capsys):
    assert "no CUDA device" in refusal(capsys, "train", "cnn/digits", "--device", "cuda")


def test_a_run_is_not_written_over(capsys, job):
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    assert "--resume run" in refusal(capsys, "train", job(), "--out", "run")


def test_resuming_takes_nothing_that_would_change_the_run(capsys, job):
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    assert "leave --set, --seed out" in refusal(
        capsys, "train", "--resume", "run", "--set", "lr=1", "--seed", "3"
    )
    assert "not of 'cnn/digits'" in refusal(capsys, "train", "cnn/digits", "--resume", "run")
    assert "leave --out out" in refusal(capsys, "train", "--resume", "run", "--out", "there")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("seed = 3\nworkload = cnn\n", "line 2"),
        ('workload = "cnn/digits', "Unterminated string"),
        ('workload = "cnn/digits"\nsede = 3\n', "did you mean 'seed'?"),
        ('format = 2\nworkload = "cnn/digits"\n', "has format 2"),
        ("seed = 3\n", "names no workload"),
        ('workload = "cnn/digits"\nseed = "x"\n', "seed = 'x' is refused"),
        ('workload = "cnn/digits"\ntechniques = "ema"\n', "techniques = 'ema' is refused"),
        ('workload = "cnn/digits"\n[recipe]\nlr = {a = 1}\n', "recipe.lr"),
        ('workload = "cnn/digits"\n[recipe]\nlearning = 1\n', "'learning'"),
        ('workload = "cnn/digits"\nrecipe = 3\n', "recipe = 3 is refused"),
    ],
)
def test_a_file_that_says_nonsense_is_refused_with_the_place(capsys, text, part):
    Path("best.toml").write_text(text)
    assert part in refusal(capsys, "run", "best.toml")


def test_a_file_that_is_no_text_is_refused(capsys):
    Path("best.toml").write_bytes(b"\xff\xfe\x00")
    assert "not text" in refusal(capsys, "run", "best.toml")
    Path("folder.toml").mkdir()
    assert "cannot be read" in refusal(capsys, "run", "folder.toml")


def test_a_workload_beside_its_file_is_found_from_anywhere(tmp_path, monkeypatch, job):
    job()
    (tmp_path / "best.toml").write_text('workload = "my_job.py:workload"\n')
    monkeypatch.chdir("/")
    config = read_config(tmp_path / "best.toml")
    assert config.workload == f"{tmp_path / 'my_job.py'}:workload"


BROKEN = {
    "raises when it is read": ("import torch\n1 / 0\n", "my_job.py fails at line 2"),
    "is not Python": (
        "import torch\nworkload = = 3\n",
        "my_job.py fails at line 2 with SyntaxError",
    ),
    "has no workload": ("x = 3\n", "defines no 'workload'"),
    "has something else": ("workload = 3\n", "is a int, not a Workload"),
    "raises when it is built": (
        JOB.replace("return nn.Sequential", "raise ValueError('no net today')\n    return nn.S"),
        "my_job.py fails at line 11 with ValueError: no net today",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_workload_file_that_fails_is_blamed_with_its_line(capsys, job, case):
    text, part = BROKEN[case]
    if "{width}" in text:
        text = text.format(width=6, inputs="inputs", epochs=3)
    assert part in refusal(capsys, "train", job(text))


def test_a_network_that_does_not_fit_its_data_is_one_sentence(capsys, job):
    assert "fails with RuntimeError: mat1 and mat2" in refusal(capsys, "train", job(width=5))


def test_a_loss_that_is_not_a_number_is_one_sentence(capsys):
    words = ("--set", "optimizer=SGD", "--set", "lr=1e30", "--quiet")
    assert re.search(
        r"step \d+: the (loss|gradient)", refusal(capsys, "train", "cnn/digits", *words)
    )


def test_inputs_that_are_not_numbers_are_one_sentence(capsys, job):
    assert "the data hold numbers" in refusal(capsys, "train", job(inputs="inputs * float('nan')"))


def test_an_empty_data_set_is_one_sentence(capsys, job):
    text = JOB.format(width=6, inputs="inputs[:0]", epochs=3).replace("labels)", "labels[:0])")
    assert "0 samples are too few" in refusal(capsys, "train", job(text))


def test_data_that_is_missing_or_damaged_is_one_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path / "data"))
    assert "potentiate download mnist" in refusal(capsys, "train", "cnn/mnist")
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(b"not gzip at all")
    assert "train-images-idx3-ubyte.gz" in refusal(capsys, "train", "cnn/mnist")


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(capsys, monkeypatch, job):
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    real, calls = os.fsync, [0]

    def full(handle):
        calls[0] += 1
        if calls[0] > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        sentence = refusal(capsys, "train", job(), "--out", "other", "--quiet")
    assert "No space left on device" in sentence
    assert "room" in sentence
    assert Shelf(Path("other/checkpoints")).latest() is not None


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--set", "momentum=0.9"), "Adadelta does not take"),
        (("--set", "optimizer=LBFGS"), "no optimizer in torch.optim 'LBFGS'"),
        (("--set", "optimizer=Muon"), "Muon does not take"),
        (("--device", "cpu:x"), "'cpu:x' is no device"),
        (("--seed", str(2**64)), "seed"),
    ],
)
def test_what_only_torch_would_refuse_is_one_sentence(capsys, words, part):
    assert part in refusal(capsys, "train", "cnn/digits", "--quiet", *words)


def test_a_folder_in_which_nothing_was_trained_can_be_used_again(capsys, job):
    broken = job(JOB.format(width=6, inputs="inputs", epochs=3) + "workload.make(1)\n")
    refusal(capsys, "train", broken, "--out", "run", "--quiet")
    missing = ("train", job(inputs="inputs * float('nan')"), "--out", "run", "--quiet")
    assert "the data hold numbers" in refusal(capsys, *missing)
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    first = Path("run/metrics.jsonl").read_text().splitlines()[0]
    assert '"started"' in first
    assert "holds a run already" in refusal(capsys, "train", job(), "--out", "run")


def test_every_step_or_none_is_logged(capsys, job):
    for every, expected in ((1, True), (0, False)):
        out = f"run-{every}"
        spoken(capsys, "train", job(), "--out", out, "--quiet", "--log-every", str(every))
        text = Path(out, "metrics.jsonl").read_text()
        assert ('"stepped"' in text) is expected


def test_a_folder_that_cannot_be_made_is_one_sentence(capsys, job):
    Path("file").write_text("")
    assert "could not be written" in refusal(capsys, "train", job(), "--out", "file/run")


@pytest.mark.parametrize("name", ["metrics.jsonl", "run.toml"])
def test_a_file_that_is_not_ours_is_never_overwritten(capsys, tmp_path, name):
    (tmp_path / name).write_text("my notes\n")
    words = ("train", "cnn/digits", "--epochs", "0.1", "--out", str(tmp_path))
    assert f"{name} that no run of ours left" in refusal(capsys, *words)
    assert (tmp_path / name).read_text() == "my notes\n"


def test_settings_that_torch_refuses_are_one_sentence(capsys):
    words = ("--set", "optimizer=SparseAdam", "--quiet")
    assert "with optimizer=SparseAdam fails" in refusal(capsys, "train", "cnn/digits", *words)


def test_rows_that_do_not_match_are_refused(capsys, job):
    assert "equally many rows" in refusal(capsys, "train", job(inputs="inputs[:50]"))


def test_presets_are_settings_by_name(capsys, tmp_path):
    words = ("train", "brain/xor", "--preset", "accuracy", "--quiet", "--out", str(tmp_path))
    assert main(words) == 0
    assert "time_steps = 5" in (tmp_path / "run.toml").read_text()
    assert "did you mean 'speed'" in refusal(capsys, "train", "brain/xor", "--preset", "sped")
    assert "has no presets" in refusal(capsys, "train", "cnn/digits", "--preset", "speed")


def test_damaged_checkpoints_are_told(capsys, job):
    spoken(capsys, "train", job(), "--out", "run", "--quiet")
    saved = sorted(Path("run/checkpoints").glob("step-*"))
    assert len(saved) > 1
    (saved[-1] / "tensors.safetensors").write_bytes(b"")
    main(("train", "--resume", "run", "--quiet"))
    assert f"{saved[-1].name} is damaged" in capsys.readouterr().err
    for folder in Path("run/checkpoints").glob("step-*"):
        (folder / "tensors.safetensors").write_bytes(b"")
    assert "are damaged" in refusal(capsys, "train", "--resume", "run")


def test_all_kernels_are_compiled_ahead(capsys):
    """Each entry runs its kernels, so an interface that moves breaks this and not a user's first training."""
    from potentiate.cli.warm import KERNELS

    text = spoken(capsys, "doctor", "--warm")
    assert all(name in text for name in KERNELS)
