"""What a candidate costs a server: not loaded, loaded, acting in a tenth of creators, in half of them.

    python benchmarks/acting_cost.py --write

One process, one thread, a data folder, batches of 500 posts as `path.py` makes them, the shipped bundle; the
candidate is the same one under another name, so that it costs what the first does. The heavy model reads hardly any of
these posts; of those of both arms that it reads it reads each twice (`cascade.py` tells what that costs). CPU time
(core-microseconds a post), the least of some rounds in turn; machines are shared.
"""

import argparse
import dataclasses
import json
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from path import ndjson  # sets one thread a library before numpy comes
from sievert.guardrail.experimenting import BothScored, start
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.arms import Candidate
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.by_arm import run_by_arm
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.guarding import Guard
from sievert.pipeline.path import Parts
from sievert.pipeline.ruling import Ruling
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.rulebook import RuleBook
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.experiment import Acting
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.stores.embedded import EmbeddedStores

RESULT = Path(__file__).parent / "results" / "acting_cost.json"
BATCH = 500
WAYS = {"not loaded": None, "loaded": 0.0, "acts in a tenth": 0.1, "acts in half": 0.5}


def parts_for(folder, bundle, policies, share):
    clock = SystemClock()
    stores = EmbeddedStores(folder, clock=clock)
    other = dataclasses.replace(bundle, version="other@1")
    if share:
        start(
            stores.guardrail,
            policies.named("hate"),
            {"a": BothScored(revision=0, control=0.1, candidate=0.9, seen=1, counted=1.0, reports=0)},
            platform="default",
            window=(clock.now() - DAY, clock.now()),
            candidate=other.version,
            control=(bundle.version,),
            lines=(0.85, 0.85),
            all_views=10.0,
            draws=40,
            now=clock.now(),
            actor="benchmark",
            acting=Acting(share=share),
        )
    parts = Parts(
        bundle=bundle,
        policies=policies,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        ruling=Ruling(RuleBook(policies, bundle.fold), clock=clock),
        clock=clock,
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        checking=StoredChecks(policies, standing=stores.standing, stops=stores.stops),
        guard=Guard(stores.guardrail, policies),
        candidate=None if share is None else Candidate(other, stores.guardrail, control=bundle),
    )
    return stores, parts


def measure(rounds, batches):
    lines = ndjson(BATCH * batches, seed=1)
    bundle, policies = load_bundle(default_bundle_path()), load_policies(default_policies_path())
    least = dict.fromkeys(WAYS, float("inf"))
    folder = Path(tempfile.mkdtemp())
    try:
        opened = {way: parts_for(folder / way, bundle, policies, share) for way, share in WAYS.items()}
        for number in range(rounds + 1):
            for way, (_, parts) in opened.items():
                some = [
                    line.replace(b"@@@@@@@@@@@@", b"%012d" % (number * len(lines) + n))
                    for n, line in enumerate(lines)
                ]
                began = time.process_time()
                for at in range(0, len(some), BATCH):
                    run_by_arm(some[at : at + BATCH], parts)
                cost = (time.process_time() - began) / len(some) * 1e6
                if number:  # the first round warms up
                    least[way] = min(least[way], cost)
        for stores, _ in opened.values():
            stores.close()
    finally:
        shutil.rmtree(folder)
    return {"batch": BATCH, "rounds": rounds, "core_us": {way: round(cost, 1) for way, cost in least.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    chosen = parser.parse_args()
    result = measure(chosen.rounds, chosen.batches)
    for name, cost in result["core_us"].items():
        print(f"{name:<18}{cost:>9,.1f} core-us a post")
    if chosen.write:
        RESULT.write_text(json.dumps(result, indent=4) + "\n")
    print(msgspec.json.encode(result).decode())
