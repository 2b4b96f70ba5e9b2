"""The step that rewires: when it does, what follows, what it remembers, and each mechanism on and off."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from jobs import busy_plastic
from potentiate import train
from potentiate.checkpoint import Shelf, load
from potentiate.errors import NonFinite, Refused
from potentiate.events import Evaluated, Finished, Rewired, Started, Stepped
from potentiate.models import WORKLOADS
from potentiate.models.plastic import (
    PlasticNet,
    Rewiring,
    SparseLinear,
    StructuralStep,
    evolve,
    initial_topology,
)
from potentiate.models.plastic.initial import BEGUN
from potentiate.plasticity.structural import SET, STRUCTURAL, Coactivation, RigL
from potentiate.techniques.reference import parse

DIGITS = WORKLOADS["plastic/digits"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def small(**recipe):
    """Digits on 40 neurons, rewired every tenth of 82 steps."""
    settings = {"neurons": 40, "sparsity": 0.7, "epochs": 2, "plasticity_interval": 10}
    return DIGITS.varied({**settings, "protection": 5, "engine": "rows", **recipe})


def events(workload, *specs, **options):
    return list(train(workload, [parse(spec) for spec in specs], **options))


def rewired(found):
    return [(e.step, e.measures) for e in found if isinstance(e, Rewired)]


def batches(count=4, size=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % 3
    x = torch.randn(count, size, 12, generator=generator) + 4 * F.one_hot(y, 12)
    return [(part, y) for part in x]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(SparseLinear(12, 20, 0.4), nn.ReLU(), SparseLinear(20, 3, 0.5))


def step(rule=None, **plan):
    rewiring = Rewiring(rule or SET(), **{"interval": 2, **plan})
    return StructuralStep(F.cross_entropy, torch.optim.AdamW, {"lr": 0.01}, rewiring=rewiring)


def test_it_rewires_at_the_interval_until_its_share_of_the_training_is_over():
    found = rewired(events(small(until=0.5)))
    assert [at for at, _ in found] == [10, 20, 30, 40]
    later = rewired(events(small(stretch=1.5, until=1.0)))
    assert [at for at, _ in later] == [10, 25, 47, 81]  # 15, 22 (22.5 is even) and 34 steps


@pytest.mark.parametrize("rule", STRUCTURAL)
def test_every_rule_keeps_the_number_of_edges_and_dale_s_law(rule):
    for event in train(small(rule=rule, inhibitory=0.3), max_steps=45):
        if isinstance(event, Started):
            model, before = event.training.run.model, event.training.run.model.core.topology
        elif isinstance(event, Stepped):
            core = model.core
            assert core.topology.edges == before.edges == len(core.weight)
            signs = core.dale[core.topology.sources]
            assert (core.weight.detach().numpy() * signs >= 0).all()
    same = np.array_equal(core.topology.codes, before.codes)
    assert same == (rule == "static")


def test_measures_say_what_happened():
    found = events(small())
    notes = rewired(found)
    assert notes
    for _, note in notes:
        assert note["part"] == "core"
        assert note["edges"] == round(0.3 * 40 * 39)
        assert note["density"] == pytest.approx(0.3, abs=1e-3)
        assert note["dropped"] == note["grown"] > 0
        assert 0.05 <= note["change"] <= 0.10 + 1 / note["edges"]
        assert note["seconds"] > 0
        assert note["batch_seconds"] > 0
        assert note["memory_mb"] > 10
        for name in ("fan_in", "fan_out", "ages", "lengths"):
            assert sum(note[name]["counts"]) == (40 if "fan" in name else note["edges"])
        assert sum(map(sum, note["blocks"])) == note["edges"]
    explored = [note["explored"] for _, note in notes]
    assert explored == sorted(explored)
    assert explored[-1] > explored[0] > 0.3


def test_a_user_s_own_layers_rewire_in_a_gradient_step():
    model = network()
    first = [part.topology.codes for part in model[::2]]
    live = step().start(model, 8)
    losses = [float(live(batch)) for batch in batches(8)]
    assert all(loss == loss for loss in losses)
    assert live.updates == 3  # the last quarter stays as it is
    for codes, part in zip(first, model[::2], strict=True):
        assert len(part.topology.codes) == len(codes)
        assert not np.array_equal(part.topology.codes, codes)
    assert {note["part"] for note in live.notes.take()} == {"0", "2"}
    assert not live.notes


def test_a_model_without_sparse_layers_is_refused():
    with pytest.raises(Refused, match="no sparse layer"):
        step().start(nn.Linear(3, 2), 5)


def test_moments_of_survivors_stay_to_the_bit_and_new_edges_begin_at_zero(monkeypatch):
    model = network()
    live = step(RigL()).start(model, 100)
    for batch in batches(3):
        live(batch)
    layer = model[0]
    state = live.optimizer.state[layer.weight]
    before = {name: state[name].clone() for name in ("exp_avg", "exp_avg_sq")}
    codes = layer.topology.codes
    live.rewire()
    after, now = live.optimizer.state[layer.weight], layer.topology.codes
    places = np.searchsorted(codes, now).clip(max=len(codes) - 1)
    kept = torch.from_numpy(codes[places] == now)
    assert int((~kept).sum()) > 0
    for name, values in before.items():
        assert torch.equal(after[name][kept], values[torch.from_numpy(places)[kept]])
        assert not after[name][~kept].any()


def test_a_number_that_is_not_finite_changes_nothing():
    model = network()
    live = step(Coactivation(protection=0), interval=1).start(model, 100)
    for batch in batches(2):
        live(batch)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    codes = model[0].topology.codes
    x, y = batches(1)[0]
    with pytest.raises(NonFinite):
        live((x * float("nan"), y))
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert np.array_equal(model[0].topology.codes, codes)
    assert live.updates == 2


def test_idle_work_changes_the_topology_and_keeps_its_size():
    model = network()
    live = step(Coactivation(protection=2), interval=10**6).start(model, 10**6)
    for batch in batches(30):
        live(batch)
    seen = [model[0].topology.codes]
    for _ in range(3):  # no data come
        live.rewire()
        seen.append(model[0].topology.codes)
        assert len(seen[-1]) == len(seen[0])
    assert len({codes.tobytes() for codes in seen}) >= 2
    assert live.updates == 3


def test_missing_edges_grow_until_they_are_as_many_as_asked():
    possible = 40 * 39
    found = rewired(events(small(initial="progressive", epochs=8, until=1.0)))
    edges = [note["edges"] for _, note in found]
    assert edges[0] > BEGUN * 0.3 * possible
    assert edges == sorted(edges)
    assert edges[-1] == round(0.3 * possible)
    assert all(note["grown"] <= 0.26 * note["edges"] for _, note in found)


@pytest.mark.parametrize("kind", ["random", "fan-in", "ring", "grid", "progressive"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_initial_topologies_have_the_edges_they_should(kind, sparsity):
    topology = initial_topology(30, sparsity, kind, seed=3)
    share = BEGUN if kind == "progressive" else 1.0
    fan_in = round((1 - sparsity) * 29)
    expected = 30 * fan_in if kind == "fan-in" else (1 - sparsity) * 870 * share
    assert abs(topology.edges - expected) <= 1
    assert not (topology.targets == topology.sources).any()


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
def test_the_sparsity_asked_is_the_sparsity_there_is(share):
    net = PlasticNet(40, 5, 2, initial_sparsity=share)
    assert abs(net.core.density * 40 * 39 - (1 - share) * 40 * 39) <= 1


def test_homeostasis_draws_rates_to_the_target_and_without_it_they_stay_away():
    def rates(strength):
        found = events(small(homeostasis=strength, target_rate=0.3, rule="static", epochs=10))
        (live,) = [e.training.step for e in found if isinstance(e, Started)]
        return float((live.firing["core"] - 0.3).abs().mean()) if strength else found

    model = small(homeostasis=0.0, rule="static", epochs=10)
    for event in train(model):
        if isinstance(event, Started):
            net = event.training.run.model
    net.eval()
    x = DIGITS.build(0).batches.tensors[0]
    with torch.no_grad():
        hidden = torch.addmm(
            net.input_bias[:, None], net.input, ((x.flatten(1) / 255 - net.mean) / net.std).t()
        )
        free = float((net.core.iterate(hidden.relu()).mean(1) - 0.3).abs().mean())
    assert rates(0.1) < 0.7 * free


@pytest.mark.parametrize("rule", ["coactivation", "rigl", "set", "deep-r", "srigl", "chts"])
def test_a_run_goes_on_to_the_bit_wherever_it_was_stopped(tmp_path, rule):
    workload = small(rule=rule, homeostasis=0.01)
    (whole,) = [e.training for e in events(workload) if isinstance(e, Started)]
    for stop in (9, 10, 11, 37):
        for event in train(workload):
            if isinstance(event, Started):
                training = event.training
            if isinstance(event, Stepped) and event.step == stop:
                break
        folder = Shelf(tmp_path / f"{rule}-{stop}", 1).put(training.state(), stop, {})
        state = load(folder).state
        (again,) = [e.training for e in events(workload, resume=state) if isinstance(e, Started)]
        same(whole, again)


def same(first, second):
    a, b = first.state(), second.state()
    assert a["model"].keys() == b["model"].keys()
    assert all(torch.equal(a["model"][k], b["model"][k]) for k in a["model"])
    left, right = a["step"]["structure"]["core"], b["step"]["structure"]["core"]
    assert all(torch.equal(left["rule"][k], right["rule"][k]) for k in left["rule"])
    assert torch.equal(left["explored"], right["explored"])
    assert torch.equal(left["rate"], right["rate"])
    for k in ("updates", "due", "interval"):
        assert a["step"][k] == b["step"][k]


def test_averaged_weights_follow_the_edges():
    found = events(small(epochs=6), "ema-weights:decay=0.5")
    (training,) = [e.training for e in found if isinstance(e, Started)]
    judged, model = training.step.evaluated(), training.run.model
    assert judged is not model
    assert np.array_equal(judged.core.topology.codes, model.core.topology.codes)
    assert [e.metrics["accuracy"] for e in found if isinstance(e, Evaluated)][-1] > 0.5


def test_mixed_precision_trains():
    found = events(small(), "mixed-precision", max_steps=25)
    assert all(float(e.loss) == float(e.loss) for e in found if isinstance(e, Stepped))


def test_rewiring_every_step_of_the_slow_spelling_is_that_of_the_fast_one():
    """Edges dropped one by one and scaling in new memory leave every bit as it is."""
    slow = [float(e.loss) for e in events(busy_plastic()) if isinstance(e, Stepped)]
    quick = busy_plastic(vectorized=True, in_place=True)
    assert slow == [float(e.loss) for e in events(quick) if isinstance(e, Stepped)]


def test_it_learns_and_shuffled_labels_teach_nothing():
    found = events(DIGITS.varied({"epochs": 12, "neurons": 100}))
    assert found[-1].test["accuracy"] > 0.93

    def make(recipe, seed):
        run = DIGITS.make(recipe, seed)
        x, y = run.batches.tensors
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
        return run.edit(batches=replace(run.batches, tensors=(x, y[order])))

    shuffled = replace(DIGITS.varied({"epochs": 4, "neurons": 100}), make=make)
    (end,) = [e for e in events(shuffled) if isinstance(e, Finished)]
    assert end.test["accuracy"] < 0.25


def test_an_edge_takes_at_most_28_bytes_with_all_that_belongs_to_it():
    net = PlasticNet(600, 12, 3, iterations=1, initial_sparsity=0.9)
    live = step(Coactivation(protection=0), interval=3).start(net, 100)
    for batch in batches(4):
        live(batch)
    core, edges = net.core, len(net.core.weight)
    assert live.updates == 1
    tensors = [core.weight, core.weight.grad, core.sources, core.targets]
    tensors += [v for v in live.optimizer.state[core.weight].values() if v.numel() == edges]
    kept = sum(t.nbytes for t in tensors) + sum(part.nbytes for part in live.states["core"])
    of_neurons = 8 * (len(core.ends) + len(core.back_ends)) + 4 * 600 * 3
    assert len(tensors) == 6 or core.weight.grad is None
    assert (kept + 4 * edges * (core.weight.grad is None) - of_neurons) / edges <= 28


def test_layers_that_a_pass_leaves_out_stay_as_they_are():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = SparseLinear(12, 3, 0.5), SparseLinear(12, 3, 0.5, seed=1)

        def forward(self, x):
            return self.used(x)

    model = Half()
    live = step(Coactivation(protection=0), homeostasis=0.1).start(model, 100)
    for batch in batches(5):
        live(batch)
    assert live.updates == 2
    assert model.idle.topology.edges == model.used.topology.edges


def test_negative_activity_is_no_activity():
    """Inputs and sums of a linear layer may be negative; credit stays a number and never negative."""
    model = nn.Sequential(SparseLinear(12, 20, 0.4), nn.ReLU(), SparseLinear(20, 3, 0.5))
    live = step(Coactivation(protection=0)).start(model, 100)
    for batch in batches(12):
        live(batch)
    for state in live.states.values():
        credit = state.credit.astype(np.float32)
        assert np.isfinite(credit).all()
        assert (credit >= 0).all()
        assert len(np.unique(credit)) > 10
        assert credit.max() < 65504


def test_evolve_grows_a_progressive_topology():
    net = PlasticNet(30, 12, 3, iterations=1, initial_sparsity=0.5, initial="progressive")
    assert net.core.topology.edges < 0.6 * 435
    summary = evolve(net, batches(60), batches(1), epochs=2, plasticity_interval=5)
    assert summary.edges == {"core": 435}


def test_evolve_returns_the_summary_that_the_page_promises():
    net = PlasticNet(num_neurons=30, input_dim=12, output_dim=3, iterations=1, initial_sparsity=0.5)
    told = []
    summary = evolve(
        net,
        batches(40),
        batches(3, seed=1),
        epochs=3,
        lr=0.01,
        plasticity_interval=10,
        rule=Coactivation(protection=5),
        progress=lambda epoch, accuracy: told.append((epoch, accuracy)),
    )
    assert summary.test_accuracy == summary["test_accuracy"] == told[-1][1] > 0.9
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert summary["avg_batch_time"] > 0
    assert summary["avg_plasticity_time"] > 0
    assert summary["memory_usage_mb"] > 50
    assert summary.updates == 9
    assert summary.steps == 120
    assert summary.edges == {"core": 435}
    assert 0.5 < summary.explored["core"] <= 1
    with pytest.raises(KeyError):
        summary["nothing"]


@pytest.mark.parametrize(
    ("train_on", "judge_on", "options", "told"),
    [
        ([], batches(1), {}, "train_loader is empty"),
        (batches(1), [], {}, "test_loader is empty"),
        (iter(batches(1)), batches(1), {}, "has no length"),
        (batches(1), batches(1), {"epochs": 0}, "must be at least 1"),
        (batches(1), batches(1), {"plasticity_interval": 0}, "must be at least 1"),
    ],
)
def test_evolve_refuses_what_cannot_be_trained(train_on, judge_on, options, told):
    net = PlasticNet(10, 12, 3, initial_sparsity=0.5)
    with pytest.raises(Refused, match=told):
        evolve(net, train_on, judge_on, **options)


def test_bytes_and_numbers_are_the_same_pattern():
    net = PlasticNet(10, 12, 3, mean=0.3, std=0.2, initial_sparsity=0.5)
    bytes_ = torch.randint(0, 256, (4, 3, 4), dtype=torch.uint8)
    torch.testing.assert_close(net(bytes_), net(bytes_ / 255.0))


@pytest.mark.parametrize("name", ["num_neurons", "input_dim", "output_dim"])
def test_a_network_of_nothing_is_refused(name):
    with pytest.raises(Refused, match=f"{name}=0"):
        PlasticNet(**{"num_neurons": 4, "input_dim": 3, "output_dim": 2, name: 0})


def test_equal_seeds_are_equal_networks_and_others_are_not():
    first, same, other = (PlasticNet(20, 6, 3, seed=seed) for seed in (1, 1, 2))
    x = torch.randn(5, 6)
    assert torch.equal(first(x), same(x))
    assert not torch.equal(first(x), other(x))


def test_the_network_of_a_finished_run_goes_on_elsewhere():
    (training,) = [e.training for e in events(small()) if isinstance(e, Started)]
    trained = training.run.model
    fresh = PlasticNet(40, 64, 10, initial_sparsity=0.2)
    fresh.load_state_dict(trained.state_dict())
    x = next(islice(DIGITS.build(0).batches.start(0, torch.device("cpu")), 1))[0]
    trained.eval()
    assert torch.equal(fresh(x), trained(x))


def test_a_partial_loss_counts():
    run = DIGITS.build(0)
    assert isinstance(run.step.loss, partial)
    assert run.step.loss.keywords == {"label_smoothing": 0.1}


@pytest.mark.parametrize("rule", STRUCTURAL)
def test_notes_of_every_rule_can_be_drawn(rule, tmp_path):
    """What a rule calls its band may be one number or two; the log of a run reads either way."""
    from potentiate import plot
    from potentiate.listeners import MetricsLog, watch

    log = MetricsLog(tmp_path / "metrics.jsonl")
    watch(train(small(rule=rule, epochs=1), warmup=0), log)
    log.close()
    found = plot.load(tmp_path)
    assert not found.damaged
    assert len(found.parts["core"]) == 3


def test_evolve_takes_the_name_of_a_rule():
    net = PlasticNet(10, 12, 3, initial_sparsity=0.5)
    assert evolve(net, batches(4), batches(1), epochs=1, rule="set", plasticity_interval=2).updates
    with pytest.raises(Refused, match="rigl"):
        evolve(net, batches(1), batches(1), rule="rigll")


def test_a_pattern_of_another_size_is_refused():
    with pytest.raises(Refused, match="a pattern of 11 numbers does not fit input_dim=12"):
        PlasticNet(10, 12, 3, initial_sparsity=0.5)(torch.zeros(2, 11))


def test_a_network_without_recurrent_edges_is_told_of(caplog):
    PlasticNet(10, 12, 3, initial_sparsity=1.0)
    assert "leaves no recurrent edge" in caplog.text


@pytest.mark.parametrize(
    "plan",
    [
        {"interval": 0},
        {"stretch": 0.5},
        {"until": -0.5},
        {"homeostasis": float("nan")},
        {"target_rate": 0.0},
        {"homeostasis_every": 0},
    ],
)
def test_a_plan_out_of_range_is_refused(plan):
    with pytest.raises(Refused, match=f"Rewiring: {next(iter(plan))}="):
        Rewiring(**plan)


def test_the_rule_is_told_how_far_the_training_is(monkeypatch):
    told = []
    real = RigL.update

    def spy(self, *args, progress=0.0, **more):
        told.append(progress)
        return real(self, *args, progress=progress, **more)

    monkeypatch.setattr(RigL, "update", spy)
    live = step(RigL(), interval=5).start(network(), 20)
    for batch in batches(20):
        live(batch)
    assert told == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]  # two layers


def test_layers_draw_apart_and_seeds_too():
    def drawn(seed):
        torch.manual_seed(0)
        same = nn.Sequential(SparseLinear(12, 12, 0.4), nn.ReLU(), SparseLinear(12, 12, 0.4))
        live = replace(step(SET(zeta=0.5)), seed=seed).start(same, 100)
        for batch in batches(2, size=16):
            live(batch)
        return [part.topology.codes.tobytes() for part in same[::2]]

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first == again
    assert first[0] != first[1]
    assert first != other


def test_the_judged_average_obeys_dale_s_law():
    def make(recipe, seed):
        run = DIGITS.make(recipe, seed)
        return run.edit_step(options={"lr": 0.01}, schedule=lambda progress: 1.0)

    constant = replace(small(homeostasis=0.0), make=make)
    (training,) = [e.training for e in events(constant, "ema-weights") if isinstance(e, Started)]
    core = training.step.evaluated().core
    signs = core.dale[core.topology.sources]
    assert (core.weight.detach().numpy() * signs >= 0).all()


def test_a_stretched_interval_and_the_engines_are_resumed():
    workload = small(stretch=1.5, until=1.0, engine="auto")
    for event in train(workload):
        if isinstance(event, Started):
            training = event.training
        if isinstance(event, Stepped) and event.step == 30:
            break
    state = training.state()
    (again,) = [e.training for e in events(workload, resume=state) if isinstance(e, Started)]
    assert again.step.updates == 4
    assert again.step.interval == pytest.approx(10 * 1.5**4)
    assert again.step.layers["core"].engines


def test_idle_work_does_not_put_off_what_is_due():
    live = step(SET(), interval=4, stretch=2.0).start(network(), 100)
    for _ in range(50):
        live.rewire()
    assert (live.due, live.interval) == (4, 4.0)


@pytest.mark.parametrize("labels", [torch.zeros(16, 1), torch.zeros(16, 3), torch.zeros(16)])
def test_evolve_refuses_labels_that_are_no_class_numbers(labels):
    net = PlasticNet(10, 12, 3, initial_sparsity=0.5)
    x = batches(1)[0][0]
    for train_on, judge_on in (([(x, labels)], batches(1)), (batches(1), [(x, labels)])):
        with pytest.raises(Refused, match="labels must be class numbers"):
            evolve(net, train_on, judge_on, epochs=1)


def test_a_layer_that_does_not_learn_keeps_its_edges():
    model = network()
    model[0].weight.requires_grad_(False)
    codes = model[0].topology.codes
    live = step(SET()).start(model, 100)
    for batch in batches(4):
        live(batch)
    assert np.array_equal(model[0].topology.codes, codes)
    assert live.updates == 2


@pytest.mark.parametrize("options", [{"initial": "rnig"}, {"std": 0.0}])
def test_a_network_that_cannot_be_is_refused(options):
    with pytest.raises(Refused):
        PlasticNet(10, 12, 3, **options)


def test_a_grid_start_grows_by_distances_on_the_grid():
    from potentiate.models.plastic.workloads import rule_of
    from potentiate.topology import Grid

    assert rule_of(small(initial="grid").recipe).metric == Grid(5, 8)
    assert rule_of(small().recipe).metric is None
    near = initial_topology(400, 0.98, "grid", seed=0)
    apart = Grid(20, 20).distance(near.targets, near.sources)
    assert float(np.median(apart)) < 3
    around = PlasticNet(30, 12, 3, initial_sparsity=0.5)
    with pytest.raises(Refused, match="a metric of 10 neurons does not fit"):
        step(Coactivation(metric=Grid(2, 5))).start(around, 10)


def test_the_target_rate_of_a_recipe_is_that_of_its_step():
    assert small(target_rate=0.7).build(0).step.rewiring.target_rate == 0.7
