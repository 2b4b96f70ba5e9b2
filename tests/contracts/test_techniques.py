"""What every technique owes, run over the table: a new line in it is tested here without a line more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from jobs import busy_brain, busy_plastic
from potentiate import Run, Workload, supervised, train
from potentiate.data import DATASETS
from potentiate.data.batches import LoaderBatches, ResidentBatches
from potentiate.errors import NotApplicable, Refused
from potentiate.events import Started, Stepped
from potentiate.machine.facts import usable_cores
from potentiate.models import WORKLOADS
from potentiate.models.reference import find
from potentiate.techniques import TECHNIQUES, Technique, adaptive, arrange, graph
from potentiate.techniques.reference import parse
from potentiate.trace import Trace, trace

STATED = {
    "lr-table": "lr-table:values=0.5|0.2|0.1",
    "early-stopping": "early-stopping:target=0.2",  # before 50 steps are over
    "threads": "threads:count=2",  # the tests run on one
    "rarer-coactivation": "rarer-coactivation:every=5",
    "rarer-rewiring": "rarer-rewiring:every=20",
    "faster-teacher-fade": "faster-teacher-fade:fade=0.1",
    "steeper-curriculum": "steeper-curriculum:share=1,epochs=0.5",
}
"""Settings for those that need some, or would change nothing here without."""

BITWISE = {
    "activation-checkpointing",
    "cached-baseline-current",
    "data-loading",
    "event-driven-updates",
    "in-place-updates",
    "rarer-evaluation",
    "vectorized-pruning",
}
"""Exact techniques that leave every bit; the others add in another order, within `TOLERANCE`."""

TOLERANCE = 1e-5  # of the largest number in a tensor, after 50 steps in double precision

EXACT = [name for name, kind in TECHNIQUES.items() if kind.evidence == "exact"]
OTHERS = [name for name in TECHNIQUES if name not in EXACT]
PLASTIC = {name for name, kind in TECHNIQUES.items() if kind.needs & {"plasticity", "timesteps"}}
STRUCTURAL = {name for name, kind in TECHNIQUES.items() if "structure" in kind.needs}
CONTRASTED = {name for name, kind in TECHNIQUES.items() if kind.needs & {"temperature", "angles"}}
SWITCHES = {"data-loading", "fused-optimizer", "label-smoothing", *PLASTIC, *STRUCTURAL}
"""What a recipe may do already, or not at all; such a technique says so before anything runs."""
UNFIT = {"batch-size", "compile", "ema-weights", "gradient-accumulation"}
"""What a contrast of few series at crops of any length, with averaged weights, refuses on top of these."""

BRAIN, REWIRED = busy_brain(), busy_plastic()
SIMILAR = {"plastic/mnist", "plastic/fashion-mnist"}
"""Workloads that are one of the others with more data."""
HERE = [workload for name, workload in WORKLOADS.items() if name not in SIMILAR]
SMALL = {"outputs": 8, "hidden": 4, "depth": 2, "epochs": 8, "evaluate_every": 1, "head": "ridge"}
WAVES = find("timehut/waves").varied(SMALL)


def stated(name: str) -> Technique:
    return parse(STATED.get(name, name))


def is_one_sentence(text: str) -> bool:
    return bool(text) and "\n" not in text and ". " not in text and not text.endswith(".")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process that answers at once, and a compiler that only captures."""

    def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        technique = parse(request["techniques"][0])
        return {"status": "ok", "step_seconds": 1.0 + technique.size // 256, "peak_memory": 0}

    real = torch.compile

    def captured(model: Any, **settings: Any) -> Any:
        return real(model, backend="eager", dynamic=settings["dynamic"])

    monkeypatch.setattr(adaptive, "ask", answer)
    monkeypatch.setattr(graph.torch, "compile", captured)


@dataclass(frozen=True)
class Counting:
    """A step without gradients: it moves one weight by one."""

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LiveCounting:
        return LiveCounting(model)


class LiveCounting:
    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, batch: Any) -> Tensor:
        with torch.no_grad():
            self.model.weight += 1.0
        return torch.zeros(())

    def evaluated(self) -> nn.Module:
        return self.model

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert not state


def counting(recipe: Any, seed: int) -> Run:
    def judge(model: nn.Module) -> dict[str, float]:
        return {"accuracy": 0.5}

    data = torch.utils.data.TensorDataset(torch.zeros(24, 1))
    batches = LoaderBatches(data, 4, seed)
    return Run(nn.Linear(1, 1, bias=False), batches, Counting(), judge, judge, epochs=3)


LOCAL = Workload("counting/nothing", counting, recipe=None)


def network() -> nn.Sequential:
    convolution = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(convolution, nn.Dropout(0.2), nn.Flatten(), nn.Linear(64, 3))


def tiny(provides: frozenset[str]) -> Workload:
    inputs = torch.randn(400, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return supervised(
        "tiny/images",
        network,
        (inputs, torch.arange(400) % 3),
        provides=provides,
        source="tiny/images",
        epochs=4,
        batch_size=32,
        optimizer="Adam",
        lr=0.01,
        loader="dataloader",
    )


TINY = tiny(frozenset({"images", "blocks"}))
PLAIN = tiny(frozenset())


def steps(workload: Workload, techniques: list[Technique], count: int = 3) -> list[float]:
    losses = list[float]()
    events = train(workload, techniques, warmup=1, test=False)
    for event in events:
        if isinstance(event, Stepped):
            losses.append(float(event.loss))
        if len(losses) == count:
            break
    events.close()
    return losses


@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("workload", [*HERE, WAVES, TINY, PLAIN, LOCAL], ids=lambda w: w.name)
def test_applies_where_its_needs_are_met_and_refuses_elsewhere(workload, name, data):
    if workload.name.partition("/")[2] in DATASETS:
        data(workload.name.partition("/")[2])
    technique = stated(name)
    if technique.needs - workload.provides or technique.unavailable("cpu"):
        with pytest.raises(NotApplicable) as refused:
            next(train(workload, [technique]))
        assert is_one_sentence(str(refused.value))
        return
    losses, reason = list[float](), ""
    try:
        losses = steps(workload, [technique])
    except NotApplicable as refused:
        reason = str(refused)
    if reason:
        assert name in SWITCHES | (UNFIT if workload is WAVES else set())
        assert workload.provides & {"plasticity", "structure", "temperature"}
        assert is_one_sentence(reason)
    else:
        assert losses  # fewer than three where the run is shorter, or stops
    assert all(loss == loss for loss in losses)


@pytest.mark.parametrize("name", sorted(PLASTIC | STRUCTURAL | CONTRASTED))
def test_applies_where_every_mechanism_is_at_work(name):
    assert len(steps(home(name), [stated(name)])) == 3


@pytest.mark.parametrize("name", ["activation-checkpointing", "channels-last", "one-cycle"])
def test_a_missing_capability_is_named(name):
    with pytest.raises(NotApplicable, match=f"{name} needs .*'counting/nothing' provides nothing"):
        arrange(LOCAL, [stated(name)])


@pytest.mark.parametrize("pair", list(combinations(TECHNIQUES, 2)), ids=" ".join)
def test_order_of_listing_does_not_matter(pair):
    homes = {home(name).name: home(name) for name in pair}
    workload = next((w for w in (BRAIN, REWIRED, WAVES) if w.name in homes), TINY)
    outcomes = list[Trace | str]()
    for order in permutations(pair):
        torch._dynamo.reset()
        try:
            outcomes.append(trace(workload, [stated(name) for name in order], steps=3))
        except Refused as reason:
            outcomes.append(str(reason))
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], Trace) or is_one_sentence(outcomes[0])


def test_a_long_list_may_be_shuffled():
    names = ["optimizer", "batch-size:size=16", "one-cycle", "fused-optimizer", "ema-weights"]
    names += ["data-loading", "label-smoothing", "channels-last", "short-schedule"]
    first = trace(TINY, [parse(name) for name in names], steps=4)
    for order in (names[::-1], names[3:] + names[:3], sorted(names)):
        assert trace(TINY, [parse(name) for name in order], steps=4) == first


def test_exclusive_techniques_are_refused_together():
    with pytest.raises(Refused, match="cosine and one-cycle do the same thing twice"):
        arrange(TINY, [parse("one-cycle"), parse("cosine")])
    with pytest.raises(Refused, match="listed twice"):
        arrange(TINY, [parse("one-cycle"), parse("one-cycle:lr=1")])


def home(name: str) -> Workload:
    """Where a technique finds what it works on."""
    homes = (BRAIN, PLASTIC), (REWIRED, STRUCTURAL), (WAVES, CONTRASTED)
    return next((workload for workload, names in homes if name in names), WORKLOADS["cnn/digits"])


HOMES = WORKLOADS["cnn/digits"], BRAIN, REWIRED, WAVES


@pytest.fixture(scope="module")
def baselines() -> dict[str, Trace]:
    """50 steps by workload, without dropout, whose masks are drawn in the order of memory."""
    return {workload.name: trace(workload) for workload in HOMES}


@pytest.mark.parametrize("workload", HOMES, ids=lambda w: w.name)
def test_the_same_run_twice_is_the_same_trace(workload, baselines):
    again = trace(workload)
    assert again == baselines[workload.name]
    assert again.distance(baselines[workload.name]) == 0.0


def in_double(workload):
    """The workload in double precision, where rounding in another order does not grow within 50 steps."""

    def split(batch):
        inputs, target = batch
        return inputs.double(), target

    def make(recipe, seed):
        run = workload.make(recipe, seed)
        judge = replace(run.validate, split=split)
        return run.edit(model=run.model.double(), validate=judge).edit_step(split=split)

    return replace(workload, make=make)


@pytest.fixture(scope="module")
def exactly() -> Trace:
    """The baseline in double precision."""
    return trace(in_double(WORKLOADS["cnn/digits"]))


@pytest.mark.parametrize("name", EXACT)
def test_exact_techniques_leave_the_trace_equal(name, baselines, exactly):
    if name == "threads" and usable_cores() < 2:
        pytest.skip("one core has one thread count")
    if name in BITWISE:
        traced = trace(home(name), [stated(name)])
        assert traced == baselines[home(name).name]
    else:
        traced = trace(in_double(WORKLOADS["cnn/digits"]), [stated(name)])
        assert traced.distance(exactly) <= TOLERANCE
    assert len(traced.losses) == 50


@pytest.mark.parametrize(
    "spec", ["data-loading:mode=workers,workers=2", "rarer-evaluation:every=2"]
)
def test_other_settings_leave_every_bit_too(spec, baselines):
    assert trace(WORKLOADS["cnn/digits"], [parse(spec)]) == baselines["cnn/digits"]


@pytest.mark.parametrize("name", EXACT)
def test_exact_techniques_change_how_it_is_done(name):
    def layout(run: Run) -> list[tuple[int, ...]]:
        return [tensor.stride() for tensor in run.model.state_dict().values()]

    before, after = (home(name).build(0) for _ in range(2))
    relaid = layout(before)
    after = stated(name).apply(after)
    changed = {
        key
        for key in ("batches", "step", "evaluate_every", "contexts")
        if repr(getattr(before, key)) != repr(getattr(after, key))
    }
    assert changed or layout(after) != relaid or type(after.model) is not type(before.model)


@pytest.mark.parametrize("name", OTHERS)
def test_techniques_that_are_not_exact_change_something(name, baselines):
    """One that changes nothing is dead. Compiled code may round alike, so there its graphs count."""
    if name == "compile":
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
    traced = trace(home(name), [stated(name)])
    if name == "compile":
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2  # full and last batches
    elif name == "compact-state":  # on a small network all its rounding drops the same edges
        assert kept_bytes([stated(name)]) < kept_bytes([]) / 2
    else:
        assert traced != baselines[home(name).name]


def kept_bytes(techniques: list[Technique]) -> int:
    """Bytes for each edge of what the rule keeps."""
    (started,) = (e for e in train(REWIRED, techniques, max_steps=1) if isinstance(e, Started))
    state = started.training.step.states["core"]
    return state.credit.nbytes + state.age.nbytes


def test_dropout_returns_after_a_trace():
    workload = WORKLOADS["cnn/digits"]
    trace(workload, steps=1)
    dropouts = [m.p for m in workload.build(0).model.modules() if isinstance(m, nn.Dropout)]
    assert dropouts == [0.25, 0.5]


def test_resident_data_is_what_the_fast_paths_expect():
    run = WORKLOADS["cnn/digits"].build(0)
    assert isinstance(stated("data-loading").apply(run).batches, ResidentBatches)
