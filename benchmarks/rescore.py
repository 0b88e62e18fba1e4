"""A backfill beside the plain path: what Parquet, pieces and Ray add to a post that is decided again.

    python benchmarks/rescore.py --posts 100000 --write     # some minutes on two cores

The same texts three times: the path alone in memory (`pipeline.offline.judge`), `sievert rescore` in one process,
and with two over Ray. Costs are CPU time of everything that each run started, in core-microseconds a post, the
start (imports, models, Ray) apart: it is what the same command costs for a single post. The last line is one JSON
object; `--write` puts it into benchmarks/results/rescore.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import pyarrow as pa
import pyarrow.parquet as pq

from stream import Generator

RESULT = Path(__file__).parent / "results" / "rescore.json"
ROWS = 10_000
"""Of a row group."""

HEAVY_SHARE = 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    lines = Generator(1, options.posts).posts(options.posts).split(b"\n")
    said = [json.loads(line) for line in lines if line]
    with tempfile.TemporaryDirectory(prefix="sievert-rescore-") as folder:
        place = Path(folder)
        columns = {name: [one.get(name) for one in said] for name in ("id", "text", "creator_id")}
        pq.write_table(pa.table(columns), place / "posts.parquet", row_group_size=ROWS)
        pq.write_table(pa.table(columns).slice(0, 1), place / "one.parquet")
        found = {"the path alone": path_alone(said)}
        for words, more in (("rescore", ()), ("rescore, two processes over Ray", ("--workers", "2"))):
            start = command(place, "one", words, more)
            found[words] = {"start_core_s": round(start, 2)}
            spent = command(place, "posts", words, more) - start
            found[words]["core_us_per_post"] = round(1e6 * spent / len(said), 2)
    print(f"{'':34s}{'core-us/post':>14s}{'start, core-s':>16s}")
    for words, one in found.items():
        start = f"{one['start_core_s']:.2f}" if "start_core_s" in one else ""
        print(f"{words:34s}{one['core_us_per_post']:14.2f}{start:>16s}")
    result = {"posts": len(said), "heavy_share": HEAVY_SHARE, "runs": found}
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def path_alone(said):
    from sievert.pipeline.backfill import AT_ONCE
    from sievert.pipeline.collector import settle_collector
    from sievert.pipeline.offline import judge
    from sievert.policy.loading import default_policies_path, load_policies
    from sievert.policy.rulebook import RuleBook
    from sievert.schema.post import Post
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.testing import START

    bundle, policies = load_bundle(default_bundle_path()), load_policies(default_policies_path())
    book = RuleBook(policies, bundle.fold)
    posts = [Post(id=one["id"], text=one["text"]) for one in said]
    judge(posts[:AT_ONCE], bundle, policies, now=START, heavy_share=HEAVY_SHARE, book=book)
    settle_collector()
    began = time.process_time()
    for start in range(0, len(posts), AT_ONCE):
        some = posts[start : start + AT_ONCE]
        judge(some, bundle, policies, now=START, heavy_share=HEAVY_SHARE, book=book)
    return {"core_us_per_post": round(1e6 * (time.process_time() - began) / len(posts), 2)}


def command(place, name, words, more):
    """Run `sievert rescore`; return the CPU seconds of it and of all that it started."""
    out = place / f"{name} {words}"
    line = ("rescore", place / f"{name}.parquet", "--out", out, "--heavy-share", HEAVY_SHARE, *more)
    running = subprocess.Popen(
        [sys.executable, "-m", "sievert", *map(str, line)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent / "src")},
    )
    spent = {}
    while running.poll() is None:
        spent |= cpu_of_descendants(running.pid)
        time.sleep(0.05)
    if running.returncode:
        raise SystemExit(f"{line} ended with {running.returncode}")
    return sum(spent.values())


def cpu_of_descendants(root):
    """Return the CPU seconds of a process and of all below it, by pid, with those of children that ended."""
    parents, seconds = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            seconds[int(entry.name)] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    mine = {root}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {pid: seconds[pid] for pid in mine if pid in seconds}


if __name__ == "__main__":
    main()
