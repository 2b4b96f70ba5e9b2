"""The networks, and the table of their workloads."""

from potentiate.models.brain import workloads as brains
from potentiate.models.cnn import DIGITS, FASHION_MNIST, MNIST
from potentiate.models.plastic import workloads as plastic
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
    "plastic/digits": plastic.DIGITS,
    "plastic/mnist": plastic.MNIST,
    "plastic/fashion-mnist": plastic.FASHION_MNIST,
}

__all__ = ["WORKLOADS"]
