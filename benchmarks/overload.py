"""Five times what a server carries, for a minute: who is turned away, what memory does, how soon it is over.

    python benchmarks/overload.py --write      # about eight minutes

A `sievert up` with the shipped bundle and the compute dial on (`path_cores` 0.9); 3 posts in 100 are the heavy
model's. What it carries is measured first, by clients that wait for their answers: single posts, and bodies of 1,000.
Then posts come in an open loop at five times that rate (`tests/open_loop.py`), whatever becomes of them, on up to 2,000
connections: twice what a server takes; who cannot send, or hears nothing, for ten seconds gives up. Told of each:
how many are answered 200, how many 429, whether each 429 says when to come back, how long those that are taken wait,
the server's memory before, at most, and after, and the seconds from the storm's last request until twenty single posts
running are answered as soon as before it.

At last the server is left alone until it has looked at the posts that the heavy model skipped; of those decisions it
is told whether they were made in order of expected harm. The last line is one JSON object; `--write` puts it into
benchmarks/results/overload.json.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import httpx
import numpy as np

from open_loop import Elsewhere, ask_when_due, moments, request
from over_http import BATCH, BODY, POSTS, server, setting_for
from stream import Generator

RESULT = Path(__file__).parent / "results" / "overload.json"
TIMES = 5
CALM_POSTS = 200
SOON = 20  # single posts running that must be quick again
AT_ONCE = 64
PATIENCE = 10.0  # seconds until whoever sent, or could not send, gives up
CONNECTIONS = 2000  # twice as many as a server takes, unless it is told otherwise
DISTINCT = 100  # bodies of other texts; later ones have the same texts and other ids


class Renumbered:
    """Requests with the texts of some bodies and ids of their own, written when they are sent."""

    def __init__(self, bodies, count, key, *, path, kind, mark):
        self._bodies, self._count, self._key = bodies, count, key
        self._path, self._kind, self._mark = path, kind, mark

    def __len__(self):
        return self._count

    def __getitem__(self, number):
        if number >= self._count:
            raise IndexError
        body = self._bodies[number % len(self._bodies)]
        body = body.replace(b'"id":"', f'"id":"{self._mark}{number}-'.encode())
        return request("POST", self._path, self._key, body, kind=self._kind)


def memory_mb(pid):
    """Return what a process holds that only it can give back."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1000


def stormed(one, loop, bodies, *, seconds, path, kind, mark):
    """Measure what the server carries, then send five times as much; return what came of it."""
    each = bodies[0].count(b'"id":"')
    named = {"path": path, "kind": kind}
    # Due at once on few connections: each is sent when another is answered.
    carried = Renumbered(bodies, max(AT_ONCE, 10_000 // each), one.key, mark=f"{mark}c", **named)
    found = loop.run(
        ask_when_due, one.port, carried, np.zeros(len(carried)), most=min(AT_ONCE, 8 * 1000 // each)
    )
    assert (found.status == 200).all(), found.status
    rate = len(carried) / float(found.seconds.max())
    calm = probe(one, loop, f"{mark}k")
    sent = Renumbered(bodies, round(TIMES * rate * seconds), one.key, mark=mark, **named)
    memory = [memory_mb(one.process.pid)]
    loop.begin(
        ask_when_due, one.port, sent, moments(len(sent), TIMES * rate), most=CONNECTIONS, patience=PATIENCE
    )
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(0.25)
        memory.append(memory_mb(one.process.pid))
    ended = time.monotonic()
    with httpx.Client(trust_env=False, timeout=60) as client:
        quick, number = 0, 0
        while quick < SOON and time.monotonic() - ended < 120:
            asked = time.monotonic()
            post = {"id": f"{mark}p{number}", "text": "is it over?"}
            url, headers = f"http://127.0.0.1:{one.port}{POSTS}", {"Authorization": f"Bearer {one.key}"}
            try:
                status = client.post(url, json=post, headers=headers).status_code
            except httpx.TransportError:
                status = 0
            number += 1
            quick = quick + 1 if status == 200 and time.monotonic() - asked <= 2 * calm else 0
            memory.append(memory_mb(one.process.pid))
            time.sleep(0.02)
        over = time.monotonic() - ended
    found = loop.result()
    taken, away = found.status == 200, found.status == 429
    return {
        "carries_per_s": round(rate * each),
        "sent_per_s": round(TIMES * rate * each),
        "requests": len(sent),
        "posts_a_request": each,
        "taken": round(float(taken.mean()), 4),
        "turned_away": round(float(away.mean()), 4),
        "turned_away_with_retry_after": round(float((found.retry_after[away] >= 1).mean()), 4)
        if away.any()
        else None,
        "neither": {
            str(what): int((found.status == what).sum()) for what in {*found.status.tolist()} - {200, 429}
        },
        "taken_posts_per_s": round(float(taken.sum()) * each / seconds),
        "taken_wait_s": waits(found.seconds[taken]),
        "turned_away_wait_s": waits(found.seconds[away]),
        "calm_p99_ms": round(calm * 1000, 1),
        "last_sent_s": round(found.last_sent, 1),
        "seconds_until_quick_again": round(max(0.0, ended - began + over - found.last_sent), 1),
        "memory_mb": {
            "before": round(memory[0]),
            "most": round(max(memory)),
            "after": round(memory_mb(one.process.pid)),
        },
    }


def waits(seconds):
    """Return quantiles of waits, where anybody waited."""
    some = np.quantile(seconds, (0.5, 0.99)) if len(seconds) else (0.0, 0.0)
    return {"p50": round(float(some[0]), 2), "p99": round(float(some[1]), 2)}


def probe(one, loop, mark):
    """Return the 99th percentile of single posts when nothing else is asked."""
    posts = [json.dumps({"id": f"{mark}{n}", "text": f"quiet now {n}"}).encode() for n in range(CALM_POSTS)]
    sent = [request("POST", POSTS, one.key, post) for post in posts]
    return float(np.quantile(loop.run(ask_when_due, one.port, sent, moments(CALM_POSTS, 40)).seconds, 0.99))


def caught_up(one, *, patience):
    """Wait until nothing that was skipped waits any more; return how that went, and in which order."""
    began = time.monotonic()
    waited = one.metric("sievert_skipped_waiting")
    since = int(time.time() * 1e6)
    while one.metric("sievert_skipped_waiting") and time.monotonic() - began < patience:
        time.sleep(1)
    seconds, left = time.monotonic() - began, one.metric("sievert_skipped_waiting")
    looked, cursor = [], ""
    headers = {"Authorization": f"Bearer {one.key}"}
    with httpx.Client(trust_env=False, headers=headers, timeout=60) as client:
        while cursor is not None:
            page = client.get(
                f"http://127.0.0.1:{one.port}/api/v1/decisions",
                params={"since": str(since), "limit": "1000", **({"cursor": cursor} if cursor else {})},
            ).json()
            looked += [item for item in page["items"] if item["trigger"] == "dial"]
            cursor = page["cursor"]
    return {
        "waited": round(waited),
        "left": round(left),
        "seconds": round(seconds, 1),
        "decisions_by_dial": len(looked),
        "skipped": {
            what: round(one.metric(f'sievert_skipped_posts_total{{what="{what}"'))
            for what in ("queued", "looked_at", "dropped", "expired")
        },
        **in_order(one, looked),
    }


def in_order(one, looked, *, most=600):
    """Tell how many pairs of posts from different turns were looked at in order of expected harm.

    Expected harm as the light model and the forecast had it when a post came: probability times views (and one).
    """
    some = looked[:: max(1, len(looked) // most)]
    moments_and_harm = []
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {one.key}"}, timeout=60) as client:
        for item in some:
            trail = client.get(f"http://127.0.0.1:{one.port}{POSTS}/{item['post_id']}").json()["decisions"]
            first = trail[0]
            moments_and_harm.append(
                (item["decided_at"], first["probability"] * (1 + (first["forecast"] or 0)))
            )
    at, harm = np.array(moments_and_harm).reshape(-1, 2).T
    earlier = at[:, None] < at[None, :]
    right = harm[:, None] >= harm[None, :] * (1 - 1e-6)
    return {
        "pairs_in_order": round(float(right[earlier].mean()), 4) if earlier.any() else None,
        "turns": len({*at.tolist()}),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=180.0, help="seconds to wait for what was skipped")
    parser.add_argument("--only", nargs="*", choices=("singles", "bodies"), default=["singles", "bodies"])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    made = Generator(11, 1_000_000)
    kinds = {
        "singles": ([*made.posts(20_000).split(b"\n")], POSTS, "application/json"),
        "bodies": ([made.posts(BODY) for _ in range(DISTINCT)], BATCH, "application/x-ndjson"),
    }
    result = {}
    with (
        server(SIEVERT_HEAVY_SHARE=str(setting_for(0.03)), SIEVERT_PATH_CORES="0.9") as one,
        Elsewhere() as loop,
    ):
        for name in args.only:
            bodies, path, kind = kinds[name]
            result[name] = stormed(
                one, loop, bodies, seconds=args.seconds, path=path, kind=kind, mark=name[0]
            )
            print(name, json.dumps(result[name], indent=1), flush=True)
        result["skipped"] = caught_up(one, patience=args.patience)
        print("skipped", json.dumps(result["skipped"], indent=1), flush=True)
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
