"""Numbers to learn from are looked at before hours are spent on them."""

import numpy as np
import pytest

from sievert.errors import ConfigurationError
from sievert.stores.durable import sha256_of
from sievert.training.data_check import check_features, check_labels

NAN = np.nan


def test_features_that_are_no_number_are_all_named_and_constant_ones_told():
    table = np.array([[1, NAN, 5, NAN, 1], [2, 1, 5, 3, np.inf], [3, NAN, 5, 4, 2]], np.float32)

    with pytest.raises(ConfigurationError) as raised:
        check_features(table, ["a", "b", "c", "d", "e"], may_be_missing={"d"})

    assert raised.value.problems == (
        "feature b is no number in 2 of 3 rows, such as 0, 2",
        "feature e is no number in 1 of 3 rows, such as 1",
    )
    assert check_features(table[:, [0, 2, 3]], ["a", "c", "d"], may_be_missing={"d"}) == ["c"]
    assert check_features(np.full((2, 1), NAN), ["m"], may_be_missing={"m"}) == ["m"]


def test_heads_of_which_nothing_can_be_learned_are_all_named():
    labels = np.array([[0, 0, NAN, 2], [1, NAN, NAN, 0], [NAN, 0, NAN, 1]], np.float32)

    with pytest.raises(ConfigurationError) as raised:
        check_labels(labels, ["harm", "hate", "threat", "spam"])

    assert raised.value.problems == (
        "head hate has one class only: all 2 labels are 0; bring the other kind",
        "head threat has no label at all: leave it out, or bring labels",
        "head spam has labels outside 0 to 1",
    )
    check_labels(labels[:, :1], ["harm"])


def test_data_is_known_by_its_hash(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/x", "y"):
        (tmp_path / name).write_text("same")
    before = sha256_of(tmp_path)

    (tmp_path / "y").rename(tmp_path / "z")

    assert sha256_of(tmp_path) != before
    assert sha256_of(tmp_path / "z") == sha256_of(tmp_path / "a" / "x")
