"""What counting events costs over PostgreSQL, and what the same counters would cost in Redis.

    python benchmarks/counters.py --write      # about a minute; PostgreSQL is the benchmark's own, Redis that at TEST_REDIS_URL

Batches of events (views, reactions, reports) about 20,000 posts of 2,000 creators, few of them popular, are counted
by the counters of a server over PostgreSQL. Told is how many cells a batch moves, which are added up before they are
written, and how long it took to work out what the events come to, to make that durable, and of the latter to add to
the cells alone. Then the same cells are read and added to in Redis, in one pipeline each. A connection to either is
on this machine; seconds are of the wall clock, the medians of batches. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np
import redis

from shared_load import own_postgres
from sievert.pipeline.activity import ActivityCounters, NewPost
from sievert.schema.clock import SECOND, SystemClock
from sievert.schema.event import Reaction, Report, Views
from sievert.stores.activity import embedded
from sievert.stores.activity.base import PostName
from sievert.stores.database import Database

RESULT = Path(__file__).parent / "results" / "counters.json"
POSTS, CREATORS, BATCHES = 20_000, 2_000, 40
SIZES = (100, 1000)


class Added:
    """Adds up the time of the one statement that adds to cells."""

    def __init__(self):
        self.seconds, self._run_rows = 0.0, embedded.run_rows
        embedded.run_rows = self

    def __call__(self, connection, statement, rows):
        began = time.perf_counter()
        changed = self._run_rows(connection, statement, rows)
        if statement.startswith("INSERT INTO activity_counts"):
            self.seconds += time.perf_counter() - began
        return changed


def events(rng, size, first, at):
    posts = np.minimum(rng.zipf(1.3, size), POSTS) - 1
    for n, (post, kind) in enumerate(zip(posts.tolist(), rng.random(size).tolist(), strict=True)):
        named = {"id": f"e{first + n}", "at": at, "post_id": f"p{post}"}
        if kind < 0.9:
            yield Views(**named, count=3)
        elif kind < 0.99:
            yield Reaction(**named, actor_id=f"a{first + n}", reaction="like")
        else:
            yield Report(**named, actor_id=f"a{first + n}", reason="spam")


def in_redis(store, cells):
    """Read the subjects of a batch's cells, and add to the cells; return seconds of both."""
    began = time.perf_counter()
    names = {subject: f"trial:{subject.role}:{subject.platform}:{subject.id}" for subject, _, _ in cells}
    with store.pipeline(transaction=False) as line:
        for name in names.values():
            line.hgetall(name)
        line.execute()
    read = time.perf_counter() - began
    began = time.perf_counter()
    with store.pipeline(transaction=False) as line:
        for (subject, counter, epoch), amounts in cells.items():
            for tempo, amount in enumerate(amounts):
                line.hincrby(names[subject], f"{counter}:{epoch}:{tempo}", amount)
        line.execute()
    return read, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    store = redis.Redis.from_url(os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379"))
    rng, clock, added, result = np.random.default_rng(7), SystemClock(), Added(), {}
    with own_postgres() as postgres:
        database = Database(postgres.url)
        counters = ActivityCounters(
            embedded.EmbeddedActivity(database, alone=False),
            said=lambda some: np.zeros(len(some), np.int16),
            alone=False,
        )
        now = clock.now()
        posts = [NewPost(PostName("default", f"p{n}"), f"c{n % CREATORS}", now) for n in range(POSTS)]
        for start in range(0, POSTS, 1000):
            counters.register(posts[start : start + 1000], clock.now())
        first = 0
        for size in SIZES:
            rows = []
            for _ in range(BATCHES):
                some = list(events(rng, size, first, clock.now() - SECOND))
                first, added.seconds = first + size, 0.0
                began = time.perf_counter()
                taken = counters.take(some, clock.now())
                worked_out = time.perf_counter()
                counters.commit(taken)
                ended = time.perf_counter()
                cells = taken.change.increments
                rows.append(
                    (
                        len(cells),
                        worked_out - began,
                        ended - worked_out,
                        added.seconds,
                        *in_redis(store, cells),
                    )
                )
            told = np.median(rows, axis=0)
            names = ("take_ms", "commit_ms", "adding_ms", "redis_read_ms", "redis_add_ms")
            result[f"{size} events"] = {
                "cells": int(told[0]),
                **{name: round(1e3 * value, 2) for name, value in zip(names, told[1:].tolist(), strict=True)},
            }
            print(size, json.dumps(result[f"{size} events"]), flush=True)
        database.close()
    for name in store.scan_iter("trial:*", count=10_000):
        store.delete(name)
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
