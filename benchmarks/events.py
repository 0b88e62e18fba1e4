"""What events cost: counted live, and asked for as of the past.

    python benchmarks/events.py --creators 2000 --days 4

A simulated world tells its posts and events; they walk the whole path over an embedded store, one
process, one thread, without the network. The same history is then indexed and asked for the behaviour
rows of all its snapshots. Costs are process CPU time (core-microseconds), because machines are shared.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.datasets.snapshots import snapshots
from sievert.features.behaviour.rows import DEFINITIONS, BehaviourSpec
from sievert.features.content.fold import build_fold_tables
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.events import run_events
from sievert.pipeline.path import Parts, run
from sievert.pipeline.ruling import Ruling
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.rulebook import RuleBook
from sievert.schema.clock import ManualClock
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.simulation.recording import write_history
from sievert.simulation.records import step_records
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import MOODS, Writer
from sievert.stores.embedded import EmbeddedStores

BATCH = 2000


class Laps:
    """Adds up the CPU time of each stage, and counts posts that are decided anew."""

    def __init__(self):
        self.seconds, self.last, self.anew = {}, 0.0, 0

    def lap(self, stage):
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now

    def batch_decided(self, posts, *_):
        if posts.causes:
            self.anew += len(posts)


def live(world, steps, folder):
    """Walk the path with a world's posts and events; return laps and counts."""
    clock = ManualClock(world.settings.start)
    stores = EmbeddedStores(folder, clock=clock)
    bundle, policies, laps = (
        load_bundle(default_bundle_path()),
        load_policies(default_policies_path()),
        Laps(),
    )
    parts = Parts(
        bundle=bundle,
        policies=policies,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        ruling=Ruling(RuleBook(policies, bundle.fold), clock=clock),
        clock=clock,
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        observer=laps,
        announce=False,
    )
    posts = events = 0
    costs = []
    for _ in range(steps):
        step = world.advance()
        records = step_records(step, world.accounts)
        clock.at = step.tick.end
        posts += len(records.posts)
        laps.last = time.process_time()
        run(records.posts, parts)
        for start in range(0, len(records.events), BATCH):
            some = records.events[start : start + BATCH]
            began = laps.last = time.process_time()
            run_events(some, parts)
            costs.append((time.process_time() - began) / len(some))
            events += len(some)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    stores.close()
    return laps, posts, events, statistics.median(costs) * 1e6, size


def as_of(settings, steps, folder):
    """Index a history and ask for all rows; return counts and seconds."""
    write_history(World(settings, Writer()), folder, lambda *_: None, steps=steps)
    history = read_history(folder)
    began = time.process_time()
    behaviour = behaviour_of(history)
    indexed = time.process_time() - began
    taken = snapshots(history)
    began = time.process_time()
    behaviour.rows(taken.post, taken.as_of, BehaviourSpec(definitions=DEFINITIONS))
    return len(history.events), len(taken), indexed, time.process_time() - began


def comments(count=20_000):
    """Return core-microseconds for each comment that the shipped bundle reads."""
    bundle, tables, rng = load_bundle(default_bundle_path()), build_fold_tables(), np.random.default_rng(1)
    moods = rng.integers(0, len(MOODS), count).astype(np.int8)
    texts = Writer().comments(moods, np.zeros(count, np.int16), rng)
    bundle.update.said(texts[:10], tables)
    began = time.process_time()
    bundle.update.said(texts, tables)
    return (time.process_time() - began) / count * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--creators", type=int, default=2000)
    parser.add_argument("--days", type=int, default=4)
    chosen = parser.parse_args()
    settings, steps = WorldSettings(creators=chosen.creators), 24 * chosen.days
    with tempfile.TemporaryDirectory() as folder:
        laps, posts, events, median, size = live(World(settings, Writer()), steps, Path(folder) / "live")
        rows = as_of(settings, steps, Path(folder) / "history")
    print(f"{'stage':<16}{'core-us/event':>14}")
    for stage in ("event decode", "event count", "event record"):
        print(f"{stage:<16}{laps.seconds[stage] / events * 1e6:>14.1f}")
    price = comments()
    result = {
        "posts": posts,
        "events": events,
        "decided_anew": laps.anew,
        "core_us_per_event": round(median, 1),
        "bytes_per_event": round(size / events),
        "core_us_per_comment": round(price, 2),
        "history_events": rows[0],
        "snapshots": rows[1],
        "core_us_per_indexed_event": round(rows[2] / rows[0] * 1e6, 2),
        "core_us_per_row_as_of": round(rows[3] / rows[1] * 1e6, 1),
    }
    print(f"\n{posts:,} posts, {events:,} events, {laps.anew:,} posts decided anew")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
