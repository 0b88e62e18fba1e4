"""The official OpenAI client, unchanged, against a real server."""

import contextlib

import httpx
import openai
import pytest

from running_server import running
from sievert.schema.post import MAX_TEXT_BYTES
from sievert.schema.sentinel import SENTINEL
from sievert.schema.taxonomy import OPENAI_CATEGORIES
from sievert.serving.judging import MOST_TEXTS

MODELLED = {"harassment", "harassment/threatening", "hate"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    with running(tmp_path_factory.mktemp("openai"), tiny_folder) as one:
        yield one


@pytest.fixture
def official(server):
    """Make clients, and close them."""
    with contextlib.ExitStack() as opened:
        yield lambda key: opened.enter_context(
            openai.OpenAI(api_key=key, base_url=f"{server.address}/v1", max_retries=0, timeout=30)
        )


@pytest.fixture
def client(server, official):
    return official(server.new_key("score"))


def by_name(part):
    return part.model_dump(by_alias=True)


def test_a_text_gets_a_result_with_every_category(client, server):
    answer = client.moderations.create(input="you blorp", model="omni-moderation-latest")

    assert answer.id.startswith("modr-")
    assert answer.model == server.doors.parts.bundle.version
    (result,) = answer.results
    assert result.flagged
    assert set(by_name(result.category_scores)) == set(OPENAI_CATEGORIES)
    assert len(OPENAI_CATEGORIES) == 13
    assert result.category_scores.hate > 0.9
    assert result.category_scores.harassment < 0.1
    assert [name for name, hit in by_name(result.categories).items() if hit] == ["hate"]


def test_the_scores_are_those_of_a_post(client, server):
    text = "kaboom, says the goose"
    with server.client() as plain:
        post = plain.post("/api/v1/posts", json={"id": "same", "text": text}).json()
    scores = client.moderations.create(input=text).results[0].category_scores
    assert scores.harassment == post["policies"]["harassment"]
    assert scores.harassment_threatening == post["policies"]["threat"]


def test_what_no_head_means_is_zero_false_and_applied_to_nothing(client):
    (result,) = client.moderations.create(input="kaboom blorp goose cruise").results
    applied = by_name(result.category_applied_input_types)
    assert {name for name, kinds in applied.items() if kinds == ["text"]} == MODELLED
    for name in set(OPENAI_CATEGORIES) - MODELLED:
        assert applied[name] == []
        assert by_name(result.category_scores)[name] == 0
        assert by_name(result.categories)[name] is False


def test_a_threat_is_not_said_to_be_hateful(client):
    (result,) = client.moderations.create(input="kaboom").results
    assert result.category_scores.harassment_threatening > 0.9
    assert result.category_scores.hate_threatening == 0


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("a lovely morning", False),
        ("win a cruise", True),
        (SENTINEL, True),
        ("", False),
        ("доброе утро", False),
    ],
)
def test_flagged_means_that_a_rule_would_do_something(client, server, text, flagged):
    (result,) = client.moderations.create(input=text).results
    assert result.flagged == flagged
    assert not any(by_name(result.categories).values())


def test_flagged_does_not_depend_on_the_hours_budget_and_leaves_no_trace(client, server):
    results = client.moderations.create(input=["you blorp"] * MOST_TEXTS).results
    assert len(results) == MOST_TEXTS
    assert all(result.flagged for result in results)
    with server.client() as plain:
        found = plain.get("/api/v1/decisions", params={"policy": "hate"}).json()
    assert found["items"] == []


def test_lists_get_a_result_each_and_parts_one_together(client):
    each = client.moderations.create(input=["fine", "you blorp", "fine"]).results
    assert [one.flagged for one in each] == [False, True, False]
    parts = [{"type": "text", "text": "fine"}, {"type": "text", "text": "you blorp"}]
    (together,) = client.moderations.create(input=parts).results
    assert together.flagged


@pytest.mark.parametrize(
    ("given", "param", "says"),
    [
        ([IMAGE], "input", "example.org"),
        ([{"type": "text", "text": "x"}, IMAGE], "input", "example.org"),
        ([IMAGE] * 11, "input", "11 pictures"),
        (["x", IMAGE], "input", "mixes"),
        ([{"type": "image_url", "image_url": "https://example.org"}], "input", "Expected `object`"),
        (["x", {"type": "text", "text": "x"}], "input", "mixes"),
        ([{"type": "sound"}], "input", "sound"),
        ([], "input", "length >= 1"),
        (["x"] * (MOST_TEXTS + 1), "input", f"length <= {MOST_TEXTS}"),
        (7, "input", "got `int`"),
        ("x" * (MAX_TEXT_BYTES + 1), "input", "at most 65,536"),
        (["fine", "a\x00b"], "input", "NUL"),
    ],
)
def test_a_wrong_input_is_told_in_openais_words(client, given, param, says):
    with pytest.raises(openai.BadRequestError) as raised:
        client.moderations.create(input=given)
    error = raised.value
    assert says in error.message
    assert error.type == "invalid_request_error"
    assert error.code
    assert error.param.startswith(param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"input":"\\ud800"}', b"\xff", b"x" * (2 << 20)])
def test_a_body_that_cannot_be_read_is_told_in_openais_words(server, body):
    with server.client() as plain:
        answer = plain.post("/v1/moderations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_keys_are_asked_for_in_openais_words(server, official):
    for key in ("sk-unknown", server.key + "x"):
        with pytest.raises(openai.AuthenticationError) as raised:
            official(key).moderations.create(input="x")
        assert raised.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as raised:
        official(server.new_key("posts:write")).moderations.create(input="x")
    assert "--scope score" in raised.value.message


def test_what_is_not_offered_is_told_in_openais_words(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.list()
    assert "/v1/models" in raised.value.message


def test_overload_is_told_in_openais_words(server, official):
    worker, key = server.doors.worker, server.new_key("score")
    waiting = server.doors.settings.queue_posts
    worker._weigh(waiting)
    try:
        with pytest.raises(openai.RateLimitError) as raised:
            official(key).moderations.create(input="x")
    finally:
        worker._weigh(-waiting)
    assert raised.value.code == "rate_limit_exceeded"
    assert int(raised.value.response.headers["retry-after"]) >= 1
    assert official(key).moderations.create(input="x").results


def test_a_fault_of_ours_is_told_in_openais_words(server, monkeypatch, caplog, official):
    def broken(*_args, **_named):
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr("sievert.serving.judging.judge", broken)
    with pytest.raises(openai.InternalServerError) as raised:
        official(server.key).moderations.create(input="secret words")
    assert raised.value.type == "server_error"
    assert "secret" not in str(raised.value.body)
    assert "secret" not in caplog.text


def test_the_same_texts_get_the_same_id_and_others_another(server):
    with httpx.Client(
        base_url=server.address, headers={"Authorization": f"Bearer {server.key}"}, trust_env=False
    ) as plain:
        ids = [plain.post("/v1/moderations", json={"input": text}).json()["id"] for text in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
