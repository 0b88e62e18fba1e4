"""Texts for worlds in which what hears pictures learns and is measured: those that the text models did not learn from.

    python benchmarks/lane_texts.py --data FOLDER --out texts.jsonl
    sievert simulate --texts texts.jsonl --images --creators 60000 --days 14 --out world
    sievert train lane --history world --labels truth --out bundle

English rows of a fold of every corpus that may feed a bundle that ships: of the calibration fold where something
learns or is chosen. Of the test fold either half may be taken by itself, so that one can be decided by and the
other measured on; texts that nearly repeat each other are of one half.
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
    options.add_argument("--fold", choices=("calibration", "test"), default="calibration")
    options.add_argument("--half", type=int, choices=(0, 1), help="by default both")
    chosen = options.parse_args()
    folded = load_folds(chosen.data, build_fold_tables())
    group = dict(zip(map(id, folded.rows), folded.group.tolist(), strict=True))
    rows = [
        row
        for row in folded.pick(chosen.fold)
        if row.language == "en" and chosen.half in (None, group[id(row)] % 2)
    ]
    with chosen.out.open("w") as out:
        for row in rows:
            labels = [head for head, value in row.labels.items() if value == 1 and head != HARM]
            harmful = int(row.labels.get(HARM, 0) == 1)
            out.write(json.dumps({"text": row.text, "harmful": harmful, "labels": labels}) + "\n")
    print(json.dumps({"texts": len(rows)}))


if __name__ == "__main__":
    main()
