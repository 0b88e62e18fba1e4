"""The data card: which texts a bundle learned from, under which terms, and how they were split."""

from collections import Counter

from sievert.datasets.corpora import BY_NAME, CORPORA, Use
from sievert.datasets.folds import FOLDS, Folded
from sievert.schema.taxonomy import HARM, LABELLED


def data_card(folded: Folded) -> str:
    """Write the data card of folds, in Markdown, one sentence a line."""
    sizes: Counter[tuple[str, str]] = Counter()
    harmful: Counter[str] = Counter()
    known: Counter[tuple[str, str, int]] = Counter()
    for row, code in zip(folded.rows, folded.fold.tolist(), strict=True):
        sizes[row.corpus, FOLDS[code]] += 1
        harmful[row.corpus] += row.labels.get(HARM, 0)
        for head, value in row.labels.items():
            known[FOLDS[code], head, value] += row.language == "en"
    corpora = sorted({row.corpus for row in folded.rows})
    lines = [
        "# Data card",
        "",
        f"{len(folded.rows):,} labelled texts from {len(corpora)} public research corpora.",
        f"{folded.dropped:,} exact repeats were dropped.",
        "The texts are not part of this bundle, and none can be read out of it: what is left are the weights of",
        "models, a list of frequent words and, of some harmful texts, their ids and what an encoder makes of them.",
        "",
        "| corpus | languages | what it is | licence | train | calibration | test | harmful |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name in corpora:
        corpus = BY_NAME[name]
        total = sum(sizes[name, fold] for fold in FOLDS)
        counts = " | ".join(f"{sizes[name, fold]:,}" for fold in FOLDS)
        lines.append(
            f"| {name} | {', '.join(corpus.languages)} | {corpus.about} | {corpus.licence} | {counts} "
            f"| {harmful[name] / total:.0%} |"
        )
    lines += [
        "",
        "## What the labels say",
        "",
        "English texts by head; a label that a corpus does not give is unknown, and is masked.",
        "",
        "| head | train: harmful | train: harmless | calibration: harmful | test: harmful |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {head} | {known['train', head, 1]:,} | {known['train', head, 0]:,} "
        f"| {known['calibration', head, 1]:,} | {known['test', head, 1]:,} |"
        for head in (HARM, *LABELLED)
    ]
    lines += [
        "",
        "Texts in other languages teach the language head only.",
        "",
        "## Splits",
        "",
        "Near-duplicates (MinHash over the model's own n-grams) and contrast pairs form groups.",
        "A group lies in one fold: the official one where a corpus has it, else one drawn by hash.",
        "The folds are disjoint by construction: train, calibration, test.",
        "Authors are not known, so one author may write on both sides.",
        "",
        "## Other uses",
        "",
    ]
    lines += [
        f"- {corpus.name} ({corpus.licence}): {corpus.use.value}."
        for corpus in CORPORA
        if corpus.use is not Use.SHIP
    ]
    lines += [
        "",
        "## Traps",
        "",
        "- Corpora disagree on what is harmful: plain profanity is, in some; only hate is, in others.",
        "- Class balance differs wildly, so rows are weighed by corpus and class.",
        "- Most texts are older than 2022, and most come from the United States and the United Kingdom.",
        "- Labels are the makers' and their annotators'; some are wrong.",
        "",
    ]
    return "\n".join(lines)
