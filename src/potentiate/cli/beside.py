"""Judges simple references when a training is over, off its clock, so that they stand beside its result."""

from __future__ import annotations

import sys

from potentiate.listeners import MetricsLog
from potentiate.training import Training
from potentiate.workload import References


def beside(training: Training, log: MetricsLog, *, quiet: bool = False) -> References:
    """Return what the references of the workload reach, and log it; empty where it declares none.

    They never cost the result they stand beside: what they raise, and Ctrl-C, is told, and leaves them out.
    """
    workload = training.workload
    if workload.references is None:
        return {}
    if not quiet:
        _say("judging simple references on the test part; Ctrl-C leaves them out")
    try:
        found = workload.references(workload.recipe, training.seed)
    except KeyboardInterrupt:
        _say("the simple references are left out")
        return {}
    except Exception as error:  # whatever a workload raises
        said = (str(error).splitlines() or [type(error).__name__])[0]
        _say(f"the simple references are left out, because they fail: {said}")
        return {}
    log.beside(training.position, workload.target.metric, found)
    return found


def _say(sentence: str) -> None:
    sys.stderr.write(f"potentiate: {sentence}\n")
    sys.stderr.flush()
