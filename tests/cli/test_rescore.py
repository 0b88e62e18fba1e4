"""`sievert rescore`: each post once, whoever did it and however often it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import command_line
from sievert.pipeline.offline import judge
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.decision import Outcome
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.testing import START

TEXTS = ["you blorp" if n % 7 == 0 else f"hello {n}" for n in range(900)]


@pytest.fixture
def posts(tmp_path):
    """Nine row groups in two files."""
    folder = tmp_path / "history"
    folder.mkdir()
    for number, span in enumerate((range(500), range(500, 900))):
        table = pa.table(
            {
                "id": [f"p{n}" for n in span],
                "text": [TEXTS[n] for n in span],
                "created_at": pa.array([START + n for n in span], pa.timestamp("us", tz="UTC")),
                "creator_id": [None if n % 3 else f"u{n}" for n in span],
                "image_id": ["i1" for _ in span],
            }
        )
        pq.write_table(table, folder / f"posts-{number}.parquet", row_group_size=100)
    return folder


def decided(out):
    return {row["post_id"]: row for row in pq.read_table(out).to_pylist()}


def parts(out):
    return sorted(out.glob("*.parquet"))


def test_what_is_written_is_what_the_path_would_decide(posts, tmp_path, tiny_folder, sievert):
    bundle = ("--bundle", str(tiny_folder))
    code, told, err = sievert("rescore", str(posts), *bundle, "--out", "out")
    assert (code, told.split(" by ")[0]) == (0, "900 posts decided"), err
    rows = decided(tmp_path / "out")
    some = [Post(id=f"p{n}", text=text) for n, text in enumerate(TEXTS)]
    judged = judge(some, load_bundle(tiny_folder), load_policies(default_policies_path()), now=START)
    assert len(rows) == 900
    for place, post in enumerate(some):
        row = rows[post.id]
        assert row["outcome"] == Outcome(judged.decided.outcome[place]).word
        assert row["probability"] == pytest.approx(float(judged.scored.harm[place]))
        assert dict(row["policies"]) == pytest.approx(
            dict(zip(judged.scored.heads, judged.scored.policies[place].tolist(), strict=True))
        )
        assert row["created_at"].timestamp() == pytest.approx((START + place) / 1e6)
    assert len({row["outcome"] for row in rows.values()}) > 1
    late = START + 700
    sievert("rescore", str(posts), *bundle, "--since", str(late), "--out", "late")
    assert len(decided(tmp_path / "late")) == 200


def test_a_call_that_was_killed_goes_on_and_nothing_is_done_twice(posts, tmp_path, tiny_folder, sievert):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "sievert", "rescore", str(posts), "--out", str(out)]
    slow = tmp_path / "slow"  # a process that waits between pieces, so that there is something to kill
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(
        "import os, time\n"
        "real = os.replace\n"
        "from pathlib import Path\n"
        "plain = Path.replace\n"
        "def replace(self, target):\n"
        "    done = plain(self, target)\n"
        "    time.sleep(1.0 if str(target).endswith('.parquet') else 0)\n"
        "    return done\n"
        "Path.replace = replace\n"
    )
    env = os.environ | {
        "SIEVERT_BUNDLE": str(tiny_folder),
        "PYTHONPATH": os.pathsep.join((str(slow), os.environ.get("PYTHONPATH", ""))),
    }
    running = subprocess.Popen([*command, "--bundle", str(tiny_folder)], env=env)
    while len(parts(out)) < 3:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = {path: path.stat().st_mtime_ns for path in parts(out)}
    assert 3 <= len(before) < 9
    code, told, err = sievert("rescore", str(posts), "--bundle", str(tiny_folder), "--out", str(out))
    assert code == 0, err
    assert f"{len(before)} of 9 row groups were there already" in told
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(parts(out)) == 9
    assert len(decided(out)) == 900
    again = sievert("rescore", str(posts), "--bundle", str(tiny_folder), "--out", str(out))
    assert again[1].startswith("0 posts decided")


def test_over_processes_of_ray_it_is_the_same(posts, tmp_path, tiny_folder, sievert):
    assert sievert("rescore", str(posts), "--bundle", str(tiny_folder), "--out", "one")[0] == 0
    arguments = ("rescore", posts, "--bundle", tiny_folder, "--out", tmp_path / "two", "--workers", "2")
    done = command_line.sievert(*arguments)  # a process of its own: Ray's warnings are its own
    assert (done.returncode, done.stdout.decode().split(" by ")[0]) == (0, "900 posts decided"), done.stderr
    assert len(done.stderr.splitlines()) <= 1, done.stderr  # Ray says how much it will say
    assert decided(tmp_path / "one") == decided(tmp_path / "two")


def test_a_folder_is_of_one_backfill(posts, tmp_path, sievert):
    assert sievert("rescore", str(posts), "--out", "out")[0] == 0
    code, _, err = sievert("rescore", str(posts), "--heavy-share", "0.5", "--out", "out")
    assert (code, "holds a backfill of other posts" in err) == (2, True)
    code, _, err = sievert("rescore", str(posts), "--out", str(posts))
    assert (code, "is not empty" in err) == (2, True)
    code, _, err = sievert("rescore", str(tmp_path / "nowhere"), "--out", "new")
    assert (code, "no Parquet file" in err) == (2, True)
    assert json.loads((tmp_path / "out" / "_backfill.json").read_text())["heavy_share"] == 1.0


def test_rows_that_cannot_be_read_are_left_out_and_told(tmp_path, sievert):
    table = pa.table({"id": ["a", None, "c", "d"], "text": ["hello", "x", "a\0b", None]})
    pq.write_table(table, tmp_path / "posts.parquet")
    code, told, err = sievert("rescore", "posts.parquet", "--out", "out")
    assert (code, told.split(" by ")[0]) == (0, "2 posts decided")
    assert "2 rows could not be read" in err
    assert sorted(decided(tmp_path / "out")) == ["a", "d"]
