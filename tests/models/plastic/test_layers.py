"""Sparse layers: what they start from, what they compute, and how they follow a change of edges."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from potentiate.errors import Refused
from potentiate.kernels.sparse_linear import ENGINES
from potentiate.models.plastic import SparseLinear, SparseRecurrent
from potentiate.models.plastic.choice import _machine, choose, timed
from potentiate.plasticity.structural import SET, Change, Scores, follow_optimizer
from potentiate.topology import Topology, constant_fan_in


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A folder of its own for what is timed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "potentiate" / "sparse-engines.json"


def changed(layer, seed=1) -> Change:
    topology, weight = layer.topology, layer.weight.detach().numpy().copy()
    rng = np.random.default_rng(seed)
    rule = SET()
    scores = Scores.silent(layer.shape)
    return rule.update(topology, weight, scores, rule.init(topology, weight, rng), rng)


@pytest.mark.parametrize("engine", [*ENGINES, "auto", "reference"])
def test_a_sparse_linear_layer_is_a_linear_layer_with_zeros(engine):
    layer = SparseLinear(30, 20, density=0.2, engine=engine)
    x = torch.randn(3, 4, 30)
    expected = nn.functional.linear(x, layer.matrix(), layer.bias)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert layer.weight.shape == (120,)
    assert layer.density == 0.2
    assert "30 -> 20, 120 edges, density 0.2" in repr(layer)


def test_a_recurrent_layer_iterates():
    layer = SparseRecurrent(25, density=0.3, iterations=3)
    h = expected = torch.rand(7, 25)
    for _ in range(3):
        expected = torch.relu(expected @ layer.matrix().T)
    torch.testing.assert_close(layer(h), expected, rtol=1e-5, atol=1e-5)
    assert not layer.matrix().diagonal().any()


def test_variance_neither_dies_nor_explodes_over_the_iterations():
    for inhibitory in (None, 0.2):
        torch.manual_seed(0)
        layer = SparseRecurrent(1000, density=0.1, iterations=5, inhibitory=inhibitory)
        h = torch.randn(64, 1000).relu()
        share = float((layer(h).square().mean() / h.square().mean()).detach())
        assert 0.1 < share < 10, share
    naive = SparseRecurrent(1000, density=0.1, iterations=5)
    with torch.no_grad():  # how the seed starts: the first epoch is lost
        naive.weight.copy_(0.01 * torch.randn_like(naive.weight).abs())
    assert float(naive(h).detach().square().mean() / h.square().mean()) < 0.1


def test_dale_s_law_holds_from_the_start_and_after_each_step():
    layer = SparseRecurrent(50, density=0.3, inhibitory=0.2)
    optimizer, broken = torch.optim.SGD(layer.parameters(), lr=0.02), list[bool]()
    assert layer.signs.tolist() == [1] * 40 + [-1] * 10
    for _ in range(5):
        matrix = layer.matrix()
        assert (matrix[:, :40] >= 0).all()
        assert (matrix[:, 40:] <= 0).all()
        assert matrix.any()
        optimizer.zero_grad()
        layer(torch.rand(8, 50)).sum().backward()
        optimizer.step()
        broken.append(bool((layer.matrix()[:, :40] < 0).any()))
        layer.obey()
    assert any(broken)  # without the law the steps would break it


def test_rewiring_keeps_survivors_and_the_optimizer_follows():
    layer = SparseLinear(12, 9, density=0.5)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01)
    for _ in range(3):
        layer(torch.randn(4, 12)).square().sum().backward()
        optimizer.step()
    before, moments = layer.matrix(), optimizer.state[layer.weight]["exp_avg"].clone()
    change = changed(layer)
    follow_optimizer(optimizer, layer.weight, change.moved)
    layer.rewire(change)
    kept = torch.from_numpy(change.moved >= 0)
    places = torch.from_numpy(change.moved)[kept]
    assert 0 < int((~kept).sum()) < len(kept)
    after = optimizer.state[layer.weight]["exp_avg"]
    assert torch.equal(after[kept], moments[places])
    assert not after[~kept].any()
    rows, columns = layer.topology.targets[kept], layer.topology.sources[kept]
    assert torch.equal(layer.weight[kept], before[rows, columns])
    for _ in range(2):
        optimizer.zero_grad()
        layer(torch.randn(4, 12)).square().sum().backward()
        optimizer.step()


def test_a_state_goes_into_a_layer_of_other_edges():
    first, other = (SparseLinear(12, 9, density=d, seed=s) for d, s in ((0.5, 1), (0.2, 2)))
    other.load_state_dict(first.state_dict())
    x = torch.randn(5, 12)
    assert torch.equal(first(x), other(x))
    out = other(x).sum()
    out.backward()
    assert other.weight.grad.shape == first.weight.shape
    with pytest.raises(RuntimeError, match="size mismatch"):
        SparseLinear(12, 8, density=0.5).load_state_dict(first.state_dict())


def test_an_average_of_weights_follows_too():
    layer, average = (SparseLinear(12, 9, density=0.5, seed=1) for _ in range(2))
    with torch.no_grad():
        average.weight.mul_(2.0)
    doubled = average.matrix()
    change = changed(layer)
    layer.rewire(change)
    average.average(change)
    kept = change.moved >= 0
    rows, columns = change.topology.targets, change.topology.sources
    assert torch.equal(average.weight[kept], doubled[rows[kept], columns[kept]])
    assert torch.equal(average.weight[~kept], layer.weight[~kept])


def test_what_was_watched_is_what_edges_read_and_get_back():
    layer = SparseRecurrent(10, density=0.5, iterations=2)
    layer.watched = True
    h = torch.rand(6, 10)
    layer(h).square().sum().backward()
    scores = layer.scores()
    rows, columns = layer.topology.targets, layer.topology.sources
    found = scores.gradient(rows, columns)
    np.testing.assert_allclose(found, layer.weight.grad.numpy(), rtol=1e-4, atol=1e-5)
    layer.forget()
    with pytest.raises(Refused, match="nothing was watched"):
        layer.scores()
    straight = SparseLinear(10, 4, density=0.5)
    straight.watched = True
    straight(h).square().sum().backward()
    scores = straight.scores()
    found = scores.gradient(straight.topology.targets, straight.topology.sources)
    np.testing.assert_allclose(found, straight.weight.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_the_wrong_topology_is_refused():
    wrong = constant_fan_in((4, 5), 2, np.random.default_rng(0))
    with pytest.raises(Refused, match=r"topology of \(5, 4\) is needed, got one of \(4, 5\)"):
        SparseLinear(4, 5, topology=wrong)
    with pytest.raises(Refused, match="needed"):
        SparseRecurrent(5, topology=wrong)
    with pytest.raises(Refused, match="iterations=0"):
        SparseRecurrent(5, iterations=0)


def test_layers_without_edges_answer_with_their_bias():
    layer = SparseLinear(3, 2, density=0.0)
    assert torch.equal(layer(torch.randn(4, 3)), torch.zeros(4, 2))
    lone = SparseRecurrent(1, density=1.0)
    assert lone(torch.ones(2, 1)).tolist() == [[0.0], [0.0]]


def test_the_engine_is_timed_once_and_kept(cache, caplog):
    caplog.set_level("INFO", "potentiate")
    layer = SparseLinear(60, 50, density=0.1)
    layer(torch.randn(16, 60))
    assert "60" in caplog.text
    assert "engine" in caplog.text
    assert cache.exists()
    caplog.clear()
    again = SparseLinear(60, 50, density=0.1, seed=3)
    again(torch.randn(16, 60))
    assert not caplog.text  # read, not timed
    assert again.engines == layer.engines
    layer(torch.randn(11, 60))
    assert len(layer.engines) == 1  # the last batch of an epoch takes that of the others
    layer(torch.randn(500, 60))
    assert len(layer.engines) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 3}', "MACHINE"])
def test_a_damaged_record_of_engines_costs_a_timing(cache, content):
    cache.parent.mkdir()
    cache.write_text(content.replace("MACHINE", json.dumps({_machine(): []})))
    layer = SparseLinear(6, 5, density=0.5)
    assert choose(layer.edges, 4, 1, torch.float32) in ENGINES
    assert '"engine"' in cache.read_text()


def test_what_is_fastest_by_the_clock_is_chosen(monkeypatch):
    from potentiate.models.plastic import choice

    layer = SparseLinear(6, 5, density=0.5)
    times = {"rows": 1.04, "dense": 1.0, "mkl": 2.0}
    monkeypatch.setattr(choice, "timed", lambda *_: times)
    assert choose(layer.edges, 4, 1, torch.float32) == "rows"  # as good as, and leaner
    times["rows"] = 1.2
    assert choose(layer.edges, 8, 1, torch.float32) == "dense"
    times["mkl"] = 0.1
    assert choose(layer.edges, 32, 1, torch.float32) == "mkl"


def test_every_engine_is_timed():
    layer = SparseRecurrent(20, density=0.5)
    assert timed(layer.edges, 4, 5, torch.float32).keys() == ENGINES.keys()


CAPPED = """
import resource, torch
from potentiate.measure import peak_memory
from potentiate.models.plastic import SparseRecurrent
layer = SparseRecurrent(100, density=0.1)
layer(torch.rand(4, 100)).sum().backward()
layer = SparseRecurrent(30_000, density=10 / 30_000)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
cap = used + 30_000 * 30_000 * 4 // 8
resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
optimizer = torch.optim.AdamW(layer.parameters())
for _ in range(2):
    optimizer.zero_grad()
    layer(torch.rand(8, 30_000)).square().mean().backward()
    optimizer.step()
try:
    layer.matrix()
except (RuntimeError, MemoryError):
    print("no matrix fits")
"""


def test_training_never_makes_a_matrix():
    """Under a cap of an eighth of N * N * 4 bytes a layer of 30,000 neurons trains; its matrix does not fit."""
    done = subprocess.run(
        [sys.executable, "-c", CAPPED], capture_output=True, text=True, check=False
    )
    assert done.stdout == "no matrix fits\n", done.stderr


def test_layers_train_in_a_model_of_one_s_own():
    torch.manual_seed(0)
    model = nn.Sequential(SparseLinear(20, 40, 0.3), nn.ReLU(), SparseLinear(40, 3, 0.5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.randn(120, 20), torch.arange(120) % 3
    x[:, :3] += 2 * nn.functional.one_hot(y)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert float((model(x).argmax(1) == y).float().mean()) > 0.95


def test_copies_are_independent():
    import copy

    layer = SparseLinear(6, 5, density=0.5)
    twin = copy.deepcopy(layer)
    twin.rewire(changed(twin))
    assert not np.array_equal(twin.topology.codes, layer.topology.codes)
    assert isinstance(layer.topology, Topology)


def test_a_state_that_is_no_topology_of_the_layer_is_refused_and_changes_nothing():
    layer = SparseLinear(64, 10, 0.5)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    wide = SparseLinear(5000, 10, 0.1).state_dict()
    for state in (
        wide,
        {**before, "ends": before["ends"].flip(0)},
        {**before, "ends": before["ends"] + 1},
    ):
        with pytest.raises(
            RuntimeError, match="are none of a SparseLinear of 64 sources and 10 targets"
        ):
            layer.load_state_dict(state)
        assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    copy = SparseLinear(64, 10, 0.5)
    copy.load_state_dict(before)
    copy.ends.zero_()
    assert before["ends"].any()  # memory of its own


def test_the_size_may_change_while_an_old_loss_is_held():
    layer, rule = SparseLinear(12, 9, density=0.3), SET()
    loss = layer(torch.randn(4, 12)).sum()
    loss.backward()
    topology, weight = layer.topology, layer.weight.detach().numpy().copy()
    state = rule.init(topology, weight, np.random.default_rng(0))
    more = {"edges": topology.edges + 5}
    rng, silent = np.random.default_rng(0), Scores.silent(layer.shape)
    layer.rewire(rule.update(topology, weight, silent, state, rng, **more))
    assert len(layer.weight) == topology.edges + 5
    loss = layer(torch.randn(4, 12)).sum()
    loss.backward()
    assert layer.weight.grad.shape == layer.weight.shape


def test_of_a_layer_that_is_passed_twice_the_last_pass_is_watched():
    layer = SparseLinear(8, 8, density=0.5, bias=False)
    layer.watched = True
    first, second = torch.randn(5, 8), torch.randn(5, 8)
    (layer(first).sum() * 3 + (layer(second) ** 2).sum()).backward()
    scores = layer.scores()
    error = 2 * layer(second).detach()
    np.testing.assert_allclose(scores.error, error.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(scores.before, second.T)


def test_without_mkl_the_other_engines_are_timed(monkeypatch):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    layer = SparseLinear(6, 5, density=0.5)
    assert set(timed(layer.edges, 4, 1, torch.float32)) == {"rows", "dense"}
    with pytest.raises(Refused, match="built with MKL"):
        SparseLinear(6, 5, density=0.5, engine="mkl")(torch.zeros(2, 6))


def test_a_great_change_of_edges_asks_for_the_engine_again():
    layer, rule = SparseLinear(40, 40, density=0.1), SET(zeta=1.0)
    layer(torch.randn(8, 40))
    assert layer.engines
    topology, weight = layer.topology, layer.weight.detach().numpy().copy()
    rng, silent = np.random.default_rng(0), Scores.silent(layer.shape)
    state = rule.init(topology, weight, rng)
    layer.rewire(rule.update(topology, weight, silent, state, rng, edges=2 * topology.edges))
    assert not layer.engines


def test_excitation_and_inhibition_are_balanced_on_the_mean():
    layer = SparseRecurrent(400, density=0.3, inhibitory=0.2)
    weight = layer.weight.detach()
    assert abs(float(weight.sum())) < 0.05 * float(weight.abs().sum())
    with pytest.raises(Refused, match="without excitation"):
        SparseRecurrent(10, inhibitory=1.0)


def test_weights_start_by_the_fan_in_of_their_target():
    rows = [(0, s) for s in range(100)] + [(1, s) for s in range(4)]
    targets, sources = zip(*rows * 1, strict=True)
    topology = Topology.from_pairs(targets, sources, (2, 100))
    spread = [
        torch.stack(
            [SparseLinear(100, 2, topology=topology, seed=s).weight[part] for s in range(60)]
        )
        for part in (slice(0, 100), slice(100, 104))
    ]
    assert float(spread[0].detach().std()) == pytest.approx((2 / 100) ** 0.5, rel=0.05)
    assert float(spread[1].detach().std()) == pytest.approx((2 / 4) ** 0.5, rel=0.2)
