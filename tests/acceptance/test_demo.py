"""`sievert demo`: one command, a real server, example posts through its API, an address to watch."""

import re
import signal
import subprocess
import sys

import pytest

from command_line import environment, sievert


def test_the_demo_decides_its_posts_and_prints_where_to_watch():
    done = sievert("demo", "--posts", 300, "--rate", 0)
    said = done.stdout.decode()

    assert done.returncode == 0, done.stderr
    assert re.search(r"http://127\.0\.0\.1:\d+/#key=sk_\w+", said)
    decided = re.search(r"(\d+) posts decided: (.+)", said)
    assert decided.group(1) == "300"
    counts = {word: int(count) for count, word in re.findall(r"(\d[\d,]*) (\w+)", decided.group(2))}
    assert counts["allow"] > 200
    # The sentinel is among the examples, and a person is asked about it.
    assert counts["review"] >= 1
    assert "remove" not in counts
    assert "rror" not in said
    assert done.stderr == b""


def test_the_demo_keeps_its_data_when_asked(tmp_path):
    assert sievert("demo", "--posts", 50, "--rate", 0, "--data", tmp_path).returncode == 0
    assert b"unbroken" in sievert("audit", "verify", "--data", tmp_path).stdout
    assert (tmp_path / "sievert.db").exists()


def test_the_demo_ends_when_its_time_is_over():
    done = sievert("demo", "--exit-after", 1)
    assert done.returncode == 0
    assert b"posts decided" in done.stdout


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_leaves_no_folder_behind(tmp_path, ending):
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sievert", "demo"],
        stdout=subprocess.PIPE,
        env=environment(TMPDIR=str(tmp_path)),
    ) as demo:
        for line in demo.stdout:
            if b"#key=" in line:
                break
        assert list(tmp_path.glob("sievert-demo-*"))
        demo.send_signal(ending)
        demo.communicate(timeout=60)
    assert list(tmp_path.glob("sievert-demo-*")) == []
