"""Two servers over one PostgreSQL, any of them killed at any moment, over and over: what does not hold after a kill.

    python benchmarks/crashes_scaled.py --kills 200 --write     # about an hour on two cores

The load of `tests/mixed_load.py`, sent to both servers by turns (`tests/shared_load.py`). Killed with `SIGKILL` are
the servers, one or both, and a PostgreSQL of the benchmark's own, on a port of its own; what was killed is brought
back while the load goes on; with `--queue` requests are taken by `sievert api` and decided by two `sievert worker`
over a NATS of our own, which are killed too. After every few kills the servers end, the stores are opened and looked through, and what
was acknowledged is sent again to both servers. `silent_s` is how long it took from a kill until what was killed
was back and a post was acknowledged: of servers and workers mostly their start; PostgreSQL and NATS are started
again at most 0.3 s later. The last line is one JSON object;
`--write` puts it into benchmarks/results/crashes_scaled.json, or crashes_queued.json, anew after each look.
"""

import argparse
import collections
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from mixed_load import prepared, unsound
from shared_load import QueuedLoad, SharedLoad, own_nats, own_postgres
from sievert.scoring.bundle import load_bundle
from sievert.stores.shared import SharedStores
from sievert.testing import write_tiny_bundle

RESULTS = Path(__file__).parent / "results"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=5, help="kills between two looks at the stores")
    parser.add_argument("--queue", action="store_true", help="servers in parts: api, workers and NATS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="sievert-crashes-") as name,
        own_postgres() as postgres,
        own_nats() as nats,
    ):
        folder = Path(name)
        write_tiny_bundle(folder / "bundle")
        at = {"open_stores": SharedStores, "place": postgres.url}
        policies, keys = prepared(folder, load_bundle(folder / "bundle"), **at)
        given = (folder, folder / "bundle", policies, keys)
        more = {"seed": args.seed, "postgres": postgres}
        load = QueuedLoad(*given, nats=nats, **more) if args.queue else SharedLoad(*given, **more)
        found = []
        while len(load.killed) < args.kills and not found:
            load.round(kills=min(args.at_once, args.kills - len(load.killed)))
            found = [f"after kill {len(load.killed)}: {one}" for one in unsound(load, folder, **at)]
            print(
                f"{len(load.killed):4} kills, {len(load.posts):,} posts, {len(found)} not as it must be",
                flush=True,
            )
            result = _result(load, found)
            if args.write:
                kind = "queued" if args.queue else "scaled"
                (RESULTS / f"crashes_{kind}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def _result(load, found):
    return {
        "kills": dict(collections.Counter(load.killed)),
        "unsound": found,
        "posts": len(load.posts),
        "events": len(load.events),
        "verdicts": len(load.verdicts),
        "appeals": len(load.appeals),
        "taken_back": len(load.undone),
        "silent_s": {
            victim: {"median": round(statistics.median(times), 2), "most": round(max(times), 2)}
            for victim, times in load.silent.items()
            if times
        },
    }


if __name__ == "__main__":
    main()
