"""`sievert certify`, `policy promote`, `ledger`, `replay` and `policy rollback`, as people type them, beside a server."""

import contextlib
import dataclasses
import json
import shutil
import time

import pytest

from guarded import settlement
from running_server import NDJSON, ndjson, running
from sievert.cli import main
from sievert.guardrail import certifying
from sievert.guardrail.ledger import settle
from sievert.policy.loading import default_policies_path
from sievert.schema.clock import SystemClock
from sievert.stores.consequences import SqlConsequences
from sievert.stores.database import Database


@dataclasses.dataclass
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def policies(tmp_path):
    folder = tmp_path / "policies"
    shutil.copytree(default_policies_path(), folder)
    return folder


@pytest.fixture
def sievert(tmp_path, tiny_folder, policies, monkeypatch, capsys):
    """Run a command in this process, with the server's folder, bundle and policies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SIEVERT_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("SIEVERT_BUNDLE", str(tiny_folder))
    monkeypatch.setenv("SIEVERT_POLICIES", str(policies))
    monkeypatch.setattr(certifying, "CLOSE_AFTER", 0)

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["sievert", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    return command


def send(server, first, count):
    body = ndjson(*({"id": f"bad{first + n}", "text": "you blorp"} for n in range(count)))
    with server.client() as client:
        answer = client.post("/api/v1/posts:batch", content=body, headers=NDJSON)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_whole_way_of_a_policy(tmp_path, tiny_folder, policies, sievert):
    hate = policies / "hate.yaml"
    with running(tmp_path / "data", tiny_folder, policies=str(policies)) as server:
        assert sievert("certify", "hate").code == 2  # nothing stood above the floor yet
        send(server, 0, 50)
        opened = sievert("certify", "hate", "--hours", "0.002", "--audits", "1000")
        assert opened.code == 0, opened.err
        assert "the window is open until" in opened.out
        assert "known harmless posts 0 times so far; a test wants some 250" in opened.out
        enough = sievert("certify", "hate", "--status", "--known-harmless", "250")
        assert "a test wants" not in enough.out
        send(server, 1000, 700)
        time.sleep(7.5)
        assert "posts stood above the floor" in sievert("certify", "hate", "--status").out
        drawn = sievert("certify", "hate")
        assert "0 of " in drawn.out, drawn.err
        with contextlib.closing(Database(tmp_path / "data" / "sievert.db")) as database:
            store = SqlConsequences(database, clock=SystemClock()).guardrail
            (attempt,) = store.attempts("hate")
            audits = store.audits(attempt.attempt_id)
            cases = {one.case_id: settlement(one, harmful=True, at=0) for one in reversed(audits)}
            settle(store, cases.values(), now=SystemClock().now())
        # Without known harmless posts nothing is known of reviewers, and the attempt is not spent on that.
        unknown = sievert("certify", "hate")
        assert (unknown.code, "known to be harmless" in unknown.err) == (2, True), unknown.err
        refused = sievert("policy", "promote", "hate")
        assert refused.code == 2
        assert "mode: shadow" in refused.err
        assert "no certificate is proposed" in refused.err
        proven = sievert("certify", "hate", "--known-harmless", "250", "--called-harmful", "0")
        assert "is proposed, until" in proven.out, proven.out
        # The file permits it, but only a server that read it knows.
        hate.write_text(hate.read_text().replace("mode: shadow", "mode: live"))
        assert sievert("policy", "promote", "hate").code == 0
    with running(tmp_path / "data", tiny_folder, policies=str(policies)) as server:
        assert {one["decision"] for one in send(server, 5000, 3)} == {"remove"}
        shown = sievert("ledger", "hate")
        assert "hate on default: removes." in shown.out
        assert "3 removals, 0 overturned" in shown.out
        told = json.loads(sievert("ledger", "hate", "--json").out)
        assert (told["standing"]["state"], told["standing"]["budget_left"]) == ("active", 0.025)
        with server.client() as client:
            (decision,) = client.get("/api/v1/posts/bad5000").json()["decisions"]
        again = sievert("replay", decision["decision_id"])
        assert (again.code, "the same" in again.out) == (0, True), again.out
        # Without a reason nobody ends it; with one it ends, and a replay of what was removed still holds.
        assert sievert("policy", "rollback", "hate").code == 2
        done = sievert("policy", "rollback", "hate", "--reason", "we saw something")
        assert "is withdrawn" in done.out
        assert "remove" not in {one["decision"] for one in send(server, 6000, 3)}
        assert sievert("replay", decision["decision_id"]).code == 0
        assert "we saw something" in sievert("ledger", "hate").out
        assert "unbroken" in sievert("audit", "verify").out


def test_what_is_not_there_is_said(tmp_path, tiny_folder, sievert):
    with running(tmp_path / "data", tiny_folder):
        for arguments, says in (
            (("certify", "hat"), "There is no policy"),
            (("certify", "hate", "--abandon", "x"), "No attempt goes on"),
            (("policy", "rollback", "hate", "--reason", "x"), "no certificate"),
            (("replay", "d_nothing"), "There is no decision"),
        ):
            done = sievert(*arguments)
            assert (done.code, says in done.err) == (2, True), (arguments, done.err)
        assert "No attempt yet" in sievert("certify", "hate", "--status").out
