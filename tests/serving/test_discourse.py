"""The connector to Discourse, against a stand-in: signed webhooks in, moderation calls out."""

import contextlib
import hashlib
import hmac

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enforcement import action, restore
from discourse_stand_in import KEY, SECRET, Discourse, flagged, post, signed
from listener import until
from running_server import running
from sievert.enforcement.discourse import call_for
from sievert.enforcement.messages import limit_messages, messages_for
from sievert.errors import ConfigurationError, MalformedInput
from sievert.schema.batch import Effects
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.limit import AccountLimit
from sievert.serving.discourse import SIGNATURE, read_webhook
from sievert.serving.settings import load_settings
from sievert.testing import START

ADDRESS = "/api/v1/discourse"


@pytest.fixture
def server(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder, discourse_webhook_secret=SECRET) as one:
        yield one


@pytest.fixture
def forum(server):
    with httpx.Client(base_url=server.address, trust_env=False) as one:
        yield one


def send(forum, told, **how):
    body, headers = signed(told, **how)
    return forum.post(ADDRESS, content=body, headers=headers)


def test_posts_and_edits_are_decided_about(forum, server):
    assert send(forum, post(41, "a lovely day")).json() == {"posts": 1, "reports": 0}
    assert send(forum, post(41, "you blorp", version=2)).json() == {"posts": 1, "reports": 0}
    with server.client() as client:
        trail = client.get("/api/v1/posts/41", params={"platform": "discourse"}).json()
    assert [(one["revision"], one["outcome"]) for one in trail["decisions"]] == [(0, "allow"), (1, "review")]
    assert trail["post"]["creator_id"] == "7"


def test_a_ping_is_answered(forum):
    assert send(forum, {"ping": "OK"}).json() == {"posts": 0, "reports": 0}


def test_flags_count_as_reports_once_each_whatever_the_event_id_says(forum):
    send(forum, post(41, "a lovely day"))
    assert send(forum, flagged(41, 1, 2, kind="spam")).json() == {"posts": 0, "reports": 2}
    # The same webhook again, and under another event id: that header is not signed.
    for event_id in ("1", "2"):
        assert send(forum, flagged(41, 1, 2, kind="spam"), event_id=event_id).json()["reports"] == 0
    assert send(forum, flagged(41, 1, 2, 3)).json()["reports"] == 1


def test_what_is_forged_is_refused_and_leaves_nothing(forum, server):
    body, headers = signed(post(41, "you blorp"))
    name = "X-Discourse-Event-Signature"
    for wrong in ("", "sha256=", headers[name][:-1], headers[name].upper(), "sha1=" + headers[name][7:], "é"):
        answer = forum.post(ADDRESS, content=body, headers={**headers, name: wrong.encode()})
        assert answer.status_code == 401, wrong
    del headers[name]
    assert forum.post(ADDRESS, content=body, headers=headers).status_code == 401
    assert send(forum, post(41, "you blorp"), secret="another").status_code == 401
    other, _ = signed(post(41, "you BLORP"))
    _, headers = signed(post(41, "you blorp"))
    assert forum.post(ADDRESS, content=other, headers=headers).status_code == 401
    with server.client() as client:
        assert client.get("/api/v1/posts/41", params={"platform": "discourse"}).status_code == 404


def test_an_older_webhook_that_is_replayed_changes_nothing(forum, server):
    """An attacker who kept the webhook of a harmless first version sends it again after the edit."""
    old, new = post(41, "a lovely morning"), post(41, "you blorp", version=2)
    assert send(forum, old).json() == {"posts": 1, "reports": 0}
    assert send(forum, new).json() == {"posts": 1, "reports": 0}
    with server.client() as client:
        where = {"platform": "discourse"}
        before = client.get("/api/v1/posts/41", params=where).json()
        for event_id in ("7", "8"):
            assert send(forum, old, event_id=event_id).status_code == 200
        assert client.get("/api/v1/posts/41", params=where).json() == before


def test_a_server_without_a_secret_takes_none(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder) as server, httpx.Client(base_url=server.address) as forum:
        assert send(forum, post(41, "x")).status_code == 404
        assert send(forum, post(41, "x"), secret="").status_code == 404


@given(
    st.binary(max_size=80) | st.sampled_from([b"{}", b'{"post":{}}', b'{"post":{"id":1,"version":0}}', b"[]"])
)
def test_whatever_is_signed_is_read_or_refused(body):
    with contextlib.suppress(MalformedInput):
        assert read_webhook(body) == ([], [])


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[" * DEEP,
        b'{"ping":"OK","x":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"flag":{"id":1,"target_id":2,"reviewable_scores":[{"id":1,"score_type":' + b'{"a":' * DEEP,
        b'{"post":{"id":' + b"9" * 5000 + b"}}",
        b'{"post":{"id":1,"version":' + b"9" * 5000 + b"}}",
        b'{"post":{"id":1,"raw":"\\ud800"}}',
        b'{"post":{"id":1,"raw":"\xff"}}',
        b'{"post":{"id":1,"raw":"x","created_at":"<script>"}}',
        b'{"post":{"id":1,"raw":"' + b"x" * 200_000 + b'"}}',
        b'{"post":{"id":1,"raw":"' + b"x" * 8_000_000 + b'"}}',
    ],
    ids=lambda body: f"{body[:24]!r} of {len(body)}",
)
def test_what_is_signed_and_hostile_is_refused_and_the_next_is_taken(forum, body):
    """A secret that leaked, or a plugin of the forum, may sign anything."""
    headers = {SIGNATURE: "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    answer = forum.post(ADDRESS, content=body, headers=headers)
    assert answer.status_code in (400, 413, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "<script>" not in answer.text
    assert len(answer.content) < 2000
    assert send(forum, post(41, "a lovely day")).json() == {"posts": 1, "reports": 0}


@pytest.mark.parametrize("kind", ["topic", "user", "category", "like", "notification", "chat_message"])
def test_other_events_are_answered_and_tell_nothing(forum, kind):
    told = {kind: {"id": 1, "raw": "you blorp", "post": {"id": 41, "raw": "you blorp"}}}
    assert send(forum, told).json() == {"posts": 0, "reports": 0}


def of_discourse(one):
    return msgspec.structs.replace(one, platform="discourse", post_id="41")


def due_now(messages):
    """Not due for ages: what was delivered that long ago is forgotten while a server starts."""
    now = SystemClock().now()
    return tuple(msgspec.structs.replace(one, next_attempt_at=now) for one in messages)


def limit(limit_id="l_1", *, ends=START + DAY, **more):
    return AccountLimit(
        limit_id=limit_id,
        platform="discourse",
        creator_id="7",
        policy="spam",
        posts_per_hour=1,
        reach_delay_minutes=None,
        because=("a", "b"),
        needed=2,
        imposed_at=START,
        expires_at=ends,
        **more,
    )


@pytest.fixture
def answers_first():
    """What the forum answers first, whatever is asked."""
    return (500,)


@pytest.fixture
def acting(tmp_path, tiny_folder, answers_first):
    with Discourse(*answers_first) as forum:
        place = forum.url.removeprefix("http://")
        settings = {"discourse_url": forum.url, "discourse_api_key": KEY, "webhook_private_hosts": (place,)}
        with running(tmp_path, tiny_folder, **settings) as server:
            yield forum, server


def test_what_is_decided_is_done_in_discourse_and_taken_back_there(acting):
    forum, server = acting
    stores = server.doors.stores

    def perform(*actions, limits=()):
        messages = due_now((*messages_for(actions, ()), *limit_messages(limits)))
        stores.perform(Effects(actions=actions, limits=limits, messages=messages))
        server.doors.delivery.nudge()

    removal = of_discourse(action("a_1"))
    perform(removal)
    until(lambda: forum.calls == [("DELETE", "/posts/41.json")])
    assert forum.deleted == set()  # it answered 500: the message waits, and is no dead letter
    until(lambda: stores.outbox.counts()["pending"] == 1)
    stores.outbox.mark_failed("msg_a_1", "", SystemClock().now())
    until(lambda: forum.deleted == {"41"})
    perform(of_discourse(restore("a_2", "a_1")), limits=(limit(),))
    until(lambda: forum.deleted == set() and forum.silenced == {"7": "2027-01-16T08:00:00+00:00"})
    perform(limits=(limit(lifted_at=START, lifted_by="key k"),))
    until(lambda: forum.silenced == {})
    until(lambda: stores.outbox.counts() == {"pending": 0, "delivered": 4, "dead": 0})


@pytest.mark.parametrize("answers_first", [()])
def test_an_account_stays_silent_until_the_last_of_its_limits_is_over(acting):
    forum, server = acting
    stores = server.doors.stores

    def impose(*limits):
        stores.perform(Effects(limits=limits, messages=due_now(limit_messages(limits))))
        server.doors.delivery.nudge()

    long, short = limit("l_long", ends=START + 2 * DAY), limit("l_short")
    impose(long, short)
    until(lambda: stores.outbox.counts()["delivered"] == 2)
    assert forum.silenced == {"7": "2027-01-17T08:00:00+00:00"}
    impose(msgspec.structs.replace(long, lifted_at=START, lifted_by="key k"))
    until(lambda: forum.silenced == {"7": "2027-01-16T08:00:00+00:00"})
    impose(msgspec.structs.replace(short, lifted_at=START, lifted_by="key k"))
    until(lambda: forum.silenced == {})


def test_what_discourse_cannot_do_is_not_asked_of_it():
    demoted = of_discourse(action("a_1", kind="demote"))
    (of_demotion,) = messages_for([demoted], ())
    (of_restore,) = messages_for([of_discourse(restore("a_2", "a_1"))], ())
    (elsewhere,) = messages_for([action("a_3", post="41")], ())
    assert call_for(of_demotion, None) is None
    assert call_for(of_restore, "demote") is None
    assert call_for(elsewhere, None) is None
    for name in ("../admin", "", "\u0664\u0661"):
        odd = msgspec.structs.replace(of_discourse(action("a_4")), post_id=name)
        (message,) = messages_for([odd], ())
        assert call_for(message, None) is None


def test_settings_that_cannot_work_are_told_together(tmp_path):
    flags = {
        "discourse_url": "forum",
        "webhook_url": "https://x.example/",
        "webhook_secret": "whsec_" + "QUJD" * 10,
    }
    with pytest.raises(ConfigurationError) as raised:
        load_settings(config=None, environ={}, flags=flags)
    told = str(raised.value)
    for said in ("no address", "one receiver", "discourse_api_key"):
        assert said in told
