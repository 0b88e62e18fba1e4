"""What disguises cost a bundle, and mentions and quotes, without making the bundle anew.

    python benchmarks/disguises.py --data FOLDER [--bundle FOLDER]

The same measurement as in the model card, on harmful texts of the test fold, at the score that the
bundle's own report names for removing 0.5 % of traffic. Prints the tables and, as the last line, one
JSON object.
"""

import argparse
import json
from pathlib import Path

import msgspec

from sievert.datasets.loading import load_folds
from sievert.evaluation.models import REMOVED
from sievert.evaluation.robustness import measure_robustness
from sievert.features.content.fold import build_fold_tables
from sievert.pipeline.path import HEAVY_SHARE
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.training.light_linear import LANGUAGE


def operating_point(folder):
    """Return the probability of harm at which the bundle's report removes 0.5 % of pooled traffic."""
    report = json.loads((folder / "report.json").read_bytes())
    line = next(one for one in report["held_out"]["lines"] if one["head"] == HARM and one["corpus"] == "all")
    return next(one["threshold"] for one in line["ranking"]["at_shares"] if one["share"] == REMOVED)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    given = parser.parse_args()
    rows = load_folds(given.data, build_fold_tables()).pick("test")
    found = measure_robustness(
        [row for row in rows if row.language == LANGUAGE],
        load_bundle(given.bundle),
        threshold=operating_point(given.bundle),
        removal_share=REMOVED,
        heavy_share=HEAVY_SHARE,
        advance=lambda stage, done, total: print(f"{stage} {done} of {total}", flush=True),
    )
    plain = found.evasion[0]
    print(f"\npoints of recall lost, of {100 * plain.whole:.1f}")
    print(f"{'trick':<12}{'every word':>12}{'some words':>12}{'as written':>12}{'in a cascade':>14}")
    for line in found.evasion[1:]:
        lost = [
            100 * (getattr(plain, way) - getattr(line, way)) for way in ("whole", "some", "raw", "cascade")
        ]
        print(f"{line.trick:<12}{lost[0]:>12.1f}{lost[1]:>12.1f}{lost[2]:>12.1f}{lost[3]:>14.1f}")
    for kind in found.mentions:
        print(f"{kind.kind}: {kind.false_alarms:.1%} false alarms of {kind.texts:,}")
    print(json.dumps(msgspec.to_builtins(found)))


if __name__ == "__main__":
    main()
