"""Forks writers that save without pause and kills each with SIGKILL at a random moment.

Run as `python killed_writer.py FOLDER KILLS SEED`; prints how many kills were survived, in how many
the writer was caught with something unfinished on disk, and the last step reached.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from potentiate.checkpoint import Shelf, load


def _state(step):
    return {"step": step, "w": torch.full((20_000,), float(step)), "moments": {0: (step, 0.5)}}


def _write_forever(shelf, step):
    while True:
        step += 1
        shelf.put(_state(step), step, {})
        shelf.put_best(_state(step), step, {})


def _checked(folder):
    state = load(folder).state
    assert state["moments"] == {0: (state["step"], 0.5)}
    assert torch.equal(state["w"], torch.full((20_000,), float(state["step"])))
    return state["step"]


def main(folder, kills, seed):
    chance, shelf = random.Random(seed), Shelf(Path(folder), keep=2)
    shelf.put(_state(0), 0, {})
    shelf.put_best(_state(0), 0, {})
    caught = reached = best = 0
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            _write_forever(shelf, reached)
        time.sleep(chance.uniform(0.005, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        caught += any(path.name.startswith(".") for path in shelf.folder.iterdir())
        best_before, best = best, _checked(shelf.folder / "best")
        latest = _checked(shelf.latest())
        assert latest >= reached
        assert best_before <= best <= latest
        assert best >= latest - 1 or latest <= reached + 1  # each step but the last wrote its best
        assert not [path for path in shelf.folder.iterdir() if path.name.startswith(".")]
        reached = latest
    print(kills, caught, reached)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
