"""Whom a case is given first: harmful views prevented per 1,000 reviews, by our order and by three others.

    python benchmarks/review_order.py                  # about a minute on one core
    python benchmarks/review_order.py --seeds 24 --write

The posts of a day of a simulated network (`sievert.simulation`), with the views, reports and brigades that it
gives them, go before people if they are likely enough to harm. One reviewer at a time works around the clock and cannot
look at all of them. The orders compared: first in, first out; most reported; highest probability; and ours,
the functions that serve (`review/order.py`), which learn how long a look takes while the day goes on, with and
without the share of claims that is drawn at random. What is prevented are the views that a harmful post would
still have had when it was found.

Probabilities are calibrated by construction: normal evidence that tells harmful from harmless by 2.5 standard
deviations. Forecasts are wrong by a factor of about 2 either way. How fast views fade differs from post to post,
and is not what the order assumes. The policies take 30, 60, 90 and 150 seconds a look, by LABELLED.

Ours is made for minutes: by the hour it prevents most. By the review the highest probability prevents some 4 % more,
since ours takes more and shorter looks in the same time.

Intervals are at 95 %, over seeds (Student's t), of means and of paired differences. The last line is one JSON
object; `--write` puts it into benchmarks/results/review_order.json.
"""

import argparse
import dataclasses
import heapq
import json
import math
import time
from pathlib import Path

import numpy as np

from sievert.measurement.quantiles import beta_quantile
from sievert.review.order import Shares, expected_minutes, turn_of
from sievert.schema.action import Case
from sievert.schema.clock import DAY, HOUR
from sievert.schema.event import KIND_WORDS
from sievert.schema.review import Turn
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.settings import START, WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.stores.reviews.base import Pace, rank_of

RESULT = Path(__file__).parent / "results" / "review_order.json"

STEP = HOUR
STEPS = 7 * DAY // STEP  # views of the day's posts are followed for a week
SECONDS = (30.0, 60.0, 90.0, 150.0)  # a look takes, by LABELLED, on average
LOOK_SPREAD = 0.5  # of its logarithm
SEPARATION = 2.5  # standard deviations between harmful and harmless evidence
FORECAST_SPREAD = 0.7  # of the logarithm of a forecast
OPEN_FROM = 0.01  # probability from which a case is opened
REVIEWERS = 1
SHIFT = 24.0  # hours
ORDERS = ("first in, first out", "most reported", "highest probability", "ours", "ours with 5 % at random")
OURS = ORDERS[3]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The cases of a day: n of them."""

    opened: np.ndarray  # [n] hours since the day began
    policy: np.ndarray  # [n] place in LABELLED that asks
    p: np.ndarray  # [n]
    rank: np.ndarray  # [n] as the store keeps it
    harmful: np.ndarray  # [n]
    views: np.ndarray  # [n, steps + 1] seen so far, at the steps' ends
    reports: np.ndarray  # [n, steps + 1] likewise
    all_views: float  # of harmful posts of the day, cases or not


def a_day(seed):
    """Live a day and the week behind it; return its cases."""
    world = World(
        WorldSettings(
            seed=seed,
            creators=3000,
            posts_per_day=12_000,
            step=STEP,
            harm_of_toxic=0.02,
            harm_of_campaigns=0.004,
            harm_of_hacked=0.002,
            brigade=500,
        ),
        Writer(),
    )
    rng = np.random.default_rng([seed, 1])
    created, policy, seen, reported = [], [], [], []
    posts = 0
    for number in range(STEPS):
        step = world.advance()
        if number < DAY // STEP:
            posts += len(step.posts)
            created.append((step.posts.created_at - START) / HOUR)
            policy.append(step.posts.policy)
        mine = step.seen.post < posts
        seen.append((number, step.seen.post[mine], step.seen.views[mine]))
        report = step.events.kind == KIND_WORDS.index("report")
        about = step.events.post[report]
        reported.append((number, about[(about >= 0) & (about < posts)]))
    created, policy = np.concatenate(created), np.concatenate(policy)
    views, reports = np.zeros((posts, STEPS + 1)), np.zeros((posts, STEPS + 1))
    for number, about, count in seen:
        np.add.at(views[:, number + 1], about, count)
    for number, about in reported:
        np.add.at(reports[:, number + 1], about, 1)
    views, reports = views.cumsum(1), reports.cumsum(1)
    harmful = policy >= 0
    evidence = rng.normal(np.where(harmful, 0.5, -0.5) * SEPARATION**2, SEPARATION)
    p = 1 / (1 + np.exp(-(math.log(harmful.mean() / (1 - harmful.mean())) + evidence)))
    asks = np.where(harmful, policy, rng.choice(len(LABELLED), posts, p=WorldSettings().policies))
    forecast = views[:, -1] * np.exp(rng.normal(0, FORECAST_SPREAD, posts))
    opens = p >= OPEN_FROM
    ranks = [
        rank_of(_case(at, worth))
        for at, worth in zip(created[opens].tolist(), (p * (1 + forecast))[opens].tolist(), strict=True)
    ]
    return Day(
        opened=created[opens],
        policy=asks[opens],
        p=p[opens],
        rank=np.array(ranks),
        harmful=harmful[opens],
        views=views[opens],
        reports=reports[opens],
        all_views=float(views[harmful, -1].sum()),
    )


def _case(hours, worth):
    return Case(
        case_id="c",
        decision_id="d",
        platform="default",
        post_id="p",
        revision=0,
        policy="hate",
        opened_at=START + round(hours * HOUR),
        priority=worth,
    )


def work(day, order, seed):
    """Let the reviewers work for a day by an order; return reviews, views prevented and found posts."""
    rng = np.random.default_rng([seed, 2])
    looks = np.array(SECONDS)[day.policy] * np.exp(rng.normal(-(LOOK_SPREAD**2) / 2, LOOK_SPREAD, len(day.p)))
    waits = np.ones(len(day.p), bool)
    free = [(0.0, reviewer) for reviewer in range(REVIEWERS)]
    took = np.zeros(len(LABELLED)), np.zeros(len(LABELLED))
    shares = Shares(random=0.05 if order == ORDERS[4] else 0.0, gold=0.0)
    reviews, found, prevented = 0, 0, 0.0
    while free:
        now, reviewer = heapq.heappop(free)
        if now >= SHIFT:
            continue
        here = np.flatnonzero(waits & (day.opened <= now))
        if not len(here):
            later = day.opened[waits & (day.opened > now)]
            if len(later):
                heapq.heappush(free, (float(later.min()), reviewer))
            continue
        at_random = order == ORDERS[4] and turn_of(reviews, str(seed).encode(), shares) is Turn.RANDOM
        one = (
            int(rng.choice(here)) if at_random else int(here[np.argmax(_worth(day, order, here, now, took))])
        )
        waits[one] = False
        reviews += 1
        end = now + looks[one] / 3600
        if day.harmful[one]:
            found += 1
            prevented += day.views[one, -1] - _so_far(day.views[one], end)
        took[0][day.policy[one]] += 1
        took[1][day.policy[one]] += looks[one]
        heapq.heappush(free, (end, reviewer))
    return reviews, found, prevented


def _worth(day, order, here, now, took):
    if order == ORDERS[0]:
        return -day.opened[here]
    if order == ORDERS[1]:
        return day.reports[here, int(now * HOUR // STEP)] - day.opened[here] * 1e-6
    if order == ORDERS[2]:
        return day.p[here]
    paces = [
        Pace(name, "decision", *pace)
        for name, *pace in zip(LABELLED, *map(np.ndarray.tolist, took), strict=True)
    ]
    minutes = expected_minutes(paces)
    by_policy = np.array([minutes.of(name, "decision") for name in LABELLED])
    return day.rank[here] - np.log2(by_policy[day.policy[here]])


def _so_far(views, hours):
    """Return the views at a time between two steps."""
    return float(np.interp(hours * HOUR / STEP, np.arange(len(views)), views))


def interval(values):
    """Return mean, low and high at 95 % by Student's t."""
    values = np.asarray(values, float)
    n = len(values)
    x = beta_quantile(
        0.05, (n - 1) / 2, 0.5
    )  # P(|T| > t) = I_x((n - 1) / 2, 1 / 2) at x = (n - 1) / (n - 1 + t^2)
    half = math.sqrt((n - 1) * (1 - x) / x) * values.std(ddof=1) / math.sqrt(n)
    return [round(float(one), 1) for one in (values.mean(), values.mean() - half, values.mean() + half)]


def main():
    """Print the table and one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    rates = {order: [] for order in ORDERS}
    hourly = {order: [] for order in ORDERS}
    shares = {order: [] for order in ORDERS}
    found = {order: [] for order in ORDERS}
    cases, reviewed = [], []
    for seed in range(1, options.seeds + 1):
        day = a_day(seed)
        cases.append(len(day.p))
        for order in ORDERS:
            reviews, harmful, prevented = work(day, order, seed)
            rates[order].append(prevented / reviews * 1000)
            hourly[order].append(prevented / (REVIEWERS * SHIFT))
            shares[order].append(100 * prevented / day.all_views)
            found[order].append(100 * harmful / reviews)
            if order == OURS:
                reviewed.append(reviews)
    result = {
        "benchmark": "review_order",
        "seeds": options.seeds,
        "cases_a_day": interval(cases),
        "reviews_a_day": interval(reviewed),
        "orders": {
            order: {
                "prevented_per_1000_reviews": interval(rates[order]),
                "prevented_an_hour_of_a_person": interval(hourly[order]),
                "percent_of_harmful_views_prevented": interval(shares[order]),
                "percent_of_reviews_that_found_harm": interval(found[order]),
                "ours_less_this_an_hour": interval(np.array(hourly[OURS]) - hourly[order])
                if order != OURS
                else None,
                "ours_less_this_per_1000_reviews": interval(np.array(rates[OURS]) - rates[order])
                if order != OURS
                else None,
            }
            for order in ORDERS
        },
        "seconds": round(time.monotonic() - began, 1),
    }
    print(f"{options.seeds} days; cases {result['cases_a_day']}, reviews {result['reviews_a_day']}")
    print(f"{'order':<24}{'per 1,000 reviews':>28}{'an hour':>24}{'% prevented':>20}{'% harmful':>20}")
    for order, row in result["orders"].items():
        told = [_told(row[name]) for name in list(row)[:4]]
        print(f"{order:<24}{told[0]:>28}{told[1]:>24}{told[2]:>20}{told[3]:>20}")
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def _told(row):
    return f"{row[0]:,.0f} ({row[1]:,.0f} to {row[2]:,.0f})"


if __name__ == "__main__":
    main()
