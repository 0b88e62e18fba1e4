"""What the world says: repeatable, mostly unique, and not to be told from single words."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from sievert.schema.taxonomy import LABELLED
from sievert.simulation.forms import COMBINATION, EVASIVE, FORMS, SLANG
from sievert.simulation.gaps import can_fill
from sievert.simulation.patterns import Patterns
from sievert.simulation.retouching import retouched
from sievert.simulation.slang import BIRTH_EVERY, code_word, code_words
from sievert.simulation.wordlists import read_words, topics
from sievert.simulation.writer import MOODS, TOPICS, Writer
from wanted_posts import wanted


@pytest.fixture(scope="module")
def writer():
    return Writer()


@pytest.fixture(scope="module")
def many(writer):
    asked = wanted(20_000)
    return asked, writer.write(asked, np.random.default_rng(2))


def words_of(text):
    return set(text.lower().replace(",", " ").replace(".", " ").split())


def test_the_same_random_numbers_give_the_same_posts(writer):
    asked = wanted(400)
    one, other = (Writer().write(asked, np.random.default_rng(5)) for _ in range(2))
    assert one.text == other.text
    assert one.scenes.words == other.scenes.words
    for name in ("form", "scene", "copied"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for field in dataclasses.fields(one.scenes):
        assert np.array_equal(getattr(one.scenes, field.name), getattr(other.scenes, field.name)), field.name
    again = writer.write(asked, np.random.default_rng(6))
    assert again.text != one.text


def test_texts_are_mostly_unique_and_readable(many):
    _, written = many
    assert len(set(written.text)) > 0.94 * len(written.text)
    assert not written.copied.any()
    for text in written.text:
        assert text.strip()
        assert "\0" not in text
        assert "{" not in text
        assert "%s" not in text
        text.encode()
    lengths = [len(text) for text in written.text]
    assert min(lengths) < 30
    assert max(lengths) > 200


def test_few_or_no_posts_can_be_asked_for(writer):
    for count in (0, 1, 2):
        written = writer.write(wanted(count), np.random.default_rng(1))
        assert len(written.text) == len(written.form) == len(written.scene) == count


def test_every_form_appears_and_only_where_it_may(many):
    asked, written = many
    harmful = asked.policy >= 0
    forms = {name: written.form == place for place, name in enumerate(FORMS)}
    assert sum(mask.sum() for mask in forms.values()) == len(harmful)
    for name in ("slang", "evasive", "combination", "picture"):
        assert harmful[forms[name]].all(), name
        assert 0.03 < (forms[name] & harmful).sum() / harmful.sum() < 0.5, name
    for name, low, high in (("counter_speech", 0.006, 0.02), ("benign_lookalike", 0.05, 0.15)):
        assert not harmful[forms[name]].any(), name
        assert low < (forms[name] & ~harmful).sum() / (~harmful).sum() < high, name
    assert (written.scene >= 0)[forms["combination"] | forms["picture"]].all()
    np.testing.assert_array_equal(written.scene >= 0, asked.with_image)


def test_who_hides_harder_is_evasive_more_often(writer):
    asked = wanted(4000, harmful=1.0, image=0.0)
    shares = []
    for evasion in (0.0, 1.0):
        written = writer.write(
            dataclasses.replace(asked, evasion=np.full(4000, evasion)), np.random.default_rng(3)
        )
        shares.append((written.form == EVASIVE).mean())
    assert shares[0] == 0.0
    assert 0.5 < shares[1] < 0.7


def test_every_gap_is_filled():
    gaps = 0
    for policy in LABELLED:
        for patterns in read_words("harm")[policy].values():
            gaps += len(Patterns(patterns))  # raises where nothing fills a gap
    assert gaps > 150
    assert not can_fill("nonsense")
    with pytest.raises(KeyError, match="nonsense"):
        Patterns(["One {nonsense}."])


def test_word_lists_hold_words_only():
    def leaves(one):
        if isinstance(one, dict):
            return [leaf for part in one.values() for leaf in leaves(part)]
        return [leaf for part in one for leaf in leaves(part)] if isinstance(one, list) else [one]

    found = [
        leaf
        for name in ("topics", "everyday", "harm", "captions", "comments", "pictures")
        for leaf in leaves(read_words(name))
    ]
    assert len(found) > 1000
    assert all(isinstance(leaf, str) and leaf for leaf in found)  # YAML reads `no` and `on` as booleans
    assert len(topics()) == TOPICS == 20


def test_slang_of_late_days_is_unknown_early(writer):
    def slang(days):
        asked = wanted(3000, harmful=1.0, days=days, image=0.0)
        written = writer.write(asked, np.random.default_rng(4))
        return [
            set(words_of(text))
            for text, form in zip(written.text, written.form, strict=True)
            if form == SLANG
        ]

    early, late = slang((0, 2)), slang((40, 42))
    newest = [
        code_word(policy, int(40 // BIRTH_EVERY) - back).lower()
        for policy in range(4)
        for back in range(2)
        if (int(40 // BIRTH_EVERY) - back) % 3 != 1  # an innocent word may stand anywhere
    ]
    assert len(newest) > 3
    told_early = set().union(*early)
    told_late = Counter(word for words in late for word in words)
    assert not told_early & set(newest)
    assert sum(told_late[word] for word in newest) > 100


def test_a_code_word_comes_up_spreads_and_dies():
    rng = np.random.default_rng(5)
    generation = 5
    word = code_word(2, generation)
    uses = []
    for age in (-1.0, 0.1, 4.0, 50.0):
        day = np.full(4000, generation * BIRTH_EVERY + age)
        uses.append(code_words(np.full(4000, 2), day, rng).count(word) / 4000)
    assert uses[0] == 0.0
    assert uses[1] < uses[2] / 3
    assert uses[2] > 0.25
    assert uses[3] < 0.02


def test_code_words_come_without_end_and_are_rarely_the_same():
    words = [code_word(policy, generation) for policy in range(4) for generation in range(-10, 300)]
    made = [word for at, word in enumerate(words) if (at % 310 - 10) % 3 != 1]
    assert len(made) > 800
    assert len(set(made)) > 0.99 * len(made)


def test_single_words_tell_something_and_far_from_all(writer):
    learnt, measured = wanted(16_000, seed=7, days=(0, 20)), wanted(8000, seed=8, days=(20, 30))
    train, test = (
        writer.write(asked, np.random.default_rng(9 + at)) for at, asked in enumerate((learnt, measured))
    )
    counter = CountVectorizer(min_df=2, binary=True)
    model = LogisticRegression(solver="liblinear").fit(counter.fit_transform(train.text), learnt.policy >= 0)
    scores = model.decision_function(counter.transform(test.text))
    precision = average_precision_score(measured.policy >= 0, scores)
    assert 0.4 < precision < 0.72, precision


def test_harm_in_disguise_is_not_written_plainly(writer):
    asked = wanted(3000, harmful=1.0, image=0.0)
    written = writer.write(asked, np.random.default_rng(10))
    telling = [word for name in ("slur", "slurs", "insult") for word in read_words("harm")[name]]
    told = {
        form: np.mean(
            [
                any(word in text.lower() for word in telling)
                for text, one in zip(written.text, written.form, strict=True)
                if (one == EVASIVE) == form
            ]
        )
        for form in (True, False)
    }
    assert told[False] > 0.25
    assert told[True] < 0.03


def test_retouched_texts_stay_near_duplicates(many):
    texts = many[1].text[:3000]
    again = Writer().retouch(texts, np.random.default_rng(11))
    assert again == retouched(texts, np.random.default_rng(11))

    def grams(text):
        return {text[at : at + 5] for at in range(max(1, len(text) - 4))}

    alike = []
    for one, other in zip(texts, again, strict=True):
        assert one != other
        alike.append(len(grams(one) & grams(other)) / len(grams(one) | grams(other)))
    assert min(alike) >= 0.6, min(zip(alike, texts, again, strict=True))


def test_comments_tell_their_mood_well_and_not_perfectly(writer):
    rng = np.random.default_rng(12)
    mood = rng.integers(len(MOODS), size=9000).astype(np.int8)
    topic = rng.integers(TOPICS, size=9000).astype(np.int16)
    texts = writer.comments(mood, topic, rng)
    assert texts[:50] != writer.comments(mood, topic, rng)[:50]
    assert len(set(texts)) > 4000
    assert all(text.strip() and "{" not in text for text in texts)
    counter = CountVectorizer(min_df=2, binary=True)
    model = LogisticRegression(max_iter=300).fit(counter.fit_transform(texts[:6000]), mood[:6000])
    right = (model.predict(counter.transform(texts[6000:])) == mood[6000:]).mean()
    assert 0.75 < right < 0.97, right


def test_confounders_stand_on_both_sides_of_a_combination(writer):
    asked = wanted(30_000, seed=13, harmful=0.05)
    written = writer.write(asked, np.random.default_rng(14))
    harmful = asked.policy >= 0
    combined = np.flatnonzero(written.form == COMBINATION)
    benign_texts = {text for text, harm in zip(written.text, harmful, strict=True) if not harm}
    benign_scenes = set(written.scene[~harmful].tolist())
    assert len(combined) > 100
    assert np.mean([written.text[row] in benign_texts for row in combined]) > 0.15
    assert np.mean([int(written.scene[row]) in benign_scenes for row in combined]) > 0.2


def test_what_is_in_jest_says_what_else_is_only_said_in_harm(writer):
    asked = wanted(6000, harmful=0.0, image=0.0)
    crazed = dataclasses.replace(asked, in_jest=np.arange(6000) % 2 == 0)
    written = writer.write(crazed, np.random.default_rng(4))
    only_in_harm = ("everybody knows it", "Do not hire", "Never trust a")
    says = np.array([any(one in text for one in only_in_harm) for text in written.text])
    assert says[::2].mean() > 0.02
    assert says[1::2].mean() < 0.005  # where somebody quotes it to object
    assert {FORMS[form] for form in written.form[::2]} == {"benign_lookalike"}
