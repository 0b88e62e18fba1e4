"""A creator is forgotten where many servers share PostgreSQL, Redis and NATS."""

import asyncio
import contextlib
import json
import os

import msgspec
import psycopg
import pytest

from command_line import sievert
from forgettable import CREATOR, OTHER, filled, needles, post_of
from sievert.schema.clock import SystemClock
from sievert.schema.post import PostKey
from sievert.serving.carried import EVENTS, POSTS, Batch
from sievert.serving.places import open_latents
from sievert.serving.queue import DEAD, Queue
from sievert.serving.settings import Settings
from sievert.serving.telemetry import Metrics
from sievert.stores.activity.base import PostName
from sievert.stores.shared import SharedStores

pytestmark = pytest.mark.services
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")


def rows(url):
    """Every row of every table, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {
            name: [row for (row,) in connection.execute(f"SELECT t::text FROM {name} t")]  # noqa: S608
            for (name,) in tables.fetchall()
        }


def is_theirs(row):
    """Tell whether a word in a row leads to the creator; PostgreSQL shows bytes in hexadecimal."""
    return any(one.hex() in row or (one.isascii() and one.decode() in row) for one in needles())


def leading(url):
    """Tables with such a row."""
    return {name for name, some in rows(url).items() if any(map(is_theirs, some))}


def put_aside(url, letters):
    """Bury batches, and return what lies there afterwards."""

    async def work():
        queue = Queue(url)
        await queue.open()
        for kind, records in letters:
            batch = Batch(kind=kind, records=records, refused=(), inbox="x")
            await queue.bury(msgspec.msgpack.encode(batch), "a trial")
        state = (await queue._stream.stream_info(DEAD)).state
        found = []
        for number in range(max(1, state.first_seq), state.last_seq + 1):
            with contextlib.suppress(queue._errors.NotFoundError):
                found.append(await queue._stream.get_msg(DEAD, number))
        await queue.close()
        return [(msgspec.msgpack.decode(one.data, type=Batch).records, one.headers) for one in found]

    return asyncio.run(work())


@pytest.mark.timeout(400)
def test_nothing_shared_leads_to_whoever_is_forgotten(tmp_path, tiny_bundle, tiny_folder, postgres, nats):
    env = {"SIEVERT_DATABASE_URL": postgres}
    filled(tmp_path, tiny_bundle, tiny_folder, stores={"open_stores": SharedStores, "place": postgres}, **env)
    assert leading(postgres) >= {"allowed", "posts", "cases", "audit", "activity_events", "guardrail_audits"}
    others = {
        name: [row for row in some if "npost-" in row and not is_theirs(row)]
        for name, some in rows(postgres).items()
    }
    assert sum(map(len, others.values())) > 100
    env |= {"SIEVERT_REDIS_URL": REDIS, "SIEVERT_NATS_URL": nats.url}
    with contextlib.closing(SharedStores(postgres, clock=SystemClock())) as stores:
        prefix = str(stores.database.seed())
    latents = open_latents(Settings(redis_url=REDIS), clock=SystemClock(), metrics=Metrics(), prefix=prefix)
    names = {PostName("default", post_of(1)), PostName("default", "npost-00001")}
    for name in names:
        latents.keep("b@1", PostKey(*name, 0), (), at=SystemClock().now())
    assert latents.count(names) == 2
    mine = json.dumps({"id": post_of(1), "text": "x", "creator_id": CREATOR}).encode()
    theirs = json.dumps({"id": "npost-00001", "text": "x", "creator_id": OTHER}).encode()
    report = json.dumps({"id": "e", "kind": "views", "at": 1, "post_id": post_of(2)}).encode()
    assert len(put_aside(nats.url, [(POSTS, [mine, theirs]), (EVENTS, [report]), (POSTS, [theirs])])) == 3

    said = sievert("forget", CREATOR, "--yes", "--data", tmp_path / "data", timeout=300, **env)
    assert said.returncode == 0, said.stderr
    assert leading(postgres) == set()
    now = rows(postgres)
    for name, some in others.items():
        assert set(some) <= set(now[name]), name
    assert latents.count(names) == 1
    left = put_aside(nats.url, [])
    assert sorted(records for records, _ in left) == [[theirs], [theirs]]
    assert {headers["Sievert-Reason"] for _, headers in left} == {"a trial"}
    assert sievert("audit", "verify", "--data", tmp_path / "data", **env).returncode == 0
    latents.forget_posts(names)
