"""Makes a scored and labelled file of made-up posts: numbers only, the same for the same seed.

python tests/scored_posts.py week.ndjson

A week of traffic with 0.8 % hate; the likelier the harm, the likelier a post was drawn for labelling.
"""

import json
import sys
from pathlib import Path

import numpy as np

START = 1_798_761_600_000_000
HOUR = 3_600_000_000
PREVALENCE, SEPARATION = 0.008, 3.4


def made_up(*, traffic=240_000, seed=7, drawn=True, hours=168):
    """Return lines for `write`: posts that were drawn for labelling, or with drawn=False all of the traffic."""
    rng = np.random.default_rng(seed)
    harmful = rng.random(traffic) < PREVALENCE
    score = rng.normal(size=traffic) + SEPARATION * harmful
    logit = np.log(PREVALENCE / (1 - PREVALENCE)) + SEPARATION * (score - SEPARATION / 2)
    p = 1 / (1 + np.exp(-logit))
    views = np.floor(np.minimum(rng.pareto(1.3, traffic) * 20, 50_000))
    forecast = views * np.exp(rng.normal(0, 0.5, traffic))
    at = np.sort(rng.integers(0, hours * HOUR, traffic))
    q = np.minimum(1.0, np.maximum(p, 0.02)) if drawn else np.ones(traffic)
    kept = rng.random(traffic) < q
    lines = []
    for row in np.flatnonzero(kept).tolist():
        line = {
            "id": f"p{row}",
            "probability": round(float(p[row]), 8),
            "policies": {"hate": round(float(p[row]), 8)},
            "language": "english",
            "labels": {"hate": int(harmful[row])},
            "harmful": int(harmful[row]),
            "forecast": round(float(forecast[row]), 1),
            "views": int(views[row]),
            "created_at": int(START + at[row]),
        }
        if drawn:
            line["sampling_probability"] = round(float(q[row]), 6)
        lines.append(line)
    return lines


def write(path, lines):
    """Write lines as NDJSON; return the path."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), made_up())
