"""Histories on disk: every column of the schema, the same bytes for the same seed, the same facts as lines."""

import dataclasses

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from plain_writer import PlainWriter
from sievert.cli import make_app
from sievert.errors import InvalidField
from sievert.schema import history
from sievert.schema.event import KIND_WORDS, Event
from sievert.schema.post import Post
from sievert.simulation.recording import Extra, write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World

SETTINGS = WorldSettings(
    creators=400,
    seed=9,
    harm_of_campaigns=0.01,
    harm_of_hacked=0.01,
    labelled=0.1,
    edited=0.1,
    hides=(0.003,) * 3,
    blocks=(0.003,) * 3,
    reports=(0.005,) * 3,
    reviewed=1.0,
    deleted=0.001,
)
STEPS = 36
FIELDS = {
    "posts": history.POST_FIELDS,
    "events": history.EVENT_FIELDS,
    "labels": history.LABEL_FIELDS,
    "truth": history.TRUTH_FIELDS,
    "accounts": history.ACCOUNT_FIELDS,
    "edges": history.EDGE_FIELDS,
}


def write(folder, settings=SETTINGS, extras=(Extra.NDJSON,)):
    heard = []
    counts = write_history(
        World(settings, PlainWriter()),
        folder,
        lambda done, of: heard.append((done, of)),
        steps=STEPS,
        extras=extras,
    )
    assert heard == [(done, STEPS) for done in range(1, STEPS + 1)]
    return counts


def lines(path):
    return path.read_bytes().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history") / "world"
    write(folder)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    return {noun: pq.read_table(min(folder.glob(f"{noun}*.parquet")), memory_map=False) for noun in FIELDS}


@pytest.mark.parametrize("noun", FIELDS)
def test_tables_have_the_columns_of_the_schema(tables, noun):
    table = tables[noun]
    assert {field.name: str(field.type) for field in table.schema} == {
        name: {"float64": "double", "float32": "float"}.get(kind, kind) for name, kind in FIELDS[noun].items()
    }
    assert len(table) > 20


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    write(tmp_path / "again")
    write(tmp_path / "other", dataclasses.replace(SETTINGS, seed=10))
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 9
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
        assert (folder / name).read_bytes() != (tmp_path / "other" / name).read_bytes(), name


def test_ids_are_unique_and_lead_somewhere(tables):
    posts, events = tables["posts"], tables["events"]
    keys = list(zip(posts["id"].to_pylist(), posts["revision"].to_pylist(), strict=True))
    assert len(set(keys)) == len(keys)
    ids = events["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    known = set(posts["id"].to_pylist())
    assert set(events["post_id"].to_pylist()) - {None} <= known
    assert set(tables["labels"]["post_id"].to_pylist()) <= known
    assert tables["truth"]["post_id"].to_pylist() == [f"p{number}" for number in range(len(tables["truth"]))]
    accounts = set(tables["accounts"]["id"].to_pylist())
    for column in (posts["creator_id"], events["creator_id"], events["actor_id"]):
        assert set(column.to_pylist()) - {None} <= accounts
    edges = tables["edges"]
    assert set(edges["kind"].to_pylist()) == {"follow", "group", "page"}
    assert set(posts["surface"].to_pylist()) - {None} <= set(edges["target_id"].to_pylist())


def test_every_kind_of_event_happens_with_its_fields_and_no_others(tables):
    rows = tables["events"].to_pylist()
    assert {row["kind"] for row in rows} == set(KIND_WORDS)
    fields = {
        one.__struct_config__.tag: {field.name for field in msgspec.structs.fields(one)}
        for one in Event.__args__
    }
    for row in rows:
        said = {name for name, value in row.items() if value is not None}
        assert said - {"kind", "received_at"} <= fields[row["kind"]], row


def test_ndjson_lines_are_records_that_a_server_takes(folder, tables):
    posts = [msgspec.json.decode(line, type=Post) for line in lines(folder / "posts.ndjson")]
    assert [post.id for post in posts] == tables["posts"]["id"].to_pylist()
    assert [post.text for post in posts] == tables["posts"]["text"].to_pylist()
    events = [msgspec.json.decode(line, type=Event) for line in lines(folder / "events.ndjson")]
    assert [event.id for event in events] == tables["events"]["id"].to_pylist()
    assert [event.at for event in events] == tables["events"]["at"].to_pylist()
    assert (np.diff(tables["events"]["received_at"].to_numpy()) >= 0).all()


def test_a_world_says_what_it_was(folder, tables):
    said = msgspec.json.decode((folder / "world.json").read_bytes())
    assert said["seed"] == 9
    assert said["days"] == STEPS / 24
    assert said["settings"]["creators"] == 400
    assert said["counts"]["events"] == len(tables["events"])
    assert said["counts"]["posts"] == len(tables["truth"])
    assert said["counts"]["views"] == sum(tables["truth"]["views"].to_pylist())


def test_the_command_writes_a_world_and_its_images(tmp_path):
    out = tmp_path / "world"
    command = ("simulate", "--creators", "200", "--days", "0.5", "--seed", "4", "--out", str(out), "--images")
    done = CliRunner().invoke(make_app(), command)
    assert done.exit_code == 0, done.output
    assert "harmful posts" in done.output
    images = pq.read_table(out / "images-0000.parquet")
    shown = pq.read_table(out / "posts-0000.parquet")["image_id"].drop_null().to_pylist()
    assert len(images) > 5
    assert set(shown) == set(images["id"].to_pylist())
    assert not (out / "events.ndjson").exists()
    again = CliRunner().invoke(make_app(), command)
    assert isinstance(again.exception, InvalidField)
