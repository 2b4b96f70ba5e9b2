from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from potentiate import PlasticClassifier
from potentiate.errors import Refused

SHORT = {"neurons": 60, "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    patterns, labels = load_digits(return_X_y=True)
    return train_test_split(patterns, labels, random_state=0, stratify=labels)


@pytest.fixture(scope="module")
def learned(digits):
    return PlasticClassifier(random_state=0).fit(digits[0], digits[2])


def portions(classifier, patterns, labels, size, **more):
    for start in range(0, len(patterns), size):
        rows = slice(start, start + size)
        classifier.partial_fit(patterns[rows], labels[rows], **more)
    return classifier


@parametrize_with_checks([PlasticClassifier(epochs=25)])
def test_it_is_a_classifier_as_scikit_learn_defines_one(estimator, check):
    check(estimator)


def test_digits_never_seen_are_read(digits, learned):
    assert learned.score(digits[1], digits[3]) >= 0.97


def test_few_patterns_of_few_features_do():
    patterns, labels = load_iris(return_X_y=True)
    shares = cross_val_score(PlasticClassifier(random_state=0, epochs=40), patterns, labels, cv=3)
    assert shares.mean() >= 0.9


@pytest.mark.parametrize("rule", ["static", "deep-r", "rigl"])
def test_other_rules_learn_too(digits, rule):
    train, test, train_labels, test_labels = digits
    classifier = PlasticClassifier(neurons=150, epochs=8, rule=rule, random_state=0)
    assert classifier.fit(train, train_labels).score(test, test_labels) >= 0.93
    first = classifier.edges_ / classifier.net_.core.topology.possible
    assert (classifier.explored_ > 1.1 * first) == (rule != "static")


def test_shuffled_labels_teach_nothing(digits):
    train, test, train_labels, test_labels = digits
    shuffled = np.random.default_rng(0).permutation(train_labels)
    classifier = PlasticClassifier(random_state=0, neurons=100, epochs=10).fit(train, shuffled)
    assert 0.04 < classifier.score(test, test_labels) < 0.17


def test_edges_change_while_their_number_stays(learned):
    neurons = learned.net_.core.shape[0]
    assert learned.edges_ == round(0.1 * neurons * (neurons - 1))
    assert learned.density_ == pytest.approx(0.1, abs=1e-4)
    assert 0.12 < learned.explored_ < 0.3


def test_answers_to_a_pattern_do_not_depend_on_those_beside_it(digits, learned):
    test = digits[1]
    scores = learned.decision_function(test)
    order = np.random.default_rng(0).permutation(len(test))
    np.testing.assert_allclose(learned.decision_function(test[order]), scores[order], rtol=1e-12)
    alone = np.concatenate([learned.decision_function(row[None]) for row in test[:20]])
    np.testing.assert_allclose(alone, scores[:20], rtol=1e-9)


def test_probabilities_are_those_of_the_scores(digits, learned):
    test = digits[1]
    chances, scores = learned.predict_proba(test), learned.decision_function(test)
    np.testing.assert_allclose(chances.sum(1), 1.0, rtol=1e-12)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(chances, expected, rtol=1e-12)
    np.testing.assert_array_equal(learned.predict(test), chances.argmax(1))


def test_two_words_are_labels(digits):
    train, labels = digits[0][:300], np.where(digits[2][:300] < 5, "low", "high")
    classifier = PlasticClassifier(random_state=0, neurons=60, epochs=20).fit(train, labels)
    scores = classifier.decision_function(train)
    assert list(classifier.classes_) == ["high", "low"]
    np.testing.assert_array_equal(classifier.predict(train) == "low", scores > 0)
    chance = classifier.predict_proba(train)[:, 1]
    np.testing.assert_allclose(np.log(chance / (1 - chance)), scores, rtol=1e-9)
    assert classifier.score(train, labels) > 0.9


def test_portions_on_the_borders_of_batches_are_one_fit(digits):
    train, _, labels, _ = digits
    settings = {"neurons": 60, "batch_size": 32, "plasticity_interval": 7, "random_state": 0}
    all_in_one = portions(PlasticClassifier(**settings), train, labels, 32, classes=range(10))
    in_two = PlasticClassifier(**settings)
    in_two.partial_fit(train[:32], labels[:32], classes=range(10))
    in_two.partial_fit(train[32:], labels[32:])
    np.testing.assert_array_equal(
        in_two.decision_function(train), all_in_one.decision_function(train)
    )
    assert in_two.explored_ == all_in_one.explored_ > 0.12


def test_portions_learn_as_well(digits):
    train, test, train_labels, test_labels = digits
    classifier = PlasticClassifier(neurons=150, batch_size=32, random_state=0)
    for _ in range(8):
        portions(classifier, train, train_labels, 300, classes=range(10))
    assert classifier.score(test, test_labels) >= 0.93


def test_a_fit_goes_on_in_portions(digits, learned):
    """Moments, edges and what the rule knows stay as they were; the rate no longer falls."""
    before, after = copy.deepcopy(learned)._step, copy.deepcopy(learned)
    train, test, train_labels, test_labels = digits
    moments = before.optimizer.state[before.layers["core"].weight]
    after.partial_fit(train[:1], train_labels[:1])
    now = after._step.optimizer.state[after._step.layers["core"].weight]
    assert float(now["step"]) == float(moments["step"]) + 1
    assert after._step.optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * 5e-3)
    assert after._step.done == before.done + 1
    assert after.explored_ >= learned.explored_
    updates = after._step.updates
    for _ in range(2):
        portions(after, train, train_labels, 300)
    assert after._step.updates > updates
    assert after.score(test, test_labels) >= 0.96


def test_only_what_comes_first_sets_the_scale():
    patterns = np.random.default_rng(0).normal(3.0, 5.0, size=(40, 3))
    patterns[:, 1] = 1e9
    labels = np.arange(40) % 2
    classifier = PlasticClassifier(**SHORT).partial_fit(patterns, labels, classes=[0, 1])
    mean, scale = classifier.mean_, classifier.scale_
    np.testing.assert_allclose(mean, patterns.mean(0))
    np.testing.assert_allclose(scale[[0, 2]], patterns.std(0)[[0, 2]])
    assert scale[1] == 1.0
    classifier.partial_fit(patterns * 2, labels)
    np.testing.assert_array_equal(classifier.mean_, mean)
    far, farther = (mean + times * scale for times in (3, 1e6))
    scores = classifier.decision_function([far, farther, np.full(3, 1e308)])
    np.testing.assert_array_equal(scores[0], scores[1:])


def test_the_largest_of_values_have_a_scale():
    patterns = np.array([[1e308, -1e308], [-1e308, 1e308], [0.0, 0.0]])
    classifier = PlasticClassifier(**SHORT).fit(patterns, [0, 1, 1])
    smaller = PlasticClassifier(**SHORT).fit(patterns / 1e308, [0, 1, 1])
    scores = smaller.decision_function(patterns / 1e308)
    np.testing.assert_allclose(classifier.decision_function(patterns), scores, rtol=1e-4)


def test_bytes_are_images():
    images = np.random.default_rng(0).integers(0, 200, (30, 6, 6), dtype=np.uint8)
    labels = np.arange(30) % 3
    classifier = PlasticClassifier(**SHORT).fit(images, labels)
    assert classifier.n_features_in_ == 36
    same = PlasticClassifier(**SHORT).fit(images.reshape(30, 36) / 255, labels)
    expected = same.decision_function(images.reshape(30, -1) / 255)
    np.testing.assert_array_equal(classifier.decision_function(images), expected)


def test_seeds_decide_everything_and_disturb_nothing():
    patterns, labels = load_iris(return_X_y=True)

    def scores(random_state):
        classifier = PlasticClassifier(neurons=40, epochs=5, random_state=random_state)
        return classifier.fit(patterns, labels).decision_function(patterns)

    state = torch.get_rng_state()
    one = scores(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    np.testing.assert_array_equal(scores(1), one)
    assert (scores(2) != one).any()
    np.testing.assert_array_equal(*[scores(np.random.RandomState(5)) for _ in range(2)])


def test_a_pickled_copy_answers_and_learns_the_same(digits, learned):
    train, _, labels, _ = digits
    original, other = copy.deepcopy(learned), pickle.loads(pickle.dumps(learned))
    for _ in range(2):
        scores = original.decision_function(train)
        np.testing.assert_array_equal(other.decision_function(train), scores)
        for one in (original, other):
            portions(one, train, labels, 300)
    assert (scores != learned.decision_function(train)).any()
    assert not hasattr(clone(learned), "net_")


def test_it_serves_in_a_pipeline_and_a_search():
    patterns, labels = load_iris(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), PlasticClassifier(**SHORT))
    grid = {"plasticclassifier__neurons": np.array([10, 20]), "plasticclassifier__lr": [1e-2]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(patterns, labels)
    assert search.predict(patterns).shape == (150,)


@pytest.mark.parametrize("neurons", [1, 2, 7])
@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
def test_any_size_will_do(neurons, sparsity):
    patterns, labels = np.arange(12.0)[:, None], [0, 1] * 6
    classifier = PlasticClassifier(neurons, sparsity, epochs=3, random_state=0)
    classifier.fit(patterns, labels).partial_fit(patterns, labels)
    assert classifier.edges_ == round((1 - sparsity) * neurons * (neurons - 1))
    assert np.isfinite(classifier.predict_proba(patterns)).all()


def test_defaults_follow_the_data():
    def made(count, **parameters):
        patterns = np.random.default_rng(0).random((count, 2))
        classifier = PlasticClassifier(epochs=1, **parameters).fit(patterns, np.arange(count) % 2)
        return classifier.net_.core.shape[0], classifier._batch

    assert [made(10), made(300), made(3000)] == [(50, 16), (60, 16), (400, 75)]
    assert made(10, neurons=7, batch_size=3) == (7, 3)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"neurons": 0}, "neurons=0 is refused"),
        ({"sparsity": 1.5}, "sparsity=1.5 is refused"),
        ({"iterations": 0}, "iterations=0 is refused"),
        ({"plasticity_interval": 0}, "plasticity_interval=0 is refused"),
        ({"epochs": -1}, "epochs=-1 is refused"),
        ({"batch_size": 0}, "batch_size=0 is refused"),
        ({"lr": 0.0}, "lr=0.0 is refused"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 is refused"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0 is refused"),
        ({"homeostasis": float("nan")}, "homeostasis=nan is refused"),
        ({"rule": "rigel"}, "there is no structural rule 'rigel'; did you mean 'rigl'?"),
        ({"rule": None}, "rule=None is refused"),
        ({"engine": "row"}, "there is no engine 'row'; did you mean 'rows'?"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence(parameters, words):
    with pytest.raises(Refused, match=re.escape(words)):
        PlasticClassifier(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_a_rate_too_high_is_refused_in_a_sentence():
    patterns = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(Refused, match="try a lower learning rate"):
        PlasticClassifier(neurons=20, lr=1e12, random_state=0).fit(patterns, np.arange(50) % 2)


def test_one_class_teaches_nothing():
    with pytest.raises(ValueError, match="all labels are of one class, a; at least 2 are needed"):
        PlasticClassifier().fit([[0.0], [1.0]], ["a", "a"])
    with pytest.raises(ValueError, match="one class, 3"):
        PlasticClassifier().partial_fit([[0.0], [1.0]], [3, 3], classes=[3])


def test_labels_must_be_known_from_the_first_portion_on():
    patterns = np.eye(2)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        PlasticClassifier().partial_fit(patterns, [0, 1])
    classifier = PlasticClassifier(**SHORT).partial_fit(patterns, [0, 1], classes=[0, 1, 2])
    classifier.partial_fit(patterns, [2, 2], classes=[2, 1, 0])
    with pytest.raises(ValueError, match="label 3 is none of the classes"):
        classifier.partial_fit(patterns, [0, 3])
    with pytest.raises(ValueError, match=r"were .* at first"):
        classifier.partial_fit(patterns, [0, 1], classes=[0, 1])
