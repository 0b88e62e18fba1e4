"""What the README tells a reader to type, typed into a shell: every command of Sievert's that takes seconds."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from sievert.serving.settings import Settings

README = Path(__file__).parent.parent.parent / "README.md"
POSTS = [{"id": 1, "text": "a lovely morning"}, {"id": 2, "text": "win a free cruise now, call 0800"}]


def commands():
    """Return the README's commands, without comments and with continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line.partition("  #")[0].strip() for line in lines]


@pytest.fixture
def shell(tmp_path):
    """An environment as a reader has it after `pip install .`, with a free port in place of the usual one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return port, {"cwd": tmp_path, "env": environment(PATH=path, SIEVERT_PORT=port, no_proxy="*")}


def test_the_commands_of_the_readme_do_what_it_says(tmp_path, shell):
    port, reader = shell
    (tmp_path / "posts.ndjson").write_text("".join(json.dumps(one) + "\n" for one in POSTS))
    labelled = ({"text": f"{POSTS[i % 2]['text']} {i}", "harmful": i % 2} for i in range(40))
    (tmp_path / "labelled.ndjson").write_text("".join(json.dumps(one) + "\n" for one in labelled))
    typed = [one for one in commands() if not one.startswith(("make ", "pip "))]
    assert typed.pop(0) == "sievert up"
    assert len(typed) == 9
    script = "\n".join(["set -e", *typed]).replace(f":{Settings().port}", f":{port}")

    with subprocess.Popen(["sievert", "up"], stdout=subprocess.PIPE, **reader) as server:
        try:
            said = [server.stdout.readline() for _ in range(4)]
            done = subprocess.run(
                ["bash", "-c", script], capture_output=True, check=False, timeout=250, **reader
            )
        finally:
            server.terminate()
            server.communicate(timeout=60)

    assert said[2].startswith(b"admin key")
    assert b"#key=" in said[3]
    assert done.returncode == 0, done.stderr
    assert b'"decision":"allow"' in done.stdout
    scored = (tmp_path / "decisions.ndjson").read_text().splitlines()
    assert [json.loads(line)["id"] for line in scored] == [1, 2]
    assert b"PR-AUC" in done.stdout
    assert b"Recall@Precision95" in done.stdout
    assert b"BROKEN" not in done.stdout
