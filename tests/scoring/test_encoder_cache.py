"""Copies run no model, and nobody's score hangs on whether it was remembered."""

import numpy as np
import pytest

from sievert.features.content.fold import build_fold_tables
from sievert.scoring.encoder_cache import OLDEST, EncoderCache
from sievert.scoring.heavy import HeavyModel
from tiny_heavy import tiny_model, tiny_tokenizer

WINDOWS = [[1, 2, 3], [4], [1, 2, 3], [5, 6]]


class Model:
    """Says the sum and the length of each window, and counts what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, windows):
        self.asked += [[*one] for one in windows]
        return [
            np.array([[sum(one)] for one in windows], np.float32),
            np.array([[len(one), 1] for one in windows], np.float32),
        ]


@pytest.fixture
def model():
    return Model()


def ask(cache, model, windows=WINDOWS, outputs=("logits",)):
    return [one.tolist() for one in cache.run(windows, outputs, model)]


def test_a_window_is_run_once(model):
    heard = []
    cache = EncoderCache(1 << 20, watch=lambda *counts: heard.append(counts))
    alone = [one.tolist() for one in Model()(WINDOWS)]
    assert ask(cache, model) == alone
    assert ask(cache, model, [*WINDOWS, [9]])[0] == [*alone[0], [9]]
    assert model.asked == [[1, 2, 3], [4], [5, 6], [9]]
    assert heard == [(1, 3), (4, 1)]


def test_other_outputs_are_another_entry(model):
    cache = EncoderCache(1 << 20)
    ask(cache, model, [[1]])
    ask(cache, model, [[1]], ("encoding",))
    assert model.asked == [[1], [1]]


def test_what_was_used_longest_ago_goes_first_and_bytes_are_bounded(model):
    cache = EncoderCache(3 * 312)
    ask(cache, model, [[1], [2], [3]])
    ask(cache, model, [[1]])
    ask(cache, model, [[4]])
    assert len(cache) == 3
    ask(cache, model, [[1], [2]])
    assert model.asked == [[1], [2], [3], [4], [2]]


def test_everything_goes_after_an_hour_and_when_it_is_told_to(model):
    at = [0.0]
    cache = EncoderCache(1 << 20, clock=lambda: at[0])
    ask(cache, model, [[1]])
    at[0] = OLDEST + 1
    ask(cache, model, [[1]])
    assert model.asked == [[1], [1]]
    cache.forget()
    assert len(cache) == 0


def test_without_room_nothing_is_remembered(model):
    cache = EncoderCache(0)
    ask(cache, model, [[1], [1]])
    assert (model.asked, len(cache)) == ([[1], [1]], 0)


def test_a_remembered_score_is_the_very_score():
    fold = build_fold_tables()
    texts = ["one two three", "four", "one two three", "five six seven eight nine ten " * 20]
    plain = HeavyModel(tiny_model(), tiny_tokenizer(), tokens=16, symbols={})
    cached = HeavyModel(tiny_model(), tiny_tokenizer(), tokens=16, symbols={})
    counted = []
    cached.cache = EncoderCache(1 << 20, watch=lambda hits, misses: counted.append(misses))
    for some in (texts, texts[::-1], texts[1:2]):
        assert np.array_equal(cached.logits(some, fold), plain.logits(some, fold))
    assert counted[1:] == [0, 0]
