"""Decisions, actions and cases as they are listed, filtered and turned over page by page."""

import pytest

from running_server import NDJSON, ndjson, running
from tiny_heavy import tiny_examples, tiny_model, tiny_parts, write_with_heavy

POSTS = (
    *({"id": f"fine{i}", "text": "a lovely morning", "platform": f"q{i % 2}"} for i in range(7)),
    *({"id": f"hate{i}", "text": "you blorp"} for i in range(4)),
    *({"id": f"spam{i}", "text": "win a cruise"} for i in range(3)),
    {"id": "ru", "text": "доброе утро"},
)


@pytest.fixture
def filled(client):
    client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON)
    return client


def everything(client, path, **params):
    items, cursor = [], None
    for _ in range(50):
        page = client.get(path, params={**params, **({"cursor": cursor} if cursor else {})}).json()
        items += page["items"]
        cursor = page["cursor"]
        if cursor is None:
            return items
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({}, 15),
        ({"outcome": "allow"}, 8),
        ({"outcome": "review,demote"}, 7),
        ({"policy": "hate"}, 4),
        ({"policy": "threat"}, 0),
        ({"platform": "q1"}, 3),
        ({"language": "other"}, 1),
        ({"since": "1970-01-01T00:00:00Z"}, 15),
        ({"since": "2200-01-01T00:00:00+02:00"}, 0),
        ({"until": "0"}, 0),
        ({"policy": "spam", "outcome": "review"}, 3),
    ],
)
@pytest.mark.parametrize("limit", [2, 1000])
def test_decisions_are_filtered_and_paged(filled, params, count, limit):
    found = everything(filled, "/api/v1/decisions", limit=limit, **params)
    assert len(found) == count
    assert len({one["decision_id"] for one in found}) == count
    times = [one["decided_at"] for one in found]
    assert times == sorted(times, reverse=True)


def test_a_trail_says_its_reasons_in_words(filled):
    (decision,) = filled.get("/api/v1/posts/hate1").json()["decisions"]
    assert "hate: likely enough to be shown to fewer people" in [
        reason["sentence"] for reason in decision["reasons"] if reason["rule"] == "demote"
    ]
    assert all(reason["sentence"].startswith(reason["policy"]) for reason in decision["reasons"])


def test_actions_and_cases_name_their_decision(filled):
    decisions = {one["decision_id"]: one for one in everything(filled, "/api/v1/decisions")}
    actions = everything(filled, "/api/v1/actions", limit=2)
    cases = everything(filled, "/api/v1/cases", limit=3)

    assert len(actions) == len(cases) == 7
    assert {one["kind"] for one in actions} == {"demote"}
    assert {decisions[one["decision_id"]]["outcome"] for one in cases} == {"review"}
    assert len(everything(filled, "/api/v1/cases", policy="spam")) == 3
    assert len(everything(filled, "/api/v1/actions", policy="hate")) == 4


def test_a_listed_case_shows_its_words_and_its_nearest_example(tmp_path, tiny_bundle):
    examples = tiny_examples(tiny_bundle.fold, width=8)
    parts = tiny_parts(model=tiny_model(width=8), examples=examples)
    write_with_heavy(tmp_path / "bundle", tiny_bundle, parts)
    with (
        running(tmp_path / "data", tmp_path / "bundle", heavy_share=1.0) as server,
        server.client() as client,
    ):
        client.post("/api/v1/posts", json={"id": "rude", "text": "you blorp"})
        (case,) = everything(client, "/api/v1/cases")
    assert [(span["start"], span["end"]) for span in case["spans"]] == [(4, 9)]
    assert [one["id"] for one in case["nearest"]] == ["made/0"]
    assert case["nearest"][0]["similarity"] > 0.99


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("decisions", {"outcome": "delete"}, "outcome"),
        ("decisions", {"language": "klingon"}, "language"),
        ("decisions", {"since": "yesterday"}, "since"),
        ("decisions", {"until": "2026-01-01T00:00:00"}, "until"),
        ("decisions", {"since": "9999-01-01T00:00:00Z"}, "since"),
        ("decisions", {"limit": 0}, "limit"),
        ("decisions", {"limit": "many"}, "limit"),
        ("decisions", {"cursor": "AAAA"}, "cursor"),
        ("actions", {"cursor": "💥"}, "cursor"),
        ("cases", {"limit": 5000}, "limit"),
    ],
)
def test_a_wrong_question_is_told_which_part_is_wrong(client, path, params, field):
    answer = client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert answer.json()["remedy"]
