"""What may stand in a query: every route is walked, and asked what it does not know or too much of it."""

import inspect
from typing import get_args, get_type_hints

import pytest
from litestar.params import QueryParameter
from test_access import operations, send

from sievert.serving.app import ROUTES
from sievert.serving.callers import KEY_IN_ADDRESS
from sievert.serving.queries import query_names


def addresses():
    """Return (method, path as a client writes it, handler) of every route."""
    return [(method, path, handler) for (method, path, _), handler in zip(operations(), ROUTES, strict=True)]


def named(handler):
    """Return the query parameters of a handler, read from its own signature."""
    hints = get_type_hints(inspect.unwrap(handler.fn), include_extras=True)
    return [
        name
        for name, hint in hints.items()
        if any(isinstance(part, QueryParameter) for part in get_args(hint)[1:])
    ]


def test_no_address_passes_over_a_query_parameter_that_it_does_not_know(client):
    walked = addresses()
    assert sum(len(named(handler)) for _, _, handler in walked) == 34
    for method, path, handler in walked:
        answer = send(client, method, path, params={"limt": "5"})
        if handler.opt.get(KEY_IN_ADDRESS):
            continue  # Google's clients add parameters of their own
        if path.startswith("/v1/"):
            assert answer.status_code == 400  # as OpenAI tells it
            assert answer.json()["error"]["param"] == "limt"
            continue
        assert answer.status_code == 422, (method, path)
        problem = answer.json()
        assert problem["field"] == "limt"
        expected = ", ".join(named(handler)) or "none"
        assert problem["remedy"] == f"It takes {expected}."


def test_without_a_key_nobody_learns_what_an_address_takes(client):
    answer = client.get("/api/v1/decisions?limt=5", headers={"Authorization": ""})
    assert answer.status_code == 401


@pytest.mark.parametrize("length", [300, 20_000])
def test_every_text_in_a_query_has_a_longest_length(client, length):
    asked = 0
    for method, path, handler in addresses():
        for name in query_names(handler):
            asked += 1
            answer = send(client, method, path, params={name: "x" * length})
            assert answer.status_code == 422, (path, name)
            assert answer.json()["field"] == name
            assert len(answer.text) < 2000
    assert asked == 34
