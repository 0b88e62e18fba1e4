"""Posts and events over HTTP to one real server: how long an answer takes, and what it costs.

    python benchmarks/over_http.py --write      # about eight minutes; two cores that do little else

A `sievert up` with the shipped bundle over a folder of its own. Whatever is sent comes from a process of its own; single
posts and events come in an open loop (`tests/open_loop.py`): each has a moment at which it is due, and its latency
counts from that moment. Latencies are those of turns in which others used less than a quarter of a core (of the
calmest one where there was none); those of all turns stand beside them. In turn:

- one post a request beside `GET /health` of the same server, both at the same rate, in turns, and both on kept
  connections. Three posts in a hundred are read by the heavy model (`heavy_share`, its default, at a cut that is right
  for these texts), so that the 99th percentile has it in its path. What is added is a difference of quantiles;
- bodies of 1,000 posts from four clients that wait for their answers, to one server and to two;
- events in two open bodies, mostly views, about posts that came; an event is answered when it is durable and what it
  called for is decided and durable, so that its latency bounds that of the decision;
- what one event costs beside what a whole pass over a text costs with both models, and over a post with a picture.

Costs are CPU time of the server and of the processes that open its pictures, which neighbours hardly change. The last
line is one JSON object; `--write` puts it into benchmarks/results/over_http.json.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import httpx
import numpy as np

from killable_server import Killable
from open_loop import Elsewhere, ask_when_due, moments, request, stream_when_due
from pictures import photo
from scaled import TICKS, seconds_of_tree
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.light import light_scores
from stream import Generator

RESULT = Path(__file__).parent / "results" / "over_http.json"
BATCH, EVENTS, HEALTH = "/api/v1/posts:batch", "/api/v1/events", "/health"
POSTS = "/api/v1/posts"
BODY, CLIENTS = 1000, 4
HEAVY = b'"stage":"heavy"'
CONNECTIONS = 256
QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
CALM = 0.25  # cores that others use, in a turn that says something of latencies


def setting_for(share):
    """Return the `heavy_share` at which the heavy model reads this share of the generator's texts."""
    bundle = load_bundle(default_bundle_path())
    lines = Generator(99, 20_000).posts(20_000).split(b"\n")
    scores = light_scores(bundle, TextColumn.of([json.loads(line)["text"] for line in lines]))
    english = np.where(scores.language == 0, scores.logits[:, 0], -np.inf)
    cut = np.quantile(english, 1 - share)
    shares = np.logspace(-4, 0, 4000)
    return float(shares[np.argmin(np.abs(bundle.heavy.cut(shares) - cut))])


class Server(Killable):
    """A server with the shipped bundle, its key, and what it has cost."""

    def __init__(self, folder, **settings):
        """`settings` are environment variables."""
        super().__init__(Path(folder), default_bundle_path(), **settings)
        self.key = self.admin_key()
        self.send(self.key, BATCH, Generator(98, 4000).posts(4000))

    def cpu(self):
        """Return CPU seconds, those of its picture processes too."""
        return seconds_of_tree(self.process.pid)

    def metric(self, name):
        """Return the sum of a metric's series."""
        with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {self.key}"}) as client:
            page = client.get(f"http://127.0.0.1:{self.port}/metrics").text
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


@contextlib.contextmanager
def server(**settings):
    """Run a server over a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="sievert-http-") as folder:
        one = Server(folder, **settings)
        try:
            yield one
        finally:
            one.kill()


def busy_seconds():
    """Return the CPU seconds that all of this machine's processes used."""
    user, nice, system, _, _, irq, soft, _ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft) / TICKS


def calm(patience):
    """Wait until others use less than a quarter of a core, or no longer than so many seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        busy = busy_seconds()
        time.sleep(1.0)
        if busy_seconds() - busy < CALM:
            return


class Turns:
    """Turns of open loops, with what the server and whoever else is on the machine used meanwhile."""

    def __init__(self, one, *loops):
        self._server, self._loops = one, loops
        self.found, self.cpu, self.others = [], 0.0, []

    def take(self, *works):
        """Let each loop do one of these (what, and what it is given); keep the list of what they return."""
        began, busy, cpu = time.monotonic(), busy_seconds(), self._server.cpu()
        for loop, (work, given, named) in zip(self._loops, works, strict=True):
            loop.begin(work, self._server.port, *given, **named)
        self.found.append([loop.result() for loop in self._loops])
        cpu, wall = self._server.cpu() - cpu, time.monotonic() - began
        self.cpu += cpu
        generators = sum(loop.cpu for loop in self._loops)
        self.others.append(max(0.0, busy_seconds() - busy - cpu - generators) / wall)

    def ask(self, sent, rate):
        """Send these requests at this rate."""
        named = {"most": CONNECTIONS, "keep_bodies": True}
        self.take((ask_when_due, (sent, moments(len(sent), rate)), named))


def calm_rows(*others):
    """Return the turns in which others used little; the calmest one where there is none."""
    most = [max(some) for some in zip(*others, strict=True)]
    return [row for row, used in enumerate(most) if used < CALM] or [int(np.argmin(most))], most


def quantiles(seconds, rows=None):
    """Return the quantiles of the latencies of these turns, or all, in milliseconds."""
    some = np.concatenate([seconds[row] for row in (range(len(seconds)) if rows is None else rows)])
    return (
        {f"{word}_ms": round(float(np.quantile(some, q)) * 1000, 2) for word, q in QUANTILES}
        if len(some)
        else {}
    )


def answered(turns, rows):
    """Return what single requests of these turns came to."""
    found = [one for (one,) in turns.found]
    seconds = [one.seconds for one in found]
    return {
        **quantiles(seconds, rows),
        "all_turns": quantiles(seconds),
        "not_200": int(sum((one.status != 200).sum() for one in found)),
        "core_us": round(turns.cpu / sum(map(len, found)) * 1e6),
    }


def singles(rate, share, *, turns, patience, seconds=5):
    """Return what one post a request takes and costs beside a no-op, in turns of so many seconds."""
    each = round(rate * seconds)
    made = Generator(1, each * (turns + 1))
    with server(SIEVERT_HEAVY_SHARE=str(share)) as one, Elsewhere() as loop:
        nothing = [request("GET", HEALTH, one.key)] * each
        no_op, post = Turns(one, loop), Turns(one, loop)
        for turn in range(-1, turns):
            posts = [request("POST", POSTS, one.key, line) for line in made.posts(each).split(b"\n")]
            if turn < 0:
                Turns(one, loop).ask(posts, rate)  # so that nothing is done for the first time
            else:
                calm(patience)
                no_op.ask(nothing, rate)
                post.ask(posts, rate)
    rows, most = calm_rows(no_op.others, post.others)
    result = {
        "rate": rate,
        "requests": each * turns,
        "turns": turns,
        "calm_turns": sum(used < CALM for used in most),
        "cores_of_others_by_turn": [round(used, 2) for used in most],
        "no-op": answered(no_op, rows),
        "post": answered(post, rows),
    }
    read = [np.array([HEAVY in body for body in found.bodies]) for (found,) in post.found]
    result["read_by_heavy"] = round(float(np.concatenate(read).mean()), 4)
    result["those_read_by_heavy"] = quantiles(
        [found.seconds[which] for (found,), which in zip(post.found, read, strict=True)], rows
    )
    for word in ("p50_ms", "p99_ms"):
        result[f"added_{word}"] = round(result["post"][word] - result["no-op"][word], 2)
    result["times_the_cpu_of_a_no_op"] = round(result["post"]["core_us"] / result["no-op"]["core_us"], 1)
    return result


def send_bodies(ports_and_keys, bodies, path=BATCH):
    """Send bodies from clients that wait for answers; return wall seconds and how many posts were read by heavy."""
    waiting, lock, heavy, wrong = list(enumerate(bodies)), threading.Lock(), [], []

    def client():
        with httpx.Client(trust_env=False, timeout=120) as http:
            while True:
                with lock:
                    if not waiting:
                        return
                    number, body = waiting.pop()
                port, key = ports_and_keys[number % len(ports_and_keys)]
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
                said = http.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers).content
                heavy.append(said.count(HEAVY))
                if said.count(b'"decision"') != body.count(b"\n") + 1:
                    wrong.append(said[:300])

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"not everything was decided: {wrong[0]}")
    return time.monotonic() - began, sum(heavy)


async def _send_bodies(*given):
    return send_bodies(*given)


def bulk(posts, share, *, servers=1, number=2):
    """Return what posts in bodies of 1,000 take and cost."""
    made = Generator(number, posts)
    bodies = [made.posts(BODY) for _ in range(posts // BODY)]
    with Elsewhere() as loop, contextlib.ExitStack() as stack:
        some = [stack.enter_context(server(SIEVERT_HEAVY_SHARE=str(share))) for _ in range(servers)]
        began = sum(one.cpu() for one in some)
        wall, heavy = loop.run(_send_bodies, [(one.port, one.key) for one in some], bodies)
        cpu = sum(one.cpu() for one in some) - began
    return {
        "servers": servers,
        "posts": posts,
        "read_by_heavy": round(heavy / posts, 4),
        "posts_per_s": round(posts / wall),
        "core_us_per_post": round(cpu / posts * 1e6, 1),
        "cores_that_servers_got": round(cpu / wall, 2),
    }


def events(rate, share, *, turns, patience, seconds=5, known=100_000):
    """Return how long events take until they are counted and what they called for is decided, and what one costs."""
    made = Generator(3, known)
    with server(SIEVERT_HEAVY_SHARE=str(share)) as one, Elsewhere() as first, Elsewhere() as second:
        for _ in range(known // BODY):
            one.send(one.key, BATCH, made.posts(BODY))
        told, sent = Turns(one, first, second), []
        anew = one.metric("sievert_posts_decided_anew_total")
        for turn in range(turns):
            lines = [
                line.replace(b'"id":"e', b'"id":"e%d-' % turn) + b"\n"
                for line in made.events(round(rate * seconds)).split(b"\n")
            ]
            due = moments(len(lines), rate)
            calm(patience)
            told.take(
                *((stream_when_due, (one.key, EVENTS, lines[half::2], due[half::2]), {}) for half in (0, 1))
            )
            sent.append([line for half in (0, 1) for line in lines[half::2]])
        anew = one.metric("sievert_posts_decided_anew_total") - anew
    rows, most = calm_rows(told.others)
    waited = [np.concatenate([waits for waits, _ in found]) for found in told.found]
    reports = [
        waits[[b'"kind":"report"' in line for line in lines]]
        for waits, lines in zip(waited, sent, strict=True)
    ]
    count = sum(map(len, sent))
    return {
        "rate": rate,
        "events": count,
        "counted": sum(b'"counted":true' in one for found in told.found for _, some in found for one in some),
        "posts_decided_anew": round(anew),
        "calm_turns": sum(used < CALM for used in most),
        "cores_of_others_by_turn": [round(used, 2) for used in most],
        **quantiles(waited, rows),
        "all_turns": quantiles(waited),
        "reports": quantiles(reports, rows),
        "core_us_per_event": round(told.cpu / count * 1e6, 1),
    }


def passes(texts=3000, pictures=200):
    """Return what a whole pass costs: a text that both models read, and a post with a picture of its own."""
    made = Generator(4, texts)
    bodies = [made.posts(BODY) for _ in range(texts // BODY)]
    drawn = photo(1280, 720)
    posts = []
    for number in range(pictures):
        out = io.BytesIO()
        drawn.rotate(number * 360 / pictures).save(out, "JPEG", quality=85)
        media = [{"base64": base64.b64encode(out.getvalue()).decode()}]
        posts.append(json.dumps({"id": f"p{number}", "text": f"picture {number}", "media": media}).encode())
    with server(SIEVERT_HEAVY_SHARE="1") as one, Elsewhere() as loop:
        began = one.cpu()
        _, heavy = send_bodies([(one.port, one.key)], bodies)
        text = one.cpu() - began
        sent = [request("POST", POSTS, one.key, post) for post in posts]
        warm = loop.run(ask_when_due, one.port, sent[:20], moments(20, 10), most=2)
        began = one.cpu()
        found = loop.run(ask_when_due, one.port, sent[20:], moments(len(sent) - 20, 100), most=4)
        picture = one.cpu() - began
        words = one.metric('sievert_pictures_total{what="read')
    assert (warm.status == 200).all(), warm.status
    return {
        "text_core_us": round(text / texts * 1e6),
        "text_read_by_heavy": round(heavy / texts, 3),
        "picture_core_us": round(picture / len(found) * 1e6),
        "pictures": len(found),
        "pictures_not_200": int((found.status != 200).sum()),
        "pictures_read_for_words": round(words),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rate", type=float, default=300.0, help="single posts a second")
    parser.add_argument("--events", type=float, default=5000.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of single posts, and of events")
    parser.add_argument("--patience", type=float, default=5.0, help="seconds to wait for a calm turn")
    parser.add_argument("--posts", type=int, default=300_000, help="in bodies, to one server")
    parser.add_argument("--only", nargs="*", choices=("singles", "bulk", "events", "passes"))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    turns = max(1, round(args.seconds / 5))
    one, three = setting_for(0.01), setting_for(0.03)
    work = {
        "singles": lambda: singles(args.rate, three, turns=turns, patience=args.patience),
        "bulk": lambda: [
            bulk(args.posts, one),
            bulk(args.posts, one, servers=2, number=5),
            bulk(args.posts // 3, three, number=6),
        ],
        "events": lambda: events(args.events, one, turns=turns, patience=args.patience),
        "passes": passes,
    }
    result = {}
    for name, measure in work.items():
        if not args.only or name in args.only:
            result[name] = measure()
            print(name, json.dumps(result[name], indent=1), flush=True)
    if {"events", "passes"} <= {*result}:
        event = result["events"]["core_us_per_event"]
        result["event_beside_a_pass"] = {
            "text": round(result["passes"]["text_core_us"] / event, 1),
            "picture": round(result["passes"]["picture_core_us"] / event, 1),
        }
        print("a pass costs so many events:", result["event_beside_a_pass"])
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
