"""What a history says of creators: as of a time nothing later counts, and nobody is innocent unlooked-at."""

import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import sievert
from histories import START, edge, event, label, post, write_history
from sievert.datasets.creator_history import CREATOR_NUMBERS, read_creator_history
from sievert.datasets.creator_vectors import most_similar, read_vectors, write_vectors
from sievert.errors import MalformedInput, NotFound
from sievert.schema.clock import DAY, HOUR

POSTS = [post(at, creator_id="abcd"[at % 4]) for at in range(8)]
EVENTS = [
    event(1, "views", of=0, count=100),
    event(2, "report", of=0, actor_id="z", reason="spam", after=3 * HOUR),
    event(3, "verdict", of=0, harmful=True, after=4 * HOUR),
    event(4, "verdict", of=1, harmful=False, after=2 * DAY),
    event(5, "verdict", of=2, harmful=True, after=2 * DAY),
    event(6, "views", of=2, count=50, after=2 * DAY),
    event(7, "report", of=2, actor_id="y", reason="hate", after=2 * DAY + HOUR),
    event(8, "reaction", of=3, actor_id="z", reaction="like", after=DAY),
]
EDGES = [edge("a", "b"), edge("e", "a", after=3 * DAY), edge("b", "club", "group")]
LABELS = [label(3, at=START + 3 * DAY), label(7, value=0.0, at=START + 20 * DAY)]


@pytest.fixture
def history(tmp_path):
    return read_creator_history(
        write_history(tmp_path, posts=POSTS, events=EVENTS, labels=LABELS, edges=EDGES)
    )


def test_accounts_of_posts_events_and_edges_are_numbered_once(history):
    assert sorted(history.network.accounts.to_pylist()) == ["a", "b", "c", "d", "e", "y", "z"]
    assert history.network.nodes == 8
    assert history.numbers(START + DAY).shape == (7, len(CREATOR_NUMBERS))


def test_outcomes_are_what_became_known_in_the_time_and_who_was_not_looked_at_is_unknown(history):
    found = history.outcomes(START + DAY, START + 10 * DAY)
    by = dict(zip(history.network.accounts.to_pylist(), found.violation.tolist(), strict=True))
    assert (by["b"], by["c"], by["d"]) == (0.0, 1.0, 1.0)
    assert all(np.isnan(by[one]) for one in "aeyz")
    assert (found.views.sum(), found.reports.sum()) == (50, 1)


def test_numbers_and_network_know_nothing_that_came_later(history, tmp_path):
    as_of = START + DAY + 12 * HOUR
    later = [one for one in EVENTS if one["received_at"] <= as_of]
    folder = write_history(
        tmp_path / "past", posts=POSTS, events=later, edges=[one for one in EDGES if one["since"] <= as_of]
    )
    past = read_creator_history(folder)
    order = [past.network.accounts.to_pylist().index(one) for one in "abcd"]
    here = [history.network.accounts.to_pylist().index(one) for one in "abcd"]
    np.testing.assert_array_equal(past.numbers(as_of)[order], history.numbers(as_of)[here])
    assert len(past.graph(as_of).neighbour) == len(history.graph(as_of).neighbour) > 0
    assert (history.numbers(START + 9 * DAY)[here] != history.numbers(as_of)[here]).any()


def test_interactions_are_edges_and_a_post_that_was_acted_on_makes_none(tmp_path):
    folder = write_history(tmp_path, posts=POSTS, events=EVENTS)
    entries = len(read_creator_history(folder).graph(START + 9 * DAY).neighbour)
    acted = {
        "post_id": ["p3"],
        "at": pa.array([START + 4 * HOUR]),
        "propensity": pa.array([None], pa.float64()),
    }
    pq.write_table(pa.table(acted), folder / "actions.parquet")
    after = len(read_creator_history(folder).graph(START + 9 * DAY).neighbour)
    assert (entries, after) == (2, 0)


def test_vectors_come_back_and_the_nearest_are_named(tmp_path):
    ids, vectors = pa.array(["a", "b", "c"]), np.array([[1, 0], [2, 0.1], [-1, 0]], np.float32)
    write_vectors(tmp_path / "v", ids, vectors, np.zeros((3, 2), np.float32), as_of=7, version="x")
    back = read_vectors(tmp_path / "v")
    np.testing.assert_array_equal(back.vectors, vectors)
    assert (back.version, back.as_of) == ("x", 7)
    assert [name for name, _ in most_similar(back, "a", most=5)] == ["b", "c"]
    with pytest.raises(NotFound, match="'q'"):
        most_similar(back, "q", most=1)
    (tmp_path / "w").write_bytes(b"PAR1 nothing")
    with pytest.raises(MalformedInput, match="no vectors"):
        read_vectors(tmp_path / "w")
    broken = dataclasses.replace(back, vectors=np.full((3, 2), np.nan, np.float32))
    write_vectors(tmp_path / "n", ids, broken.vectors, np.zeros((3, 2), np.float32), as_of=7, version="x")
    with pytest.raises(MalformedInput, match="no number"):
        read_vectors(tmp_path / "n")


def test_the_commands_train_embed_and_compare(tmp_path):
    folder = write_history(tmp_path / "h", posts=POSTS, events=EVENTS, labels=LABELS, edges=EDGES)
    links = "foretells={violations: 0, links: 1, reports: 0}"
    small = (
        links,
        "learning={epochs: 1, rate: 0.01}",
        "negatives=1",
        "batch=4",
        "fanouts=[2,2]",
        "width=4",
        "vector=1",
    )
    run, as_of = tmp_path / "run", f"{START + 9 * DAY}"
    done = sievert("train", "creators", *small, "--history", folder, "--as-of", as_of, "--out", run)
    assert done.returncode == 0, done.stderr.decode()
    vectors = tmp_path / "v.parquet"
    asked = ("--model", run / "served", "--out", vectors, "--as-of", as_of)
    done = sievert("creators", "embed", "--history", folder, *asked)
    assert done.returncode == 0, done.stderr.decode()
    assert b"7 creators by" in done.stderr
    anew = ("--history", folder, "--as-of", as_of, "--align-to", run / "served", "--out", tmp_path / "anew")
    done = sievert("train", "creators", *small[:-1], "vector=2", *anew)
    assert done.returncode == 2
    assert b"cannot be laid among" in done.stderr
    assert not (tmp_path / "anew").exists()
    done = sievert("train", "creators", *small, "seed=2", *anew)
    assert done.returncode == 0, done.stderr.decode()
    assert b"mean cosine" in done.stderr
    said = json.loads((tmp_path / "anew" / "served" / "creators.json").read_text())
    assert said["aligned_to"] == read_vectors(vectors).version
    done = sievert("creators", "similar", "a", "--vectors", vectors, "--most", "3")
    assert len(done.stdout.splitlines()) == 3
    shutil.rmtree(run / "served")
    done = sievert("creators", "embed", "--history", folder, *asked)
    assert done.returncode == 2
    assert b"cannot be used" in done.stderr
