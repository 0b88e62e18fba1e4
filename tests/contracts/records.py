"""What every store beside the journal must do; each implementation inherits and gives a fixture `store`."""

import itertools

import msgspec
import pytest

from sievert.errors import InvalidField, NotFound
from sievert.schema.access import ApiKey, AuditNote
from sievert.schema.action import Case, OutboxMessage
from sievert.schema.label import PERSPECTIVE_SUGGESTION, Label
from sievert.testing import START

HASH = "ab" * 32


def case(number, *, policy="hate"):
    return Case(
        case_id=f"c{number}",
        decision_id=f"d{number}",
        platform="default",
        post_id=f"p{number}",
        revision=0,
        policy=policy,
        opened_at=START + number,
        priority=0.5,
    )


def message(number):
    return OutboxMessage(
        message_id=f"m{number}",
        kind="case.opened",
        created_at=START,
        body=b"{}",
        next_attempt_at=START + number,
    )


def label(number, *, policy="harm", **more):
    return Label(
        label_id=f"l{number}",
        source=PERSPECTIVE_SUGGESTION,
        platform="default",
        content_digest="ab" * 16,
        attribute="TOXICITY" if policy else "PROFANITY",
        policy=policy,
        value=1.0,
        received_at=START + number,
        key_id="k1",
        **more,
    )


class RecordsContract:
    """`add` puts records in, whatever the implementation calls it."""

    def test_newest_first_in_pages(self, store, add):
        add(tuple(case(i, policy="hate" if i % 3 else "spam") for i in range(10)))
        seen, cursor = [], None
        while True:
            page = store.list(cursor=cursor, limit=3)
            seen += page.items
            cursor = page.cursor
            if cursor is None:
                break
        assert [one.case_id for one in seen] == [f"c{i}" for i in range(9, -1, -1)]
        assert [one.case_id for one in store.list(policy="spam").items] == ["c9", "c6", "c3", "c0"]
        assert [one.case_id for one in store.list(without="hate").items] == ["c9", "c6", "c3", "c0"]
        with pytest.raises(InvalidField):
            store.list(cursor="nonsense")

    def test_counting_since(self, store, add):
        add(tuple(case(i) for i in range(10)))
        assert store.count_since("hate", START + 4) == 6
        assert store.count_since("spam", START) == 0


class LabelsContract:
    """`keep_labels` of the stores puts them in; what is listed is what was said, whatever the policy."""

    def test_labels_come_back_as_they_were_newest_first_by_policy(self, stores, store):
        names = {name: name for name in ("client_token", "community_id", "session_id")}
        said = label(0, text="blorp", languages=("en",), **names)
        stores.keep_labels((said, label(1, policy=None)))
        stores.keep_labels((label(2, policy="hate"), label(3)))
        assert [one.label_id for one in store.list(limit=3).items] == ["l3", "l2", "l1"]
        assert store.list(cursor=store.list(limit=3).cursor).items == [said]
        assert [one.label_id for one in store.list(policy="harm").items] == ["l3", "l0"]
        assert store.count_since("harm", START + 1) == 1

    def test_texts_are_forgotten_and_labels_stay(self, stores, store):
        made = [label(n, text=f"text {n}") for n in range(3)]
        stores.keep_labels(tuple(made))
        store.forget_texts(START + 2)
        assert store.list().items == [
            made[2],
            *(msgspec.structs.replace(one, text=None) for one in made[1::-1]),
        ]
        store.forget_texts(START + 2)
        assert [one.text for one in store.list().items] == ["text 2", None, None]


class OutboxContract:
    def test_a_message_waits_until_it_is_due_and_until_it_is_taken(self, store, add):
        add((message(0), message(5)))
        assert [one.message_id for one in store.due(START, 10)] == ["m0"]
        assert [one.message_id for one in store.due(START + 5, 10)] == ["m0", "m5"]
        assert [one.message_id for one in store.due(START + 5, 1)] == ["m0"]
        store.mark_delivered("m0")
        assert [one.message_id for one in store.due(START + 5, 10)] == ["m5"]
        assert store.counts() == {"pending": 1, "delivered": 1, "dead": 0}

    def test_failures_are_counted_and_put_off_and_end_as_dead_letters(self, store, add):
        add((message(0),))
        store.mark_failed("m0", "refused", START + 100)
        assert store.due(START + 99, 10) == []
        (again,) = store.due(START + 100, 10)
        assert (again.attempts, again.last_error, again.body) == (1, "refused", b"{}")
        store.bury("m0", "refused again")
        assert store.due(START + 10**9, 10) == []
        (dead,) = store.dead(10)
        assert (dead.attempts, dead.state, dead.last_error) == (2, "dead", "refused again")

    def test_only_what_was_delivered_long_ago_is_forgotten(self, store, add):
        add(tuple(message(number) for number in range(4)))
        store.mark_delivered("m0")
        store.mark_delivered("m1")
        store.bury("m2", "x")
        store.forget_delivered(START + 1)
        assert store.counts() == {"pending": 1, "delivered": 1, "dead": 1}
        store.forget_delivered(START + 10**9)
        assert store.counts() == {"pending": 1, "delivered": 0, "dead": 1}

    def test_what_was_sent_can_be_sent_again_by_its_time_with_the_same_body(self, store, add):
        add(tuple(msgspec.structs.replace(message(n), created_at=START + n) for n in range(5)))
        store.mark_delivered("m1")
        store.mark_delivered("m2")
        store.bury("m3", "x")
        assert store.revive_since(START + 2, START + 4, START + 9) == 2
        assert store.counts() == {"pending": 4, "delivered": 1, "dead": 0}
        assert store.revive_since(START + 2, START + 4, START + 9) == 0
        store.revive("m1", START + 9)
        again = {one.message_id: one for one in store.due(START + 9, 9)}
        assert {again[name].body for name in ("m1", "m2", "m3")} == {b"{}"}
        assert again["m3"].attempts == 0

    def test_a_dead_letter_can_be_revived_and_nothing_else(self, store, add):
        add((message(0),))
        for name in ("m0", "nobody"):
            with pytest.raises(NotFound):
                store.revive(name, START)
        store.bury("m0", "x")
        store.revive("m0", START + 7)
        assert store.due(START + 6, 10) == []
        assert store.due(START + 7, 10)[0].attempts == 0


class KeysContract:
    def test_a_key_is_found_by_its_hash_until_it_is_revoked(self, store):
        key = ApiKey(key_id="k1", name="n", secret_sha256=HASH, scopes=("admin",), created_at=START)
        store.add(key)
        assert store.find(HASH) == key
        assert store.find("cd") is None
        store.revoke("k1", START + 1)
        assert store.find(HASH) is None
        assert store.list() == [msgspec.structs.replace(key, revoked_at=START + 1)]
        with pytest.raises(NotFound):
            store.revoke("k2", START)


class AuditContract:
    def test_entries_are_chained(self, store):
        assert store.verify()[0] == 0
        store.append(
            [AuditNote(actor="a", event="e", subject=str(i), details={"n": str(i)}) for i in range(5)]
        )
        store.append([AuditNote(actor="a", event="e", subject="5")])
        entries = store.entries()
        assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5, 6]
        assert all(later.previous == earlier.digest for earlier, later in itertools.pairwise(entries))
        assert store.verify() == (6, entries[-1].digest)
        assert store.entries(after=4, limit=1) == [entries[4]]
