"""What a policy of one's own costs in labels: heads from 50 to 500 examples, against the heads that ship.

    python benchmarks/few_shot.py --data FOLDER      # a quarter of an hour on one core; --write keeps the result

Texts are those of the test folds, from which no model of the bundle learned. They are cut in two halves by
groups of near-duplicates: examples are drawn from one, half of them harmful, and heads are measured on the
other, by average precision where one text in a hundred breaks the policy, with the interval of the median
draw and the range of all draws.

The first four policies are those that the heavy model learned, from tens of thousands of labels: its encoding
was made for them, so a few examples are enough, and that says little of a new policy. The others it never
heard of: `to_a_bot`, what people say to a chat bot, kind or not, and `about_disability`, texts about disabled
people, kind or not. They are no policies; they stand for how foreign one may be.

The light half decides what the heavy model reads. `found_at_share` is how much of what breaks the policy lies
in the 2 % of harmless texts that it likes best, or would by the light model's layers or by n-grams alone,
`found_as_sent` and `sent` how much its own cut sends on, and
of which share of traffic; `asked` is the share of traffic that a policy would ask people about at 0.3. All with
and without some 2,000 unlabelled texts of the examples' half, of which one in a hundred breaks the policy.

The last line is one JSON object.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np

from sievert.datasets.loading import load_folds
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision, measure_ranking
from sievert.schema.batch import TextColumn
from sievert.schema.taxonomy import LABELLED
from sievert.scoring.added_heads import Reads
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.cascade import score
from sievert.training.few_shot import Numbers, Stated, learn_head, text_numbers

RESULT = Path(__file__).parent / "results" / "few_shot.json"
SIZES = (50, 100, 200, 500)
FOREIGN = {
    "to_a_bot": ("convabuse", None),
    "about_disability": ("toxigen_annotated", ("target:physical dis", "target:mental dis")),
}
PREVALENCE = 0.01
SHARE = 0.02
TRAFFIC = 2_000
FEWEST = 30
ASKS = 0.3


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the corpora")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--texts", type=int, default=9_000, help="texts of the test folds that are used")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    return parser.parse_args()


def raw_labels(folder, corpus):
    """Return the labels of a corpus's rows by id, as its makers gave them."""
    with gzip.open(folder / f"{corpus}.jsonl.gz", "rt") as lines:
        return {row["id"]: row["labels"] for row in map(json.loads, lines)}


def concepts_of(rows, folder):
    """Return, by policy, a label for each row: 1, 0, or -1 where nobody knows."""
    found = {head: np.array([row.labels.get(head, -1) for row in rows]) for head in LABELLED}
    for name, (corpus, labels) in FOREIGN.items():
        if labels is None:
            found[name] = np.array([int(row.corpus == corpus) for row in rows])
        else:
            raw = raw_labels(folder, corpus)
            # Other corpora may speak of the same: only this one was asked.
            found[name] = np.array(
                [int(bool(set(raw[row.id]) & set(labels))) if row.corpus == corpus else 0 for row in rows]
            )
    return found


def taken(numbers, rows):
    """Return what is read of some rows, in rising order."""
    return Numbers(light=numbers.light[rows], heavy=numbers.heavy.take(rows), grams=numbers.grams.take(rows))


def natural(rng, pool, y):
    """Return rows of a pool as in traffic, where one in a hundred breaks the policy."""
    count = min(TRAFFIC, int((y[pool] != 1).sum()))
    harmful = rng.choice(pool[y[pool] == 1], max(1, round(PREVALENCE * count)), replace=False)
    return np.sort(np.concatenate([harmful, rng.choice(pool[y[pool] != 1], count, replace=False)]))


def pr_auc(y, z):
    return average_precision(y, z, natural_weights(y, prevalence=PREVALENCE))


def found(y, z):
    """Return how much of what breaks the policy lies in the share of harmless texts with the highest scores."""
    return float((z[y] >= np.quantile(z[~y], 1 - SHARE)).mean())


def drawn(rng, pool, y, size):
    """Return `size` rows of a pool, half of them harmful."""
    parts = [rng.choice(pool[y[pool] == kind], size // 2, replace=False) for kind in (0, 1)]
    return np.sort(np.concatenate(parts))


def one_head(numbers, y, groups, learn, held, traffic, size, seed):
    """Learn from `size` examples; return PR-AUC on what is held, with interval, and what the light half sends on."""
    rows = drawn(np.random.default_rng(seed), learn, y, size)
    said = Stated(name="policy", prevalence=PREVALENCE, share=SHARE, seed=seed)
    out = {}
    for kind, seen in (("alone", None), ("with_traffic", traffic)):
        head = learn_head(
            taken(numbers, rows), y[rows] == 1, groups[rows], seen, said,
            reads=Reads.TEXT, encoder="", advance=lambda *_: None,
        )  # fmt: skip
        test = taken(numbers, held)
        truth = y[held] == 1
        light, z = head.halves.looks(test)
        p, sent = head.head.second_map.apply(z), light >= head.head.spec.cut
        weight = natural_weights(truth, prevalence=PREVALENCE)
        asked = (p >= ASKS) & sent
        layers = head.halves.light.logits(test.light)
        out[kind] = {
            "pr_auc": pr_auc(truth, z),
            "light_pr_auc": pr_auc(truth, light),
            "heavy_pr_auc": pr_auc(truth, test.heavy.scores(head.halves.heavy)),
            "found_at_share": found(truth, light),
            "found_by_layers": found(truth, layers),
            "found_by_grams": found(truth, light - layers),
            "sent": float(weight[sent].sum()),
            "found_as_sent": float(sent[truth].mean()),
            "highest": head.highest,
            "asked": float(weight[asked].sum()),
            "asked_precision": float(weight[asked & truth].sum() / weight[asked].sum())
            if asked.any()
            else None,
            "by_cross_validation": head.pr_auc.value,
            "scores": z,
        }
    return out


def middle_of(values):
    """Return the median of what there is."""
    known = [one for one in values if one is not None]
    return round(float(np.median(known)), 4) if known else None


def main():
    options = parsed()
    bundle = load_bundle(default_bundle_path())
    folded = load_folds(options.data, bundle.fold)
    pairs = [
        (row, group)
        for row, group, fold in zip(folded.rows, folded.group.tolist(), folded.fold.tolist(), strict=True)
        if fold == 2 and row.language == "en"
    ]
    rng = np.random.default_rng(20270301)
    truth = concepts_of([row for row, _ in pairs], options.data)
    rare = np.flatnonzero(np.any([truth[name] == 1 for name in truth if name != "hate"], axis=0))
    kept = np.union1d(rare, rng.choice(len(pairs), min(options.texts, len(pairs)), replace=False))
    rows, groups = [pairs[at][0] for at in kept], np.array([pairs[at][1] for at in kept])
    truth = {name: y[kept] for name, y in truth.items()}
    texts = [row.text for row in rows]
    print(f"{len(rows):,} texts of the test folds")
    numbers = text_numbers(bundle, texts, advance=lambda *_: None)
    scored = [
        score(bundle, TextColumn.of(texts[at : at + 500]), heavy_share=1.0)
        for at in range(0, len(texts), 500)
    ]
    half = np.random.default_rng(1).permutation(groups.max() + 1)[groups] % 2
    lines = []
    for name, y in truth.items():
        learn, held = (np.flatnonzero((half == side) & (y >= 0)) for side in (0, 1))
        traffic = taken(numbers, natural(rng, np.flatnonzero(half == 0), y))
        shipped = None
        if name in LABELLED:
            p = np.concatenate([one.of(name) for one in scored])
            shipped = measure_ranking(y[held] == 1, p[held], prevalence=PREVALENCE).pr_auc
        for size in options.sizes:
            if (y[learn] == 1).sum() < size // 2 or (y[held] == 1).sum() < FEWEST:
                print(f"{name}: too few labels for {size}")
                continue
            draws = [
                one_head(numbers, y, groups, learn, held, traffic, size, seed)
                for seed in range(options.draws)
            ]
            alone = sorted(draws, key=lambda one: one["alone"]["pr_auc"])
            middle = measure_ranking(
                y[held] == 1, alone[len(alone) // 2]["alone"]["scores"], prevalence=PREVALENCE
            ).pr_auc
            line = {
                "policy": name,
                "learned_by_the_heavy_model": name in LABELLED,
                "labels": size,
                "held_harmful": int((y[held] == 1).sum()),
                "held_harmless": int((y[held] == 0).sum()),
                "pr_auc": [round(one, 3) for one in (middle.value, middle.low, middle.high)],
                "draws": [round(alone[at]["alone"]["pr_auc"], 3) for at in (0, -1)],
                "shipped": None
                if shipped is None
                else [round(one, 3) for one in (shipped.value, shipped.low, shipped.high)],
            }
            for kind in ("alone", "with_traffic"):
                line[kind] = {
                    key: middle_of([one[kind][key] for one in draws])
                    for key in draws[0][kind]
                    if key != "scores"
                }
            lines.append(line)
            print(json.dumps(line), flush=True)
    result = {"benchmark": "few_shot", "bundle": bundle.version, "prevalence": PREVALENCE, "lines": lines}
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
