"""SIGKILL at every statement and commit of finishing a certificate, and of a withdrawal: nothing is half done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.crash


def kills(tmp_path, tiny_folder, what):
    """Return what stood there after each kill, and at last without one."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "killed_guardrail.py", tmp_path, tiny_folder, what],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT / 'tests'}"),
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def both(stood, *, before, after):
    """Each kill left the one or the other, and both were seen."""
    *killed, last = [{name: one[name] for name in before} for one in stood]
    assert stood[-1]["died"] is False
    assert last == after
    assert all(one in (before, after) for one in killed), killed
    assert killed.count(before) > 5


def test_a_finished_attempt_has_its_certificate_or_is_not_finished(tmp_path, tiny_folder):
    """Red when the certificate was written in a transaction of its own."""
    both(
        kills(tmp_path, tiny_folder, "finish"),
        before={
            "attempt": "judging",
            "certificates": [],
            "entries": [],
            "notes": ["guardrail.window-opened", "guardrail.audits-drawn"],
        },
        after={
            "attempt": "proven",
            "certificates": ["proposed"],
            "entries": ["certified"],
            "notes": ["guardrail.window-opened", "guardrail.audits-drawn", "guardrail.attempt-ended"],
        },
    )


def test_a_withdrawal_has_its_note_and_its_alarm_or_did_not_happen(tmp_path, tiny_folder):
    """Red when the audit note was appended before or after the certificate's state."""
    stood = kills(tmp_path, tiny_folder, "withdraw")
    after = stood[-1]
    both(
        stood,
        before={
            "certificates": ["active"],
            "entries": ["certified", "promoted"],
            "notes": after["notes"][:-1],
            "alarms": [],
            "heard": 0,
        },
        after={
            "certificates": ["withdrawn"],
            "entries": ["certified", "promoted", "withdrawn"],
            "notes": [*after["notes"][:-1], "guardrail.withdrawn"],
            "alarms": ["guardrail.withdrawn"],
            "heard": after["heard"],
        },
    )
    assert after["heard"] > 10
