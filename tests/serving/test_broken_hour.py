"""A broken hour over HTTP: counted, taken back in bounded calls, gone on with; and what policies may still spend."""

import pytest
from test_enforcement_door import removing

from sievert.pipeline import undoing
from sievert.schema.clock import HOUR, SECOND
from sievert.serving.routes import undo
from sievert.testing import START, FixedClock


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def live(tmp_path, tiny_folder, clock):
    with removing(tmp_path, tiny_folder, clock) as server:
        yield server


@pytest.fixture
def client(live):
    with live.client() as one:
        yield one


def remove(client, *names):
    for name in names:
        answer = client.post("/api/v1/posts", json={"id": name, "text": f"blorp {name}"}).json()
        assert answer["decision"] == "remove"


def ask(client, turn="count", **more):
    said = {"policy": "hate", "since": START, "turn": turn, "reason": "a wrong list", **more}
    return client.post("/api/v1/undo", json=said)


def standing(live):
    return live.doors.stores.standing.count_automatic("hate", START, START + HOUR)


def test_a_broken_hour_is_counted_first_and_then_taken_back(client, live, clock):
    remove(client, "early", "a", "b")
    by_hand = client.get("/api/v1/actions").json()["items"][0]["action_id"]
    client.post(f"/api/v1/actions/{by_hand}/undo").raise_for_status()
    again = client.get("/api/v1/actions").json()["items"][0]["action_id"]
    client.post(f"/api/v1/actions/{again}/undo").raise_for_status()  # b, removed again, by a person
    clock.advance(10 * SECOND)
    remove(client, "late")
    clock.advance(SECOND)
    log = len(live.doors.stores.audit.entries())

    counted = ask(client, until=START + 5 * SECOND).json()
    assert (counted["left"], counted["taken_back"]) == ({"remove": 2}, 0)
    assert (counted["since"], counted["until"]) == (START, START + 5 * SECOND)
    assert len(live.doors.stores.audit.entries()) == log
    done = ask(client, "take_back", until=START + 5 * SECOND).json()
    assert (done["left"], done["taken_back"]) == ({}, 2)
    notes = live.doors.stores.audit.entries()[log:]
    assert [one.event for one in notes] == ["actions.taken_back", "action.restore", "action.restore"]
    assert (notes[0].details["reason"], notes[0].details["standing"]) == ("a wrong list", "2")
    # What came later stands, and so does what a person did.
    assert standing(live) == {"remove": 1}
    again = ask(client, "take_back", until=START + 5 * SECOND).json()
    assert (again["left"], again["taken_back"]) == ({}, 0)
    assert ask(client, "take_back").json()["taken_back"] == 1


def test_one_call_takes_back_only_so_many_and_the_next_goes_on(client, live, monkeypatch):
    monkeypatch.setattr(undoing, "TOGETHER", 2)
    monkeypatch.setattr(undo, "MOST_A_CALL", 4)
    remove(client, *(f"p{n}" for n in range(7)))
    live.doors.clock.advance(SECOND)
    assert [ask(client, "take_back").json()["left"] for _ in range(2)] == [{"remove": 3}, {}]
    restores = [one for one in client.get("/api/v1/actions").json()["items"] if one["kind"] == "restore"]
    assert len({name for one in restores for name in one["undoes"]}) == len(restores) == 7


def test_the_undo_of_an_undo_does_it_again_as_a_person_and_no_broken_hour_takes_that_back(
    client, live, clock
):
    remove(client, "a")
    clock.advance(SECOND)
    ask(client, "take_back").raise_for_status()
    restore = client.get("/api/v1/actions").json()["items"][0]
    assert (restore["kind"], restore["by"].split()[0].split(":")[0]) == ("restore", "key")
    told = client.post(f"/api/v1/actions/{restore['action_id']}/undo").json()
    assert [(one["kind"], one["post_id"]) for one in told["actions"]] == [("remove", "a")]
    assert client.post(f"/api/v1/actions/{restore['action_id']}/undo").status_code == 409
    clock.advance(SECOND)
    assert ask(client).json()["left"] == {}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"until": START}, "until"),
        ({"turn": "everything"}, "turn"),
        ({"since": "yesterday"}, "since"),
        ({"policy": ""}, "policy"),
        ({"more": 1}, "more"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_taken_back(client, live, said, field):
    remove(client, "a")
    answer = ask(client, **{"turn": "take_back", **said})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert standing(live) == {"remove": 1}


def test_quotas_tell_what_is_spent_and_what_the_breaker_counts(client, live, clock):
    remove(client, "a", "b")
    quotas = client.get("/api/v1/quotas").json()
    by_name = {one["policy"]: one for one in quotas["items"]}
    hate, policy = by_name["hate"], live.doors.parts.policies.named("hate")
    assert (hate["removals_per_day"], hate["removals_spent"]) == (policy.removals_per_day, 2)
    assert (hate["removals_this_hour"], hate["flood"]) == (2, policy.removals_flood)
    assert (hate["demotions_this_hour"], hate["demotions_flood"]) == (0, None)
    assert (hate["reviews_per_hour"], hate["stopped"]) == (policy.reviews_per_hour, [])
    switch = {"turn": "stop", "what": "removals", "policy": "hate", "reason": "odd"}
    client.post("/api/v1/switch", json=switch).raise_for_status()
    answer = client.post("/api/v1/posts", json={"id": "c", "text": "you blorp"}).json()
    assert answer["decision"] == "review"
    by_name = {one["policy"]: one for one in client.get("/api/v1/quotas").json()["items"]}
    assert [one["reason"] for one in by_name["hate"]["stopped"]] == ["odd"]
    assert all(one["stopped"] == [] for name, one in by_name.items() if name != "hate")
    assert by_name["hate"]["reviews_spent"] == 1
    assert by_name["hate"]["removals_spent"] == 2

    (line,) = client.get("/api/v1/queue").json()["items"]
    assert line == {"policy": "hate", "kind": "decision", "waiting": 1, "claimed": 0, "oldest": START}
    client.post("/api/v1/cases/claim", json={}).raise_for_status()
    (line,) = client.get("/api/v1/queue").json()["items"]
    assert (line["waiting"], line["claimed"]) == (0, 1)
