"""TimeHUT as a workload: it trains, learns, stops and goes on to the bit, and says what it cannot do."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from potentiate import train
from potentiate.checkpoint import Shelf, load
from potentiate.data.series import SeriesPart, load_series
from potentiate.errors import NotApplicable, Refused
from potentiate.events import Evaluated, Finished, Started, Stepped
from potentiate.measure import count_flops
from potentiate.models.reference import find
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.readout import FREE, Read, encoded, fitted, represented
from potentiate.models.timehut.recipe import Recipe
from potentiate.models.timehut.views import pair
from potentiate.study.child import COUNTED_STEPS, _flops
from potentiate.study.record import Request
from potentiate.techniques.reference import parse
from potentiate.trace import trace

SMALL = {"outputs": 24, "hidden": 16, "depth": 4, "epochs": 4, "evaluate_every": 2}


def small(**recipe):
    return find("timehut/waves").varied({**SMALL, **recipe})


def events(workload, *specs, **options):
    return list(train(workload, [parse(spec) for spec in specs], **options))


def test_training_makes_representations_that_tell_the_waves_apart():
    workload = small(outputs=64, hidden=32, depth=6, epochs=50, evaluate_every=50)
    untrained = dict(workload.build(0).test(workload.build(0).model))
    (end,) = [e for e in events(workload) if isinstance(e, Finished)]
    assert end.test["accuracy"] > max(0.75, untrained["accuracy"] + 0.05)
    assert end.test["f1"] == pytest.approx(end.test["accuracy"], abs=0.05)
    assert end.test["uniformity"] < untrained["uniformity"]


def test_evaluations_tell_what_a_schedule_does():
    found = [e.metrics for e in events(small()) if isinstance(e, Evaluated)]
    assert len(found) == 2
    assert all({"accuracy", "f1", "uniformity", "tolerance"} <= set(each) for each in found)


def same(first, second):
    a, b = first.state(), second.state()
    assert all(torch.equal(a["model"][k], b["model"][k]) for k in a["model"])
    assert all(torch.equal(a["step"]["averaged"][k], b["step"]["averaged"][k]) for k in a["model"])
    assert a["step"]["course"] == b["step"]["course"]


def test_a_run_goes_on_to_the_bit_wherever_it_was_stopped(tmp_path):
    workload = small(schedule="momentum-adaptive", epochs=3)
    (whole,) = [e.training for e in events(workload) if isinstance(e, Started)]
    for stop in (3, 7, 10):
        for event in train(workload):
            if isinstance(event, Started):
                training = event.training
            if isinstance(event, Stepped) and event.step == stop:
                break
        folder = Shelf(tmp_path / str(stop), 1).put(training.state(), stop, {})
        state = load(folder).state
        (again,) = [e.training for e in events(workload, resume=state) if isinstance(e, Started)]
        same(whole, again)
    assert len(whole.step.changes) == 2


def test_the_temperature_follows_the_epoch():
    seen = []
    for event in train(small(schedule="linear-decay", span=2.0, epochs=3)):
        if isinstance(event, Started):
            step = event.training.step
            seen.append(step.temperature)
        if isinstance(event, Stepped):
            seen.append(step.temperature)
    epoch = (len(seen) - 1) // 3
    assert seen[::epoch] == pytest.approx([0.95, 0.55, 0.15, 0.15])


def test_a_holdout_of_the_test_part_leaves_every_training_series():
    part, whole = (small(holdout=holdout).build(0).sizes for holdout in ("training", "test"))
    assert whole["train"] == part["train"] + part["validation"]
    assert whole["validation"] + whole["test"] == part["test"]


def test_an_epoch_of_the_temperature_may_be_less_than_a_pass():
    seen = []
    for event in train(small(schedule="linear-decay", span=2.0, epochs=1, epoch_steps=2)):
        if isinstance(event, Started):
            step = event.training.step
        if isinstance(event, Stepped):
            seen.append(step.temperature)
    assert seen[:5] == pytest.approx([0.95, 0.55, 0.55, 0.15, 0.15])


def test_the_additions_change_what_is_learned_and_the_preset_takes_them_away():
    def losses(workload):
        return [float(e.loss) for e in events(workload) if isinstance(e, Stepped)]

    plain = losses(small(instance=0.0, temporal=0.0, schedule="no-scheduling"))
    assert plain == losses(small().preset("ts2vec"))
    assert plain != losses(small())


@pytest.mark.parametrize(
    "spec",
    ["mixed-precision", "mixed-precision:dtype=fp16", "short-schedule", "early-stopping:every=0.1"],
)
def test_techniques_for_gradients_apply(spec):
    (end,) = [e for e in events(small(epochs=1), spec) if isinstance(e, Finished)]
    assert end.test["accuracy"] > 0.3


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("gradient-accumulation:parts=2", "another loss"),
        ("compile", "each step of this run has other shapes"),
        ("ema-weights", "averages its weights already"),
        ("fused-optimizer", "fused already"),
        ("label-smoothing", "the loss is Hierarchy"),
        ("data-loading", "in memory already"),
        ("early-stopping:metric=contrasts", "did you mean 'contrast'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(spec, reason):
    with pytest.raises(NotApplicable, match=reason):
        next(train(small(), [parse(spec)]))


@pytest.mark.parametrize("specs", [(), ("mixed-precision",)])
def test_blocks_that_are_computed_again_leave_every_bit_and_less_in_memory(specs):
    techniques = [parse(spec) for spec in specs]
    again = [*techniques, parse("gradient-checkpointing")]
    assert trace(small(), again, steps=6) == trace(small(), techniques, steps=6)
    assert kept(again) < 0.7 * kept(techniques)


def kept(techniques):
    """Bytes that the forward pass of a step keeps for the way back, without weights."""
    training = next(e.training for e in train(small(), techniques) if isinstance(e, Started))
    weights = {p.untyped_storage().data_ptr() for p in training.run.model.parameters()}
    found = dict[int, int]()

    def note(tensor):
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            found[place] = tensor.untyped_storage().nbytes()
        return tensor

    batch = next(training.run.batches.start(0, training.device))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        views = pair(batch[0], torch.Generator().manual_seed(0))
        with training.step._autocast():
            training.run.model.train()(views.rows, views.segments, views.keep)
    return sum(found.values())


def test_flops_are_those_of_the_products_that_are_computed():
    torch.manual_seed(0)
    model = Encoder(2, outputs=5, hidden=3, depth=2)
    segments = ((2, 6), (2, 3))  # 12 and 6 rows; dilations 1, 2, 4
    rows = torch.randn(18, 2, requires_grad=False)

    def taps(dilation):  # rows that the three taps see
        return 18 + 2 * sum(n * max(0, length - dilation) for n, length in segments)

    ahead = 18 * 2 * 3  # multiply-adds of the first map
    ahead += sum(taps(d) * (3 * 3 + 3 * 3) for d in (1, 2))
    ahead += taps(4) * (3 * 5 + 5 * 5) + 18 * 3 * 5  # the last block has a map around
    keep = torch.ones(18, dtype=torch.bool)

    def forward():
        return model(rows, segments, keep)

    assert count_flops(forward).matmul == 2 * ahead
    loss = forward().sum()
    # by the weights of all, and by the input of all but the first map
    assert count_flops(loss.backward).matmul == 2 * (2 * ahead - 18 * 2 * 3)


def test_flops_of_a_step_are_a_mean_over_crops():
    request = Request("probe", "baseline", mode="probe")
    training = next(e.training for e in train(small()) if isinstance(e, Started))
    batches = training.run.batches.start(0, training.device)
    training.run.model.train()
    each = [count_flops(partial(training.step, next(batches))).matmul for _ in range(COUNTED_STEPS)]
    assert len(set(each)) > 1
    assert _flops(small(), [], request)["matmul"] == pytest.approx(sum(each) / len(each))


def test_an_unknown_schedule_is_refused_with_the_nearest():
    with pytest.raises(Refused, match="did you mean 'linear-decay'"):
        small(schedule="linear").build(0)


def test_one_class_is_refused_and_few_series_are_not_searched():
    features = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    with pytest.raises(Refused, match="one class"):
        fitted("svm", features, np.zeros(6))
    assert fitted("svm", features, np.arange(6) % 2).C == FREE
    alike = fitted(
        "svm", np.ones_like(features), np.arange(6) % 2
    )  # and the search comes to an end
    assert set(alike.predict(features)) <= {0, 1}


def test_series_without_a_value_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    folder = tmp_path / "ucr" / "Nothing"
    folder.mkdir(parents=True)
    for part in ("TRAIN", "TEST"):
        (folder / f"Nothing_{part}.tsv").write_text("1\tnan\tnan\n2\tnan\tnan\n" * 3)
    with pytest.raises(Refused, match="every value of the training series of 'Nothing' is missing"):
        find("timehut/Nothing").build(0)


@pytest.mark.parametrize("head", ["svm", "logistic", "ridge"])
def test_every_head_reads_what_is_there(head):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    features = (rng.standard_normal((120, 8)) + 3 * np.eye(3, 8)[labels]).astype(np.float32)
    model = fitted(head, features[:90], labels[:90])
    assert (model.predict(features[90:]) == labels[90:]).mean() > 0.85


def test_representations_are_those_of_the_instants_at_their_largest():
    torch.manual_seed(0)
    encoder, waves = Encoder(1, 8, 4, 2), load_series("waves").test
    each = encoded(encoder, waves.inputs)
    assert each.shape == (300, 64, 8)
    np.testing.assert_allclose(represented(encoder, waves.inputs), each.amax(1).numpy(), rtol=1e-5)
    part = SeriesPart(waves.inputs[:60], waves.labels[:60])
    assert 0 <= Read(part, waves, "ridge")(encoder)["accuracy"] <= 1


@pytest.mark.parametrize("instants", [1, 2, 3, 7, 16])
def test_a_pyramid_tells_when_as_its_definition_does(instants):
    torch.manual_seed(instants)
    encoder, inputs = Encoder(1, 8, 4, 2), torch.randn(5, instants, 1)
    inputs[0, instants // 2 :] = torch.nan
    each, seen = encoded(encoder, inputs).numpy(), ~inputs.isnan().numpy()[..., 0]

    def mean(series, part):
        kept = each[series, part][seen[series, part]]
        return kept.mean(0) if len(kept) else np.zeros(8)

    def told(series):
        z, whole = each[series], slice(None)
        kept = z[seen[series]] if seen[series].any() else np.zeros((1, 8))
        yield from (z.max(0), z.min(0), mean(series, whole), kept.std(0))
        for parts in (2, 4):
            for number in range(parts):
                first = number * instants // parts
                part = slice(first, max(first + 1, (number + 1) * instants // parts))
                yield from (z[part].max(0), mean(series, part))

    wanted = np.stack([np.concatenate([*told(series)]) for series in range(5)])
    found = represented(encoder, inputs, "pyramid")
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        found[:, : 4 * 8], represented(encoder, inputs, "statistics")
    )  # which it begins with


def test_many_series_are_read_by_fewer_numbers_unless_it_is_said():
    assert [Recipe().read_of(count) for count in (3, 2000, 2001)] == [
        "pyramid", "pyramid", "statistics",
    ]  # fmt: skip
    assert Recipe(pooling="max").read_of(5) == Recipe(pooling="max").read_of(5000) == "max"
    assert Recipe(pooling="pyramid").read_of(5000) == "pyramid"
