"""Your own training as a workload: an ordinary model, ordinary tensors, a loss and a metric.

potentiate train examples/own_job.py:workload
potentiate study examples/own_job.py:workload --test mixed-precision early-stopping
"""

import torch
from torch import nn

from potentiate import supervised


def rings(count: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Points on three noisy rings in 20 dimensions; the label is the ring."""
    random = torch.Generator().manual_seed(7)
    labels = torch.randint(3, (count,), generator=random)
    directions = torch.randn(count, 20, generator=random)
    radius = 1.0 + labels + 0.25 * torch.randn(count, generator=random)
    return nn.functional.normalize(directions) * radius[:, None], labels


class Net(nn.Module):
    """Two hidden layers; nothing here knows that it will be studied."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the three rings."""
        return self.layers(x)


workload = supervised("mlp/rings", Net, rings(), epochs=12, batch_size=32, lr=1e-3, margin=0.01)
