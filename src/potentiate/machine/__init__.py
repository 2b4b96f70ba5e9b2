"""What this machine is, for records (`fingerprint`), and what slows training on it (`doctor`)."""

from potentiate.machine.diagnosis import Finding, doctor
from potentiate.machine.facts import (
    busy_cores,
    cpu_model,
    fingerprint,
    load_average,
    throttled_seconds,
    usable_cores,
)

__all__ = [
    "Finding",
    "busy_cores",
    "cpu_model",
    "doctor",
    "fingerprint",
    "load_average",
    "throttled_seconds",
    "usable_cores",
]
