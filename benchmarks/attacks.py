"""Attacks on the live system: what is wrongly removed before something stops it, and what stops it.

    python benchmarks/attacks.py --write             # 10 to 25 minutes on one core
    python benchmarks/attacks.py --only copies calm

A real `sievert up` over HTTP, with a policy that was certified and promoted by the guardrail's own functions and
has removed for a day; a simulated network of 800 accounts goes on beside each attack for eight hours of its own
time, seven people judge 40 cases an hour between them, a webhook receiver obeys, and one author in three whose
harmless post was removed appeals. What the town writes is of made-up words whose evidence is known
(`tests/attacked.py`); how views and reports move a score and a forecast is what the shipped bundle learned. Each
attack begins from the same copy of the town; `calm` is the same hours without any.

Minutes are the town's, counted from the attack's first post. Diverted: removals that were called for and left to
people. Twice, lost: removals of one post that stand twice, messages that came twice, posts that were
acknowledged and are not there. The last line is one JSON object; `--write` puts it into
benchmarks/results/attacks.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from attacked import made
from attacks_on_town import (
    AgedBrigade,
    Attack,
    Bots,
    Brigade,
    BrokenInput,
    BrokenUpdate,
    CopiedBenign,
    NoBots,
    PoisonedHash,
    SplitHarm,
    cloned,
    fought,
)
from sievert.scoring.bundle import load_bundle

RESULT = Path(__file__).parent / "results" / "attacks.json"

ATTACKS = {
    "calm": Attack,
    "bots": Bots,
    "doubtful": NoBots,
    "split": SplitHarm,
    "copies": CopiedBenign,
    "brigade": Brigade,
    "aged": AgedBrigade,
    "hash": PoisonedHash,
    "input": BrokenInput,
    "update": BrokenUpdate,
}

COLUMNS = (
    ("wrong", "wrongly_removed_in_all"),
    ("before it", "wrongly_removed_before_a_stop"),
    ("their views", "views_they_would_have_had"),
    ("demoted", "wrongly_demoted"),
    ("harmful", "harmful_removed"),
    ("by itself", "harmful_removed_by_itself"),
    ("seen", "harmful_views"),
    ("diverted", "diverted_in_queue"),
    ("no case", "diverted_lost"),
    ("twice", "removed_twice"),
    ("told twice", "told_twice"),
    ("lost", "lost"),
)


def stopped_by(row):
    """Say what ended it, and when."""
    said = [f"{one} at {row['minutes_to_stop']:.0f} min" for one in row["stops"]]
    if row["minutes_to_withdrawal"] is not None:
        said.append(f"certificate at {row['minutes_to_withdrawal']:.0f} min")
    said += [f"{count} {rule}" for rule, count in row["diverted"].items()]
    if row["quarantined_entries"]:
        said.append(f"{row['quarantined_entries']} entry in quarantine")
    return ", ".join(said) or "nothing"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", choices=ATTACKS, default=[*ATTACKS])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory(prefix="sievert-attacks-") as folder:
        town = made(Path(folder) / "town")
        town.start()
        kept = town.certify(look=8, window=24, audits=1400, then=26)
        town.end()
        town.at_rest()
        bundle = load_bundle(town.folder / "bundle")
        print(
            f"certified at a level of {kept.certificate.lambda_posts:.0f}, of {len(town.acknowledged):,} records"
        )
        print(f"{'':9}" + "".join(f"{head:>12}" for head, _ in COLUMNS) + "   stopped by")
        for name in args.only:
            more = {"folder": Path(folder) / "broken"} if name == "update" else {}
            attack = ATTACKS[name](bundle, **more)
            rows[name] = fought(cloned(town, Path(folder) / name), attack, pace=0.5)
            numbers = "".join(f"{rows[name][key]:>12,}" for _, key in COLUMNS)
            print(f"{name:9}{numbers}   {stopped_by(rows[name])}", flush=True)
    result = {"level": kept.certificate.lambda_posts, "attacks": rows}
    print(json.dumps(result))
    if args.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
