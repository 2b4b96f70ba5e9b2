"""The command `potentiate`: runs it and turns every outcome into one line and an exit code."""

from __future__ import annotations

import os
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
    from typer import Abort

    from potentiate.cli import app
    from potentiate.cli.ended import Terminated, came, exit_code, terminable

    try:
        with terminable():
            code = app(args=arguments, prog_name="potentiate", standalone_mode=False)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Refused as reason:
        return _say(str(reason), REFUSED)
    except (KeyboardInterrupt, Abort, Terminated) as end:
        return _say("interrupted", exit_code(end))
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except OSError as error:  # what no caller put into a sentence of its own
        place = f"{error.filename}: " if error.filename else ""
        return _say(
            f"{place}{error.strerror or error}; check the path and its permissions", REFUSED
        )
    except Exception as error:
        if end := came():
            return _say("interrupted", exit_code(end))
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, of many lines
            sys.stderr.write(f"{cast('Any', error).format_message()}\n")
            return REFUSED
        # What was typed wrongly is an error of click, which typer brings in a copy of its own.
        if not hasattr(error, "format_message"):
            raise
        return _say(_usage(error), REFUSED)


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
