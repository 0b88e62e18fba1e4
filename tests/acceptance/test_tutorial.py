"""The tutorial, typed as it stands into one shell: simulate, train, certify, go live, attack, retrain, experiment, promote.

All of it takes some twenty minutes of one core, so `make test TEST="-m tutorial"` asks for it; what it is typed like is
looked at always.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from command_line import environment
from sievert.cli import make_app

TUTORIAL = Path(__file__).parent.parent.parent / "docs" / "tutorial.md"
STEPS = [
    "Simulate",
    "Train",
    "Certify",
    "Go live",
    "Attack, and watch the monitor",
    "Retrain",
    "Experiment",
    "Promote",
]


def blocks():
    """Return the commands of each step, by its heading."""
    parts = re.split(r"^## (.+)$", TUTORIAL.read_text(), flags=re.MULTILINE)
    told = dict(zip(["", *parts[1::2]], parts[0::2], strict=True))
    return {step: "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)) for step, text in told.items()}


def test_the_story_is_told_in_its_order_and_every_step_has_commands():
    found = blocks()
    assert [step for step in found if step in STEPS] == STEPS
    assert all("sievert " in found[step] for step in STEPS)


def test_every_command_is_typed_as_it_must_be():
    """Red when an option was called by another name, or got a value that it cannot have."""
    root = typer.main.get_command(make_app())
    lines = [line for text in blocks().values() for line in text.splitlines() if line.startswith("sievert ")]
    assert len(lines) > 30
    for line in lines:
        command, arguments, name = root, shlex.split(line)[1:], "sievert"
        while hasattr(command, "commands"):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments)


@pytest.mark.tutorial
@pytest.mark.timeout(5400)
def test_the_tutorial_does_what_it_says(tmp_path):
    """Red when what people found was not heard, when the monitor slept, or when the second bundle was not certified."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = {
        "cwd": tmp_path,
        "env": environment(PATH=path, no_proxy="*"),
        "capture_output": True,
        "timeout": 5000,
    }
    said = {}
    for step, commands in blocks().items():
        where = "" if not step else "cd town\n"
        done = subprocess.run(["bash", "-c", f"set -e\n{where}{commands}"], check=False, **shell)
        said[step] = done.stdout.decode()
        assert done.returncode == 0, (step, said[step], done.stderr.decode())
    assert "is proposed" in said["Certify"]
    assert "removes on default" in said["Go live"]
    attacked = said["Attack, and watch the monitor"]
    assert "withdrawn" in attacked
    removed, wrong = removals(said["Go live"])[-1]
    assert removed > 20
    assert wrong / removed < 0.05
    during, mistaken = removals(attacked)[-1]
    assert mistaken / during > 0.05  # and what was done about it came from audits alone
    assert "The answer now" in said["Experiment"]
    assert "removes on default" in said["Promote"]
    kept = json.loads((tmp_path / "town" / "data" / "rehearsal.json").read_text())
    assert kept["craze_share"] == 0.08


def removals(said):
    """Return what each call of `sievert rehearse` told of removals: how many, and how many of them were wrong."""
    found = re.findall(r"Removed by certificate: ([\d,]+), of which harmless in truth: ([\d,]+)", said)
    return [tuple(int(one.replace(",", "")) for one in pair) for pair in found]
