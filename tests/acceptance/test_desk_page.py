"""The desk in a real browser: hostile words do nothing, keys and buttons do the same, everything fits a phone.

The screenshot in the documents is made here: `make test TEST="tests/acceptance/test_desk_page.py --write-golden"`.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import CHROMIUM, browser_page
from made_pictures import saved
from running_server import NDJSON, running
from sievert.review.order import Shares
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.person import Role
from sievert.testing import FixedClock
from signed_in import add_person, token_for

SCREENSHOT = Path(__file__).parent.parent.parent / "docs" / "images" / "desk.png"
NUMBERS = itertools.count()

expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def server(tmp_path, tiny_folder, clock):
    def change(doors):
        desk = dataclasses.replace(doors.desk, shares=Shares(random=0.0, gold=0.0))
        return dataclasses.replace(doors, desk=desk)

    with running(
        tmp_path / "data", tiny_folder, clock=clock, change=change, picture_seconds=20.0, undo_seconds=60
    ) as one:
        yield one


@pytest.fixture
def client(server):
    with server.client() as one:
        yield one


def cookie_of(server, name, roles=(Role.MODERATOR,)):
    """Let somebody sign in; made before a browser runs, which has a loop of its own."""
    person = add_person(server, name=name, roles=roles)
    return {"name": "sievert-session", "value": token_for(server, person), "url": server.address}


def beside(page, cookies=None):
    """Open another window; of the same person, unless other cookies are given."""
    context = page.context.browser.new_context()
    context.add_cookies(cookies or page.context.cookies())
    return context.new_page()


@contextlib.contextmanager
def browsing(server, name="ana", roles=(Role.MODERATOR,), **size):
    """A browser of somebody who is signed in already, that may do nothing foreign and complain of nothing."""
    cookie = cookie_of(server, name, roles)
    with browser_page(**size) as watched:
        watched.page.context.add_cookies([cookie])
        yield watched
        assert all(url.startswith(server.address) for url in watched.requests), watched.requests
        assert watched.complaints == []


def submit(client, name, text="you blorp", **more):
    client.post("/api/v1/posts", json={"id": name, "text": text, **more}).raise_for_status()


def tell(client, clock, *events):
    lines = [json.dumps({"id": f"e{next(NUMBERS)}", "at": clock.now(), **one}) for one in events]
    client.post("/api/v1/events", content="\n".join(lines), headers=NDJSON).raise_for_status()


def claim(page, server):
    page.goto(f"{server.address}/work")
    page.keyboard.press("c")
    page.wait_for_url("**/work/cases/*")


def scripts_that_ran(page):
    return page.evaluate("() => window.planted")


HOSTILE = (
    "<script>window.planted = 1</script><img src=x onerror='window.planted = 1'>"
    "<img src='http://192.0.2.1/x.png'></blockquote><svg onload=window.planted=1>"
    "'\"><style>*{display:none}</style><a href='javascript:window.planted=1'>x</a>{{ 7*7 }}"
)


def test_hostile_words_are_words_wherever_they_stand(server, client, clock):
    name = "p'\"><img src=x onerror=window.planted=1>"
    submit(
        client,
        name,
        f"{'you blorp ' * 20}{HOSTILE}",
        creator_id=f"c{HOSTILE}"[:100],
        surface="<b onclick=1>feed",
    )
    tell(
        client,
        clock,
        {"kind": "comment", "post_id": name, "text": HOSTILE, "actor_id": "<i>cara</i>"},
        {
            "kind": "report",
            "post_id": name,
            "reason": "hate",
            "actor_id": '"><script>window.planted=1</script>',
        },
    )
    reason = {"turn": "stop", "what": "removals", "policy": "spam", "reason": HOSTILE}
    client.post("/api/v1/switch", json=reason).raise_for_status()
    (action,) = client.get("/api/v1/actions").json()["items"]
    appeal = {"action_id": action["action_id"], "by": "<b>eve</b>", "statement": HOSTILE}
    client.post("/api/v1/appeals", json=appeal).raise_for_status()
    with browsing(server) as watched:
        page = watched.page
        for kind in ("appeal", "decision"):
            page.goto(f"{server.address}/work?kind={kind}")
            page.get_by_role("button", name="Claim").click()
            expect(page.locator("#post-title + blockquote")).to_contain_text(HOSTILE)
            expect(page.locator("#post-title")).to_contain_text(name)
            expect(page.locator("main")).to_contain_text("<i>cara</i>")
            assert page.locator("main img, main script, main svg, main style, main a").count() == 0
            page.fill("#note", HOSTILE)
            page.keyboard.press("Escape")
            page.keyboard.press("n")
            expect(page.locator(".held").first).to_contain_text(name)
            assert scripts_that_ran(page) is None
    clock.advance(60 * SECOND)
    with browsing(server, "olga", (Role.POLICY_OWNER,)) as watched:
        page = watched.page
        page.goto(f"{server.address}/cases")
        page.get_by_role("link", name=name).first.click()
        page.locator("summary", has_text="Show the text").click()
        expect(page.locator("main")).to_contain_text(HOSTILE)
        page.goto(f"{server.address}/switches")
        expect(page.locator("main")).to_contain_text(HOSTILE)
        assert scripts_that_ran(page) is None


def test_a_text_cannot_turn_its_reader_round(server, client):
    submit(client, "p0", "you blorp \u202egnihton\u202c and no\u200bthing\u0007")
    with browsing(server) as watched:
        page = watched.page
        claim(page, server)
        post = page.locator("#post-title + blockquote")
        expect(post).to_have_text("you blorp U+202EgnihtonU+202C and noU+200BthingU+0007")
        expect(post.locator(".sign").first).to_have_attribute("title", "right-to-left override")


@pytest.fixture
def picture():
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (480, 200), "yellow")
    ImageDraw.Draw(image).text((20, 60), "you blorp", fill="red", font=ImageFont.load_default(size=64))
    return saved(image, "PNG")


_COLOURED = """image => {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0;
  for (let i = 0; i < data.length; i += 4) coloured += Math.abs(data[i] - data[i + 2]) > 24;
  return coloured;
}"""


def test_pictures_are_blurred_until_one_key_and_again_with_the_same(server, client, picture):
    media = [{"base64": base64.b64encode(picture).decode()}]
    submit(client, "shown", "you blorp", media=media)
    revealed = lambda: [one for one in server.doors.stores.audit.entries() if one.event == "media.revealed"]  # noqa: E731
    with browsing(server) as watched:
        page = watched.page
        claim(page, server)
        image = page.locator("figure.picture img")
        expect(image).to_have_attribute("alt", "picture 1 of 1, blurred and grey")
        assert image.evaluate(_COLOURED) == 0
        page.keyboard.press("1")
        assert revealed() == []
        page.keyboard.press("v")
        expect(image).to_have_attribute("alt", "picture 1 of 1")
        page.wait_for_function("() => document.querySelector('figure.picture img').naturalWidth === 480")
        assert image.evaluate(_COLOURED) > 1000
        assert [one.actor.split(":")[0] for one in revealed()] == ["person"]
        expect(page.locator("#reveal")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("v")
        expect(image).to_have_attribute("alt", "picture 1 of 1, blurred and grey")
        # What was ticked meanwhile is still ticked.
        expect(page.get_by_role("checkbox").first).to_be_checked()


def test_every_key_has_a_button_that_tab_reaches_and_keys_can_be_switched_off(server, client):
    submit(client, "p0")
    submit(client, "p1", "you other blorp")
    with browsing(server) as watched:
        page = watched.page
        claim(page, server)
        keyed = page.locator("[data-key]")
        names = [keyed.nth(n).get_attribute("data-key") for n in range(keyed.count())]
        assert {"1", "Enter", "n", "o", "b", "?"} <= set(names)
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("() => document.activeElement.dataset?.key ?? ''"))
        assert set(names) <= reached
        page.locator("h2").first.click()
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_have_attribute("open", "")
        page.get_by_label("Switch the single keys off").check()
        here = page.url
        page.locator("h2").first.click()
        for key in ("n", "b", "Enter"):
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert page.url == here
        assert server.doors.desk.reviews.claims()[0].held is None
        page.get_by_label("Switch the single keys off").uncheck()
        page.locator("h2").first.click()
        page.keyboard.press("n")
        expect(page.locator(".held")).to_contain_text("violates nothing")
        # And back: the newest verdict, by one key, which the page hears once it is loaded.
        page.wait_for_load_state()
        page.keyboard.press("u")
        page.wait_for_url(here)
        expect(page.locator(".held")).to_have_count(0)


def test_whoever_presses_twice_or_has_two_tabs_says_one_thing(server, client):
    submit(client, "p0")
    with browsing(server) as watched:
        page = watched.page
        claim(page, server)
        other = beside(page)
        other.goto(page.url)
        page.evaluate("() => { for (const _ of [1, 2, 3]) document.querySelector('[data-key=n]').click(); }")
        expect(page.locator(".held")).to_contain_text("violates nothing")
        other.keyboard.press("1")
        other.keyboard.press("Enter")
        expect(other.get_by_role("alert")).to_contain_text("Take it back first")
        other.get_by_role("button", name="Undo").click()
        other.wait_for_url("**/work/cases/*")
        (claimed,) = server.doors.desk.reviews.claims()
        assert claimed.held is None
        watched.complaints.clear()  # of the 409, which a browser calls an error


def test_a_claim_that_runs_out_while_the_page_is_open_is_said(server, client, clock):
    submit(client, "p0")
    bea = cookie_of(server, "bea")
    with browsing(server) as watched:
        page = watched.page
        claim(page, server)
        expect(page.locator("#left")).to_contain_text("14 min")
        clock.advance(HOUR // 4)
        other = beside(page, [bea])
        claim(other, server)
        page.keyboard.press("n")
        expect(page.get_by_role("alert")).to_contain_text("Another reviewer has it")
        other.keyboard.press("b")
        expect(other.get_by_role("status").first).to_contain_text("given back")
        watched.complaints.clear()  # of the 409, which a browser calls an error


CONTRAST = """() => {
  const channel = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const under = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(under(element))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.push(walker.currentNode.textContent.trim());
  }
  return poor;
}"""

PAGES = (
    "/work",
    "/cases",
    "/overview",
    "/posts?id=p0",
    "/ledger",
    "/ledger/hate",
    "/ledger/hate/withdraw",
    "/switches",
    "/switches/turn?turn=stop&what=all",
    "/undo?policy=hate&since=2026-01-01T00:00",
)


def test_every_page_fits_a_phone_and_can_be_read_by_day_and_by_night(server, client, clock):
    submit(client, "p0", "you blorp " + "w" * 300, creator_id="e" * 100)
    tell(client, clock, {"kind": "report", "post_id": "p0", "actor_id": "r" * 100})
    everything = (Role.MODERATOR, Role.POLICY_OWNER)
    with browsing(server, "omar", everything, width=360, height=800) as watched:
        page = watched.page
        claim(page, server)
        for path in (page.url.removeprefix(server.address), *PAGES):
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.goto(f"{server.address}{path}").status == 200
                assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, path
                assert page.evaluate(CONTRAST) == [], (path, scheme)
            labels = page.evaluate(
                "() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')]"
                ".filter(one => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).length"
            )
            assert labels == 0, path
            assert page.locator("main > h2, main h2").count() >= 1, path


def test_the_desk_looks_as_in_the_documents(server, client, clock, request):
    text = "He called us blorp again, and nobody in the thread said a word.\nAre we supposed to laugh?"
    submit(client, "thread-1841", text, creator_id="mallow", surface="comments")
    tell(
        client,
        clock,
        {"kind": "views", "post_id": "thread-1841", "count": 412},
        {
            "kind": "comment",
            "post_id": "thread-1841",
            "text": "Quoting him does not make it yours.",
            "actor_id": "juniper",
        },
        {"kind": "report", "post_id": "thread-1841", "reason": "harassment", "actor_id": "fern"},
        {"kind": "report", "post_id": "thread-1841", "reason": "hate", "actor_id": "moss"},
    )
    with browsing(server, width=1180, height=900) as watched:
        page = watched.page
        claim(page, server)
        expect(page.locator("main")).to_contain_text("Quoting him")
        if request.config.getoption("--write-golden"):
            page.screenshot(path=SCREENSHOT)
    assert SCREENSHOT.exists()
