"""Small made-up corpora in the shape of the real ones; harmful texts carry mild stand-in words."""

import gzip
import json
import os
import random
from pathlib import Path

PLAIN = [
    "the",
    "bus",
    "was",
    "late",
    "again",
    "this",
    "morning",
    "and",
    "it",
    "rained",
    "all",
    "day",
    "while",
    "we",
    "waited",
    "for",
    "our",
    "friends",
    "at",
    "the",
    "station",
    "with",
    "coffee",
    "and",
    "cake",
    "before",
    "the",
    "match",
    "started",
    "in",
    "the",
    "park",
    "near",
    "the",
    "old",
    "river",
    "house",
]

GERMAN = [
    "heute",
    "ist",
    "der",
    "tag",
    "und",
    "wir",
    "gehen",
    "mit",
    "den",
    "kindern",
    "in",
    "einen",
    "park",
    "weil",
    "es",
    "nicht",
    "mehr",
    "regnet",
]

BAD = {"hate": "blorp", "harassment": "goose", "threat": "splat", "spam": "freebie"}


def write_corpora(folder: Path, *, rows: int = 240, seed: int = 5) -> Path:
    """Write corpora with labels for every head, and one German corpus; return the folder."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "cad", _abuse(rng, rows, "IdentityDirectedAbuse", "hate", "Neutral"))
    _write(
        folder,
        "convabuse",
        _abuse(rng, rows, "abuse", "harassment", "not_abuse"),
    )
    _write(folder, "hatemoji_build", _threats(rng, rows))
    _write(folder, "sms_spam", _abuse(rng, 2 * rows, "spam", "spam", "ham"))
    german = [" ".join(rng.choice(GERMAN) for _ in range(10)) for _ in range(60)]
    _write(folder, "germeval2018", [(text, 0, ["OTHER", "lang:de"]) for text in german])
    return folder


def real_corpora() -> Path | None:
    """Return the folder of the real corpora where there is one: $SIEVERT_DATA, or beside the repository."""
    named = os.environ.get("SIEVERT_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
    for folder in ([Path(named)] if named else []) + [beside]:
        if folder.is_dir():
            return folder
    return None


def sentence(rng: random.Random, *, bad: str | None = None) -> str:
    """Make a sentence of plain words, with a stand-in word if asked."""
    words = [rng.choice(PLAIN) for _ in range(rng.randint(6, 14))]
    if bad is not None:
        words[rng.randrange(len(words))] = bad
    return " ".join(words)


def _abuse(rng, rows, bad_label, head, good_label):
    for i in range(rows):
        bad = i % 3 == 0
        yield (
            sentence(rng, bad=BAD[head] if bad else None),
            int(bad),
            [bad_label if bad else good_label, _split(rng)],
        )


def _threats(rng, rows):
    for i in range(rows):
        kind = i % 4
        label = {0: "threateninglanguage", 1: "derogation"}.get(kind)
        bad = {0: BAD["threat"], 1: BAD["hate"]}.get(kind)
        labels = ["hate", label] if label else ["not_hate", "none"]
        yield sentence(rng, bad=bad), int(label is not None), [*labels, _split(rng)]


def _split(rng):
    return rng.choice(["split:train"] * 3 + ["split:dev", "split:test"])


def _write(folder, name, rows):
    with gzip.open(folder / f"{name}.jsonl.gz", "wt") as out:
        for i, (text, harmful, labels) in enumerate(rows):
            out.write(
                json.dumps({"id": f"{name}:{i}", "text": text, "harmful": harmful, "labels": labels}) + "\n"
            )
