"""The networks, and the table of their workloads."""

from potentiate.models.brain import workloads as brain
from potentiate.models.cnn import DIGITS, FASHION_MNIST, MNIST
from potentiate.workload import Workload

WORKLOADS: dict[str, Workload] = {
    "brain/xor": brain.XOR,
    "brain/letters": brain.LETTERS,
    "brain/glyphs": brain.GLYPHS,
    "brain/digits": brain.DIGITS,
    "brain/mnist": brain.MNIST,
    "cnn/digits": DIGITS,
    "cnn/mnist": MNIST,
    "cnn/fashion-mnist": FASHION_MNIST,
}

__all__ = ["WORKLOADS"]
