"""What a GraphSAGE gains for creators that training never saw, of what it gains for those that it did.

    python benchmarks/creators_cold_start.py WORLD --try all       # a world of `creators_world.py`; --write keeps the result

First variants of GraphSAGE are tried, by creators that teach alone: each third of them in turn is without its label,
and is told by what was learned from the others (`tried`: the area of confirmed violators against the rest who
published). Then the best of them (`--take` names others) is asked as in `creators_world.py`, four times: each
quarter of all creators is hidden from training once, so that each creator is `unseen` once and `seen` three times.
Areas are means over the four; a gain is over `own`. Intervals weigh creators at random (Bayesian bootstrap),
with all that is told of them; `kept` is the gain for the unseen over the gain for the seen, its interval over the same
draws where that for the seen is above nought.

The world may be made where toxic accounts seek each other in more of their follows (--homophily; 0.15 as shipped).
A variant is a network (`all` edges, or `follows` alone), whether labels of neighbours are heard, and how it learns.
Vectors are heard beside own numbers by logistic regression, and beside the rate of confirmed neighbours too. The
last line is JSON.
"""

import argparse
import dataclasses
import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch

from creator_baselines import adjacency, columns_of, fitted, neighbour_rate
from creator_splits import heard_of_neighbours, learned
from creators_world import APPROACHES, STRENGTHS, question_of
from sievert.datasets.creator_history import read_creator_history
from sievert.features.creators.graph import Graph
from sievert.measurement.roc import area_under_roc
from sievert.schema.clock import DAY
from sievert.schema.edge import EDGE_KINDS
from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.creators import embedded

RESULT = Path(__file__).parent / "results" / "creators_cold_start.json"
FOLLOW = EDGE_KINDS.index("follow")
LEARNING = {
    "as before": APPROACHES["SAGE all"],
    "small": (
        "model=graphsage",
        "foretells={violations: 1.0, links: 0.0, reports: 0.0}",
        "fanouts=[40,10]",
        "width=16",
        "vector=8",
        "dropout=0.3",
        "batch=128",
        "learning.epochs=6",
        "learning.weight_decay=0.1",
    ),
    # The same for more than a thousand steps: eight epochs of a few batches leave it untrained.
    "long": (
        "model=graphsage",
        "foretells={violations: 1.0, links: 0.0, reports: 0.0}",
        "fanouts=[25,5]",
        "width=16",
        "vector=4",
        "dropout=0.5",
        "batch=128",
        "learning.watch=''",
        "learning.patience=0",
        "learning.epochs=20",
    ),
    # Of everybody seen it is known how often they are reported; of few whether they violate.
    "reports": (
        "model=graphsage",
        "foretells={violations: 1.0, links: 0.0, reports: 1.0}",
        "fanouts=[15,10]",
        "dropout=0.3",
        "learning.watch=''",
        "learning.patience=0",
        "learning.epochs=8",
    ),
}
VARIANTS = {
    f"SAGE, {network}, {'labels, ' * heard}{how}": (network, heard, overrides)
    for network, heard, (how, overrides) in itertools.product(
        ("all edges", "follows"), (False, True), LEARNING.items()
    )
}
BY_NUMBER = {
    "GCN, all edges": ("all edges", False, APPROACHES["GCN all"]),
    "ID of links, all edges": ("all edges", False, APPROACHES["ID links"]),
}
BASELINES = {
    f"{name}, {network}": (name, network)
    for name in ("own_1hop", "own_rate", "own_2hop_rate")
    for network in ("all edges", "follows")
}
BESIDE = ", beside the rate"
DRAWS = 400


def heard_network(graph, network):
    """Return the graph with the edges of a variant."""
    if network == "all edges":
        return graph
    kept = graph.relation // 2 == FOLLOW
    before = np.concatenate([[0], np.cumsum(kept)])
    return Graph(starts=before[graph.starts], neighbour=graph.neighbour[kept], relation=graph.relation[kept])


def scores_of(data, test, number, label, judged, variants, seed):
    """Return the score [a] at the test by baseline and variant, learned from those judged [a]."""

    def told(then, now):
        return fitted(then[judged], label[judged], strengths=STRENGTHS)(now)

    scores = {}
    for name, (kind, network) in {"own": ("own", "all edges"), **BASELINES}.items():
        then, now = (
            columns_of(kind, one.values, _accounts(one, network), label, judged) for one in (data, test)
        )
        scores[name] = told(then, now)
    everybody = np.arange(test.accounts)
    violation = np.where(judged, label, np.nan).astype(np.float32)
    data = dataclasses.replace(data, outcomes=dataclasses.replace(data.outcomes, violation=violation))
    for name in variants:
        network, heard, overrides = (VARIANTS | BY_NUMBER)[name]
        then, now = (
            dataclasses.replace(one, graph=heard_network(one.graph, network)) for one in (data, test)
        )
        if heard:
            then, now = (heard_of_neighbours(one, label, judged) for one in (then, now))
        model = learned(overrides, then, seed)
        vectors = (
            embedded(model, one, everybody, seed=seed)[0].numpy()
            for one in (then, dataclasses.replace(now, number=number))
        )
        sides = [(one, _accounts(one, network), z) for one, z in zip((data, test), vectors, strict=True)]
        scores[name] = told(*(np.column_stack([one.values, z]) for one, _, z in sides))
        scores[f"{name}{BESIDE}"] = told(
            *(
                np.column_stack([one.values, neighbour_rate(joined, label, judged), z])
                for one, joined, z in sides
            )
        )
    return scores


def _accounts(data, network):
    # Of neighbours, the baselines hear accounts: groups and pages have no numbers.
    return adjacency(heard_network(data.graph, network))[: data.accounts, : data.accounts]


def tried(asked, variants, seed):
    """Return the area over creators that teach, each third told by the others, by variant."""
    third = np.random.default_rng(seed).integers(3, size=len(asked.label))
    areas = []
    for part in range(3):
        judged = asked.judged & (third != part)
        scores = scores_of(asked.data, asked.data, asked.number, asked.label * judged, judged, variants, seed)
        rows = asked.judged & (third == part)
        areas.append(
            {name: area_under_roc(asked.label[rows] > 0.5, one[rows]) for name, one in scores.items()}
        )
        print("third", part, {name: round(one, 4) for name, one in areas[-1].items()}, flush=True)
    return {name: round(float(np.mean([one[name] for one in areas])), 4) for name in areas[0]}


def weighted_area(truth, score, weight):
    """Return the area where rows [n] weigh."""
    order = np.argsort(score, kind="stable")
    value, bad = score[order], weight[order] * truth[order]
    good = weight[order] - bad
    _, first = np.unique(value, return_index=True)
    bad, good = np.add.reduceat(bad, first), np.add.reduceat(good, first)
    below = np.cumsum(good) - good / 2
    return float((bad * below).sum() / (bad.sum() * good.sum()))


def over_quarters(found, harms, weight):
    """Return the mean area by group and approach, over what was found in each quarter."""
    return {
        group: {
            name: np.mean(
                [
                    weighted_area(harms[groups[group]], scores[name][groups[group]], weight[groups[group]])
                    for scores, groups in found
                ]
            )
            for name in found[0][0]
        }
        for group in ("seen", "unseen")
    }


def told(found, harms, seed=0):
    """Return areas, gains over `own` with intervals, and what is kept of a gain."""
    rng, ones = np.random.default_rng(seed), np.ones(len(harms))
    whole = over_quarters(found, harms, ones)
    drawn = [over_quarters(found, harms, rng.exponential(size=len(harms))) for _ in range(DRAWS)]

    def gain(areas, group, name):
        return areas[group][name] - areas[group]["own"]

    table = {}
    for name in whole["seen"]:
        row = table[name] = {}
        for group in whole:
            low, high = np.quantile([gain(one, group, name) for one in drawn], (0.025, 0.975))
            row[group] = [
                round(float(one), 4) for one in (whole[group][name], gain(whole, group, name), low, high)
            ]
        above = [one for one in drawn if gain(one, "seen", name) > 0]
        if name != "own" and gain(whole, "seen", name) > 0:
            kept = [gain(one, "unseen", name) / gain(one, "seen", name) for one in above]
            row["kept"] = [
                round(float(one), 3)
                for one in (
                    gain(whole, "unseen", name) / gain(whole, "seen", name),
                    *np.quantile(kept, (0.025, 0.975)),
                )
            ]
            row["draws with a gain"] = len(above) / DRAWS
        print(name, row, flush=True)
    return table


def made(folder, homophily):
    """Simulate the world of `creators_world.py` where toxic accounts keep closer company, unless it is there."""
    settings = WorldSettings(seed=20280101, creators=16_000, posts_per_day=12_000, homophily=homophily)
    if not folder.exists():
        write_history(World(settings, Writer()), folder, lambda *_: None, steps=20 * DAY // settings.step)


def by_quarters(options, history, variants):
    """Hide each quarter of all creators from training once, and return what is told of the test."""
    a, gone, found = history.accounts, np.zeros(history.network.nodes, bool), []
    quarter = np.random.default_rng(options.seed).integers(4, size=a)
    for part in range(4):
        gone[:a] = quarter == part
        asked = question_of(options.world, history, gone, others=options.others)
        scores = scores_of(
            asked.data, asked.test, asked.number, asked.label, asked.judged, variants, options.seed
        )
        found.append((scores, asked.groups))
    return told(found, asked.harms)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--others", default="publishers", choices=("judged", "publishers"))
    parser.add_argument("--try", dest="tries", help="variants to try, with semicolons between; or all")
    parser.add_argument("--take", help="variants to ask; the best of those tried by default")
    parser.add_argument(
        "--homophily", type=float, help="make the world, with so many follows of toxic by toxic accounts"
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.homophily is not None:
        made(options.world, options.homophily)
    began, result = time.process_time(), {}
    history = read_creator_history(options.world)
    gone = np.zeros(history.network.nodes, bool)
    variants = options.take.split(";") if options.take else []
    if options.tries:
        asked = question_of(options.world, history, gone, others=options.others)
        tries = list(VARIANTS) if options.tries == "all" else options.tries.split(";")
        result["tried"] = tried(asked, tries, options.seed)
        print("tried", result["tried"], flush=True)
        if options.take is None:
            variants = [max(tries, key=result["tried"].__getitem__)]
    if variants:
        result["asked"] = by_quarters(options, history, variants)
    result["core_seconds"] = round(time.process_time() - began, 1)
    if options.write:
        earlier = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        part = options.others + (f", homophily {options.homophily}" if options.homophily else "")
        kept = earlier.get(part, {})
        kept |= {name: kept.get(name, {}) | result.get(name, {}) for name in ("tried", "asked")}
        RESULT.write_text(json.dumps({**earlier, part: kept}, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
