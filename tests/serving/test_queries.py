"""What may stand in a query: every route is walked, and asked what it does not know or too much of it."""

import inspect
from typing import get_args, get_type_hints

import pytest
from litestar.params import QueryParameter
from test_access import operations, send

from sievert.schema.person import Role
from sievert.serving.app import ROUTES
from sievert.serving.callers import KEY_IN_ADDRESS, PAGE
from sievert.serving.pages import MAX_NEXT
from sievert.serving.queries import query_names
from signed_in import add_person, browser_of, token_for


def addresses():
    """Return (method, path as a client writes it, handler) of every route."""
    return [(method, path, handler) for (method, path, _), handler in zip(operations(), ROUTES, strict=True)]


def named(handler):
    """Return the query parameters of a handler, read from its own signature."""
    hints = get_type_hints(inspect.unwrap(handler.fn), include_extras=True)
    return [
        part.name or name
        for name, hint in hints.items()
        for part in get_args(hint)[1:]
        if isinstance(part, QueryParameter)
    ]


@pytest.fixture
def person(server):
    """Somebody who signed in, for pages."""
    with browser_of(server, token_for(server, add_person(server, roles=tuple(Role)))) as one:
        yield one


def test_no_address_passes_over_a_query_parameter_that_it_does_not_know(client, person):
    walked = addresses()
    assert sum(len(named(handler)) for _, _, handler in walked) == 64
    for method, path, handler in walked:
        answer = send(person if handler.opt.get(PAGE) else client, method, path, params={"limt": "5"})
        if handler.opt.get(KEY_IN_ADDRESS):
            continue  # Google's clients add parameters of their own
        if path.startswith("/v1/"):
            assert answer.status_code == 400  # as OpenAI tells it
            assert answer.json()["error"]["param"] == "limt"
            continue
        assert answer.status_code == 422, (method, path)
        expected = ", ".join(named(handler)) or "none"
        if handler.opt.get(PAGE):
            assert f"It takes {expected}." in answer.text
            continue
        problem = answer.json()
        assert problem["field"] == "limt"
        assert problem["remedy"] == f"It takes {expected}."


def test_without_a_key_nobody_learns_what_an_address_takes(client):
    answer = client.get("/api/v1/decisions?limt=5", headers={"Authorization": ""})
    assert answer.status_code == 401


@pytest.mark.parametrize("length", [300, 20_000])
def test_every_text_in_a_query_has_a_longest_length(client, person, length):
    asked = 0
    for method, path, handler in addresses():
        for name in query_names(handler):
            asked += 1
            if name == "next" and length <= MAX_NEXT:
                continue
            answer = send(
                person if handler.opt.get(PAGE) else client, method, path, params={name: "x" * length}
            )
            assert answer.status_code == 422, (path, name)
            assert len(answer.text) < 2000
            assert name in answer.text if handler.opt.get(PAGE) else answer.json()["field"] == name
    assert asked == 64
