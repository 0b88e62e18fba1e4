"""What leads to a creator is found by what fields mean, and nothing else is."""

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from sievert.schema.label import Label
from sievert.stores import edges_tables, tables
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.forgetting.places import AUDIT, NOBODY_THERE, PLACES
from sievert.stores.forgetting.traces import Redaction, Traces
from sievert.stores.guardrail import tables as guardrail
from sievert.stores.journal import shared_tables
from sievert.testing import FixedClock

CASE, DECISION, OTHER = "c_" + "a" * 24, "d_" + "b" * 24, "c_" + "z" * 24
TRACES = Traces(
    platform="q",
    creator_id="sievert",
    posts=frozenset(("spam", "p/1")),
    names=frozenset((CASE, DECISION)),
    digests=frozenset(("00ff",)),
)


@pytest.mark.parametrize(
    ("said", "leads"),
    [
        ({"platform": "q", "post_id": "spam"}, True),
        ({"platform": "r", "post_id": "spam"}, False),
        ({"post_id": "spam"}, False),  # on the platform that is meant if none is named
        ({"platform": "q", "id": "spam", "text": "x"}, True),
        ({"platform": "q", "id": "spam", "kind": "views", "post_id": "other"}, False),
        ({"platform": "q", "policy": "spam"}, False),
        ({"platform": "q", "post_id": "other", "by": "sievert"}, False),
        ({"platform": "q", "appeal_id": "x", "post_id": "other", "by": "sievert"}, True),
        ({"platform": "q", "kind": "comment", "post_id": "other", "actor_id": "sievert"}, True),
        ({"platform": "r", "kind": "comment", "post_id": "other", "actor_id": "sievert"}, False),
        ({"platform": "q", "kind": "group", "source_id": "x", "target_id": "sievert"}, False),
        ({"platform": "q", "kind": "friend", "source_id": "x", "target_id": "sievert"}, True),
        ({"type": "action.performed", "data": {"platform": "q", "post_id": "p/1"}}, True),
        ({"case_id": CASE, "note": "x"}, True),
        ({"platform": "q", "post_id": "other", "lead": CASE}, True),
        ({"platform": "q", "post_id": None, "content_digest": "00ff"}, True),
        ({"platform": "r", "post_id": None, "content_digest": "00ff"}, False),
        ({"platform": "q", "post_id": "other", "content_digest": "00ff"}, False),  # their copy of the text
        ({"subject": "q/p/1"}, True),
        ({"subject": "q/p/1/17"}, True),
        ({"subject": "q/sievert"}, True),
        ({"subject": "q/p/2/1"}, False),
        ({"actor": "sievert", "subject": "r/spam"}, False),
        ({"details": {"actions": f"a_1,{DECISION}"}}, True),
        ({"details": {"case": OTHER}}, False),
        ({"details": {"reason": f"as in {DECISION}", "case": f"x,{CASE}"}}, True),
        # What people write names nobody, and an example out of a corpus is no post.
        ({"platform": "q", "post_id": "other", "text": "q/sievert"}, False),
        ({"case_id": OTHER, "note": "q/sievert"}, False),
        ({"case_id": OTHER, "held": {"note": CASE}}, False),
        ({"appeal_id": "x", "platform": "q", "post_id": "other", "by": "bob", "statement": "q/p/1"}, False),
        ({"details": {"reason": DECISION}}, False),
        ({"platform": "q", "post_id": "other", "nearest": [{"id": "spam", "similarity": 0.5}]}, False),
        (None, False),
    ],
)
def test_fields_are_read_by_what_they_mean(said, leads):
    assert TRACES.in_record(said) is leads


def test_what_stays_names_nobody_and_agrees_with_itself():
    redaction = Redaction(TRACES)
    said = redaction.record(
        {
            "case_id": CASE,
            "platform": "q",
            "post_id": "spam",
            "policy": "spam",
            "probability": 0.5,
            "creator_id": "sievert",
            "content_digest": "00ff",
            "spans": [{"start": 1}],
            "held": {"note": "about them"},
        }
    )
    assert not TRACES.in_record(said)
    assert said["post_id"].startswith("forgotten-")
    assert (said["policy"], said["probability"], said["spans"], said["held"]) == (
        "spam",
        0.5,
        [],
        {"note": ""},
    )
    assert redaction.name(CASE) == said["case_id"] != Redaction(TRACES).name(CASE)
    assert redaction.post("spam") == said["post_id"]
    other = {"platform": "q", "post_id": "other", "case_id": OTHER, "lead": CASE, "content_digest": "00ff"}
    assert redaction.record(other) == {**other, "lead": said["case_id"]}


KEYS = ("platform", "post_id", "creator_id", "target_id", "appeal_id", "by", "case_id", "decision_id", "lead")
KEYS += ("verdicts", "details", "content_digest", "kind", "subject", "note", "text", "about")
WORDS = st.sampled_from(
    ["q", "r", "spam", "p/1", "sievert", "q/sievert", "q/spam/3", CASE, DECISION, f"x,{CASE}", "00ff", OTHER]
)


@given(
    st.recursive(
        st.dictionaries(st.sampled_from(KEYS), WORDS),
        lambda inner: st.dictionaries(st.sampled_from(KEYS[5:]), inner | st.lists(inner) | WORDS),
    )
)
def test_nothing_is_left_of_what_stays_so_that_a_forgetting_ends(said):
    assert not TRACES.in_record(Redaction(TRACES).record(said))


def test_a_label_that_names_no_post_loses_the_text_alone(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=FixedClock())
    made = [
        labelled("theirs", post_id="spam", content_digest="00ff"),
        labelled("alike", content_digest="00ff"),
        labelled("elsewhere", content_digest="00ff", platform="r"),
        labelled("of another post", post_id="other", content_digest="00ff"),
        labelled("of another text", content_digest="11ff"),
    ]
    with stores.database.writing() as connection:
        stores.labels.add(connection, made)
    stores.forgettings.erase(TRACES, forgetting_id="g_1", by="test", now=1)
    with stores.database.reading() as connection:
        found = connection.execute(sa.select(tables.labels.c.record).order_by("sequence")).scalars()
        kept = [msgspec.json.decode(one, type=Label) for one in found]
    assert kept == [msgspec.structs.replace(made[1], text=None), *made[2:]]
    assert sum(one.left for one in stores.forgettings.look(TRACES)) == 0
    stores.close()


def labelled(name, **more):
    said = {"platform": "q", "attribute": "TOXICITY", "policy": "harm", "value": 1.0, "text": "words", **more}
    return Label(label_id=name, source="perspective:suggestscore", key_id="k", received_at=1, **said)


def test_every_table_says_what_of_a_creator_is_in_it():
    known = {place.table.name for place in (*PLACES, AUDIT)}
    assert known & set(NOBODY_THERE) == set()
    every = {*tables.metadata.tables, *shared_tables.metadata.tables}
    assert {edges_tables.edges.name, guardrail.guardrail_audits.name} < every
    assert known | set(NOBODY_THERE) == every
