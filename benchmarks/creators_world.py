"""Models of creators on a simulated network whose truth is known, with those apart whom training never saw.

    sievert simulate --out WORLD --creators 8000 --days 12 --seed 20280101
    python benchmarks/creators_world.py WORLD       # --write keeps the result

Learned: numbers and network as of half of the world's time, and what people confirmed in the quarter after it.
Tested: numbers and network as of three quarters, and whether those who publish in the last quarter then publish
anything harmful, in truth, found or not. A quarter of all creators is `unseen`: in training neither they nor
their edges are there. `new` are those of the test whose account is younger than training's network.

Baselines are logistic regressions on a creator's own numbers (`own`), on means over one and two hops beside
them, and on the empirical-Bayes rate of neighbours of whom a violation was confirmed (`rate`). Of each model
the vector is heard beside `own` by the same logistic regression (`+`), and of GraphSAGE its own logit too. A
gain is an area under the ROC curve less that of `own` on the same creators; intervals are DeLong's, of gains
paired bootstrap's. Baselines with hops keep their neighbours for the unseen, as GraphSAGE does.
With `--others publishers` whoever published and was not confirmed counts as no violator in training, looked at
or not: wrong of some, but of the population that is asked for. `future edges`: whether the network as of the test
is the same with and without all edges that came later. The last line is JSON.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from creator_baselines import adjacency, columns_of, fitted
from sievert.datasets.creator_history import read_creator_history
from sievert.features.creators.graph import FOREVER, graph_as_of
from sievert.measurement.roc import area_under_roc, roc_estimate
from sievert.schema.history import NOBODY
from sievert.training.creator_data import data_of, unseen
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import embedded, train_creators
from sievert.training.recipes import read_recipe

RESULT = Path(__file__).parent / "results" / "creators_world.json"
LINKS = "foretells={violations: 0.0, links: 1.0, reports: 0.0}"
ALL = "foretells={violations: 1.0, links: 0.2, reports: 0.2}"
BLIND = ("learning.watch=''", "learning.patience=0")
APPROACHES = {
    "ID links": ("model=id_embedding", LINKS, *BLIND, "learning.epochs=30", "learning.rate=0.02"),
    "GCN links": ("model=gcn", LINKS, *BLIND, "learning.epochs=10"),
    "GCN all": ("model=gcn", ALL, "learning.epochs=10"),
    "SAGE links": ("model=graphsage", LINKS, *BLIND, "learning.epochs=4", "fanouts=[10,5]"),
    "SAGE all": ("model=graphsage", ALL, "learning.epochs=8", "fanouts=[10,5]", "dropout=0.3"),
}
STRENGTHS = (0.1, 1.0, 10.0)
BASELINES = ("own", "own_1hop", "own_2hop", "own_rate", "own_2hop_rate")


def truth_of(folder, history, after, until=FOREVER):
    """Return who publishes after a time, until another, and whether any of that is harmful in truth [a]."""
    table = pq.read_table(folder)
    harmful = dict(zip(table["post_id"].to_pylist(), table["harmful"].to_pylist(), strict=True))
    posts, accounts = history.history.posts, history.accounts
    now = (posts.received_at > after) & (posts.received_at <= until)
    rows = np.flatnonzero(now & (posts.creator != NOBODY) & (posts.revision == 0))
    bad = np.array([harmful[one] for one in posts.ids.take(rows).to_pylist()], bool)
    publishes, harms = np.zeros(accounts, bool), np.zeros(accounts, bool)
    publishes[posts.creator[rows]] = True
    harms[posts.creator[rows[bad]]] = True
    return publishes, harms


def without(history, gone):
    """Return the history's network without these nodes' edges."""
    edges = history.network.edges
    kept = edges.take(~(gone[edges.source] | gone[edges.target]))
    return dataclasses.replace(history, network=dataclasses.replace(history.network, edges=kept))


def gain_of(truth, score, own, *, seed=0, resamples=300):
    """Return the gain in area over `own`, with an interval over creators."""
    rng, rows = np.random.default_rng(seed), np.arange(len(truth))
    drawn = []
    for _ in range(resamples):
        some = rng.choice(rows, len(rows))
        if 0 < truth[some].sum() < len(some):
            drawn.append(area_under_roc(truth[some], score[some]) - area_under_roc(truth[some], own[some]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    value = area_under_roc(truth, score) - area_under_roc(truth, own)
    return {"gain": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def table_of(scores, groups, harms):
    """Return areas and gains of all scores [a], by group."""
    table = {}
    for group, rows in groups.items():
        truth, own = harms[rows], scores["own"][rows]
        row = table[group] = {"creators": int(rows.sum()), "harmful": int(truth.sum())}
        for name, score in scores.items():
            area = roc_estimate(truth, score[rows])
            gain = gain_of(truth, score[rows], own)
            row[name] = {
                "auc": round(area.value, 4),
                "auc_low": round(area.low, 4),
                "auc_high": round(area.high, 4),
                **gain,
            }
            print(
                f"{group:7} {name:18} {area.value:.4f}  gain {gain['gain']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
            )
    return table


def baseline_scores(data, test, label, judged):
    """Return the score [a] of each baseline as of the test."""
    # Of neighbours, the baselines hear accounts: groups and pages have no numbers.
    before, after = (adjacency(one.graph)[: one.accounts, : one.accounts] for one in (data, test))
    learns, scores = np.flatnonzero(judged), {}
    for name in BASELINES:
        then, now = (
            columns_of(name, one.values, graph, label, judged)
            for one, graph in ((data, before), (test, after))
        )
        scores[name] = fitted(then[learns], label[learns], strengths=STRENGTHS)(now)
    return scores


def model_scores(data, test, number, label, judged, options):
    """Return scores [a] of each model's vector beside `own`, and what each cost in seconds."""
    everybody, learns = np.arange(test.accounts), np.flatnonzero(judged)
    seen = unseen(dataclasses.replace(test, number=None), number != NOBODY)
    scores, costs = {}, {}
    for name in options.models.split(","):
        overrides, clock = APPROACHES[name], time.process_time()
        recipe = read_recipe(CreatorsRecipe, overrides=(*overrides, f"seed={options.seed}"))
        with tempfile.TemporaryDirectory() as folder:
            model, result = train_creators(recipe, data, Path(folder) / "run")
        then, _ = embedded(model, data, everybody, seed=0)
        now, logits = embedded(model, seen, everybody, seed=0)
        before, after = (np.column_stack([one.values, z.numpy()]) for one, z in ((data, then), (test, now)))
        scores[f"+ {name}"] = fitted(before[learns], label[learns], strengths=STRENGTHS)(after)
        if name == "SAGE all":
            scores["SAGE all alone"] = logits[:, 0].double().numpy()
        costs[name] = round(time.process_time() - clock, 1)
        told = {key: one.value and round(one.value, 3) for key, one in result.metrics.items()}
        print(name, costs[name], "s;", told, flush=True)
    return scores, costs


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--others", default="judged", choices=("judged", "publishers"), help="who is no violator"
    )
    parser.add_argument(
        "--models", default=",".join(APPROACHES), help="some of the models, with commas between"
    )
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


@dataclasses.dataclass(frozen=True)
class Question:
    """What is learned from and what is asked, of a accounts; `gone` [v] are in training neither, nor their edges."""

    data: object  # as of half of the time, with what was confirmed in the quarter after it
    test: object  # as of three quarters
    label: np.ndarray  # [a] confirmed as a violator
    judged: np.ndarray  # [a] teaches
    number: np.ndarray  # [v] who has one, NOBODY for others
    groups: dict  # of [a]
    harms: np.ndarray  # [a] in truth, in the last quarter
    later: int


def question_of(folder, history, gone, *, others):
    """Ask of a world who will harm; see the top for `others`."""
    came, a = history.history.posts.received_at, history.accounts
    first, last = int(came.min()), int(came.max())
    half, later = (first + (last - first) * part // 4 for part in (2, 3))
    table = pq.read_table(folder / "accounts.parquet")
    made = dict(zip(*(table[name].to_pylist() for name in ("id", "created_at")), strict=True))
    data = data_of(without(history, gone), half, until=later)
    judged = np.isfinite(data.outcomes.violation) & ~gone[:a]
    if others == "publishers":
        judged |= (data.outcomes.views > 0) & ~gone[:a]
    violation = np.where(judged, np.nan_to_num(data.outcomes.violation), np.nan).astype(np.float32)
    outcomes = dataclasses.replace(data.outcomes, violation=violation, views=data.outcomes.views * ~gone[:a])
    publishes, harms = truth_of(folder / "truth.parquet", history, later)
    young = np.array([made.get(one, 0) > half for one in history.network.accounts.to_pylist()])
    number = np.where(gone, NOBODY, np.arange(len(gone)))
    number[:a][young] = NOBODY
    return Question(
        data=dataclasses.replace(data, outcomes=outcomes),
        test=dataclasses.replace(data_of(history, later), outcomes=None),
        label=np.nan_to_num(violation),
        judged=judged,
        number=number,
        groups={
            "seen": publishes & ~gone[:a] & ~young,
            "unseen": publishes & gone[:a] & ~young,
            "new": publishes & young,
        },
        harms=harms,
        later=later,
    )


def main():
    options = parsed()
    torch.set_num_threads(1)
    began = time.process_time()
    history = read_creator_history(options.world)
    a, nodes = history.accounts, history.network.nodes
    gone = np.zeros(nodes, bool)
    gone[:a] = np.random.default_rng(options.seed).random(a) < 0.25
    asked = question_of(options.world, history, gone, others=options.others)
    test, judged, label = asked.test, asked.judged, asked.label
    print(
        f"{a:,} accounts, {int(judged.sum()):,} judged, {int(label.sum()):,} violators;",
        {name: (int(one.sum()), int(asked.harms[one].sum())) for name, one in asked.groups.items()},
        flush=True,
    )

    scores = baseline_scores(asked.data, test, label, judged)
    beside, costs = model_scores(asked.data, test, asked.number, label, judged, options)
    scores |= beside
    table = table_of(scores, asked.groups, asked.harms)
    past = history.network.edges.take(history.network.edges.since <= asked.later)
    pruned = dataclasses.replace(test, graph=graph_as_of(past, asked.later, nodes=nodes))
    same = all(
        np.array_equal(getattr(test.graph, part), getattr(pruned.graph, part))
        for part in ("starts", "neighbour", "relation")
    )
    kept = {
        name: round(table["unseen"][name]["gain"] / table["seen"][name]["gain"], 3)
        for name in scores
        if name != "own" and table["seen"][name]["gain"] > 0
    }
    result = {
        "world": {
            "accounts": a,
            "nodes": nodes,
            "entries": len(test.graph.neighbour),
            "judged": int(judged.sum()),
            "violators": int(label.sum()),
        },
        "groups": table,
        "gain_kept_by_unseen": kept,
        "future_edges_change_nothing": same,
        "seconds_of": costs,
        "core_seconds": round(time.process_time() - began, 1),
    }
    print("gain kept by unseen", kept, "; future edges change nothing:", same)
    if options.write:
        earlier = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**earlier, options.others: result}, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
