"""A recurrent network of neurons over sparse edges, with a map in and a map out.

    h_0 = max(0, W_in x + b),   h_{k+1} = max(0, W h_k)  for k < iterations,   y = W_out h + c

W holds its edges alone, and every neuron is excitatory or inhibitory (Dale's law). Documented in
docs/models/plastic.md.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from potentiate.errors import Refused
from potentiate.models.plastic.initial import Initial, initial_topology
from potentiate.models.plastic.layers import SparseRecurrent

_log = logging.getLogger("potentiate")


class PlasticNet(nn.Module):
    """The network; patterns of any shape are flattened, those of bytes are divided by 255.

    Args:
        num_neurons: Recurrent neurons.
        input_dim: Numbers of a pattern.
        output_dim: Classes.
        iterations: Times that activity passes the recurrent edges.
        initial_sparsity: Share of the possible recurrent edges that there are not, exact to one edge.
        inhibitory: Share of inhibitory neurons, the last ones; None: weights of any sign.
        initial: See `initial_topology`.
        mean: Subtracted from each number of a pattern.
        std: What is left is divided by it.
        engine: See `SparseLinear`.
        seed: Of edges and weights.

    Example:
        >>> net = PlasticNet(num_neurons=400, input_dim=784, output_dim=10, initial_sparsity=0.9)
        >>> net(torch.zeros(2, 1, 28, 28)).shape, net.core
        (torch.Size([2, 10]), SparseRecurrent(400 -> 400, 15960 edges, density 0.1))
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        num_neurons: int = 400,
        input_dim: int = 784,
        output_dim: int = 10,
        iterations: int = 5,
        initial_sparsity: float = 0.9,
        *,
        inhibitory: float | None = 0.2,
        initial: Initial = "random",
        mean: float = 0.0,
        std: float = 1.0,
        engine: str = "auto",
        seed: int = 0,
    ) -> None:
        sizes = {"num_neurons": num_neurons, "input_dim": input_dim, "output_dim": output_dim}
        for name, value in sizes.items():
            if value < 1:
                raise Refused(f"{name}={value} is refused: it must be at least 1")
        if not 0 < std < float("inf"):
            raise Refused(f"std={std} is refused: patterns are divided by it; give more than 0")
        super().__init__()
        topology = initial_topology(num_neurons, initial_sparsity, initial, seed)
        self.core = SparseRecurrent(
            num_neurons,
            iterations=iterations,
            inhibitory=inhibitory,
            topology=topology,
            engine=engine,
            seed=seed,
        )
        if topology.edges == 0 and topology.possible:
            _log.warning("a sparsity of %g leaves no recurrent edge", initial_sparsity)
        self.core.wanted = round((1.0 - initial_sparsity) * topology.possible)
        random = torch.Generator().manual_seed(seed)
        weight = torch.randn(num_neurons, input_dim, generator=random) * (2 / input_dim) ** 0.5
        self.input = nn.Parameter(weight)
        self.input_bias = nn.Parameter(torch.zeros(num_neurons))
        self.output = nn.Linear(num_neurons, output_dim)
        with torch.no_grad():
            bound = num_neurons**-0.5
            self.output.weight.uniform_(-bound, bound, generator=random)
            self.output.bias.zero_()
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of patterns [n, ...], [n, classes]."""
        scale = 255.0 if x.dtype == torch.uint8 else 1.0
        x = x.flatten(1).to(self.input.dtype)
        if x.shape[1] != self.input.shape[1]:
            raise Refused(
                f"a pattern of {x.shape[1]} numbers does not fit input_dim={self.input.shape[1]}; check both"
            )
        x = (x - self.mean * scale) / (self.std * scale)
        # Units first, as the sparse core reads them.
        h = torch.addmm(self.input_bias[:, None], self.input, x.t()).relu()
        h = self.core.iterate(h)
        return self.output(h.t())
