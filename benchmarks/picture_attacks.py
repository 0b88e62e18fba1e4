"""What attacks by pictures cost everybody else: latency of other posts while each attack goes on.

    python benchmarks/picture_attacks.py --seconds 6

A real server with the bundle that ships, in a process of its own; in this one a client that sends one
text post after another and notes how long each takes, beside attackers that send the same hostile
picture as fast as they are answered; where a picture is read, each is another file, so that none is known. Each attack stands beside the same client with nobody attacking,
just before. Latencies are wall clock, on two cores that all share: believe the ratios.
"""

import argparse
import base64
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import httpx

from made_pictures import long_gif, png, png_chunk, saved, scene
from picture_server import answer, redirect, serving

ATTACKERS = 4
NUMBERS = itertools.count()


def inline(data):
    return {"base64": base64.b64encode(data).decode()}


def attacks(place):
    photo = saved(scene(1920, 1080, 5), "JPEG", quality=92)
    large = saved(scene(6300, 6300, 6), "PNG")
    return {
        "honest pictures": lambda: inline(
            photo[:2] + b"\xff\xfe\x00\x0a" + b"%08d" % next(NUMBERS) + photo[2:]
        ),
        "PNG bomb": inline(png(30_000, 30_000, b"x\x9c" + bytes(4000))),
        "one by 100,000": inline(png(1, 100_000, b"")),
        "truncated JPEG": inline(photo[: len(photo) // 2]),
        "GIF of 10,000 frames": inline(long_gif(10_000)),
        "largest picture that is read": lambda: inline(
            large[:33] + png_chunk(b"tEXt", b"n\0%d" % next(NUMBERS)) + large[33:]
        ),
        "slow host": {"url": f"http://{place}/slow"},
        "loopback": {"url": "http://127.0.0.1:9/"},
        "redirects": {"url": f"http://{place}/loop"},
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=6.0)
    chosen = options.parse_args()
    figures = {}

    def drip(talk):
        talk.drip([answer()[:20], *[b"x"] * 500], seconds=0.2)

    with (
        serving({"/slow": drip, "/loop": redirect("/loop")}) as host,
        tempfile.TemporaryDirectory() as folder,
        server(folder, host.place) as (address, key),
    ):
        print(
            f"{'attack':<30}{'alone: median':>14}{'p99 ms':>9}{'attacked: median':>18}{'p99 ms':>9}{'answers':>9}  told"
        )
        for name, media in attacks(host.place).items():
            alone = post_for(address, key, chosen.seconds / 2)
            ended, told = threading.Event(), []
            threads = [
                threading.Thread(target=attack, args=(address, key, media, ended, told))
                for _ in range(ATTACKERS)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            attacked = post_for(address, key, chosen.seconds)
            ended.set()
            for thread in threads:
                thread.join(60)
            statuses = sorted(set(told))
            figures[name] = {
                "alone_ms": round(statistics.median(alone), 2),
                "alone_p99_ms": round(quantile(alone), 2),
                "attacked_ms": round(statistics.median(attacked), 2),
                "attacked_p99_ms": round(quantile(attacked), 2),
                "attacks": len(told),
                "statuses": statuses,
            }
            one = figures[name]
            print(
                f"{name:<30}{one['alone_ms']:>14}{one['alone_p99_ms']:>9}{one['attacked_ms']:>18}"
                f"{one['attacked_p99_ms']:>9}{len(told):>9}  {statuses}"
            )
    print(json.dumps({"attackers": ATTACKERS, "attacks": figures}))


def quantile(found):
    return sorted(found)[int(0.99 * (len(found) - 1))]


def post_for(address, key, seconds):
    """Send one post after another; return the milliseconds of each."""
    taken = []
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            answered = client.post(
                "/api/v1/posts", json={"id": f"p{time.perf_counter_ns()}", "text": "a calm post about bread"}
            )
            assert answered.status_code == 200, answered.text
            taken.append(1e3 * (time.perf_counter() - began))
            time.sleep(0.01)
    return taken


def attack(address, key, media, ended, told):
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        while not ended.is_set():
            shown = media() if callable(media) else media
            record = {"id": f"a{time.perf_counter_ns()}", "text": "look", "media": [shown]}
            told.append(client.post("/api/v1/posts", json=record).status_code)


class server:  # noqa: N801  used as a function
    """A server in a process of its own."""

    def __init__(self, folder, place):
        self.folder, self.place = folder, place

    def __enter__(self):
        environ = {
            **os.environ,
            "SIEVERT_DATA_FOLDER": str(Path(self.folder) / "data"),
            "SIEVERT_PORT": "8699",
            "SIEVERT_FETCH_PRIVATE_HOSTS": self.place,
            "SIEVERT_FETCH_SECONDS": "3",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sievert", "up"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        address, key = "http://127.0.0.1:8699", None
        for line in self.process.stdout:
            words = [word for word in line.split() if word.startswith("sk_")]
            key = key or (words[0] if words else None)
            if key:
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        for _ in range(600):
            try:
                if httpx.get(f"{address}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return address, key

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


if __name__ == "__main__":
    main()
