"""A stream of posts through one embedded server's path, as long as one likes: what a post costs, stage by stage.

    python benchmarks/stream.py                           # 5 million posts at 1 % to heavy, fewer at other shares
    python benchmarks/stream.py --posts 200000 --write    # quicker; writes results/stream.json

Two workers share the machine with the generators that feed them. Each worker has the parts that a server has
(`serving.wiring`): counters of activity, tallies of creators, forecasts, banks, rules, switches, breakers, the
guardrail's crossings, metrics. Posts are spread over workers by their creators. All texts are distinct, of mean
about 100 characters, and nothing of a text is cached. A batch is answered when it is durable, and only then is
the next one taken. The network and its protocol are left out (`over_http.py` measures them).

Beside it, in the same run: the heavy model on every post, BERT-base on every post (compute only), and two events
a post. Costs are process CPU time (core-microseconds a post), because machines are shared; what generators cost
is counted apart. The last line is one JSON object.
"""

import argparse
import base64
import dataclasses
import io
import itertools
import json
import multiprocessing as mp
import os
import queue
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import msgspec
import numpy as np
from PIL import Image

from path import EXTRA, anonymous_mb, bert_base, bundle_for
from sievert.pipeline.attaching import attached, inline_bytes, post_with_media
from sievert.schema.sentinel import SENTINEL

CEILINGS = {
    "read": 0.13,
    "decode": 1.4,
    "noted": 0.45,
    "light": 4.7,
    "heavy": 30.0,
    "calibrate": 0.41,
    "record": 0.30,
}
"""What stages cost in a throw-away prototype with kernels of its own, no database and 1 % to a random model."""

AVERAGE = 11_574  # posts a second, at a billion a day
BATCH = 2000
FRONTS, BACKS = 1 << 12, 1 << 13  # beginnings and ends of texts: 33 million pairs
CREATORS = 500_000  # of each worker
PICTURED = 0.3  # of posts, where there are pictures: thumbnails of 224 pixels, all distinct
POPULAR = 1000  # texts that go round, in a viral mix
NOTABLE = 100  # one post of so many is demoted or asked about: kept with its text, told, counted
RESULT = Path(__file__).parent / "results" / "stream.json"
KINDS = (
    ("views", 0.80),
    ("reaction", 0.10),
    ("share", 0.03),
    ("comment", 0.05),
    ("report", 0.01),
    ("hide", 0.01),
)
REMARKS = ("what a day", "so true", "I do not agree at all", "thank you for this", "where was it", "no")


class Generator:
    """Writes posts and events as NDJSON, each text once, as one worker's share of the creators tells them."""

    def __init__(self, number, posts, viral=0.0, pictured=0.0):
        """`posts` is how many there will be at most; a share `viral` of them has one of a thousand texts.

        Which of them follows Zipf's law, so that the first comes in one of eight of these. A share `pictured`
        brings a thumbnail.
        """
        from sievert.scoring.bundle import default_bundle_path, load_bundle

        if posts > FRONTS * BACKS:
            raise SystemExit(f"At most {FRONTS * BACKS:,} texts are distinct.")
        rng = np.random.default_rng([7, number])
        words = load_bundle(default_bundle_path()).heavy.spec.words
        # Zipf's law over the lexicon, most frequent word first.
        ranks = np.minimum((len(words) ** rng.random(400_000) - 1).astype(np.int64), len(words) - 1)
        stream = itertools.cycle([words[rank] for rank in ranks.tolist()])
        fronts = set()
        while len(fronts) < FRONTS:  # three words each, so that no two pairs make the same text
            fronts.add(" ".join(itertools.islice(stream, 3)))
        lengths = np.clip(rng.lognormal(2.55, 0.8, BACKS) - 3, 1, 200).astype(int).tolist()
        backs = set()
        while len(backs) < BACKS:
            some = [*itertools.islice(stream, lengths[len(backs)])]
            if len(backs) % 3 == 0:
                some.append(EXTRA[len(backs) // 3 % len(EXTRA)])
            backs.add(json.dumps(" ".join(some), ensure_ascii=False)[1:-1])
        self._fronts, self._backs = sorted(fronts), sorted(backs)
        self._number, self._rng, self._at, self._viral, self._pictured = number, rng, 0, viral, pictured

    def posts(self, count):
        """Return the next posts."""
        at = np.arange(self._at, self._at + count)
        pairs = at * 0x9E3779B1 % (FRONTS * BACKS)  # odd, so that every pair comes once
        if self._viral:
            copies = self._rng.random(count) < self._viral
            ranks = np.exp(self._rng.random(count) * np.log(POPULAR)).astype(np.int64)
            pairs[copies] = (ranks * 0x9E3779B1 % (FRONTS * BACKS))[copies]
        creators = (CREATORS * self._rng.random(count) ** 2).astype(int).tolist()
        self._at += count
        fronts, backs, number = self._fronts, self._backs, self._number
        media = {row: f',"media":[{{"base64":"{self._thumbnail()}"}}]' for row in self._with_pictures(at)}
        return "\n".join(
            f'{{"id":"{number}-{i}","text":"{fronts[pair >> 13]} {backs[pair & 8191]}'
            f'{" " + SENTINEL if i % NOTABLE == 0 else ""}","creator_id":"u{number}-{creator}",'
            f'"created_at":{1_800_000_000_000_000 + i}{media.get(i, "")}}}'
            for i, pair, creator in zip(at.tolist(), pairs.tolist(), creators, strict=True)
        ).encode()

    def _with_pictures(self, at):
        return at[self._rng.random(len(at)) < self._pictured].tolist() if self._pictured else ()

    def _thumbnail(self):
        """Return a picture that no other equals, as base64 of a JPEG: light that changes slowly."""
        light = Image.fromarray(self._rng.integers(0, 256, (7, 7, 3), np.uint8).astype(np.uint8))
        file = io.BytesIO()
        light.resize((224, 224), Image.Resampling.BICUBIC).save(file, "JPEG", quality=80)
        return base64.b64encode(file.getvalue()).decode()

    def events(self, count):
        """Return events about posts that came: most are views, and most are about new posts."""
        rng, number = self._rng, self._number
        kinds = rng.choice(len(KINDS), count, p=[share for _, share in KINDS]).tolist()
        posts = np.maximum(0, self._at - 1 - rng.exponential(20_000, count)).astype(int).tolist()
        views = np.ceil(rng.pareto(1.2, count) + 1).astype(int).tolist()
        actors = rng.integers(0, 5_000_000, count).tolist()
        at = int(time.time() * 1e6)
        more = {
            "views": '"count":{views}',
            "reaction": '"actor_id":"a{actor}","reaction":"like"',
            "share": '"actor_id":"a{actor}"',
            "comment": '"actor_id":"a{actor}","text":"{remark}"',
            "report": '"actor_id":"a{actor}","reason":"spam"',
            "hide": '"actor_id":"a{actor}"',
        }
        lines = []
        for i, (kind, post, seen, actor) in enumerate(zip(kinds, posts, views, actors, strict=True)):
            word = KINDS[kind][0]
            rest = more[word].replace("{actor}", str(actor)).replace("{views}", str(min(seen, 100_000)))
            lines.append(
                f'{{"kind":"{word}","id":"e{number}-{self._at}-{i}","post_id":"{number}-{post}","at":{at},'
                + rest.replace("{remark}", REMARKS[i % len(REMARKS)])
                + "}"
            )
        return "\n".join(lines).encode()


def generate(number, posts, asked, pipe, costs):
    """Feed a worker through a pipe that holds hardly more than one batch; tell what that cost."""
    made = Generator(number, posts, asked.viral, asked.pictured)
    began = time.process_time()
    for _ in range(0, posts, BATCH):
        pipe.send_bytes(made.posts(BATCH))
        if asked.events:
            pipe.send_bytes(made.events(BATCH * asked.events))
    pipe.send_bytes(b"")
    costs.put(time.process_time() - began)


def with_pictures(chunk, pictures):
    """Open what posts bring, as a door does; return them with their pictures' hashes."""
    lines = []
    for line in chunk.split(b"\n"):
        post = post_with_media(line)
        if post is not None:
            names = [pictures.take(inline_bytes(one.base64, at)).sha256 for at, one in enumerate(post.media)]
            line = msgspec.json.encode(attached(post, names))  # noqa: PLW2901
        lines.append(line)
    return b"\n".join(lines)


def cpu_of_children():
    """Return the CPU seconds of the processes that this one started, such as those that open pictures."""
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            ticks += sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Asked(NamedTuple):
    """What a run is made of."""

    posts: int
    share: float  # to heavy
    events: int = 0  # a post
    viral: float = 0.0  # share of posts with one of few texts; the encoder cache is on then
    pictured: float = 0.0


class Laps:
    """Adds up the CPU time of stages; what the server's own observer does counts for the stage that follows."""

    def __init__(self, real):
        """Tell everything to the `real` one, too."""
        self.real, self.seconds, self.last, self.heavy = real, {}, 0.0, 0

    def begin(self):
        self.real.begin()
        self.last = time.process_time()

    def lap(self, stage):
        self.real.lap(stage)
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now

    def batch_decided(self, posts, scored, decided):
        self.real.batch_decided(posts, scored, decided)
        if not posts.causes:
            self.heavy += int((scored.stage == 1).sum())


def open_parts(number, asked, folder, windows):
    """Open the doors of a server and its parts, after a first batch; `windows` counts hits and misses of the cache."""
    from sievert.pipeline.path import run
    from sievert.schema.clock import SystemClock
    from sievert.scoring.encoder_cache import EncoderCache
    from sievert.serving.settings import Settings
    from sievert.serving.wiring import open_doors

    settings = Settings(
        data_folder=str(Path(folder) / str(number)),
        heavy_share=asked.share,
        image_heavy_share=asked.share,
        path_cores=0.0,
    )  # the share that is measured, whatever the load
    doors = open_doors(settings, clock=SystemClock())
    laps = Laps(doors.parts.observer)
    sample = Generator(number + 100, BATCH).posts(20_000).split(b"\n")
    parts = dataclasses.replace(doors.parts, observer=laps, bundle=bundle_for(sample, asked.share))
    if asked.viral:
        parts.bundle.heavy.model.cache = EncoderCache(
            settings.encoder_cache_megabytes << 20, watch=lambda *counts: windows.__iadd__(counts)
        )
    run(b"\n".join(line.replace(b'"id":"', b'"id":"warm') for line in sample[:BATCH]), parts)
    return doors, parts, laps


def worker(number, posts, asked, folder, pipe, results, barrier):
    """Walk the path with what comes through a pipe, as a server with parts of its own does."""
    from sievert.pipeline.collector import settle_collector
    from sievert.pipeline.events import run_events
    from sievert.pipeline.path import run

    windows = np.zeros(2, np.int64)
    doors, parts, laps = open_parts(number, asked, folder, windows)
    encode = msgspec.json.Encoder().encode_lines
    settle_collector()
    barrier.wait()
    laps.seconds.clear()
    laps.heavy = 0
    windows[:] = 0
    memory, marks = {}, sorted({posts * fifth // 5 // BATCH * BATCH for fifth in range(1, 6)})
    done = counted = 0
    started, cpu, beside = time.perf_counter(), time.process_time(), cpu_of_children()
    laps.begin()
    while chunk := pipe.recv_bytes():
        laps.lap("read")
        if asked.pictured:
            chunk = with_pictures(chunk, parts.pictures)
            laps.lap("pictures")
        encode(run(chunk, parts))
        laps.lap("encode")
        done += BATCH
        if asked.events:
            told = pipe.recv_bytes()
            laps.lap("read")
            told = told.split(b"\n")
            for start in range(0, len(told), BATCH):
                encode(run_events(told[start : start + BATCH], parts))
                laps.lap("event encode")
            counted += len(told)
        if marks and done >= marks[0]:
            memory[done] = anonymous_mb()
            marks.pop(0)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - started
    beside = cpu_of_children() - beside
    if asked.pictured:
        laps.seconds["opening"] = beside
    size = sum(path.stat().st_size for path in Path(folder, str(number)).rglob("*") if path.is_file())
    results.put(
        {
            "posts": done,
            "events": counted,
            "cpu": cpu + beside,
            "wall": wall,
            "laps": laps.seconds,
            "heavy": laps.heavy,
            "windows": windows.tolist(),
            "memory": memory,
            "bytes": size,
        }
    )
    doors.close()


def _from(results, processes):
    """Return the next result, or end everything if a process failed."""
    while True:
        try:
            return results.get(timeout=1)
        except queue.Empty:
            if any(one.exitcode for one in processes):
                for one in processes:
                    one.terminate()
                raise SystemExit("A process failed; what it said stands above.") from None


def measure(asked, *, workers=2):
    """Walk so many posts at a share; return what it came to."""
    folder = tempfile.mkdtemp(prefix="sievert-stream-")
    context = mp.get_context("spawn")
    results, costs, barrier = context.Queue(), context.Queue(), context.Barrier(workers)
    each = -(-asked.posts // workers // BATCH) * BATCH
    processes = []
    for number in range(workers):
        here, there = context.Pipe(duplex=False)
        processes += [
            context.Process(target=generate, args=(number, each, asked, there, costs)),
            context.Process(target=worker, args=(number, each, asked, folder, here, results, barrier)),
        ]
    for process in processes:
        process.start()
    found = [_from(results, processes) for _ in range(workers)]
    generators = sum(_from(costs, processes) for _ in range(workers))
    for process in processes:
        process.join()
    shutil.rmtree(folder)
    done, cpu = sum(one["posts"] for one in found), sum(one["cpu"] for one in found)
    stages = {
        stage: sum(one["laps"].get(stage, 0.0) for one in found) / done * 1e6 for stage in found[0]["laps"]
    }
    memory = list(zip(*(one["memory"].items() for one in found), strict=True))
    hits, misses = (sum(one["windows"][at] for one in found) for at in (0, 1))
    return {
        **asked._asdict(),
        "encoder_cache_hits": round(hits / (hits + misses), 3) if asked.viral else None,
        "posts": done,
        "events": sum(one["events"] for one in found),
        "read_by_heavy": round(sum(one["heavy"] for one in found) / done, 4),
        "core_us_per_post": round(cpu / done * 1e6, 2),
        "stages": {stage: round(cost, 2) for stage, cost in stages.items()},
        "generator_core_us_per_post": round(generators / done * 1e6, 2),
        "posts_per_second_wall": round(sum(one["posts"] / one["wall"] for one in found)),
        "cores_that_workers_got": round(sum(one["cpu"] / one["wall"] for one in found), 2),
        "memory_mb": {
            f"{sum(at for at, _ in some)}": round(sum(size for _, size in some)) for some in memory
        },
        "bytes_per_post": round(sum(one["bytes"] for one in found) / done),
    }


def show(name, one):
    """Print one measurement."""
    print(f"\n{name}: {one['posts']:,} posts, {one['read_by_heavy']:.2%} read by the heavy model")
    print(f"{'stage':<14}{'core-us/post':>14}{'prototype':>12}")
    for stage, cost in one["stages"].items():
        ceiling = CEILINGS.get(stage)
        if stage == "heavy" and ceiling is not None:
            ceiling *= one["read_by_heavy"] * 100
        print(f"{stage:<14}{cost:>14.2f}{'-' if ceiling is None else f'{ceiling:.2f}':>12}")
    print(f"{'all':<14}{one['core_us_per_post']:>14.2f}")
    print(
        f"{one['posts_per_second_wall']:,} posts a second while workers got {one['cores_that_workers_got']} cores; "
        f"two free cores: {2e6 / one['core_us_per_post']:,.0f}; {one['bytes_per_post']} bytes a post; memory "
        + ", ".join(f"{size:,} MB at {int(at):,} posts" for at, size in one["memory_mb"].items()),
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--posts", type=int, default=5_000_000, help="at 1 %%; a tenth at other shares")
    parser.add_argument("--full-share", type=float, default=None, help="a share to measure beside 1 and 3 %%")
    parser.add_argument("--events", type=int, default=2, help="events a post, where there are any")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    some = max(4 * BATCH, options.posts // 10)
    asked = {"1 % to heavy": Asked(options.posts, 0.01), "3 % to heavy": Asked(some, 0.03)}
    if options.full_share:
        asked[f"{options.full_share:.0%} to heavy"] = Asked(some // 10, options.full_share)
    asked |= {
        f"1 % to heavy and {options.events} events a post": Asked(some, 0.01, events=options.events),
        "3 % to heavy, half of the posts viral, cache on": Asked(some, 0.03, viral=0.5),
        "1 % to heavy, 30 % with a thumbnail": Asked(4 * BATCH, 0.01, pictured=PICTURED),
        "heavy on every post": Asked(4 * BATCH, 1.0),
    }
    runs = {}
    for name, one in asked.items():
        runs[name] = measure(one)
        show(name, runs[name])
    one = runs["1 % to heavy"]["core_us_per_post"]
    three = runs["3 % to heavy"]
    lines = Generator(9, BATCH).posts(64).split(b"\n")
    bert = bert_base([json.loads(line)["text"] for line in lines])
    every = runs["heavy on every post"]["core_us_per_post"]
    a_percent = runs["1 % to heavy"]["stages"]["heavy"] / runs["1 % to heavy"]["read_by_heavy"] / 100
    light = one - runs["1 % to heavy"]["stages"]["heavy"]
    result = {
        "runs": runs,
        "bert_base_core_us_per_post": round(bert * 1e6) if bert else None,
        "times_cheaper_than_heavy_on_every_post": round(every / one, 1),
        "times_cheaper_than_bert_base": round(bert * 1e6 / one) if bert else None,
        "posts_per_second_on_two_free_cores": round(2e6 / one),
        "share_to_heavy_at_the_average_rate": round((2e6 / AVERAGE - light) / a_percent / 100, 3),
    }
    print(
        f"\n{every / one:.0f} times cheaper than the heavy model on every post"
        + (f", {bert * 1e6 / one:,.0f} times cheaper than BERT-base ({bert * 1e6:,.0f})" if bert else "")
        + f"; at {AVERAGE:,} posts a second two cores read {result['share_to_heavy_at_the_average_rate']:.1%}"
        f" (3 % cost {three['core_us_per_post']:.1f} of {2e6 / AVERAGE:.1f})"
    )
    print(json.dumps(result))
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
