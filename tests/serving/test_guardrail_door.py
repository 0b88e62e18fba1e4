"""The guardrail over HTTP, and in a running server that follows what others do to its records."""

import re
import shutil
import time

import msgspec
import pytest

from contracts.guardrail import kept as kept_for
from guarded import settlement
from running_server import running
from sievert.errors import StoreUnavailable
from sievert.guardrail.ledger import settle
from sievert.guardrail.promotion import promote
from sievert.policy.loading import default_policies_path
from sievert.schema.batch import Effects
from sievert.schema.certificate import terms_of
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.guardrail import CertificateState, name_of
from sievert.schema.person import Role
from sievert.stores.consequences import SqlConsequences
from sievert.stores.database import Database
from sievert.stores.guardrail.base import Change
from signed_in import add_person, browser_of, token_for


@pytest.fixture
def policies(tmp_path):
    """A folder with a live policy on hate."""
    folder = tmp_path / "policies"
    shutil.copytree(default_policies_path(), folder)
    text = (folder / "hate.yaml").read_text()
    (folder / "hate.yaml").write_text(text.replace("mode: shadow", "mode: live\nremovals_flood: 1000"))
    return folder


@pytest.fixture
def server(tmp_path, tiny_folder, policies):
    """A server whose policy on hate may remove, with certificates; whatever is removed is audited."""
    with running(tmp_path / "data", tiny_folder, policies=str(policies), audit_rate=1.0) as one:
        yield one


@pytest.fixture
def beside(server, tmp_path):
    """The guardrail's records as another process sees them."""
    database = Database(tmp_path / "data" / "sievert.db")
    yield SqlConsequences(database, clock=SystemClock()).guardrail
    database.close()


def certified(server, beside):
    """Propose a certificate for what runs and promote it, beside the server."""
    parts = server.doors.parts
    hate = parts.policies.named("hate")
    now = SystemClock().now()
    certificate = msgspec.structs.replace(
        kept_for().certificate,
        policy_version=hate.version,
        terms=terms_of(hate),
        bundle=parts.running.bundle,
        forecaster=parts.running.forecaster,
        triggers=parts.running.triggers,
        issued_at=now,
        expires_at=now + DAY,
    )
    kept = msgspec.structs.replace(kept_for(), name=name_of(certificate), certificate=certificate)
    change(beside, Change(certificates=(kept,)))
    for _ in range(50):
        try:
            return promote(beside, hate, beside.running(), platform="default", now=now, actor="a")
        except StoreUnavailable:  # the server changed the records meanwhile
            time.sleep(0.05)
    raise AssertionError


def change(store, wanted):
    for _ in range(50):
        try:
            return store.apply(wanted, Effects(), seen=store.version)
        except StoreUnavailable:
            time.sleep(0.05)
    raise AssertionError


def outcome(client, name):
    answer = client.post("/api/v1/posts", json={"id": name, "text": "you blorp"})
    assert answer.status_code == 200, answer.text
    return answer.json()["decision"]


def standing(client):
    items = client.get("/api/v1/guardrail").json()["items"]
    return next(one for one in items if one["policy"] == "hate")


def test_a_running_server_follows_a_promotion_and_a_withdrawal_at_the_next_batch(server, client, beside):
    before = standing(client)
    assert (before["removes"], before["mode"], before["budget_left"]) == (False, "live", 0.05)
    assert "no certificate is proposed" in before["missing"][0]
    assert outcome(client, "a") == "review"
    kept = certified(server, beside)
    assert outcome(client, "b") == "remove"
    now = standing(client)
    assert (now["removes"], now["state"], now["removals"]) == (True, "active", 1)
    assert now["by_posts"]["fires_after"] > 3
    done = client.post("/api/v1/guardrail/hate/withdraw", json={"reason": "we saw something"})
    assert done.status_code == 200, done.text
    assert (done.json()["removes"], done.json()["state"]) == (False, "withdrawn")
    assert outcome(client, "c") == "review"
    found = beside.certificate(kept.name)
    assert found.changed_by.startswith("key:")
    assert client.post("/api/v1/guardrail/hate/withdraw", json={"reason": "again"}).status_code == 422


def test_whoever_reads_the_ledger_sees_that_a_switch_stops_what_is_certified(server, client, beside):
    certified(server, beside)

    def hate():
        return next(one for one in client.get("/api/v1/guardrail").json()["items"] if one["policy"] == "hate")

    assert (hate()["removes"], hate()["stopped"], hate()["missing"]) == (True, False, [])
    turn = {"turn": "stop", "what": "demotions", "policy": "hate", "reason": "a look"}
    client.post("/api/v1/switch", json=turn).raise_for_status()
    assert hate()["removes"]
    client.post("/api/v1/switch", json={**turn, "what": "removals"}).raise_for_status()
    found = hate()
    assert (found["removes"], found["stopped"], found["state"]) == (False, True, "active")
    (said,) = found["missing"]
    assert re.fullmatch(r"removals are stopped by key:\S+ since .* UTC, until `sievert resume`: a look", said)
    with browser_of(server, token_for(server, add_person(server, roles=[Role.AUDITOR]))) as reads:
        assert "<strong>stopped</strong>" in reads.get("/ledger").text
        assert "until `sievert resume`: a look" in reads.get("/ledger/hate").text


def test_a_withdrawal_that_is_not_one_is_refused(client):
    for path, body, status in (
        ("hate", {}, 422),
        ("hate", {"reason": ""}, 422),
        ("hate", {"reason": "x", "why": "y"}, 422),
        ("nothing", {"reason": "x"}, 404),
    ):
        answer = client.post(f"/api/v1/guardrail/{path}/withdraw", json=body)
        assert answer.status_code == status, answer.text


def test_the_server_audits_what_it_removes_and_withdraws_by_itself(server, client, beside):
    kept = certified(server, beside)
    for number in range(40):
        assert outcome(client, f"p{number}") == "remove"
    audits = wait_for(lambda: beside.audits(kept.name))
    judged = set()
    while beside.certificate(kept.name).state is CertificateState.ACTIVE:
        audits = beside.audits(kept.name)
        wrong = [settlement(one, harmful=False, at=0) for one in audits if one.audit_id not in judged]
        try:
            settle(beside, wrong, now=SystemClock().now())
            judged |= {one.about for one in wrong}
        except StoreUnavailable:
            time.sleep(0.05)
        time.sleep(0.05)
    assert outcome(client, "after") == "review"
    assert "audits of removals" in standing(client)["reason"]
    metrics = wait_for(
        lambda: 'sievert_certificates_withdrawn_total{policy="hate"} 1' in client.get("/metrics").text
    )
    assert metrics
    cases = client.get("/api/v1/cases?limit=1000").json()["items"]
    assert {one["case_id"] for one in cases if one["kind"] == "audit"} == {one.case_id for one in audits}


def wait_for(found):
    deadline = time.monotonic() + 30
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value
