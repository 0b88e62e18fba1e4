"""What a world costs: posts and events a second, and peak memory, at several sizes.

    python benchmarks/simulation.py                        # 10,000, 100,000 and 1,000,000 posts
    python benchmarks/simulation.py --posts 10000 --images

Each size runs in a process of its own and writes its whole history as Parquet into a temporary folder.
A world of N posts has N / 10 creators and lasts 20 days in steps of an hour. The last line is one JSON
object; it is written to benchmarks/results/simulation.json with --write.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAYS = 20
RESULTS = Path(__file__).parent / "results" / "simulation.json"


def measure(posts, *, images):
    """Write a world of about so many posts; return what it took."""
    from sievert.simulation.recording import Extra, write_history
    from sievert.simulation.settings import WorldSettings
    from sievert.simulation.world import World
    from sievert.simulation.writer import Writer

    settings = WorldSettings(creators=posts // 10, posts_per_day=posts / DAYS)
    most_active = 0
    began, used = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        world = World(settings, Writer())

        def watch(*_):
            nonlocal most_active
            most_active = max(most_active, world.active_posts)

        counts = write_history(
            world, Path(folder), watch, steps=DAYS * 24, extras=[Extra.IMAGES] if images else []
        )
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "posts": counts.posts,
        "events": counts.events,
        "images": counts.images,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "active_posts": most_active,
        "disk_mb": round(size / 1e6),
        "harmful": round(counts.harmful / counts.posts, 5),
        "top_views": round(counts.top_views, 3),
    }


def in_its_own_process(posts, *, images):
    command = [sys.executable, __file__, "--one", str(posts), *(["--images"] if images else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, images=options.images)))
        return
    print(
        f"{'posts':>10}{'events':>12}{'seconds':>10}{'events/s':>10}{'peak MB':>10}{'active':>10}{'disk MB':>10}"
    )
    found = []
    for posts in options.posts:
        one = in_its_own_process(posts, images=options.images)
        found.append(one)
        print(
            f"{one['posts']:>10,}{one['events']:>12,}{one['seconds']:>10.1f}"
            f"{one['events'] / one['seconds']:>10,.0f}{one['peak_mb']:>10,}{one['active_posts']:>10,}"
            f"{one['disk_mb']:>10,}",
            flush=True,
        )
    line = json.dumps({"days": DAYS, "worlds": found})
    if options.write:
        RESULTS.write_text(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
