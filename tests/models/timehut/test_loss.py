"""The hierarchical loss against its definition, scale by scale; and what tells a representation's shape."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from potentiate.errors import Refused
from potentiate.models.timehut.loss import Hierarchy, tolerance, uniformity


def series_apart(a, b, temperature):
    """The instance contrast, for [series, instants, channels], an instant and a series at a time."""
    count, instants, _ = a.shape
    losses = []
    for t in range(instants):
        for i in range(count):
            for mine, other in ((a, b), (b, a)):
                others = [mine[j, t] for j in range(count) if j != i] + [
                    other[j, t] for j in range(count)
                ]
                logits = torch.stack([mine[i, t] @ z for z in others]) / temperature
                losses.append(F.cross_entropy(logits, torch.tensor(count - 1 + i)))
    return torch.stack(losses).mean()


def defined(a, b, temperature, share=0.5):
    """TS2Vec's loss with the temperature in both softmaxes."""
    total, scales = torch.zeros(()), 0
    while True:
        total = total + share * series_apart(a, b, temperature)
        scales += 1
        if a.shape[1] == 1:
            return total / scales
        apart = series_apart(a.transpose(0, 1), b.transpose(0, 1), temperature)
        total = total + (1 - share) * apart
        a, b = (F.max_pool1d(z.transpose(1, 2), 2).transpose(1, 2) for z in (a, b))


@pytest.mark.parametrize(("series", "instants"), [(1, 4), (3, 1), (3, 5), (2, 8)])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_it_is_its_definition(series, instants, temperature):
    torch.manual_seed(series + instants)
    a, b = torch.randn(2, series, instants, 6, dtype=torch.float64)
    loss = Hierarchy(instance=0.0, temporal=0.0)
    mine = loss(torch.stack((a, b)).permute(2, 0, 1, 3), temperature)
    torch.testing.assert_close(mine, defined(a, b, temperature), check_dtype=False)


def test_angles_add_what_their_weights_say():
    torch.manual_seed(0)
    views = torch.randn(6, 2, 4, 5)
    values = [
        float(Hierarchy(instance=i, temporal=t)(views))
        for i, t in ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 1.0), (2.0, 1.0))
    ]
    none, one, two, instants, both = values
    assert one > none
    assert instants > none
    assert two - none == pytest.approx(2 * (one - none), rel=1e-4)
    assert both - none == pytest.approx(two - none + instants - none, rel=1e-4)


def test_going_down_the_loss_draws_views_together():
    torch.manual_seed(0)
    views = torch.randn(8, 2, 6, 16, requires_grad=True)
    before = F.cosine_similarity(*views.unbind(1), dim=-1).mean()
    for _ in range(30):
        (gradient,) = torch.autograd.grad(Hierarchy()(views, 0.5), views)
        views = (views.detach() - 5.0 * gradient).requires_grad_()
    assert F.cosine_similarity(*views.unbind(1), dim=-1).mean() > before + 0.5


@pytest.mark.parametrize("name", ["share", "instance", "temporal", "margin"])
def test_a_weight_that_is_none_is_refused(name):
    for value in (-1.0, float("nan")):
        with pytest.raises(Refused, match=name):
            Hierarchy(**{name: value})
    with pytest.raises(Refused, match="share"):
        Hierarchy(share=1.5)


def test_uniformity_and_tolerance_tell_a_point_from_a_sphere():
    torch.manual_seed(0)
    point, sphere = torch.ones(40, 8), torch.randn(40, 8)
    labels = torch.arange(40) % 2
    assert uniformity(point) == pytest.approx(0.0, abs=1e-6)
    assert uniformity(sphere) < -2
    assert tolerance(point, labels) == pytest.approx(1.0)
    assert abs(tolerance(sphere, labels)) < 0.2
    assert uniformity(point[:1]) == 0.0
