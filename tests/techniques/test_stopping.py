from __future__ import annotations

import pytest

from potentiate import Target, train
from potentiate.errors import NotApplicable
from potentiate.events import Evaluated, Finished
from potentiate.techniques.stopping import EarlyStopping, RarerEvaluation


def decisions(run, technique, values, metric="accuracy"):
    """Whether the run would end after each of the values."""
    stop = technique.apply(run).stop
    history = [{metric: value} for value in values]
    return [stop(history[: n + 1]) is not None for n in range(len(history))]


def test_a_metric_that_is_not_a_number_at_first_is_improved_on_by_any(run):
    stop = EarlyStopping(patience=2).apply(run).stop
    name = run.target.metric
    values = [float("nan"), 0.1, 0.2, 0.3]
    assert stop([{name: value} for value in values]) is None


def test_patience_counts_evaluations_without_improvement(run):
    values = [0.5, 0.6, 0.6, 0.59, 0.6]
    assert decisions(run, EarlyStopping(patience=3), values) == [False] * 4 + [True]
    assert decisions(run, EarlyStopping(patience=1), values) == [False, False, True, True, True]


def test_an_improvement_starts_the_count_again(run):
    values = [0.5, 0.4, 0.4, 0.6, 0.5, 0.5]
    assert not any(decisions(run, EarlyStopping(patience=3), values))


def test_gains_up_to_min_delta_are_none(run):
    """Three gains of a hundredth are together more than two: the best is moved then, not lost."""
    values = [0.50, 0.51, 0.52, 0.53, 0.53]
    assert decisions(run, EarlyStopping(patience=2, min_delta=0.025), values)[2] is True
    assert not any(decisions(run, EarlyStopping(patience=3, min_delta=0.025), values))


def test_target_ends_the_run_when_reached(run):
    technique = EarlyStopping(patience=None, target=0.9)
    assert decisions(run, technique, [0.5, 0.89, 0.9, 0.8]) == [False, False, True, False]


def test_lower_is_better_where_the_workload_says_so(run):
    losing = run.edit(target=Target("loss", higher_is_better=False))
    technique = EarlyStopping(patience=2, target=0.1)
    assert decisions(losing, technique, [0.5, 0.6, 0.6], "loss") == [False, False, True]
    assert decisions(losing, technique, [0.5, 0.1], "loss") == [False, True]


def test_reasons_of_the_run_are_kept(run):
    stopping = run.edit(stop=lambda history: "the user's own reason")
    assert EarlyStopping().apply(stopping).stop([{"accuracy": 1.0}]) == "the user's own reason"


def test_no_reason_to_stop_is_refused(run):
    with pytest.raises(NotApplicable, match="state patience, target or seconds"):
        EarlyStopping(patience=None).apply(run)


@pytest.mark.parametrize(("epochs", "every", "patience"), [(3, 1, 3), (0.9, 0.3, 3), (2, 10, 1)])
def test_a_run_that_patience_would_never_stop_is_refused_with_a_remedy(
    tiny, epochs, every, patience
):
    run = tiny(epochs=epochs).build(0).edit(evaluate_every=every)
    with pytest.raises(NotApplicable, match="never stops the run; evaluate more often") as refused:
        EarlyStopping(patience=patience).apply(run)
    remedy = float(str(refused.value).rpartition("every=")[2])
    assert EarlyStopping(patience=patience, every=remedy).apply(run).evaluate_every == remedy
    for other in ({"target": 0.9}, {"seconds": 1.0}):  # which may stop it
        assert EarlyStopping(patience=patience, **other).apply(run).stop


def test_engine_stops_and_says_why(tiny):
    events = list(train(tiny(epochs=50, lr=1e-9), [EarlyStopping(patience=2)]))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "validation accuracy did not improve in 2 evaluations"
    assert sum(isinstance(event, Evaluated) for event in events) == 3


def test_workloads_own_metric_decides(tiny):
    job = tiny(metric="loss", epochs=5)
    run = EarlyStopping().apply(job.build(0))
    assert run.stop.goal == Target("loss", None, higher_is_better=False)


def test_another_metric_decides_where_it_is_asked_for(tiny):
    run = EarlyStopping(patience=1, metric="loss", every=0.5).apply(tiny().build(0))
    assert run.evaluate_every == 0.5
    assert run.stop([{"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.9, "loss": 1.1}])
    assert not run.stop([{"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.4, "loss": 0.9}])


def test_an_unknown_metric_is_refused_before_training(tiny):
    with pytest.raises(NotApplicable, match="'los' of this run; did you mean 'loss'"):
        next(train(tiny(), [EarlyStopping(metric="los")]))


def test_rarer_evaluation_counts_epochs_and_ends_with_one(tiny):
    events = list(train(tiny(epochs=5), [RarerEvaluation(2)]))
    per_epoch = 6  # 42 samples in batches of 8
    evaluated = [event.step // per_epoch for event in events if isinstance(event, Evaluated)]
    assert evaluated == [2, 4, 5]


def test_rarer_must_be_rarer(run):
    with pytest.raises(NotApplicable, match="evaluates every 1 epochs"):
        RarerEvaluation(1).apply(run)
