"""Windows that slide, and windows over representations, against their plain spelling."""

from __future__ import annotations

import pytest
import torch

from potentiate.errors import Refused
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.pooling import pooled
from potentiate.models.timehut.sliding import reach, sliding


def encoder(depth=4, channels=2):
    torch.manual_seed(depth)
    return Encoder(channels, outputs=6, hidden=5, depth=depth).eval()


def series(n=3, instants=23, channels=2):
    x = torch.randn(n, instants, channels, generator=torch.Generator().manual_seed(1))
    x[0, 4] = torch.nan
    x[1, -3:, 1] = torch.nan
    return x


def naively(net, x, before, after, hide):
    """A window for each instant, encoded whole; what lies beyond the ends is missing."""
    nothing = torch.full((len(x), 1, x.shape[2]), torch.nan)
    filled = torch.cat([nothing.expand(-1, before, -1), x, nothing.expand(-1, after, -1)], 1)
    out = []
    for t in range(x.shape[1]):
        window = filled[:, t : t + before + 1 + after].transpose(0, 1)
        keep = torch.ones(window.shape[:2], dtype=torch.bool)
        keep[before] = not hide
        flat = window.flatten(0, 1)
        rows = net(flat, ((len(x), len(window)),), keep.flatten())
        out.append(rows.unflatten(0, window.shape[:2])[before])
    return torch.stack(out, 1)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (7, 0), (16, 0), (5, 4), (0, 3)])
@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_windows_that_slide_are_those_encoded_one_by_one(before, after, depth, hide, count):
    net, x = encoder(depth), series()[:count]
    with torch.no_grad():
        expected = naively(net, x, before, after, hide)
    torch.testing.assert_close(
        sliding(net, x, before, after, hide=hide), expected, rtol=1e-5, atol=1e-6
    )


def test_instants_beyond_reach_are_not_looked_at():
    net, x = encoder(1), series(instants=40)
    assert reach(net) == 6
    torch.testing.assert_close(sliding(net, x, 30), sliding(net, x, 6))
    assert not torch.allclose(sliding(net, x, 6), sliding(net, x, 5))
    with torch.no_grad():
        torch.testing.assert_close(sliding(net, x, 30, 30), naively(net, x, 30, 30, False))


def test_what_follows_changes_nothing_that_was():
    net, x = encoder(), series(instants=60)
    x[0, 30:] += 100.0
    longer = sliding(net, x, 12)[:, :30]
    torch.testing.assert_close(sliding(net, x[:, :30], 12), longer, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(sliding(net, x, 12, 12)[0, 29], longer[0, 29])


def test_portions_make_one_whole(monkeypatch):
    net, x = encoder(), series(n=7)
    whole = sliding(net, x, 9)
    for chunk in (1, 25, 60):
        monkeypatch.setattr("potentiate.models.timehut.sliding.CHUNK", chunk)
        torch.testing.assert_close(sliding(net, x, 9), whole, rtol=1e-5, atol=1e-6)


def test_windows_of_less_than_nothing_are_refused():
    with pytest.raises(Refused, match="windows of -1 instants before"):
        sliding(encoder(), series(), -1)


@pytest.mark.parametrize("window", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("causal", [False, True])
def test_the_largest_over_windows_is_that_of_a_loop(window, causal):
    z = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    before = window - 1 if causal else window // 2
    expected = [z[:, max(0, t - before) : t - before + window].amax(1) for t in range(z.shape[1])]
    torch.testing.assert_close(pooled(z, window, causal=causal), torch.stack(expected, 1))


def test_scales_double_up_to_the_length():
    z = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    scales = pooled(z, "multiscale").split(3, -1)
    assert len(scales) == 3
    for scale, width in zip(scales, (3, 5, 9), strict=True):
        torch.testing.assert_close(scale, pooled(z, width))
    torch.testing.assert_close(pooled(z, "full"), z.amax(1))


@pytest.mark.parametrize("window", [0, -2, "half", 2.5, True])
def test_windows_that_are_none_are_refused(window):
    with pytest.raises(Refused, match="give a number of instants, 'full' or 'multiscale'"):
        pooled(torch.zeros(1, 4, 1), window)
