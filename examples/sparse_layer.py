"""A network of your own whose hidden layers hold 5 % of their edges, and exchange them as they learn.

python examples/sparse_layer.py    # scikit-learn's digits: edges that stay against edges that move
"""

from functools import partial

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from potentiate import SparseLinear
from potentiate.models.plastic import Rewiring, StructuralStep
from potentiate.plasticity.structural import RigL, Static
from potentiate.schedules import OneCycle

DENSITY, STEPS, SEEDS = 0.05, 400, 3
KEPT = {"weight": 4, "gradient": 4, "moments of AdamW": 8, "wiring, both ways": 4}  # bytes an edge


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


def trained(rule, seed: int):
    """Return a step that has learned by AdamW, its edges moved by `rule`, and its test accuracy."""
    x, y = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    x, y = x[order].float() / 16, y[order]
    adamw = partial(torch.optim.AdamW, weight_decay=1e-2)
    plan = Rewiring(rule, interval=25)
    recipe = StructuralStep(F.cross_entropy, adamw, {"lr": 3e-3}, OneCycle(), rewiring=plan)
    step = recipe.start(mlp(seed), STEPS)
    for _ in range(STEPS):
        rows = torch.randint(360, len(y), (64,))  # the first 360 are test digits
        step((x[rows], y[rows]))
    with torch.no_grad():
        return step, float((step.model(x[:360]).argmax(1) == y[:360]).float().mean())


for rule in (Static(), RigL()):
    runs = [trained(rule, seed) for seed in range(SEEDS)]
    mean = sum(accuracy for _, accuracy in runs) / SEEDS
    edges = sum(layer.topology.edges for layer in runs[0][0].layers.values())
    held, dense = edges * sum(KEPT.values()), round(edges / DENSITY) * 16
    seen = ", ".join(f"{each.fraction:.0%}" for each in runs[0][0].explored.values())
    print(f"{type(rule).__name__}: {mean:.1%} of test digits, the mean of {SEEDS} seeds")
    print(f"  {edges:,} edges in {held:,} bytes, dense {dense:,}; ever tried in each layer: {seen}")
