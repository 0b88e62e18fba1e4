"""The whole loop by real people's hands: a real server, a real browser, a real receiver of webhooks.

A post is reported, claimed, judged, removed, appealed against, judged by somebody else, restored; its label
goes out to be learned from, and the ledger moves where a certificate's removal was wrong. All of it by keys
of a keyboard, seen on the pages. The screenshot in the documents is made in `test_desk_page.py`.
"""

import contextlib
import json

import httpx
import msgspec
import pytest
from playwright.sync_api import expect

from browser import CHROMIUM, browser_page
from command_line import sievert
from killable_server import Killable
from listener import SECRET, Listener, until
from sievert.datasets.history import read_history
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.batch import Effects
from sievert.schema.certificate import Certificate, terms_of
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.guardrail import CertificateState, EntryKind, KeptCertificate, name_of
from sievert.serving.settings import Settings
from sievert.serving.wiring import open_ledgers
from sievert.stores.guardrail.base import Change
from signed_in import PASSWORD

expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]

NDJSON = {"Content-Type": "application/x-ndjson"}


def live_policies(folder):
    """The shipped policies, with the one on hate live, and a rule that demotes by a word."""
    folder.mkdir()
    for file in default_policies_path().iterdir():
        if file.suffix != ".yaml":
            continue
        text = file.read_text()
        if file.stem == "hate":
            text = "\n".join(line for line in text.splitlines() if not line.startswith(("mode:", "rules:")))
            text += "\nmode: live\nrules:\n  - name: zibble\n    then: demote\n    words: [zibble]\n"
        (folder / file.name).write_text(text)
    return folder


class Platform:
    """A platform that posts, reports and appeals over the API, and hears webhooks."""

    def __init__(self, address, key, listener):
        self.listener = listener
        self.http = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def close(self):
        self.http.close()

    def publish(self, name, text):
        answer = self.http.post("/api/v1/posts", json={"id": name, "text": text, "creator_id": "eve"})
        answer.raise_for_status()
        return answer.json()["decision"]

    def tell(self, *events):
        now = SystemClock().now()
        lines = [json.dumps({"id": f"{now}-{n}", "at": now, **one}) for n, one in enumerate(events)]
        self.http.post("/api/v1/events", content="\n".join(lines), headers=NDJSON).raise_for_status()

    def appeal(self, action_id, statement):
        said = {"action_id": action_id, "by": "eve", "statement": statement}
        self.http.post("/api/v1/appeals", json=said).raise_for_status()

    def actions(self, post_id):
        return self.http.get(f"/api/v1/posts/{post_id}").json()["actions"]

    def heard(self, event, /, **data):
        """Return what the receiver was told of a kind, with these facts."""
        told = [json.loads(body) for _, body in self.listener.heard]
        return [one["data"] for one in told if one["type"] == event and data.items() <= one["data"].items()]


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_folder):
    """A server in a process of its own, a platform, and people who may sign in."""
    folder = tmp_path_factory.mktemp("work")
    data, policies = folder / "data", live_policies(folder / "policies")
    with Listener() as listener:
        server = Killable(
            data,
            tiny_folder,
            SIEVERT_POLICIES=str(policies),
            SIEVERT_UNDO_SECONDS="3",
            SIEVERT_WEBHOOK_URL=listener.url,
            SIEVERT_WEBHOOK_PRIVATE_HOSTS=listener.url.split("/")[2],
            SIEVERT_WEBHOOK_SECRET=SECRET,
        )
        try:
            key = server.admin_key()
            for name, role in (("ana", "moderator"), ("bea", "moderator"), ("olga", "policy_owner")):
                added = sievert(
                    "people", "add", name, "--role", role, "--data", data, stdin=f"{PASSWORD}\n".encode()
                )
                assert added.returncode == 0, added.stderr
            address = f"http://127.0.0.1:{server.port}"
            with contextlib.closing(Platform(address, key, listener)) as platform:
                yield Place(address, data, policies, platform)
        finally:
            server.kill()


class Place:
    """Where the test happens."""

    def __init__(self, address, data, policies, platform):
        self.address, self.data, self.policies, self.platform = address, data, policies, platform

    @contextlib.contextmanager
    def signed_in(self, name, to="/work"):
        """Somebody at a browser of their own, who signs in by the keyboard alone."""
        with browser_page() as watched:
            page = watched.page
            page.goto(f"{self.address}{to}")
            expect(page.locator("#name")).to_be_focused()  # which comes a moment after the page
            page.keyboard.type(name)
            page.keyboard.press("Tab")
            page.keyboard.type(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{self.address}{to}")
            yield watched
            assert all(url.startswith(self.address) for url in watched.requests), watched.requests
            assert watched.complaints == []


def claim(page):
    page.keyboard.press("c")
    page.wait_for_url("**/work/cases/*")
    expect(page.locator("#post-title")).to_be_focused()


def certify_by_hand(place):
    """Let hate remove by a certificate that names what runs, as an operator's commands would in weeks."""
    policies = load_policies(place.policies)
    hate = policies.named("hate")
    with open_ledgers(Settings(data_folder=str(place.data)), clock=SystemClock()) as ledgers:
        store, now = ledgers.guardrail, SystemClock().now()
        running = store.running()
        says = Certificate(
            policy="hate",
            policy_version=hate.version,
            terms=terms_of(hate),
            platform="default",
            bundle=running.bundle,
            forecaster=running.forecaster,
            embeddings=running.embeddings,
            triggers=running.triggers,
            lambda_posts=100.0,
            lambda_views=0.0,
            issued_at=now,
            expires_at=now + 7 * DAY,
        )
        kept = KeptCertificate(
            name=name_of(says),
            certificate=says,
            attempt_id="t",
            state=CertificateState.ACTIVE,
            changed_at=now,
            changed_by="test",
        )
        store.apply(Change(certificates=(kept,)), Effects(), seen=store.version)


def settled_labels(place, folder):
    """Export what people settled, the way the documents say; return its lines, and the history it is."""
    labels, posts = folder / "labels.ndjson", folder / "posts.ndjson"
    wrote = sievert("review", "labels", "--out", labels, "--posts", posts, "--data", place.data)
    assert wrote.returncode == 0, wrote.stderr
    checked = sievert("data", "check", folder)
    assert checked.returncode == 0, checked.stdout
    assert b"Every row can be used" in checked.stdout
    read_history(folder)
    found = [msgspec.json.decode(line) for line in labels.read_bytes().splitlines()]
    return [(one["post_id"], one["policy"], one["value"], one["source"]) for one in found]


def test_a_reported_post_is_judged_removed_appealed_against_and_restored_by_somebody_else(place, tmp_path):
    platform = place.platform
    # It is demoted by a word at once, and comes before people as readers report it.
    assert platform.publish("quoted", "he said: zibble, and I was appalled") == "demote"
    platform.tell(
        {"kind": "views", "post_id": "quoted", "count": 12},
        {"kind": "comment", "post_id": "quoted", "text": "shame on you", "actor_id": "cara"},
        *({"kind": "report", "post_id": "quoted", "reason": "hate", "actor_id": f"r{n}"} for n in range(12)),
    )
    with place.signed_in("ana") as watched:
        page = watched.page
        claim(page)
        main = page.locator("main")
        expect(page.locator("#post-title + blockquote")).to_have_text("he said: zibble, and I was appalled")
        expect(main).to_contain_text("shame on you")
        expect(main).to_contain_text("hate 12")
        expect(main).to_contain_text("a person should look at it")
        hate = page.get_by_role("checkbox", name="Hate")
        page.keyboard.press(hate.get_attribute("data-key"))
        expect(hate).to_be_checked()
        page.keyboard.press("o")
        page.keyboard.type("n b 1")  # words, and no keys, while a note is written
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(page.locator(".held")).to_contain_text("violates hate")
        expect(page.locator("main")).to_contain_text("Nothing waits")
        until(lambda: platform.heard("action.performed", post_id="quoted", kind="remove"))
    (demoted, removed) = platform.actions("quoted")
    assert (demoted["kind"], removed["kind"], removed["by"].split(":")[0]) == ("demote", "remove", "person")
    lines = settled_labels(place, tmp_path / "first")
    assert ("quoted", "hate", 1.0, "review") in lines

    platform.appeal(removed["action_id"], "I only quoted him, and said that it is appalling.")
    with place.signed_in("ana") as watched:
        watched.page.keyboard.press("c")
        expect(watched.page.locator("main")).to_contain_text("Nothing waits that you can look at")
    with place.signed_in("bea") as watched:
        page = watched.page
        claim(page)
        expect(page.locator("main")).to_contain_text("An appeal under hate")
        expect(page.locator("main")).to_contain_text("I only quoted him")
        # Blind: nothing of what Ana or the model found.
        for told in ("person should look", "probability", "found before", "hate 12"):
            expect(page.locator("main")).not_to_contain_text(told)
        page.keyboard.press("n")
        expect(page.locator(".held")).to_contain_text("violates nothing")
        until(lambda: platform.heard("action.performed", post_id="quoted", kind="restore"))
        until(lambda: platform.heard("appeal.decided", state="overturned"))
    # What was overturned is not learned from; what the second judge found is.
    lines = settled_labels(place, tmp_path / "second")
    assert [one for one in lines if one[1] == "hate"] == [("quoted", "hate", 0.0, "appeal")]

    with place.signed_in("olga", "/cases") as watched:
        page = watched.page
        page.get_by_role("link", name="quoted").first.click()
        trail = page.locator("main")
        expect(trail).to_contain_text("overturned")
        expect(trail).to_contain_text("violates hate")
        rows = page.locator("table").first.locator("tbody tr")
        expect(rows.nth(1)).to_contain_text("taken back")
        assert "appalled" not in page.locator("main").inner_text()  # the text is shown on request only


def test_a_removal_by_certificate_that_is_overturned_moves_the_ledger(place):
    platform = place.platform
    certify_by_hand(place)
    until(lambda: platform.publish(f"try{SystemClock().now()}", "you blorp") == "remove")
    assert platform.publish("wrongly", "you blorp") == "remove"
    (removed,) = platform.actions("wrongly")
    assert removed["by"] == "sievert"
    with place.signed_in("olga", "/ledger/hate") as watched:
        expect(watched.page.locator("main")).to_contain_text("it removes")
        before = watched.page.locator("dt", has_text="removed, overturned").locator("+ dd").inner_text()
        assert before.endswith(", 0")
    platform.appeal(removed["action_id"], "blorp is the name of my dog")
    # Appeals alone: now and then an audit of the same removal is drawn.
    with place.signed_in("bea", "/work?kind=appeal") as watched:
        claim(watched.page)
        expect(watched.page.locator("main")).to_contain_text("the name of my dog")
        watched.page.keyboard.press("n")
        expect(watched.page.locator(".held")).to_be_visible()
    until(lambda: platform.heard("appeal.decided", state="overturned", action_id=removed["action_id"]))
    with place.signed_in("olga", "/ledger") as watched:
        page = watched.page

        def counted():
            page.goto(f"{place.address}/ledger/hate")
            told = page.locator("dt", has_text="removed, overturned").locator("+ dd").inner_text()
            return told.endswith(", 1")

        until(counted)
        line = page.locator("table").last.locator("tbody tr", has_text=EntryKind.APPEAL.value)
        expect(line).to_contain_text("wrong")
        # She ends it: a reason, a page that asks, and from the next batch on nothing is removed.
        page.get_by_role("link", name="Withdraw the certificate").click()
        page.locator("#reason").fill("too many appeals")
        page.get_by_role("button", name="Withdraw it").click()
        expect(page.get_by_role("status")).to_contain_text("withdrawn")
    until(lambda: platform.publish(f"more{SystemClock().now()}", "you blorp") != "remove")
