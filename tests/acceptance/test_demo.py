"""`sievert demo`: one command, a real server, a simulated network against it, an address to watch."""

import re
import signal
import subprocess
import sys

import pytest

from command_line import environment, sievert


def number_before(words, said):
    """Return the number that stands before these words."""
    found = re.search(rf"([\d,]+) {words}", said)
    assert found, said
    return int(found[1].replace(",", ""))


def test_the_demo_ends_by_itself_and_says_what_it_came_to():
    """By the bundle that ships."""
    done = sievert("demo", "--posts", 40, "--creators", 1000, "--pace", 0)
    said = done.stdout.decode()

    assert done.returncode == 0, done.stderr
    assert re.search(r"http://127\.0\.0\.1:\d+/#key=sk_\w+", said)
    assert re.search(r"http://127\.0\.0\.1:\d+/sign-in  name demo  password [a-z2-7-]{27}", said)
    decided = number_before("posts decided", said)
    assert decided >= 40
    counts = re.search(r"posts decided: (.+)", said)[1]
    assert sum(int(count.replace(",", "")) for count in re.findall(r"([\d,]+) \w", counts)) == decided
    assert number_before("allow", said) > 0.8 * decided
    assert number_before("decided anew", said) >= 0
    assert number_before("with Sievert", said) <= number_before("without", said)
    assert number_before("removed", said) <= number_before("put before a person", said)
    assert "not taken" not in said
    assert "rror" not in said
    assert done.stderr == b""


def test_the_demo_writes_from_a_corpus_keeps_its_data_when_asked_and_begins_in_no_old_folder(
    tmp_path, tiny_folder
):
    # The bundle is sure of this word, which here harms nobody.
    corpus, data = tmp_path / "own.ndjson", tmp_path / "data"
    corpus.write_text("".join(f'{{"text": "a kaboom of {n} drums", "harmful": 0}}\n' for n in range(400)))
    run = ("demo", "--creators", 400, "--pace", 0, "--days", 0.15, "--texts", corpus, "--data", data)
    done = sievert(*run, SIEVERT_BUNDLE=tiny_folder)
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert number_before("review", said) >= 5
    assert number_before("put before a person", said) >= 5
    assert number_before("cleared by one", said) >= 1
    assert b"unbroken" in sievert("audit", "verify", "--data", data).stdout
    assert (data / "sievert.db").exists()
    again = sievert(*run)
    assert again.returncode == 2
    assert "empty folder" in again.stderr.decode()
    assert b"Traceback" not in again.stderr


def test_a_corpus_that_is_not_there_is_said_before_anything_starts(tmp_path):
    done = sievert("demo", "--texts", tmp_path / "none.ndjson")
    assert done.returncode == 2
    assert b"none.ndjson" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_the_demo_ends_when_its_time_is_over(tiny_folder):
    done = sievert("demo", "--creators", 100, "--pace", 1, "--exit-after", 1, SIEVERT_BUNDLE=tiny_folder)
    assert done.returncode == 0, done.stderr
    assert b"posts decided" in done.stdout


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_says_its_sums_and_leaves_no_folder_behind(tmp_path, tiny_folder, ending):
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sievert", "demo", "--creators", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(tmp_path), SIEVERT_BUNDLE=str(tiny_folder)),
    ) as demo:
        for line in demo.stdout:
            if b"Ctrl-C" in line:
                break
        assert list(tmp_path.glob("sievert-demo-*"))
        demo.send_signal(ending)
        said, complaints = demo.communicate(timeout=60)
    assert demo.returncode == 0, complaints
    assert b"posts decided" in said
    assert complaints == b""
    assert list(tmp_path.glob("sievert-demo-*")) == []
