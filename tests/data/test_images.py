from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from potentiate.data import DATASETS, Images, Split, data_folder, load, shuffled_labels
from potentiate.errors import Refused

Present = Callable[[str], str]


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("digits")


def rows(*splits: Split) -> list[bytes]:
    """Each example as bytes, label last, in an order that does not depend on the splits."""
    return sorted(
        image.numpy().tobytes() + bytes([int(label)])
        for split in splits
        for image, label in zip(split.inputs, split.labels, strict=True)
    )


def nearest_neighbor_accuracy(images: Images) -> float:
    """Accuracy on the test part of answering with the label of the nearest training image."""
    train, test = (images.standardized(s).flatten(1) for s in (images.train, images.test))
    nearest = torch.cdist(test, train).argmin(dim=1)
    return float((images.train.labels[nearest] == images.test.labels).double().mean())


@pytest.mark.parametrize("name", DATASETS)
def test_parts_have_the_sizes_and_values_of_the_table(name: str, data: Present) -> None:
    images, entry = load(data(name)), DATASETS[name]
    assert len(images.train) + len(images.validation) == entry.n_train
    assert len(images.test) == entry.n_test
    for split in (images.train, images.validation, images.test):
        assert split.inputs.shape == (len(split), *entry.shape)
        assert split.inputs.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert int(split.inputs.max()) == entry.scale
        assert split.labels.unique().tolist() == list(range(entry.classes))


@pytest.mark.parametrize("name", DATASETS)
def test_validation_is_a_stratified_twelfth(name: str, data: Present) -> None:
    images = load(data(name))
    validation = torch.bincount(images.validation.labels)
    both = validation + torch.bincount(images.train.labels)
    assert len(images.validation) == round(int(both.sum()) / 12)
    assert (validation - both / 12).abs().max() <= 1


def test_five_thousand_of_mnist_are_for_validation(data: Present) -> None:
    images = load(data("mnist"))
    assert (len(images.train), len(images.validation)) == (55_000, 5_000)
    assert images.mean == pytest.approx(0.1307, abs=5e-4)
    assert images.std == pytest.approx(0.3081, abs=5e-4)


def test_parts_of_digits_are_disjoint_and_complete(digits: Images) -> None:
    from sklearn.datasets import load_digits

    shipped = load_digits()
    everything = Split(
        torch.as_tensor(shipped.images.astype("uint8")).unsqueeze(1),
        torch.as_tensor(shipped.target),
    )
    assert rows(digits.train, digits.validation, digits.test) == rows(everything)


def test_parts_of_mnist_are_disjoint_and_complete(data: Present) -> None:
    from potentiate.data.catalog import MNIST, folder_of
    from potentiate.data.idx import read_idx

    images = load(data("mnist"))
    folder = folder_of(MNIST)
    assert folder is not None
    published = [torch.as_tensor(read_idx(folder / f.name, f.shape)) for f in MNIST.files]
    assert torch.equal(images.test.inputs.squeeze(1), published[2])
    assert torch.equal(images.test.labels, published[3].long())
    everything = Split(published[0].unsqueeze(1), published[1].long())
    assert rows(images.train, images.validation) == rows(everything)


def test_the_borders_do_not_depend_on_the_seed_of_the_run(digits: Images) -> None:
    torch.manual_seed(123)
    again = load("digits")
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(again, part).inputs, getattr(digits, part).inputs)
        assert torch.equal(getattr(again, part).labels, getattr(digits, part).labels)


def test_standardized_inputs_have_mean_zero_and_deviation_one(digits: Images) -> None:
    before = digits.train.inputs.clone()
    inputs = digits.standardized(digits.train)
    assert inputs.dtype == torch.float32
    assert float(inputs.double().mean()) == pytest.approx(0, abs=1e-6)
    assert float(inputs.double().std(correction=0)) == pytest.approx(1, abs=1e-6)
    assert torch.equal(digits.train.inputs, before)


def test_all_parts_share_the_moments_of_the_training_part(digits: Images) -> None:
    expected = (digits.test.inputs.double() / 16 - digits.mean) / digits.std
    torch.testing.assert_close(
        digits.standardized(digits.test).double(), expected, rtol=1e-5, atol=1e-6
    )


def test_shuffling_moves_labels_and_nothing_else(digits: Images) -> None:
    shuffled = shuffled_labels(digits, seed=1)
    for part in ("train", "validation"):
        before, after = getattr(digits, part), getattr(shuffled, part)
        assert torch.equal(before.inputs, after.inputs)
        assert not torch.equal(before.labels, after.labels)
        assert torch.equal(before.labels.bincount(), after.labels.bincount())
    assert shuffled.test is digits.test
    assert (shuffled.mean, shuffled.std) == (digits.mean, digits.std)


def test_shuffling_is_a_function_of_its_seed(digits: Images) -> None:
    one, same, other = (shuffled_labels(digits, seed).train.labels for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_nothing_but_chance_is_learned_from_shuffled_labels(digits: Images) -> None:
    assert nearest_neighbor_accuracy(digits) > 0.95
    accuracies = [nearest_neighbor_accuracy(shuffled_labels(digits, seed)) for seed in range(10)]
    assert sum(accuracies) / 10 == pytest.approx(0.1, abs=0.03)


def test_missing_files_are_one_sentence_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("loading reached for the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path))
    with pytest.raises(Refused) as refused:
        load("fashion-mnist")
    sentence = str(refused.value)
    assert "'fashion-mnist'" in sentence
    assert str(tmp_path / "fashion-mnist") in sentence
    assert "potentiate download fashion-mnist" in sentence
    assert "\n" not in sentence


def test_digits_need_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTENTIATE_DATA", str(tmp_path / "nowhere"))
    assert len(load("digits").train) == 1318
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(Refused, match="no data set 'fashon-mnist'; did you mean 'fashion-mnist'"):
        load("fashon-mnist")


def test_without_a_choice_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POTENTIATE_DATA", raising=False)
    assert data_folder().is_absolute()
    assert "potentiate" in data_folder().parts
