"""A brain that grows keeps what it knows."""

from __future__ import annotations

import pytest
import torch

from jobs import same
from potentiate.errors import Refused


def state(brain):
    return {name: buffer.clone() for name, buffer in brain.state_dict().items()}


def grown_up(small, abc, complement=False, **settings):
    """A trained brain that draws no spikes, so that its answers can be compared."""
    brain = small(code="latency", complement=complement, total=0.3, threshold=2.0, **settings)
    brain.learn(*abc)
    brain.assign(*abc)
    brain.gain.fill_(1.5)
    brain.urge.fill_(1.2)
    return brain


@pytest.mark.parametrize("complement", [True, False])
@pytest.mark.parametrize(("inputs", "hidden"), [(0, 0), (3, 0), (0, 4), (3, 4)])
def test_a_grown_brain_keeps_what_it_has_to_the_bit(small, abc, inputs, hidden, complement):
    settings = {"protection": 1.0, "consolidation": 0.01, "recall": 0.01}
    brain = grown_up(small, abc, complement, delays=torch.arange(25) % 4, **settings)
    before = state(brain)
    grown = brain.grow(inputs=inputs, hidden=hidden)
    assert (grown.inputs, grown.anatomy.hidden) == (25 + inputs, 30 + hidden)
    rows = torch.arange(25)
    rows = torch.cat([rows, rows + grown.inputs]) if complement else rows
    for name in ("weight", "slow", "importance"):
        new = getattr(grown, name)
        assert torch.equal(new[rows, :30], before[name])
        others = torch.ones(grown.channels, dtype=torch.bool)
        others[rows] = False
        assert not new[others, :30].any()
    for name in ("theta", "readout"):
        assert torch.equal(getattr(grown, name)[:30], before[name])
    assert torch.equal(grown.responses[:, :30], before["responses"])
    assert torch.equal(grown.delays[rows], before["delays"])
    for name in ("age", "gain", "urge"):
        assert torch.equal(getattr(grown, name), before[name])
    assert grown.weight[:, 30:].gt(0).all()  # as in a new brain
    assert same(state(brain), before)


def test_a_grown_brain_answers_as_before_where_what_is_new_is_silent(small, abc, unseen):
    brain = grown_up(small, abc)
    grown = brain.grow(inputs=5, hidden=4)
    grown.theta[30:] = 1e6
    wider = torch.cat([unseen[0], torch.zeros(300, 5)], 1)
    before, after = brain.respond(unseen[0]), grown.respond(wider)
    assert before.spikes.any()
    assert torch.equal(after.spikes[:, :30], before.spikes)
    assert not after.spikes[:, 30:].any()
    assert torch.equal(after.scores, before.scores)


def test_a_grown_brain_learns(small, abc):
    brain = small()
    brain.learn(*abc)
    grown = brain.grow(inputs=5, hidden=10)
    wider = torch.cat([abc[0], abc[0][:, :5]], 1)
    for _ in range(2):
        grown.learn(wider, abc[1])
    assert int(grown.age) == 1800
    assert float((grown(wider).argmax(1) == abc[1]).double().mean()) > 0.6
    # A neuron's sum follows the new number of inputs when it first fires.
    sums = grown.weight.sum(0)
    assert all(min(abs(total - 5.0), abs(total - 6.0)) < 1e-4 for total in sums.tolist())
    assert sums.max() > 5.9


@pytest.mark.parametrize("change", [{"inputs": -1}, {"hidden": -1}, {"inputs": 3, "hidden": -1}])
def test_a_brain_does_not_shrink(small, change):
    with pytest.raises(Refused, match="only grows"):
        small().grow(**change)
