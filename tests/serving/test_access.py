"""API keys: every route is walked, counted, and asked for without one. Who may do what: test_roles.py."""

import pytest

from running_server import NDJSON, ndjson
from sievert.errors import InvalidField
from sievert.schema.access import SCOPES
from sievert.serving.access import make_key
from sievert.serving.app import ROUTES
from sievert.serving.callers import ANY, OPEN, PAGE, SIGNED_IN
from sievert.serving.tokens import hashed
from sievert.testing import FixedClock

OPEN_ROUTES = {"/health", "/ready", "/", "/schema", "/page/{name:str}", "/api/v1/discourse", "/sign-in"}


def operations(routes=ROUTES):
    """Return (method, path as a client writes it, scope) of every route."""
    return [
        (
            method,
            path.replace("{post_id:path}", "x")
            .replace("{target:str}", "x:release" if "/banks/" in path else "msg_x:resend")
            .replace("{policy:str}", "hate")
            .replace("{bank:str}", "BAD")
            .replace("{action_id:str}", "a_x")
            .replace("{limit_id:str}", "l_x")
            .replace("{case_id:str}", "c_x")
            .replace("{sha256:str}", "0" * 64),
            route.opt["scope"],
        )
        for route in routes
        for path in route.paths
        for method in route.http_methods
        if method != "OPTIONS"
    ]


def test_every_route_names_its_scope_and_only_these_are_open():
    assert len(operations()) == 93
    assert {path for _, path, scope in operations() if scope == OPEN} == OPEN_ROUTES
    assert {scope for _, _, scope in operations()} <= {*SCOPES, OPEN, ANY, SIGNED_IN}


def send(client, method, path, **more):
    if method == "POST" and "webhooks" not in path:
        more |= {"content": ndjson({"id": "a"}).strip(), "headers": {**NDJSON, **more.get("headers", {})}}
        if not path.endswith(":batch"):
            more["headers"]["Content-Type"] = "application/json"
    if path.endswith("/stream"):
        with client.stream(method, path, **more) as answer:
            if answer.status_code != 200:
                answer.read()
            return answer
    return client.request(method, path, **more)


def test_without_a_key_nothing_but_the_open_routes_answers(server):
    import httpx

    # Pages lead to the sign-in instead: tests/serving/test_roles.py.
    programs = [route for route in ROUTES if not route.opt.get(PAGE)]
    guarded = [(method, path) for method, path, scope in operations(programs) if scope != OPEN]
    assert len(guarded) == 62
    for header in (
        None,
        "",
        "Bearer",
        "Bearer x",
        f"Basic {server.key}",
        f"Bearer {server.key}x",
        "Bearer sk_",
    ):
        headers = {} if header is None else {"Authorization": header}
        with httpx.Client(base_url=server.address, headers=headers, trust_env=False) as stranger:
            for method, path in guarded:
                answer = send(stranger, method, path)
                assert answer.status_code == 401, (header, method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_ends_within_a_second(server):
    import time

    text = server.new_key("decisions:read")
    with server.client(text) as client:
        assert client.get("/api/v1/decisions").status_code == 200
        server.doors.stores.keys.revoke(text.split("_")[1], server.doors.clock.now())
        time.sleep(1.1)
        assert client.get("/api/v1/decisions").status_code == 401


def test_the_store_never_holds_the_key_itself(server):
    folder = server.doors.settings.data_folder
    from pathlib import Path

    secret = server.key.encode()
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert not any(secret in path.read_bytes() for path in files)
    assert any(hashed(server.key).encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [
        ("", ("admin",), "name"),
        ("x" * 101, ("admin",), "name"),
        ("x", ("root",), "scopes"),
        ("x", (), "scopes"),
    ],
)
def test_a_key_needs_a_name_and_scopes_that_exist(name, scopes, field):
    with pytest.raises(InvalidField) as raised:
        make_key(name=name, scopes=scopes, clock=FixedClock(), random_bytes=bytes)
    assert raised.value.field == field
    assert raised.value.remedy
