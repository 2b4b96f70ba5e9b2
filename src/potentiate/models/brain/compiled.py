"""Loads the compiled kernel when imported, as any module loads its code: that is no part of training.

Cost: half a second from the cache on the disk; some seconds of compiling the first time ever.
"""

from typing import Any, cast

import numpy as np

from potentiate.kernels import circuit
from potentiate.models.brain.brain import Brain
from potentiate.models.brain.recipe import Anatomy, Plasticity, physiology

_brain = Brain(1, 1, Anatomy(hidden=1, time_steps=1))
cast("Any", circuit).present(
    _brain.circuit(),
    physiology(_brain.anatomy, Plasticity(), channels=1),
    np.zeros((0, 1), np.float32),
    np.zeros(0, np.int64),
    np.random.default_rng(0),
    False,
    0,
    np.zeros((0, 1), np.int32),
    np.zeros((0, 1), np.float32),
)
