"""Grandma's account is hacked: how many posts, seen how often, until a decision could use it.

    python benchmarks/creators_hacked.py        # --write keeps the result

A simulated world with many hacked accounts, each taken over for some hours, after a login from far away, to
publish a burst. Two models score each post when it comes by what is known of its creator alone, and not by what
it says: `vector` hears the creator's vector as of the midnight before, `vector and tallies` hears the live tallies
of the creator's other posts beside it. Both are boosted trees, learned on the first half of the world's
time and its truth; each may flag 1 % of the harmless posts of the second half (its cut is set on the first).
Counted are a burst's posts, and the views that these had, until the first one that is flagged; of a burst that
is never flagged all count. The last line is JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict

from sievert.datasets.creator_history import read_creator_history
from sievert.features.behaviour.rows import CREATORS, BehaviourSpec
from sievert.schema.clock import DAY
from sievert.schema.history import NOBODY
from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.creator_data import data_of
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import embedded, train_creators
from sievert.training.recipes import read_recipe

RESULT = Path(__file__).parent / "results" / "creators_hacked.json"
FALSE_ALARMS = 0.01


def vectors_at_midnight(history, begin, days, folder):
    """Return vectors [days, a, e] as of each day's beginning, by a GraphSAGE that learned links on the first."""
    asked = (
        "foretells={violations: 0.0, links: 1.0, reports: 0.0}",
        "learning={epochs: 2, rate: 0.005}",
        "fanouts=[10,5]",
        "vector=16",
    )
    model, _ = train_creators(
        read_recipe(CreatorsRecipe, overrides=asked), data_of(history, begin + DAY), Path(folder) / "run"
    )
    everybody = np.arange(history.accounts)
    return np.stack(
        [
            embedded(model, data_of(history, begin + day * DAY), everybody, seed=0)[0].numpy()
            for day in range(days)
        ]
    )


def scored(columns, harmful, first):
    """Return scores [n] of posts; those of the first half by cross-fitting, so that a cut can be set on them."""
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=0)
    out = np.empty(len(harmful))
    out[first] = cross_val_predict(model, columns[first], harmful[first], cv=3, method="predict_proba")[:, 1]
    out[~first] = model.fit(columns[first], harmful[first]).predict_proba(columns[~first])[:, 1]
    return out


def until_flagged(history, bursts, rows, came, flagged):
    """Return posts and views of each burst until the first post that is flagged, and whether one is."""
    posts, views, found = [], [], []
    for burst in bursts:
        hit = np.flatnonzero(flagged[burst])
        end = int(hit[0]) if len(hit) else len(burst)
        at = came[burst[end]] if len(hit) else np.iinfo(np.int64).max // 4
        before = rows[burst[:end]]
        posts.append(end)
        views.append(int(history.behaviour.views(before, np.full(len(before), at)).sum()) if end else 0)
        found.append(bool(len(hit)))
    return {
        "flagged": float(np.mean(found)),
        "posts_before_median": float(np.median(posts)),
        "posts_before_mean": round(float(np.mean(posts)), 2),
        "views_before_median": float(np.median(views)),
        "views_before_mean": round(float(np.mean(views)), 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--creators", type=int, default=5000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock, result = time.process_time(), {"creators": options.creators, "days": options.days}
    settings = WorldSettings(
        seed=20280102, creators=options.creators, posts_per_day=options.creators, harm_of_hacked=0.006
    )
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        write_history(
            World(settings, Writer()), world, lambda *_: None, steps=options.days * DAY // settings.step
        )
        history = read_creator_history(world)
        kinds = pq.read_table(world / "accounts.parquet", columns=["id", "kind"])
        truth = pq.read_table(world / "truth.parquet", columns=["post_id", "harmful"])
        vectors = vectors_at_midnight(history, settings.start, options.days, folder)
    posts = history.history.posts
    rows = np.flatnonzero((posts.revision == 0) & (posts.creator != NOBODY))
    rows = rows[np.argsort(posts.received_at[rows], kind="stable")]
    came, creator = posts.received_at[rows], posts.creator[rows]
    known = dict(zip(truth["post_id"].to_pylist(), truth["harmful"].to_pylist(), strict=True))
    harmful = np.array([known[one] for one in posts.ids.take(rows).to_pylist()], bool)
    taken = {
        one
        for one, kind in zip(kinds["id"].to_pylist(), kinds["kind"].to_pylist(), strict=True)
        if kind == "hacked"
    }
    hacked = np.array([one in taken for one in history.network.accounts.to_pylist()])[creator] & harmful
    day = np.minimum((came - settings.start) // DAY, options.days - 1)
    first = day < options.days // 2
    calm = vectors[day, creator]
    live = history.behaviour.rows(rows, came, BehaviourSpec())[:, CREATORS]
    later = np.flatnonzero(hacked & ~first)
    bursts = [later[creator[later] == one] for one in np.unique(creator[later])]
    bursts = [burst for burst in bursts if not (hacked & first & (creator == creator[burst[0]])).any()]
    result["bursts"], result["posts_of_bursts"] = len(bursts), int(sum(map(len, bursts)))
    print(
        f"{len(rows):,} posts, {int(harmful.sum()):,} harmful; {len(bursts)} bursts of {result['posts_of_bursts']} posts"
    )
    for name, columns in (("vector", calm), ("vector and tallies", np.column_stack([calm, live]))):
        score = scored(columns, harmful, first)
        cut = np.quantile(score[first & ~harmful], 1 - FALSE_ALARMS)
        flagged = score > cut
        result[name] = until_flagged(history, bursts, rows, came, flagged)
        result[name]["false_alarms"] = round(float(flagged[~first & ~harmful].mean()), 4)
        print(name, result[name])
    result["core_seconds"] = round(time.process_time() - clock, 1)
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
