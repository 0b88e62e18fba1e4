"""Accounts that suddenly change: how soon the hacked ones are limited, and how often anybody else is.

    python benchmarks/account_limits.py        # --write keeps the result

A simulated world with many hacked accounts, each of which publishes a burst of lures (policy spam). Every post gets
two probabilities: `shipped` is what the shipped bundle gives it, pictures aside, which knows few lures of this
world; `able` is drawn as a head that was trained for it would give it (Beta(4, 1.5) for what breaks the policy,
Beta(0.05, 5) for what does not; no head of ours). The rule of `limit_changed` hears it with the
time at which it was published, as the path does. Counted are the posts of a burst until its account is limited,
and limits of accounts that nobody had hacked, by how many posts those published in all: `stated` is what the
policy promises of exchangeable posts; people of this world write by day and become harmful by chance. Core time is
that of the rule alone, without reading and writing pasts. The last line is JSON.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sievert.enforcement.watching import WatchedPost, answered, is_changed, with_post
from sievert.pipeline.decode import decode, to_batch
from sievert.pipeline.path import SHARES
from sievert.schema.clock import DAY, HOUR
from sievert.schema.limit import AccountPast
from sievert.schema.policy import ChangeRule
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.facets import fused
from sievert.scoring.utterances import look_at_posts
from sievert.simulation.accounts import SPAM
from sievert.simulation.records import step_records
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer

RESULT = Path(__file__).parent / "results" / "account_limits.json"
POLICY = "spam"


def world_of(options):
    """Return (account, published at, both probabilities) of all posts in time's order, and when accounts were hacked."""
    settings = WorldSettings(
        seed=20280401, creators=options.creators, posts_per_day=options.posts, harm_of_hacked=0.02
    )
    world, bundle = World(settings, Writer()), load_bundle(default_bundle_path())
    able = np.random.default_rng(1)
    end, found, hacks = settings.start + options.days * DAY, [], {}
    while True:
        step = world.advance()
        if step.tick.begin >= end:
            break
        accounts = world.accounts
        for who in np.flatnonzero(accounts.hacked_from > 0).tolist():
            hacks.setdefault(who, set()).add(
                (int(accounts.hacked_from[who]), int(accounts.hacked_until[who]))
            )
        lines = step_records(step, accounts).posts[: len(step.posts)]
        if not lines:
            continue
        read = decode(lines, max_text_bytes=1 << 16)
        posts = to_batch(read.posts, read.texts, received_at=step.tick.end)
        scored = fused(bundle, look_at_posts(bundle, posts, shares=SHARES), _unheard)
        found += zip(
            step.posts.creator.tolist(),
            step.posts.created_at.tolist(),
            scored.of(POLICY).tolist(),
            np.where(
                step.posts.policy == SPAM, able.beta(4.0, 1.5, len(lines)), able.beta(0.05, 5.0, len(lines))
            ).tolist(),
            strict=True,
        )
    return sorted(found, key=lambda one: one[1]), hacks


def _unheard(rows):
    """Say that nothing is known of behaviour: the shipped bundle has no fusion model that would ask."""
    raise AssertionError(rows)


def limited(posts, rule):
    """Return the limits (account, at), each with the number of posts before it, and core seconds."""
    pasts, limits = {}, []
    draws = 1 - np.random.default_rng(0).random((len(posts), 2))
    began = time.process_time()
    for (who, at, probability), ties in zip(posts, draws.tolist(), strict=True):
        past = pasts.get(who) or AccountPast(
            platform="default", creator_id=str(who), policy=POLICY, first_at=at, last_at=at
        )
        past = with_post(past, WatchedPost(at, probability, tuple(ties), "", "", 0), rule)
        if is_changed(past, rule):
            limits.append((who, at))
            past = answered(past, at + round(rule.for_days * DAY))
        pasts[who] = past
    return limits, time.process_time() - began


def told(posts, hacks, rule):
    """Return what a rule comes to."""
    limits, seconds = limited(posts, rule)
    times = {}
    for who, at, _ in posts:
        times.setdefault(who, []).append(at)
    delays, size = [], []
    by_past = {"fewer than 30": [], "30 or more": []}
    for who, spans in hacks.items():
        for begin, until in spans:
            burst = [at for at in times.get(who, ()) if begin - HOUR <= at < until + HOUR]
            if len(burst) < 5:
                continue
            size.append(len(burst))
            hit = [at for one, at in limits if one == who and burst[0] <= at <= burst[-1]]
            before = sum(at < burst[0] for at in times[who])
            by_past["30 or more" if before >= 30 else "fewer than 30"].append(bool(hit))
            if hit:
                delays.append(sum(at <= hit[0] for at in burst))
    hacked = set(hacks)
    wrong = sum(who not in hacked for who, _ in limits)
    calm = sum(len(some) for who, some in times.items() if who not in hacked)
    return {
        "stated": rule.false_alarm_posts,
        "bursts": len(size),
        "posts of a burst": float(np.median(size)) if size else None,
        "limited": len(delays),
        "found where so many posts came before": {
            name: f"{sum(some)} of {len(some)}" for name, some in by_past.items()
        },
        "posts until limited, median": float(np.median(delays)) if delays else None,
        "posts until limited, 90 %": float(np.quantile(delays, 0.9)) if delays else None,
        "wrongly limited": wrong,
        "posts of others": calm,
        "posts a wrong limit": calm / wrong if wrong else None,
        "core-microseconds a post": round(1e6 * seconds / len(posts), 1),
    }


def main():
    """Live the world, judge it by several rules, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creators", type=int, default=1_000)
    parser.add_argument("--posts", type=float, default=3_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    posts, hacks = world_of(options)
    rows = [
        {
            "head": head,
            **told(
                [(who, at, both[place]) for who, at, *both in posts],
                hacks,
                ChangeRule(false_alarm_posts=many),
            ),
        }
        for place, head in enumerate(("shipped", "able"))
        for many in (1_000, 5_000, 20_000, 100_000)
    ]
    for row in rows:
        print(row)
    line = json.dumps(
        {"posts": len(posts), "creators": options.creators, "days": options.days, "rules": rows}
    )
    if options.write:
        RESULT.write_text(f"{line}\n")
    print(line)


if __name__ == "__main__":
    main()
