"""The networks, and the table of their workloads."""

from potentiate.models.brain import workloads as brains
from potentiate.models.cnn import DIGITS, FASHION_MNIST, MNIST
from potentiate.models.plastic import workloads as plastics
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

__all__ = ["WORKLOADS"]
