"""`sievert score`: input order, one line out for each line in, plain or compressed, file or pipe."""

import contextlib
import gzip
import json
import random
import subprocess
import sys

import pytest

from command_line import environment, sievert
from sievert.schema.sentinel import SENTINEL


def lines_of(posts):
    return b"".join(json.dumps(post).encode() + b"\n" for post in posts)


@pytest.fixture(scope="module")
def posts():
    rng = random.Random(3)
    words = ["morning", "goose", "blorp", "cruise", "😀", "привет", "http://example.com", "lovely"]
    return [{"id": f"p{i}", "text": " ".join(rng.choices(words, k=rng.randrange(9)))} for i in range(4321)]


@pytest.mark.parametrize("packed_in", [False, True])
@pytest.mark.parametrize("packed_out", [False, True])
def test_every_line_is_answered_in_its_place(tmp_path, tiny_folder, posts, packed_in, packed_out):
    source = tmp_path / "in.data"
    source.write_bytes(gzip.compress(lines_of(posts)) if packed_in else lines_of(posts))
    target = tmp_path / ("out.ndjson.gz" if packed_out else "out.ndjson")
    done = sievert("score", source, "--out", target, "--bundle", tiny_folder)

    assert done.returncode == 0, done.stderr
    assert b"4,321 lines scored by tiny@" in done.stderr
    raw = target.read_bytes()
    scored = [json.loads(line) for line in (gzip.decompress(raw) if packed_out else raw).splitlines()]
    assert [one["id"] for one in scored] == [post["id"] for post in posts]
    for one, post in zip(scored, posts, strict=True):
        assert set(one) >= {"id", "decision", "probability", "policies", "stage", "bundle", "reasons"}
        assert 0 < one["probability"] < 1
        assert ("blorp" in post["text"]) == (one["policies"]["hate"] > 0.9)


def test_a_pipe_works_too_and_says_nothing_else(tiny_folder, posts):
    done = sievert("score", "--bundle", tiny_folder, stdin=gzip.compress(lines_of(posts[:10])))
    plain = sievert("score", "-", "--bundle", tiny_folder, stdin=lines_of(posts[:10]))

    assert done.returncode == plain.returncode == 0
    assert done.stdout == plain.stdout
    assert len(done.stdout.splitlines()) == 10


def test_lines_that_cannot_be_read_get_a_line_with_their_error(tiny_folder):
    lines = [
        b'{"id":1,"text":"fine","harmful":0}',
        b"",
        b'{"id":2}',
        b"nonsense",
        b'{"text":"\xff"}',
        b'{"text":"\\ud800"}',
        b'{"id":4,"text":"a\\u0000b"}',
        b'{"id":5,"text":"' + b"x" * (2 << 20) + b'"}',
        b'{"id":3,"text":"cut',
    ]
    done = sievert("score", "--bundle", tiny_folder, stdin=b"\n".join(lines))

    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(said) == len(lines)
    assert said[0]["decision"] == "allow"
    assert all(one["error"] and one["remedy"] for one in said[1:])
    assert b"1 lines scored" in done.stderr
    assert b"8 could not be read" in done.stderr
    assert [one["line"] for one in said[1:]] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert (said[2]["id"], said[6]["id"]) == (2, 4)


def test_a_file_without_one_readable_line_is_refused(tiny_folder):
    done = sievert("score", "--bundle", tiny_folder, stdin=b"nonsense\n{}\n")
    assert done.returncode == 2
    assert "Not one line" in done.stderr.decode()
    assert len(done.stdout.splitlines()) == 2


def test_the_order_and_the_neighbours_of_lines_do_not_matter(tiny_folder, posts):
    forth = sievert("score", "--bundle", tiny_folder, stdin=lines_of(posts[:500])).stdout.splitlines()
    back = sievert("score", "--bundle", tiny_folder, stdin=lines_of(posts[499::-1])).stdout.splitlines()
    assert forth == back[::-1]


def test_the_shipped_bundle_knows_the_sentinel():
    done = sievert("score", stdin=json.dumps({"id": "s", "text": f"x {SENTINEL}"}).encode())
    said = json.loads(done.stdout)
    assert (said["decision"], said["stage"], said["probability"]) == ("review", "sentinel", 1.0)


def test_a_file_may_be_scored_onto_itself(tmp_path, tiny_folder, posts):
    file = tmp_path / "posts.ndjson"
    file.write_bytes(lines_of(posts[:50]))
    assert sievert("score", file, "--out", file, "--bundle", tiny_folder).returncode == 0
    assert len(file.read_bytes().splitlines()) == 50
    assert b'"decision"' in file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["posts.ndjson"]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:50] + b"x" * 50])
def test_a_broken_gzip_file_is_told_and_leaves_no_half_result(tmp_path, tiny_folder, posts, damage):
    file = tmp_path / "posts.ndjson.gz"
    file.write_bytes(damage(gzip.compress(lines_of(posts))))
    done = sievert("score", file, "--out", tmp_path / "out.ndjson", "--bundle", tiny_folder)
    assert done.returncode == 2
    assert "not whole" in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["posts.ndjson.gz"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.ndjson",), "There is no file missing.ndjson."),
        (("-", "--out", "no/such/folder/x"), "cannot be written"),
        (("-", "--bundle", "nowhere"), "No readable bundle in nowhere"),
        (("-", "--policies", "nowhere"), "Policies in nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(tmp_path, arguments, says):
    done = sievert("score", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tiny_folder, posts):
    scoring = subprocess.Popen(
        [sys.executable, "-m", "sievert", "score", "-", "--bundle", str(tiny_folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    scoring.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        scoring.stdin.write(lines_of(posts * 3))
    with contextlib.suppress(BrokenPipeError):
        scoring.stdin.close()
    said = scoring.stderr.read()
    scoring.stderr.close()
    scoring.wait(60)
    assert b"Traceback" not in said
    assert b"Exception ignored" not in said


def test_a_share_of_harm_can_be_stated(tiny_folder, posts):
    usual, more = (
        [json.loads(line)["probability"] for line in done.stdout.splitlines()]
        for done in (
            sievert("score", "--bundle", tiny_folder, stdin=lines_of(posts[:50])),
            sievert("score", "--bundle", tiny_folder, "--prevalence", "0.5", stdin=lines_of(posts[:50])),
        )
    )
    assert all(a <= b for a, b in zip(usual, more, strict=True))  # the surest end at the same bound
    assert sum(more) > sum(usual)
    refused = sievert("score", "--bundle", tiny_folder, "--prevalence", "1.5", stdin=b"")
    assert refused.returncode != 0
    assert b"prevalence" in refused.stderr
