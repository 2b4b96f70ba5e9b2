from __future__ import annotations

import pytest
import torch

from potentiate import train
from potentiate.machine.facts import usable_cores
from potentiate.techniques.threads import Threads


@pytest.mark.skipif(usable_cores() < 2, reason="one core has one thread count")
def test_count_holds_while_the_run_lasts(tiny):
    before = torch.get_num_threads()
    other = 2 if before == 1 else 1
    seen = {torch.get_num_threads() for _ in train(tiny(), [Threads(other)])}
    assert seen == {other}
    assert torch.get_num_threads() == before


def test_count_is_restored_after_an_error(tiny):
    before = torch.get_num_threads()
    events = train(tiny(), [Threads(1)])
    next(events)
    with pytest.raises(RuntimeError, match="stop here"):
        events.throw(RuntimeError("stop here"))
    assert torch.get_num_threads() == before


def test_more_threads_than_cores_are_refused():
    assert "cores" in (Threads(usable_cores() + 1).unavailable("cpu") or "")
    assert Threads(1).unavailable("cpu") is None
