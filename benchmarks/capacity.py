"""How many machines a billion posts a day need: a simulated day in queues, with service times that were measured here.

    python benchmarks/capacity.py --write      # about half a minute

A day at a large platform in steps of a second: posts by the hour of the day, with bursts; three posts in ten have a
picture; views come as events that tell of many at once. What a post brings passes several kinds of place: cores that
take requests, cores that open pictures, cores that decide (about posts, and events beside them), PostgreSQL, and the
one place to write of its creator's schema, which takes what waits in batches. Work arrives at random (Poisson, bursts
above it) and waits where a place is busy; places are sized for the busiest hour with room to spare, and one machine
more. In the busiest hour one machine of each kind dies for ten minutes; its work goes to the others once that is
noticed. Then everything comes in larger and larger multiples, to see what breaks first.

Service times are read from benchmarks/results: `stream.json` (texts and events), `pictures.json`,
`picture_words.json`, `one_writer.json`, `scaled.json`; what of it is assumed is named in `Assumed`. Cores are those
of the machine that measured. The last line is one JSON object; `--write` puts it into
benchmarks/results/capacity.json.
"""

import argparse
import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
RESULT = RESULTS / "capacity.json"
DAY, HOUR = 86_400, 3600
MOST_POSTS, MOST_EVENTS = 2000, 2000  # of a batch
SOON = 0.25  # seconds until a post is durable
BEHIND = 60.0  # seconds
REDIS_SLOTS = 16_384


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assumed:
    """What nobody measured here: the platform, and the machines that one would rent."""

    posts_a_day: float = 1e9
    views_a_day: float = 1e11
    pictured: float = 0.3  # posts with a picture
    pictures_seen_before: float = 0.2  # copies, known by their hash
    pictures_written_on: float = 0.25  # in between photographs (14 % noticed) and memes (all)
    views_an_event: float = 20.0  # platforms tell views of a post together
    other_events: float = 0.25  # reactions, comments, reports for each event of views, as in stream.py
    busiest_hour: float = 2.0  # times the mean
    bursts_a_day: int = 6
    burst: float = 1.5  # times what comes otherwise, for some minutes
    room: float = 0.7  # of each place, used in the busiest hour without bursts
    cores: int = 32  # of a machine
    noticed_seconds: int = 10  # until a load balancer leaves a dead machine out
    dead_seconds: int = 600
    machine_hour: float = 1.6  # money for one hour of one machine, whatever the currency
    latent_bytes: float = (
        4096.0  # of what encoders made of one post: two vectors of 384 numbers, and its name
    )


def measured():
    """Return costs in core-seconds, and sizes in bytes, from files that benchmarks wrote."""
    found = {
        name: json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("stream", "pictures", "picture_words", "one_writer", "scaled")
    }
    runs = found["stream"]["runs"]
    one, told = runs["1 % to heavy"], runs["1 % to heavy and 2 events a post"]
    events = sum(cost for stage, cost in told["stages"].items() if stage.startswith("event"))
    queued = found["scaled"]["two api, two workers"]["core_us_per_post"]
    reading = [one["core_ms"] for one in found["picture_words"]["reading"].values()]
    writer = found["one_writer"]
    return {
        "light": (one["core_us_per_post"] - one["stages"]["heavy"]) / 1e6,
        "heavy": one["stages"]["heavy"] / one["read_by_heavy"] / 1e6,
        "request": (queued["api"] + queued["nats"]) / 1e6,
        "event": events / (told["events"] / told["posts"]) / 1e6,
        "picture": found["pictures"]["core_ms"]["720p JPEG"]["process"] / 1e3,
        "picture_known": found["pictures"]["core_ms"]["720p JPEG"]["cache hit"] / 1e3,
        "words": float(np.median(reading)) / 1e3,
        "picture_bytes": found["pictures"]["bytes"]["720p JPEG"],
        "post_bytes": one["bytes_per_post"],
        "event_bytes": (told["bytes_per_post"] - one["bytes_per_post"]) / (told["events"] / told["posts"]),
        "held_batch": writer["held_ms_per_batch_of_posts"] / 1e3,
        "held_post": writer["held_us_per_post"] / 1e6,
        "held_batch_of_events": writer["held_ms_per_batch_of_events"] / 1e3,
        "held_event": writer["held_us_per_event"] / 1e6,
        "postgres": writer["postgres_us_per_post"] / 1e6,
        "postgres_event": writer["postgres_us_per_event"] / 1e6,
        "memory_a_worker_mb": max(one["memory_mb"].values()) / 2,
    }


def arrivals(assumed, rng):
    """Return posts for each second of a day."""
    at = np.arange(DAY)
    wave = 1 + (assumed.busiest_hour - 1) * np.sin(2 * np.pi * (at / DAY - 0.5))
    rate = assumed.posts_a_day / DAY * np.maximum(wave, 0.05)
    for _ in range(assumed.bursts_a_day):
        start, long = int(rng.integers(0, DAY)), int(rng.integers(120, 900))
        rate[start : start + long] *= assumed.burst
    return rng.poisson(rate).astype(float)


def pictures_cost(assumed, costs):
    """Return the core-seconds that a post's picture takes in the mean, over all posts."""
    new = costs["picture"] + assumed.pictures_written_on * costs["words"]
    seen = assumed.pictures_seen_before
    return assumed.pictured * ((1 - seen) * new + seen * costs["picture_known"])


def events_a_post(assumed):
    """Return how many events come for each post."""
    return assumed.views_a_day / assumed.posts_a_day / assumed.views_an_event * (1 + assumed.other_events)


def places(assumed, costs, share):
    """Return the core-seconds that one post, with its picture and its events, takes at each kind of place."""
    events = events_a_post(assumed)
    return {
        "requests": costs["request"] * (1 + events / 3),  # an event is a third as long as a post
        "pictures": pictures_cost(assumed, costs),
        "decisions": costs["light"] + share * costs["heavy"] + events * costs["event"],
        "postgres": costs["postgres"] + events * costs["postgres_event"],
    }


def queue(work, capacity):
    """Return seconds that work waits before it is begun, for each second of the day (Lindley, in fluid)."""
    waits, backlog = np.empty(len(work)), 0.0
    for at, (came, can) in enumerate(zip(work.tolist(), capacity.tolist(), strict=True)):
        backlog = max(0.0, backlog + came - can)
        waits[at] = backlog / max(can, 1e-9)
    return waits


def machines_for(posts, cost, assumed):
    """Return how many machines carry the busiest hour with room to spare, one more than that."""
    hours = posts.reshape(24, HOUR).mean(axis=1)
    return math.ceil(hours.max() * cost / (assumed.room * assumed.cores)) + 1


def day(posts, cost, machines, assumed, *, died_at):
    """Return the waits of a day in which one machine dies in the busiest hour."""
    capacity = np.full(DAY, float(machines * assumed.cores))
    # Until it is noticed, what goes to the dead one is refused and comes again: the same work, later.
    work = posts * cost
    noticed = died_at + assumed.noticed_seconds
    late = work[died_at:noticed].sum() / machines
    work[died_at:noticed] *= 1 - 1 / machines
    work[noticed] += late
    capacity[died_at : died_at + assumed.dead_seconds] -= assumed.cores
    return queue(work, capacity)


def schema_waits(rate, events, costs, batch, rng, *, seconds=600):
    """Return waits at one schema's place to write, or None if it never catches up.

    Posts come at random; when the place is free they take it together, up to a batch; then as many events as came.
    """
    came = np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))
    waits, at, free, told = np.empty(len(came)), 0, 0.0, 0.0
    while at < len(came):
        begin = max(free, came[at])
        if begin - came[at] > 10:
            return None
        end = min(int(np.searchsorted(came, begin, side="right")), at + batch)
        free = begin + costs["held_batch"] + costs["held_post"] * (end - at)
        waits[at:end] = free - came[at:end]
        some = min(MOST_EVENTS, rate * events * begin - told)
        told += some
        free += costs["held_batch_of_events"] + costs["held_event"] * some
        at = end
    return None if rate * events * seconds - told > 10 * rate * events else waits


def schemas(peak, events, costs, rng, *, batch):
    """Return the fewest schemas at which 99 of 100 posts are durable within a quarter of a second, and that wait."""
    fewest = int(peak * (costs["held_post"] + events * costs["held_event"]))  # never free
    for count in itertools.count(max(1, fewest)):
        waits = schema_waits(peak / count, events, costs, batch, rng)
        if waits is not None and (p99 := float(np.quantile(waits, 0.99))) < SOON:
            return {"batch": batch, "schemas": count, "p99_ms": round(p99 * 1e3, 1)}
    raise AssertionError


def breaks(posts, rows, writers, assumed, costs, rng):
    """Return the multiple of the day's posts at which each kind of place is behind by more than a minute."""
    found = {}
    for name, row in rows.items():
        times = 1.0
        while True:
            waits = queue(
                posts * times * row["core_us_per_post"] / 1e6,
                np.full(DAY, float(row["machines"] * assumed.cores)),
            )
            if waits.max() > BEHIND:
                break
            times += 0.1
        found[name] = round(times, 1)
    times, peak = 1.0, float(posts.max())
    while (
        schema_waits(peak * times / writers, events_a_post(assumed), costs, MOST_POSTS, rng, seconds=60)
        is not None
    ):
        times += 0.1
    found["places to write"] = round(times, 1)
    return found


def storage(assumed, costs, share):
    """Return what a day adds to disks, and what Redis holds of what encoders made in a day."""
    events = assumed.posts_a_day * events_a_post(assumed)
    pictures = assumed.posts_a_day * assumed.pictured * (1 - assumed.pictures_seen_before)
    latents = assumed.posts_a_day * share * assumed.latent_bytes
    return {
        "posts_gb": round(assumed.posts_a_day * costs["post_bytes"] / 1e9),
        "events_gb": round(events * costs["event_bytes"] / 1e9),
        "pictures_tb": round(pictures * costs["picture_bytes"] / 1e12, 1),
        "redis_gb": round(latents / 1e9, 1),
        "redis_bytes_a_slot": round(latents / REDIS_SLOTS),
        "messages_a_second": round(assumed.posts_a_day * (1 + events_a_post(assumed)) / DAY / 100),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    assumed, costs, rng = Assumed(), measured(), np.random.default_rng(1)
    posts = arrivals(assumed, rng)
    busiest = int(posts.reshape(24, HOUR).mean(axis=1).argmax()) * HOUR
    print("measured, core-us:", {k: round(v * 1e6, 1) for k, v in costs.items() if v < 1})
    print(
        f"{posts.sum() / 1e9:.2f} billion posts, {posts.mean():,.0f} a second in the mean, "
        f"{posts[busiest : busiest + HOUR].mean():,.0f} in the busiest hour, {posts.max():,.0f} at most"
    )
    result = {
        "assumed": dataclasses.asdict(assumed),
        "measured_core_us": {k: round(v * 1e6, 1) for k, v in costs.items() if v < 1},
        "posts_a_second": {
            "mean": round(posts.mean()),
            "busiest_hour": round(posts[busiest : busiest + HOUR].mean()),
            "most": round(posts.max()),
        },
        "shares": {},
    }
    print(
        f"{'share':>6} {'place':<10}{'core-us/post':>13}{'cores, mean':>12}{'machines':>9}{'p50 ms':>8}{'p99.9 s':>9}{'longest s':>10}"
    )
    for share in (0.01, 0.03, 0.20):
        row = {}
        for name, cost in places(assumed, costs, share).items():
            machines = machines_for(posts, cost, assumed)
            waits = day(posts.copy(), cost, machines, assumed, died_at=busiest + HOUR // 2)
            row[name] = {
                "core_us_per_post": round(cost * 1e6, 1),
                "cores_mean": round(float(posts.mean()) * cost, 1),
                "machines": machines,
                "wait_p50_ms": round(float(np.median(waits)) * 1e3, 1),
                "wait_p999_s": round(float(np.quantile(waits, 0.999)), 2),
                "wait_longest_s": round(float(waits.max()), 1),
            }
            print(
                f"{share:>6.0%} {name:<10}{cost * 1e6:>13.1f}{posts.mean() * cost:>12.1f}{machines:>9}"
                f"{row[name]['wait_p50_ms']:>8.1f}{row[name]['wait_p999_s']:>9.2f}{row[name]['wait_longest_s']:>10.1f}"
            )
        machines = sum(one["machines"] for one in row.values())
        result["shares"][f"{share}"] = {
            "places": row,
            "machines": machines,
            "machine_hours_a_day": machines * 24,
            "money_a_day": round(machines * 24 * assumed.machine_hour),
            "memory_a_machine_gb": round(assumed.cores * costs["memory_a_worker_mb"] / 1e3, 1),
            "a_day": storage(assumed, costs, share),
        }
        print(
            f"{share:>6.0%} {machines} machines of {assumed.cores} cores, {machines * 24:,} machine-hours a day\n"
            f"       {result['shares'][f'{share}']['a_day']}"
        )
    events, peak = events_a_post(assumed), float(posts.max())
    result["places_to_write"] = [
        schemas(peak, events, costs, rng, batch=batch) for batch in (100, 500, MOST_POSTS)
    ]
    for one in result["places_to_write"]:
        print(
            f"batches of {one['batch']:>5,}: {one['schemas']} schemas, 99 of 100 posts durable within {one['p99_ms']} ms"
        )
    writers = result["places_to_write"][-1]["schemas"]
    result["breaks_at"] = breaks(posts, result["shares"]["0.03"]["places"], writers, assumed, costs, rng)
    print("behind by more than a minute at so many times the traffic:", result["breaks_at"])
    result["views_an_event"] = {}
    for views in (1, 5, 20, 100):
        other = dataclasses.replace(assumed, views_an_event=float(views))
        some = events_a_post(other)
        row = {
            "events_a_second": round(posts.mean() * some),
            "cores_of_decisions": round(float(posts.mean()) * places(other, costs, 0.03)["decisions"], 1),
            "cores_of_postgres": round(float(posts.mean()) * places(other, costs, 0.03)["postgres"], 1),
            "schemas": schemas(peak, some, costs, rng, batch=MOST_POSTS)["schemas"],
            "events_gb_a_day": storage(other, costs, 0.03)["events_gb"],
        }
        result["views_an_event"][str(views)] = row
        print(f"{views:>3} views told by an event:", row)
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
