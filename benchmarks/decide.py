"""The rule alone: decisions a second of one core, on whole batches.

    python benchmarks/decide.py --write

200,000 posts of five policies, live and certified, with forecasts. Of each policy's probabilities the
stated share crosses the rule (review at 0.30), spread evenly above it, the rest is far below; the shares
are of posts that cross any policy. Reasons are made for posts that are not plainly allowed, and for no
others. CPU time of `policy.rules.decide`, the best and the median of some repetitions: other work on the
machine makes a repetition slower, never quicker. Scoring and recording are not part of it.
"""

import argparse
import json
import os
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from sievert.policy.loading import policy_set
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.certificate import Certificate, Running, terms_of
from sievert.schema.policy import Mode, Policy
from sievert.schema.post import Post
from sievert.testing import START, batch_of

RESULT = Path(__file__).parent / "results" / "decide.json"
POSTS = 200_000
NAMES = ("hate", "harassment", "threat", "spam", "scam")
SHARES = (0.01, 0.10)
AIM = 1_000_000
RUNNING = Running(bundle="b@1")


def policies():
    return [
        Policy(
            name=name,
            version=1,
            category=name,
            title=name,
            mode=Mode.LIVE,
            removals_per_day=POSTS,
            reviews_per_hour=POSTS,
        )
        for name in NAMES
    ]


def certificate(policy):
    return Certificate(
        policy=policy.name,
        policy_version=1,
        terms=terms_of(policy),
        platform="default",
        bundle="b@1",
        lambda_posts=100.0,
        lambda_views=1.0,
        issued_at=START - 1,
        expires_at=START + 1,
    )


def scored(rng, share):
    """Return a batch of which a share of posts crosses one of the policies."""
    p = rng.uniform(0.0, 0.05, (POSTS, len(NAMES))).astype(np.float32)
    crossing = rng.random(POSTS) < share
    p[crossing, rng.integers(0, len(NAMES), int(crossing.sum()))] = rng.uniform(0.3, 1.0, int(crossing.sum()))
    return ScoredBatch(
        bundle="b@1",
        heads=NAMES,
        harm=p.max(axis=1),
        policies=p,
        language=np.zeros(POSTS, np.int8),
        stage=np.zeros(POSTS, np.int8),
    )


def measure(share, posts, repetitions):
    rng = np.random.default_rng(1)
    batch = scored(rng, share)
    stated = policies()
    certificates = [certificate(one) for one in stated]
    forecast = np.minimum(rng.pareto(1.3, POSTS) * 20, 200_000).astype(np.float32)
    seconds = []
    for _ in range(repetitions):
        began = time.process_time()
        decided = decide(
            posts,
            batch,
            policies=policy_set(stated),
            certificates=certificates,
            forecast=forecast,
            review_room={one.name: one.reviews_per_hour for one in stated},
            now=START,
            running=RUNNING,
        )
        seconds.append(time.process_time() - began)
    reasons = len(decided.reasons)
    assert abs(reasons / POSTS - share) < 0.002
    assert len(decided.removed_for) > 0.05 * reasons
    return {
        "crossing": share,
        "decisions_per_core_second": round(POSTS / min(seconds)),
        "median": round(POSTS / float(np.median(seconds))),
        "microseconds_per_crossing_post": round(min(seconds) / reasons * 1e6, 1),
        "removed": len(decided.removed_for),
        "asked": len(decided.queued_for),
        "reasons": reasons,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    chosen = parser.parse_args()
    posts = batch_of([Post(id=f"p{i}", text="a") for i in range(POSTS)])
    rows = [measure(share, posts, chosen.repetitions) for share in SHARES]
    print(f"{'crossing':>9} {'decisions a core-second':>24} {'median':>12} {'us a crossing post':>19}")
    for row in rows:
        print(
            f"{row['crossing']:>9.0%} {row['decisions_per_core_second']:>24,} {row['median']:>12,} "
            f"{row['microseconds_per_crossing_post']:>19}"
        )
    result = {
        "posts": POSTS,
        "policies": len(NAMES),
        "aim": AIM,
        "decisions_per_core_second": rows[0]["decisions_per_core_second"],
        "rows": rows,
    }
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=4) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
