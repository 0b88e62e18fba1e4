"""What lists and rules of policies cost a post, and what hostile patterns and expressions cost at worst.

    python benchmarks/rules.py

Posts are those of `path.py`: 2,000 a batch, mean 98 characters. Costs are process CPU time (core-
microseconds a post), because machines are shared; each is the median of batches. "Words" are 100 in two rules,
"patterns" 10 in two, "expressions" three in three rules; one post in a hundred has a word that is listed.
At worst: texts of 64 KiB against the largest patterns that a policy may state, and one evaluation of the
longest expressions.
"""

import json
import os
import statistics
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from path import ndjson
from sievert.pipeline.ruling import Ruling
from sievert.policy.expressions import LONGEST_EXPRESSION, Expression
from sievert.policy.loading import policy_set
from sievert.policy.patterns import PatternSet, program_size
from sievert.policy.rulebook import RuleBook
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.clock import SystemClock
from sievert.schema.policy import Policy, StatedList, StatedRule
from sievert.schema.post import Post
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.testing import batch_of

BATCH, BATCHES = 2000, 40
OUT = Path(__file__).parent / "results" / "rules.json"
PATTERNS = (
    r"fr[e3]{2}\s+(?:money|crypto)",
    r"\bwin(?:ner)?\s+\$\d+",
    r"t\.me/\w+",
    r"\+\d{7,15}",
    r"(?:buy|sell)\s+\w+\s+followers",
    r"(?-i)[A-Z]{20,}",
    r"(a+)+$",
    r"only\s?friends",
    r"dm\s+me\s+for",
    r"\d{4}[- ]\d{4}[- ]\d{4}",
)
EXPRESSIONS = (
    "p.hate > 0.05 && harm > 0.1 && language == 'english'",
    "content.links > 2 && content.characters < 60",
    "has(behaviour.creator_posts_today) && behaviour.creator_posts_today > 2.0 && p.hate >= 0.2",
)


def policy(**fields):
    return Policy(name="hate", version=1, category="hate", title="Hate", **fields)


def rules():
    """Return the sets of rules that are priced, by name."""
    half = [f"badword{i}" for i in range(99)] + ["sentinel"]
    words = [
        StatedRule(name=f"w{i}", then="review", words=tuple(half[50 * i : 50 * i + 50]), flood_per_hour=10**9)
        for i in range(2)
    ]
    patterns = [
        StatedRule(name=f"p{i}", then="review", patterns=PATTERNS[5 * i : 5 * i + 5]) for i in range(2)
    ]
    expressions = [
        StatedRule(name=f"e{i}", then="review", expression=one) for i, one in enumerate(EXPRESSIONS)
    ]
    likely = [
        StatedRule(name=f"l{i}", then="review", expression=one, at_least=0.05)
        for i, one in enumerate(EXPRESSIONS)
    ]
    lists = StatedList(
        creators={"default": tuple(f"u{i}" for i in range(50_000, 51_000))},
        domains=tuple(f"d{i}.example" for i in range(1_000)),
    )
    return {
        "none": policy(),
        "lists of 1,000 creators and 1,000 domains": policy(deny=lists),
        "100 words": policy(rules=tuple(words)),
        "10 patterns": policy(rules=tuple(patterns)),
        "3 expressions, for every post": policy(rules=tuple(expressions)),
        "3 expressions, from 0.05 on": policy(rules=tuple(likely)),
        "words, patterns, and expressions from 0.05 on": policy(rules=(*words, *patterns, *likely)),
    }


def scores(rng):
    p = (rng.beta(0.02, 1.0, BATCH)).astype(np.float32)  # most next to nothing, a few likely
    return ScoredBatch(
        bundle="b",
        heads=("hate",),
        harm=p,
        policies=p[:, None],
        language=np.zeros(BATCH, np.int8),
        stage=np.zeros(BATCH, np.int8),
    )


def priced(stated, batches, fold):
    """Return core-microseconds a post of looking and of deciding, and how many posts held."""
    policies = policy_set([stated])
    ruling = Ruling(RuleBook(policies, fold), clock=SystemClock())
    looking, deciding, held = [], [], 0
    for posts, scored in batches:
        began = time.process_time()
        found = ruling.look(posts, scored)
        looked = time.process_time()
        decide(
            posts,
            scored,
            policies=policies,
            certificates=(),
            forecast=None,
            review_room={"hate": 0},
            now=0,
            stated=found,
        )
        looking.append((looked - began) / BATCH * 1e6)
        deciding.append((time.process_time() - looked) / BATCH * 1e6)
        held += len(found)
    return statistics.median(looking), statistics.median(deciding), held / (BATCH * len(batches))


def seconds(call):
    began = time.process_time()
    call()
    return time.process_time() - began


def worst():
    """Return seconds at worst, by what was tried."""
    rng = np.random.default_rng(1)
    random_ab = bytes(rng.choice([97, 98], 1 << 16).astype(np.uint8))
    largest = [r"(?:a|b)*a(?:a|b){490}c", r".*a.{55}b", r"(?:[a-f]{1,20}b){12}z"]
    # As many as a policy may state, each with a place of its own in the set.
    many = [rf"(?:a|b)*a(?:a|b){{{480 + i}}}c" for i in range(4)]
    found = {}
    for pattern in largest:
        one = PatternSet([pattern])
        found[f"pattern of {program_size(pattern)} instructions"] = max(
            seconds(lambda text=text, one=one: one.find(text)) for text in (random_ab, b"a" * (1 << 16))
        )
    ten = PatternSet(many)
    found[f"{len(many)} patterns of {sum(map(program_size, many))} instructions"] = seconds(
        lambda: ten.find(random_ab)
    )
    catastrophic = PatternSet([r"(a+)+$", r"(a|aa)+$"])
    found["(a+)+$ and (a|aa)+$"] = seconds(lambda: catastrophic.find(b"a" * (1 << 16) + b"!"))
    longest = Expression(" || ".join(["harm > 2.0"] * 71))
    found["expression of 71 comparisons"] = seconds(lambda: longest.holds({"harm": 0.1}))
    text = "'" + "x" * (LONGEST_EXPRESSION - 40) + "'.matches('(x+x+)+y') || harm > 2.0"
    matching = Expression(text)
    found["expression with a catastrophic match"] = seconds(lambda: matching.holds({"harm": 0.1}))
    return found


def main():
    fold = load_bundle(default_bundle_path()).fold
    rng = np.random.default_rng(0)
    lines = ndjson(BATCH * BATCHES, seed=1)
    posts = [
        Post(id=f"p{i}", text=said["text"], creator_id=said["creator_id"])
        for i, said in enumerate(map(json.loads, lines))
    ]
    batches = [(batch_of(posts[i * BATCH : (i + 1) * BATCH]), scores(rng)) for i in range(BATCHES)]
    results = {}
    print(f"{'stated':<48}{'look':>8}{'decide':>8}{'held':>8}")
    for name, stated in rules().items():
        priced(stated, batches[:1], fold)
        look, deciding, held = priced(stated, batches, fold)
        results[name] = {"look": round(look, 2), "decide": round(deciding, 2), "held": round(held, 4)}
        print(f"{name:<48}{look:>8.2f}{deciding:>8.2f}{held:>8.2%}")
    bounds = {name: round(value, 4) for name, value in worst().items()}
    for name, value in bounds.items():
        print(f"{name:<48}{value:>8.3f} s")
    figures = {"core_us_per_post": results, "worst_seconds": bounds}
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
