"""How long a batch holds the one place to write over PostgreSQL: what bounds one schema, however many servers.

    python benchmarks/one_writer.py --write      # about two minutes; PostgreSQL is the benchmark's own

One process walks the whole path with all the parts of a server over PostgreSQL, in batches of 10, 100 and 1,000
distinct posts, the light model alone, and then of as many events about them. Of each batch is told the CPU time of the process and of PostgreSQL, and how
long the transactions lasted that only one process at a time may have (the fastest fifth of batches, since neighbours
only slow things down). From sizes follows what a batch costs however small it is, and what each post adds. The last
line is one JSON object; `--write` puts it into benchmarks/results/one_writer.json.
"""

import argparse
import contextlib
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from scaled import seconds_of_tree
from shared_load import own_postgres
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.schema.clock import SystemClock
from sievert.serving.settings import Settings
from sievert.serving.wiring import open_doors
from stream import Generator

RESULT = Path(__file__).parent / "results" / "one_writer.json"
SIZES = {10: 150, 100: 100, 1000: 40}  # batches of each


class Held:
    """Adds up how long the place to write is held."""

    def __init__(self, database):
        self.wall = self.cpu = 0.0
        self.count = 0
        self._writing = database.writing
        database.writing = self.writing

    @contextlib.contextmanager
    def writing(self):
        with self._writing() as connection:
            wall, cpu = time.perf_counter(), time.thread_time()
            yield connection
        self.wall += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu
        self.count += 1


def measure(count, walk, held, postgres):
    """Walk so many batches; return what one costs."""
    rows = []
    for _ in range(count):
        before = held.wall, held.cpu, held.count, seconds_of_tree(postgres.pid), time.process_time()
        walk()
        after = held.wall, held.cpu, held.count, seconds_of_tree(postgres.pid), time.process_time()
        rows.append(np.subtract(after, before))
    rows = np.array(rows)
    fast = rows[np.argsort(rows[:, 0])[: max(1, count // 5)]]
    return {
        "held_ms": round(float(np.median(fast[:, 0])) * 1e3, 2),
        "held_ms_median": round(float(np.median(rows[:, 0])) * 1e3, 2),
        "held_cpu_ms": round(float(rows[:, 1].mean()) * 1e3, 2),
        "times_held": round(float(rows[:, 2].mean()), 2),
        "postgres_cpu_ms": round(float(rows[:, 3].mean()) * 1e3, 2),
        "process_cpu_ms": round(float(rows[:, 4].mean()) * 1e3, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory(prefix="sievert-writer-") as folder, own_postgres() as postgres:
        settings = Settings(data_folder=folder, database_url=postgres.url, heavy_share=0.0)
        doors = open_doors(settings, clock=SystemClock())
        made = Generator(7, 100_000)
        held, batch = Held(doors.stores.database), itertools.count()

        def events(size):
            """The generator numbers events by the posts that came; here none come in between."""
            return made.events(size).replace(b'"id":"e', b'"id":"e%d-' % next(batch))

        run(made.posts(2000), doors.parts)
        for what, walk in (
            ("post", lambda size: run(made.posts(size), doors.parts)),
            ("event", lambda size: run_events(events(size), doors.parts)),
        ):
            for size, count in SIZES.items():
                one = measure(count, lambda walk=walk, size=size: walk(size), held, postgres)
                result[f"{size} {what}s"] = one
                print(f"{size:>5} {what}s a batch", json.dumps(one), flush=True)
            small, large = result[f"10 {what}s"], result[f"1000 {what}s"]
            each = (large["held_ms"] - small["held_ms"]) / 990
            result[f"held_us_per_{what}"] = round(each * 1e3, 1)
            result[f"held_ms_per_batch_of_{what}s"] = round(small["held_ms"] - each * 10, 2)
            result[f"postgres_us_per_{what}"] = round(
                (large["postgres_cpu_ms"] - small["postgres_cpu_ms"]) / 990 * 1e3, 1
            )
        doors.close()
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
