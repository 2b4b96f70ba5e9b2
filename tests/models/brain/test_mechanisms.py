"""Each mechanism is alive: without it a stated quantity moves in a stated direction."""

from __future__ import annotations

from math import exp

import pytest
import torch

from potentiate.models.brain import PlasticStep

CERTAIN = 1e6  # Hz; an input that is 1 spikes in every step


def accuracy(brain, patterns, labels):
    return float((brain(patterns).argmax(1) == labels).double().mean())


def moved(brain, patterns, labels, **teacher):
    """How far the weights go while the brain learns: the sum of all that they move."""
    before = brain.weight.clone()
    brain.learn(patterns, labels, **teacher)
    return float((brain.weight - before).abs().sum())


def test_with_lateral_inhibition_fewer_neurons_answer_a_presentation(small, abc):
    def answering(inhibition):
        spikes = small(single=False, inhibition=inhibition).respond(abc[0]).spikes
        return float((spikes > 0).double().sum(1).mean())

    assert answering(0.0) == 30  # all of them
    assert answering(20.0) < 3


def test_with_a_single_winner_at_most_one_neuron_fires_in_a_step(small, abc):
    spikes = {on: small(single=on, inhibition=0.0).respond(abc[0]).spikes for on in (True, False)}
    assert int(spikes[True].sum(1).max()) <= 60
    assert spikes[True].sum() < spikes[False].sum()


def test_with_adaptive_thresholds_more_neurons_come_to_win(small, abc):
    def winners(theta_plus):
        return len(small(theta_plus=theta_plus).learn(*abc).spikes.argmax(1).unique())

    assert winners(0.0) < 10
    assert winners(0.5) > 25


def test_the_adaptation_of_a_threshold_decays_while_the_brain_learns(small):
    brain = small(complement=False, tau_theta=1000.0)
    brain.theta.fill_(2.0)
    blank = torch.zeros(10, 25), torch.zeros(10, dtype=torch.int64)
    brain.respond(blank[0])
    assert brain.theta.tolist() == [2.0] * 30
    brain.learn(*blank)
    assert brain.theta.tolist() == pytest.approx([2.0 * exp(-10 * 60 / 1000)] * 30, rel=1e-4)


def test_with_normalization_the_sums_of_weights_stay(small, abc):
    def sums(every):
        brain = small(normalize_every=every)
        brain.learn(*abc)
        return brain.weight.sum(0)

    assert sums(1).tolist() == pytest.approx([5.0] * 30, rel=1e-5)  # 0.1 of each of 50 channels
    assert sums(600).tolist() == pytest.approx([5.0] * 30, rel=1e-5)  # due once, in the end
    assert sums(0).max() > 20.0
    assert 5.0 < sums(7).max() < 10.0  # some presentations have passed since the last


def test_depression_weakens_and_potentiation_strengthens(small, abc):
    def change(**amplitudes):
        brain = small(normalize_every=0, **amplitudes)
        before = brain.weight.clone()
        brain.learn(*abc)
        return brain.weight - before

    nothing = change(a_plus=0.0, a_minus=0.0)
    weaker = change(a_plus=0.0, a_minus=0.01)
    stronger = change(a_plus=0.01, a_minus=0.0)
    assert not nothing.any()
    assert weaker.max() <= 0.0
    assert weaker.min() < -0.1
    assert stronger.min() >= 0.0
    assert stronger.max() > 0.1
    assert change(a_plus=0.01, a_minus=0.01).sum() < stronger.sum()


def test_longer_traces_associate_more(small, abc):
    def strengthened(tau_trace):
        brain = small(normalize_every=0, a_minus=0.0, tau_trace=tau_trace)
        return moved(brain, abc[0][:50], abc[1][:50])

    assert strengthened(20.0) > 1.2 * strengthened(2.0)


def test_the_outputs_learn_from_the_teacher_and_from_nothing_else(small, abc, unseen):
    def taught(teacher):
        brain = small(teacher=teacher)
        brain.learn(*abc)
        return float(brain.readout.std(1).max()), accuracy(brain, *unseen)

    apart, score = taught(2.0)
    assert apart > 0.3
    assert score > 0.9
    apart, score = taught(0.0)
    assert apart == 0.0
    assert score == pytest.approx(1 / 3, abs=0.1)
    brain = small()
    brain.learn(abc[0], torch.full_like(abc[1], -1))  # no label, no teacher
    assert float(brain.readout.std(1).max()) == 0.0


def test_outstar_rate_of_zero_leaves_the_outputs_untaught(small, abc):
    brain = small(outstar=0.0)
    brain.learn(*abc)
    assert brain.readout.unique().tolist() == pytest.approx([1 / 3])


def test_where_the_teacher_fades_the_named_output_fires_less(small, abc):
    def named(fade):
        scores = small(fade=fade).learn(*abc).scores
        return float(scores.gather(1, abc[1][:, None]).mean())

    assert named(0.5) < 0.6 * named(1.0)


def test_the_fade_is_per_fifth_of_a_presentation(small):
    """A silent brain's outputs hear the teacher alone: their scores are the sum of its current."""
    for steps in (5, 60):
        brain = small(complement=False, time_steps=steps, fade=0.5, teacher=0.3)
        scores = brain.learn(torch.zeros(1, 25), torch.tensor([1])).scores[0].tolist()
        factor = 0.5 ** (5 / steps)
        assert scores == pytest.approx([0.0, 0.3 * (1 - 0.5**5) / (1 - factor), 0.0], rel=1e-4)


def test_a_curriculum_takes_the_teacher_away(small, abc):
    """Other labels in the second epoch are learned only if the teacher is still there to say them."""

    def relearned(curriculum):
        brain = small(curriculum=curriculum, curriculum_epochs=1.0, hidden=60)
        step = PlasticStep(brain.plasticity, samples=600).start(brain, 2)
        step((abc[0], abc[1]))
        assert accuracy(brain, *abc) > 0.8
        others = (abc[1] + 1) % 3
        step((abc[0], others))
        return accuracy(brain, abc[0], others)

    assert relearned(0.0) > 0.8
    assert relearned(1.0) < 0.4


def test_outputs_that_hear_later_say_what_undelayed_ones_said_before(small, abc):
    def scores(steps, delay):
        return small(time_steps=steps, delay=delay, rate=CERTAIN)(abc[0][:20])

    assert torch.equal(scores(60, 7), scores(53, 0))
    assert not scores(60, 60).any()
    assert scores(60, 30).sum() < scores(60, 0).sum()


def test_inputs_that_are_delayed_do_what_undelayed_ones_did_before(small, abc):
    def spikes(steps, delay):
        delays = torch.full((25,), delay)
        return small(time_steps=steps, rate=CERTAIN, delays=delays).respond(abc[0][:20]).spikes

    assert spikes(60, 0).any()
    assert torch.equal(spikes(60, 13), spikes(47, 0))
    assert not spikes(60, 60).any()


def test_inhibition_between_outputs_lowers_those_that_do_not_fire(small, abc):
    def others(inhibition):
        brain = small(output_inhibition=inhibition)
        scores = brain.learn(*abc).scores.clone()
        return float(scores.scatter(1, abc[1][:, None], 0.0).sum(1).mean())

    assert others(0.5) < others(0.0) - 10


def test_complements_make_what_is_absent_heard(small):
    blank = torch.zeros(20, 25)
    deaf, hearing = small(complement=False), small(complement=True)
    assert (deaf.channels, hearing.channels) == (25, 50)
    assert not deaf.respond(blank).spikes.any()
    assert hearing.respond(blank).spikes.sum(1).min() > 0


def test_refractory_neurons_fire_less(small, abc):
    def spikes(refractory):
        free = {"hidden": 5, "threshold": 1e-3, "single": False, "inhibition": 0.0}
        return small(rate=CERTAIN, refractory=refractory, **free).respond(abc[0][:5]).spikes

    assert spikes(0).unique().tolist() == [60]
    assert spikes(1).unique().tolist() == [30]
    assert spikes(5).unique().tolist() == [10]


def test_a_baseline_current_is_drive_without_input(small):
    def spikes(baseline):
        brain = small(complement=False, baseline=baseline)
        return int(brain.respond(torch.zeros(1, 25)).spikes.sum())

    assert spikes(0.1) == 0  # it saturates at 0.1 x 100 ms, below 13
    assert spikes(0.5) > 0


def test_important_synapses_change_less(small, abc):
    def change(protection):
        brain = small(protection=protection, increment=0.3, tau_importance=1e9)
        brain.learn(abc[0][:300], abc[1][:300])
        return moved(brain, abc[0][300:].flip(1), abc[1][300:])

    assert change(10.0) < 0.6 * change(0.0)


def test_importance_fades_so_plasticity_does_not_freeze(small, abc):
    importance = {"protection": 10.0, "increment": 0.3, "tau_importance": 200.0}

    def change(pause):
        brain = small(complement=False, total=0.3, **importance)
        brain.learn(*abc)
        used = brain.importance.clone()
        assert used.max() > 1.0
        if pause:
            brain.learn(torch.zeros(pause, 25), torch.full((pause,), -1))  # nothing spikes
        torch.testing.assert_close(brain.importance, used * exp(-pause / 200.0))
        return moved(brain, abc[0][:100].flip(1), abc[1][:100])

    assert change(1000) > 1.5 * change(0)


def test_consolidation_keeps_the_weights_nearer_to_what_was_learned_before(small, abc):
    def forgotten(recall):
        brain = small(consolidation=0.01, recall=recall)
        brain.learn(*abc)
        learned = brain.weight.clone()
        brain.learn(1.0 - abc[0], abc[1])
        return float((brain.weight - learned).norm())

    assert forgotten(0.05) < 0.7 * forgotten(0.0)


@pytest.mark.parametrize("every", [1, 4])
def test_slow_weights_follow_and_are_coupled_back(small, every):
    rates = {"consolidation": 0.1, "recall": 0.2, "consolidate_every": every}
    brain = small(complement=False, a_plus=0.0, a_minus=0.0, normalize_every=0, **rates)
    brain.slow.zero_()
    weight, slow = brain.weight.clone(), brain.slow.clone()
    brain.learn(torch.zeros(8, 25), torch.zeros(8, dtype=torch.int64))
    follow, draw = 1 - 0.9**every, 1 - 0.8**every
    for _ in range(8 // every):
        weight, slow = weight + draw * (slow - weight), slow + follow * (weight - slow)
    torch.testing.assert_close(brain.weight, weight)
    torch.testing.assert_close(brain.slow, slow)
    assert slow.max() > 0.01


@pytest.mark.parametrize("amplitudes", [(1e-4, 0.0), (0.0, 1e-4)], ids=["up", "down"])
def test_amplitudes_decay_to_a_tenth(small, abc, amplitudes):
    a_plus, a_minus = amplitudes
    settings = {"a_plus": a_plus, "a_minus": a_minus, "rate": CERTAIN, "normalize_every": 0}

    def change(age, decay):
        brain = small(decay=decay, decay_every=10, **settings)
        brain.age.fill_(age)
        brain.weight.clamp_(0.05, 0.9)  # so that no change ends at a bound
        return moved(brain, abc[0][:1], abc[1][:1])

    assert change(30, 1.0) == change(0, 1.0) == change(9, 0.5) > 0.0
    assert change(10, 0.5) == pytest.approx(0.5 * change(0, 0.5), rel=0.01)
    assert change(20, 0.5) == pytest.approx(0.25 * change(0, 0.5), rel=0.01)
    assert change(1000, 0.5) == pytest.approx(0.1 * change(0, 0.5), rel=0.01)


STEADY = {"code": "latency", "total": 0.0, "threshold": 4.0, "tau_theta": 1e12}
"""Nothing decays, no sum is kept, and no random number is drawn."""


def test_changes_of_shards_are_added(small, abc):
    settings = {**STEADY, "protection": 1.0, "tau_importance": 1e12}
    patterns, labels = abc[0][:41], abc[1][:41]
    together, one, other = small(shards=2, **settings), small(**settings), small(**settings)
    before = {name: buffer.clone() for name, buffer in together.named_buffers()}
    spikes = together.learn(patterns, labels).spikes
    halves = one.learn(patterns[:20], labels[:20]), other.learn(patterns[20:], labels[20:])
    assert torch.equal(spikes, torch.cat([half.spikes for half in halves]))
    for name in ("weight", "theta", "readout", "importance"):
        parts = [getattr(brain, name) - before[name] for brain in (one, other)]
        assert all(part.any() for part in parts)
        expected = (before[name] + sum(parts)).clamp(min=0.0)
        bounded = name in ("weight", "readout")
        torch.testing.assert_close(
            getattr(together, name), expected.clamp(max=1.0) if bounded else expected
        )
    assert int(together.age) == 41


def test_what_decays_or_is_exchanged_happens_once_for_all_shards(small, abc):
    rates = {"consolidation": 0.02, "recall": 0.01, "consolidate_every": 3}
    decays = {"protection": 1.0, "tau_importance": 50.0, "tau_theta": 3000.0, "total": 0.0}
    brain = small(shards=4, code="latency", complement=False, **rates, **decays)
    brain.slow.zero_()
    brain.theta.fill_(2.0)
    brain.importance.fill_(3.0)
    weight = brain.weight.clone()
    steps, silence = brain.anatomy.time_steps, torch.zeros(40, brain.inputs)
    brain.learn(silence, torch.full((40,), -1))
    torch.testing.assert_close(
        brain.theta, torch.full_like(brain.theta, 2 * exp(-40 * steps / 3000))
    )
    torch.testing.assert_close(brain.importance, torch.full_like(weight, 3 * exp(-40 / 50)))
    fast, slow, draw, follow = weight, torch.zeros_like(weight), 1 - 0.99**39, 1 - 0.98**39
    fast, slow = fast + draw * (slow - fast), slow + follow * (fast - slow)
    torch.testing.assert_close(brain.weight, fast)
    torch.testing.assert_close(brain.slow, slow)


@pytest.mark.parametrize("shards", [2, 4])
def test_shards_of_fast_decays_keep_everything_in_range(small, abc, shards):
    short = {"tau_theta": 1000.0, "protection": 1.0, "tau_importance": 20.0}
    brain = small(shards=shards, consolidation=0.05, recall=0.05, **short)
    for _ in range(3):
        brain.learn(*abc)
    for buffer in (brain.theta, brain.importance, brain.slow, brain.weight):
        assert bool((buffer >= 0).all())
    assert float(brain.slow.max()) <= brain.anatomy.w_max


@pytest.mark.parametrize("every", [1, 7])
def test_sums_are_kept_after_shards_too(small, abc, every):
    brain = small(shards=3, normalize_every=every)
    brain.learn(abc[0][:42], abc[1][:42])
    total = brain.anatomy.total * brain.channels
    torch.testing.assert_close(brain.weight.sum(0), torch.full((brain.anatomy.hidden,), total))


def test_shards_do_what_is_due_by_their_own_age(small, abc):
    settings = {**STEADY, "total": 0.3, "normalize_every": 15}
    patterns, labels = abc[0][:40], abc[1][:40]
    together, one, other = small(shards=2, **settings), small(**settings), small(**settings)
    before = together.weight.clone()
    other.age.fill_(20)
    together.learn(patterns, labels)
    one.learn(patterns[:20], labels[:20])
    other.learn(patterns[20:], labels[20:])
    added = (before + (one.weight - before) + (other.weight - before)).clamp(0.0, 1.0)
    total = together.anatomy.total * together.channels
    torch.testing.assert_close(together.weight, (added * total / added.sum(0)).clamp(max=1.0))
