"""The heavy model's windows: nothing that stands in a text is out of its sight."""

import numpy as np
import pytest

from sievert.features.content.fold import build_fold_tables
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
