"""Health, readiness, metrics, pages, headers, the API's description, the log."""

import json
import logging
import re
import subprocess
import sys

import httpx
import pytest

from command_line import environment
from contracts.journal import keep
from running_server import running
from sievert import errors
from sievert.schema.action import OutboxMessage
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.post import Post
from sievert.schema.sentinel import SENTINEL
from sievert.serving.headers import CONTENT_SECURITY_POLICY
from sievert.serving.logs import ConsoleLines, JsonLines
from sievert.serving.problems import kinds
from sievert.serving.routes import comments, moderations
from sievert.serving.routes.system import page_files
from sievert.serving.telemetry import metric_names
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import FixedClock

PAGES = ("/", "/schema", "/page/style.css", "/page/live.js", "/page/icon.svg")


@pytest.fixture
def stranger(server):
    with httpx.Client(base_url=server.address, trust_env=False) as one:
        yield one


def test_health_and_readiness_need_no_key(stranger):
    assert stranger.get("/health").json()["status"] == "alive"
    assert stranger.get("/ready").json() == {"ready": True, "reasons": []}


def test_readiness_says_when_the_store_does_not_answer(server, stranger, monkeypatch):
    def gone():
        raise errors.StoreUnavailable("gone")

    monkeypatch.setattr(server.doors.stores.audit, "head", gone)
    answer = stranger.get("/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["store does not answer"])


def test_every_answer_carries_the_headers_that_guard_browsers(server, stranger, client):
    answers = [
        stranger.get(path) for path in (*PAGES, "/health", "/nothing", "/api/v1/decisions", "/page/..")
    ]
    answers += [client.post("/api/v1/posts", json={"id": "a"}), client.post("/api/v1/posts", content=b"x")]
    answers += [client.get("/metrics"), client.put("/api/v1/posts"), client.get("/schema/openapi.json")]
    assert {answer.status_code for answer in answers} == {200, 400, 401, 404, 405}
    for answer in answers:
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert "server" not in answer.headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_the_pages_need_nothing_from_elsewhere_and_no_inline_code():
    files = page_files()
    pages, scripts = (
        {"index.html", "schema.html"},
        {"live.js", "schema.js", "access.js", "truth.js", "pictures.js", "work.js", "overview.js"},
    )
    assert set(files) == {*pages, *scripts, "style.css", "work.css", "icon.svg"}
    for name, content in files.items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE), name
        assert not re.search(r"\bon\w+=|\bstyle=|innerHTML|<script>|eval\(|javascript:", text), name


def test_only_files_of_the_pages_are_served(stranger):
    for path in ("/page/x", "/page/..%2fapp.py", "/page/__init__.py", "/page/", "/page/%00"):
        assert stranger.get(path).status_code in (404, 405)


def test_metrics_count_what_happened(client):
    client.post("/api/v1/posts", json={"id": "a", "text": "you blorp"})
    client.post("/api/v1/posts", json={"id": "b", "text": "fine"})
    client.post("/api/v1/posts", content=b"{")
    page = client.get("/metrics").text

    assert 'sievert_posts_total{outcome="review"} 1.0' in page
    assert 'sievert_posts_total{outcome="allow"} 1.0' in page
    assert 'sievert_stages_total{stage="light"} 2.0' in page
    assert 'sievert_policy_outcomes_total{outcome="demote",policy="hate"} 1.0' in page
    assert 'sievert_held_back_total{outcome="review",would="remove"} 1.0' in page
    assert 'sievert_problems_total{status="400",type="malformed"} 1.0' in page
    for stage in ("decode", "known", "light", "calibrate", "decide", "record", "answer"):
        assert f'sievert_stage_seconds_total{{stage="{stage}"}}' in page
    assert "blorp" not in page
    for name in metric_names():
        assert name in page


def test_the_description_covers_every_route_of_the_api(client):
    described = client.get("/schema/openapi.json").json()
    operations = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert operations == {
        ("post", "/api/v1/posts"),
        ("post", "/api/v1/posts:batch"),
        ("get", "/api/v1/posts/{post_id}"),
        ("post", "/api/v1/events"),
        ("post", "/api/v1/edges"),
        ("get", "/api/v1/creators/similar"),
        ("post", "/api/v1/forgettings"),
        ("get", "/api/v1/forgettings/{forgetting_id}"),
        ("post", "/api/v1/media"),
        ("get", "/api/v1/media/{sha256}"),
        ("get", "/api/v1/decisions"),
        ("get", "/api/v1/actions"),
        ("post", "/api/v1/actions/{action_id}/undo"),
        ("get", "/api/v1/actions/{action_id}/statement"),
        ("post", "/api/v1/discourse"),
        ("get", "/api/v1/limits"),
        ("get", "/api/v1/limits/{limit_id}/statement"),
        ("post", "/api/v1/limits/{limit_id}/undo"),
        ("get", "/api/v1/switch"),
        ("post", "/api/v1/switch"),
        ("get", "/api/v1/cases"),
        ("post", "/api/v1/cases/claim"),
        ("post", "/api/v1/cases/{case_id}/release"),
        ("post", "/api/v1/cases/{case_id}/verdict"),
        ("get", "/api/v1/cases/{case_id}"),
        ("post", "/api/v1/appeals"),
        ("post", "/api/v1/gold"),
        ("delete", "/api/v1/gold/{case_id}"),
        ("get", "/api/v1/reviewers"),
        ("get", "/api/v1/isolated"),
        ("get", "/api/v1/labels"),
        ("get", "/api/v1/audit"),
        ("get", "/api/v1/cases/claimed"),
        ("get", "/api/v1/guardrail/{policy}"),
        ("get", "/api/v1/queue"),
        ("get", "/api/v1/quotas"),
        ("post", "/api/v1/cases/{case_id}/verdict/undo"),
        ("post", "/api/v1/undo"),
        ("post", "/v1/moderations"),
        ("post", "/v1alpha1/comments:analyze"),
        ("post", "/v1alpha1/comments:suggestscore"),
        ("get", "/api/v1/stream"),
        ("get", "/api/v1/webhooks/dead"),
        ("post", "/api/v1/webhooks/{id}:resend"),
        ("get", "/m/lookup"),
        ("get", "/m/raw_lookup"),
        ("get", "/m/index/status"),
        ("get", "/c/banks"),
        ("get", "/c/bank/{bank}"),
        ("get", "/api/v1/banks"),
        ("post", "/api/v1/banks"),
        ("get", "/api/v1/banks/{bank}"),
        ("put", "/api/v1/banks/{bank}"),
        ("delete", "/api/v1/banks/{bank}"),
        ("get", "/api/v1/banks/{bank}/entries"),
        ("post", "/api/v1/banks/{bank}/entries"),
        ("delete", "/api/v1/banks/{bank}/entries/{id}"),
        ("post", "/api/v1/banks/{bank}/entries/{id}:release"),
        ("get", "/api/v1/guardrail"),
        ("post", "/api/v1/guardrail/{policy}/withdraw"),
        ("get", "/api/v1/overview"),
        ("get", "/health"),
        ("get", "/ready"),
        ("get", "/metrics"),
    }
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert "default" in operation["responses"], path
            assert bool(operation.get("security")) == (
                path not in ("/health", "/ready", "/api/v1/discourse")
            ), path
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert references <= set(described["components"]["schemas"])
    body = described["paths"]["/api/v1/posts"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"].endswith("/Post")


def test_what_the_description_promises_of_an_answer_is_what_comes(client):
    answer = client.post("/api/v1/posts", json={"id": "a", "text": SENTINEL}).json()
    described = client.get("/schema/openapi.json").json()["components"]["schemas"]["Answer"]
    assert set(described["required"]) <= set(answer) <= set(described["properties"])


def test_every_field_of_a_record_is_described_and_words_are_listed(client):
    records = client.get("/schema/openapi.json").json()["components"]["schemas"]
    # What the doors of other APIs speak is described where those APIs are.
    foreign = {name for module in (comments, moderations) for name in vars(module)} - {"Label", "Problem"}
    fields = {
        (record, name): field
        for record, schema in records.items()
        if record not in foreign
        for name, field in schema.get("properties", {}).items()
    }
    assert len(records) >= 16
    assert [where for where, field in fields.items() if not field.get("description")] == []
    assert all(schema["description"] for schema in records.values())
    outcomes = ["allow", "demote", "review", "remove"]
    for where, words in {
        ("Answer", "decision"): outcomes,
        ("Decision", "outcome"): outcomes,
        ("Decision", "would"): outcomes,
        ("Decision", "language"): ["english", "other", "unreadable"],
        ("Decision", "stage"): ["light", "heavy", "sentinel", "update", "bank"],
        ("Decision", "trigger"): [
            "created",
            "reports",
            "views",
            "comments",
            "hides",
            "edit",
            "blocks",
            "shares",
            "reactions",
            "quarrels",
            "bank",
            "dial",
            "account",
            "bundle",
        ],
        ("Action", "kind"): ["demote", "remove", "isolate", "restore"],
    }.items():
        assert fields[where]["enum"] == words
    assert "urn:sievert:problem:malformed" in fields["Problem", "type"]["enum"]


def test_every_error_has_its_status_and_title():
    slugs = {
        one.slug
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.SievertError)
    }
    assert len(slugs) > 15
    assert slugs <= set(kinds())
    assert all(400 <= status < 600 and title for status, title in kinds().values())


def test_unknown_addresses_and_methods_are_problems_too(client):
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/api/v1/posts", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


def test_log_lines_tell_the_kind_of_an_exception_and_not_its_words():
    try:
        int("words of a post")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it %s", ("broke",), sys.exc_info())
    assert json.loads(JsonLines().format(record))["exception"] == "ValueError"
    for form in (JsonLines(), ConsoleLines()):
        line = form.format(record)
        assert "it broke" in line
        assert "ValueError" in line
        assert "words" not in line


def test_up_says_its_own_lines_first_and_the_server_beneath_it_none(tmp_path, tiny_folder):
    command = [sys.executable, "-m", "sievert", "up", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(SIEVERT_BUNDLE=str(tiny_folder)),
    ) as process:
        said = []
        while not said or "people sign in" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], said
        process.terminate()
        said += process.communicate(timeout=200)[0].splitlines()
    # A machine with few file handles to give is told so; that line is ours.
    said = [line for line in said if "ulimit" not in line]
    assert said[0].startswith("sievert is up at http://")
    assert said[-1].startswith("sievert ended")
    assert any("sievert people add NAME" in line for line in said)
    assert len(said) == 6


def test_old_plainly_allowed_posts_are_forgotten_when_the_server_starts(tmp_path, tiny_folder):
    for days, remembered in ((400, False), (300, True)):
        folder = tmp_path / str(days)
        clock = FixedClock(SystemClock().now() - days * DAY)
        stores = EmbeddedStores(folder, clock=clock, rows_per_segment=1)
        for number in range(3):
            keep(stores.journal, [Post(id=f"p{number}")], at=clock.now())
        stores.close()
        with running(folder, tiny_folder, keep_days=365) as server, server.client() as client:
            assert (client.get("/api/v1/posts/p0").status_code == 200) == remembered
            # The newest segment may still grow, and stays.
            assert client.get("/api/v1/posts/p2").status_code == 200


def test_old_texts_and_delivered_messages_are_forgotten_when_the_server_starts(tmp_path, tiny_folder):
    clock = FixedClock(SystemClock().now() - 40 * DAY)
    stores = EmbeddedStores(tmp_path, clock=clock)
    keep(stores.journal, [Post(id="old", text="x")], kept=(0,), at=clock.now())
    sent = OutboxMessage(message_id="m", kind="k", created_at=0, body=b"", next_attempt_at=clock.now())
    with stores.database.writing() as connection:
        stores.outbox.add(connection, (sent,))
    stores.outbox.mark_delivered("m")
    stores.close()
    with running(tmp_path, tiny_folder, keep_text_days=30) as server, server.client() as client:
        assert client.get("/api/v1/posts/old").json()["post"] is None
        assert client.get("/api/v1/posts/old").json()["decisions"]
        assert server.doors.stores.outbox.counts()["delivered"] == 0
