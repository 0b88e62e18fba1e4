"""How good is the bundle that ships: by corpus, policy, language and group, and on blind test sets?

    python benchmarks/bundle_report.py --data FOLDER [--blind FOLDER] [--bundle FOLDER] [--write]

FOLDER has the corpora as NAME.jsonl.gz: their test folds are measured, corpora that the bundle never learned from
whole, and the templates of identity terms. The blind folder has HateCheck, Multilingual HateCheck and the evaluation
set of OpenAI's moderation as their makers publish them; without it the report says that they were not measured.
Nothing is chosen by what comes out. Prints the report in words and tables and, as the last line, one JSON object;
`--write` keeps it for docs/explanation/bundle.md. Takes some four minutes of one core. No text is printed.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec
from rich.console import Console

from sievert.cli.learning_progress import stages
from sievert.datasets.suites import read_suites
from sievert.evaluation.bundle_report import report_on_bundle
from sievert.evaluation.bundle_words import written
from sievert.scoring.bundle import default_bundle_path, load_bundle

RESULT = Path(__file__).parent / "results" / "bundle_report.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--blind", type=Path)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    given = parser.parse_args()
    with stages(Console(stderr=True)) as advance:
        report = report_on_bundle(
            load_bundle(given.bundle),
            given.data,
            read_suites(given.blind) if given.blind else {},
            resamples=given.resamples,
            advance=advance,
        )
    line = msgspec.json.encode(report)
    if given.write:
        RESULT.write_bytes(line + b"\n")
    print(written(report))
    print(line.decode())


if __name__ == "__main__":
    main()
