"""A network of your own whose hidden layers hold 5 % of their edges, and exchange them as they learn.

python examples/sparse_layer.py    # scikit-learn's digits; edges that stay against edges that move
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from potentiate import SparseLinear
from potentiate.models.plastic import Rewiring, StructuralStep
from potentiate.plasticity.structural import RigL, Static
from potentiate.schedules import OneCycle

DENSITY, STEPS, SEEDS = 0.05, 600, 3


def mlp(seed: int) -> nn.Sequential:
    """An ordinary network; layers of one shape want seeds of their own, or their edges are alike."""
    torch.manual_seed(seed)
    return nn.Sequential(
        SparseLinear(64, 500, DENSITY, seed=2 * seed),
        nn.ReLU(),
        SparseLinear(500, 500, DENSITY, seed=2 * seed + 1),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def split(seed: int):
    """Return training and test digits; of these there are 360."""
    pixels, labels = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    x, y = pixels[order].float() / 16, labels[order]
    return x[360:], y[360:], x[:360], y[:360]


def trained(rule, seed: int):
    """Return a step that has learned by AdamW, its edges moved by `rule`, and its test accuracy."""
    x, y, test_x, test_y = split(seed)
    plan = Rewiring(rule, interval=25)
    options = {"lr": 3e-3, "weight_decay": 1e-2}
    recipe = StructuralStep(F.cross_entropy, torch.optim.AdamW, options, OneCycle(), rewiring=plan)
    step = recipe.start(mlp(seed), STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(y), (64,))
        step((x[rows], y[rows]))
    with torch.no_grad():
        return step, float((step.model(test_x).argmax(1) == test_y).float().mean())


for rule in (Static(), RigL()):
    runs = [trained(rule, seed) for seed in range(SEEDS)]
    edges = sum(layer.topology.edges for layer in runs[0][0].layers.values())
    held = edges * (4 + 4 + 8 + 8)  # weight, gradient, two moments, wiring both ways
    dense = round(edges / DENSITY) * (4 + 4 + 8)
    mean = sum(accuracy for _, accuracy in runs) / SEEDS
    seen = ", ".join(f"{each.fraction:.0%}" for each in runs[0][0].explored.values())
    print(
        f"{type(rule).__name__}: {mean:.1%} of test digits, mean of {SEEDS} seeds; {edges:,} edges"
    )
    print(f"  {held:,} bytes, dense {dense:,}; of all possible edges there ever were {seen}")
