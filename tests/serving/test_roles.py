"""Every endpoint and page, asked by everybody: each role, nobody, who was let in once, and a key of each scope."""

import re

import msgspec
import pytest
from litestar import Litestar, get

from access_table import ROLES, lines
from running_server import NDJSON, running
from sievert.schema.access import SCOPES, with_implied
from sievert.schema.clock import HOUR, SystemClock
from sievert.schema.person import Role
from sievert.serving.app import make_app
from sievert.serving.sessions import csrf_of
from sievert.serving.tokens import hashed
from sievert.serving.truth import TruthBoard
from signed_in import add_person, browser_of, people_of, token_for

LINES = lines()
PARAMETERS = {
    "{post_id:path}": "x",
    "{policy:str}": "hate",
    "{bank:str}": "BAD",
    "{action_id:str}": "a_x",
    "{limit_id:str}": "l_x",
    "{case_id:str}": "c_x",
    "{sha256:str}": "0" * 64,
    "{name:str}": "style.css",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    """A server with every door that there is, that of a simulation too."""
    board = TruthBoard(clock=SystemClock())
    with running(tmp_path_factory.mktemp("data"), tiny_folder, truth=board) as one:
        yield one


@pytest.fixture(scope="module")
def people(server):
    """One person of each role, and nothing else."""
    return {role: add_person(server, name=role.value.replace("_", "-"), roles=(role,)) for role in Role}


def ask(client, line):
    """Send what a line asks for; the body is one that nothing can be done with."""
    path = line.path
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    path = path.replace("{target:str}", "x:release" if "/banks/" in path else "msg_x:resend")
    more = {}
    if line.method != "GET":
        body = b'{"turn": "resume", "what": "removals"}' if line.more == "turn=resume" else b'{"id": "a"}'
        kind = NDJSON["Content-Type"] if path.endswith(":batch") else "application/json"
        more = {"content": body, "headers": {"Content-Type": kind}}
    if "=" in line.more and line.method == "GET":
        more["params"] = dict([line.more.split("=")])
    with client.stream(line.method, path, **more) as answer:
        if not path.endswith("/stream") or answer.status_code != 200:
            answer.read()
        return answer


def is_let_in(answer):
    return answer.status_code not in (401, 403) and not _to_sign_in(answer)


def _to_sign_in(answer):
    return answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?")


def said(line):
    return line.method, line.path, line.more


def test_the_table_names_every_route_and_every_role(server):
    routes = walked(make_app(server.doors))
    assert routes == {(line.method, line.path) for line in LINES}
    assert len(routes) == 94
    assert len({said(line) for line in LINES}) == len(LINES) == 97
    assert set(ROLES.values()) == set(Role)
    assert {line.key for line in LINES} - {"open", "any", "no key"} == set(SCOPES) - {"operate"}


def walked(app):
    """Return (method, path) of every route of an application."""
    return {(method, route.path) for route in app.routes for method in route.methods if method != "OPTIONS"}


def test_a_route_without_a_line_shows():
    @get("/planted")
    async def planted() -> None:
        """Do nothing."""

    app = Litestar([planted], openapi_config=None)
    assert walked(app) - {(line.method, line.path) for line in LINES} == {("GET", "/planted")}


def sent_away(answer, line):
    """Tell whether somebody without a session is refused as this line says."""
    if line.page:
        return _to_sign_in(answer)
    return answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")


@pytest.fixture(scope="module")
def gone(server, people):
    """Tokens that let nobody in any more, and cookies that never did, by what is wrong with them."""
    stores, now = server.doors.stores, server.doors.clock.now()
    past = add_person(server, name="past", roles=tuple(Role))
    expired, unused, revived = (token_for(server, past) for _ in range(3))
    for token, changed in (
        (expired, {"expires_at": now}),
        (unused, {"seen_at": now - 2 * HOUR}),
    ):
        session, _ = stores.people.find(hashed(token))
        stores.people.end(past.person_id, session.session_id)
        stores.people.begin(msgspec.structs.replace(session, **changed))
    shut_out = add_person(server, name="shut-out", roles=tuple(Role))
    disabled = token_for(server, shut_out)
    people_of(server).disable("shut-out")
    people_of(server).sign_out_everywhere("past")
    kept, _ = stores.people.find(hashed(again := token_for(server, people_of(server).named("past"))))
    return {
        "no cookie": None,
        "not a token": "x",
        "an unknown token": "A" * 43,
        "expired": expired,
        "unused for long": unused,
        "signed out everywhere": revived,
        "disabled": disabled,
        "the hash that the database holds": kept.token_sha256[:43],
        "the id of a session": kept.session_id,
        "two cookies": f"{again}; sievert-session={'B' * 43}",
    }


@pytest.mark.parametrize(
    "what",
    [
        "no cookie",
        "not a token",
        "an unknown token",
        "expired",
        "unused for long",
        "signed out everywhere",
        "disabled",
        "the hash that the database holds",
        "the id of a session",
        "two cookies",
    ],
)
def test_without_a_session_that_counts_nothing_but_the_open_routes_answers(server, gone, what):
    asked = 0
    with browser_of(server, gone[what]) as client:
        for line in LINES:
            answer = ask(client, line)
            if line.key == "open":
                assert not _to_sign_in(answer), (what, said(line))
            else:
                assert sent_away(answer, line), (what, said(line), answer.status_code)
                asked += 1
    assert asked == 89


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says_and_nothing_more(server, people, role):
    with browser_of(server, token_for(server, people[role])) as client:
        answers = [(line, ask(client, line)) for line in LINES if line.path != "/sign-out"]
        # Last, since it ends the session.
        answers += [(line, ask(client, line)) for line in LINES if line.path == "/sign-out"]
    assert len(answers) == len(LINES)
    for line, answer in answers:
        if line.key == "open" and line.path == "/api/v1/discourse":
            continue  # its own secret, which no person has
        if role in line.roles:
            assert is_let_in(answer), (role, said(line), answer.status_code)
        else:
            assert answer.status_code == 403, (role, said(line), answer.status_code)
            assert re.search(f"permits ({line.key}|switch:stop|media:read)", answer.text), said(line)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_what_its_scope_says_and_nothing_more(server, scope):
    held = with_implied((scope,))
    keys = {said(line): line.key for line in LINES}
    with browser_of(server) as client:
        client.headers["Authorization"] = f"Bearer {server.new_key(scope)}"
        for line in LINES:
            if line.key == "open":
                continue
            # What stands in brackets needs what the path alone needs, too.
            needed = {line.key, keys[line.method, line.path, ""]}
            answer = ask(client, line)
            if needed <= {*held, "any"}:
                assert is_let_in(answer), (scope, said(line), answer.status_code)
            else:
                assert answer.status_code == 403, (scope, said(line), answer.status_code)


def test_what_changes_anything_asks_for_the_token_of_the_session_and_for_our_own_page(server, people):
    other = token_for(server, people[Role.AUDITOR])
    asked = 0
    for line in LINES:
        if line.method == "GET" or line.key == "open" or not line.roles:
            continue
        token = token_for(server, people[min(line.roles)])
        with browser_of(server, token) as client:
            own = dict(client.headers)
            for name, value in (
                ("x-csrf-token", ""),
                ("x-csrf-token", "x" * 43),
                ("x-csrf-token", csrf_of(other)),
                ("x-csrf-token", token),
                ("origin", "https://evil.example"),
                ("origin", "null"),
                ("origin", server.address.replace("http:", "https:")),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "none"),
            ):
                client.headers = own | {name: value}
                answer = ask(client, line)
                assert answer.status_code == 403, (name, value, said(line), answer.status_code)
                asked += 1
            client.headers = {
                name: value for name, value in own.items() if name not in ("origin", "sec-fetch-site")
            }
            assert ask(client, line).status_code == 403, said(line)
            client.headers = own
            assert is_let_in(ask(client, line)), said(line)
    assert asked == 10 * 32


def test_another_site_may_link_to_pages_and_ask_for_nothing_else(server, people):
    token = token_for(server, people[Role.AUDITOR])
    for mode in ("navigate", "no-cors", "cors"):
        for site in ("cross-site", "same-site"):
            with browser_of(server, token, site=site) as client:
                client.headers["Sec-Fetch-Mode"] = mode
                for line in LINES:
                    if line.method != "GET" or line.key == "open" or Role.AUDITOR not in line.roles:
                        continue
                    answer = ask(client, line)
                    assert is_let_in(answer) == (line.page and mode == "navigate"), (mode, said(line))
