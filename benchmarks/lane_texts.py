"""Texts for the world on which the lane of posts with pictures is measured: those that the models did not learn from.

    python benchmarks/lane_texts.py --data FOLDER --out texts.jsonl
    sievert simulate --texts texts.jsonl --images --creators 60000 --days 14 --out world
    sievert train lane --history world --labels truth --out bundle

English rows of the calibration fold of every corpus that may feed a bundle that ships; the test fold is
left alone, since cuts are chosen here.
"""

import argparse
import json
from pathlib import Path

from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.schema.taxonomy import HARM


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    chosen = options.parse_args()
    rows = [
        row
        for row in load_folds(chosen.data, build_fold_tables()).pick("calibration")
        if row.language == "en"
    ]
    with chosen.out.open("w") as out:
        for row in rows:
            labels = [head for head, value in row.labels.items() if value == 1 and head != HARM]
            harmful = int(row.labels.get(HARM, 0) == 1)
            out.write(json.dumps({"text": row.text, "harmful": harmful, "labels": labels}) + "\n")
    print(json.dumps({"texts": len(rows)}))


if __name__ == "__main__":
    main()
