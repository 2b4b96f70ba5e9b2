"""The networks, and the table of their workloads."""

from potentiate.models.cnn import DIGITS, FASHION_MNIST, MNIST
from potentiate.workload import Workload

WORKLOADS: dict[str, Workload] = {
    "cnn/digits": DIGITS,
    "cnn/mnist": MNIST,
    "cnn/fashion-mnist": FASHION_MNIST,
}

__all__ = ["WORKLOADS"]
