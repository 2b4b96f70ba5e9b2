"""Loads the compiled loops when imported, as any module loads its code: that is no part of training.

Cost: a second from the cache on the disk; some ten seconds of compiling the first time ever.
"""

import torch

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.loss import Hierarchy
from potentiate.models.timehut.views import pair

_random = torch.Generator().manual_seed(0)
with torch.random.fork_rng(devices=[]):
    _encoder = Encoder(1, 4, 4, 1)
    for _hierarchy in (Hierarchy(), Hierarchy(instance=0.0, temporal=0.0)):
        _views = pair(torch.zeros(2, 4, 1), _random)
        _hierarchy(_encoder.overlap(_views)).backward()
