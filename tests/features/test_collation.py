"""Texts and the words of pictures as one table of tokens; n-grams as bags."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from sievert.features.content.collation import PostTokenizer, gram_bags
from sievert.features.content.fold import build_fold_tables
from sievert.features.content.ngrams import index_batch
from sievert.schema.batch import TextColumn

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghij"]
PAD, _, CLS, SEP = range(4)
A, B, C, D = (WORDS.index(letter) for letter in "abcd")


@pytest.fixture(scope="module")
def raw():
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer.to_str().encode()


def test_the_words_of_a_picture_are_the_second_segment(raw):
    table = PostTokenizer(raw, tokens=16, pad=PAD).table(["a b", "a", "", ""], ["c d", "", "c", ""])
    assert table.ids[0].tolist() == [CLS, A, B, SEP, C, D, SEP, PAD]
    assert table.segment[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 0]
    assert table.ids[1, :3].tolist() == [CLS, A, SEP]
    assert table.segment[1].sum() == 0
    assert table.ids[2, :4].tolist() == [CLS, SEP, C, SEP]
    assert table.segment[2, :4].tolist() == [0, 0, 1, 1]
    assert table.mask.sum(axis=1).tolist() == [7, 3, 4, 0]
    assert (table.ids[~table.mask] == PAD).all()


def test_the_longer_of_both_is_cut_first(raw):
    table = PostTokenizer(raw, tokens=8, pad=PAD).table(["a a a a a a a a"], ["b b"])
    assert table.ids[0].tolist() == [CLS, A, A, A, SEP, B, B, SEP]


def test_a_table_has_room_for_nobody(raw):
    table = PostTokenizer(raw, tokens=8, pad=PAD).table([], [])
    assert table.ids.shape == (0, 8)


def test_what_is_no_tokenizer_is_refused():
    with pytest.raises(ValueError, match="Model missing"):
        PostTokenizer(b"{}", tokens=8, pad=PAD)


def test_bags_weigh_words_and_runs_by_how_many_there_are():
    indexed = index_batch(TextColumn.of(["good morning", "", "x"]), build_fold_tables(), bits=10)
    bags = gram_bags(indexed)
    assert len(bags.indices) == len(bags.weights) == indexed.starts[-1]
    for post in range(3):
        words, runs = (np.diff(indexed.starts)[2 * post + part] for part in (0, 1))
        end = bags.starts[post + 1] if post < 2 else len(bags.weights)
        weights = bags.weights[bags.starts[post] : end]
        np.testing.assert_allclose(weights[:words], words**-0.5 if words else 1)
        np.testing.assert_allclose(weights[words:], runs**-0.5 if runs else 1)
    assert bags.starts[1] == bags.starts[2]
