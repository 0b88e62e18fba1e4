"""`sievert data check`: what it says of a sound folder, of a spoilt one, of single files; how it ends."""

import json

import numpy as np
import pytest

from command_line import sievert
from histories import START, busy_rows, event, label, post, write_history
from sievert.datasets.data_report import check_data
from sievert.errors import NotFound
from sievert.schema.clock import HOUR


@pytest.fixture
def spoilt(tmp_path):
    """A folder in which something of every noun is wrong."""
    posts, events, labels = busy_rows(np.random.default_rng(5))
    posts += [post(900, text="a\x00b"), posts[0]]
    events += [b"{not json", event(901, count=-4), event(902, post_id="[red]nobody\x1b[2J"), events[0]]
    events += [event(903, created_at=1)]
    labels += [label(777), {**labels[0], "value": 3.0}, {**labels[0], "policy": "rudeness"}]
    return write_history(tmp_path / "spoilt", posts=posts, events=events, labels=labels)


def test_a_spoilt_folder_is_told_as_the_golden_file_says(spoilt, golden):
    done = sievert("data", "check", spoilt)

    assert done.returncode == 2
    assert b"\x1b" not in done.stdout
    golden("data_check.txt", done.stdout.decode())
    assert [path.name for path in spoilt.iterdir() if "quarantine" in path.name] == []


def test_a_sound_folder_ends_well(tmp_path):
    posts, events, labels = busy_rows(np.random.default_rng(6))
    folder = write_history(tmp_path / "sound", posts=posts, events=events, labels=labels, as_parquet=True)

    done = sievert("data", "check", folder)

    assert done.returncode == 0, done.stderr
    assert b"Every row can be used." in done.stdout


def test_what_cannot_be_read_ends_with_a_remedy(tmp_path):
    write_history(tmp_path, posts=[post()])
    (tmp_path / "labels.parquet").write_bytes(b"nothing of the kind")

    done = sievert("data", "check", tmp_path)

    assert done.returncode == 2
    assert b"labels.parquet cannot be read" in done.stderr
    assert b"what to do: Write the file anew" in done.stderr


def test_the_rows_can_be_had_and_the_report_as_json(spoilt, tmp_path):
    done = sievert("data", "check", spoilt, "--json", "--quarantine", tmp_path / "aside.ndjson")

    report = json.loads(done.stdout)
    lines = [json.loads(line) for line in (tmp_path / "aside.ndjson").read_text().splitlines()]
    assert sum(problem["rows"] for problem in report["problems"]) == len(lines) == 10
    assert {line["file"] for line in lines} == {"posts.ndjson", "events.ndjson", "labels.ndjson"}


def test_a_corpus_file_is_looked_through(tmp_path):
    lines = [
        {"id": "a", "text": "you silly goose", "harmful": 1},
        {"id": "b", "text": "a fine day", "harmful": 0, "labels": ["neither"]},
        {"id": "c", "text": "A fine  day", "harmful": False},
        {"id": "a", "text": "again", "harmful": 0},
        {"text": "no label"},
        {"text": "", "harmful": 0},
        {"text": "three", "harmful": 3},
    ]
    path = tmp_path / "mine.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "[]\n")

    report = check_data(path)

    assert report.holds == "a corpus"
    facts = {fact.what: fact.value for fact in report.facts}
    assert facts["lines"] == "3"
    assert facts["harmful"] == "1 (33.3%)"
    assert facts["texts that came before"] == "1 (33.3%)"
    found = {problem.reason: problem.rows for problem in report.problems}
    wanted = ("duplicate", "no label", "bad text", "label out of range", "unreadable line")
    assert found == dict.fromkeys(wanted, 1)


@pytest.mark.parametrize("name", ["posts.ndjson", "posts.parquet"])
def test_a_file_of_posts_is_looked_through(tmp_path, name):
    write_history(tmp_path, posts=[post(0), post(1), post(0)], as_parquet=name.endswith("parquet"))

    report = check_data(tmp_path / name)

    assert report.holds == "posts"
    assert [(problem.reason, problem.rows) for problem in report.problems] == [("duplicate", 1)]


def test_what_a_history_lacks_is_the_next_step(tmp_path):
    def next_step(**rows):
        return check_data(write_history(tmp_path, **rows)).next_step

    assert "Add labels" in next_step(posts=[post()])
    assert "Add events" in next_step(labels=[label()])
    assert "probability" in next_step(events=[event()])
    assert "Split" in next_step(labels=[label(sampling_probability=0.1)])
    late = event(3, received_at=START + 99 * HOUR)
    assert "Set these rows right" in next_step(events=[late, late])


def test_nothing_there_is_told(tmp_path):
    with pytest.raises(NotFound, match="nothing at"):
        check_data(tmp_path / "none")
