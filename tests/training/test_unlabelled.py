"""Unlabelled posts know no label, nothing later, and no text that a later fold shows."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.datasets.comment_texts import CommentTexts
from sievert.datasets.history import read_history
from sievert.datasets.near_duplicates import near_duplicate_groups
from sievert.errors import MalformedInput, NotFound
from sievert.schema.batch import TextColumn
from sievert.schema.event import KIND_WORDS
from sievert.training.material import FOLDS, UNLABELLED, read_material
from sievert.training.unlabelled import LAYOUT, read_unlabelled
from sievert.training.unlabelled_posts import MOST_REPLIES, without_hashtags
from tiny_material import gathered, without_later_events

WORDS = st.lists(st.sampled_from(["geese", "a", "#1", "&#8230;", "x#y", "now."]), max_size=5).map(" ".join)
TAGS = st.sampled_from(["geese", "Gardens2", "übung", "a_b"])


@pytest.fixture(scope="module")
def spare(material):
    return read_unlabelled(material)


def test_columns_are_those_that_the_layout_names_and_none_is_a_label(spare, material):
    assert spare.columns.keys() == LAYOUT.keys()
    for name, told in LAYOUT.items():
        assert spare.columns[name].dtype == np.dtype(told.split()[0]), name
    assert not [name for name in LAYOUT if "label" in name or "harm" in name or "form" in name]
    said = material.described.unlabelled
    assert (said.taken, said.held) == (len(spare.rows(held=False)), len(spare.rows(held=True)))
    assert min(said.taken, said.held) > 20


def test_no_text_of_a_later_fold_or_one_like_it_is_among_those_to_learn_from(
    world, material, spare, tiny_bundle
):
    history = read_history(world)
    truth = pq.read_table(world / "truth.parquet").to_pydict()
    clusters = dict(zip(truth["post_id"], truth["cluster"], strict=True))
    ids = history.posts.ids.to_pylist()
    rows = {name: np.unique(material.folds[name].columns["row"]) for name in ("calibrate", "test")}
    rows["learn"] = spare.columns["row"][spare.rows(held=False)]
    rows["held"] = spare.columns["row"][spare.rows(held=True)]
    every = np.concatenate(list(rows.values()))
    texts = history.posts.text.texts(every)
    group = near_duplicate_groups(
        [TextColumn.of(texts)], tiny_bundle.fold, ties=[str(one) for one in range(len(every))]
    )
    of = {
        name: {clusters[ids[row]] for row in some} | {-1 - one for one in group[np.isin(every, some)]}
        for name, some in rows.items()
    }
    assert not of["learn"] & (of["calibrate"] | of["test"])
    assert not of["held"] & (of["learn"] | of["test"])
    assert material.described.unlabelled.left_out > 0


def test_what_posts_drew_is_what_had_been_received_when_their_time_ended(
    world, material, encoder, tiny_bundle, tmp_path
):
    spare = read_unlabelled(material)
    earlier = without_later_events(
        world, tmp_path / "earlier", received_before=material.described.first["calibrate"]
    )
    gathered(earlier, tmp_path / "then", tiny_bundle, encoder)
    then = read_unlabelled(read_material(tmp_path / "then"))
    rows = [one.rows(held=False) for one in (spare, then)]
    assert np.array_equal(*(one.columns["row"][some] for one, some in zip((spare, then), rows, strict=True)))
    for name in ("reports", "report_views"):
        assert np.array_equal(spare.columns[name][rows[0]], then.columns[name][rows[1]]), name
    assert spare.columns["reports"].any()
    read = [
        one.replies.content_batch(some, ["tokens"]).tokens
        for one, some in zip((spare, then), rows, strict=True)
    ]
    assert np.array_equal(read[0].ids, read[1].ids)
    assert read[0].mask.any(dim=1).all()


def test_the_folds_are_the_same_with_and_without_unlabelled_posts(
    world, gathered_folder, encoder, tiny_bundle, tmp_path
):
    (tmp_path / UNLABELLED).write_bytes(b"of an earlier gathering")
    gathered(world, tmp_path, tiny_bundle, encoder, unlabelled=0)
    for name in FOLDS:
        for more in ("", ".grams", ".pooled"):
            file = f"{name}{more}.safetensors"
            assert (gathered_folder / file).read_bytes() == (tmp_path / file).read_bytes(), file
    with pytest.raises(NotFound, match="no unlabelled posts"):
        read_unlabelled(read_material(tmp_path))
    assert json.loads((tmp_path / "material.json").read_bytes())["unlabelled"] is None


def test_a_torn_file_is_refused(gathered_folder, material, tmp_path):
    for path in gathered_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / UNLABELLED).write_bytes((gathered_folder / UNLABELLED).read_bytes()[:-5])
    with pytest.raises(MalformedInput, match="cannot be read"):
        read_unlabelled(read_material(tmp_path))
    (tmp_path / UNLABELLED).write_bytes((gathered_folder / "learn.safetensors").read_bytes())
    with pytest.raises(MalformedInput, match="reply_ids"):
        read_unlabelled(read_material(tmp_path))


@given(st.lists(st.tuples(WORDS, TAGS), max_size=4), WORDS)
def test_hashtags_are_taken_out_and_all_else_stays(parts, last):
    text = " ".join([*(f"{words} #{tag}" for words, tag in parts), last])
    left, tags = without_hashtags(text)
    assert tags == [tag for _, tag in parts]
    assert left.split() == " ".join([*(words for words, _ in parts), last]).split()
    assert without_hashtags(left) == (left, [])


def test_the_first_comments_under_a_post_are_kept_in_the_order_of_receipt():
    comments = CommentTexts()
    comment, other = KIND_WORDS.index("comment"), KIND_WORDS.index("views")
    texts = ["third", "first", None, "of another", "too late", "second", "", "fourth", "fifth"]
    kinds = np.array([comment, comment, other, comment, comment, comment, comment, comment, comment])
    posts = np.array([7, 7, 7, 8, 7, 7, 7, 7, 7])
    came = np.array([30, 10, 5, 1, 100, 20, 2, 40, 50])
    for some in (slice(0, 4), slice(4, 9)):
        comments.take(pa.array(texts[some]), kind=kinds[some], post=posts[some], came=came[some])
    found = comments.under(np.array([7, 9]), until=np.array([100, 100]), most=MOST_REPLIES)
    assert found == {7: ["first", "second", "third", "fourth"]}
    assert comments.under(np.array([7]), until=np.array([20]), most=9) == {7: ["first"]}
    assert CommentTexts().under(np.array([7]), until=np.array([20]), most=9) == {}
