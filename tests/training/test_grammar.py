"""The grammar's two halves share no frame, and quoting keeps what is quoted."""

import itertools

from sievert.training.grammar import GROUPS, neutral, quoted, reclaimed


def test_every_group_is_named_equally_often():
    groups = [group for _, group in neutral("learn", 2 * len(GROUPS), seed=1)]
    assert sorted(groups) == sorted([*GROUPS, *GROUPS])


def test_what_measures_was_never_learnt():
    quotes = [f"you blorp number {i}" for i in range(300)]
    for make in (
        lambda part: [text for text, _ in neutral(part, 2000, seed=1)],
        lambda part: [text for text, _ in reclaimed(part, 500, seed=1)],
        lambda part: list(quoted(part, quotes, agreeing=False, seed=1)),
        lambda part: list(quoted(part, quotes, agreeing=True, seed=1)),
    ):
        learnt, measured = set(make("learn")), set(make("measure"))
        assert not {text.casefold() for text in learnt} & {text.casefold() for text in measured}


def test_a_quote_stands_in_its_sentence():
    quotes = ["you blorp", "go away {quote} {group}"]
    for agreeing, part in itertools.product((True, False), ("learn", "measure")):
        for quote, text in zip(quotes, quoted(part, quotes, agreeing=agreeing, seed=2), strict=True):
            assert quote in text
            assert len(text) > len(quote)
