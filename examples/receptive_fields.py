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

from potentiate.errors import Refused
from potentiate.models.brain import Brain, load_brain


def fields(brain: Brain) -> np.ndarray:
    """Return the input weights as images, [neurons, side, side]; of complements nothing is shown."""
    side = math.isqrt(brain.inputs)
    if side * side != brain.inputs:
        raise Refused(f"{brain.inputs} inputs are no square image; give a run whose patterns are")
    return brain.weight[: brain.inputs].T.reshape(-1, side, side).numpy()


def mosaic(images: np.ndarray) -> np.ndarray:
    """Return the images side by side in a square, each scaled to its own largest weight."""
    columns = math.ceil(math.sqrt(len(images)))
    side = images.shape[1] + 1
    sheet = np.zeros((math.ceil(len(images) / columns) * side, columns * side))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        shown = image / max(image.max(), 1e-9)
        sheet[row * side :, column * side :][: side - 1, : side - 1] = shown
    return sheet


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("give the folder of a run: python receptive_fields.py runs/mnist fields.png")
    picture = sys.argv[2] if len(sys.argv) > 2 else "fields.png"
    try:
        images = fields(load_brain(Path(sys.argv[1])))
    except Refused as refusal:
        sys.exit(str(refusal))
    figure = plt.figure(figsize=(8, 8))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.94))
    axes.imshow(mosaic(images), cmap="magma", interpolation="nearest")
    title = f"Input weights of {len(images)} neurons, learned by spikes without labels"
    axes.set_title(title, fontsize=11)
    axes.axis("off")
    figure.savefig(picture, dpi=110)
    print(f"{len(images)} receptive fields in {picture}")
