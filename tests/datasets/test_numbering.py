"""Names become numbers, part by part."""

import numpy as np
import pyarrow as pa

from sievert.datasets.numbering import Numbering, SeenKeys
from sievert.schema.history import NOBODY


def test_names_are_numbered_as_they_are_met():
    numbering = Numbering()
    assert numbering.numbers(pa.array(["b", "a", None, "b"])).tolist() == [0, 1, NOBODY, 0]
    assert numbering.known(pa.array(["c", "a", None])).tolist() == [NOBODY, 1, NOBODY]
    assert numbering.numbers(pa.array(["c", "a", ""])).tolist() == [2, 1, 3]
    assert numbering.names.to_pylist() == ["b", "a", "c", ""]
    assert len(numbering) == 4


def test_numbers_stay_when_the_table_grows():
    numbering = Numbering()
    names = pa.array([f"name-{i}" for i in range(100_000)])
    for start in range(0, 100_000, 30_000):
        numbering.numbers(names.slice(start, 30_000))
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 100_000, 5000)
    assert np.array_equal(numbering.known(names.take(pa.array(rows))), rows)
    assert numbering.names.equals(names)


def test_a_key_is_seen_the_second_time_and_only_if_it_was_wanted():
    keys = SeenKeys()
    names = pa.array(["a", "b", "a", "c"])
    assert keys.seen(names, np.array([True, False, True, True])).tolist() == [False, False, True, False]
    assert keys.seen(names, np.ones(4, bool)).tolist() == [True, False, True, True]
    revisions = SeenKeys()
    found = revisions.seen(pa.array(["a", "a", "a"]), np.ones(3, bool), also=np.array([0, 1, 0]))
    assert found.tolist() == [False, False, True]


def test_slices_and_empty_columns_are_read_as_they_are():
    numbering = Numbering()
    assert numbering.numbers(pa.array(["x", "y", "z"]).slice(1)).tolist() == [0, 1]
    assert numbering.numbers(pa.array([], pa.string())).tolist() == []
    assert numbering.numbers(pa.nulls(2, pa.string())).tolist() == [NOBODY, NOBODY]
