"""Snapshots of a training on disk: complete or absent, checked when read, never pickled.

A *state* is a tree of dicts, lists, tuples, torch tensors, numpy arrays and plain values. A
checkpoint is a folder of two files: `tensors.safetensors` holds the numbers, `state.json` the shape
of the tree, facts about it (step, metric, ...) and the checksums of both. This floor knows nothing
of training.

Example:
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> shelf = Shelf(Path(mkdtemp()), keep=3)
    >>> _ = shelf.put({"betas": (0.9, 0.999), "seen": {0: 7}}, step=120, facts={"loss": 0.5})
    >>> shelf.latest().name, load(shelf.latest()).state, facts(shelf.latest())
    ('step-00000120', {'betas': (0.9, 0.999), 'seen': {0: 7}}, {'loss': 0.5, 'step': 120})
"""

from potentiate.checkpoint.shelf import Shelf
from potentiate.checkpoint.snapshot import FORMAT, UPGRADERS, Checkpoint, facts, load, save

__all__ = ["FORMAT", "UPGRADERS", "Checkpoint", "Shelf", "facts", "load", "save"]
