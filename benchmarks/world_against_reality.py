"""How close the simulated world's views are to real series of shares.

    python benchmarks/world_against_reality.py --data DATA --out docs/images

DATA/views holds the series: news items with their cumulative shares in 144 slices of 20 minutes. The
world is run in the same slices, and posts are followed for the same 48 hours. No public set tells views,
so shapes are compared, not sizes: how unequal totals are, how their tail falls, when half has come.
The last line is one JSON object.
"""

import argparse
import csv
import gzip
import json
from pathlib import Path

import numpy as np

from sievert.schema.clock import HOUR
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.line_plot import plot

SLICES = 144
SERIES = {"Facebook": "Facebook_Palestine.csv.gz", "Google+": "GooglePlus_Palestine.csv.gz"}
OFTEN = 10
"""Items with fewer than this many in all say nothing about when half of it came."""


def real(path):
    """Return cumulative shares [items, slices] from publication."""
    with gzip.open(path, "rt") as lines:
        rows = list(csv.reader(lines))[1:]
    table = np.array(rows, dtype=float)[:, 1:]
    born = (table >= 0).argmax(axis=1)
    places = np.minimum(born[:, None] + np.arange(SLICES), SLICES - 1)
    return np.maximum(np.take_along_axis(table, places, axis=1), 0)


def simulated(creators, days, seed):
    """Return cumulative views [posts, slices] and the degrees of the world's graph."""
    world = World(WorldSettings(seed=seed, creators=creators, step=HOUR // 3), Writer())
    born, slices = [], []
    for number in range(days * 72):
        step = world.advance()
        born += [number] * len(step.posts)
        slices.append(step.seen)
    born = np.array(born)
    whole = np.flatnonzero((born >= 72) & (born + SLICES < days * 72))
    row = np.full(len(born), -1)
    row[whole] = np.arange(len(whole))
    counted = np.zeros((len(whole), SLICES))
    for number, seen in enumerate(slices):
        age = number - born[seen.post]
        inside = (row[seen.post] >= 0) & (age < SLICES)
        counted[row[seen.post[inside]], age[inside]] += seen.views_without[inside]
    return counted.cumsum(axis=1), world.network.followers


def gini(totals):
    ordered = np.sort(totals)
    return float(1 - 2 * ((np.cumsum(ordered) / ordered.sum()).sum() - 0.5) / len(ordered))


def tail(totals, share):
    """Return Hill's estimate of the tail exponent over the largest share of all totals."""
    ordered = np.sort(totals)[::-1]
    count = max(10, int(len(ordered) * share))
    return float(1 / np.log(ordered[:count] / ordered[count]).mean())


def half(series):
    """Return quartiles of the hours from the first to half of all, among items with enough."""
    often = series[series[:, -1] >= OFTEN]
    first = (often > 0).argmax(axis=1)
    reached = (often >= often[:, -1:] / 2).argmax(axis=1)
    return [float(one) for one in np.percentile(reached - first, [25, 50, 75]) / 3]


def described(series):
    totals = series[:, -1]
    positive = np.sort(totals[totals > 0])[::-1]
    return {
        "items": len(totals),
        "mean": round(float(totals.mean()), 2),
        "gini": round(gini(totals), 3),
        "gini of items with any": round(gini(positive), 3),
        "share of the top 1 %": round(float(positive[: len(totals) // 100].sum() / positive.sum()), 3),
        "tail, top 1 %": round(tail(totals, 0.01), 2),
        "tail, top 4 %": round(tail(totals, 0.04), 2),
        "hours to half": [round(one, 1) for one in half(series)],
    }


def exceeding(totals):
    """Return (x, share of items with at least x), x in means."""
    ordered = np.sort(totals[totals > 0] / totals.mean())
    share = 1 - np.arange(len(ordered)) / len(totals) - (totals == 0).mean()
    places = np.unique(np.geomspace(1, len(ordered), 120).astype(int)) - 1
    places = np.unique(np.concatenate((places, len(ordered) - 1 - places)))
    return ordered[places], share[places]


def arrived(series):
    """Return the mean share of all that has come, by hours since publication."""
    often = series[series[:, -1] >= OFTEN]
    return np.arange(1, SLICES + 1) / 3, (often / often[:, -1:]).mean(axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--creators", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    worlds, followers = simulated(options.creators, options.days, options.seed)
    series = {"world": worlds} | {name: real(options.data / "views" / file) for name, file in SERIES.items()}
    found = {name: described(one) for name, one in series.items()}
    names = list(found["world"])
    print(f"{'':<24}" + "".join(f"{name:>20}" for name in found))
    for name in names:
        print(f"{name:<24}" + "".join(f"{found[one][name]!s:>20}" for one in found))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "world-totals.svg").write_text(
        plot(
            title="Few items get most",
            across="total within 48 hours, in means",
            down="share of items with at least so much",
            lines={name: exceeding(one[:, -1]) for name, one in series.items()},
            logs=(True, True),
        )
    )
    (options.out / "world-time.svg").write_text(
        plot(
            title="When it comes",
            across="hours since publication",
            down="share of all that came in 48 hours",
            lines={name: arrived(one) for name, one in series.items()},
        )
    )
    degrees = np.bincount(followers)
    (options.out / "world-followers.svg").write_text(
        plot(
            title="Followers",
            across="followers",
            down="share of accounts with at least so many",
            lines={"world": (np.arange(1, len(degrees)), 1 - np.cumsum(degrees)[:-1] / degrees.sum())},
            logs=(True, True),
        )
    )
    print(json.dumps(found | {"tail of followers, top 1 %": round(tail(followers, 0.01), 2)}))


if __name__ == "__main__":
    main()
