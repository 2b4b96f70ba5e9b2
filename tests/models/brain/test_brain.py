"""The brain: repeatable, bounded, growing, and strict about what it is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jobs import same
from potentiate.errors import Refused
from potentiate.models.brain import Anatomy, Brain, Plasticity

EVERYTHING = {
    "normalize_every": 3,
    "consolidation": 0.05,
    "recall": 0.1,
    "consolidate_every": 4,
    "decay": 0.9,
    "decay_every": 7,
    "fade": 0.9,
    "delay": 2,
    "output_inhibition": 0.2,
}


def state(brain):
    return {name: buffer.clone() for name, buffer in brain.state_dict().items()}


@pytest.mark.parametrize("code", ["poisson", "latency"])
def test_equal_seeds_give_equal_brains(small, abc, code):
    brains = [
        small(seed=seed, code=code, protection=1.0, threshold=2.0, **EVERYTHING) for seed in (1, 1)
    ]
    responses = [brain.learn(*abc) for brain in brains]
    assert responses[0].spikes.any()
    assert same(tuple(responses[0]), tuple(responses[1]))
    assert same(*map(state, brains))
    assert same(*(tuple(brain.respond(abc[0])) for brain in brains))


def test_other_seeds_give_other_brains_and_other_spikes(small, abc):
    one, other = small(seed=1), small(seed=2)
    assert not torch.equal(one.weight, other.weight)
    other.load_state_dict(one.state_dict())
    assert not torch.equal(one.respond(abc[0]).spikes, other.respond(abc[0]).spikes)
    assert not torch.equal(one.respond(abc[0]).spikes, one.respond(abc[0], seed=1).spikes)
    assert not torch.equal(one.learn(*abc).spikes, other.learn(*abc).spikes)


def test_spikes_are_drawn_anew_for_every_presentation(small, abc):
    again = abc[0][:1].expand(500, 25)
    judged = small().respond(again).spikes
    assert not torch.equal(judged[:250], judged[250:])  # two blocks
    fixed = {"a_plus": 0.0, "a_minus": 0.0, "theta_plus": 0.0, "outstar": 0.0}
    brain, labels = small(**fixed), torch.zeros(250, dtype=torch.int64)
    first, second = (brain.learn(again[:250], labels).spikes for _ in range(2))
    assert not torch.equal(first, second)
    assert len(first.unique(dim=0)) > 1


def test_no_global_random_state_is_read_or_moved(small, abc):
    torch.manual_seed(5)
    np.random.seed(5)
    brain = small()
    brain.learn(*abc)
    brain.respond(abc[0])
    drawn = float(torch.rand(())), float(np.random.random())
    torch.manual_seed(5)
    np.random.seed(5)
    assert drawn == (float(torch.rand(())), float(np.random.random()))
    again = small()
    again.learn(*abc)
    assert same(state(brain), state(again))


def on_threads(count, call):
    torch.set_num_threads(count)
    try:
        return call()
    finally:
        torch.set_num_threads(1)


def test_a_response_does_not_depend_on_the_number_of_threads(small, abc):
    brain = small()
    alone, both = (on_threads(n, lambda: brain.respond(abc[0])) for n in (1, 3))
    assert len(abc[0]) > 500  # several blocks of presentations
    assert same(tuple(alone), tuple(both))


def test_shards_do_not_depend_on_the_number_of_threads(small, abc):
    def learned():
        brain = small(shards=3)
        return tuple(brain.learn(*abc)), state(brain)

    assert same(on_threads(1, learned), on_threads(3, learned))


def test_one_presentation_cannot_be_divided_among_shards(small, abc):
    several, one = small(shards=4), small()
    for brain in (several, one):
        for k in range(10):
            brain.learn(abc[0][k : k + 1], abc[1][k : k + 1])
    assert same(state(several), state(one))


def test_judging_changes_nothing(small, abc):
    brain = small(protection=1.0, **EVERYTHING)
    brain.learn(*abc)
    before = state(brain)
    brain.respond(abc[0])
    assert torch.equal(brain(abc[0]), brain.respond(abc[0]).scores)
    assert same(state(brain), before)


@pytest.mark.parametrize(
    "settings",
    [{}, {"decay": 0.5, "decay_every": 5}, {"normalize_every": 3}, EVERYTHING],
    ids=["plain", "amplitudes decay", "rare normalization", "everything"],
)
def test_portions_do_not_matter_where_spikes_are_not_drawn(small, abc, settings):
    """Poisson spikes come from a generator made of seed and age, so there portions do matter."""
    patterns, labels = abc[0][:20], abc[1][:20]
    whole, parts = (small(code="latency", threshold=2.0, **settings) for _ in range(2))
    response = whole.learn(patterns, labels)
    spikes = [parts.learn(patterns[k : k + 10], labels[k : k + 10]).spikes for k in (0, 10)]
    assert response.spikes.any()
    assert torch.equal(response.spikes, torch.cat(spikes))
    assert same(state(whole), state(parts))
    assert int(whole.age) == 20


def test_equal_portions_of_drawn_spikes_give_equal_brains_across_a_copy(small, abc):
    """All that decides how a brain goes on is in its state."""
    brain, copy = small(protection=1.0, **EVERYTHING), small(protection=1.0, **EVERYTHING)
    brain.learn(abc[0][:30], abc[1][:30])
    copy.load_state_dict(brain.state_dict())
    later = [tuple(b.learn(abc[0][30:60], abc[1][30:60])) for b in (brain, copy)]
    assert same(*later)
    assert same(state(brain), state(copy))


def test_weights_stay_in_their_bounds_and_sums_at_their_total(small, abc):
    brain = small(a_plus=0.1, a_minus=0.01)
    for k in range(0, 600, 50):
        brain.learn(abc[0][k : k + 50], abc[1][k : k + 50])
        assert brain.weight.min() >= 0.0
        assert brain.weight.max() <= 1.0
        assert brain.readout.min() >= 0.0
        assert brain.readout.max() <= 1.0
        assert brain.weight.sum(0).tolist() == pytest.approx([5.0] * 30, rel=1e-5)


@pytest.mark.parametrize("amplitudes", [(0.9, 0.0), (0.0, 0.9), (0.9, 0.9)])
def test_without_normalization_weights_meet_their_bounds_and_stay(small, abc, amplitudes):
    brain = small(a_plus=amplitudes[0], a_minus=amplitudes[1], normalize_every=0, w_max=0.4)
    brain.learn(*abc)
    assert brain.weight.min() >= 0.0
    assert brain.weight.max() <= np.float32(0.4)
    met = 0.4 if amplitudes[0] else 0.0
    assert float((brain.weight == np.float32(met)).double().mean()) > 0.01


def test_bytes_are_as_good_as_shares_of_255(small):
    bytes_ = torch.randint(0, 256, (40, 1, 5, 5), dtype=torch.uint8)
    brain, labels = small(), torch.arange(40) % 3
    shares = bytes_.flatten(1).float() / 255.0
    assert same(tuple(brain.respond(bytes_)), tuple(brain.respond(shares)))
    other = small()
    assert same(tuple(brain.learn(bytes_, labels)), tuple(other.learn(shares.double(), labels)))
    assert same(state(brain), state(other))


BAD = {
    "too large": (torch.full((2, 25), 1.5), "must lie in"),
    "negative": (torch.full((2, 25), -0.1), "must lie in"),
    "not a number": (torch.full((2, 25), torch.nan), "must lie in"),
    "infinite": (torch.full((2, 25), torch.inf), "must lie in"),
    "too many values": (torch.zeros(2, 26), "25 inputs, but a pattern has 26 values"),
    "too few values": (torch.zeros(2, 2, 12), "25 inputs, but a pattern has 24 values"),
    "one pattern without its axis": (torch.zeros(25), "25 inputs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_patterns_are_refused_and_change_nothing(small, case):
    patterns, reason = BAD[case]
    brain = small()
    before = state(brain)
    with pytest.raises(Refused, match=reason):
        brain.respond(patterns)
    with pytest.raises(Refused, match=reason):
        brain.learn(patterns, torch.zeros(len(patterns), dtype=torch.int64))
    assert same(state(brain), before)


@pytest.mark.parametrize("delays", [torch.full((25,), -1), torch.zeros(24), torch.zeros(25, 1)])
def test_delays_that_do_not_fit_are_refused(small, delays):
    with pytest.raises(Refused, match="delays must be 25 whole steps from 0"):
        small(delays=delays)


@pytest.mark.parametrize(("inputs", "classes"), [(0, 2), (3, 0), (-1, 2)])
def test_a_brain_needs_inputs_and_classes(inputs, classes):
    with pytest.raises(Refused, match="needs inputs and classes"):
        Brain(inputs, classes)


@pytest.mark.parametrize("complement", [True, False])
def test_the_smallest_brain_works(complement):
    anatomy = Anatomy(hidden=1, time_steps=2, rate=1e6, threshold=0.01, complement=complement)
    brain = Brain(1, 1, anatomy, Plasticity(protection=1.0, consolidation=0.1))
    response = brain.learn(torch.ones(3, 1), torch.zeros(3, dtype=torch.int64))
    assert response.spikes.shape == response.scores.shape == (3, 1)
    assert response.spikes.any()
    assert all(bool(torch.isfinite(buffer).all()) for buffer in brain.state_dict().values())


def test_neurons_vote_for_the_classes_that_they_answered(small, abc):
    brain = small(theta_plus=0.5)
    brain.learn(*abc)
    brain.assign(*abc, seed=3)
    spikes = brain.respond(abc[0], seed=3).spikes.double()
    for number in range(3):
        mean = spikes[abc[1] == number].mean(0)
        assert brain.responses[number].tolist() == pytest.approx(mean.tolist(), rel=1e-4)
    votes = brain.assigned_scores(spikes)
    shares = brain.responses.double() / brain.responses.double().sum(0)
    shares[:, brain.responses.sum(0) == 0] = 0.0
    assert votes.flatten().tolist() == pytest.approx(
        (spikes @ shares.T).flatten().tolist(), rel=1e-4
    )
    assert float((votes.argmax(1) == abc[1]).double().mean()) > 0.9


def test_a_class_that_nobody_answers_gets_no_votes(small):
    brain = small()
    brain.assign(torch.zeros(2, 25), torch.zeros(2, dtype=torch.int64))
    assert not brain.responses[1:].any()
    assert torch.isfinite(brain.assigned_scores(torch.ones(1, 30))).all()


def test_permuting_the_inputs_changes_predictions(small, abc, unseen):
    brain = small()
    brain.learn(*abc)
    order = torch.from_numpy(np.random.default_rng(0).permutation(25))
    straight, permuted = brain(unseen[0]).argmax(1), brain(unseen[0][:, order]).argmax(1)
    assert float((straight == unseen[1]).double().mean()) > 0.9
    assert float((permuted == unseen[1]).double().mean()) < 0.7
    assert float((straight != permuted).double().mean()) > 0.3
