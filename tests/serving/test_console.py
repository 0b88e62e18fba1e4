"""A console in a process of its own: people work there, and what they find follows where models are."""

import re
import time

import httpx
import pytest

import own_nats
from command_line import sievert
from killable_server import Killable
from running_server import running
from services import missing
from sievert.pipeline.desk import claim_next
from sievert.pipeline.settling import count_settled, give_verdict
from sievert.schema.certificate import Running
from sievert.schema.clock import SystemClock
from sievert.schema.person import Role
from sievert.schema.post import Post
from sievert.scoring.cover import load_cover
from sievert.serving.console import as_console
from sievert.serving.routes.discourse import DISCOURSE
from sievert.serving.settings import Settings
from sievert.serving.wiring import open_doors, open_ledgers
from sievert.testing import records
from signed_in import PASSWORD, add_person, browser_of, sign_in, token_for


def until(found, seconds=40):
    end = time.monotonic() + seconds
    while not (what := found()) and time.monotonic() < end:
        time.sleep(0.1)
    return what


@pytest.fixture
def parts(request, postgres, tmp_path, tiny_folder):
    """Three processes over one database: who takes requests, who decides, who shows pages."""
    if not own_nats.found():
        missing(request, "NATS", "nats-server is not in the path")
    nats = own_nats.OwnNats()
    settings = {"SIEVERT_DATABASE_URL": postgres, "SIEVERT_NATS_URL": nats.url, "SIEVERT_UNDO_SECONDS": "1"}
    commands = (("api", "--port", "0"), ("worker",), ("console", "--port", "0"))
    started = [Killable(tmp_path / one[0], tiny_folder, command=one, **settings) for one in commands]
    yield started, settings
    for one in started:
        one.kill()
    nats.close()


@pytest.mark.services
def test_a_case_is_judged_in_the_console_and_the_action_follows(parts, tmp_path):
    (api, _, console), settings = parts
    key = api.admin_key()
    name = ("people", "add", "ana", "--role", "moderator", "--data", tmp_path)
    added = sievert(*name, stdin=f"{PASSWORD}\n".encode(), **settings)
    assert added.returncode == 0, added.stderr
    auth = {"Authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{console.port}"
    headers = {"Origin": address, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
    with (
        httpx.Client(
            base_url=f"http://127.0.0.1:{api.port}", headers=auth, timeout=60, trust_env=False
        ) as door,
        httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as ana,
    ):
        answer = door.post("/api/v1/posts", json={"id": "p", "text": "you blorp", "creator_id": "eve"})
        assert (answer.status_code, answer.json()["decision"]) == (200, "review")
        assert sign_in(ana).status_code == 303
        token = re.search(r'name="csrf" value="([^"]+)"', ana.get("/work").text)[1]
        case = ana.post("/work/claim", data={"csrf": token}).headers["location"]
        assert "you blorp" in ana.get(case).text
        done = ana.post(f"{case}/verdict", data={"csrf": token, "finding": "none"})
        assert done.status_code == 303, done.text
        # The verdict is held for some seconds; then the worker gives it, and takes the demotion back.
        before = door.get("/api/v1/actions").json()["items"]
        assert [one["kind"] for one in before] == ["demote"]
        after = until(
            lambda: [one for one in door.get("/api/v1/actions").json()["items"] if one["kind"] == "restore"]
        )
        assert [one["post_id"] for one in after] == ["p"]
        # And it counts, which a console leaves to whoever has models.
        (settled,) = door.get("/api/v1/posts/p").json()["settlements"]
        assert settled["violates"] == []
        with open_ledgers(
            Settings(database_url=settings["SIEVERT_DATABASE_URL"]), clock=SystemClock()
        ) as kept:
            assert until(kept.reviews.counted)


RUNS = Running(bundle="another@1", forecaster="f", triggers="t", heavy_share=0.5)


@pytest.fixture
def decider(postgres, tmp_path, tiny_folder):
    """The parts of somebody who decides over the same database."""
    settings = Settings(data_folder=str(tmp_path / "other"), bundle=str(tiny_folder), database_url=postgres)
    doors = open_doors(settings, clock=SystemClock())
    doors.stores.guardrail.note_running(RUNS)
    yield doors
    doors.close()


@pytest.fixture
def console(decider, postgres, tmp_path, tiny_folder):
    with running(
        tmp_path / "data", tiny_folder, load=load_cover, change=as_console, database_url=postgres
    ) as one:
        yield one


@pytest.mark.services
def test_what_needs_a_model_says_so_and_nothing_is_recorded(console):
    assert not console.doors.parts.bundle.has_models
    asked = [
        ("/api/v1/posts", {"id": "p", "text": "you blorp"}),
        ("/api/v1/posts:batch", None),
        ("/api/v1/events", None),
        ("/api/v1/media", None),
        (DISCOURSE, {}),
        ("/v1/moderations", {"input": "you blorp"}),
        (
            "/v1alpha1/comments:analyze",
            {"comment": {"text": "you blorp"}, "requestedAttributes": {"TOXICITY": {}}},
        ),
    ]
    with console.client() as client:
        for path, body in asked:
            answer = client.post(path, json=body)
            assert (answer.status_code, "This is a console" in answer.text) == (404, True), path
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["a console takes no posts"])
        assert client.get("/api/v1/decisions").json()["items"] == []
        overview = client.get("/overview", headers={"Accept": "text/html"})
        assert "A console decides nothing" in overview.text


@pytest.mark.services
def test_every_page_opens(console):
    token = token_for(console, add_person(console, roles=(Role.POLICY_OWNER, Role.ENGINEER, Role.MODERATOR)))
    with browser_of(console, token) as owner:
        for path in (
            "/",
            "/work",
            "/cases",
            "/posts",
            "/ledger",
            "/ledger/hate",
            "/switches",
            "/undo",
            "/overview",
        ):
            assert owner.get(path).status_code == 200, path


@pytest.mark.services
def test_what_runs_is_what_others_noted(console, decider):
    assert console.doors.parts.running == RUNS
    decider.stores.guardrail.note_running(decider.parts.running)
    assert console.doors.parts.running == decider.parts.running


@pytest.mark.services
def test_a_console_leads_nothing_and_leaves_it_to_others_to_count(console, decider):
    assert not console.doors.decides
    decider.walk(records(Post(id="p", text="you blorp", creator_id="eve")))
    case_id = claim_next(console.doors.desk, "ana").file.case.case_id
    give_verdict(console.doors.desk, case_id, "ana", violates=["hate"], judged=["hate"])
    assert [count_settled(desk) for desk in (console.doors.desk, decider.desk)] == [0, 1]


def test_a_cover_is_the_bundle_without_its_models(tiny_folder, tiny_bundle):
    cover = load_cover(tiny_folder)
    assert (cover.version, cover.manifest, cover.policy_heads) == (
        tiny_bundle.version,
        tiny_bundle.manifest,
        tiny_bundle.policy_heads,
    )
    assert (cover.has_models, tiny_bundle.has_models) == (False, True)
    assert (cover.heavy, cover.update, cover.views, cover.light.table.size) == (None, None, None, 0)
