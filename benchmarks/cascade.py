"""What the heavy model costs in the cascade: the whole path at several shares, as ratios in one run.

    make bench-cascade              # two worker processes, half a minute for each share

The shares are of the very posts that are sent, cut by the light model's score; every text is new to
the model within a cycle and nothing is cached. Beside them, in the same run: the heavy model on every
post, a BERT-base classifier on every post (compute only), and alt-profanity-check if it is installed.
Costs are process CPU time, core-microseconds a post. The last line is one JSON object.
"""

import argparse
import json
import time

from path import bert_base, measure, ndjson

SHARES = (0.0, 0.01, 0.03, 0.05)


def core_us(results):
    return sum(result["cpu"] for result in results) / sum(result["posts"] for result in results) * 1e6


def profanity_check(texts):
    """Return core-microseconds a post of alt-profanity-check in batches of 1,000, or None."""
    try:
        from profanity_check import predict_prob
    except ImportError:
        return None
    predict_prob(texts[:1000])
    before = time.process_time()
    predict_prob(texts[:1000])
    return (time.process_time() - before) / len(texts[:1000]) * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in ndjson(1000, seed=9)]
    costs, heavy_us = {}, {}
    for share in (*SHARES, 1.0):
        results = measure(options.seconds, options.workers, share)
        costs[share] = core_us(results)
        posts = sum(result["posts"] for result in results)
        heavy_us[share] = sum(result["laps"]["heavy"] for result in results) / posts * 1e6
        print(f"measured {share:.0%} to heavy: {posts:,} posts", flush=True)
    bert = bert_base(texts[:64])
    others = {
        "BERT-base on every post": bert * 1e6 if bert else None,
        "alt-profanity-check on every post": profanity_check(texts),
    }
    print(f"\n{'':<36}{'core-us/post':>14}{'of it heavy':>14}{'times cheaper than all heavy':>30}")
    for share, cost in costs.items():
        name = "heavy on every post" if share == 1.0 else f"cascade, {share:.0%} to heavy"
        print(f"{name:<36}{cost:>14.1f}{heavy_us[share]:>14.1f}{costs[1.0] / cost:>30.1f}")
    for name, cost in others.items():
        print(
            f"{name:<36}"
            + (f"{cost:>14.1f}{'':>14}{costs[1.0] / cost:>30.2f}" if cost else f"{'not installed':>14}")
        )
    print(
        json.dumps(
            {
                "core_us_per_post": {f"{share:g}": round(cost, 2) for share, cost in costs.items()},
                "heavy_core_us_per_post": {f"{share:g}": round(cost, 2) for share, cost in heavy_us.items()},
                "bert_base_core_us_per_post": round(bert * 1e6) if bert else None,
                "alt_profanity_check_core_us_per_post": others["alt-profanity-check on every post"],
                "posts_per_second_on_two_free_cores": {
                    f"{share:g}": round(2e6 / cost) for share, cost in costs.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
