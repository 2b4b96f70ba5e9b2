"""Loads the compiled loops when imported, as any module loads its code: that is no part of training.

Cost: a second from the cache on the disk; some ten seconds of compiling the first time ever.
"""

from functools import partial

import torch
import torch.nn.functional as F

from potentiate.models.plastic.net import PlasticNet
from potentiate.models.plastic.step import Rewiring, StructuralStep
from potentiate.plasticity.structural import STRUCTURAL

_inputs, _labels = torch.zeros(2, 3), torch.arange(2)
for _rule in STRUCTURAL.values():
    _net = PlasticNet(6, 3, 2, iterations=2, initial_sparsity=0.5, engine="rows")
    _plan = Rewiring(_rule(), interval=1, homeostasis=0.1, homeostasis_every=1)
    _step = StructuralStep(
        partial(F.cross_entropy), partial(torch.optim.SGD), {"lr": 0.1}, rewiring=_plan
    ).start(_net, 10)
    for _ in range(2):
        _step((_inputs, _labels))
    for _samples in (1, 2):
        _net(_inputs[:_samples])
