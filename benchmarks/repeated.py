"""What benchmarks of random methods do alike: choose repetitions and seed, measure, show, keep, print JSON."""

import argparse
import json
import time

import numpy as np


def report(about, measure, show, path):
    """Print `measure(repetitions, rng)` as a table and as a line of JSON; with --write keep it at `path`."""
    parser = argparse.ArgumentParser(description=about.split("\n", 1)[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    chosen = parser.parse_args()
    began = time.process_time()
    result = measure(chosen.repetitions, np.random.default_rng(chosen.seed))
    result["core_seconds"] = round(time.process_time() - began, 1)
    show(result)
    if chosen.write:
        path.write_text(json.dumps(result, indent=4) + "\n")
    print(json.dumps(result))
