"""Splits by time: what each fold may know, and that nothing stands on two sides."""

import random

import numpy as np
import pytest

from histories import START, columns_of, in_memory, post, write_history
from sievert.datasets.history import read_history
from sievert.datasets.snapshots import snapshots
from sievert.datasets.splits import DROPPED, cold_start, duplicate_groups, split_by_time
from sievert.errors import InvalidField
from sievert.features.content.fold import build_fold_tables
from sievert.schema.clock import DAY
from sievert.schema.history import NOBODY
from synthetic_corpora import sentence

TIMES = {"calibrate_from": START + 60 * DAY, "test_from": START + 80 * DAY, "end": START + 100 * DAY}


@pytest.fixture(scope="module")
def tables():
    return build_fold_tables()


def quiet(count=100, **fields):
    """Posts a day apart, and nothing else."""
    created = START + np.arange(count) * DAY
    return in_memory(created_at=created, events=columns_of("views", at=[], post=[]), **fields)


def different_texts(count):
    return [
        f"{sentence(random.Random(i))} number{i} thing{i * 7919 % 1009} word{i * 31}" for i in range(count)
    ]


def test_posts_fall_into_folds_by_when_they_were_received(tables):
    split = split_by_time(quiet(110, texts=different_texts(110)), **TIMES, tables=tables)

    wanted = [0] * 60 + [1] * 20 + [2] * 20 + [DROPPED] * 10
    kept = split.fold != DROPPED
    assert kept.sum() > 90
    assert split.fold[kept].tolist() == np.array(wanted)[kept].tolist()
    assert split.until == tuple(TIMES.values())


def test_a_snapshot_after_its_folds_time_is_in_no_fold(tables):
    report = columns_of("report", at=[START + 2 * DAY, START + 61 * DAY], post=[0, 1], actor=[1, 1])
    history = in_memory(created_at=[START, START + DAY], events=report, texts=["one thing", "quite another"])

    taken = snapshots(history)
    fold = split_by_time(history, **TIMES, tables=tables).of_snapshots(taken)

    assert taken.post.tolist() == [0, 1, 0, 1]
    assert fold.tolist() == [0, 0, 0, DROPPED]


def test_revisions_and_copies_are_on_one_side_whatever_their_texts(tmp_path, tables):
    late = START + 90 * DAY
    rows = [post(0), post(0, revision=1, text="wholly new words", created_at=late)]
    rows += [post(1, text="copied but altered beyond finding", copy_of="p2", created_at=late)]
    rows += [post(2, text="first of all", copy_of="p3"), post(3, text="origin of things")]
    history = read_history(write_history(tmp_path, posts=rows))

    group = duplicate_groups(history.posts, tables)
    fold = split_by_time(history, **TIMES, tables=tables).fold

    assert group[0] == group[1]
    assert group[2] == group[3] == group[4] != group[0]
    assert fold.tolist() == [0, DROPPED, DROPPED, 0, 0]


def test_cold_start_shares_no_creator_with_training(tables):
    rng = np.random.default_rng(1)
    creator = rng.integers(-1, 25, 100)
    history = quiet(100, texts=different_texts(100), creator=creator)
    split = split_by_time(history, **TIMES, tables=tables)

    cold = cold_start(split, history.posts, share=0.5, rng=rng)

    train, held = set(creator[cold.fold == 0].tolist()), set(creator[cold.fold > 0].tolist())
    assert train - {NOBODY}
    assert held
    assert not train & held
    assert NOBODY not in held
    # The check can fail: the split by time does share creators.
    assert set(creator[split.fold == 0].tolist()) & set(creator[split.fold > 0].tolist())


def test_the_three_times_must_be_in_order(tables):
    with pytest.raises(InvalidField, match="calibrate_from < test_from < end"):
        split_by_time(
            quiet(3),
            calibrate_from=START + 2 * DAY,
            test_from=START + DAY,
            end=START + 3 * DAY,
            tables=tables,
        )


def test_a_split_of_nothing_is_nothing(tables):
    split = split_by_time(quiet(0), **TIMES, tables=tables)
    assert len(split.fold) == len(split.group) == 0
