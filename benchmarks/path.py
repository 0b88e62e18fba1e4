"""Posts per second through the whole path: NDJSON in, durable record out; the light model alone.

    make bench                      # two worker processes, and a BERT-base yardstick
    python benchmarks/path.py --seconds 20 --workers 2

Each worker is one process with one thread and a data folder of its own, as one core of a machine would
run it. It reads NDJSON, walks the path, and encodes the answers; nothing is left out but the network.
What the heavy model adds is measured by `cascade.py`.
Costs are process CPU time (core-microseconds), because machines are shared and wall clocks lie; the
wall-clock rate stands beside them.
"""

import argparse
import dataclasses
import json
import multiprocessing as mp
import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import msgspec
import numpy as np

from sievert.schema.sentinel import SENTINEL

# What each stage cost in the throw-away prototype, core-microseconds a post (text only, its own kernels).
CEILINGS = {
    "decode": 1.4,
    "known": None,
    "noted": None,
    "light": 4.5,
    "calibrate": 0.41,
    "decide": None,
    "record": 0.30,
    "answer": None,
}
BATCH = 2000
CYCLE = 200_000  # distinct texts; ids are always new

COMMON = """
the a to and of in is it you that for on with as are this be at have not but what all we can her was
one our out day get has him his how man new now old see two way who boy did its let put say she too
use dad mom coffee morning river mountain football recipe bread garden ticket train window music
summer winter holiday neighbour picture story question answer weather friend family school market
street evening birthday weekend library
"""
WORDS = COMMON.split()
EXTRA = (
    "😀",
    "😂",
    "🎉",
    "http://example.com/x",
    "@friend",
    "#monday",
    "привет",
    "это",
    "g00d",
    "v\u200bery",
    "café",
    "1234",
)


def ndjson(count: int, *, seed: int) -> list[bytes]:
    """Make posts of mean about 98 characters, log-normal, some with emoji, links, other scripts; 1 % notable."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(2.5, 0.75, count), 1, 200).astype(int)
    lines = []
    for i, length in enumerate(lengths):
        words = [WORDS[j] for j in rng.integers(0, len(WORDS), length)]
        if i % 3 == 0:
            words[int(rng.integers(0, length))] = EXTRA[int(rng.integers(0, len(EXTRA)))]
        text = " ".join(words)
        if i % 100 == 0:
            text += f" {SENTINEL}"  # one in a hundred is notable: kept with its text, demoted, announced
        post = {
            "id": "@@@@@@@@@@@@",
            "text": text,
            "creator_id": f"u{int(rng.integers(0, 50_000))}",
            "created_at": 1_800_000_000_000_000 + i,
        }
        lines.append(json.dumps(post, ensure_ascii=False).encode())
    return lines


@dataclasses.dataclass
class Laps:
    """Adds up the CPU time of each stage."""

    seconds: dict = dataclasses.field(default_factory=dict)
    last: float = 0.0

    def lap(self, stage):
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now

    def batch_decided(self, posts, scored, decided):
        """Nothing more to note."""


def anonymous_mb():
    """Return the memory that only this process can give back; pages of mapped files are the kernel's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) / 1000


def bundle_for(lines, share, folder=None):
    """Return a bundle, the default one unless told, with its cut where this share of just these posts lies above."""
    from sievert.schema.batch import TextColumn
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.scoring.light import light_scores

    bundle = load_bundle(Path(folder) if folder else default_bundle_path())
    if bundle.heavy is None or not 0 < share < 1:
        return bundle
    texts = [json.loads(line)["text"] for line in lines]
    logits = light_scores(bundle, TextColumn.of(texts))
    english = np.where(logits.language == 0, logits.logits[:, 0], -np.inf)
    cut = np.quantile(english, 1 - share)
    heavy = dataclasses.replace(
        bundle.heavy, shares=np.array([share / 2, share]), logits=np.array([cut, cut])
    )
    return dataclasses.replace(bundle, heavy=heavy)


def worker(number, seconds, folder, queue, barrier, share, bundle_folder=None):
    from sievert.pipeline.activity import ActivityCounters, reader_of
    from sievert.pipeline.budgets import Budgets
    from sievert.pipeline.collector import settle_collector
    from sievert.pipeline.path import Parts, run
    from sievert.pipeline.ruling import Ruling
    from sievert.policy.loading import default_policies_path, load_policies
    from sievert.policy.rulebook import RuleBook
    from sievert.schema.clock import SystemClock
    from sievert.scoring.utterances import Shares
    from sievert.stores.embedded import EmbeddedStores

    clock = SystemClock()
    stores = EmbeddedStores(Path(folder) / str(number), clock=clock)
    policies = load_policies(default_policies_path())
    laps = Laps()
    lines = ndjson(CYCLE, seed=number)
    bundle = bundle_for(lines, share, bundle_folder)
    parts = Parts(
        bundle=bundle,
        shares=Shares(text=share, pictures=share),
        policies=policies,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        ruling=Ruling(RuleBook(policies, bundle.fold), clock=clock),
        clock=clock,
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        observer=laps,
    )
    encode = msgspec.json.Encoder().encode_lines
    run(
        b"\n".join(
            line.replace(b"@@@@@@@@@@@@", b"warm%d-%08d" % (number, i))
            for i, line in enumerate(lines[:BATCH])
        ),
        parts,
    )
    settle_collector()
    barrier.wait()
    laps.seconds.clear()
    posts = batches = 0
    memory = []
    prepared = 0.0
    started, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        before = time.process_time()
        at = posts % CYCLE
        # Ids must be new each time; writing them is the client's work and is not counted.
        chunk = b"\n".join(
            line.replace(b"@@@@@@@@@@@@", b"%d-%010d" % (number, posts + i))
            for i, line in enumerate(lines[at : at + BATCH])
        )
        laps.last = time.process_time()
        prepared += laps.last - before
        answers = run(chunk, parts)
        encode(answers)
        laps.lap("encode")
        posts += len(answers)
        batches += 1
        if batches % 50 == 1:
            memory.append(anonymous_mb())
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu - prepared
    queue.put(
        {
            "posts": posts,
            "wall": wall,
            "cpu": cpu,
            "laps": laps.seconds,
            "memory": memory,
            "rows": stores.log.rows,
        }
    )
    stores.close()


def bert_base(texts):
    """Return core-seconds a post of a BERT-base classifier (random weights, same cost), or None."""
    try:
        import torch
        from transformers import BertConfig, BertForSequenceClassification
    except ImportError:
        return None
    torch.set_num_threads(1)
    model = BertForSequenceClassification(BertConfig()).eval()
    lengths = sorted(min(128, 2 + int(len(text.split()) * 1.3)) for text in texts)
    costs = []
    with torch.inference_mode():
        for start in range(0, len(lengths), 16):
            longest = max(lengths[start : start + 16])
            ids = torch.randint(1000, 20_000, (16, longest))
            before = time.process_time()
            model(input_ids=ids)
            costs.append((time.process_time() - before) / 16)
    return statistics.mean(costs[1:] or costs)


def measure(seconds, workers, share, bundle=None):
    """Run the path in so many worker processes; return each one's result."""
    folder = tempfile.mkdtemp(prefix="sievert-bench-")
    context = mp.get_context("spawn")
    queue, barrier = context.Queue(), context.Barrier(workers)
    processes = [
        context.Process(target=worker, args=(number, seconds, folder, queue, barrier, share, bundle))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    results = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    shutil.rmtree(folder)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bundle", help="the folder of another bundle, such as one with a view forecaster")
    options = parser.parse_args()
    results = measure(options.seconds, options.workers, 0.0, options.bundle)
    posts = sum(result["posts"] for result in results)
    core_us = sum(result["cpu"] for result in results) / posts * 1e6
    rate = sum(result["posts"] / result["wall"] for result in results)
    print(f"{'stage':<12}{'core-us/post':>14}{'prototype':>12}")
    for stage in results[0]["laps"]:
        cost = sum(result["laps"][stage] for result in results) / posts * 1e6
        ceiling = CEILINGS.get(stage)
        print(f"{stage:<12}{cost:>14.2f}{ceiling if ceiling is not None else '-':>12}")
    print(f"{'all':<12}{core_us:>14.2f}{6.1:>12}")
    growth = max(result["memory"][-1] - result["memory"][len(result["memory"]) // 3] for result in results)
    texts = [json.loads(line)["text"] for line in ndjson(64, seed=9)]
    bert = bert_base(texts)
    figures = {
        "posts": posts,
        "workers": options.workers,
        "core_us_per_post": round(core_us, 2),
        "posts_per_second_wall": round(rate),
        "share_of_a_billion_a_day": round(rate / 11_574, 2),
        "memory_mb_per_worker": round(max(max(result["memory"]) for result in results)),
        "memory_growth_mb_last_two_thirds": round(growth, 1),
        "bert_base_core_us_per_post": round(bert * 1e6) if bert else None,
        "times_cheaper_than_bert_base": round(bert * 1e6 / core_us) if bert else None,
    }
    print(
        f"\n{posts:,} posts in {options.seconds:.0f} s with {options.workers} workers: {rate:,.0f} a second (wall clock)"
    )
    print(
        "BERT-base: "
        + (
            f"{bert * 1e6:,.0f} core-us a post, compute only"
            if bert
            else "`make bench` installs what it needs"
        )
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
