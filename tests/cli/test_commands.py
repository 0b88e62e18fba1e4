"""The other commands, each in a real process: what they print, and how they refuse."""

import io
import json
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys

import pytest
from rich.console import Console

from command_line import environment, sievert
from contracts.journal import keep
from running_server import running
from sievert.cli import COMMANDS
from sievert.cli.id_table import id_table
from sievert.schema.clock import SystemClock
from sievert.schema.post import Post
from sievert.scoring.bundle import default_bundle_path
from sievert.stores.embedded import EmbeddedStores


@pytest.fixture
def data(tmp_path):
    """A data folder as a server leaves it."""
    EmbeddedStores(tmp_path, clock=SystemClock()).close()
    return tmp_path


def test_help_names_every_command():
    done = sievert("--help")
    assert done.returncode == 0
    assert len(COMMANDS) == 37
    for command in COMMANDS:
        assert command in done.stdout.decode()
        assert sievert(command, "--help").returncode == 0, command


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_part_of_a_server_says_what_it_lacks(command, tmp_path):
    done = sievert(command, "--data", tmp_path, SIEVERT_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert done.returncode == 2
    assert b"nats_url is not set" in done.stderr
    assert b"database_url is not set" not in done.stderr


def test_a_console_needs_the_database_alone(tmp_path):
    done = sievert("console", "--data", tmp_path)
    assert done.returncode == 2
    assert b"database_url is not set" in done.stderr
    assert b"nats_url" not in done.stderr


def test_the_version_is_told():
    assert sievert("--version").stdout.startswith(b"sievert 0.")


def test_bundle_show_tells_the_prevalences():
    shown = json.loads(sievert("bundle", "show", "--json").stdout)

    assert shown["prevalence"]["overall"] == 0.01
    assert set(shown["prevalence"]["policies"]) == {"hate", "harassment", "threat", "spam"}
    assert all(0 < share < 0.01 for share in shown["prevalence"]["policies"].values())
    assert {"sexual", "self_harm", "graphic_violence", "scam"} <= set(shown["without_head"])
    told = sievert("bundle", "show").stdout.decode()
    assert "hate" in told
    assert "no labels, hence no head" in told


def test_bundle_verify_notices_any_change(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), folder)
    assert sievert("bundle", "verify", folder).returncode == 0
    names = [path.name for path in folder.iterdir() if path.name != "manifest.json"]
    assert len(names) == 24
    for name in names:
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        done = sievert("bundle", "verify", folder)
        assert done.returncode == 2
        assert name in done.stderr.decode()
        path.write_bytes(before)


def test_keys_are_made_listed_and_revoked(data):
    made = sievert("keys", "add", "ingest", "--scope", "posts:write", "--data", data)
    key = made.stdout.decode().strip()
    assert key.startswith("sk_")
    key_id = key.split("_")[1]
    listed = sievert("keys", "list", "--data", data).stdout.decode()
    assert key_id in listed
    assert "posts:write" in listed
    assert key.split("_", 2)[2] not in listed
    assert sievert("keys", "revoke", key_id, "--data", data).returncode == 0
    assert sievert("keys", "revoke", "nobody", "--data", data).returncode == 2
    verified = sievert("audit", "verify", "--data", data).stdout.decode()
    assert "2 entries, unbroken" in verified


def test_audit_verify_notices_a_rewritten_entry(data):
    sievert("keys", "add", "one", "--data", data)
    sievert("keys", "add", "two", "--data", data)
    with sqlite3.connect(data / "sievert.db") as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        assert names
        for name in names:
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE audit SET record = replace(record, 'one', 'eve') WHERE sequence = 1")
    database.close()
    done = sievert("audit", "verify", "--data", data)
    assert done.returncode == 2
    assert "entry 1" in done.stderr.decode()


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "add", "one"),
        ("keys", "list"),
        ("keys", "revoke", "x"),
        ("audit", "verify"),
        ("webhooks", "dead"),
    ],
)
def test_only_a_server_makes_a_database(tmp_path, command):
    done = sievert(*command, "--data", tmp_path / "mistyped")
    assert done.returncode == 2
    assert "sievert up" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_ids_stay_whole_and_markup_is_text_in_a_narrow_terminal():
    console = Console(width=30, file=io.StringIO())
    console.print(id_table(("id", "last error"), [("a-very-long-id-of-a-message", "[/b] [red]no[/red]")]))
    said = console.file.getvalue()
    assert "a-very-long-id-of-a-message" in said
    console = Console(width=100, file=io.StringIO())
    console.print(id_table(("id", "last error"), [("a", "[/b] [red]no[/red]")]))
    assert "[/b] [red]no[/red]" in console.file.getvalue()


def test_a_key_named_like_markup_is_listed(data):
    sievert("keys", "add", "[/b]", "--data", data)
    assert "[/b]" in sievert("keys", "list", "--data", data).stdout.decode()


def test_a_second_start_says_where_the_page_is_and_how_a_key_is_made(tmp_path, tiny_folder):
    folder = tmp_path / "our data"
    sievert_up = [sys.executable, "-u", "-m", "sievert", "up", "--port", "0", "--data", str(folder)]
    for line_sought in (b"live page", b"sievert keys add"):
        with subprocess.Popen(
            sievert_up, stdout=subprocess.PIPE, env=environment(SIEVERT_BUNDLE=str(tiny_folder))
        ) as server:
            said = next(line for line in server.stdout if line_sought in line).decode()
            server.terminate()
            server.communicate(timeout=60)
    assert "live page: http://127.0.0.1:" in said
    command = shlex.split(said.split("`")[1].replace("NAME", "me"))
    assert sievert(*command[1:]).stdout.startswith(b"sk_")
    assert b" me " in sievert("keys", "list", "--data", folder).stdout


def test_train_refuses_a_file_in_the_place_of_its_folder_at_once(tmp_path):
    (tmp_path / "taken").write_text("")
    for out in ("taken", "taken/below"):
        done = sievert("train", "light-linear", "--data", tmp_path, "--out", tmp_path / out)
        assert done.returncode == 2
        assert "--out" in done.stderr.decode()


def test_settings_are_printed_with_their_origin_and_secrets_masked(tmp_path):
    (tmp_path / "sievert.toml").write_text('port = 1234\nwebhook_secret = "whsec_' + "QUJD" * 10 + '"')
    shown = sievert("settings", cwd=tmp_path, SIEVERT_LOG_LEVEL="warning").stdout.decode()

    assert "1234" in shown
    assert "sievert.toml" in shown
    assert "environment" in shown
    assert "default" in shown
    assert "QUJD" not in shown


def test_doctor_finds_a_sound_installation_well(tmp_path):
    done = sievert("doctor", "--data", tmp_path / "data", SIEVERT_PORT="0")
    assert done.returncode == 0, done.stdout
    assert done.stdout.decode().count("ok  ") == 14
    assert "all is well" in done.stdout.decode()


def test_doctor_says_what_is_broken_and_what_to_do(tmp_path, tiny_folder):
    broken = tmp_path / "bundle"
    shutil.copytree(tiny_folder, broken)
    (broken / "features.json").write_text("{}")
    data = tmp_path / "data"
    stores = EmbeddedStores(data, clock=SystemClock())
    keep(stores.journal, [Post(id="a")])
    stores.close()
    segment = data / "segments" / "00000000.arrow"
    segment.write_bytes(segment.read_bytes()[:-9])
    (data / "sievert.db").write_text("not a database at all" * 100)
    for path in (data, data / "segments"):
        path.chmod(0o755)
    done = sievert(
        "doctor",
        "--data",
        tmp_path / "data",
        SIEVERT_PORT="0",
        SIEVERT_BUNDLE=broken,
        SIEVERT_POLICIES=tmp_path,
    )
    said = done.stdout.decode()
    assert done.returncode == 1
    for name in ("kernels", "bundle", "policies", "data folder", "database", "segments"):
        assert f"BROKEN {name}" in said
    assert f"chmod 700 {tmp_path / 'data'}" in said
    assert "00000000" in said
    assert said.count("what to do") == said.count("BROKEN") == 7


def test_doctor_looks_at_a_database_in_use(tmp_path):
    stores = EmbeddedStores(tmp_path, clock=SystemClock())
    done = sievert("doctor", "--data", tmp_path, SIEVERT_PORT="0")
    stores.close()
    assert "0 audit entries, unbroken" in done.stdout.decode()


def test_doctor_knows_a_running_sievert_from_others_on_its_port(tmp_path, tiny_folder):
    with running(tmp_path, tiny_folder) as server:
        port = server.address.rsplit(":", 1)[1]
        done = sievert("doctor", "--data", tmp_path, SIEVERT_PORT=port)
    assert done.returncode == 0, done.stdout
    assert f"{port} of 127.0.0.1 is taken by a Sievert 0." in done.stdout.decode()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = sievert("doctor", "--data", tmp_path, SIEVERT_PORT=str(other.getsockname()[1]))
    assert "BROKEN port" in done.stdout.decode()


@pytest.mark.parametrize("command", [("up",), ("demo",), ("keys", "list"), ("audit", "verify")])
def test_wrong_settings_are_told_by_every_command_that_reads_them(tmp_path, command):
    done = sievert(*command, cwd=tmp_path, SIEVERT_PORT="many")
    assert done.returncode == 2
    assert "SIEVERT_PORT" in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_folder_in_use_and_a_port_in_use_are_named(tmp_path, tiny_folder):
    stores = EmbeddedStores(tmp_path, clock=SystemClock())
    busy = sievert("up", "--data", tmp_path, "--port", 0, SIEVERT_BUNDLE=tiny_folder)
    stores.close()
    assert busy.returncode == 2
    assert "process" in busy.stderr.decode()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = sievert("up", "--data", tmp_path, "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "--port" in done.stderr.decode()


def test_evaluate_measures_probabilities_that_a_file_brings(tmp_path):
    lines = [
        {"text": f"t{i}", "harmful": int(i % 20 == 0), "probability": 0.9 if i % 20 == 0 else 0.001 * (i % 7)}
        for i in range(2000)
    ]
    file = tmp_path / "labelled.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    done = sievert("evaluate", file, "--json", "--bootstrap", 50)
    report = json.loads(done.stdout)
    assert report["reports"][0]["ranking"]["pr_auc"]["value"] == pytest.approx(1.0)
    piped = sievert("evaluate", "-", "--json", "--bootstrap", 50, stdin=file.read_bytes())
    assert json.loads(piped.stdout) == {**report, "file": "standard input"}
    refused = sievert("evaluate", file, "--prevalence", "0.5")
    assert refused.returncode == 2
    assert b"--prevalence" in refused.stderr
