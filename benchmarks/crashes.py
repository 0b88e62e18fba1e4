"""Everything at once against a real server that is killed at any moment, over and over: what does not hold after a kill.

    python benchmarks/crashes.py --kills 200 --write     # about an hour on one core

The load of `tests/mixed_load.py`: posts, events, claims of four reviewers, verdicts, appeals, actions taken back and
done again, a switch that is turned, demotions that expire after two seconds, removals under a certificate whose
audits people judge and the ledger hears. After each `SIGKILL` the stores are opened and looked through. The last
line is one JSON object; `--write` puts it into benchmarks/results/crashes.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from mixed_load import Load, prepared, unsound
from sievert.testing import write_tiny_bundle

RESULT = Path(__file__).parent / "results" / "crashes.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sievert-crashes-") as name:
        folder = Path(name)
        bundle = write_tiny_bundle(folder / "bundle")
        policies, keys = prepared(folder, bundle)
        load = Load(folder, folder / "bundle", policies, keys, seed=args.seed)
        found = []
        for kill in range(args.kills):
            load.round()
            wrong = unsound(load, folder)
            found += [f"after kill {kill + 1}: {one}" for one in wrong]
            print(
                f"{kill + 1:4} kills, {len(load.posts):,} posts, {len(found)} not as it must be", flush=True
            )
            if wrong:
                break
    result = {
        "kills": load.kills,
        "unsound": found,
        "posts": len(load.posts),
        "events": len(load.events),
        "verdicts": len(load.verdicts),
        "appeals": len(load.appeals),
        "taken_back": len(load.undone),
    }
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
