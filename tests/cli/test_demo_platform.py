"""The demo's platform: what it tells the server, that it does what the server says, and that it helps."""

import json
import threading
from collections import Counter

import httpx
import msgspec
import numpy as np
import pytest

from plain_writer import PlainWriter
from running_server import running
from sievert.cli.demo_moderators import DELAY, Asked, Moderators
from sievert.cli.demo_platform import Platform
from sievert.cli.platform_client import Client
from sievert.errors import Overloaded, StoreUnavailable
from sievert.schema.clock import HOUR, ManualClock
from sievert.serving.truth import TruthBoard
from sievert.simulation.settings import START, WorldSettings
from sievert.simulation.world import Effect, World

# Much harm, many views and willing reporters: a day of it is enough to see something.
LOUD = WorldSettings(
    seed=5,
    creators=200,
    toxic=0.2,
    posts_per_day=600,
    step=HOUR // 2,
    harm_of_toxic=0.15,
    harm_of_campaigns=0.001,
    harm_of_hacked=0.001,
    views=150.0,
    reports=(0.0001, 0.0004, 0.05),
)


class FakeServer:
    """Takes what a server takes, and lists what a test puts into it."""

    def __init__(self, clock):
        self.clock = clock
        self.board = TruthBoard(clock=clock)
        self.heard = []
        self.actions, self.cases = [], []
        self.full = 0
        self.on_posts = lambda posts: None

    def client(self, **more):
        http = httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://fake")
        return Client(http, **{"ended": threading.Event(), "problems": Counter(), **more})

    def answer(self, request):
        path = request.url.path.rpartition("/")[2]
        if request.method == "GET":
            return self.page(getattr(self, path), dict(request.url.params))
        if self.full:
            self.full -= 1
            return httpx.Response(429, headers={"Retry-After": "0"})
        lines = [json.loads(line) for line in request.content.splitlines()]
        self.heard.append((path, self.clock.now(), lines))
        if path == "posts:batch":
            self.on_posts(lines)
            answers = [{"id": line["id"], "decision": "allow"} for line in lines]
        elif path == "truth":
            answers = map(msgspec.to_builtins, self.board.take(request.content.splitlines()))
        else:
            answers = [{"id": line["id"], "counted": True} for line in lines]
        return httpx.Response(200, content="\n".join(map(json.dumps, answers)))

    def page(self, records, asked, most=3):
        newest = records[::-1]
        at = int(asked.get("cursor", 0))
        more = at + most < len(newest)
        return httpx.Response(
            200, json={"items": newest[at : at + most], "cursor": str(at + most) if more else None}
        )

    def act(self, post_id, kind="demote", revision=0):
        self.actions.append(
            {
                "action_id": f"action-{len(self.actions)}",
                "decision_id": "d",
                "platform": "default",
                "post_id": post_id,
                "revision": revision,
                "kind": kind,
                "policy": "spam",
                "performed_at": self.clock.now(),
            }
        )

    def ask(self, post_id, priority=1.0, revision=0):
        self.cases.append(
            {
                "case_id": f"case-{len(self.cases)}",
                "decision_id": "d",
                "platform": "default",
                "post_id": post_id,
                "revision": revision,
                "policy": "spam",
                "opened_at": self.clock.now(),
                "priority": priority,
            }
        )

    def told(self, path):
        return [line for heard, _, lines in self.heard for line in lines if heard == path]


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def fake(clock):
    return FakeServer(clock)


def platform_of(fake, clock, *, settings=LOUD, mistaken=0.0, an_hour=1000.0):
    world = World(settings, PlainWriter())
    moderators = Moderators(np.random.default_rng(1), an_hour=an_hour, mistaken=mistaken)
    return Platform(world, fake.client(), clock=clock, moderators=moderators), world


def harmful(post):
    return not post["text"].startswith("policy -1")


def test_posts_are_told_before_events_and_the_clock_stands_at_the_steps_end(fake, clock):
    platform, world = platform_of(fake, clock)
    for number in range(1, 5):
        platform.go_on()
        assert clock.now() == START + number * LOUD.step
    assert [path for path, at, _ in fake.heard if at == START + LOUD.step][:3] == [
        "posts:batch",
        "events",
        "truth",
    ]
    posts, truth = fake.told("posts:batch"), world.truth()
    assert len(posts) > 20
    new = [post["id"] for post in posts if not post["revision"]]
    assert new == [f"p{number}" for number in range(len(truth))]
    told = {line["id"]: line for line in fake.told("truth") if line["kind"] == "post"}
    assert all(told[post["id"]]["harmful"] == harmful(post) for post in posts)
    assert platform.decided == {"allow": len(posts)}
    assert max(event["at"] for event in fake.told("events")) <= clock.now()


def test_without_enforcement_people_see_what_they_would_have_seen(fake, clock):
    platform, world = platform_of(fake, clock)
    for _ in range(40):
        platform.go_on()
    truth = fake.board.truth()
    assert truth.views == truth.views_without > 100
    assert truth.views == world.truth().views[world.truth().harmful].sum()


def test_what_the_server_demotes_is_seen_less(fake, clock):
    fake.on_posts = lambda posts: [fake.act(post["id"]) for post in posts if harmful(post)]
    platform, _ = platform_of(fake, clock)
    for _ in range(40):
        platform.go_on()
    truth = fake.board.truth()
    assert truth.found == truth.harmful > 5
    assert truth.views < 0.6 * truth.views_without
    assert truth.missed == []
    assert set(truth.wrong.values()) == {0}


def test_moderators_answer_cases_and_the_platform_does_what_they_find(fake, clock):
    asked = {}

    def ask(posts):
        for post in posts:
            if (harmful(post) or len(asked) < 5) and not post["revision"]:
                asked[post["id"]] = harmful(post)
                fake.act(post["id"])
                fake.ask(post["id"])

    fake.on_posts = ask
    platform, _ = platform_of(fake, clock)
    for _ in range(20):
        platform.go_on()
    fake.on_posts = lambda posts: None
    platform.go_on()
    verdicts = [
        event for event in fake.told("events") if event["kind"] == "verdict" and event["id"][0] == "v"
    ]
    assert {event["post_id"]: event["harmful"] for event in verdicts} == asked
    assert len({event["id"] for event in verdicts}) == len(asked) > 8
    truth = fake.board.truth()
    assert truth.found == sum(asked.values())
    assert truth.wrong["restore"] == truth.wrong["review"] == 5
    assert truth.wrong["remove"] == 0
    assert {one.done for one in truth.acted} == {("demote", "review", "restore")}


def test_moderators_who_always_err_are_wrong_in_both_ways(fake, clock):
    fake.on_posts = lambda posts: [fake.ask(post["id"]) for post in posts]
    platform, _ = platform_of(fake, clock, mistaken=1.0)
    for _ in range(6):
        platform.go_on()
    truth = fake.board.truth()
    assert truth.wrong["remove"] > 10
    assert truth.found < truth.harmful


def test_a_persons_word_outlasts_the_machines_until_the_post_is_changed(fake, clock, monkeypatch):
    platform, world = platform_of(fake, clock)
    enforced = []
    monkeypatch.setattr(world, "enforce", lambda numbers, effect: enforced.append((effect, *numbers)))
    for _ in range(4):
        platform.go_on()
    posts = {harmful(post): post["id"] for post in fake.told("posts:batch")}
    bad, fine = posts[True], posts[False]
    fake.ask(bad)
    fake.ask(fine)
    for _ in range(2):
        platform.go_on()
    assert sorted(enforced, key=str) == [(Effect.REMOVE, int(bad[1:])), (Effect.RESTORE, int(fine[1:]))]
    enforced.clear()
    fake.act(bad)
    fake.act(fine)
    platform.go_on()
    assert enforced == []
    fake.act(bad, revision=1)
    fake.act(fine, revision=1)
    platform.go_on()
    assert enforced == [(Effect.DEMOTE, int(fine[1:]))]


def test_a_removal_by_the_server_is_done_and_not_softened(fake, clock, monkeypatch):
    platform, world = platform_of(fake, clock)
    enforced = []
    monkeypatch.setattr(world, "enforce", lambda numbers, effect: enforced.append((effect, *numbers)))
    platform.go_on()
    fake.act("p0", kind="remove")
    platform.go_on()
    fake.act("p0")
    platform.go_on()
    assert enforced == [(Effect.REMOVE, 0)]


def test_a_full_server_is_asked_again_and_nothing_is_lost(fake, clock):
    fake.full = 3
    client = fake.client()
    answers = client.send("/api/v1/events", [b'{"id":"%d"}' % number for number in range(4500)])
    assert [answer["id"] for answer in answers] == [str(number) for number in range(4500)]
    assert len(fake.heard) == 3
    fake.full = 1_000_000
    with pytest.raises(Overloaded):
        client.send("/api/v1/events", [b"{}"])


def test_a_server_that_went_away_is_said_to_be():
    def gone(request):
        raise httpx.ConnectError("refused")

    client = Client(
        httpx.Client(transport=httpx.MockTransport(gone), base_url="http://fake"),
        ended=threading.Event(),
        problems=Counter(),
    )
    with pytest.raises(StoreUnavailable, match="does not answer"):
        client.send("/api/v1/events", [b"{}"])


def test_lines_that_the_server_refuses_are_counted_by_title():
    problems = Counter()
    lines = b'{"id":"a","counted":true}\n{"title":"A field is wrong","status":422}'
    client = Client(
        httpx.Client(
            transport=httpx.MockTransport(lambda request: httpx.Response(200, content=lines)),
            base_url="http://fake",
        ),
        ended=threading.Event(),
        problems=problems,
    )
    assert client.send("/api/v1/events", [b"{}", b"{}"]) == [{"id": "a", "counted": True}]
    assert problems == {"A field is wrong": 1}


def test_what_is_new_in_a_list_is_read_over_several_pages_oldest_first(fake):
    client = fake.client()
    for number in range(8):
        fake.act(f"p{number}")
    newer = client.newer("/api/v1/actions", "action_id", than=None)
    assert [one["post_id"] for one in newer] == [f"p{number}" for number in range(8)]
    for number in range(8, 15):
        fake.act(f"p{number}")
    newer = client.newer("/api/v1/actions", "action_id", than="action-7")
    assert [one["post_id"] for one in newer] == [f"p{number}" for number in range(8, 15)]
    assert client.newer("/api/v1/actions", "action_id", than="action-14") == []


def asked(post, *, opened_at=START, priority=1.0, harms=True):
    return Asked(post=post, revision=0, opened_at=opened_at, priority=priority, harmful=harms)


def test_moderators_take_the_most_urgent_first_so_many_an_hour_and_not_at_once():
    moderators = Moderators(np.random.default_rng(1), an_hour=4.0, mistaken=0.0)
    for post in range(10):
        moderators.ask(asked(post, priority=post % 5))
    assert moderators.work(now=START + DELAY - 1, hours=1.0) == []
    found = [one.asked.post for one in moderators.work(now=START + DELAY, hours=0.5)]
    assert len(found) <= 6
    for hour in range(1, 4):
        found += [one.asked.post for one in moderators.work(now=START + hour * HOUR, hours=1.0)]
    assert found == [4, 9, 3, 8, 2, 7, 1, 6, 0, 5]
    assert len(moderators) == 0


def test_idle_hours_do_not_add_up():
    moderators = Moderators(np.random.default_rng(1), an_hour=4.0, mistaken=0.0)
    for hour in range(100):
        moderators.work(now=START + hour * HOUR, hours=1.0)
    for post in range(50):
        moderators.ask(asked(post))
    assert len(moderators.work(now=START + 200 * HOUR, hours=1.0)) == 4


def test_slow_moderators_still_get_through_a_case_now_and_then():
    moderators = Moderators(np.random.default_rng(1), an_hour=2.0, mistaken=0.0)
    for post in range(10):
        moderators.ask(asked(post))
    found = [len(moderators.work(now=START + DELAY + HOUR, hours=1 / 6)) for _ in range(12)]
    assert sum(found) in (3, 4, 5)


def test_moderators_err_now_and_then():
    moderators = Moderators(np.random.default_rng(1), an_hour=1e6, mistaken=0.1)
    for post in range(4000):
        moderators.ask(asked(post, harms=post % 2 == 0))
    found = moderators.work(now=START + HOUR, hours=1.0)
    wrong = sum(one.harmful != one.asked.harmful for one in found)
    assert len(found) == 4000
    assert 300 < wrong < 500


def test_reports_lead_to_decisions_that_people_see_less_harm_by(tmp_path, tiny_folder, clock):
    board = TruthBoard(clock=clock)
    with (
        running(tmp_path, tiny_folder, clock=clock, truth=board) as server,
        httpx.Client(
            base_url=server.address,
            headers={"Authorization": f"Bearer {server.key}"},
            trust_env=False,
            timeout=60,
        ) as http,
    ):
        problems = Counter()
        platform = Platform(
            World(LOUD, PlainWriter()),
            Client(http, ended=threading.Event(), problems=problems),
            clock=clock,
            moderators=Moderators(np.random.default_rng(1)),
        )
        for _ in range(36):
            platform.go_on()
        anew = server.doors.feed.counters().anew
        trail = http.get(f"/api/v1/posts/{next(iter(_removed(board)))}").json()["decisions"]
    truth = board.truth()
    assert problems == {}
    # No text says anything to this bundle: whatever was found, was found by what people did.
    assert platform.decided["allow"] == platform.decided.total() > 200
    assert anew > 20
    assert [trail[0]["trigger"], trail[0]["outcome"]] == ["created", "allow"]
    assert trail[-1]["outcome"] in ("review", "demote")
    assert truth.found > 5
    assert truth.views < 0.95 * truth.views_without


def _removed(board):
    return [name for (_, name), post in board._posts.items() if post.harmful and "remove" in post.done]
