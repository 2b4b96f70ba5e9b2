"""Draw what the hidden neurons of a brain have learned to see.

potentiate train brain/mnist --out runs/mnist
python examples/receptive_fields.py runs/mnist fields.png
"""

import math
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from potentiate.checkpoint import Shelf, load


def fields(folder: Path) -> np.ndarray:
    """Return the input weights of the run's latest checkpoint as images, [neurons, side, side]."""
    weight = load(Shelf(folder / "checkpoints").latest()).state["training"]["model"]["weight"]
    side = math.isqrt(len(weight))
    return weight.T.reshape(-1, side, side).numpy()


def mosaic(images: np.ndarray) -> np.ndarray:
    """Return the images side by side in a square, each scaled to its own largest weight."""
    columns = math.ceil(math.sqrt(len(images)))
    side = images.shape[1] + 1
    sheet = np.zeros((math.ceil(len(images) / columns) * side, columns * side))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        sheet[row * side :, column * side :][: side - 1, : side - 1] = image / max(
            image.max(), 1e-9
        )
    return sheet


if __name__ == "__main__":
    run, picture = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "fields.png"
    images = fields(run)
    figure = plt.figure(figsize=(8, 8))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.94))
    axes.imshow(mosaic(images), cmap="magma", interpolation="nearest")
    axes.set_title(
        f"Input weights of {len(images)} neurons, learned by spikes without labels", fontsize=11
    )
    axes.axis("off")
    figure.savefig(picture, dpi=110)
    print(f"{len(images)} receptive fields in {picture}")
