"""Several servers over one database: they answer alike, count once, and one of them leads."""

import contextlib
import json
import threading
import time

import msgspec
import pytest

from command_line import sievert
from running_server import NDJSON, ndjson, running
from sievert.features.behaviour.counting import Count
from sievert.schema.clock import SECOND
from sievert.schema.decision import Cause, decision_id
from sievert.schema.event import Report, Views
from sievert.schema.post import PostKey
from sievert.stores.activity.base import PostName

pytestmark = pytest.mark.services


@pytest.fixture
def pair(postgres, tmp_path, tiny_folder):
    """Two servers, each with a folder of its own for what waits on disk."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running(tmp_path / name, tiny_folder, database_url=postgres))
            for name in ("one", "other")
        ]


def ask_both(pair, path, bodies):
    """Send bodies to both servers at once, each of them all; return the lines of each."""
    key, answers = pair[0].key, {}

    def send(server):
        lines = []
        with server.client(key) as client:
            for body in bodies:
                answer = client.post(path, content=body, headers=NDJSON)
                assert answer.status_code == 200, answer.text
                lines += answer.content.splitlines()
        answers[server] = lines

    threads = [threading.Thread(target=send, args=(server,)) for server in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[server] for server in pair]


def test_the_same_posts_sent_to_both_are_decided_once_and_answered_alike(pair):
    texts = ("a lovely morning", "you blorp", "win a cruise", "see you at the harbour")
    posts = [{"id": f"p{i}", "text": texts[i % 4], "creator_id": f"c{i % 7}"} for i in range(160)]
    bodies = [ndjson(*posts[start : start + 20]) for start in range(0, 160, 20)]
    one, other = ask_both(pair, "/api/v1/posts:batch", bodies)
    assert one == other
    assert [json.loads(line)["id"] for line in one] == [post["id"] for post in posts]
    stores = pair[0].doors.stores
    with pair[1].client(pair[0].key) as client:
        found = client.get("/api/v1/decisions?limit=1000").json()["items"]
    assert sorted(item["post_id"] for item in found) == sorted(post["id"] for post in posts)
    cases = stores.cases.list(limit=1000).items
    assert len({case.decision_id for case in cases}) == len(cases) > 0
    assert stores.activity.counts([]).subject.size == 0
    with stores.database.reading() as connection:
        counted = connection.exec_driver_sql(
            "SELECT sum(total) FROM activity_counts WHERE subject = 'c0' AND role <> 0"
        ).scalar()
    assert counted == len([post for post in posts if post["creator_id"] == "c0"])


def test_the_same_events_sent_to_both_count_once(pair):
    at = pair[0].doors.clock.now() - SECOND
    with pair[0].client() as client:
        client.post("/api/v1/posts", json={"id": "p", "text": "fine", "creator_id": "ann"})
    events = [Views(id=f"v{n}", at=at, post_id="p", count=3) for n in range(120)]
    bodies = [b"\n".join(map(msgspec.json.encode, events[n : n + 10])) for n in range(0, 120, 10)]
    answers = ask_both(pair, "/api/v1/events", bodies)
    counted = [json.loads(line)["counted"] for lines in answers for line in lines]
    assert sum(counted) == 120
    for server in pair:
        assert server.doors.parts.counters.views([PostName("default", "p")]).tolist() == [360]


def test_different_events_at_both_come_to_the_numbers_of_one_and_no_level_passes_unseen(pair):
    at, posts = pair[0].doors.clock.now() - SECOND, [f"p{n}" for n in range(8)]
    key = pair[0].key
    with pair[0].client() as client:
        for n, name in enumerate(posts):
            body = {"id": name, "text": "a lovely morning", "creator_id": f"c{n % 2}"}
            client.post("/api/v1/posts", json=body).raise_for_status()

    def send(number):
        with pair[number].client(key) as client:
            for n in range(8):
                told = [
                    Report(
                        id=f"{number}-{n}-{name}",
                        at=at,
                        post_id=name,
                        reason="hate",
                        actor_id=f"{number}-{n}",
                    )
                    for name in posts
                ]
                body = b"\n".join(map(msgspec.json.encode, told))
                assert client.post("/api/v1/events", content=body, headers=NDJSON).status_code == 200

    threads = [threading.Thread(target=send, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in pair:
        counters = server.doors.parts.counters
        assert [counters.totals(PostName("default", name))[Count.REPORTS] for name in posts] == [16] * 8
        known = counters.known([PostName("default", "p0")], counters.tick(server.doors.clock.now()))
        assert known.others[0, Count.REPORTS, 0] == 16 * 3  # of the creator's other posts
    journal, deadline = pair[0].doors.stores.journal, time.monotonic() + 20
    wanted = {decision_id(PostKey("default", name, 0), Cause("reports", 16)) for name in posts}
    while journal.holds([*wanted]) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert journal.holds([*wanted]) == wanted


def test_events_that_come_before_their_post_find_it_on_another_server(pair):
    at = pair[0].doors.clock.now() - SECOND
    with pair[0].client() as client, pair[1].client(pair[0].key) as other:
        body = msgspec.json.encode(Views(id="v", at=at, post_id="late", count=5))
        assert client.post("/api/v1/events", content=body, headers=NDJSON).status_code == 200
        assert other.post(
            "/api/v1/posts", json={"id": "late", "text": "fine", "creator_id": "bob"}
        ).is_success
    stores = pair[1].doors.stores
    assert not stores.activity.any_orphans()


def test_cases_and_switches_are_common(pair):
    with pair[0].client() as client, pair[1].client(pair[0].key) as other:
        for n in range(6):
            client.post("/api/v1/posts", json={"id": f"b{n}", "text": f"you blorp {n} times {n}"})
        claimed = [one.post("/api/v1/cases/claim", json={}) for one in (client, other, client)]
        cases = [one.json()["case"]["case_id"] for one in claimed if one.status_code == 200]
        assert len(cases) == len(set(cases)) >= 2
        stopped = client.post("/api/v1/switch", json={"turn": "stop", "what": "all", "reason": "a trial"})
        assert stopped.is_success, stopped.text
        assert pair[1].doors.stores.stops.running()


def test_one_leads_and_when_it_ends_another_does(postgres, tmp_path, tiny_folder):
    with running(tmp_path / "one", tiny_folder, database_url=postgres) as one:
        assert one.doors.stores.leads()
        with running(tmp_path / "other", tiny_folder, database_url=postgres) as other:
            assert not other.doors.stores.leads()
            with one.doors.stores.database.engine.connect() as connection:
                held = connection.exec_driver_sql(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    " AND classid = %s AND objid::bigint & 4294967295 ="
                    " hashtext(current_schema())::bigint & 4294967295",
                    (0x53564C44,),
                ).scalar_one()
                connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (held,))
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                told = [one.doors.stores.leads(), other.doors.stores.leads()]
                assert told != [True, True]
                if any(told):
                    break
            assert any(told)


def test_commands_speak_of_the_same_database(postgres, tmp_path, tiny_folder):
    env = {"SIEVERT_DATABASE_URL": postgres, "SIEVERT_BUNDLE": str(tiny_folder), "SIEVERT_PORT": "0"}
    made = sievert("keys", "add", "robot", "--data", tmp_path / "data", **env)
    assert made.returncode == 0, made.stderr
    well = sievert("doctor", "--data", tmp_path / "data", **env)
    assert b"ok     database: PostgreSQL, of this release; 1 audit entries" in well.stdout
    gone = sievert(
        "doctor",
        "--data",
        tmp_path / "data",
        **{**env, "SIEVERT_DATABASE_URL": "postgresql://x:pw@127.0.0.1:1/y"},
    )
    assert gone.returncode == 1
    assert b"BROKEN database: postgresql://x:***@127.0.0.1:1/y cannot be opened" in gone.stdout
    assert b"pw" not in gone.stdout + gone.stderr
