"""Pitfalls 5 and 7: nothing that resembles anything is on both sides, and there are three sides."""

import random

import numpy as np
import pytest

from sievert.datasets.corpora import LEARN, Row
from sievert.datasets.folds import FOLDS, make_folds
from sievert.datasets.loading import load_folds, refuse_unfit
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.errors import InvalidField, NotFound
from sievert.features.content.fold import build_fold_tables
from sievert.schema.batch import TextColumn
from synthetic_corpora import sentence, write_corpora


@pytest.fixture(scope="module")
def tables():
    return build_fold_tables()


def row(identity, text, *, pair=None, official=None, corpus="cad", harm=0):
    return Row(
        id=identity,
        corpus=corpus,
        text=text,
        language="en",
        labels={"harm": harm},
        pair=pair or identity,
        official=official,
    )


def many_rows(count=300):
    rng = random.Random(3)
    return [row(f"r{i}", sentence(rng)) for i in range(count)]


def test_the_three_folds_share_no_row_and_no_group(tables):
    folded = make_folds(many_rows(), tables)

    groups = [set(folded.group[folded.fold == code].tolist()) for code in range(3)]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert sum(len(folded.pick(fold)) for fold in FOLDS) == len(folded.rows)


def test_the_same_rows_get_the_same_folds_in_any_order(tables):
    rows = many_rows()
    first = {one.id: fold for one, fold in zip(rows, make_folds(rows, tables).fold, strict=True)}

    again = make_folds(rows[::-1], tables)

    assert first == {one.id: fold for one, fold in zip(again.rows, again.fold, strict=True)}


def test_nearly_equal_texts_stay_together(tables):
    long = "we waited at the old station for hours and nobody came to tell us when the train would leave"
    texts = [long, long + " today", long.upper() + "!!", "something else entirely is said in this one"]

    groups = near_duplicate_groups([TextColumn.of(texts)], tables, ties=["a", "b", "c", "d"])

    assert groups[0] == groups[1] == groups[2]
    assert groups[3] != groups[0]


def test_no_pair_of_near_duplicates_is_on_two_sides(tables):
    rng = random.Random(8)
    originals = [sentence(rng) + " " + sentence(rng) for _ in range(150)]
    rows = [row(f"a{i}", text) for i, text in enumerate(originals)]
    rows += [row(f"b{i}", f"{text} indeed") for i, text in enumerate(originals)]

    folded = make_folds(rows, tables)

    side = {one.id: int(fold) for one, fold in zip(folded.rows, folded.fold, strict=True)}
    assert len(side) == 300
    assert [i for i in range(150) if side[f"a{i}"] != side[f"b{i}"]] == []


def test_contrast_pairs_stay_together_however_they_differ(tables):
    rng = random.Random(9)
    rows = [row(f"p{i}-{side}", sentence(rng), pair=f"p{i}") for i in range(100) for side in "xy"]

    folded = make_folds(rows, tables)

    side = {one.id: int(fold) for one, fold in zip(folded.rows, folded.fold, strict=True)}
    assert all(side[f"p{i}-x"] == side[f"p{i}-y"] for i in range(100) if f"p{i}-y" in side)


def test_the_most_held_out_official_side_wins_for_the_whole_group(tables):
    text = "a sentence that two corpora happen to share word for word in all its length"
    rows = [row("a", text, official="train"), row("b", text + " now", official="test")]

    folded = make_folds(rows, tables)

    assert [FOLDS[code] for code in folded.fold] == ["test", "test"]


def test_official_training_rows_never_test_even_without_a_dev_set(tables):
    rng = random.Random(4)
    rows = [row(f"r{i}", sentence(rng), official=LEARN) for i in range(300)]

    folded = make_folds(rows, tables)

    assert not folded.pick("test")
    assert folded.pick("calibration")


def test_exact_repeats_are_dropped_unless_their_labels_differ(tables):
    rows = [row("a", "Same  text"), row("b", "same text"), row("c", "same text", harm=1)]

    folded = make_folds(rows, tables)

    assert [one.id for one in folded.rows] == ["a", "c"]
    assert folded.dropped == 1


def test_a_corpus_for_measuring_never_trains():
    with pytest.raises(InvalidField, match="madlibs77k"):
        refuse_unfit([row("m", "x", corpus="madlibs77k")])


def test_loading_reads_only_what_may_ship(tmp_path, tables):
    folder = write_corpora(tmp_path / "corpora", rows=60)
    (folder / "stormfront.jsonl.gz").write_bytes((folder / "cad.jsonl.gz").read_bytes())

    folded = load_folds(folder, tables)

    assert {one.corpus for one in folded.rows} == {
        "cad",
        "convabuse",
        "hatemoji_build",
        "sms_spam",
        "germeval2018",
    }
    assert np.bincount(folded.fold, minlength=3).min() > 0


def test_an_empty_folder_is_told(tmp_path, tables):
    with pytest.raises(NotFound, match="no corpus"):
        load_folds(tmp_path, tables)
