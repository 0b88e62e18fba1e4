"""How fast networks are laid out, neighbours drawn, models trained and creators embedded, and in how much memory.

    python benchmarks/creators_rates.py --creators 100000 --edges 1000000
    python benchmarks/creators_rates.py --creators 1000000 --edges 10000000      # --write keeps the result

A made-up network whose followed accounts have a power-law tail, with one hub that every tenth account follows.
Rates are by processor seconds of one core (of a shared machine, whose clock on the wall says less); p50 and p99
of one embedding on demand, with nothing kept, are processor time of single calls. Memory is the most that the
process held. The last line is JSON.
"""

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sievert.datasets.creator_history import CREATOR_NUMBERS, Outcomes
from sievert.features.creators.collation import collated
from sievert.features.creators.graph import FOREVER, Edges, graph_as_of
from sievert.scoring.creators import load_creators, numbers_in
from sievert.training.creator_data import CreatorData
from sievert.training.creator_graph import export_creators
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import train_creators
from sievert.training.recipes import read_recipe

RESULT = Path(__file__).parent / "results" / "creators_rates.json"


def made_up(creators, edges):
    rng = np.random.default_rng(1)
    source = rng.integers(creators, size=edges)
    # Pareto with a tail of 1.3, as the simulated world's.
    target = np.minimum((rng.pareto(1.3, edges) * creators / 200).astype(np.int64), creators - 1)
    target = np.random.default_rng(2).permutation(creators)[target]
    fans = np.arange(0, creators, 10)
    source, target = np.concatenate([source, fans]), np.concatenate([target, np.zeros(len(fans), np.int64)])
    return Edges(
        source=source,
        target=target,
        kind=np.zeros(len(source), np.int8),
        since=rng.integers(1000, size=len(source)),
        until=np.full(len(source), FOREVER),
    )


def embedding_rates(encoder, graph, values, rng):
    """Return how fast creators are embedded, together and alone."""
    found = {}
    some = rng.permutation(len(values))[:8192]
    encoder.embed(graph, numbers_in(values), some[:8])
    clock = time.process_time()
    encoder.embed(graph, numbers_in(values), some)
    found["embedded_a_second"] = round(len(some) / (time.process_time() - clock))
    alone = []
    for one in rng.permutation(len(values))[:2000]:
        clock = time.process_time()
        encoder.embed(graph, numbers_in(values), np.array([one]))
        alone.append(1000 * (time.process_time() - clock))
    clock = time.process_time()
    encoder.embed(graph, numbers_in(values), np.array([0]))
    found["hub_ms"] = round(1000 * (time.process_time() - clock), 2)
    found["on_demand_ms"] = {f"p{level}": round(float(np.percentile(alone, level)), 2) for level in (50, 99)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--creators", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    v, result = options.creators, {"creators": options.creators, "edges": options.edges}
    edges = made_up(v, options.edges)
    graph_as_of(edges.take(slice(0, 10)), 2000, nodes=v)
    clock = time.process_time()
    graph = graph_as_of(edges, 2000, nodes=v)
    result["layout_seconds"] = round(time.process_time() - clock, 2)
    result["entries"], result["hub"] = len(graph.neighbour), int(graph.degrees().max())
    del edges
    rng = np.random.default_rng(3)
    values = rng.normal(size=(v, len(CREATOR_NUMBERS))).astype(np.float32)
    fanouts = (15, 10)
    collated(graph, np.arange(4), fanouts=fanouts, seed=0)
    rows = rng.permutation(v)[:20_480]
    clock = time.process_time()
    for at in range(0, len(rows), 512):
        collated(graph, rows[at : at + 512], fanouts=fanouts, seed=at)
    result["sampled_a_second"] = round(len(rows) / (time.process_time() - clock))
    violation = (rng.random(v) < 0.1).astype(np.float32)
    outcomes = Outcomes(violation=violation, reports=np.zeros(v), views=np.ones(v))
    data = CreatorData(graph=graph, values=values, names=CREATOR_NUMBERS, outcomes=outcomes)
    learn = dataclasses.replace(
        data,
        outcomes=dataclasses.replace(
            outcomes, violation=np.where(np.arange(v) < 512 * options.updates / 0.85, violation, np.nan)
        ),
    )
    overrides = ("learning.epochs=1", "foretells={violations: 1.0}", "held=0.15")
    with tempfile.TemporaryDirectory() as folder:
        clock = time.process_time()
        model, trained = train_creators(
            read_recipe(CreatorsRecipe, overrides=overrides), learn, Path(folder) / "run"
        )
        result["trained_a_second"] = round(512 * trained.update / trained.cost.core_seconds)
        export_creators(model, data.names, Path(folder) / "served", seed=1)
        encoder = load_creators(Path(folder) / "served")
    result |= embedding_rates(encoder, graph, values, rng)
    result["most_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if options.write:
        kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**kept, str(v): result}, indent=1) + "\n")
    for name, value in result.items():
        print(f"{name:18} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
