"""No certificate serves another name, none starts removals by itself, and none comes back."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.guardrail import RUNNING
from contracts.guardrail import kept as kept_for
from guarded import guarded, hate_set
from sievert.errors import InvalidField
from sievert.guardrail.promotion import expire, missing, newest, promote, withdraw
from sievert.pipeline.path import run
from sievert.schema.batch import Effects
from sievert.schema.certificate import Dial, Running, terms_of
from sievert.schema.clock import DAY
from sievert.schema.guardrail import CertificateState, KeptCertificate, name_of
from sievert.schema.policy import Mode
from sievert.schema.post import Post
from sievert.scoring.utterances import Shares
from sievert.stores.guardrail.base import Change
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock, records

POLICIES = hate_set()
HATE = POLICIES.policies[0]


def certificate(running, **more):
    stated = {
        "policy_version": HATE.version,
        "terms": terms_of(HATE),
        "bundle": running.bundle,
        "forecaster": running.forecaster,
        "triggers": running.triggers,
        "lambda_posts": 100.0,
        "issued_at": START,
        "expires_at": START + 7 * DAY,
    }
    return msgspec.structs.replace(kept_for().certificate, **{**stated, **more})


def proposed(one) -> KeptCertificate:
    return msgspec.structs.replace(kept_for(), name=name_of(one), certificate=one)


def store_with(*kept):
    stores = MemoryStores(clock=FixedClock())
    stores.guardrail.apply(Change(certificates=kept), Effects(), seen=0)
    return stores


OTHER = {
    "policy_version": 9,
    "terms": "0" * 16,
    "platform": "elsewhere",
    "bundle": "another",
    "forecaster": "another",
    "embeddings": "another",
    "triggers": "another",
    "heavy_share": Dial(most=0.001),
    "image_heavy_share": Dial(least=0.9),
    "expires_at": START,
    "format": 2,
}


@pytest.mark.parametrize("named", sorted(OTHER))
def test_a_certificate_that_names_something_else_is_not_promoted_and_would_not_remove(named, tiny_bundle):
    stores = MemoryStores(clock=FixedClock())
    stores.clock = FixedClock()
    parts = guarded(stores, tiny_bundle)
    wrong = msgspec.structs.replace(
        proposed(certificate(parts.running, **{named: OTHER[named]})), state=CertificateState.PROPOSED
    )
    stores.guardrail.apply(Change(certificates=(wrong,)), Effects(), seen=0)
    with pytest.raises(InvalidField, match="not promoted"):
        promote(stores.guardrail, HATE, parts.running, platform="default", now=START, actor="a")
    # And if somebody wrote it into the store as active, the path would still not hear it.
    active = msgspec.structs.replace(wrong, state=CertificateState.ACTIVE)
    stores.guardrail.apply(Change(certificates=(active,)), Effects(), seen=1)
    (answer,) = run(records(Post(id="a", text="you blorp")), parts)
    assert answer.decision == "review"


def test_a_certificate_stops_where_dial_bundle_or_time_leave_what_it_names(tiny_bundle):
    stores = MemoryStores(clock=FixedClock())
    stores.clock = FixedClock()
    parts = guarded(stores, tiny_bundle)
    good = proposed(certificate(parts.running, heavy_share=Dial(most=0.03)))
    stores.guardrail.apply(Change(certificates=(good,)), Effects(), seen=0)
    promote(stores.guardrail, HATE, parts.running, platform="default", now=START, actor="a")

    def outcome(name, some):
        return run(records(Post(id=name, text="you blorp")), some)[0].decision

    assert outcome("a", parts) == "remove"
    turned = dataclasses.replace(parts, shares=Shares(text=0.2, pictures=0.03))
    assert outcome("b", turned) == "review"
    assert outcome("c", parts) == "remove"
    stores.clock.advance(7 * DAY)
    assert outcome("d", parts) == "review"
    (over,) = expire(stores.guardrail, now=stores.clock.now())
    assert over.state is CertificateState.EXPIRED
    assert expire(stores.guardrail, now=stores.clock.now()) == ()
    assert stores.audit.entries()[-1].event == "guardrail.expired"


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        (hate_set(Mode.SHADOW), "mode: shadow"),
        (hate_set(live_actions=("demote", "review")), "does not list remove"),
        (hate_set(version=2), "another policy_version"),
        (hate_set(floor=0.9), "another terms"),
    ],
)
def test_a_promotion_says_everything_that_is_missing(policies, says):
    running = Running(bundle="b", triggers="t")
    stores = store_with(proposed(certificate(running)))
    with pytest.raises(InvalidField, match=says):
        promote(stores.guardrail, policies.policies[0], running, platform="default", now=START, actor="a")
    assert stores.guardrail.certificates()[0].state is CertificateState.PROPOSED
    assert stores.audit.verify()[0] == 0


def test_a_promotion_tells_the_shares_that_it_is_proven_for_and_the_one_that_runs():
    running = Running(bundle="b", triggers="t", heavy_share=0.2, image_heavy_share=0.03)
    kept = proposed(
        certificate(
            running, heavy_share=Dial(least=0.01, most=0.03), image_heavy_share=Dial(least=0.5, most=0.5)
        )
    )
    assert missing(kept, HATE, running, platform="default", now=START) == (
        "the heavy model reads 0.2 of texts (heavy_share), and it is proven for 0.01 to 0.03",
        "the heavy model reads 0.03 of posts with pictures (image_heavy_share), and it is proven for 0.5",
    )


def test_without_a_certificate_or_a_server_nothing_is_promoted():
    stores = store_with()
    for running, says in ((RUNNING, "no certificate is proposed"), (None, "no certificate")):
        with pytest.raises(InvalidField, match=says):
            promote(stores.guardrail, HATE, running, platform="default", now=START, actor="a")
    assert (
        "no server ran here"
        in missing(proposed(certificate(RUNNING)), HATE, None, platform="default", now=START)[0]
    )


def test_a_new_certificate_takes_the_place_of_the_old_one():
    one, two = (proposed(certificate(RUNNING, lambda_posts=level)) for level in (9.0, 5.0))
    stores = store_with(one)
    store = stores.guardrail
    promote(store, HATE, RUNNING, platform="default", now=START, actor="a")
    store.apply(Change(certificates=(two,)), Effects(), seen=store.version)
    promote(store, HATE, RUNNING, platform="default", now=START + 1, actor="a")
    assert [one.state for one in store.certificates()] == [CertificateState.EXPIRED, CertificateState.ACTIVE]


ACTS = st.lists(st.sampled_from(["promote", "withdraw", "expire", "wait"]), max_size=12)


@given(ACTS)
def test_what_was_withdrawn_never_permits_again(acts):
    stores = store_with(proposed(certificate(RUNNING)))
    store, now, ended = stores.guardrail, START, False
    for act in acts:
        try:
            if act == "promote":
                promote(store, HATE, RUNNING, platform="default", now=now, actor="a")
            elif act == "withdraw":
                withdraw(store, "hate", platform="default", reason="because", now=now, actor="a")
                ended = True
            elif act == "expire":
                ended = bool(expire(store, now=now)) or ended
            else:
                now += 3 * DAY
        except InvalidField:
            continue
        if ended:
            assert newest(store, "hate", "default", CertificateState.ACTIVE) is None
    stores.audit.verify()


def test_a_withdrawal_needs_a_reason_and_something_to_withdraw():
    stores = store_with(proposed(certificate(RUNNING)))
    with pytest.raises(InvalidField, match="needs a reason"):
        withdraw(stores.guardrail, "hate", platform="default", reason=" ", now=START, actor="a")
    with pytest.raises(InvalidField, match="no certificate"):
        withdraw(stores.guardrail, "hate", platform="q", reason="x", now=START, actor="a")
    ended = withdraw(stores.guardrail, "hate", platform="default", reason="x", now=START, actor="key k")
    assert (ended.state, ended.changed_by) == (CertificateState.WITHDRAWN, "key k")
