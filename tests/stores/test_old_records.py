"""What an older release kept stays readable, and so does a field that a newer one added.

`golden/store-v1` is a data folder as the first release wrote it: the database as SQL, with records of
every kind, and a segment. It is never written anew; a new version of a record gets a folder beside it.
"""

import contextlib
import datetime as dt
import shutil
import sqlite3
from pathlib import Path

import pytest

from sievert.schema.access import ApiKey
from sievert.schema.action import Action, Case, OutboxMessage
from sievert.schema.decision import Decision, Reason, Span
from sievert.schema.post import Post
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.journal.base import DecisionFilter
from sievert.stores.tables import metadata
from sievert.testing import START, FixedClock, batch_of

V1 = Path(__file__).parent.parent / "golden" / "store-v1"


@pytest.fixture
def stored(tmp_path):
    """A data folder of the first release."""
    shutil.copytree(V1, tmp_path / "data")
    with sqlite3.connect(tmp_path / "data" / "sievert.db") as database:
        database.executescript((tmp_path / "data" / "sievert.sql").read_text())
    database.close()
    return tmp_path / "data"


def compare(stores):
    """Read a record of every kind through the stores."""
    rude = Post(
        id="rude",
        text="you blorp",
        platform="q",
        revision=2,
        creator_id="ann",
        created_at=dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC),
        language="en",
        surface="feed",
    )
    assert stores.journal.post("q", "rude") == rude
    assert stores.journal.trail("q", "rude") == [
        Decision(
            decision_id="d_cl5bodowqiocm5juud7a547c",
            platform="q",
            post_id="rude",
            revision=2,
            created_at=1777863721000000,
            received_at=START,
            decided_at=START,
            trigger="created",
            outcome="review",
            would="remove",
            probability=0.99999964,
            policies={
                "hate": 0.99999964,
                "harassment": 0.00247262,
                "threat": 0.00247262,
                "spam": 0.00247262,
                "sentinel": 0.0,
            },
            language="english",
            stage="light",
            bundle="tiny@4a385ed30609",
            policy_set="d72dec398e7b9798",
            content_digest="fbf59de688044a4a10497840a37dd286",
            reasons=tuple(
                Reason(policy="hate", rule=rule, probability=0.99999964, threshold=threshold)
                for rule, threshold in (("shadow", 0.95), ("review", 0.3), ("demote", 0.7))
            ),
            creator_id="ann",
            record_version=1,
        )
    ]
    allowed = stores.journal.trail("default", "mild")
    assert [(one.revision, one.outcome, one.creator_id) for one in allowed] == [
        (0, "allow", "bob"),
        (1, "allow", None),
    ]
    known = stores.journal.find(batch_of([rude, Post(id="mild", text="a lovely morning")]))
    assert sorted(known.decisions) == [0, 1]
    assert len(stores.journal.decisions(DecisionFilter(), cursor=None, limit=10).items) == 4

    same = {"decision_id": "d_cl5bodowqiocm5juud7a547c", "platform": "q", "post_id": "rude"}
    assert stores.actions.list(policy="hate").items == [
        Action(
            action_id="a_alds7dgsbebi4e55socpzxvd",
            revision=2,
            kind="demote",
            policy="hate",
            performed_at=START,
            record_version=1,
            **same,
        )
    ]
    assert stores.cases.list(policy="hate").items == [
        Case(
            case_id="c_cl5bodowqiocm5juud7a547c",
            revision=2,
            policy="hate",
            opened_at=START,
            priority=0.9999996423721313,
            state="open",
            record_version=1,
            **same,
        )
    ]
    digest = "e7f29c6ed63fb64b3c59d3f12c717c4229cbbbea0f157425b6537b9d718b5310"
    key = ApiKey(
        key_id="0707070707",
        name="ingest",
        secret_sha256=digest,
        scopes=("posts:write",),
        created_at=START,
    )
    assert stores.keys.find(digest) == key
    assert stores.keys.list() == [key]
    (dead,) = stores.outbox.dead(10)
    assert dead == OutboxMessage(
        message_id="msg_a_4ledi7oklrsmvzp54o3udlql",
        kind="action.performed",
        created_at=START,
        body=dead.body,
        state="dead",
        attempts=1,
        next_attempt_at=START,
        last_error="the receiver answered 500",
    )
    assert dead.body.startswith(b'{"type":"action.performed"')
    assert stores.outbox.counts() == {"pending": 2, "delivered": 1, "dead": 1}
    assert len(stores.outbox.due(START, 10)) == 2
    assert [(one.event, one.subject) for one in stores.audit.entries()] == [
        ("key.added", "0707070707"),
        ("action.demote", "q/rude/2"),
        ("action.demote", "default/doubtful/0"),
    ]


def test_what_the_first_release_kept_stays_readable(stored):
    with contextlib.closing(EmbeddedStores(stored, clock=FixedClock())) as stores:
        compare(stores)
        assert stores.audit.verify()[0] == 3


def test_a_field_that_a_newer_release_added_is_passed_over(stored):
    with sqlite3.connect(stored / "sievert.db") as database:
        kept = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        known = [name for name, table in metadata.tables.items() if "record" in table.columns]
        tables = [name for name in known if name in kept]
        assert len(tables) == 6  # as many as the first release had
        database.execute("DROP TRIGGER audit_no_update")
        for table in tables:
            changed = database.execute(
                f"UPDATE {table} SET record = CAST(json_set(CAST(record AS TEXT), '$.newer', 1) AS BLOB)"  # noqa: S608  names of our own tables
            )
            assert changed.rowcount
    database.close()
    with contextlib.closing(EmbeddedStores(stored, clock=FixedClock())) as stores:
        compare(stores)


def test_a_case_kept_before_there_were_nearest_examples_has_none(stored):
    with sqlite3.connect(stored / "sievert.db") as database:
        database.execute(
            "UPDATE cases SET record = "
            """CAST(json_set(CAST(record AS TEXT), '$.spans', json('[{"start":4,"end":9,"adds":2.5}]')) AS BLOB)"""
        )
        (record,) = database.execute("SELECT record FROM cases LIMIT 1").fetchone()
    database.close()
    assert b"nearest" not in record
    with contextlib.closing(EmbeddedStores(stored, clock=FixedClock())) as stores:
        cases = stores.cases.list().items
    assert cases
    assert {(case.spans, case.nearest) for case in cases} == {((Span(start=4, end=9, adds=2.5),), ())}
