"""What a reviewer is shown beside a post, and what a blind one is not; verdicts that can be taken back."""

import dataclasses
import itertools
import json

import msgspec
import pytest

from listener import until
from running_server import running
from sievert.pipeline.holding import give_held
from sievert.review.order import Shares
from sievert.schema.action import Case, CaseKind
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, SECOND
from sievert.testing import FixedClock

NDJSON = {"Content-Type": "application/x-ndjson"}
MINUTE = 60 * SECOND
NUMBERS = itertools.count()


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def server(tmp_path, tiny_folder, clock):
    def change(doors):
        desk = dataclasses.replace(doors.desk, shares=Shares(random=0.0, gold=0.0))
        return dataclasses.replace(doors, desk=desk)

    with running(tmp_path / "data", tiny_folder, clock=clock, change=change) as one:
        yield one


@pytest.fixture
def client(server):
    with server.client() as one:
        yield one


@pytest.fixture
def ann(server):
    with server.client(server.new_key("review:work")) as one:
        yield one


def submit(client, name, text="you blorp", **more):
    client.post("/api/v1/posts", json={"id": name, "text": text, **more}).raise_for_status()


def tell(client, clock, *events):
    told = [{"id": f"e{next(NUMBERS)}", "at": clock.now(), **one} for one in events]
    body = "\n".join(json.dumps(one) for one in told)
    client.post("/api/v1/events", content=body, headers=NDJSON).raise_for_status()


def what_happened(client, clock):
    """A post of eve, whose other post was found harmful, with comments, reports, hides and views."""
    submit(client, "old", "a quiet post", creator_id="eve")
    tell(client, clock, {"kind": "report", "post_id": "old", "actor_id": "rita", "reason": "hate"})
    tell(client, clock, {"kind": "verdict", "post_id": "old", "harmful": True, "policy": "hate"})
    submit(client, "a", creator_id="eve")
    tell(
        client,
        clock,
        {"kind": "views", "post_id": "a", "count": 40},
        {"kind": "comment", "post_id": "a", "text": "first", "actor_id": "cara"},
        {"kind": "comment", "post_id": "a", "text": "that is a quotation"},
        {"kind": "comment", "post_id": "old", "text": "elsewhere"},
        {"kind": "report", "post_id": "a", "actor_id": "rita", "reason": "hate"},
        {"kind": "report", "post_id": "a", "actor_id": "sven", "reason": "spam"},
        {"kind": "report", "post_id": "a", "reason": "spam"},
        {"kind": "hide", "post_id": "a", "actor_id": "tom"},
        {"kind": "share", "post_id": "a"},
    )


def claim(reviewer, **wanted):
    answer = reviewer.post("/api/v1/cases/claim", json=wanted)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_a_claim_tells_what_happened_around_the_post(client, ann, clock):
    what_happened(client, clock)
    given = claim(ann)
    assert (given["case"]["post_id"], given["blind"]) == ("a", False)
    context = given["context"]
    assert [(one["text"], one["by"]) for one in context["comments"]] == [
        ("that is a quotation", None),
        ("first", "cara"),
    ]
    assert context["comments_counted"] == 2
    spread = context["spread"]
    assert (spread["views"], spread["hides"], spread["shares"]) == (40, 1, 1)
    assert spread["reports"] == {"spam": 2, "hate": 1}
    told = [(one["reason"], one["by"]) for one in spread["newest_reports"]]
    assert told == [("spam", None), ("spam", "sven"), ("hate", "rita")]
    nobody, stranger, confirmed = [one["reliability"] for one in spread["newest_reports"]]
    # Rita was right once; of Sven nothing is known.
    assert nobody is None
    assert confirmed > stranger == pytest.approx(1 / 3)
    creator = context["creator"]
    assert (creator["creator_id"], creator["posts"]) == ("eve", 1)
    assert (creator["found_harmful"], creator["found_harmless"]) == (1, 0)


def put_before_people(server, name, **more):
    decision = server.doors.stores.journal.trail("default", name)[-1]
    one = Case(
        case_id=f"c_{name}_{more.get('kind', 'decision')}_{more.get('judges', 1)}",
        decision_id=decision.decision_id,
        platform="default",
        post_id=name,
        revision=0,
        policy="hate",
        opened_at=server.doors.clock.now(),
        priority=1e15,
        probability=decision.probability,
        **more,
    )
    server.doors.stores.reviews.add(Effects(cases=(one,)))
    return one


@pytest.mark.parametrize(
    "blindly", [{"kind": "audit", "blind": True, "about": "x"}, {"judges": 2}], ids=["audit", "double review"]
)
def test_a_blind_judge_is_told_the_post_and_its_comments_and_nothing_that_anybody_found(
    server, client, ann, clock, blindly
):
    what_happened(client, clock)
    first = claim(ann)
    said = {"violates": ["hate"], "judged": ["hate"]}
    ann.post(f"/api/v1/cases/{first['case']['case_id']}/verdict", json=said).raise_for_status()
    put_before_people(server, "a", **blindly)
    with server.client(server.new_key("review:work")) as bob:
        given = claim(bob)
    assert given["blind"]
    assert given["post"]["text"] == "you blorp"
    assert [one["text"] for one in given["context"]["comments"]] == ["that is a quotation", "first"]
    open_to_blind = {"case", "expires_at", "post", "blind", "pictures", "context", "minutes", "joined"}
    found = {name for name, value in given.items() if value not in ([], "", None, 0)}
    assert found <= open_to_blind
    assert (given["context"]["spread"], given["context"]["creator"]) == (None, None)
    asked = given["case"]
    assert (asked["probability"], asked["priority"], asked["spans"], asked["matches"]) == (None, 0.0, [], [])


def test_an_appeals_judge_hears_the_author_and_not_the_first_judge(server, client, ann, clock):
    what_happened(client, clock)
    demoted = client.get("/api/v1/actions").json()["items"][0]
    said = {"action_id": demoted["action_id"], "by": "eve", "statement": "I only quoted him"}
    client.post("/api/v1/appeals", json=said).raise_for_status()
    given = claim(ann, kinds=["appeal"])
    assert given["statement"] == "I only quoted him"
    assert given["blind"]
    assert (given["reasons"], given["settled"], given["context"]["spread"]) == ([], [], None)


def test_a_known_answer_cannot_be_told_from_the_case_that_it_was(server, client, ann, clock):
    what_happened(client, clock)
    first = claim(ann)
    case_id = first["case"]["case_id"]
    said = {"violates": ["hate"], "judged": ["hate"]}
    ann.post(f"/api/v1/cases/{case_id}/verdict", json=said).raise_for_status()
    before = server.doors.desk
    client.post("/api/v1/gold", json={"case_id": case_id}).raise_for_status()
    object.__setattr__(server.doors, "desk", dataclasses.replace(before, shares=Shares(random=0.0, gold=1.0)))
    with server.client(server.new_key("review:work")) as bob:
        given = claim(bob)
    assert server.doors.stores.reviews.case(given["case"]["case_id"]).case.kind == CaseKind.GOLD
    # What was found about this very post is the answer: neither it nor its mark on the author is told.
    assert given["settled"] == []
    assert given["context"]["creator"]["found_harmful"] == 1
    # How far reporters are believed, and how long such a case takes, moved for every case alike.
    for one in (first, given):
        del one["minutes"]
        for report in one["context"]["spread"]["newest_reports"]:
            del report["reliability"]
    changed = {name for name in first if first[name] != given[name]}
    assert changed == {"case"}
    names = {name for name in first["case"] if first["case"][name] != given["case"][name]}
    assert names <= {"case_id", "opened_at"}


HARMFUL = {"violates": ["hate"], "hold_seconds": 30}


def test_a_held_verdict_can_be_taken_back_and_nothing_followed_from_it(server, client, ann, clock):
    submit(client, "a")
    case_id = claim(ann)["case"]["case_id"]
    clock.advance(5 * SECOND)
    said = ann.post(f"/api/v1/cases/{case_id}/verdict", json=HARMFUL).json()
    assert (said["held_until"], said["seconds"]) == (clock.now() + 30 * SECOND, 5.0)
    clock.advance(30 * SECOND - 1)
    assert give_held(server.doors.desk) == 0
    # The same again changes nothing, another verdict needs the first one to be taken back.
    assert ann.post(f"/api/v1/cases/{case_id}/verdict", json=HARMFUL).json() == said
    other = ann.post(f"/api/v1/cases/{case_id}/verdict", json={"violates": []})
    assert (other.status_code, "Take it back" in other.json()["remedy"]) == (409, True)
    assert server.doors.desk.reviews.settlements() == []
    assert client.get("/api/v1/labels").json()["items"] == []
    (mine,) = ann.get("/api/v1/cases/claimed").json()["items"]
    assert mine["held"]["violates"] == ["hate"]

    again = ann.post(f"/api/v1/cases/{case_id}/verdict/undo").json()
    assert (again["held"], again["expires_at"]) == (None, clock.now() + 15 * MINUTE)
    assert again["post"]["text"] == "you blorp"
    kept = server.doors.stores.audit.entries()
    note = [one for one in kept if one.event == "verdict.taken_back"]
    assert [one.details["violates"] for one in note] == ["hate"]
    twice = ann.post(f"/api/v1/cases/{case_id}/verdict/undo")
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:sievert:problem:case-conflict")
    ann.post(f"/api/v1/cases/{case_id}/verdict", json={"violates": []}).raise_for_status()
    (settled,) = server.doors.desk.reviews.settlements()
    assert settled[1].violates == ()


def settled_in_time(server, client):
    until(server.doors.desk.reviews.settlements)
    return server.doors.desk.reviews.settlements()[0][1]


def test_a_held_verdict_takes_effect_by_itself_with_the_time_at_which_it_was_given(
    server, client, ann, clock
):
    submit(client, "a", creator_id="eve")
    case_id = claim(ann)["case"]["case_id"]
    at = clock.now()
    ann.post(f"/api/v1/cases/{case_id}/verdict", json=HARMFUL).raise_for_status()
    # The claim's own time plays no part: nobody else gets the case meanwhile.
    clock.advance(30 * SECOND)
    settled = settled_in_time(server, client)
    assert (settled.violates, settled.settled_at) == (("hate",), at + 30 * SECOND)
    (verdict,) = server.doors.desk.reviews.case(case_id).verdicts
    assert (verdict.given_at, verdict.seconds) == (at, 0.0)
    late = ann.post(f"/api/v1/cases/{case_id}/verdict/undo")
    assert late.status_code == 409
    assert ann.get("/api/v1/cases/claimed").json() == {"items": []}


def test_a_held_verdict_outlives_the_server(tmp_path, tiny_folder, clock):
    with (
        running(tmp_path / "data", tiny_folder, clock=clock) as server,
        server.client() as client,
        server.client(server.new_key("review:work")) as ann,
    ):
        submit(client, "a")
        case_id = claim(ann)["case"]["case_id"]
        ann.post(f"/api/v1/cases/{case_id}/verdict", json=HARMFUL).raise_for_status()
    clock.advance(2 * HOUR)
    with running(tmp_path / "data", tiny_folder, clock=clock) as server, server.client() as client:
        assert settled_in_time(server, client).violates == ("hate",)


def test_only_whoever_gave_a_verdict_takes_it_back(server, client, ann, clock):
    submit(client, "a")
    case_id = claim(ann)["case"]["case_id"]
    ann.post(f"/api/v1/cases/{case_id}/verdict", json=HARMFUL).raise_for_status()
    assert ann.post(f"/api/v1/cases/{case_id}/release").status_code == 409
    with server.client(server.new_key("review:work")) as bob:
        assert bob.post(f"/api/v1/cases/{case_id}/verdict/undo").status_code == 409
        assert bob.get("/api/v1/cases/claimed").json() == {"items": []}
        assert claim(bob) == 204
    too_long = ann.post(f"/api/v1/cases/{case_id}/verdict", json={"violates": [], "hold_seconds": 121})
    assert too_long.status_code == 422
    assert msgspec.json.decode(too_long.content)["field"] == "hold_seconds"
