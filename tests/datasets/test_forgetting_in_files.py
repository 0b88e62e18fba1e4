"""Somebody who is forgotten is taken out of files of every noun, in both formats, and out of nothing else."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sievert.datasets.creator_vectors import read_vectors, write_vectors
from sievert.datasets.forgetting import erase_from, look_in, not_looked_through
from sievert.stores.forgetting.traces import Traces, keyed_hash

KEY = b"k" * 32
POSTS = [
    {"id": "p1", "text": "mine", "creator_id": "ann", "copy_of": None},
    {"id": "p2", "text": "theirs", "creator_id": "bob", "copy_of": "p1"},
    {"id": "p3", "text": "of old, without its creator", "creator_id": None, "copy_of": None},
    {"id": "p10", "text": "theirs too", "creator_id": "annabel", "copy_of": "p2"},
]
EVENTS = [
    {"id": "e1", "kind": "report", "post_id": "p1", "actor_id": "bob"},
    {"id": "e2", "kind": "comment", "post_id": "p2", "actor_id": "ann"},
    {"id": "p1", "kind": "views", "post_id": "p2", "actor_id": None},
    {"id": "e4", "kind": "block", "post_id": None, "creator_id": "ann"},
]
EDGES = [
    {"source_id": "bob", "target_id": "ann", "kind": "follow"},
    {"source_id": "bob", "target_id": "ann", "kind": "group"},
]


@pytest.fixture(params=["by names", "by hashes"])
def traces(request):
    if request.param == "by names":
        return Traces(platform="q", creator_id="ann", posts=frozenset(("p1", "p3")))
    hashes = [keyed_hash(KEY, "post q", post) for post in ("p1", "p3")]
    return Traces.hashed("q", "ann", hashes, KEY)


@pytest.fixture
def folder(tmp_path):
    pq.write_table(pa.Table.from_pylist(POSTS), tmp_path / "posts.parquet", row_group_size=2)
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in EVENTS) + b"not JSON\n"
    (tmp_path / "events.ndjson.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "edges.ndjson").write_text("".join(json.dumps(one) + "\n" for one in EDGES))
    (tmp_path / "other.ndjson").write_text(json.dumps({"post_id": "p2", "value": 1}) + "\n")
    (tmp_path / "learn.safetensors").write_bytes(b"\x00")
    (tmp_path / "card.md").write_text("numbers")
    return tmp_path


def test_their_rows_go_and_all_others_stay(folder, traces):
    untouched = (folder / "other.ndjson").stat()
    before = {one.place.rpartition("/")[2]: one.left for one in look_in(folder, traces)}
    assert before == {"posts.parquet": 3, "events.ndjson.gz": 3, "edges.ndjson": 1, "other.ndjson": 0}
    erased = {one.place.rpartition("/")[2]: (one.removed, one.redacted) for one in erase_from(folder, traces)}
    assert erased["posts.parquet"] == (2, 1)
    assert erased["events.ndjson.gz"] == (3, 0)
    assert pq.read_table(folder / "posts.parquet").to_pylist() == [
        {**POSTS[1], "copy_of": None},
        POSTS[3],
    ]
    events = gzip.decompress((folder / "events.ndjson.gz").read_bytes()).splitlines()
    assert events == [json.dumps(EVENTS[2]).encode(), b"not JSON"]
    assert [json.loads(one) for one in (folder / "edges.ndjson").read_text().splitlines()] == [EDGES[1]]
    assert (folder / "other.ndjson").stat().st_ino == untouched.st_ino
    assert sum(one.left for one in look_in(folder, traces)) == 0
    assert [one.name for one in not_looked_through(folder)] == ["learn.safetensors"]


def test_one_file_is_a_place_too(folder, traces):
    assert [one.removed for one in erase_from(folder / "edges.ndjson", traces)] == [1]


def test_a_full_disk_leaves_the_file_as_it_was(folder, traces, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = (folder / "posts.parquet").read_bytes()
    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(OSError, match="No space"):
        erase_from(folder / "posts.parquet", traces)
    assert (folder / "posts.parquet").read_bytes() == before
    assert [one.name for one in folder.iterdir() if "unfinished" in one.name] == []


def test_ids_of_accounts_and_of_pictures_are_not_taken_for_posts(tmp_path, traces):
    ids = pa.array(["ann", "bob", "p1"])
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_vectors(
        tmp_path / "creators.parquet", ids, vectors, np.zeros((3, 2), np.float32), as_of=1, version="v"
    )
    accounts = [{"id": one, "kind": "person", "reliability": 0.5} for one in ids.to_pylist()]
    pq.write_table(pa.Table.from_pylist(accounts), tmp_path / "accounts.parquet")
    unlabelled = [{"id": one, "vector": [0.5]} for one in ids.to_pylist()]
    (tmp_path / "vectors.ndjson").write_text("".join(json.dumps(one) + "\n" for one in unlabelled))
    pq.write_table(pa.Table.from_pylist([{"id": "p1", "png": b"\x89"}]), tmp_path / "images.parquet")
    posts = [
        {"id": "p1", "text": "mine", "vector": [0.5]},
        {"id": "ann", "text": "not mine", "vector": [0.5]},
    ]
    (tmp_path / "posts.ndjson").write_text("".join(json.dumps(one) + "\n" for one in posts))

    erase_from(tmp_path, traces)

    kept = read_vectors(tmp_path / "creators.parquet")
    assert (kept.ids.to_pylist(), kept.vectors.tolist()) == (["bob", "p1"], vectors[1:].tolist())
    assert pq.read_table(tmp_path / "accounts.parquet").to_pylist() == accounts[1:]
    lines = {one: (tmp_path / one).read_text().splitlines() for one in ("vectors.ndjson", "posts.ndjson")}
    assert [json.loads(one) for one in lines["vectors.ndjson"]] == unlabelled[1:]
    assert [json.loads(one) for one in lines["posts.ndjson"]] == posts[1:]
    assert pq.read_table(tmp_path / "images.parquet").num_rows == 1
    assert sum(one.left for one in look_in(tmp_path, traces)) == 0
