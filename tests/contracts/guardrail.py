"""What every store of the guardrail promises; each implementation inherits and gives a fixture `stores`."""

import msgspec
import pytest

from sievert.errors import NotFound, StoreUnavailable
from sievert.schema.access import AuditNote
from sievert.schema.action import Case, OutboxMessage
from sievert.schema.batch import Effects
from sievert.schema.certificate import Certificate, Running
from sievert.schema.guardrail import (
    Attempt,
    AttemptState,
    Audit,
    AuditBy,
    AuditState,
    CertificateState,
    Crossing,
    EntryKind,
    KeptCertificate,
    LedgerEntry,
    name_of,
)
from sievert.schema.measuring import Measurement, ViewStratum
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.stores.guardrail.base import Change
from sievert.testing import START, batch_of

RUNNING = Running(bundle="b", triggers="t")


def crossing(number, **more):
    """A crossing at its number, for hate."""
    stated = {
        "policy": "hate",
        "platform": "default",
        "post_id": f"p{number}",
        "revision": 0,
        "decision_id": f"d{number}",
        "p": 0.9,
        "views": float(number),
        "at": START + number,
        "under": "u",
    }
    return Crossing(**{**stated, **more})


def attempt(name="t1", **more):
    """An attempt that watches."""
    stated = {
        "attempt_id": name,
        "policy": "hate",
        "platform": "default",
        "year": 2027,
        "number": 1,
        "delta": 0.025,
        "state": AttemptState.WATCHING,
        "under": "u",
        "policy_version": 1,
        "terms": "x",
        "running": RUNNING,
        "levels": (5.0, 1.0),
        "lambda_views": 1.0,
        "audits_posts": 10,
        "audits_views": 10,
        "since": START,
        "until": START + 100,
        "opened_at": START,
        "opened_by": "a",
    }
    return Attempt(**{**stated, **more})


def audit(name, **more):
    """An open audit of attempt t1."""
    stated = {
        "audit_id": name,
        "purpose": "t1",
        "policy": "hate",
        "by": AuditBy.POSTS,
        "place": 0,
        "probability": 0.5,
        "platform": "default",
        "post_id": "p1",
        "revision": 0,
        "decision_id": "d1",
        "p": 0.9,
        "views": 3.0,
        "drawn_at": START,
        "case_id": f"c-{name}",
    }
    return Audit(**{**stated, **more})


def kept(policy="hate", **more):
    """A proposed certificate."""
    certificate = Certificate(
        policy=policy,
        policy_version=1,
        terms="x",
        platform="default",
        bundle="b",
        lambda_posts=5.0,
        lambda_views=1.0,
        issued_at=START,
        expires_at=START + 1000,
    )
    stated = {
        "name": name_of(certificate),
        "certificate": certificate,
        "attempt_id": "t1",
        "state": CertificateState.PROPOSED,
        "changed_at": START,
        "changed_by": "a",
    }
    return KeptCertificate(**{**stated, **more})


def entry(name, **more):
    """A ledger entry."""
    stated = {
        "entry_id": name,
        "policy": "hate",
        "certificate": "x",
        "kind": EntryKind.AUDIT,
        "at": START,
    }
    return LedgerEntry(**{**stated, **more})


def measurement(name, **more):
    """A measurement of one stratum."""
    stated = {
        "measurement_id": name,
        "policy": "hate",
        "platform": "default",
        "since": START,
        "until": START + 1,
        "posts": 1,
        "unscored": 0.0,
        "views": 5,
        "measured_by": "b",
        "decided_by": ("c",),
        "strata": (ViewStratum(weight=1.0, expected=0.1, draws=1, by_day=(1.0,)),),
        "cases": 1,
        "drawn_at": START,
        "drawn_by": "a",
    }
    return Measurement(**{**stated, **more})


def effects():
    """A case, a message and an audit note."""
    case = Case(
        case_id="c",
        decision_id="d",
        platform="default",
        post_id="p",
        revision=0,
        policy="hate",
        opened_at=START,
        priority=1.0,
    )
    message = OutboxMessage(message_id="m", kind="k", created_at=START, body=b"{}")
    return Effects(cases=(case,), messages=(message,), audit=(AuditNote(actor="a", event="e", subject="s"),))


class GuardrailContract:
    """`stores` are whole, `add` puts crossings in as the journal would."""

    def test_nothing_is_there_at_first(self, stores):
        store = stores.guardrail
        assert (store.version, store.read(), store.running()) == (0, 0, None)
        assert store.attempts() == store.certificates() == store.audits("t1") == store.entries("hate") == []
        assert (store.audit("a"), store.removal("hate", "d"), store.policies("x")) == (None, None, None)
        with pytest.raises(NotFound):
            store.certificate("x")

    def test_the_secret_is_made_once(self, stores):
        assert stores.guardrail.key() == stores.guardrail.key()
        assert len(stores.guardrail.key()) == 32

    def test_what_runs_and_what_policies_said_is_kept(self, stores):
        store = stores.guardrail
        for running in (RUNNING, msgspec.structs.replace(RUNNING, bundle="c")):
            store.note_running(running)
            assert store.running() == running
        some = PolicySet(digest="x", policies=())
        store.note_policies(some)
        store.note_policies(some)
        assert store.policies("x") == some

    def test_a_change_is_whole_with_its_effects(self, stores):
        store = stores.guardrail
        change = Change(
            attempts=(attempt(),),
            audits=(audit("a1"), audit("a2")),
            certificates=(kept(),),
            entries=(entry("e1"),),
            read=7,
        )
        store.apply(change, effects(), seen=0)
        assert (store.version, store.read()) == (1, 7)
        assert (store.attempts(), store.certificates()) == ([attempt()], [kept()])
        assert (store.audits("t1"), store.entries("hate")) == ([audit("a1"), audit("a2")], [entry("e1")])
        assert [one.case_id for one in stores.cases.list().items] == ["c"]
        assert [one.message_id for one in stores.outbox.due(START, 9)] == ["m"]
        assert [one.event for one in stores.audit.entries()] == ["e"]

    def test_measurements_are_kept_with_their_draws_and_the_texts_that_reviewers_need(self, stores):
        store = stores.guardrail
        some = (measurement("m2", drawn_at=START + 1), measurement("m1", drawn_at=START))
        text = Post(id="p", text="hello")
        stores.journal.find(batch_of([text]))
        store.apply(
            Change(measurements=some, audits=(audit("u", purpose="m1", day=START),)),
            Effects(texts=(text,)),
            seen=0,
        )
        assert {one.measurement_id for one in store.measurements()} == {"m1", "m2"}
        assert store.audits("m1")[0].day == START
        again = msgspec.structs.replace(some[0], posts=7)
        store.apply(Change(measurements=(again,)), Effects(texts=(text,)), seen=1)
        assert sorted(one.posts for one in store.measurements()) == [1, 7]

    def test_who_was_overtaken_changes_nothing(self, stores):
        store = stores.guardrail
        store.apply(Change(attempts=(attempt(),)), Effects(), seen=0)
        with pytest.raises(StoreUnavailable, match="changed by somebody else"):
            store.apply(Change(attempts=(attempt("t2"),), read=3), effects(), seen=0)
        assert (store.version, store.read(), store.attempts()) == (1, 0, [attempt()])
        assert stores.cases.list().items == []
        assert stores.audit.verify()[0] == 0

    def test_what_is_replaced_keeps_its_place(self, stores):
        store = stores.guardrail
        some = tuple(audit(f"a{n}", place=n) for n in range(4))
        store.apply(Change(audits=some), Effects(), seen=0)
        settled = msgspec.structs.replace(some[1], state=AuditState.SETTLED, harmful=True)
        store.apply(
            Change(audits=(settled,), attempts=(attempt(state=AttemptState.PROVEN),)), Effects(), seen=1
        )
        assert store.audits("t1") == [some[0], settled, *some[2:]]
        assert store.audits("t1", states=(AuditState.OPEN,)) == [some[0], *some[2:]]
        assert store.judged("hate") == [settled]
        assert store.audit("a1") == settled
        assert store.judged("spam") == []

    def test_crossings_come_by_policy_time_and_number(self, stores, add):
        add(tuple(crossing(n) for n in range(5)))
        add((crossing(9, policy="spam"), crossing(9, platform="q"), crossing(1, post_id="late")))
        store = stores.guardrail
        found = store.crossings("hate", "default", since=START + 1, until=START + 4)
        assert [one.post_id for _, one in found] == ["p1", "p2", "p3", "late"]
        numbers = [number for number, _ in found]
        assert numbers == sorted(set(numbers))
        through = store.crossings("hate", "default", since=0, until=START + 9, through=numbers[0])
        assert [one.post_id for _, one in through] == ["p0", "p1"]
        store.forget_crossings(START + 3)
        kept_ = store.crossings("hate", "default", since=0, until=START + 9)
        assert [one.post_id for _, one in kept_] == ["p3", "p4"]

    def test_removals_are_crossings_that_name_a_certificate(self, stores, add):
        add((crossing(1), crossing(2, certificate="x"), crossing(3, certificate="y")))
        add((crossing(4, certificate="x"),))
        store = stores.guardrail
        (first, one), (_, two) = store.removals("x")
        assert (one.post_id, two.post_id) == ("p2", "p4")
        assert [found.post_id for _, found in store.removals("x", after=first)] == ["p4"]
        assert store.removals("") == []
        assert store.removal("hate", "d3").certificate == "y"
        assert store.removal("hate", "d1") is None
        assert store.removal("spam", "d3") is None

    def test_certificates_and_entries_by_policy(self, stores):
        store = stores.guardrail
        both = (kept(), kept("spam"))
        some = (entry("e1"), entry("e2", kind=EntryKind.APPEAL), entry("e3"), entry("e4", policy="spam"))
        store.apply(Change(certificates=both, entries=some), Effects(), seen=0)
        assert store.certificates("spam") == [both[1]]
        assert store.certificate(both[0].name) == both[0]
        assert [one.entry_id for one in store.entries("hate", limit=2)] == ["e2", "e3"]
        assert [one.entry_id for one in store.entries("hate", kind=EntryKind.APPEAL)] == ["e2"]
