"""Posts through several processes over one PostgreSQL: what each part costs, with and without a queue of NATS.

    python benchmarks/scaled.py --write      # some minutes; PostgreSQL and NATS are the benchmark's own

Distinct posts of realistic length (those of `path.py`) go over HTTP in bodies of 1,000 from four clients, with the
shipped bundle and one post in a hundred to the heavy model; every answer is awaited. Four installations in turn: one
and two `sievert up`, and two `sievert api` with one and two `sievert worker`. Costs are CPU time by process, which
neighbours hardly change; posts a second are wall clock, and mean something only on a machine that does nothing else:
`busy` is the share of both cores that the benchmark's own processes got. The last line is one JSON object; `--write`
puts it into benchmarks/results/scaled.json.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from killable_server import Killable
from path import ndjson
from shared_load import own_nats, own_postgres
from sievert.schema.clock import SystemClock
from sievert.scoring.bundle import default_bundle_path
from sievert.serving.wiring import add_key
from sievert.stores.shared import SharedStores

RESULT = Path(__file__).parent / "results" / "scaled.json"
CLIENTS, BODY, WARM = 4, 1000, 4000
TICKS = os.sysconf("SC_CLK_TCK")
INSTALLATIONS = {
    "one up": {"up": 1},
    "two up": {"up": 2},
    "two api, one worker": {"api": 2, "worker": 1},
    "two api, two workers": {"api": 2, "worker": 2},
}


def seconds_of(pid, *, ended_children=False):
    """Return the CPU time of a process, from the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / TICKS


def seconds_of_tree(pid):
    """Return the CPU time of a server and its children, also of those that ended."""
    total = seconds_of(pid, ended_children=True)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        with contextlib.suppress(OSError):
            total += seconds_of(child)
    return total


def send(servers, key, bodies):
    """Send bodies from several clients by turns, and wait for every answer; return the wall time."""
    waiting, lock, wrong = list(enumerate(bodies)), threading.Lock(), []

    def client():
        while True:
            with lock:
                if not waiting:
                    return
                number, body = waiting.pop()
            lines = servers[number % len(servers)].send(key, "/api/v1/posts:batch", body)
            decided = sum(b'"decision"' in line for line in lines)
            if decided != body.count(b"\n"):
                wrong.append(lines[0])

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"not everything was decided: {wrong[0][:300]}")
    return time.monotonic() - began


def measure(parts, posts, seed):
    """Run one installation, and return what it cost."""
    lines = [
        line.replace(b"@@@@@@@@@@@@", b"s%011d" % number) + b"\n"
        for number, line in enumerate(ndjson(posts + WARM, seed=seed))
    ]
    bodies = [b"".join(lines[start : start + BODY]) for start in range(0, len(lines), BODY)]
    with (
        tempfile.TemporaryDirectory(prefix="sievert-scaled-") as name,
        own_postgres() as postgres,
        own_nats() as nats,
    ):
        with contextlib.closing(SharedStores(postgres.url, clock=SystemClock())) as stores:
            key, _ = add_key(
                stores.keys, stores.audit, name="b", scopes=("admin",), actor="b", clock=SystemClock()
            )
        running = {}
        for kind, count in parts.items():
            command = (kind,) if kind == "worker" else (kind, "--port", "0")
            running[kind] = [
                Killable(
                    Path(name) / f"{kind}{number}",
                    default_bundle_path(),
                    command=command,
                    SIEVERT_DATABASE_URL=postgres.url,
                    SIEVERT_NATS_URL=nats.url,
                    SIEVERT_HEAVY_SHARE="0.01",
                )
                for number in range(count)
            ]
        servers = running.get("api") or running["up"]
        warm = WARM // BODY
        send(servers, key, bodies[:warm])

        def spent():
            found = {kind: sum(seconds_of(one.process.pid) for one in some) for kind, some in running.items()}
            found["postgres"] = seconds_of_tree(postgres.pid)
            if "worker" in running:
                found["nats"] = seconds_of_tree(nats.pid)
            return found

        before = spent()
        wall = send(servers, key, bodies[warm:])
        after = spent()
        for some in running.values():
            for one in some:
                one.kill()
    cost = {kind: round((after[kind] - before[kind]) / posts * 1e6, 1) for kind in before}
    total = sum(after.values()) - sum(before.values())
    return {
        "core_us_per_post": {**cost, "all": round(total / posts * 1e6, 1)},
        "posts_per_s": round(posts / wall),
        "busy": round(total / wall / 2, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--posts", type=int, default=30_000)
    parser.add_argument("--only", choices=INSTALLATIONS)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    result = {"posts": args.posts}
    for seed, (name, parts) in enumerate(INSTALLATIONS.items()):
        if args.only in (None, name):
            result[name] = measure(parts, args.posts, seed)
            print(name, json.dumps(result[name]), flush=True)
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
