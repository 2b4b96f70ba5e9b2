"""Who watches the loop: progress for a person, a log for a program, checkpoints for later.

A listener is called with each event of `potentiate.engine.train`; one that returns True ends the
run. None of them reads the device at each step, so that watching costs microseconds. Those that
write what must agree come in this order: log, checkpoints, interrupts.
"""

from potentiate.listeners.checkpoints import Checkpoints, Stateful
from potentiate.listeners.interrupts import Interrupts
from potentiate.listeners.log import MetricsLog
from potentiate.listeners.progress import Progress
from potentiate.listeners.resume import Resumed, newest, resumed
from potentiate.listeners.watch import Listener, watch

__all__ = [
    "Checkpoints",
    "Interrupts",
    "Listener",
    "MetricsLog",
    "Progress",
    "Resumed",
    "Stateful",
    "newest",
    "resumed",
    "watch",
]
