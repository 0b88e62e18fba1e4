"""The live page in a real browser: decisions arrive, and nothing is asked of anybody else.

The screenshot in the README is made here: `make test TEST="tests/acceptance/test_live_page.py --write-golden"`.
"""

import contextlib
import re
import threading
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from playwright.sync_api import expect

from browser import CHROMIUM, browser_page
from running_server import NDJSON, ndjson, running
from sievert.cli.demo_moderators import Moderators
from sievert.cli.demo_platform import TRUTH, Platform, demo_settings
from sievert.cli.platform_client import Client
from sievert.schema.clock import HOUR, ManualClock
from sievert.schema.person import Role
from sievert.schema.sentinel import SENTINEL
from sievert.scoring.bundle import default_bundle_path
from sievert.serving.truth import DoneTruth, PostTruth, SeenTruth, TruthBoard
from sievert.simulation.settings import START
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from signed_in import PASSWORD, add_person

SCREENSHOT = Path(__file__).parent.parent.parent / "docs" / "images" / "live-page.png"
# Machines are shared: what comes late is not wrong.
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("live"), default_bundle_path()) as one:
        yield one


def send(server, posts):
    with server.client() as client:
        client.post("/api/v1/posts:batch", content=ndjson(*posts), headers=NDJSON).raise_for_status()


def test_decisions_arrive_while_somebody_watches(server):
    with browser_page() as watched:
        page = watched.page
        page.goto(f"{server.address}/#key={server.key}")
        expect(page.locator("#state")).to_have_text("live")
        assert "key" not in page.url, "the key stays in the address"
        assert page.locator("#decisions tr").count() == 0
        for batch in range(6):
            send(server, [{"id": f"{batch}-{n}", "text": f"what a lovely morning {n}"} for n in range(60)])
        send(server, [{"id": "proof", "text": f"{SENTINEL} <b>bold</b>", "platform": "demo"}])
        row = page.locator("#decisions tr", has_text="proof")
        expect(row).to_be_visible()
        expect(row.locator(".badge")).to_have_text(["review", "demote"])
        expect(row).to_contain_text("sentinel")
        expect(row.locator(".trigger")).to_have_text("created")
        expect(page.locator("#posts")).to_have_text("361", timeout=5000)
        assert int(page.locator("#count-allow").text_content()) > 200
        # Every sentinel is demoted while it waits for a person, and counts as both.
        assert int(page.locator("#count-demote").text_content()) >= 1
        # What a simulated platform alone can know is not shown of a real one.
        expect(page.locator("#truth")).to_be_hidden()

        # A row opens its trail; the text is shown on request only, and as text.
        row.get_by_role("button").click()
        trail = page.get_by_role("dialog")
        expect(trail).to_contain_text("with every policy live")
        expect(trail).to_contain_text("sentinel: a person should look at it; sentinel: likely enough to be")
        expect(trail.get_by_text("<b>bold</b>")).to_be_hidden()
        trail.get_by_text("show the text").click()
        expect(trail.get_by_text("<b>bold</b>")).to_be_visible()
        trail.get_by_role("button", name="Close").click()

        page.select_option("#filter", "remove")
        assert page.locator("#decisions tr:visible").count() == 0
        page.select_option("#filter", "review")
        expect(row).to_be_visible()
        page.select_option("#filter", "demote")
        expect(row).to_be_visible()
        page.select_option("#filter", "review")
        page.get_by_role("button", name="Pause").click()
        send(server, [{"id": "later", "text": SENTINEL}])
        expect(page.locator("#posts")).to_have_text("362", timeout=5000)
        assert page.locator("#decisions tr", has_text="later").count() == 0
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#decisions tr", has_text="later")).to_be_visible()

        assert watched.requests
        assert all(url.startswith(server.address) for url in watched.requests)
        assert watched.complaints == []


@contextlib.contextmanager
def simulated(folder, bundle_folder, prevalence=None):
    """Run a server whose platform is simulated: its clock is moved by the test, and it takes the truth."""
    clock = ManualClock(START)
    board = TruthBoard(clock=clock)
    with running(folder, bundle_folder, clock=clock, truth=board, prevalence=prevalence) as one:
        yield one, clock


def tell(server, *records):
    with server.client() as client:
        lines = b"\n".join(msgspec.json.encode(record) for record in records)
        client.post(TRUTH, content=lines, headers=NDJSON).raise_for_status()


def heights(page, line):
    """Return how high a line of the drawing goes, point by point; up is less."""
    points = page.locator(line).get_attribute("d").removeprefix("M").split("L")
    return [float(point.split(" ")[1]) for point in points]


def test_a_simulated_platform_shows_what_is_prevented_and_what_was_got_wrong(tmp_path, tiny_folder):
    with simulated(tmp_path, tiny_folder) as (server, clock), browser_page() as watched:
        page = watched.page
        page.goto(f"{server.address}/#key={server.key}")
        expect(page.locator("#prevented")).to_have_text("nobody has seen a harmful post yet")
        expect(page.locator("#missed-posts-none")).to_be_visible()
        expect(page.locator("#acted-posts-none")).to_be_visible()
        send(server, [{"id": "quiet", "text": "hello you"}, {"id": "loud", "text": "what a kaboom"}])
        tell(
            server,
            PostTruth(id="quiet", harmful=True, policy="threat"),
            PostTruth(id="loud", harmful=False),
            PostTruth(id="caught", harmful=True, policy="spam"),
            DoneTruth(id="loud", done="demote"),
            DoneTruth(id="loud", done="restore"),
            DoneTruth(id="caught", done="remove"),
        )
        for _ in range(10):
            clock.advance(HOUR)
            tell(
                server,
                SeenTruth(id="quiet", views=10, views_without=10),
                SeenTruth(id="loud", views=5, views_without=7),
                SeenTruth(id="caught", views=10, views_without=100),
            )
        expect(page.locator("#views-without")).to_have_text("1,100")
        expect(page.locator("#views-with")).to_have_text("200")
        expect(page.locator("#prevented")).to_have_text("prevented 81 %")
        expect(page.locator("#truth-time")).to_contain_text("2027")
        expect(page.locator("#lines")).to_have_attribute(
            "aria-label", re.compile("1,100 without Sievert, 200 with Sievert")
        )
        without, fact = heights(page, "#line-without"), heights(page, "#line-with")
        assert len(without) == len(fact) > 9
        assert without == sorted(without, reverse=True)
        assert without[-1] < fact[-1] < fact[0]

        missed = page.locator("#missed-posts tr")
        expect(missed).to_have_count(1)
        expect(missed).to_contain_text("threat")
        expect(missed).to_contain_text("nothing")
        acted = page.locator("#acted-posts tr")
        expect(acted).to_have_count(1)
        expect(acted).to_contain_text("demoted, then cleared by a person")
        expect(page.locator("#wrong")).to_contain_text("1 demoted")
        # What was got wrong can be looked into like every decision, and no text is told before.
        assert "kaboom" not in page.content()
        acted.get_by_role("button").click()
        trail = page.get_by_role("dialog")
        expect(trail).to_contain_text("probability of harm")
        expect(trail).to_contain_text("2027")
        trail.get_by_role("button", name="Close").click()
        expect(page.locator("#decisions tr", has_text="loud")).to_contain_text("2027")

        page.reload()
        expect(page.locator("#prevented")).to_have_text("prevented 81 %")
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        assert all(url.startswith(server.address) for url in watched.requests)
        assert watched.complaints == []


def test_the_demo_looks_as_in_the_readme(tmp_path, request):
    written = request.config.getoption("--write-golden")
    steps = 3 * 144 if written else 5
    settings = demo_settings(creators=4000, harm=0.03, seed=1)
    with (
        simulated(tmp_path, default_bundle_path(), settings.prevalence) as (server, clock),
        server.client() as http,
    ):
        world = World(settings, Writer())
        platform = Platform(
            world,
            Client(http, ended=threading.Event(), problems=Counter()),
            clock=clock,
            moderators=Moderators(np.random.default_rng(1)),
        )
        with browser_page(height=960) as watched:
            page = watched.page
            page.goto(f"{server.address}/#key={server.key}")
            for _ in range(steps):
                platform.go_on()
            expect(page.locator("#posts")).to_have_text(f"{platform.decided.total():,}")
            expect(page.locator("#truth")).to_be_visible()
            if written:
                SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=SCREENSHOT)
            assert watched.complaints == []


def test_nothing_is_wider_than_a_phone(server):
    with browser_page(width=390, height=800) as watched:
        page = watched.page
        wide = "() => [...document.querySelectorAll('html, dialog[open]')].map((one) => one.scrollWidth)"
        page.goto(server.address)
        expect(page.locator("#ask")).to_be_visible()
        assert max(page.evaluate(wide)) <= 390
        page.goto(f"{server.address}/schema#key={server.key}")
        page.locator("summary", has_text="List decisions").click()
        page.locator("summary", has_text="PostTrail").click()
        assert max(page.evaluate(wide)) <= 390
        page.goto(f"{server.address}/#key={server.key}")
        send(server, [{"id": "narrow-" * 18, "text": SENTINEL}, {"id": "thin", "text": SENTINEL}])
        row = page.locator("#decisions tr", has_text="thin")
        expect(row).to_contain_text("a person should look at it")
        expect(page.locator("#bundle")).not_to_be_empty()
        assert max(page.evaluate(wide)) <= 390
        row.get_by_role("button").click()
        expect(page.get_by_role("dialog")).to_contain_text("probability of harm")
        assert len(page.evaluate(wide)) == 2
        assert max(page.evaluate(wide)) <= 390


def test_a_page_without_a_key_asks_for_one_and_says_why_it_was_refused(server):
    with browser_page() as watched:
        page = watched.page
        page.goto(server.address)
        expect(page.locator("#ask")).to_be_visible()
        page.fill("#key", server.new_key("posts:write"))
        page.get_by_role("button", name="Watch").click()
        expect(page.locator("#refused")).to_contain_text("decisions:read")
        page.fill("#key", server.key)
        page.get_by_role("button", name="Watch").click()
        expect(page.locator("#state")).to_have_text("live")


def test_whoever_signed_in_needs_no_key(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder) as server, browser_page() as watched:
        add_person(server, "ana", [Role.AUDITOR])
        page = watched.page
        page.goto(server.address)
        page.get_by_role("link", name="Sign in instead").click()
        page.fill("[name=name]", "ana")
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#state")).to_have_text("live")
        page.goto(f"{server.address}/schema")
        expect(page.locator("#api")).to_contain_text("/api/v1/posts")
        # A key that is none any more does not stand in the way.
        page.goto("about:blank")
        page.goto(f"{server.address}/#key=sk_gone_with_the_wind")
        expect(page.locator("#state")).to_have_text("live")


def test_the_policy_stops_foreign_code(server):
    with browser_page() as watched:
        page = watched.page
        page.goto(server.address)
        page.evaluate(
            "() => { const one = document.createElement('script'); one.textContent = 'window.planted = 1';"
            " document.body.append(one); const two = document.createElement('img');"
            " two.src = 'http://192.0.2.1/x.png'; document.body.append(two); }"
        )
        page.wait_for_timeout(300)
        assert page.evaluate("() => window.planted") is None
        assert len([line for line in watched.complaints if "Content Security Policy" in line]) == 2


def test_the_api_page_draws_every_address(server):
    with browser_page() as watched:
        page = watched.page
        page.goto(f"{server.address}/schema#key={server.key}")
        expect(page.locator("details.operation", has_text="/api/v1/posts:batch")).to_be_visible()
        assert page.locator("details.operation .badge").count() == 64
        page.locator("summary", has_text="Submit one post").click()
        expect(page.locator("details[open]")).to_contain_text("application/json")
        assert watched.complaints == []
        assert all(url.startswith((server.address, "blob:")) for url in watched.requests)
