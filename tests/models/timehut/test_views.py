"""Crops that overlap, and masks: where they lie, over many draws."""

from __future__ import annotations

import pytest
import torch

from potentiate.errors import Refused
from potentiate.models.timehut.views import MASKS, crops


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_both_crops_see_the_same_instants_in_the_overlap():
    x = (
        torch.arange(24.0)[:, None, None] + 100.0 * torch.arange(5)[:, None]
    )  # the instant, and whose
    lengths = set()
    for seed in range(200):
        views = crops(x, 0, generator(seed))
        shared = views.first[len(views.first) - views.overlap :]
        assert torch.equal(shared, views.second[: views.overlap])
        assert (views.first[1:] - views.first[:-1] == 1).all()
        assert (views.second[1:] - views.second[:-1] == 1).all()
        assert views.overlap >= 2
        assert (views.first[0] // 100 == torch.arange(5.0)[:, None]).all()
        lengths.add(views.overlap)
    assert lengths == set(range(2, 25))


def test_series_are_cropped_at_offsets_of_their_own():
    x = torch.arange(50.0)[:, None, None].expand(50, 8, 1)
    assert any(len(set(crops(x, 0, generator(s)).first[0, :, 0].tolist())) > 1 for s in range(10))


def test_long_overlaps_can_be_asked_for_and_short_series_have_what_they_have():
    x = torch.zeros(24, 2, 1)
    assert min(crops(x, 2, generator(s)).overlap for s in range(100)) == 8
    assert {crops(torch.zeros(2, 2, 1), 0, generator(s)).overlap for s in range(20)} == {2}
    with pytest.raises(Refused, match="1 instants"):
        crops(torch.zeros(1, 2, 1), 0, generator())


def test_the_same_seed_draws_the_same():
    x = torch.randn(24, 3, 2)
    a, b = (crops(x, 0, generator(4)) for _ in range(2))
    assert torch.equal(a.first, b.first)
    assert torch.equal(a.second, b.second)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("instants", [1, 2, 60])
def test_masks_have_their_shape(name, instants):
    keep = MASKS[name](4, instants, generator())
    assert keep.shape == (instants, 4)
    assert keep.dtype == torch.bool


def test_masks_hide_what_they_say():
    def kept(name):
        return torch.stack([MASKS[name](50, 100, generator(s)) for s in range(20)]).double()

    assert float(kept("binomial").mean()) == pytest.approx(0.5, abs=0.01)
    assert kept("all-true").all()
    assert not kept("all-false").any()
    assert kept("last")[:, :-1].all()
    assert not kept("last")[:, -1].any()
    runs = kept("continuous")
    assert 0.5 <= float(runs.mean()) < 0.75  # five runs of a tenth that may overlap
    hidden = 1 - runs[0, :, 0]
    starts = int((hidden[1:] > hidden[:-1]).sum()) + int(hidden[0])
    assert 1 <= starts <= 5
