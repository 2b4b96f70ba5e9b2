from __future__ import annotations

import copy
import shutil

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from potentiate import train
from potentiate.errors import NotApplicable
from potentiate.techniques import graph
from potentiate.techniques.graph import ActivationCheckpointing, ChannelsLast, Compile
from potentiate.techniques.supervision import AveragedWeights


def names(run):
    return list(run.model.state_dict())


def test_filters_and_images_change_their_layout(run):
    made = ChannelsLast().apply(run)
    assert made.step.memory_format is torch.channels_last
    wide = nn.Sequential(nn.Conv2d(4, 4, 3))
    layered = ChannelsLast().apply(run.edit(model=wide)).model[0].weight
    assert layered.is_contiguous(memory_format=torch.channels_last)
    assert not layered.is_contiguous()


def test_blocks_keep_only_their_input(run):
    """Tensors saved for the backward pass, with and without."""

    def saved(model):
        count = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: count.append(t.numel()), lambda t: t
        ):
            model(torch.randn(8, 1, 8, 8))
        return sum(count)

    plain = saved(run.model)
    made = ActivationCheckpointing().apply(run)
    assert saved(made.model) < plain


def test_recomputed_network_has_the_same_state_and_output(run):
    inputs = torch.randn(4, 1, 8, 8)
    expected, keys = run.model(inputs), names(run)
    made = ActivationCheckpointing().apply(run)
    assert names(made) == keys
    assert torch.equal(made.model(inputs), expected)
    with torch.no_grad():
        assert torch.equal(made.model(inputs), expected)


def test_dropout_repeats_its_masks_when_recomputed(run):
    model = nn.Sequential(nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5)), nn.Linear(6, 1))
    gradients = []
    for each in (model, ActivationCheckpointing().apply(run.edit(model=model)).model):
        torch.manual_seed(3)
        each.zero_grad()
        each(torch.ones(5, 6)).sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_block_that_is_used_twice_stays_in_both_places(run):
    twice = nn.ReLU()
    model = nn.Sequential(nn.Linear(6, 6), twice, nn.Linear(6, 6), twice, nn.Linear(6, 2))
    made = ActivationCheckpointing().apply(run.edit(model=model)).model
    assert [type(block) for block in made] == [type(block) for block in model]
    inputs = torch.randn(5, 6)
    assert torch.equal(made(inputs), model(inputs))


def test_batch_normalization_is_not_recomputed(run):
    """Its running statistics would take each batch in twice."""
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    with pytest.raises(NotApplicable, match="count each recomputed batch twice"):
        ActivationCheckpointing().apply(run.edit(model=model))


def test_networks_without_blocks_are_refused(run):
    class Own(nn.Module):
        pass

    with pytest.raises(NotApplicable, match="the network is a Own"):
        ActivationCheckpointing().apply(run.edit(model=Own()))
    with pytest.raises(NotApplicable, match="one block"):
        ActivationCheckpointing().apply(run.edit(model=nn.Sequential(nn.Linear(2, 2))))


@pytest.fixture
def compiled(monkeypatch):
    """Compilation that captures graphs but generates no code, which would take minutes in all."""
    real = torch.compile
    graphs = []

    def capture(module, inputs):
        graphs.append(module)
        return module.forward

    def compile_(model, **settings):
        return real(model, backend=capture, dynamic=settings["dynamic"])

    monkeypatch.setattr(graph.torch, "compile", compile_)
    torch._dynamo.reset()
    yield graphs
    torch._dynamo.reset()


def test_compile_compiles_containers_of_torch_too(run, compiled):
    keys = names(run)
    made = Compile().apply(run)
    made.model(torch.randn(8, 1, 8, 8))
    assert len(compiled) == 1
    assert names(made) == keys


def test_evaluation_is_not_compiled(run, compiled):
    expected = run.validate(run.model)
    made = Compile().apply(run)
    assert made.validate(made.model) == expected
    assert compiled == []


def test_each_shape_is_compiled_once(tiny, compiled):
    """42 samples in batches of 8: full batches, and the last one of 2."""
    events = list(train(tiny(epochs=2), [Compile()], warmup=1))
    assert len(events) > 10
    assert len(compiled) == 2


def test_the_average_of_a_compiled_network_is_not_compiled(run, compiled):
    made = AveragedWeights().apply(Compile().apply(run))
    live = made.step.start(made.model, total_steps=10)
    live((torch.randn(8, 1, 8, 8), torch.arange(8) % 3))
    assert names(made) == list(live.evaluated().state_dict())
    copy.deepcopy(made.model)(torch.randn(3, 1, 8, 8))
    assert len(compiled) == 1


def test_missing_tools_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "install g++" in (Compile().unavailable("cpu") or "")
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/c++")
    monkeypatch.setattr(graph.sysconfig, "get_paths", lambda: {"include": "/nowhere"})
    assert "python3-dev" in (Compile().unavailable("cpu") or "")
    assert "GPU" in (Compile("reduce-overhead").unavailable("cpu") or "")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler modules
@pytest.mark.skipif(Compile().unavailable("cpu") is not None, reason="no compiler here")
def test_real_compilation_trains(tiny):
    torch._dynamo.reset()
    counters.clear()
    losses = {}
    for techniques in ([], [Compile()]):
        events = train(tiny(epochs=1), techniques, warmup=1)
        losses[len(techniques)] = [float(e.loss) for e in events if hasattr(e, "loss")]
    assert counters["stats"]["unique_graphs"] == 2
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
