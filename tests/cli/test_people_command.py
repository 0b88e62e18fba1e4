"""`sievert people`, as it is typed; at a terminal, and beside a running server."""

import os
import pty
import re
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from command_line import environment, sievert
from running_server import running
from sievert.cli import make_app
from sievert.errors import SievertError
from sievert.schema.clock import SystemClock
from sievert.schema.person import Role
from sievert.serving.passwords import is_password
from sievert.stores.embedded import EmbeddedStores
from signed_in import add_person, browser_of, sign_in, token_for

WORDS = b"seven quiet harbours\n"


@pytest.fixture
def data(tmp_path):
    """A data folder as a server leaves it."""
    EmbeddedStores(tmp_path, clock=SystemClock()).close()
    return tmp_path


def people(data, *arguments, stdin=WORDS):
    """Run the command inside this process: starting one takes seconds."""
    return CliRunner().invoke(make_app(), ["people", *arguments, "--data", str(data)], input=stdin)


def kept(data):
    stores = EmbeddedStores(data, clock=SystemClock())
    try:
        return stores.people.all(), stores.audit.entries()
    finally:
        stores.close()


def test_somebody_is_added_changed_shut_out_and_let_in_again_and_the_log_says_so(data):
    done = people(data, "add", "ana", "--role", "moderator", "--role", "auditor")
    assert done.stdout == "ana may sign in as moderator, auditor\n", done.output
    assert people(data, "roles", "ana").stdout == done.stdout
    assert people(data, "roles", "ANA", "--role", "engineer").stdout == "ana may sign in as engineer\n"
    assert people(data, "password", "ana", stdin=b"another nine harbours\n").exit_code == 0
    assert people(data, "disable", "ana").exit_code == 0
    listed = people(data, "list").stdout
    assert re.search(r"ana +│ engineer", listed), listed
    assert people(data, "enable", "ana").exit_code == 0
    (ana,), entries = kept(data)
    assert ana.roles == (Role.ENGINEER,)
    assert (ana.disabled_at, ana.sign_outs) == (None, 2)
    assert is_password("another nine harbours", ana.password_hash)
    assert [entry.event for entry in entries] == [
        "person.added",
        "person.roles_changed",
        "person.password_changed",
        "person.disabled",
        "person.enabled",
    ]
    assert {(entry.actor, entry.subject) for entry in entries} == {("command line", ana.person_id)}
    assert entries[1].details == {"name": "ana", "before": "moderator,auditor", "roles": "engineer"}


def test_a_password_is_made_up_shown_once_and_kept_as_a_hash(data):
    done = people(data, "add", "ana", "--role", "moderator", "--generate", stdin=b"")
    made = done.stdout.strip()
    assert re.fullmatch(r"[a-z2-7]{6}(-[a-z2-7]{6}){3}", made)
    assert "shown this once" in done.stderr
    (ana,), _ = kept(data)
    assert is_password(made, ana.password_hash)
    assert not any(made.encode() in path.read_bytes() for path in data.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("add", "ana", "--role", "king"), WORDS, "no role king"),
        (("add", "a b", "--role", "moderator"), WORDS, "letters, digits"),
        (("add", "a\r\nX: y", "--role", "moderator"), WORDS, "letters, digits"),
        (("add", "ana", "--role", "moderator"), b"short\n", "at least 12"),
        (("add", "ana", "--role", "moderator"), b"", "at least 12"),
        (("roles", "nobody"), WORDS, "nobody named 'nobody'"),
        (("password", "nobody"), WORDS, "nobody named"),
        (("disable", "nobody"), WORDS, "nobody named"),
        (("sessions", "nobody"), WORDS, "nobody named"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(data, arguments, stdin, says):
    refused = people(data, *arguments, stdin=stdin).exception
    assert isinstance(refused, SievertError)
    assert says in refused.what
    assert refused.remedy
    assert kept(data) == ([], [])


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(data):
    here, there = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "sievert",
        "people",
        "add",
        "ana",
        "--role",
        "moderator",
        "--data",
        str(data),
    ]
    said = b""
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment()) as process:
        os.close(there)
        for asked in (b"Password: ", b"confirmation: "):
            while asked not in said:
                said += os.read(here, 1000)
            time.sleep(0.2)  # the terminal stops to show what is typed just after it has asked
            os.write(here, WORDS)
        while b"may sign in" not in said:
            said += os.read(here, 1000)
    os.close(here)
    assert process.returncode == 0
    assert WORDS.strip() not in said
    (ana,), _ = kept(data)
    assert is_password(WORDS.decode().strip(), ana.password_hash)


def test_a_running_server_notices_within_a_second(tmp_path, tiny_folder):
    data = tmp_path / "data"
    with running(data, tiny_folder) as server:
        person = add_person(server, name="bob")
        with browser_of(server, token_for(server, person)) as client:
            assert client.get("/account").status_code == 200
            (session,) = server.doors.stores.people.sessions(person.person_id)
            assert session.session_id in people(data, "sessions", "bob").stdout
            done = sievert("people", "sessions", "bob", "--end", "--data", data)
            assert done.stdout == b"bob is signed out everywhere\n"
            time.sleep(1.1)
            assert client.get("/account").status_code == 303
        assert people(data, "add", "ana", "--role", "moderator").exit_code == 0
        with browser_of(server) as client:
            assert sign_in(client).status_code == 303
            assert people(data, "disable", "ana").exit_code == 0
            assert sign_in(client).status_code == 422
