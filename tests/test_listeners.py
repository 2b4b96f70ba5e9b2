"""Who watches the loop, one listener at a time."""

import io
import json
import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from jobs import small_cnn
from potentiate.checkpoint import Shelf, facts, load
from potentiate.engine import train
from potentiate.errors import Refused
from potentiate.events import Evaluated, Finished, Started, Stepped
from potentiate.listeners import Checkpoints, Interrupts, MetricsLog, Progress, watch
from potentiate.listeners.progress import duration

GOLDEN = Path(__file__).parent / "golden" / "metrics-1"


class Untouchable:
    """A loss that must not be read."""

    def __float__(self):
        raise AssertionError("a listener read the device at a step")


def unread(events):
    """The events, with losses that cannot be read."""
    for event in events:
        yield Stepped(event.step, Untouchable()) if isinstance(event, Stepped) else event


def run(*listeners, **options):
    return watch(train(small_cnn(epochs=2), seed=1, **options), *listeners)


def logged(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_watching_shows_every_listener_every_event():
    seen = [], []
    end = run(seen[0].append, seen[1].append)
    assert seen[0] == seen[1]
    assert seen[0][-1] is end
    assert len([event for event in seen[0] if isinstance(event, Stepped)]) == 30


def test_a_listener_that_returns_true_ends_the_run_for_all():
    seen = []
    assert run(lambda event: isinstance(event, Evaluated), seen.append) is None
    assert isinstance(seen[-1], Evaluated)
    assert seen[-1].step == 15


def test_the_run_is_closed_where_a_listener_fails():
    closed = []

    def events():
        try:
            yield Finished(1, "over", None, {})
        finally:
            closed.append(True)

    def fail(event):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        watch(events(), fail)
    assert closed == [True]


def test_no_listener_reads_the_device_at_a_step(tmp_path):
    log = MetricsLog(tmp_path / "log.jsonl", every=0)
    checkpoints = Checkpoints(Shelf(tmp_path / "shelf"))
    progress = Progress(io.StringIO())
    with Interrupts() as interrupts:
        events = unread(train(small_cnn(epochs=2), seed=1))
        assert watch(events, progress, log, checkpoints, interrupts) is not None
    log.close()


def test_progress_writes_a_line_for_each_evaluation_where_there_is_no_terminal():
    stream = io.StringIO()
    run(Progress(stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "cnn/stripes on cpu: 30 steps to go"
    assert lines[1].startswith("step 15/30: validation loss ")
    assert "samples/s" in lines[1]
    assert lines[1].endswith(" left")
    assert lines[-1] == "step 30: the schedule is complete"
    assert len(lines) == 4


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_draws_a_bar_on_a_terminal_and_reads_losses_only_to_show_them():
    stream = Terminal()
    progress = Progress(stream)
    reads = []

    class Loss:
        def __float__(self):
            reads.append(1)
            return 0.5

    events = train(small_cnn(epochs=2), seed=1)
    watch((Stepped(e.step, Loss()) if isinstance(e, Stepped) else e for e in events), progress)
    assert "30/30" in stream.getvalue()
    assert "validation loss" in stream.getvalue()
    assert len(reads) < 10


def test_progress_can_be_closed_at_any_time():
    stream = Terminal()
    progress = Progress(stream)
    progress.close()
    run(progress, lambda event: isinstance(event, Stepped))
    progress.close()
    progress.close()
    assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is shown again


def test_the_rate_counts_from_where_this_process_began():
    progress = Progress(io.StringIO())
    assert progress.rate(10) == 0.0
    state = {}

    def keep(event):
        if isinstance(event, Started):
            state["training"] = event.training
        if isinstance(event, Stepped) and event.step == 20:
            state.update(state["training"].state())
            return True
        return False

    run(keep)
    state.pop("training")
    resumed = Progress(io.StringIO())
    rates = []
    before = state["clock"]["nanoseconds"]["training"] / 1e9

    def read(event):
        if isinstance(event, Finished):
            rates.append(resumed.rate(30) * (event.seconds["training"] - before))

    run(resumed, read, resume=state)
    assert rates == [pytest.approx(10, rel=1e-6)]


def test_time_spans_read_as_times():
    assert duration(3599.7) == "1:00:00"


def test_the_log_has_a_line_for_each_thing_worth_a_line(tmp_path):
    log = MetricsLog(tmp_path / "deep" / "log.jsonl", every=8)
    end = run(log)
    log.close()
    lines = logged(tmp_path / "deep" / "log.jsonl")
    said = [(line["event"], line["step"]) for line in lines]
    assert said == [
        ("started", 0),
        ("stepped", 8),
        ("evaluated", 15),
        ("stepped", 16),
        ("stepped", 24),
        ("evaluated", 30),
        ("finished", 30),
    ]
    assert lines[0]["format"] == 1
    assert lines[0]["recipe"]["epochs"] == 2
    assert lines[-1]["test"] == end.test


def shape(lines):
    """Event -> the names on its line, those of nested objects too."""
    return {
        line["event"]: {
            key: sorted(value) if isinstance(value, dict) and key != "recipe" else type(value)
            for key, value in line.items()
        }
        for line in lines
    }


def test_the_log_has_the_form_that_its_format_promises(tmp_path):
    """`golden/metrics-1` is what readers of format 1 know; another form needs another number."""
    log = MetricsLog(tmp_path / "metrics.jsonl", every=10)
    run(log)
    log.close()
    written, known = logged(tmp_path / "metrics.jsonl"), logged(GOLDEN / "metrics.jsonl")
    assert written[0]["format"] == known[0]["format"]
    assert shape(written) == shape(known)
    assert [line["event"] for line in written] == [line["event"] for line in known]


def test_a_number_that_is_not_finite_is_null_in_the_log(tmp_path):
    log = MetricsLog(tmp_path / "log.jsonl", every=1)
    log(Stepped(1, torch.tensor(float("nan"))))
    log(Evaluated(1, 0.5, {"loss": float("inf"), "accuracy": 0.5}))
    log.close()
    lines = logged(tmp_path / "log.jsonl")
    assert lines[0]["loss"] is None
    assert lines[1]["metrics"] == {"loss": None, "accuracy": 0.5}


def test_the_log_is_cut_where_its_state_was_taken(tmp_path):
    path = tmp_path / "log.jsonl"
    log = MetricsLog(path, every=1)
    log(Stepped(1, torch.tensor(1.0)))
    state = log.state_dict()
    log(Stepped(2, torch.tensor(2.0)))
    log.close()
    again = MetricsLog(path, every=1)
    again.load_state_dict(state)
    again(Stepped(2, torch.tensor(3.0)))
    again.close()
    assert [line["loss"] for line in logged(path)] == [1.0, 3.0]


def test_a_log_that_was_lost_is_begun_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    log = MetricsLog(path, every=1)
    log.load_state_dict({"bytes": 1000})
    log(Stepped(2, torch.tensor(3.0)))
    log.close()
    assert len(logged(path)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_on_a_full_disk_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "log.jsonl"
    path.symlink_to("/dev/full")
    log = MetricsLog(path, every=1)
    with pytest.raises(Refused, match=r"log\.jsonl could not be written \(No space left"):
        log(Stepped(1, torch.tensor(1.0)))
    log.close()


def test_a_log_in_a_place_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="could not be written"):
        MetricsLog(tmp_path / "file" / "log.jsonl")


def test_checkpoints_lie_at_each_evaluation_and_the_end(tmp_path):
    checkpoints = Checkpoints(Shelf(tmp_path))
    end = run(checkpoints)
    assert Shelf(tmp_path).steps() == (15, 30)
    noted = facts(checkpoints.written)
    assert noted["finished"] == "the schedule is complete"
    assert noted["test"] == end.test
    assert noted["seed"] == 1
    assert noted["techniques"] == []
    assert noted["metrics"]["step"] == 30
    assert facts(tmp_path / "step-00000015")["finished"] is None


def test_checkpoints_lie_at_every_so_many_steps_and_the_newest_stay(tmp_path):
    run(Checkpoints(Shelf(tmp_path, keep=3), every=7))
    assert Shelf(tmp_path).steps() == (21, 28, 30)


def test_the_best_by_the_workloads_metric_is_kept_apart(tmp_path):
    checkpoints = Checkpoints(Shelf(tmp_path, keep=1))
    checkpoints(next(iter(train(small_cnn(), seed=1))))
    training = checkpoints.training
    best = []
    for step, accuracy in enumerate([float("nan"), 0.5, 0.7, 0.6, float("nan"), 0.7], start=1):
        training.position = step
        checkpoints(Evaluated(step, 0.0, {"loss": 1.0, "accuracy": accuracy}))
        best.append(facts(tmp_path / "best")["step"] if (tmp_path / "best").exists() else None)
    assert best == [None, 2, 3, 3, 3, 3]
    assert load(tmp_path / "best").state["listeners"]["checkpoints"]["best"]["accuracy"] == 0.7


def test_a_checkpoint_needs_a_training_and_a_pace(tmp_path):
    with pytest.raises(Refused, match="no training to save"):
        Checkpoints(Shelf(tmp_path)).save()
    with pytest.raises(Refused, match="every 0 steps"):
        Checkpoints(Shelf(tmp_path), every=0)


def test_a_signal_ends_the_run_after_the_step_and_saves_it():
    saved = []

    def send(event):
        if isinstance(event, Stepped) and event.step == 9:
            os.kill(os.getpid(), signal.SIGTERM)

    seen = []
    with Interrupts(lambda: saved.append(True) or "saved") as interrupts:
        assert run(send, seen.append, interrupts) is None
        assert interrupts.received is signal.SIGTERM
        assert interrupts.saved == "saved"
    assert saved == [True]
    assert seen[-1].step in (9, 10)  # the handler runs at the interpreter's next opportunity


def test_a_second_signal_does_what_it_did_before():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGINT) != before
        os.kill(os.getpid(), signal.SIGINT)
        while interrupts.received is None:
            pass
        assert signal.getsignal(signal.SIGINT) == before
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the signal may come a moment later
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass


def test_without_a_signal_nothing_is_saved_and_the_handlers_come_back():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts(lambda: pytest.fail("saved")) as interrupts:
        assert run(interrupts) is not None
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_that_gets_no_signals_trains_all_the_same():
    ends = []

    def work():
        with Interrupts() as interrupts:
            ends.append(run(interrupts))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(ends[0], Finished)
