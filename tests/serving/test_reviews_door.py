"""Reviewers over HTTP: claims, verdicts, what follows from them, appeals, known answers."""

import contextlib
import dataclasses
import itertools
import json

import msgspec
import pytest

from running_server import running
from sievert.pipeline.settling import count_settled
from sievert.review.order import Shares
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.identity import derived_id
from sievert.schema.person import Role
from sievert.schema.policy import Mode
from sievert.stores.activity.base import PostName
from sievert.testing import FixedClock
from signed_in import add_person, browser_of, token_for

MINUTE = 60 * SECOND
HARMFUL = {"violates": ["hate"]}
HARMLESS = {"violates": []}


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def policies(tmp_path):
    """The shipped policies, with hate live."""
    from sievert.policy.loading import default_policies_path

    folder = tmp_path / "policies"
    folder.mkdir()
    for file in default_policies_path().iterdir():
        text = file.read_text() if file.suffix == ".yaml" else None
        if text is not None:
            if file.stem == "hate":
                text = "\n".join(line for line in text.splitlines() if not line.startswith("mode:"))
                text += f"\nmode: {Mode.LIVE.value}\n"
            (folder / file.name).write_text(text)
    return folder


@pytest.fixture
def shares():
    """Every claim gets the first in order."""
    return Shares(random=0.0, gold=0.0)


def in_order(doors):
    """Doors of which no turn is drawn by chance."""
    return dataclasses.replace(
        doors, desk=dataclasses.replace(doors.desk, shares=Shares(random=0.0, gold=0.0))
    )


@pytest.fixture
def server(tmp_path, tiny_folder, policies, clock, shares):
    def change(doors):
        return dataclasses.replace(doors, desk=dataclasses.replace(doors.desk, shares=shares))

    chosen = {"clock": clock, "policies": str(policies), "change": change}
    with running(tmp_path / "data", tiny_folder, **chosen) as one:
        yield one


@pytest.fixture
def client(server):
    with server.client() as one:
        yield one


@pytest.fixture
def people(server):
    """Two reviewers who may do nothing else."""
    with (
        server.client(server.new_key("review:work")) as ann,
        server.client(server.new_key("review:work")) as bob,
    ):
        yield ann, bob


def submit(client, name, text="you blorp", **more):
    answer = client.post("/api/v1/posts", json={"id": name, "text": text, **more})
    assert answer.status_code == 200
    return answer.json()


def tell(client, *events):
    body = "\n".join(json.dumps(one) for one in events)
    answer = client.post("/api/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200


def claim(reviewer, **wanted):
    answer = reviewer.post("/api/v1/cases/claim", json=wanted)
    return answer.json() if answer.status_code == 200 else answer.status_code


def judge(reviewer, case_id, said):
    return reviewer.post(f"/api/v1/cases/{case_id}/verdict", json=said)


def state(client, case_id):
    return client.get(f"/api/v1/cases/{case_id}").json()


def actions(client):
    return [(one["kind"], one["policy"]) for one in client.get("/api/v1/actions").json()["items"]][::-1]


def test_a_case_is_claimed_judged_and_acted_on(server, client, people, clock):
    ann, bob = people
    submit(client, "a", creator_id="eve")
    given = claim(ann)
    assert given["case"]["state"] == "claimed"
    assert given["post"]["text"] == "you blorp"
    assert given["reasons"][0]["sentence"]
    assert given["expires_at"] == clock.now() + 15 * MINUTE
    assert claim(bob) == 204
    case_id = given["case"]["case_id"]
    clock.advance(30_000_000)

    refused = judge(bob, case_id, HARMFUL)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:sievert:problem:case-conflict")
    said = judge(ann, case_id, HARMFUL)
    assert said.status_code == 200
    assert said.json()["seconds"] == 30.0
    assert judge(ann, case_id, HARMFUL).json() == said.json()
    other = judge(ann, case_id, HARMLESS)
    assert (other.status_code, other.json()["field"]) == (409, "violates")

    stands = state(client, case_id)
    assert stands["case"]["state"] == "settled"
    assert stands["settlement"]["violates"] == ["hate"]
    assert stands["settlement"]["policy_versions"] == {
        "hate": server.doors.parts.policies.named("hate").version
    }
    assert [one["state"] for one in client.get("/api/v1/cases").json()["items"]] == ["settled"]
    assert actions(client) == [("demote", "hate"), ("remove", "hate")]
    (label,) = client.get("/api/v1/labels").json()["items"]
    assert (label["source"], label["policy"], label["value"], label["text"]) == (
        "review",
        "hate",
        1.0,
        "you blorp",
    )
    assert (label["post_id"], label["revision"]) == ("a", 0)
    events = [entry.event for entry in server.doors.stores.audit.entries()]
    assert events[-2:] == ["case.settled", "action.remove"]
    assert "blorp" not in str(server.doors.stores.audit.entries())
    server.doors.stores.audit.verify()


def test_what_is_found_harmless_comes_back(client, people):
    ann, _ = people
    submit(client, "a")
    demoted = client.get("/api/v1/actions").json()["items"][0]
    judge(ann, claim(ann)["case"]["case_id"], HARMLESS)
    restore = client.get("/api/v1/actions").json()["items"][0]
    assert (restore["kind"], restore["undoes"]) == ("restore", [demoted["action_id"]])
    assert restore["by"].startswith("key:")
    assert client.get("/api/v1/labels").json()["items"][0]["value"] == 0.0


def test_under_a_policy_in_shadow_nobody_removes(client, people):
    ann, _ = people
    submit(client, "a", "win a cruise")
    given = claim(ann)
    assert given["case"]["policy"] == "spam"
    judge(ann, given["case"]["case_id"], {"violates": ["spam"]})
    assert ("remove", "spam") not in actions(client)


def test_a_vanished_reviewers_case_goes_to_the_next(client, people, clock):
    ann, bob = people
    submit(client, "a")
    case_id = claim(ann)["case"]["case_id"]
    clock.advance(15 * MINUTE)
    assert claim(bob)["case"]["case_id"] == case_id
    assert judge(ann, case_id, HARMFUL).status_code == 409
    assert bob.post(f"/api/v1/cases/{case_id}/release").status_code == 204
    assert bob.post(f"/api/v1/cases/{case_id}/release").status_code == 409
    assert claim(ann)["case"]["case_id"] == case_id
    clock.advance(16 * MINUTE)
    assert judge(ann, case_id, HARMFUL).status_code == 200  # late, but nobody else has it


def test_near_duplicates_are_settled_together(client, people):
    ann, _ = people
    long = "you blorp of a kind that nobody ever saw before in this whole wide town, " * 2
    submit(client, "a", long)
    submit(client, "b", long.upper())
    submit(client, "c", long + "no")
    submit(client, "d", "you blorp of another kind: go and look for it under some other stone today")
    submit(client, "e", "You   BLORP")
    submit(client, "f", "you blorp")
    first = claim(ann)
    assert (first["case"]["post_id"], first["joined"]) == ("a", 2)
    judge(ann, first["case"]["case_id"], HARMFUL)
    assert {claim(ann)["case"]["post_id"], claim(ann)["case"]["post_id"]} == {"d", "e"}
    assert claim(ann) == 204
    removed = [
        one["post_id"] for one in client.get("/api/v1/actions").json()["items"] if one["kind"] == "remove"
    ]
    assert sorted(removed) == ["a", "b", "c"]


def test_an_appeal_is_decided_by_somebody_else_and_told(server, client, people):
    ann, bob = people
    submit(client, "a")
    judge(ann, claim(ann)["case"]["case_id"], HARMFUL)
    removed = client.get("/api/v1/actions").json()["items"][0]
    assert removed["kind"] == "remove"
    said = {"action_id": removed["action_id"], "by": "eve", "statement": "it was a quotation"}
    with server.client(server.new_key("appeals:write")) as platform:
        filed = platform.post("/api/v1/appeals", json=said)
        assert filed.status_code == 200
        assert platform.post("/api/v1/appeals", json=said).json() == filed.json()
        other = platform.post("/api/v1/appeals", json={**said, "statement": "other words"})
        assert other.status_code == 409
        assert platform.post("/api/v1/appeals", json={"action_id": "a_none"}).status_code == 404
    submit(client, "b", "you blorp, you other blorp")
    assert claim(ann)["case"]["post_id"] == "b"
    assert claim(ann) == 204
    given = claim(bob)
    assert (given["case"]["kind"], given["statement"]) == ("appeal", "it was a quotation")
    # Whoever decides shall not lean on whoever decided before.
    assert (given["blind"], given["settled"], given["reasons"]) == (True, [], [])
    judge(bob, given["case"]["case_id"], HARMLESS)
    restore = client.get("/api/v1/actions").json()["items"][0]
    assert restore["kind"] == "restore"
    assert removed["action_id"] in restore["undoes"]
    assert server.doors.desk.reviews.appeal(filed.json()["appeal_id"]).state == "overturned"
    assert [one["source"] for one in client.get("/api/v1/labels").json()["items"]] == ["appeal", "review"]
    events = [entry.event for entry in server.doors.stores.audit.entries()]
    assert "appeal.filed" in events
    assert events[-1] == "appeal.overturned"
    assert "quotation" not in str(server.doors.stores.audit.entries())
    overturned = given["case"]["decision_id"]
    (first,) = (
        one.case_id
        for one in server.doors.stores.cases.list().items
        if one.decision_id == overturned and one.kind == "decision"
    )
    refused = client.post("/api/v1/gold", json={"case_id": first})
    assert refused.status_code == 409
    assert "they found otherwise since" in refused.json()["detail"]
    assert client.post("/api/v1/gold", json={"case_id": given["case"]["case_id"]}).status_code == 200
    again = client.post("/api/v1/appeals", json={"action_id": restore["action_id"]})
    assert again.status_code == 422


def test_double_review_is_blind_and_ends_with_an_adjudicator(server, client, people):
    ann, _ = people
    submit(client, "a")
    stores = server.doors.stores
    decided = stores.cases.list().items[0]
    judge(ann, claim(ann)["case"]["case_id"], HARMFUL)
    audit = msgspec.structs.replace(
        decided, case_id="c_audit", kind="audit", judges=2, blind=True, about="audit-1", state="open"
    )
    stores.reviews.add(Effects(cases=(audit,)))
    keys = [server.new_key("review:work") for _ in range(3)]
    found = []
    assert claim(ann) == 204  # she judged the post before
    for key, said in zip(keys, (HARMFUL, HARMLESS, HARMFUL), strict=True):
        with server.client(key) as one:
            given = claim(one)
            assert given["case"]["probability"] is None
            assert given["case"]["about"] == ""  # an audit's id hangs on its score
            assert (given["reasons"], given["settled"], given["case"]["priority"]) == ([], [], 0.0)
            held = judge(one, "c_audit", {**said, "hold_seconds": 60}).json()
            assert held["adjudicates"] is False  # who can change their mind is not told that others differ
            one.post("/api/v1/cases/c_audit/verdict/undo").raise_for_status()
            found.append(judge(one, "c_audit", said).json()["adjudicates"])
            if len(found) < 3:
                assert state(client, "c_audit")["verdicts"] == []
    assert found == [False, False, True]
    settled = state(client, "c_audit")
    assert settled["settlement"]["about"] == "audit-1"
    assert len(settled["settlement"]["verdicts"]) == 3
    assert settled["settlement"]["violates"] == ["hate"]
    assert [one.kind for _, one in stores.reviews.settlements()] == ["decision", "audit"]
    assert [one["kind"] for one in client.get("/api/v1/actions").json()["items"]].count("remove") == 1


@pytest.mark.parametrize("shares", [Shares(random=0.0, gold=0.5)])
def test_known_answers_look_like_any_case_and_tell_how_reviewers_do(server, client, people):
    ann, bob = people
    submit(client, "a")
    first = claim(ann)["case"]["case_id"]
    assert client.post("/api/v1/gold", json={"case_id": first}).status_code == 409
    judge(ann, first, HARMFUL)
    assert client.post("/api/v1/gold", json={"case_id": first}).status_code == 200
    for number in range(40):
        submit(client, f"n{number}", f"you blorp number {number}")
    for _ in range(40):  # until a turn is gold
        given = claim(bob)
        if given["post"]["id"] == "a":
            break
    assert (given["case"]["kind"], given["settled"]) == ("decision", [])
    judge(bob, given["case"]["case_id"], HARMLESS)
    # What was found of it would tell that it is one: only who judges nothing may read that.
    with server.client(server.new_key("decisions:read")) as reads:
        assert len(state(reads, given["case"]["case_id"])["verdicts"]) == 1
    assert state(client, given["case"]["case_id"])["verdicts"] == []
    assert server.doors.desk.reviews.settlements(after=1) == []
    shown = {one["reviewer"]: one for one in client.get("/api/v1/reviewers").json()["items"]}
    (judged,) = (one for one in shown.values() if one["quality"])
    missed = judged["quality"]["missed"]
    assert (missed["asked"], missed["wrong"], missed["rate"]) == (1, 1, 1.0)
    assert 0 < missed["low"] < 0.05 < missed["high"] == 1.0
    assert judged["last_hour"] >= 1


def test_nothing_in_a_case_id_tells_a_known_answer_from_a_decision(server, client, people):
    """Red when ids follow from what anybody can read: the decision, the post, the case that was asked before."""
    ann, _ = people
    submit(client, "a")
    first = claim(ann)["case"]
    judge(ann, first["case_id"], HARMFUL)
    asked = client.post("/api/v1/gold", json={"case_id": first["case_id"]}).json()
    readable = ("gold", "default", "a", "0", first["decision_id"], first["case_id"])
    guessable = {
        derived_id("c", *parts) for n in (1, 2, 3, 4) for parts in itertools.permutations(readable, n)
    } | {f"c_{first['decision_id'].removeprefix('d_')}"}
    assert not guessable & {first["case_id"], asked["case_id"]}


def test_a_known_answer_goes_when_people_find_otherwise_or_somebody_withdraws_it(server, client, people):
    ann, bob = people
    submit(client, "a")
    first = claim(ann)["case"]["case_id"]
    judge(ann, first, HARMFUL)
    known = client.post("/api/v1/gold", json={"case_id": first}).json()["case_id"]
    submit(client, "b", "you blorp again")
    second = claim(bob)["case"]["case_id"]
    judge(bob, second, HARMFUL)
    other = client.post("/api/v1/gold", json={"case_id": second}).json()["case_id"]
    reviews = server.doors.desk.reviews

    ((removed,),) = reviews.settled([PostName("default", "a")]).values()
    action = next(
        one for one in client.get("/api/v1/actions").json()["items"] if one["case_id"] == removed.case_id
    )
    client.post("/api/v1/appeals", json={"action_id": action["action_id"], "by": "author"}).raise_for_status()
    asked = claim(bob)["case"]["case_id"]
    judge(bob, asked, HARMLESS)
    assert reviews.gold_about("default", "a") == []
    assert client.post("/api/v1/gold", json={"case_id": first}).status_code == 409

    assert client.delete(f"/api/v1/gold/{first}").status_code == 404
    assert client.delete(f"/api/v1/gold/{other}").json()["case_id"] == other
    assert client.delete(f"/api/v1/gold/{other}").status_code == 404
    refused = client.post("/api/v1/gold", json={"case_id": second})
    assert (refused.status_code, "withdrawn" in refused.text) == (409, True)
    noted = [one for one in client.get("/api/v1/audit").json()["items"] if one["event"] == "gold.withdrawn"]
    assert {one["subject"]: one.get("details", {}) for one in noted} == {known: {"because": asked}, other: {}}


@pytest.mark.parametrize("by_key", [True, False])
def test_whoever_may_judge_and_read_is_told_no_more_of_open_cases_than_their_judges(
    server, client, people, by_key
):
    """Red when either address answers both scopes as it answers `decisions:read` alone."""
    ann, _ = people
    submit(client, "a")
    judged_by_ann = claim(ann)["case"]["case_id"]
    judge(ann, judged_by_ann, HARMFUL)
    client.post("/api/v1/gold", json={"case_id": judged_by_ann}).raise_for_status()
    stores = server.doors.stores
    (settled, gold) = sorted(stores.cases.list().items, key=lambda one: one.kind)
    audit = msgspec.structs.replace(
        settled, case_id="c_audit", kind="audit", judges=2, blind=True, about="audit-1", state="open"
    )
    stores.reviews.add(Effects(cases=(audit,)))
    with contextlib.ExitStack() as stack:
        reads = stack.enter_context(server.client(server.new_key("decisions:read")))
        if by_key:
            both = stack.enter_context(server.client(server.new_key("decisions:read", "review:work")))
        else:
            person = add_person(server, roles=[Role.MODERATOR, Role.AUDITOR])
            both = stack.enter_context(browser_of(server, token_for(server, person)))

        def listed(who):
            return {one["case_id"]: one for one in who.get("/api/v1/cases").json()["items"]}

        known, told = listed(reads), listed(both)
        assert known.keys() == told.keys() == {settled.case_id, gold.case_id, "c_audit"}
        assert (known[gold.case_id]["kind"], known["c_audit"]["probability"]) == ("gold", audit.probability)
        assert (told[gold.case_id]["kind"], told[gold.case_id]["about"]) == ("decision", "")
        assert (told["c_audit"]["probability"], told["c_audit"]["priority"]) == (None, 0.0)
        assert told["c_audit"]["spans"] == told["c_audit"]["matches"] == told["c_audit"]["nearest"] == []
        assert told[settled.case_id] == known[settled.case_id]
        for case_id, one in told.items():
            assert state(both, case_id)["case"] == one
            assert state(reads, case_id)["case"] == known[case_id]


def test_who_saw_enough_is_told_why(server, client, people):
    ann, bob = people
    limit = server.doors.desk.limits.an_hour
    for number in range(limit + 1):
        submit(client, f"n{number}", f"you blorp number {number}")
    for _ in range(limit):
        assert claim(ann)["case"]
    answer = ann.post("/api/v1/cases/claim", json={})
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:sievert:problem:exposure-reached")
    assert "break" in answer.json()["detail"]
    assert claim(bob)["case"]


def test_settled_posts_count_for_their_creators_and_are_not_asked_again(server, client, people, clock):
    ann, _ = people
    submit(client, "a", creator_id="eve")
    event = {"kind": "report", "post_id": "a", "at": clock.now(), "reason": "hate"}
    tell(client, {**event, "id": "r0", "actor_id": "x0"})
    judge(ann, claim(ann)["case"]["case_id"], HARMLESS)
    assert count_settled(server.doors.desk) == 0  # the door counted it
    assert [one.kind for _, one in server.doors.stores.activity.log()] == ["report", "verdict"]
    before = actions(client)
    clock.advance(HOUR)
    reports = [
        {**event, "id": f"r{number}", "actor_id": f"x{number}", "at": clock.now()} for number in range(1, 40)
    ]
    tell(client, *reports)
    assert len(client.get("/api/v1/posts/a").json()["decisions"]) > 1
    assert len(client.get("/api/v1/cases").json()["items"]) == 1
    assert actions(client) == before


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"violates": ["nonsense"]}, "judged"),
        ({"violates": [], "judged": ["spam"]}, "judged"),
        ({"violates": ["spam"], "judged": ["hate"]}, "violates"),
        ({}, "violates"),
        ({"violates": [], "note": "x" * 2001}, "note"),
    ],
)
def test_a_verdict_that_does_not_fit_is_refused(client, people, said, field):
    ann, _ = people
    submit(client, "a")
    case_id = claim(ann)["case"]["case_id"]
    answer = judge(ann, case_id, said)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert judge(ann, "c_none", HARMFUL).status_code == 404
    assert state(client, case_id)["case"]["state"] == "claimed"


def test_how_an_appeal_was_decided_is_written_for_the_platform_without_anybodys_words(
    tmp_path, tiny_folder, policies, clock
):
    hears = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": "whsec_" + "QUJD" * 10}
    with (
        running(
            tmp_path / "heard", tiny_folder, change=in_order, clock=clock, policies=str(policies), **hears
        ) as server,
        server.client() as client,
        server.client(server.new_key("review:work")) as ann,
    ):
        submit(client, "a")
        demoted = client.get("/api/v1/actions").json()["items"][0]["action_id"]
        said = {"action_id": demoted, "statement": "it was a quotation"}
        appeal_id = client.post("/api/v1/appeals", json=said).json()["appeal_id"]
        given = claim(ann)
        assert given["case"]["kind"] == "appeal"  # before the case that waited first
        judge(ann, given["case"]["case_id"], {"violates": ["hate"]})
        told = [json.loads(one.body) for one in server.doors.stores.outbox.due(clock.now() + 10**13, 100)]
    kinds = [one["type"] for one in told]
    assert kinds == ["action.performed", "case.opened", "case.opened", "action.performed", "appeal.decided"]
    decided = told[-1]["data"]
    assert (decided["appeal_id"], decided["state"], decided["statement"]) == (appeal_id, "upheld", "")
    assert (told[3]["data"]["kind"], told[3]["data"]["case_id"]) == ("remove", given["case"]["case_id"])
    assert "blorp" not in str(told)
    assert "quotation" not in str(told)


def test_operators_choose_how_long_a_claim_lasts_and_how_much_is_enough(tmp_path, tiny_folder, clock):
    chosen = {"claim_minutes": 2, "heavy_cases_per_hour": 1}
    with (
        running(tmp_path / "chosen", tiny_folder, change=in_order, clock=clock, **chosen) as server,
        server.client() as client,
    ):
        submit(client, "a")
        submit(client, "b", "you blorp, and another thing")
        assert claim(client)["expires_at"] == clock.now() + 2 * MINUTE
        assert claim(client) == 429
        clock.advance(HOUR)
        assert claim(client)["case"]
