"""What is lost of the harm in posts of text alone when the heavy model reads a share of traffic and not all of it.

    python benchmarks/text_lane.py --data FOLDER [--posts 6000] [--write]

The same question as that of the lane of posts with pictures (`sievert train lane`), asked of labelled English
texts that the models did not learn from (the calibration fold of each corpus, as many of each): of harmful
texts about which some rule does something when the heavy model reads everything, which part is not found when it
reads a share, weighted by views. Views are drawn as the simulated network draws them, with a heavy tail and
whatever the text says; the bound holds in 95 of 100 samples. The last line is one JSON object.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from sievert.datasets.loading import load_folds
from sievert.features.content.fold import build_fold_tables
from sievert.measurement.binomial import highest_share
from sievert.pipeline.decode import to_batch
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.rules import decide
from sievert.schema.decision import Language
from sievert.schema.post import Post
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.utterances import Shares, score_posts

SHARES = (0.003, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8)
KEPT = 0.99
RESULT = Path(__file__).parent / "results" / "text_lane.json"
_CHUNK = 500
_SPREAD = 2.0  # of the logarithm of views: a power-law-like tail, where 1 % of posts has a third of all views


def harmful_texts(data, most, rng):
    """Return texts, as many of each corpus as it has or as keeps the whole below `most`."""
    rows = [
        row
        for row in load_folds(data, build_fold_tables()).pick("calibration")
        if row.language == "en" and row.labels.get(HARM) == 1
    ]
    corpora = sorted({row.corpus for row in rows})
    texts = []
    for corpus in corpora:
        own = [row.text for row in rows if row.corpus == corpus]
        texts += [own[at] for at in rng.permutation(len(own))[: most // len(corpora)].tolist()]
    return texts, corpora


def found(bundle, policies, texts, share):
    """Mark the texts about which a rule does something, and say which part of them the heavy model read."""
    room = {policy.name: 1 << 62 for policy in policies.policies}
    marks, read = [], 0
    for start in range(0, len(texts), _CHUNK):
        some = texts[start : start + _CHUNK]
        posts = to_batch(
            [Post(id=str(at), text=text) for at, text in enumerate(some)],
            [text.encode() for text in some],
            received_at=0,
        )
        scored = score_posts(bundle, posts, shares=Shares(text=share, pictures=share))
        decided = decide(
            posts, scored, policies=policies, certificates=(), forecast=None, review_room=room, now=0
        )
        marks.append(decided.outcome > 0)
        read += int(((scored.stage == 1) & (scored.language == Language.ENGLISH)).sum())
    return np.concatenate(marks), read / len(texts)


def loss(lost, views, rng):
    """Return the share of views that is lost, and a bound on it: by resampling, and exact by posts."""
    drawn = rng.integers(len(lost), size=(1000, len(lost)))
    resampled = (views * lost)[drawn].sum(axis=1) / views[drawn].sum(axis=1)
    exact = highest_share(int(lost.sum()), len(lost), confidence=0.95)
    return float((views * lost).sum() / views.sum()), max(float(np.quantile(resampled, 0.95)), exact)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--posts", type=int, default=6000)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    bundle, policies = load_bundle(default_bundle_path()), load_policies(default_policies_path())
    texts, corpora = harmful_texts(options.data, options.posts, rng)
    views = np.exp(rng.normal(0, _SPREAD, len(texts)))
    whole, _ = found(bundle, policies, texts, 1.0)
    points, keeps = [], None
    print(f"{len(texts):,} harmful texts of {len(corpora)} corpora, {int(whole.sum()):,} of them found")
    print(f"{'share':>8}{'read of harmful':>17}{'posts lost':>12}{'views lost':>12}{'at most':>10}")
    for share in SHARES:
        kept, read = found(bundle, policies, texts, share)
        lost = (whole & ~kept)[whole]
        mean, most = loss(lost, views[whole], rng)
        keeps = keeps or (share if mean <= 1 - KEPT else None)
        points.append({"share": share, "posts_lost": round(float(lost.mean()), 4), "lost": round(mean, 4)})
        points[-1]["most_lost"] = round(most, 4)
        print(f"{share:>8.1%}{read:>17.1%}{lost.mean():>12.2%}{mean:>12.2%}{most:>10.2%}", flush=True)
    result = {"texts": len(texts), "found": int(whole.sum()), "corpora": corpora, "points": points}
    result["share_that_keeps_99_percent"] = keeps
    print(json.dumps(result))
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
