"""People sign in, work, and leave, over a real socket; and what is tried against that."""

import asyncio
import itertools
import re
import threading
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit

import argon2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from running_server import running
from sievert.schema.clock import HOUR, SECOND, ManualClock
from sievert.schema.person import Role
from sievert.serving import passwords
from sievert.serving.forms import MAX_FORM_BYTES
from sievert.serving.pages import MAX_NEXT, local_path
from sievert.serving.passwords import NOBODYS
from sievert.serving.sessions import csrf_of
from sievert.serving.signing_in import FAILURES_NOTED_AN_HOUR
from sievert.serving.tokens import hashed
from sievert.testing import START
from signed_in import PASSWORD, add_person, browser_of, people_of, sign_in, token_for

TOKEN = r"[A-Za-z0-9_-]{43}"  # noqa: S105  what all look like


def token_of(answer, name="sievert-session"):
    return re.match(rf"{name}=({TOKEN});", answer.headers["set-cookie"])[1]


def csrf_in(answer):
    return re.search(rf'name="csrf" value="({TOKEN})"', answer.text)[1]


def events(server):
    return [entry.event for entry in server.doors.stores.audit.entries()]


def test_somebody_signs_in_looks_at_their_account_and_signs_out_twice(server):
    person = add_person(server)
    with browser_of(server) as client:
        assert client.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
        assert "<form" in client.get("/sign-in?next=%2Faccount").text
        answer = sign_in(client, name="ANA", next="/account?done=session")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=session")
        assert re.fullmatch(
            rf"sievert-session={TOKEN}; HttpOnly; Path=/; SameSite=lax", answer.headers["set-cookie"]
        )
        shown = client.get("/account")
        assert shown.status_code == 200
        assert "form-action 'self'" in shown.headers["content-security-policy"]
        assert shown.headers["referrer-policy"] == "same-origin"
        assert shown.headers["cache-control"] == "no-store"
        ended = client.post("/sign-out", data={"csrf": csrf_in(shown)})
        assert (ended.status_code, ended.headers["location"]) == (303, "/sign-in")
        assert "Max-Age=0" in ended.headers["set-cookie"]
        assert server.doors.stores.people.sessions(person.person_id) == []
        assert client.get("/account").status_code == 303
        client.headers["Cookie"] = f"sievert-session={token_of(answer)}"
        again = client.post("/sign-out", data={"csrf": csrf_in(shown)})
        assert (again.status_code, again.headers["location"]) == (303, "/sign-in?ended=yes")
        assert "was not done" in client.get("/sign-in?ended=yes").text
    assert events(server)[-2:] == ["person.signed_in", "person.signed_out"]


def test_a_session_is_never_taken_up_from_the_browser_and_the_old_one_ends(server):
    person = add_person(server)
    planted = "P" * 43
    with browser_of(server, planted) as client:
        first = token_of(sign_in(client))
        client.headers["Cookie"] = f"sievert-session={first}"
        assert client.get("/account").status_code == 200
        second = token_of(sign_in(client))
        assert len({planted, first, second}) == 3
    for token, status in ((planted, 303), (first, 303), (second, 200)):
        with browser_of(server, token) as client:
            assert client.get("/account").status_code == status
    assert len(server.doors.stores.people.sessions(person.person_id)) == 1


def test_the_database_holds_neither_token_nor_password(server, tmp_path):
    add_person(server)
    with browser_of(server) as client:
        token = token_of(sign_in(client))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert hashed(token).encode() in kept
    assert token.encode() not in kept
    assert csrf_of(token).encode() not in kept
    assert PASSWORD.encode() not in kept
    with browser_of(server, hashed(token)[:43]) as client:
        assert client.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda people: people.disable("ana"), 401),
        (lambda people: people.sign_out_everywhere("ana"), 401),
        (lambda people: people.set_password("ana", "another nine harbours"), 401),
        (lambda people: people.set_roles("ana", [Role.AUDITOR]), 403),
    ],
)
def test_what_changes_a_person_from_outside_holds_within_a_second(tmp_path, tiny_folder, change, after):
    clock = ManualClock(START)
    with running(tmp_path / "data", tiny_folder, clock=clock) as server:
        token = token_for(server, add_person(server))
        with browser_of(server, token) as client:
            assert client.post("/api/v1/cases/claim", json={}).status_code == 204
            change(people_of(server))
            clock.advance(SECOND)
            assert client.post("/api/v1/cases/claim", json={}).status_code == after


def test_sessions_end_when_unused_and_in_any_case_after_so_many_hours(tmp_path, tiny_folder):
    clock = ManualClock(START)
    with running(
        tmp_path / "data", tiny_folder, clock=clock, session_idle_minutes=60, session_hours=3
    ) as server:
        person = add_person(server)
        tokens = [token_for(server, person) for _ in range(2)]
        for minutes in range(40, 3 * 60, 40):
            clock.at = START + minutes * 60 * SECOND
            with browser_of(server, tokens[0]) as client:
                assert client.get("/account").status_code == 200, minutes
        with browser_of(server, tokens[1]) as client:
            assert client.get("/account").status_code == 303
        clock.at = START + 3 * HOUR - 1
        with browser_of(server, tokens[0]) as client:
            assert client.get("/account").status_code == 200
            clock.at += 1
            assert client.get("/account").status_code == 303
        server.doors.sign_in.sessions.sweep()  # the server sweeps beside us: who deletes which is open
        assert server.doors.stores.people.sessions(person.person_id) == []


def test_a_stream_that_is_open_ends_with_the_session_and_does_not_keep_it_alive(tmp_path, tiny_folder):
    clock = ManualClock(START)
    with running(tmp_path / "data", tiny_folder, clock=clock, session_idle_minutes=60) as server:
        token = token_for(server, add_person(server, roles=[Role.AUDITOR]))
        with browser_of(server, token) as client, client.stream("GET", "/api/v1/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: hello"
            clock.advance(30 * 60 * SECOND)
            while next(lines) != "event: counters":
                pass
            clock.advance(30 * 60 * SECOND)
            more = len(list(itertools.islice(lines, 40)))
            assert more < 40, "it goes on though the session has ended"


def test_a_key_beside_a_cookie_is_what_counts(server):
    token = token_for(server, add_person(server, roles=[Role.AUDITOR]))
    with browser_of(server, token, site="cross-site") as client:
        del client.headers["X-CSRF-Token"]
        client.headers["Authorization"] = f"Bearer {server.new_key('review:work')}"
        assert client.post("/api/v1/cases/claim", json={}).status_code == 204
        assert client.get("/api/v1/decisions").status_code == 403  # what the person may does not count
        client.headers["Authorization"] = "Bearer sk_wrong"
        assert client.get("/api/v1/decisions").status_code == 401


def test_records_name_people_and_keys_in_one_way(server):
    person = add_person(server, roles=[Role.ENGINEER])
    with browser_of(server, token_for(server, person)) as client:
        body = {"turn": "stop", "what": "removals", "reason": "x"}
        assert client.post("/api/v1/switch", json=body).status_code == 200
    with server.client() as client:
        assert client.post("/api/v1/switch", json=body | {"turn": "resume"}).status_code == 200
        noted = client.get("/api/v1/audit?limit=2").json()["items"]
    key_id = server.key.split("_")[1]
    assert [one["actor"] for one in noted] == [f"key:{key_id}", f"person:{person.person_id}"]


def test_the_audit_log_is_read_newest_first_page_by_page(server, client):
    for _ in range(5):
        server.new_key("score")
    seen, before = [], None
    while True:
        page = client.get(
            "/api/v1/audit", params={"limit": 2} | ({"before": before} if before else {})
        ).json()
        seen += page["items"]
        if (before := page["before"]) is None:
            break
    entries = server.doors.stores.audit.entries()
    assert [one["sequence"] for one in seen] == [one.sequence for one in reversed(entries)]
    assert [one["digest"] for one in seen] == [one.digest for one in reversed(entries)]


def test_wrong_names_and_wrong_passwords_get_one_answer_for_the_same_work(server, monkeypatch):
    add_person(server)
    add_person(server, name="gone")
    people_of(server).disable("gone")
    worked = []
    real = passwords.is_password
    monkeypatch.setattr(
        passwords,
        "is_password",
        lambda *both: worked.append(argon2.extract_parameters(both[1])) or real(*both),
    )
    answers = []
    with browser_of(server) as client:
        for name, password in (
            ("ana", "not that password"),
            ("nobody-at-all", "not that password"),
            ("gone", PASSWORD),
            ("gone", "not that password"),
            ("", ""),
            ("a\r\nb", "\x00"),
        ):
            answer = sign_in(client, name=name, password=password)
            assert "set-cookie" not in answer.headers
            answers.append(
                (answer.status_code, re.sub(r'value="[^"]*"', "", answer.text.replace("autofocus", "")))
            )
    assert {status for status, _ in answers} == {422}
    assert len({text for _, text in answers[:4]}) == 1
    assert worked == [argon2.extract_parameters(NOBODYS)] * 6


@pytest.fixture
def stopped(tmp_path, tiny_folder):
    """A server whose time stands still."""
    with running(tmp_path / "data", tiny_folder, clock=ManualClock(START)) as one:
        yield one


def test_guessing_is_slowed_down_for_names_that_somebody_has_and_for_others(stopped):
    add_person(stopped)
    with browser_of(stopped) as client:
        for name in ("ana", "nobody"):
            statuses = [
                sign_in(client, name=name, password=f"guess number {n}").status_code for n in range(7)
            ]
            assert statuses == [422] * 6 + [429]
        # The right password waits as well: else the pause would tell it apart.
        refused = sign_in(client)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "Try again in 1 second." in refused.text
        stopped.doors.clock.advance(SECOND)
        assert sign_in(client).status_code == 303


def test_many_guesses_at_once_gain_nothing(stopped):
    add_person(stopped)
    statuses = []

    def guess(number):
        with browser_of(stopped) as client:
            statuses.append(sign_in(client, password=f"guess number {number}").status_code)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [422] * 6 + [429] * 10


def test_failures_are_noted_by_their_number_and_never_without_end(server):
    add_person(server)
    desk = server.doors.sign_in

    async def fail():
        for _ in range(FAILURES_NOTED_AN_HOUR + 40):
            await desk._note_failure(None, 1, "192.0.2.1")
        for failures in range(1, 20):
            await desk._note_failure(None, failures, "192.0.2.1")

    asyncio.run(fail())
    noted = [one for one in server.doors.stores.audit.entries(limit=9999) if one.event == "person.refused"]
    assert len(noted) == FAILURES_NOTED_AN_HOUR
    with browser_of(server) as client:
        sign_in(client, name="my own secret", password="x")
    log = server.doors.stores.audit.entries(limit=9999)
    assert not any("my own secret" in str(one) for one in log)


def test_two_sign_ins_at_once_are_two_sessions(server):
    person = add_person(server)
    tokens = []

    def come():
        with browser_of(server) as client:
            tokens.append(token_of(sign_in(client)))

    threads = [threading.Thread(target=come) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 2
    assert len(server.doors.stores.people.sessions(person.person_id)) == 2


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_sign_in(server):
    person = add_person(server)
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    people = server.doors.stores.people
    people.change(person.person_id, lambda one: msgspec.structs.replace(one, password_hash=weak))
    with browser_of(server) as client:
        assert sign_in(client, password="not that password").status_code == 422
        assert people.named("ana").password_hash == weak
        assert sign_in(client).status_code == 303
        renewed = people.named("ana").password_hash
        assert not passwords.is_outdated(renewed)
        assert sign_in(client).status_code == 303
        assert people.named("ana").password_hash == renewed


def test_a_password_that_was_changed_meanwhile_is_not_overwritten_and_lets_nobody_in(server):
    person = add_person(server)
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    people = server.doors.stores.people
    people.change(person.person_id, lambda one: msgspec.structs.replace(one, password_hash=weak))
    desk = server.doors.sign_in
    real = desk._passwords.hash

    async def hash_while_somebody_changes_it(password):
        hashed_now = await real(password)
        people_of(server).set_password("ana", "another nine harbours")
        return hashed_now

    desk._passwords.hash = hash_while_somebody_changes_it
    with browser_of(server) as client:
        answer = sign_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?ended=yes")
        assert "set-cookie" not in answer.headers
    assert people.sessions(person.person_id) == []
    assert passwords.is_password("another nine harbours", people.named("ana").password_hash)


def test_somebody_changes_their_password_and_only_this_browser_stays(server):
    person = add_person(server)
    here, there = token_for(server, person), token_for(server, person)
    new = "another nine harbours"
    with browser_of(server, here) as client, browser_of(server, there) as other:
        token = csrf_in(client.get("/account"))
        for fields, says in (
            ({"current": "not that password", "new": new, "again": new}, "present password"),
            ({"current": PASSWORD, "new": "short", "again": "short"}, "at least 12"),
            ({"current": PASSWORD, "new": new, "again": new + "x"}, "two ways"),
            ({"current": PASSWORD, "new": "ana, ana and ana", "again": "ana, ana and ana"}, "name"),
        ):
            answer = client.post("/account/password", data={"csrf": token, **fields})
            assert (answer.status_code, says in answer.text) == (422, True), says
        fields = {"csrf": token, "current": PASSWORD, "new": new, "again": new}
        answer = client.post("/account/password", data=fields)
        assert answer.headers["location"] == "/account?done=password"
        assert other.get("/account").status_code == 303
        assert client.get("/account").status_code == 303  # the old token of this browser, too
        client.headers["Cookie"] = f"sievert-session={token_of(answer)}"
        assert client.get("/account").status_code == 200
    with browser_of(server) as client:
        assert sign_in(client).status_code == 422
        assert sign_in(client, password=new).status_code == 303


def test_somebody_ends_their_own_sessions_and_nobody_elses(server):
    ana, bob = add_person(server), add_person(server, name="bob")
    tokens = [token_for(server, ana) for _ in range(2)]
    bobs = token_for(server, bob)
    people = server.doors.stores.people
    with browser_of(server, tokens[0]) as client:
        shown = client.get("/account")
        fields = {"csrf": csrf_in(shown)}
        (theirs,) = people.sessions(bob.person_id)
        assert theirs.session_id not in shown.text
        client.post("/account/sessions/end", data=fields | {"session": theirs.session_id})
        assert people.sessions(bob.person_id) == [theirs]
        there, _ = people.find(hashed(tokens[1]))
        assert there.session_id in shown.text
        client.post("/account/sessions/end", data=fields | {"session": there.session_id})
        assert people.find(hashed(tokens[1])) is None
    with browser_of(server, bobs) as client:
        assert client.get("/account").status_code == 200


def test_a_form_brings_the_token_of_its_own_session_once(server):
    ana, bob = add_person(server), add_person(server, name="bob")
    token, others = token_for(server, ana), token_for(server, bob)
    with browser_of(server, token) as client:
        del client.headers["X-CSRF-Token"]
        for data in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": csrf_of(others)}, {"csrf": token}):
            assert client.post("/sign-out", data=data).status_code == 403, data
        # Neither in the address nor in a body of another kind, which other sites could send.
        assert client.post("/sign-out", params={"csrf": csrf_of(token)}).status_code in (403, 422)
        body = f"csrf={csrf_of(token)}"
        assert (
            client.post("/sign-out", content=body, headers={"Content-Type": "text/plain"}).status_code == 403
        )
        assert client.post("/sign-out", data={"csrf": [csrf_of(token)] * 2}).status_code == 422
        assert client.post("/sign-out", data={"csrf": csrf_of(token)}).status_code == 303


def test_nobody_is_signed_in_by_a_form_of_another_site(server):
    add_person(server)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": None, "Sec-Fetch-Site": None},
    ):
        with browser_of(server) as client:
            for name, value in headers.items():
                if value is None:
                    del client.headers[name]
                else:
                    client.headers[name] = value
            answer = sign_in(client)
            assert answer.status_code == 403, headers
            assert "set-cookie" not in answer.headers
            assert "<title>" in answer.text


def test_a_cookie_that_a_neighbour_put_in_beside_ours_lets_nobody_act(server):
    ana, eve = (token_for(server, add_person(server, name=name)) for name in ("ana", "eve"))
    for cookies in (
        f"sievert-session={eve}; sievert-session={ana}",
        f"sievert-session={ana}; sievert-session={eve}",
        f"sievert-session={ana}; a=b; sievert-session=",
        f"__Host-sievert-session={ana}",  # browsers send none such without TLS
        f"Sievert-Session={ana}",
        f'sievert-session="{ana}"',
    ):
        with browser_of(server) as client:
            client.headers["Cookie"] = cookies
            assert client.get("/account").status_code == 303, cookies


@pytest.mark.parametrize("how", ["setting", "proxy"])
def test_by_tls_the_cookie_is_this_hosts_alone_and_no_other_is_taken(tmp_path, tiny_folder, how):
    more = {"public_url": "https://sievert.example"} if how == "setting" else {}
    with running(tmp_path / "data", tiny_folder, **more) as server:
        person = add_person(server)
        with browser_of(server) as client:
            # As a proxy on this machine tells it; one elsewhere must be named in FORWARDED_ALLOW_IPS.
            proxy = {"Host": "sievert.example", "X-Forwarded-Proto": "https"} if how == "proxy" else {}
            client.headers.update({"Origin": "https://sievert.example", **proxy})
            answer = sign_in(client)
            assert re.fullmatch(
                rf"__Host-sievert-session={TOKEN}; HttpOnly; Path=/; SameSite=lax; Secure",
                answer.headers["set-cookie"],
            )
            client.headers["Cookie"] = f"__Host-sievert-session={token_of(answer, '__Host-sievert-session')}"
            shown = client.get("/account")
            assert shown.status_code == 200
            client.headers["Origin"] = "http://sievert.example"
            assert client.post("/sign-out", data={"csrf": csrf_in(shown)}).status_code == 403
            client.headers["Cookie"] = f"sievert-session={token_for(server, person)}"
            assert client.get("/account").status_code == 303


EVIL = [
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/%5cevil.example",
    "/%2f%2fevil.example",
    "/%2Fevil.example",
    "%2f%2fevil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%09/evil.example",
    "/\r\nSet-Cookie: a=b",
    "/%0d%0aSet-Cookie:%20a=b",
    " //evil.example",
    "/a\x00b",
    "/.//evil.example",
    "@evil.example",
    "/" + "x" * 2000,
    "",
]


@pytest.mark.parametrize(
    ("roles", "first"),
    [
        ([Role.MODERATOR], "/work"),
        ([Role.POLICY_OWNER], "/ledger"),
        ([Role.AUDITOR], "/ledger"),
        ([Role.ENGINEER], "/switches"),
        ([Role.AUDITOR, Role.MODERATOR], "/work"),
        ([Role.ENGINEER, Role.AUDITOR], "/ledger"),
    ],
)
def test_a_sign_in_leads_to_the_first_page_of_ones_work(server, roles, first):
    add_person(server, name="eve", roles=roles)
    with browser_of(server) as client:
        answer = sign_in(client, name="eve")
        assert (answer.status_code, answer.headers["location"]) == (303, first)
        token = token_of(answer)
    with browser_of(server, token) as client:
        assert client.get(first).status_code == 200
    with browser_of(server) as client:
        assert sign_in(client, name="eve", next="/account").headers["location"] == "/account"


def test_a_sign_in_leads_nowhere_else(server):
    add_person(server)
    with browser_of(server) as client:
        for number, wanted in enumerate(EVIL):
            assert local_path(wanted) is None, wanted
            page = client.get("/sign-in", params={"next": wanted})
            assert page.status_code == (200 if len(wanted) < MAX_NEXT else 422)
            if page.status_code == 200:
                assert 'name="next" value=""' in page.text
            if number % 3 == 0:
                answer = sign_in(client, next=wanted)
                assert (answer.status_code, answer.headers["location"]) == (303, "/work"), wanted
                assert len(answer.headers.get_list("set-cookie")) == 1


@pytest.mark.parametrize(
    "wanted",
    ["/", "/account", "/desk?policy=hate&kind=review", "/cases/c_1", "/a?u=https://x.example", "/caf%C3%A9"],
)
def test_a_sign_in_leads_on_to_pages_of_ours(wanted):
    assert local_path(wanted) == wanted
    assert urljoin("https://ours.example/sign-in", wanted).startswith("https://ours.example/")


@given(st.text(alphabet="/\\%.:@?#aZ0 \t\n\r25cf&=-é", max_size=30))
def test_whatever_is_led_on_to_is_on_this_host(wanted):
    path = local_path(wanted)
    if path is not None:
        # As a browser reads it: tabs and line ends are passed over, a backslash is a slash.
        read = re.sub(r"[\t\r\n]", "", path).replace("\\", "/").strip()
        assert read == path
        assert urlsplit(urljoin("https://ours.example/sign-in", path))[:2] == ("https", "ours.example")
        assert path.isascii()


def test_names_are_shown_as_text_whatever_is_in_them(server):
    person = add_person(server)
    evil = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"
    server.doors.stores.people.change(person.person_id, lambda one: msgspec.structs.replace(one, name=evil))
    with browser_of(server, token_for(server, person)) as client:
        shown = client.get("/account").text
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "{{ 7 * 7 }}" in shown
    with browser_of(server) as client:
        answer = sign_in(client, name=evil)
        assert "<script" not in answer.text
        assert evil not in answer.text
        assert not re.search(r"[\r\n]", "".join(answer.headers.values()))


def test_a_form_has_bounds(server):
    form = "application/x-www-form-urlencoded"
    for body, kind, status in (
        (b"name=a&password=" + b"x" * MAX_FORM_BYTES, form, 413),
        (b"&".join(b"a=%d" % n for n in range(500)), form, 400),
        (b"name=%ff&password=x", form, 400),
        (b"name=\xff", form, 400),
        (b"name=a&name=b&password=x", form, 422),
        (b'{"name": "a"}', "application/json", 415),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"", form, 422),
    ):
        with browser_of(server) as client:
            answer = client.post("/sign-in", content=body, headers={"Content-Type": kind})
            assert answer.status_code == status, body[:40]
            assert answer.headers["content-type"].startswith("text/html")
            assert len(answer.text) < 5000


def test_a_form_that_a_client_breaks_off_costs_nothing_but_itself(server):
    host = server.address.removeprefix("http://")
    connection = HTTPConnection(host, timeout=10)
    connection.putrequest("POST", "/sign-in")
    connection.putheader("Origin", server.address)
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    connection.send(b"name=ana")
    connection.close()
    with browser_of(server) as client:
        assert client.get("/sign-in").status_code == 200
