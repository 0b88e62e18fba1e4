"""The schedule in `ops/` runs commands that there are, at times that systemd and cron read alike."""

import re
import shutil
import subprocess
import sys

import pytest
from typer.main import get_command

from scheduled import OPS, SIEVERT, UNITS, commands_of_crontab, commands_of_unit
from sievert.cli import make_app

ANALYZE = shutil.which("systemd-analyze")
DAYS = {"Mon": "1", "Sun": "0"}


def parsed(words):
    """Parse a command as it is typed, and run nothing."""
    command, path = get_command(make_app()), []
    while hasattr(command, "get_command"):
        path.append(words.pop(0))
        command = command.get_command(command.make_context("sievert", [], resilient_parsing=True), path[-1])
        assert command is not None, path
    return path, command.make_context(path[-1], words).params


@pytest.mark.parametrize("unit", UNITS)
def test_what_the_schedule_runs_is_understood(unit):
    """Red with an option that `loop draw` does not have."""
    for words in commands_of_unit(unit):
        path, params = parsed([*words])
        assert path[0] == "loop"
        assert params["policy"] == "scam"


def test_every_step_of_a_turn_is_scheduled_and_none_that_promotes():
    steps = [words[1] for unit in UNITS for words in commands_of_unit(unit)]
    assert steps == ["draw", "plan", "learn", "gate", "plan"]
    learn, gate = commands_of_unit(UNITS[1])[:2]
    assert learn[learn.index("--out") + 1] == gate[gate.index("--candidate") + 1]


def test_crontab_and_units_say_the_same():
    for unit, (when, commands) in zip(UNITS, commands_of_crontab(), strict=True):
        assert commands == commands_of_unit(unit)
        ((day, hour, minute),) = re.findall(
            r"^OnCalendar=(\w{3}) \*-\*-\* (\d\d):(\d\d):00 UTC$",
            (OPS / f"{unit}.timer").read_text(),
            re.MULTILINE,
        )
        assert when == [str(int(minute)), str(int(hour)), "*", "*", DAYS[day]]


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed here")
def test_systemd_understands_its_units(tmp_path):
    """Red with a key that a section does not have, which systemd only warns of."""
    names = []
    for path in OPS.glob("sievert-loop-*"):
        name = path.name.replace("@", "@scam")
        names.append(tmp_path / name)
        names[-1].write_text(path.read_text().replace(SIEVERT, sys.executable))
    assert len(names) == 4
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", *map(str, names)], capture_output=True, text=True, check=False
    )
    mine = [line for line in done.stderr.splitlines() if "sievert" in line]
    assert (done.returncode, mine) == (0, []), done.stderr
