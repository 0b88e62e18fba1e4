"""Switch, undo and statements over HTTP and from the command line, over one running server."""

import contextlib
import dataclasses
import json

import pytest

from certified import certified
from command_line import sievert
from contracts.enforcement import action, limit
from listener import until
from running_server import running
from sievert.enforcement.dsa_fields import problems_of
from sievert.pipeline.ruling import Ruling
from sievert.policy.rulebook import RuleBook
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.serving.doors import take_the_path
from sievert.testing import START, FixedClock


@contextlib.contextmanager
def removing(folder, bundle, clock, **settings):
    """A server whose policy on hate removes."""

    def change(doors):
        stores = doors.stores
        stores.clock = clock
        live = certified(doors.parts, stores)
        rules = Ruling(RuleBook(live.policies, live.bundle.fold), clock=clock)
        parts = dataclasses.replace(live, ruling=rules)

        def walk(records):
            return take_the_path(records, parts=parts, observer=parts.observer)

        object.__setattr__(doors, "parts", parts)
        object.__setattr__(doors, "walk", walk)
        object.__setattr__(doors.batcher, "_walk", walk)
        return doors

    with running(folder, bundle, change=change, clock=clock, **settings) as server:
        yield server


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


def decide(client, name):
    return client.post("/api/v1/posts", json={"id": name, "text": "you blorp"}).json()["decision"]


def test_a_removal_is_undone_over_http_and_says_what_is_left(client, live, clock):
    assert decide(client, "rude") == "remove"
    (removal,) = client.get("/api/v1/actions").json()["items"]
    address = f"/api/v1/actions/{removal['action_id']}"
    told = client.post(f"{address}/undo").json()
    assert [one["kind"] for one in told["actions"]] == ["restore"]
    assert told["actions"][0]["by"].startswith("key:")
    assert (told["content"], told["content_until"]) == (
        "kept",
        START + live.doors.settings.keep_text_days * DAY,
    )
    again = client.post(f"{address}/undo")
    assert (again.status_code, again.json()["type"]) == (409, "urn:sievert:problem:not-standing")
    assert client.post("/api/v1/actions/a_nobody/undo").status_code == 404
    statement = client.get(f"{address}/statement").json()
    assert statement["taken_back_by"] == told["actions"][0]["action_id"]

    live.doors.stores.journal.forget_texts(clock.now() + 1)
    told = client.post(f"/api/v1/actions/{statement['taken_back_by']}/undo").json()
    assert [one["kind"] for one in told["actions"]] == ["remove"]
    assert (told["content"], told["content_until"]) == ("gone", None)


def test_a_statement_tells_the_reasons_and_not_the_text(client):
    decide(client, "rude")
    (removal,) = client.get("/api/v1/actions").json()["items"]
    address = f"/api/v1/actions/{removal['action_id']}/statement"
    answer = client.get(address)
    assert answer.json()["reasons"] == ["hate: removed, as its certificate permits"]
    assert "No person looked at it before." in answer.json()["text"]
    assert "blorp" not in answer.text
    dsa = client.get(address, params={"format": "dsa"}).json()
    assert problems_of(dsa) == []
    assert "blorp" not in json.dumps(dsa)
    assert client.get(address, params={"format": "pdf"}).json()["field"] == "format"


def test_an_isolated_post_is_let_go_of_only_on_the_machine(client, live):
    live.doors.stores.perform(Effects(actions=(action("a_iso", kind="isolate"),)))
    assert client.post("/api/v1/actions/a_iso/undo").status_code == 403
    assert client.get("/api/v1/actions/a_iso/statement").status_code == 404
    done = sievert("undo", "a_iso", "--data", live.doors.settings.data_folder)
    assert done.stdout.decode().endswith(": restore default/p\n")


def test_the_switch_turns_over_http(client):
    assert client.get("/api/v1/switch").json() == {"stopped": [], "past": []}
    turn = {"turn": "stop", "what": "removals", "policy": "hate", "reason": "a drill"}
    (stopped,) = client.post("/api/v1/switch", json=turn).json()["stopped"]
    assert (stopped["kind"], stopped["policy"], stopped["reason"]) == ("removals", "hate", "a drill")
    assert decide(client, "a") == "review"
    told = client.post("/api/v1/switch", json={**turn, "turn": "resume"}).json()
    assert (told["stopped"], len(told["past"])) == ([], 1)
    assert decide(client, "b") == "remove"
    for wrong, field in (({"turn": "off"}, "turn"), ({"what": "x"}, "what"), ({"policy": "x"}, "policy")):
        answer = client.post("/api/v1/switch", json={**turn, **wrong})
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_command_line_stops_a_running_server_within_a_second(client, live, clock):
    folder = live.doors.settings.data_folder
    assert decide(client, "a") == "remove"
    done = sievert("stop", "removals", "--reason", "a drill", "--data", folder)
    assert b"removals are stopped of every policy" in done.stdout
    assert b"by command line: a drill" in done.stdout
    clock.advance(SECOND)
    assert decide(client, "b") == "review"
    assert b"switch" in sievert("doctor", "--data", folder).stdout
    assert sievert("stop", "removals", "--policy", "nobody", "--data", folder).returncode == 2
    assert sievert("resume", "removals", "--data", folder).stdout == b"nothing is stopped\n"
    clock.advance(SECOND)
    assert decide(client, "c") == "remove"
    notes = [one.event for one in live.doors.stores.audit.entries() if one.event.startswith("switch")]
    assert notes == ["switch.stopped", "switch.resumed"]


def test_a_limit_is_explained_over_http_in_words_and_for_the_database(client, live, clock):
    held = limit("l_1", cause="changed", imposed_at=clock.now(), expires_at=clock.now() + DAY)
    live.doors.stores.perform(Effects(limits=(held,)))
    said = client.get("/api/v1/limits/l_1/statement").json()
    assert "are very unlike your earlier ones" in said["text"]
    record = client.get("/api/v1/limits/l_1/statement?format=dsa").json()
    assert problems_of(record) == []
    assert client.get("/api/v1/limits/l_1/statement?format=xml").status_code == 422
    assert client.get("/api/v1/limits/l_9/statement").status_code == 404


def test_a_limit_is_listed_and_lifted_by_people(client, live, clock):
    for name in ("l_1", "l_2"):
        held = limit(name, creator=name, imposed_at=clock.now(), expires_at=clock.now() + DAY)
        live.doors.stores.perform(Effects(limits=(held,)))
    assert [one["limit_id"] for one in client.get("/api/v1/limits").json()["items"]] == ["l_2", "l_1"]
    lifted = client.post("/api/v1/limits/l_1/undo").json()
    assert lifted["lifted_by"].startswith("key:")
    assert client.post("/api/v1/limits/l_1/undo").status_code == 409
    assert client.post("/api/v1/limits/l_3/undo").status_code == 404
    folder = live.doors.settings.data_folder
    assert sievert("undo", "l_2", "--data", folder).stdout == b"l_2: default/l_2 is free\n"
    assert sievert("undo", "l_2", "--data", folder).returncode == 2


def test_an_account_that_expires_and_a_demotion_are_freed_by_a_running_server(live, clock):
    ended = {"kind": "demote", "expires_at": clock.now()}
    stores = live.doors.stores
    stores.perform(Effects(actions=(action("a", **ended),), limits=(limit("l_1", expires_at=clock.now()),)))
    until(lambda: not stores.standing.find("a").stands and stores.limits.find("l_1").lifted_at)
    assert stores.limits.find("l_1").lifted_by == "sievert"


def test_a_broken_hour_is_taken_back_and_stated_from_the_command_line(client, live, tmp_path):
    folder = live.doors.settings.data_folder
    for name in "abc":
        decide(client, name)
    since = str(START - HOUR)
    out = tmp_path / "statements.ndjson"
    done = sievert("statements", "--since", since, "--out", str(out), "--data", folder)
    assert b"3 statements in 1 requests" in done.stdout
    (body,) = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [problems_of(one) for one in body["statements"]] == [[], [], []]
    assert sievert("statements", "--since", since, "--out", str(out), "--data", folder).returncode == 2
    done = sievert("undo", "--policy", "hate", "--since", since, "--data", folder)
    assert b"3 actions of hate taken back" in done.stdout
    assert (
        sorted(one["kind"] for one in client.get("/api/v1/actions").json()["items"])
        == ["remove"] * 3 + ["restore"] * 3
    )
    assert b"0 actions" in sievert("undo", "--policy", "hate", "--since", "3d", "--data", folder).stdout
    assert sievert("undo", "--policy", "hate", "--data", folder).returncode == 2
    assert sievert("undo", "--policy", "hate", "--since", "soon", "--data", folder).returncode == 2
