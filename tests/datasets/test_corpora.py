import gzip

import pytest

from sievert.datasets.card import data_card
from sievert.datasets.corpora import CORPORA, LEARN, Use, read_corpus
from sievert.datasets.folds import make_folds
from sievert.errors import InvalidField, NotFound
from sievert.features.content.fold import build_fold_tables
from synthetic_corpora import real_corpora


def write(folder, name, *lines):
    with gzip.open(folder / f"{name}.jsonl.gz", "wt") as out:
        out.write("\n".join(lines) + "\n")


def test_a_row_keeps_its_language_official_side_and_labels(tmp_path):
    write(
        tmp_path,
        "mlma",
        '{"id": "mlma:1", "text": "salut", "harmful": 0, "labels": ["lang:fr", "normal", "split:dev"], "source": "x"}',
    )

    (row,) = read_corpus(tmp_path, "mlma")

    assert (row.language, row.official, row.labels["hate"]) == ("fr", "calibration", 0)


def test_training_rows_of_a_corpus_without_dev_set_may_calibrate(tmp_path):
    write(
        tmp_path,
        "online_misogyny",
        '{"id": "a", "text": "x", "harmful": 0, "labels": ["split:train"]}',
        '{"id": "b", "text": "y", "harmful": 0, "labels": ["split:test"]}',
    )

    assert [row.official for row in read_corpus(tmp_path, "online_misogyny")] == [LEARN, "test"]


def test_a_sentence_and_its_rewrites_are_one_pair(tmp_path):
    write(
        tmp_path,
        "paradetox",
        '{"id": "paradetox:7-t", "text": "x", "harmful": 1, "labels": ["toxic"]}',
        '{"id": "paradetox:7-n1", "text": "y", "harmful": 0, "labels": []}',
    )

    first, second = read_corpus(tmp_path, "paradetox")

    assert first.pair == second.pair


def test_a_bad_line_is_named(tmp_path):
    write(tmp_path, "cad", '{"id": "a", "text": "x", "harmful": 0, "labels": []}', '{"id": "b"}')

    with pytest.raises(InvalidField, match="line 2"):
        read_corpus(tmp_path, "cad")


def test_a_missing_corpus_says_which_file_is_expected(tmp_path):
    with pytest.raises(NotFound, match=r"edos\.jsonl\.gz"):
        read_corpus(tmp_path, "edos")


def test_every_corpus_states_its_terms():
    assert len(CORPORA) == 21
    assert all(corpus.licence and corpus.about for corpus in CORPORA)
    assert [one.name for one in CORPORA if one.use is Use.MEASURE] == ["madlibs77k"]
    share_alike = {one.name for one in CORPORA if "SA" in one.licence}
    assert share_alike == {one.name for one in CORPORA if one.use is Use.EXPERIMENT}


def test_the_data_card_names_each_corpus_and_its_licence(tmp_path):
    write(tmp_path, "cad", '{"id": "a", "text": "x", "harmful": 0, "labels": ["Neutral"]}')

    card = data_card(make_folds(read_corpus(tmp_path, "cad"), build_fold_tables()))

    assert "| cad | en |" in card
    assert "CC BY 4.0" in card


@pytest.mark.skipif(real_corpora() is None, reason="the corpora are not on this machine ($SIEVERT_DATA)")
def test_every_real_corpus_is_read_whole():
    folder = real_corpora()
    names = [corpus.name for corpus in CORPORA if (folder / f"{corpus.name}.jsonl.gz").is_file()]

    sizes = {name: len(read_corpus(folder, name)) for name in names if name != "madlibs77k"}

    assert len(sizes) >= 10
    assert min(sizes.values()) > 1000
