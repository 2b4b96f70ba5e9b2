"""Verification: the neurons, rules and codes of this library beside what theory says of them."""

from potentiate.verify.check import Check, Curve, Suite

__all__ = ["Check", "Curve", "Suite", "suites"]


def suites() -> dict[str, Suite]:
    """Return the suites by name; nothing of them is imported before its checks are asked for."""
    names = ("neurons", "plasticity", "encoding")
    return {name: Suite(f"potentiate.verify.{name}") for name in names}
