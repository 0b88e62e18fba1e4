"""Models of creators and their baselines on the real Twitch graphs, with intervals.

    python benchmarks/creators_twitch.py FOLDER --shuffled ZHTW --from DE     # --write keeps the result

Within each language, on repeated random halves: learned on one, measured on the other. Then learned on one
language (--from) and tested on all others, whose labels nobody sees; features are shared by their ids.

    own, own_1hop, own_2hop   logistic regression on the streamers' ids, and means of neighbours' over one and two hops
    ..._rate                  and the empirical-Bayes rate of neighbours that are labelled so in training
    ID links                  the ID embedding of links alone, beside `own`, by logistic regression
    ID, GCN, SAGE             by labels; `both`: by labels and links; `SAGE labels`: neighbours' labels are heard

Models hear 64 singular vectors of the ids and the logit of `own` (of those who are learned from, by cross-fitting).
The label is the streamer's own mature-content flag, a stand-in. Intervals are over splits, by Student's t with
the correction for overlapping splits (Nadeau and Bengio 2003); those of transfer are DeLong's, of one seed.
`shuffled` is the leak test: labels are shuffled among streamers, and all must come to 0.5. The last line is JSON.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import KFold

from creator_baselines import BASELINES, adjacency, columns_of, fitted
from creator_splits import heard_of_neighbours, keep, learned, over_splits, taught
from sievert.measurement.roc import area_under_roc, roc_estimate
from sievert.training.creators import embedded
from twitch_graphs import LANGUAGES, read_twitch

RESULT = Path(__file__).parent / "results" / "creators_twitch.json"
VECTORS = 64
LABELS, BOTH = "foretells={violations: 1.0}", "foretells={violations: 1.0, links: 0.2}"
SAGE = ("model=graphsage", "fanouts=[40,8]", "width=32", "dropout=0.5", "drop_neighbour=0.0", "drop_all=0.05")
SLOW = ("learning.rate=0.004", "learning.epochs=10")
APPROACHES = {
    "ID": ("model=id_embedding", LABELS),
    "ID both": ("model=id_embedding", BOTH, "learning.rate=0.02"),
    "GCN": ("model=gcn", LABELS, "learning.epochs=25"),
    "GCN both": ("model=gcn", BOTH, "learning.epochs=15"),
    "SAGE": (*SAGE, *SLOW, LABELS),
    "SAGE labels": (*SAGE, *SLOW, LABELS),
    "SAGE both": (*SAGE, "fanouts=[15,6]", "learning.rate=0.004", "learning.epochs=5", BOTH),
}


def shown(features, mature, learns):
    """Return what models hear of streamers: singular vectors, and what `own` says; and what does both for others."""
    svd = TruncatedSVD(VECTORS, random_state=0).fit(features[learns])
    own = fitted(features[learns], mature[learns])
    said, rows = own(features), np.flatnonzero(learns)
    for kept, out in KFold(5, shuffle=True, random_state=0).split(rows):
        said[rows[out]] = fitted(features[rows[kept]], mature[rows[kept]])(features[rows[out]])
    together = lambda some, logit: np.column_stack([svd.transform(some), logit]).astype(np.float32)  # noqa: E731
    return together(features, said), lambda some: together(some, own(some))


def within(one, seed, approaches):
    """Return the area on the other half, by approach."""
    learns = np.random.default_rng(seed).random(one.graph.nodes) < 0.5
    rows, truth, joined = np.flatnonzero(~learns), one.mature[~learns] > 0.5, adjacency(one.graph)
    found = {}
    for name in BASELINES:
        columns = columns_of(name, one.features, joined, one.mature, learns)
        found[name] = area_under_roc(truth, fitted(columns[learns], one.mature[learns])(columns[rows]))
    values, _ = shown(one.features, one.mature, learns)
    for name, overrides in approaches.items():
        data = taught(one.graph, values, one.mature, learns)
        if name == "SAGE labels":
            data = heard_of_neighbours(data, one.mature, learns)
        _, logits = embedded(learned(overrides, data, seed), data, rows, seed=seed)
        found[name] = area_under_roc(truth, logits[:, 0].double().numpy())
    data = taught(one.graph, values, one.mature, learns)
    links = (
        "model=id_embedding",
        "foretells={violations: 0.0, links: 1.0}",
        "learning.watch=''",
        "learning.patience=0",
    )
    model = learned((*links, "learning.rate=0.02"), data, seed)
    vectors, _ = embedded(model, data, np.arange(one.graph.nodes), seed=seed)
    columns = sp.hstack([one.features, sp.csr_matrix(vectors.numpy())]).tocsr()
    found["ID links"] = area_under_roc(truth, fitted(columns[learns], one.mature[learns])(columns[rows]))
    return found


def transferred(source, others, seed):
    """Return the area with its interval on each other language, by approach."""
    everybody = np.ones(source.graph.nodes, bool)
    values, elsewhere = shown(source.features, source.mature, everybody)
    data = taught(source.graph, values, source.mature, everybody)
    models = {name: learned(APPROACHES[name], data, seed) for name in ("ID both", "GCN", "SAGE")}
    table = {}
    joined = adjacency(source.graph)
    for other in others:
        truth, there = other.mature > 0.5, adjacency(other.graph)
        nobody = np.zeros(other.graph.nodes, bool)
        row = {}
        for name in ("own", "own_1hop", "own_2hop"):
            scorer = fitted(
                columns_of(name, source.features, joined, source.mature, everybody), source.mature
            )
            row[name] = roc_estimate(
                truth, scorer(columns_of(name, other.features, there, other.mature, nobody))
            )
        unlabelled = dataclasses.replace(
            data,
            graph=other.graph,
            values=elsewhere(other.features),
            outcomes=None,
            number=np.full(len(nobody), -1),
        )
        for name, model in models.items():
            _, logits = embedded(model, unlabelled, np.arange(other.graph.nodes), seed=seed)
            row[name] = roc_estimate(truth, logits[:, 0].double().numpy())
        table[other.language] = {
            name: {
                "auc": round(one.value, 4),
                "low": one.low and round(one.low, 4),
                "high": one.high and round(one.high, 4),
            }
            for name, one in row.items()
        }
    return table


def shuffled(one, seed):
    return dataclasses.replace(one, mature=np.random.default_rng(seed + 1000).permutation(one.mature))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--within", default=",".join(reversed(LANGUAGES)), help="languages, with commas between"
    )
    parser.add_argument("--from", dest="source", help="learn on one language and test on the others")
    parser.add_argument("--shuffled", help="a language for the leak test")
    parser.add_argument("--without", default="", help="approaches to leave out, with commas between")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="add what is found to what is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, left_out = time.process_time(), options.without.split(",")
    approaches = {name: one for name, one in APPROACHES.items() if name not in left_out}
    found = {}

    def told(part, language, one):
        """Print what was found, and add it to what is kept: the whole takes minutes."""
        found.setdefault(part, {})[language] = one
        print(part, language, json.dumps(one), flush=True)
        if options.write:
            keep(RESULT, part, language, one)

    def read(language):
        return read_twitch(options.folder, language)

    if options.shuffled:
        one = read(options.shuffled)
        splits = [within(shuffled(one, seed), seed, approaches) for seed in range(options.splits)]
        told("shuffled", one.language, {name: over_splits([s[name] for s in splits]) for name in splits[0]})
    for language in filter(None, options.within.split(",")):
        splits = [within(read(language), seed, approaches) for seed in range(options.splits)]
        best = max(BASELINES, key=lambda name: np.mean([s[name] for s in splits]))
        told(
            "within",
            language,
            {"splits": len(splits), **{name: over_splits([s[name] for s in splits]) for name in splits[0]}},
        )
        less = {
            name: over_splits([s[name] - s[best] for s in splits])
            for name in splits[0]
            if name not in BASELINES
        }
        told("difference", language, {"to": best, **less})
    if options.source:
        others = [read(language) for language in LANGUAGES if language != options.source]
        for language, row in transferred(read(options.source), others, 0).items():
            told("transfer", f"{options.source} to {language}", row)
    print(json.dumps({**found, "core_seconds": round(time.process_time() - began, 1)}))


if __name__ == "__main__":
    main()
