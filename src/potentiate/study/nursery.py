"""Fresh processes without the wait: a template imports everything once and forks a child for each run.

Importing PyTorch takes seconds, which a study of short runs would pay a hundred times. The template
never runs an operation, so that no thread pool and no device exists when it forks; a child is as fresh
as a new interpreter that has just imported the same modules. It dies with its run.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from potentiate.study.record import Record, Request, from_json

PATIENCE = 4 * 3600.0
"""Seconds after which a run that says nothing counts as failed, while nothing is known of its length."""


class Nursery:
    """Runs requests one after another, each in a process of its own.

    Args:
        threads: Threads of every run; None leaves it to PyTorch.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.patience = PATIENCE
        self.template: subprocess.Popen[str] | None = None
        self.folder = TemporaryDirectory(prefix="potentiate-")

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the template and whatever it still runs."""
        self._end()
        self.folder.cleanup()

    def _end(self) -> None:
        template, self.template = self.template, None
        if template is None:
            return
        if template.poll() is None:
            os.killpg(template.pid, signal.SIGKILL)
        template.wait()
        for pipe in (template.stdin, template.stdout):
            if pipe is not None:
                pipe.close()

    def run(self, request: Request) -> Record:
        """Return the record of `request`; a crash, a kill and a hang are records with status "failed"."""
        template = self._ready()
        errors = Path(self.folder.name) / "errors.txt"
        start = time.perf_counter()
        assert template.stdin is not None
        assert template.stdout is not None
        asked = json.dumps({"errors": str(errors), "request": asdict(request)})
        try:
            template.stdin.write(asked + "\n")
            template.stdin.flush()
            readable, _, _ = select.select([template.stdout], [], [], self.patience)
            line = template.stdout.readline() if readable else ""
        except BrokenPipeError:  # the template was ended from outside
            line = ""
        if not line:
            self._end()
            record = Record(
                request, status="failed", reason="the run ended without an answer or never ended"
            )
        else:
            record = _read(request, json.loads(line), errors)
        wall = time.perf_counter() - start
        return replace(record, wall=wall, overhead=max(0.0, wall - record.wall))

    def _ready(self) -> subprocess.Popen[str]:
        if self.template is not None and self.template.poll() is None:
            return self.template
        self._end()
        environment = dict(os.environ)
        if self.threads is not None:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        self.template = subprocess.Popen(
            [sys.executable, "-m", "potentiate.study.template"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the study, which then ends the template
        )
        assert self.template.stdout is not None
        if self.template.stdout.readline().strip() != "ready":
            raise RuntimeError("the template of runs did not start; its message stands above")
        return self.template


def _read(request: Request, answer: dict[str, object], errors: Path) -> Record:
    if "record" in answer:
        return replace(from_json(answer["record"]), request=request)  # pyright: ignore[reportArgumentType]
    code = int(str(answer["code"]))
    if code < 0:
        causes = {9: "killed by the system, as when memory runs out", 11: "a segmentation fault"}
        return Record(
            request,
            status="failed",
            reason=f"the process was ended: {causes.get(-code, f'signal {-code}')}",
        )
    lines = errors.read_text(errors="replace").strip().splitlines() if errors.exists() else []
    last = lines[-1] if lines else "no message"
    return Record(request, status="failed", reason=f"the process ended with code {code}: {last}")
