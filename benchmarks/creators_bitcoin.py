"""Models of creators on the real Bitcoin trust networks: whom will ratings distrust that nobody has heard yet?

    python benchmarks/creators_bitcoin.py FOLDER      # --write keeps the result

A random half of all ratings is known and makes the network; the other half comes later, and only makes labels: a
user is distrusted if most of their later ratings are negative. The files keep no times, so that this is no order
of time. Of the users three in eight teach, three in eight are `seen` in training without a label, and a quarter is
`unseen`: neither they nor their ratings are there until the test. Tested are users with two later ratings or more.
A later rating between one who teaches and one who is tested counts for the tested alone: none is both learned from
and asked for. `few` are those of the tested of whom one rating at most is known.

    own                       logistic regression on how many trust and distrust, and the empirical-Bayes rate of distrust
    own_1hop, own_2hop        and means of neighbours' over one and two hops
    ..._rate                  and the empirical-Bayes rate of neighbours that are labelled so in training
    ID links                  the ID embedding of links alone, beside `own`, by logistic regression
    GCN, SAGE                 by labels; `SAGE labels`: neighbours' labels are heard

`left out`: those who distrust each other are no neighbours (a user's own numbers still count it). `second kind`:
they are, by a relation of its own; baselines hear neighbours of both kinds apart, the GCN hears them alike. Intervals
are over splits (`creator_splits.over_splits`). `shuffled`: labels are shuffled among users. The last line is JSON.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from bitcoin_trust import DISTRUST, KNOWN, LATER, MARKETS, read_bitcoin
from creator_baselines import BASELINES, adjacency, columns_of, fitted
from creator_splits import heard_of_neighbours, keep, learned, over_splits, taught
from sievert.features.behaviour.rates import Prior, fit_prior, posterior_mean
from sievert.features.creators.graph import FRIEND, graph_as_of
from sievert.measurement.roc import area_under_roc
from sievert.training.creator_data import unseen
from sievert.training.creators import embedded

RESULT = Path(__file__).parent / "results" / "creators_bitcoin.json"
LABELS = "foretells={violations: 1.0}"
LINKS = ("foretells={violations: 0.0, links: 1.0}", "learning.watch=''", "learning.patience=0")
SMALL = ("batch=64", "width=32", "vector=16", "dropout=0.3")
SAGE = ("model=graphsage", *SMALL, "fanouts=[15,10]", "learning.epochs=20")
APPROACHES = {
    "GCN": ("model=gcn", *SMALL, "learning.epochs=20", LABELS),
    "SAGE": (*SAGE, LABELS),
    "SAGE labels": (*SAGE, LABELS),
}
KINDS = {"left out": ((FRIEND,),), "second kind": ((FRIEND,), (DISTRUST,))}
STRENGTHS = (0.03, 0.3, 3.0)
LEAST_ASKED = 2


def tally(edges, users):
    """Return how many ratings each user has, and how many of them distrust [a]."""
    ends = np.concatenate([edges.source, edges.target])
    bad = np.tile(edges.kind == DISTRUST, 2)
    return np.bincount(ends, minlength=users), np.bincount(ends[bad], minlength=users)


@dataclasses.dataclass(frozen=True)
class Side:
    """What is known of a users, in training or at the test."""

    graph: object
    joined: list  # of [a, a], one for each kind that is heard
    values: np.ndarray  # [a, W]


def side_of(edges, users, kinds, prior=None):
    """Return what is known as of `KNOWN`, and the prior of rates of distrust."""
    heard = np.isin(edges.kind, [kind for part in kinds for kind in part])
    known = edges.take(edges.since <= KNOWN)
    many, bad = (one.astype(np.float64) for one in tally(known, users))
    prior = prior or fit_prior(bad, many, otherwise=Prior(a=1.0, b=9.0))
    rate = posterior_mean(bad, many, prior)
    values = np.column_stack([np.log1p(many - bad), np.log1p(bad), np.log(rate / (1 - rate))])
    of_kind = [edges.take(np.isin(edges.kind, part)) for part in kinds]
    joined = [adjacency(graph_as_of(one, KNOWN, nodes=users)) for one in of_kind]
    return Side(graph_as_of(edges.take(heard), KNOWN, nodes=users), joined, values), prior


def columns(name, side, label, learns):
    """Return what a baseline hears; of each kind of neighbours apart."""
    parts = [columns_of(name, side.values, joined, label, learns) for joined in side.joined]
    own = side.values.shape[1]
    return sp.hstack([parts[0], *(part[:, own:] for part in parts[1:])]).tocsr()


def one_split(ratings, seed, kinds, *, shuffle):
    """Return the area of each approach by group, how many are tested and distrusted, and whether later edges matter."""
    users, edges, rng = ratings.users, ratings.edges, np.random.default_rng(seed + 1)
    draw = rng.random(users)
    gone, learns = draw < 0.25, draw >= 0.625
    later = edges.take(edges.since == LATER)
    both = learns[later.source] == learns[later.target]
    all_of, bad_of = tally(later, users)
    within, bad_within = tally(later.take(both), users)
    asked, bad = np.where(learns, within, all_of), np.where(learns, bad_within, bad_of)
    label = (2 * bad > asked).astype(np.float32)
    learns &= asked > 0
    tested = (draw < 0.625) & (asked >= LEAST_ASKED)
    if shuffle:
        some = np.flatnonzero(learns | tested)
        label[some] = rng.permutation(label[some])

    there = ~(gone[edges.source] | gone[edges.target])
    before, prior = side_of(edges.take(there), users, kinds)
    now, _ = side_of(edges, users, kinds, prior)
    pruned, _ = side_of(edges.take(edges.since <= KNOWN), users, kinds, prior)
    same = np.array_equal(now.values, pruned.values) and all(
        np.array_equal(getattr(now.graph, part), getattr(pruned.graph, part))
        for part in ("starts", "neighbour", "relation")
    )
    scores = {
        name: fitted(columns(name, before, label, learns)[learns], label[learns], strengths=STRENGTHS)(
            columns(name, now, label, learns)
        )
        for name in BASELINES
    }
    scores |= model_scores(before, now, label, learns, ~gone, seed)
    few = tally(edges.take(edges.since <= KNOWN), users)[0] <= 1
    groups = {"seen": tested & ~gone, "unseen": tested & gone, "few": tested & few}
    areas = {
        group: {name: area_under_roc(label[rows] > 0.5, score[rows]) for name, score in scores.items()}
        for group, rows in groups.items()
    }
    counts = {group: (int(rows.sum()), int(label[rows].sum())) for group, rows in groups.items()}
    counts["taught"] = int(learns.sum()), int(label[learns].sum())
    return areas, counts, same


def model_scores(before, now, label, learns, known, seed):
    """Return the score [a] of each model at the test; to those that go by number, only `known` [a] have one."""
    everybody, scores = np.arange(len(label)), {}
    for name, overrides in APPROACHES.items():
        then, test = (taught(side.graph, side.values, label, learns) for side in (before, now))
        if name == "SAGE labels":
            then, test = (heard_of_neighbours(one, label, learns) for one in (then, test))
        _, logits = embedded(learned(overrides, then, seed), unseen(test, known), everybody, seed=seed)
        scores[name] = logits[:, 0].double().numpy()
    then, test = (taught(side.graph, side.values, label, learns) for side in (before, now))
    model = learned(
        ("model=id_embedding", "vector=16", *LINKS, "learning.epochs=20", "learning.rate=0.02"), then, seed
    )
    beside = [
        np.column_stack([one.values, embedded(model, one, everybody, seed=seed)[0].numpy()])
        for one in (then, unseen(test, known))
    ]
    scores["ID links"] = fitted(beside[0][learns], label[learns], strengths=STRENGTHS)(beside[1])
    return scores


def summed_up(areas, group):
    """Return areas over splits, and what each approach has over `own` and over the best baseline."""
    of = {name: np.array([one[group][name] for one in areas]) for name in areas[0][group]}
    best = max(BASELINES, key=lambda name: np.nanmean(of[name]))
    table = {name: over_splits(values) for name, values in of.items()}
    gains = {name: over_splits(values - of["own"]) for name, values in of.items() if name != "own"}
    less = {name: over_splits(of[name] - of[best]) for name in of if name not in BASELINES}
    return {"areas": table, "over own": gains, "best": best, "less best": less}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--markets", default=",".join(MARKETS), help="with commas between")
    parser.add_argument("--kinds", default=",".join(KINDS), help="with commas between")
    parser.add_argument("--splits", type=int, default=6)
    parser.add_argument("--shuffled", action="store_true", help="the leak test alone")
    parser.add_argument("--write", action="store_true", help="add what is found to what is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, found = time.process_time(), {}
    for market in options.markets.split(","):
        for kind in options.kinds.split(","):
            part = f"{market}, shuffled" if options.shuffled else market
            splits = [
                one_split(
                    read_bitcoin(options.folder, market, seed), seed, KINDS[kind], shuffle=options.shuffled
                )
                for seed in range(options.splits)
            ]
            areas, counts, same = zip(*splits, strict=True)
            one = {
                "splits": len(splits),
                "mean counts": {
                    group: np.mean([row[group] for row in counts], axis=0).round(1).tolist()
                    for group in counts[0]
                },
                "later edges change nothing": all(same),
                **{group: summed_up(areas, group) for group in areas[0]},
            }
            found.setdefault(part, {})[kind] = one
            print(part, kind, json.dumps(one), flush=True)
            if options.write:
                keep(RESULT, part, kind, one)
    print(json.dumps({**found, "core_seconds": round(time.process_time() - began, 1)}))


if __name__ == "__main__":
    main()
