"""Triggers: each level calls for one decision, whatever batches events come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import ConfigurationError
from sievert.features.behaviour.counting import COUNTS, Count
from sievert.pipeline.triggers import (
    REVISITS,
    WATCHED,
    default_triggers,
    default_triggers_path,
    load_triggers,
)
from sievert.schema.decision import TRIGGERS as WORDS

TRIGGERS = default_triggers()
SHIPPED = default_triggers_path().read_text()


def written(folder, text):
    file = folder / "own.yaml"
    file.write_text(text)
    return file


steps = st.lists(
    st.dictionaries(
        st.sampled_from([trigger.counter for trigger in TRIGGERS.listed]), st.integers(1, 3000), max_size=3
    ),
    max_size=25,
)


def row(**counts):
    totals = np.zeros((1, COUNTS), np.int64)
    for name, value in counts.items():
        totals[0, Count[name]] = value
    return totals


@given(steps)
def test_a_level_fires_once_and_none_is_passed_unseen(grown):
    now, fired = np.zeros((1, COUNTS), np.int64), []
    for some in grown:
        before = now.copy()
        for counter, by in some.items():
            now[0, counter] += by
        rows, causes = TRIGGERS.causes_of(before, now)
        passed = [
            trigger
            for trigger in TRIGGERS.listed
            if any(before[0, trigger.counter] < level <= now[0, trigger.counter] for level in trigger.levels)
        ]
        assert rows.tolist() == ([0] if passed else [])
        assert [cause.trigger for cause in causes] == [trigger.name for trigger in passed[:1]]
        fired += causes
    assert len(fired) == len(set(fired))


def test_the_weightiest_trigger_names_the_decision():
    _, (cause,) = TRIGGERS.causes_of(row(), row(VIEWS=5000, REPORTS=5, HIDES=9))
    assert cause == ("reports", 4)
    _, (cause,) = TRIGGERS.causes_of(row(REPORTS=5), row(VIEWS=5000, REPORTS=6))
    assert cause == ("views", 1000)


def test_nothing_happened_calls_for_nothing():
    rows, causes = TRIGGERS.causes_of(row(VIEWS=50, REPORTS=3), row(VIEWS=99, REPORTS=3, SHARES=70))
    assert not len(rows)
    assert not causes


def test_every_trigger_is_a_word_that_trails_may_hold():
    assert set(WATCHED) == set(WORDS) - {"created", "bank", "dial", *REVISITS}
    assert [one.name for one in TRIGGERS.listed] == ["reports", "hides", "comments", "views", "edit"]


def test_what_ships_is_what_certificates_have_named():
    """The name is part of a certificate's terms: it changes with every level and revisit, and with nothing else."""
    assert TRIGGERS.name == "0bbea19083d0c1c6"
    assert [one.watch for one in TRIGGERS.revisits] == ["account", "bundle"]


def test_a_file_without_revisits_has_the_name_that_it_had_before_there_were_any(tmp_path):
    own = load_triggers(written(tmp_path, SHIPPED[: SHIPPED.index("  # No counters")]))
    assert (own.name, own.revisits) == ("09c88bfa6b7fd47f", ())


@pytest.mark.parametrize(
    "changed",
    [
        ("factor: 2", "factor: 3"),
        ("first: 4", "first: 5"),
        ("levels: 8", "levels: 7"),
        ("watch: hides", "watch: blocks"),
        ("posts: 20", "posts: 19"),
        ("days: 7", "days: 8"),
    ],
)
def test_whatever_calls_for_more_or_other_decisions_has_another_name(tmp_path, changed):
    assert load_triggers(written(tmp_path, SHIPPED)).name == TRIGGERS.name
    assert load_triggers(written(tmp_path, SHIPPED.replace(*changed, 1))).name != TRIGGERS.name


def test_a_comment_changes_no_name(tmp_path):
    assert load_triggers(written(tmp_path, "# ours\n" + SHIPPED)).name == TRIGGERS.name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("triggers: 5", "it has no list `triggers`: begin with a copy of"),
        ("[", "while parsing"),
        (SHIPPED.replace("format: 1", "format: 9"), "format is 9: this release reads `format: 1`"),
        (SHIPPED + "budget: 5\n", "it knows no 'budget': leave it out"),
        (
            SHIPPED.replace("watch: hides", "watch: whispers"),
            "nothing counts 'whispers': watch one of account, blocks, bundle, comments",
        ),
        (SHIPPED.replace("watch: hides", "watch: reports"), "trigger 2: reports is watched already"),
        (SHIPPED.replace("step: 1", "step: 1\n    factor: 2"), "state one of factor"),
        (SHIPPED.replace("    step: 1\n", ""), "state one of factor"),
        (SHIPPED.replace("posts: 20", "first: 20"), "trigger 6: Object contains unknown field `first`"),
        (
            SHIPPED.replace("posts: 20", "posts: 21"),
            "of an account 20 posts are known by name: state no more",
        ),
        (SHIPPED.replace("watch: bundle", "watch: account"), "trigger 7: account is watched already"),
        (SHIPPED.replace("levels: 24", "levels: 900"), "its last level is above 1,000,000,000,000"),
        (SHIPPED.replace("first: 1\n", "first: none\n", 1), "trigger 1: Expected `int`"),
        (SHIPPED.replace("first: 1\n", "first: 1\n    first: 2\n", 1), "first stands twice"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do(tmp_path, text, says):
    with pytest.raises(ConfigurationError) as error:
        load_triggers(written(tmp_path, text))
    assert says in str(error.value)


def test_all_problems_are_said_at_once(tmp_path):
    wrong = SHIPPED.replace("watch: hides", "watch: whispers").replace("levels: 24", "levels: 0")
    with pytest.raises(ConfigurationError) as error:
        load_triggers(written(tmp_path, wrong))
    assert len(error.value.problems) == 2


def test_a_platform_may_watch_what_ships_without_a_trigger(tmp_path):
    own = "format: 1\ntriggers:\n  - {watch: blocks, first: 3, step: 2, levels: 3}\n"
    triggers = load_triggers(written(tmp_path, own))
    _, causes = triggers.causes_of(row(BLOCKS=2), row(BLOCKS=6, REPORTS=50))
    assert causes == [("blocks", 5)]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_triggers(tmp_path / "none.yaml")
