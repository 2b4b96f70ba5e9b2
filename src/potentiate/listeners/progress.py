"""What a person sees of a run: a bar with rate, loss, metric and time left, or plain lines."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from potentiate.events import Evaluated, Event, Finished, Started, Stepped

if TYPE_CHECKING:
    from torch import Tensor

    from potentiate.training import Training

BAR_SECONDS = 0.25
LINE_SECONDS = 30.0


class Progress:
    """Shows how far a training is, on standard error.

    On a terminal a bar is redrawn four times a second; elsewhere a line is written at each
    evaluation and every half minute. The loss is read from the device only when it is shown. Rate
    and time left come from the clocks of the run, so that time spent watching does not count.

    Cost: below 2 us at a step that shows nothing.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.metrics = ""
        self._training: Training | None = None
        self._bar: Any = None
        self._task: Any = None
        self._pause = BAR_SECONDS if self.stream.isatty() else LINE_SECONDS
        self._next = 0.0
        self._first = 0  # where this process began, and the seconds of training before it
        self._before = 0.0
        self._evaluated = (0, 0.0)

    def __call__(self, event: Event) -> None:
        """Show what `event` says, if it is time to."""
        if isinstance(event, Stepped):
            now = perf_counter()
            if now >= self._next:
                self._next = now + self._pause
                self._show(event.step, event.loss)
        elif isinstance(event, Evaluated):
            shown = (f"{key} {value:.4g}" for key, value in event.metrics.items())
            self.metrics = f"validation {', '.join(shown)}"
            self._say(
                f"step {event.step:,}/{self._total:,}: {self.metrics}{self._left(event.step)}"
            )
        elif isinstance(event, Started):
            self._start(event.training)
        elif isinstance(event, Finished):
            self._finish(event)

    def close(self) -> None:
        """Leave the terminal as it was; needed where a run ends without its last event."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def rate(self, step: int) -> float:
        """Return steps per second of training since this process began; 0 when unknown."""
        if self._training is None:
            return 0.0
        seconds = self._training.clock.seconds.get("training", 0.0) - self._before
        return (step - self._first) / seconds if seconds > 0 else 0.0

    @property
    def _total(self) -> int:
        return 0 if self._training is None else self._training.total

    def _start(self, training: Training) -> None:
        self._training, self._first = training, training.position
        self._before = training.clock.seconds.get("training", 0.0)
        evaluated = training.clock.seconds.get("evaluation", 0.0)
        self._evaluated = (len(training.history), evaluated)
        self._next = perf_counter() + self._pause
        ahead = training.total - training.position
        self._say(f"{training.workload.name} on {training.device}: {ahead:,} steps to go")
        if self.stream.isatty():
            self._bar, self._task = _bar(self.stream, training.total, training.position)

    def _show(self, step: int, loss: Tensor) -> None:
        text = f"loss {float(loss):.4g}{self._left(step)}"
        if self._bar is None:
            self._say(f"step {step:,}/{self._total:,}: {text}")
            return
        shown = f"{text}; {self.metrics}" if self.metrics else text
        self._bar.update(self._task, completed=step, facts=shown)
        self._bar.refresh()

    def _left(self, step: int) -> str:
        rate = self.rate(step)
        if self._training is None or rate == 0:
            return ""
        run, ahead = self._training.run, self._training.total - step
        count, before = self._evaluated
        judged = len(self._training.history) - count
        spent = self._training.clock.seconds.get("evaluation", 0.0) - before
        each = spent / judged if judged else 0.0
        seconds = ahead / rate + each * -(-ahead // run.evaluation_steps)
        samples = rate * run.batches.size
        return f", {samples:,.0f} samples/s" + (f", {duration(seconds)} left" if ahead else "")

    def _finish(self, event: Finished) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=event.step)
            self._bar.refresh()
        self.close()
        self._say(f"step {event.step:,}: {event.reason}")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self.stream.write(f"{line}\n")
            self.stream.flush()


def duration(seconds: float) -> str:
    """Return a time span as a person reads it.

    Example:
        >>> duration(0.04), duration(59.6), duration(61), duration(7300)
        ('0.0 s', '1:00', '1:01', '2:01:40')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(stream: TextIO, total: int, done: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
        console=Console(file=stream, force_terminal=True),
        auto_refresh=False,  # no thread that competes with the training for the interpreter
    )
    bar.start()
    return bar, bar.add_task("training", total=total, completed=done, facts="")
