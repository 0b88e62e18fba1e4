"""The heavy model's windows: nothing that stands in a text is out of its sight."""

import numpy as np
import pytest

from sievert.features.content.fold import build_fold_tables
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.heavy import HeavyModel
from sievert.testing import STAND_INS
from tiny_heavy import tiny_model, tiny_tokenizer

TABLES = build_fold_tables()
BAD = next(iter(STAND_INS.values()))


@pytest.fixture
def model():
    return HeavyModel(tiny_model(), tiny_tokenizer(), tokens=16, symbols={0x1F600: "grinning face"})


@pytest.mark.parametrize("crowd", ["?! " * 40, "one by one " * 12, "\U0001f600" * 60])
def test_signs_before_a_word_do_not_hide_it(model, crowd):
    alone, crowded, plain = model.logits([BAD, f"{crowd} {BAD}", crowd], TABLES)[:, 0]
    assert alone > crowded > plain + 0.5


def test_windows_of_one_text_do_not_touch_another(model):
    texts = ["one " * 50 + BAD, BAD, "one", "two " * 30, f"{BAD} " * 40]
    together = model.logits(texts, TABLES)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(model.logits([text], TABLES)[0], together[row], atol=1e-4)


def test_each_window_says_what_its_tokens_add_and_where_they_stand(model):
    text = "one two three four " * 8 + BAD
    windows = model.read_tokens(text, TABLES)
    assert len(windows) > 1
    worst = max(windows, key=lambda window: window.parts[:, 0].mean())
    assert worst.parts[:, 0].mean() == pytest.approx(model.logits([text], TABLES)[0, 0], abs=1e-4)
    start, end, _ = worst.places[int(worst.parts[:, 0].argmax())]
    assert text[start:end] == BAD


@pytest.mark.parametrize("which", ["tiny", "shipped"])
def test_a_text_says_the_same_at_any_place_of_any_batch(which, tiny_bundle):
    """To the bit: a re-score must say what a first one said."""
    rng = np.random.default_rng(4)
    if which == "tiny":
        bundle, heavy = tiny_bundle, HeavyModel(tiny_model(width=8), tiny_tokenizer(), tokens=64, symbols={})
    else:
        bundle = load_bundle(default_bundle_path())
        heavy = bundle.heavy.model
    words = [
        "good",
        "day",
        "friend",
        "walk",
        "goose",
        "cruise",
        "blue",
        "house",
        "window",
        "never",
        "tomorrow",
        "please",
    ]
    texts = [" ".join(rng.choice(words, size)) for size in (1, 5, 9, 9, 9, 30, 30, 90)]
    alone = [heavy.logits_and_encodings([text], bundle.fold) for text in texts]
    for order in (range(8), [7, 6, 5, 4], [2, 3], [3, 0, 4, 2]):
        logits, encodings = heavy.logits_and_encodings([texts[at] for at in order], bundle.fold)
        for row, at in enumerate(order):
            assert logits[row].tobytes() == alone[at][0][0].tobytes()
            assert encodings[row].tobytes() == alone[at][1][0].tobytes()
    assert np.array_equal(heavy.encodings(texts, bundle.fold), np.concatenate([one[1] for one in alone]))
    assert np.array_equal(heavy.logits(texts, bundle.fold), np.concatenate([one[0] for one in alone]))
