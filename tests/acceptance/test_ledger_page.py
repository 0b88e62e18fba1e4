"""The ledger of a certificate that was really won, after dozens of audits: what the page says and draws is what the API says."""

import math
import shutil

import msgspec
import pytest

from browser import CHROMIUM, browser_page
from guarded import certify, guarded, harmful_by_name, judge, promoted, rude
from running_server import NDJSON, ndjson, running
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.clock import HOUR
from sievert.schema.guardrail import LedgerEntry
from sievert.schema.person import Role
from sievert.scoring.bundle import load_bundle
from sievert.serving.routes.ledger_page import FIRES, HEIGHT, WIDTH
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import FixedClock
from signed_in import add_person, token_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]

MUCH = "mode: live\nremovals_flood: 100000\nremovals_per_day: 100000\nreviews_per_hour: 100000"


@pytest.fixture
def policies(tmp_path):
    """The shipped policies, with the one on hate live and without quotas."""
    folder = tmp_path / "policies"
    shutil.copytree(default_policies_path(), folder)
    text = (default_policies_path() / "hate.yaml").read_text().splitlines()
    kept = [one for one in text if not one.startswith(("mode:", "removals_", "reviews_per_hour:"))]
    (folder / "hate.yaml").write_text("\n".join([*kept, MUCH, ""]))
    return folder


@pytest.fixture
def server(tmp_path, tiny_folder, policies):
    """A server over a day of audited removals, of which people found one in twelve wrong."""
    clock = FixedClock()
    stores = EmbeddedStores(tmp_path / "data", clock=clock)
    stores.clock = clock
    parts = guarded(stores, load_bundle(tiny_folder), load_policies(policies))
    certify(parts, stores, lambda: rude(parts, 1500), harmful_by_name)
    active = promoted(parts, stores)
    for hour in range(12):
        clock.advance(HOUR)
        rude(parts, 12)
        parts.guard.step(now=clock.now(), rate=0.5)
        judge(stores.guardrail, active.name, harmful_by_name, clock.now(), misses=0.08, seed=100 + hour)
        parts.guard.step(now=clock.now(), rate=0.5)
    stores.close()
    with running(tmp_path / "data", tiny_folder, policies=str(policies), clock=clock) as one:
        yield one


def points(polyline):
    return [tuple(map(float, one.split(","))) for one in polyline.get_attribute("points").split()]


def test_the_ledger_and_its_drawing_say_what_the_api_says(server, tmp_path):
    with server.client() as client:
        told = client.get("/api/v1/guardrail/hate").json()
        (stands,) = [
            one for one in client.get("/api/v1/guardrail").json()["items"] if one["policy"] == "hate"
        ]
    entries = msgspec.convert(told["entries"], list[LedgerEntry])
    heard = {by: [one for one in entries if one.by == by] for by in ("posts", "views")}
    assert min(map(len, heard.values())) >= 24
    token = token_for(server, add_person(server, roles=[Role.POLICY_OWNER]))
    with browser_page(height=1400) as watched:
        page = watched.page
        page.context.add_cookies([{"name": "sievert-session", "value": token, "url": server.address}])
        page.goto(f"{server.address}/ledger")
        row = page.locator("tr", has_text="hate").inner_text()
        for by in ("by_posts", "by_views"):
            seen = stands[by]
            assert (
                f"{100 * seen['seen']:.1f} % at least {100 * seen['low']:.1f} %, of {seen['audits']}" in row
            )
        assert f"{stands['overturned']} of {stands['removals']}" in row
        page.screenshot(path=tmp_path / "ledger.png")
        page.goto(f"{server.address}/ledger/hate")
        for by, entries in heard.items():
            drawn = points(page.locator(f"polyline.by-{by}"))
            assert len(drawn) == len(entries)
            for (x, y), one in zip(drawn, entries, strict=True):
                assert 0 <= x <= WIDTH
                # Four decades: each tenth of the evidence that withdraws stands a quarter of the height lower.
                tenths = -math.log10(min(max(one.evidence, 0.0001), 1.0))
                assert y == pytest.approx(FIRES + tenths * (HEIGHT - FIRES) / 4, abs=0.06)
            assert (
                max(drawn, key=lambda at: at[1])[1] - min(drawn, key=lambda at: at[1])[1] > 10
            )  # it is seen
            seen = stands[f"by_{by}"]
            wrong = sum(one.right is False for one in entries)
            assert (seen["audits"], seen["wrong"]) == (len(entries), wrong)
            said = page.locator("dt", has_text=f"right removals, by {by}").locator("+ dd").inner_text()
            assert said.startswith(f"{100 * seen['seen']:.1f} % of {seen['audits']} audits")
        picture = page.locator("svg.evidence")
        box = picture.bounding_box()
        assert box["width"] > 400
        page.screenshot(path=tmp_path / "hate.png", full_page=True)
        picture.screenshot(path=tmp_path / "evidence.png")
        assert watched.complaints == []


def test_the_overview_says_what_the_api_says_and_renews_itself(server, tmp_path):
    """Red when the page was fetched once and stood: then posts that came later were never counted."""
    with server.client() as client:
        told = client.get("/api/v1/overview").json()
    (one,) = [one for one in told["policies"] if one["standing"]["policy"] == "hate"]
    assert one["forecast"] is None or one["prevented"][0] < one["prevented"][1]
    token = token_for(server, add_person(server, roles=[Role.AUDITOR]))
    with browser_page(height=1400) as watched:
        page = watched.page
        page.context.add_cookies([{"name": "sievert-session", "value": token, "url": server.address}])
        page.goto(f"{server.address}/overview")
        row = page.locator("tr", has_text="hate").inner_text()
        for by in ("by_posts", "by_views"):
            seen = one["standing"][by]
            assert (
                f"{100 * seen['seen']:.1f} % at least {100 * seen['low']:.1f} %, of {seen['audits']}" in row
            )
        judged = one["calibration"]
        assert f"{100 * judged['found']:.1f} %, of {judged['judged']}" in row
        page.screenshot(path=tmp_path / "overview.png", full_page=True)
        assert page.locator("#load strong").inner_text() == "0"
        with server.client() as client:
            sent = [{"id": f"late{n}", "text": "a quiet evening"} for n in range(3)]
            assert (
                client.post("/api/v1/posts:batch", content=ndjson(*sent), headers=NDJSON).status_code == 200
            )
        page.wait_for_function(
            "() => document.querySelector('#load strong').textContent === '3'", timeout=20_000
        )
        page.get_by_role("button", name="Stop renewing").click()
        assert page.get_by_role("button", name="Renew again").count() == 1
        assert watched.complaints == []
