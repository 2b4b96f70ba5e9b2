"""The networks, and the tables of their workloads."""

from collections.abc import Callable, Mapping

from potentiate.models.brain import workloads as brains
from potentiate.models.cnn import DIGITS, FASHION_MNIST, MNIST
from potentiate.models.plastic import workloads as plastics
from potentiate.models.timehut import workloads as series
from potentiate.workload import Workload

WORKLOADS: dict[str, Workload] = {
    "brain/xor": brains.XOR,
    "brain/letters": brains.LETTERS,
    "brain/glyphs": brains.GLYPHS,
    "brain/digits": brains.DIGITS,
    "brain/mnist": brains.MNIST,
    "cnn/digits": DIGITS,
    "cnn/mnist": MNIST,
    "cnn/fashion-mnist": FASHION_MNIST,
    "plastic/digits": plastics.DIGITS,
    "plastic/mnist": plastics.MNIST,
    "plastic/fashion-mnist": plastics.FASHION_MNIST,
}

FAMILIES: Mapping[str, Callable[[str], Workload]] = {"timehut": series.timehut_workload}
"""Workloads "family/member" that any set of data is a member of, made when they are asked for."""

__all__ = ["FAMILIES", "WORKLOADS"]
