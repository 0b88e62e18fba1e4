"""Two materials become one to learn from; nothing of either is mixed up, and no later text is learned from."""

import dataclasses

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save

from command_line import sievert
from sievert.errors import InvalidField
from sievert.training.material import FOLDS, UNLABELLED, read_material
from sievert.training.material_join import join
from sievert.training.unlabelled import read_unlabelled
from tiny_fusion import write_fused
from tiny_material import encoder_of, gathered, tiny_world

PARTS = (
    "spoken",
    "text_encoding",
    "words_encoding",
    "tokens",
    "pictures",
    "facts",
    "grams",
    "behaviour",
    "context",
    "pooled",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("materials")
    bundle = write_fused(base)
    encoder = encoder_of(tmp_path_factory.mktemp("encoder"))
    for seed in (3, 4):
        gathered(tiny_world(base / f"world{seed}", seed=seed), base / str(seed), bundle, encoder, said=True)
    return base / "3", base / "4"


@pytest.fixture(scope="module")
def both(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("joined")
    first, second = (read_material(one) for one in folders)
    join(first, second, out)
    return first, second, read_material(out)


def own_words(fold, content):
    begin = fold.columns["token_starts"][content]
    return fold.columns["token_ids"][begin : begin + fold.columns["words_at"][content]].tolist()


def same(batch, other):
    mine, theirs = batch.parts(), other.parts()
    assert mine.keys() == theirs.keys()
    for name, part in mine.items():
        for field, tensor in part.tensors().items():
            assert tensor.equal(theirs[name].tensors()[field]), (name, field)


def test_the_second_stands_behind_the_first_and_says_what_it_said(both):
    first, second, joined = both
    learn, mine, theirs = joined.folds["learn"], first.folds["learn"], second.folds["learn"]
    rows = np.arange(len(mine), dtype=np.int64)
    same(learn.batch(rows, PARTS), mine.batch(rows, PARTS))
    kept = np.arange(len(mine), len(learn), dtype=np.int64)
    # A snapshot is known again by when it was taken and what its content is.
    names = {
        (int(as_of), int(content)): at
        for at, (as_of, content) in enumerate(
            zip(theirs.columns["as_of"], theirs.columns["content"], strict=True)
        )
    }
    was = np.array(
        [
            names[int(as_of), int(content) - mine.contents]
            for as_of, content in zip(
                learn.columns["as_of"][kept], learn.columns["content"][kept], strict=True
            )
        ]
    )
    same(learn.batch(kept, PARTS), theirs.batch(was, PARTS))
    for (name, one), (_, other) in zip(known(learn, kept), known(theirs, was), strict=True):
        assert one.equal(other), name
    forms = [
        [one.described.settings["forms"][at] for at in form]
        for one, form in (
            (joined, learn.columns["form"][learn.columns["content"][kept]]),
            (second, theirs.columns["form"][theirs.columns["content"][was]]),
        )
    ]
    assert forms[0] == forms[1]
    assert len(set(forms[0])) > 1


def known(fold, rows):
    told = fold.supervision(rows)
    return [(field.name, getattr(told, field.name).nan_to_num()) for field in dataclasses.fields(told)]


def test_later_folds_are_those_of_the_first(both):
    first, _, joined = both
    for name in FOLDS[1:]:
        for column, values in first.folds[name].columns.items():
            assert np.array_equal(
                values, joined.folds[name].columns[column], equal_nan=values.dtype.kind == "f"
            )


def test_what_a_later_fold_says_is_not_learned_from(both):
    _, _, joined = both
    learn = joined.folds["learn"]
    later = {
        tuple(words)
        for name in FOLDS[1:]
        for content in range(joined.folds[name].contents)
        if len(words := own_words(joined.folds[name], content)) >= 4
    }
    first = both[0].folds["learn"]
    behind = {int(one) for one in learn.columns["content"] if one >= first.contents}
    assert behind
    assert not [one for one in behind if tuple(own_words(learn, one)) in later]


def test_the_test_fold_may_be_the_seconds_and_nothing_of_it_is_learned_from(both, tmp_path):
    first, second, _ = both
    join(first, second, tmp_path, test_of_second=True)
    joined = read_material(tmp_path)
    rows = np.arange(len(second.folds["test"]), dtype=np.int64)
    same(joined.folds["test"].batch(rows, PARTS), second.folds["test"].batch(rows, PARTS))
    assert np.array_equal(
        joined.folds["calibrate"].columns["as_of"], first.folds["calibrate"].columns["as_of"]
    )
    assert joined.described.populations["test"] == second.described.populations["test"]
    learn, test = joined.folds["learn"], joined.folds["test"]
    tested = {tuple(words) for one in range(test.contents) if len(words := own_words(test, one)) >= 4}
    learned = {tuple(own_words(learn, one)) for one in set(learn.columns["content"].tolist())}
    mine = first.folds["learn"]
    assert tested & {tuple(own_words(mine, one)) for one in set(mine.columns["content"].tolist())}
    assert not tested & learned
    posts = joined.described.populations["learn"]
    assert posts.taken == int(learn.columns["post"].max()) + 1 < len(np.unique(mine.columns["post"])) * 2


def test_populations_are_counted_anew(both):
    first, second, joined = both
    learn = joined.described.populations["learn"]
    fold = joined.folds["learn"]
    posts, at = np.unique(fold.columns["post"], return_index=True)
    assert learn.taken == len(posts) == int(fold.columns["post"].max()) + 1
    assert learn.taken_harmful == int(fold.harmful()[at].sum())
    assert learn.taken <= sum(one.described.populations["learn"].taken for one in (first, second))
    assert joined.described.history not in (first.described.history, second.described.history)


def test_material_of_another_kind_or_of_the_same_history_is_refused(both, tmp_path):
    first, second, _ = both
    other = dataclasses.replace(second, described=msgspec.structs.replace(second.described, side=32))
    with pytest.raises(InvalidField, match="side"):
        join(first, other, tmp_path)
    with pytest.raises(InvalidField, match="same"):
        join(first, first, tmp_path)


def test_by_command(folders, tmp_path):
    done = sievert("data", "join", str(folders[0]), str(folders[1]), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert b"learn:" in done.stderr
    assert len(read_material(tmp_path / "out").folds["learn"]) > len(read_material(folders[0]).folds["learn"])


def test_unlabelled_posts_come_from_whichever_has_some_and_later_texts_are_held_out(folders, tmp_path):
    first, second = (read_material(one) for one in folders)
    spare = read_unlabelled(second)
    bare = dataclasses.replace(first, described=msgspec.structs.replace(first.described, unlabelled=None))
    # One of them says what a post to test on says.
    content = next(
        at for at in range(first.folds["test"].contents) if len(own_words(first.folds["test"], at)) >= 4
    )
    says = own_words(first.folds["test"], content)
    told = {**spare.columns}
    begin, end = told["token_starts"][0], told["token_starts"][1]
    shift = len(says) - (end - begin)
    told["token_ids"] = np.concatenate([np.array(says, np.uint16), told["token_ids"][end:]])
    told["token_starts"] = np.concatenate([[0], told["token_starts"][1:] + shift])
    told["words_at"] = np.concatenate([[len(says)], told["words_at"][1:]]).astype(np.uint16)
    told["held"] = np.zeros(len(spare), np.bool_)
    (tmp_path / "second").mkdir()
    for path in folders[1].iterdir():
        (tmp_path / "second" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "second" / UNLABELLED).write_bytes(save(told))
    join(bare, read_material(tmp_path / "second"), tmp_path / "out")
    joined = read_material(tmp_path / "out")
    found = read_unlabelled(joined)
    assert joined.described.unlabelled == second.described.unlabelled
    assert found.columns["held"][0]
    assert not found.columns["held"].all()
    assert np.array_equal(found.columns["token_ids"], told["token_ids"])
    join(first, second, tmp_path / "own")
    assert (tmp_path / "own" / UNLABELLED).read_bytes() == (folders[0] / UNLABELLED).read_bytes()
