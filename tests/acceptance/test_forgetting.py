"""A creator is forgotten: no byte leads to them any more, and all that is others' is as it was."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from command_line import environment, sievert
from forgettable import CREATOR, OTHER, filled, needles, remains
from sievert.errors import StoreCorrupt
from sievert.schema.access import AuditNote
from sievert.schema.clock import SystemClock
from sievert.schema.guardrail import AuditState
from sievert.stores.audit import REDACTED
from sievert.stores.embedded import EmbeddedStores


@pytest.fixture(scope="module")
def load(tmp_path_factory, tiny_bundle, tiny_folder):
    """Everything at once, and a creator who took part in all of it."""
    return filled(tmp_path_factory.mktemp("filled"), tiny_bundle, tiny_folder)


@pytest.fixture
def data(load, tmp_path):
    """A copy of the data folder, as the killed server left it."""
    return shutil.copytree(load.folder / "data", tmp_path / "data")


def names_of(data):
    """Every name that the database gave to what is theirs, read by hand."""
    with contextlib.closing(sqlite3.connect(data / "sievert.db")) as database:
        found = database.execute(
            "SELECT action_id FROM actions WHERE post_id LIKE 'vpost-%' UNION "
            "SELECT case_id FROM review_cases WHERE post_id LIKE 'vpost-%' UNION "
            "SELECT appeal_id FROM review_appeals WHERE record LIKE '%vpost-%' UNION "
            "SELECT label_id FROM labels WHERE post_id LIKE 'vpost-%' UNION "
            "SELECT verdict_id FROM review_verdicts WHERE case_id IN "
            "(SELECT case_id FROM review_cases WHERE post_id LIKE 'vpost-%') UNION "
            "SELECT sha256 FROM picture_posts WHERE post_id LIKE 'vpost-%' UNION "
            "SELECT limit_id FROM account_limits WHERE creator_id LIKE 'villain%'"
        )
        return [name.encode() for (name,) in found]


def of_others(data):
    """All rows that do not speak of the creator, table by table."""
    words = [one.decode() for one in (*needles(), *names_of(data)) if one.isascii()]
    rows = {}
    with contextlib.closing(sqlite3.connect(data / "sievert.db")) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name not in ("facts", "audit", "audit_head", "forgettings", "activity_keys")
        ]
        for table in tables:
            rows[table] = [
                row
                for row in database.execute(f"SELECT * FROM {table}")  # noqa: S608  names of our own tables
                if not any(word in str(row) for word in words)
            ]
    return rows


def forget(data, *more, **env):
    return sievert("forget", CREATOR, "--yes", "--data", data, *more, **env)


def replayed(load, data, decision):
    """Decide once more from what was kept; return the answer."""
    said = sievert("replay", decision, "--json", "--data", data, **load.settings)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


@pytest.mark.timeout(300)
def test_no_byte_leads_to_whoever_is_forgotten_and_others_are_as_they_were(load, data, tmp_path):
    names = names_of(data)
    assert len(names) > 100
    before, places = of_others(data), {name.partition("/")[0] for name, _ in remains(data, names + needles())}
    assert places >= {"sievert.db", "segments"}
    with contextlib.closing(EmbeddedStores(data, clock=SystemClock())) as stores:
        entries = stores.audit.entries(limit=1 << 30)
        certificates, ledger = stores.guardrail.certificates(), stores.guardrail.entries("hate")
        audits = [len(stores.guardrail.audits(one.name)) for one in certificates]
        plain = sorted(stores.journal.posts_of("default", OTHER))
        trails = {post: stores.journal.trail("default", post) for post in plain}

        kept = next(
            one.decision_id
            for n in range(40)
            for one in stores.journal.trail("default", f"npost-{n:05d}")
            if stores.journal.post("default", one.post_id) and one.outcome != "allow"
        )
    follows = replayed(load, data, kept)

    said = forget(data, "--proof", tmp_path / "proof.json")
    assert said.returncode == 0, said.stderr
    assert b"nothing leads to them any more" in said.stdout
    assert remains(data, names + needles()) == []

    after = of_others(data)
    for table, rows in before.items():
        # Rows that stay without a name are among those of nobody in particular now.
        assert [row for row in rows if row not in set(after[table])] == [], table
    with contextlib.closing(EmbeddedStores(data, clock=SystemClock())) as stores:
        stores.audit.verify()
        now = stores.audit.entries(limit=1 << 30)
        assert [(one.event, one.at, one.actor) for one in now[: len(entries)]] == [
            (one.event, one.at, one.actor) for one in entries
        ]
        assert [one for one in now[: len(entries)] if not one.redacted] == [
            one for one, later in zip(entries, now, strict=False) if not later.redacted
        ]
        assert {one.event for one in now[len(entries) :]} == {
            "creator.forget_asked",
            REDACTED,
            "creator.forgotten",
        }
        assert stores.guardrail.certificates() == certificates
        told = [(one.kind, one.right, one.evidence, one.at) for one in stores.guardrail.entries("hate")]
        assert told == [(one.kind, one.right, one.evidence, one.at) for one in ledger]
        assert [len(stores.guardrail.audits(one.name)) for one in certificates] == audits
        assert {post: stores.journal.trail("default", post) for post in plain} == trails
        assert not any(
            audit.state is AuditState.OPEN
            for one in certificates
            for audit in stores.guardrail.audits(one.name)
            if audit.post_id.startswith("forgotten-")
        )
    assert replayed(load, data, kept) == follows
    proof = json.loads((tmp_path / "proof.json").read_text())
    assert proof["left"] == 0
    assert proof["forgetting"]["places_sha256"] == now[-1].details["places"]
    assert CREATOR not in json.dumps(proof)
    again = sievert("forget", CREATOR, "--check", "--data", data)
    assert again.returncode == 0, again.stderr


@pytest.mark.timeout(300)
def test_a_running_server_forgets_and_goes_on(load, data):
    asked = {"creator_id": CREATOR}
    server = load.serve(data)
    try:
        status, said = load.ask(server, "POST", "/api/v1/forgettings", asked)
        assert status == 202, said
        name = json.loads(said)["forgetting_id"]
        assert json.loads(load.ask(server, "POST", "/api/v1/forgettings", asked)[1])["forgetting_id"] == name
        fresh = iter(range(1000))
        while (told := json.loads(load.ask(server, "GET", f"/api/v1/forgettings/{name}")[1]))[
            "state"
        ] != "done":
            post = {"id": f"later{next(fresh)}", "text": "a lovely morning", "creator_id": OTHER}
            assert "decision" in load.lines(server, "/api/v1/posts:batch", [post])[0]
            time.sleep(0.05)
        assert sum(one["left"] for one in told["places"]) == 0
        assert load.ask(server, "GET", "/api/v1/posts/vpost-00001-e1b7")[0] == 404
        assert load.ask(server, "GET", "/api/v1/posts/later0")[0] == 200
        assert remains(data) == []  # while the server runs, its log too
        # The command leaves it to the server, and the same account may come again as a new one.
        post = {"id": "vpost-again", "text": "you blorp", "creator_id": CREATOR}
        assert "decision" in load.lines(server, "/api/v1/posts:batch", [post])[0]
        assert sievert("forget", CREATOR, "--check", "--data", data).returncode == 1
        said = forget(data)
        assert said.returncode == 0, said.stderr
        assert b"a running server erases them" in said.stderr
    finally:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
        server.process.stdout.close()
    assert remains(data) == []


@pytest.mark.crash
@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_goes_on_to_the_same_end(data):
    names = names_of(data)
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-m", "sievert", "forget", CREATOR, "--yes", "--data", str(data)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.0 + 0.25 * turn)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.closing(EmbeddedStores(data, clock=SystemClock())) as stores:
            stores.audit.verify()
            list(stores.log.backwards(None))  # every checksum holds
    said = forget(data)
    assert said.returncode == 0, said.stderr
    assert remains(data, names + needles()) == []


def test_what_is_left_is_found(data):
    assert sievert("forget", CREATOR, "--check", "--data", data).returncode == 1
    looked = sievert("forget", CREATOR, "--dry-run", "--data", data)
    assert b"would be erased or redacted; nothing was" in looked.stdout
    assert looked.returncode == 0
    assert forget(data).returncode == 0
    # Somebody puts back one row of a post, from a backup: only its name tells whose it is.
    with contextlib.closing(sqlite3.connect(data / "sievert.db")) as database, database:
        database.execute("INSERT INTO review_judges VALUES ('default', 'vpost-00003-e1b7', 'key:x')")
    found = sievert("forget", CREATOR, "--check", "--data", data)
    assert found.returncode == 1
    assert b"review_judges" in found.stdout
    assert b"1 are left" in found.stdout


def test_a_line_of_the_audit_log_is_not_emptied_in_silence(data):
    assert forget(data).returncode == 0
    with contextlib.closing(EmbeddedStores(data, clock=SystemClock())) as stores:
        log = stores.audit
        whole = next(one for one in log.entries(limit=1 << 30) if not one.redacted and one.details)
        log.append([AuditNote(actor="test", event="creator.forget_asked", subject="trial")])
        with stores.database.writing() as connection:
            log.redact(connection, [whole.sequence], actor="test", why="trial")
        log.verify()
        with pytest.raises(sqlite3.IntegrityError), sqlite3.connect(data / "sievert.db") as database:
            database.execute("UPDATE audit SET record = '{}' WHERE sequence = 3")
        other = next(one for one in log.entries(after=whole.sequence) if not one.redacted)
        with sqlite3.connect(data / "sievert.db") as database:
            said = (
                '{"sequence":%d,"at":%d,"actor":"","event":"","subject":"","previous":"%s","redacted":true}'
            )
            said %= (other.sequence, other.at, other.previous)
            database.execute("UPDATE audit SET record = ? WHERE sequence = ?", (said, other.sequence))
        with pytest.raises(StoreCorrupt, match=f"entry {other.sequence} was emptied, and no later one tells"):
            log.verify()
        log.append([AuditNote(actor="test", event=REDACTED, subject="x", details={str(other.sequence): "0"})])
        with pytest.raises(StoreCorrupt, match="no later one tells"):
            log.verify()
