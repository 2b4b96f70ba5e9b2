"""The command `potentiate`: runs it and turns every outcome into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, cast

from potentiate.errors import Refused

REFUSED = 2
BROKEN_PIPE = 1  # as typer and rich end where they meet it first


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0 done; 2 refused, where one sentence on standard error says what, where, why and the remedy;
    130 or 143 ended by Ctrl-C or SIGTERM; 1 nobody reads the output any more. Anything else is a bug
    of ours and shows its traceback.
    """
    # Ctrl-C waits until there is somebody to answer it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    from potentiate.cli.ended import came, exit_code, terminable

    try:
        with terminable():
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = _run(sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
        return code
    except BaseException as error:
        # Whatever fails after a signal, fails because of it.
        if end := came():
            if arguments is None:  # a second Ctrl-C ends the process at once, without a traceback
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            return _say("interrupted", exit_code(end))
        return _failed(error)


def _run(arguments: Sequence[str]) -> int:
    """Run the command; as `app()` would, but for signals, which that turns into an end without a word."""
    from typer import Exit
    from typer.main import get_command

    from potentiate.cli import app

    command = get_command(app)
    try:
        with command.make_context("potentiate", list(arguments)) as context:
            code = command.invoke(context)
    except Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else 0


def _failed(error: BaseException) -> int:
    """Tell why the command failed, and return its exit code; a bug of ours is raised again."""
    match error:
        case KeyboardInterrupt():
            return _say("interrupted", 128 + signal.SIGINT)
        case Refused():
            return _say(str(error), REFUSED)
        case BrokenPipeError():
            _silence()
            return BROKEN_PIPE
        case OSError():  # what no caller put into a sentence of its own
            place = f"{error.filename}: " if error.filename else ""
            reason = error.strerror or error
            return _say(f"{place}{reason}; check the path and its permissions", REFUSED)
        case _:
            return _mistyped(error)


def _mistyped(error: BaseException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, of many lines
        sys.stderr.write(f"{cast('Any', error).format_message()}\n")
        return REFUSED
    # What was typed wrongly is an error of click, which typer brings in a copy of its own.
    if hasattr(error, "format_message"):
        return _say(_usage(error), REFUSED)
    raise error


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "potentiate"
    return f"{error.format_message().rstrip('.')}; see '{command} --help'"


def _say(sentence: str, code: int) -> int:
    try:
        sys.stderr.write(f"potentiate: {' '.join(sentence.split())}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        _silence()
    return code


def _silence() -> None:
    """Give the interpreter somewhere to flush to when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
