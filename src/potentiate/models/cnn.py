"""A small convolutional network on images, and the recipe most people start from.

Two blocks of 3x3 convolution, ReLU, 2x2 maximum and dropout, then two linear layers; 225,034
parameters on 28 x 28 images. The recipe is that of PyTorch's basic MNIST example: Adadelta at rate 1,
decayed by 0.7 each epoch, batches of 64 from a shuffling DataLoader, evaluated every epoch. Documented
in docs/models/cnn.md.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from potentiate.data import load
from potentiate.models.supervised import Parts, supervised
from potentiate.workload import Workload


def cnn(height: int = 28, width: int = 28, classes: int = 10, *, padding: int = 0) -> nn.Sequential:
    """Return the network for inputs [n, 1, height, width]; its children are blocks that can be recomputed.

    `padding` widens small images: without it 8 x 8 digits vanish in the second block.
    """

    def block(channels: int, filters: int, drop: float) -> nn.Sequential:
        convolution = nn.Conv2d(channels, filters, 3, padding=padding)
        return nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(drop))

    for _ in range(2):
        height, width = (height + 2 * padding - 2) // 2, (width + 2 * padding - 2) // 2
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(64 * height * width, 128), nn.ReLU(), nn.Linear(128, classes)
    )
    return nn.Sequential(block(1, 32, 0.25), block(32, 64, 0.5), head)


def _parts(name: str) -> Callable[[], Parts]:
    def load_parts() -> Parts:
        images = load(name)
        standardized = images.standardized
        return Parts(
            (standardized(images.train), images.train.labels),
            (standardized(images.validation), images.validation.labels),
            (standardized(images.test), images.test.labels),
        )

    return load_parts


def _workload(
    data: str,
    model: Callable[[], nn.Module],
    *,
    epochs: float,
    target: float,
    margin: float,
    imports: tuple[str, ...] = (),
) -> Workload:
    return supervised(
        f"cnn/{data}",
        model,
        _parts(data),
        target=target,
        margin=margin,
        provides=frozenset({"images", "blocks"}),
        source=f"cnn/{data}",
        imports=imports,
        epochs=epochs,
        batch_size=64,
        optimizer="Adadelta",
        lr=1.0,
        decay=0.7,
        loader="dataloader",
    )


DIGITS = _workload(
    "digits",
    lambda: cnn(8, 8, padding=1),
    epochs=14,
    target=0.95,
    margin=0.01,
    imports=("sklearn.datasets",),
)
MNIST = _workload("mnist", cnn, epochs=5, target=0.99, margin=0.003)
FASHION_MNIST = _workload("fashion-mnist", cnn, epochs=10, target=0.90, margin=0.005)
