"""Whether readers of a model's vectors can read the retrained one's: as they come, turned, or having learned anew.

    python benchmarks/creators_aligned.py WORLD       # a world of `creators_world.py`; --write keeps the result

A model of creators learns as of half of the world's time, and a logistic regression learns by its vectors alone, with
that of the quarter after it, who publishes and who publishes harm in truth. Then the model is trained anew, by
another seed and as of five eighths. The regression is asked of the last quarter, by vectors as of its beginning:
by the old model's, by the new one's as they come, by these turned (orthogonal Procrustes, fitted as of five
eighths), and another regression that learned by the new one's. Areas are means over pairs of models. The last line
is JSON.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from creator_baselines import fitted
from creator_splits import learned
from creators_world import APPROACHES, STRENGTHS, truth_of
from sievert.datasets.creator_history import read_creator_history
from sievert.features.creators.alignment import alignment
from sievert.measurement.roc import area_under_roc
from sievert.training.creator_data import data_of
from sievert.training.creators import embedded

RESULT = Path(__file__).parent / "results" / "creators_aligned.json"
READS = ("old", "new as they come", "new, turned", "new, learned anew")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    history = read_creator_history(options.world)
    came, everybody = history.history.posts.received_at, np.arange(history.accounts)
    first, last = int(came.min()), int(came.max())
    half, anew, later = (first + (last - first) * part // 8 for part in (4, 5, 6))
    truth = options.world / "truth.parquet"
    taught, asked = truth_of(truth, history, half, later), truth_of(truth, history, later)
    before, test = data_of(history, half, until=later), data_of(history, later)
    between = data_of(history, anew, until=later)
    rows = {
        "publishes": (everybody, everybody),
        "harms": (np.flatnonzero(taught[0]), np.flatnonzero(asked[0])),
    }
    areas, fits = {name: {read: [] for read in READS} for name in rows}, []
    for pair in range(options.pairs):
        old, new = (
            learned(APPROACHES["SAGE all"], data, 2 * pair + at) for at, data in enumerate((before, between))
        )

        def vectors(model, data):
            return embedded(model, data, everybody, seed=0)[0].double().numpy()

        fit = alignment(vectors(new, between), vectors(old, between))
        fits.append((fit.cosine, fit.unturned))
        now = vectors(new, test)
        for place, (name, (learns, told)) in enumerate(rows.items()):
            label, wanted = taught[place][learns].astype(np.float64), asked[place][told]
            by_old, by_new = (
                fitted(vectors(model, before)[learns], label, strengths=STRENGTHS) for model in (old, new)
            )
            seen = by_old(vectors(old, test)), by_old(now), by_old(now @ fit.turn), by_new(now)
            for read, score in zip(READS, seen, strict=True):
                areas[name][read].append(area_under_roc(wanted, score[told]))
        print(
            pair,
            fits[-1],
            {name: {k: round(v[-1], 3) for k, v in one.items()} for name, one in areas.items()},
            flush=True,
        )
    cosine, unturned = np.mean(fits, axis=0)
    result = {
        "pairs": options.pairs,
        "creators": history.accounts,
        "cosine": round(float(cosine), 3),
        "unturned": round(float(unturned), 3),
        **{
            name: {
                read: [round(float(v), 4) for v in (np.mean(o), min(o), max(o))] for read, o in one.items()
            }
            for name, one in areas.items()
        },
        "core_seconds": round(time.process_time() - began, 1),
    }
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
