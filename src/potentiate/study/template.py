"""The template process of a `Nursery`: waits for requests, forks a child for each, passes its answer on."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback
from importlib import import_module
from typing import Any, BinaryIO, NoReturn, TextIO

from potentiate.engine import LATE_IMPORTS
from potentiate.models.reference import of_tables
from potentiate.study import child
from potentiate.study.record import request_from_json, to_json


def main() -> None:
    """Answer requests, one JSON line each, until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(
        sys.stderr.fileno(), sys.stdout.fileno()
    )  # whatever a workload prints stays out of the answers
    _import_for("")
    _write(answers, "ready")
    for line in sys.stdin:
        asked = json.loads(line)
        _import_for(asked["request"]["workload"])
        reader, writer = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reader)
            _child(asked, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = _read(pipe, process)
        _, status = os.waitpid(process, 0)
        done = (
            {"record": json.loads(answer)}
            if answer
            else {"code": os.waitstatus_to_exitcode(status)}
        )
        _write(answers, json.dumps(done))


def _read(pipe: BinaryIO, process: int) -> bytes:
    """Return the answer of a child; when the study is gone, nobody waits for it, so it is ended."""
    answer = b""
    while True:
        ready, _, _ = select.select([pipe, sys.stdin], [], [])
        if pipe in ready:
            part = os.read(pipe.fileno(), 1 << 16)
            if not part:
                return answer
            answer += part
        elif not os.read(sys.stdin.fileno(), 1):  # requests come one at a time: this is the end
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            sys.exit()


def _import_for(reference: str) -> None:
    """Import what a workload of the tables needs; a user's own file is run by the children alone."""
    known = of_tables(reference)
    for module in (*LATE_IMPORTS, *(known.imports if known else ())):
        import_module(module)


def _child(asked: dict[str, Any], writer: int) -> NoReturn:
    """Do the run, answer through the pipe and leave without the clean-up of the template."""
    code = 1
    try:
        errors = os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(errors, sys.stdout.fileno())
        os.dup2(errors, sys.stderr.fileno())
        record = child.answer(request_from_json(asked["request"]))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(to_json(record)).encode())
        code = 0
    except BaseException:  # the last chance to say why: nothing above this process shows it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _write(answers: TextIO, text: str) -> None:
    answers.write(text + "\n")
    answers.flush()  # before the next fork, or a child would hold the text too


if __name__ == "__main__":
    main()
