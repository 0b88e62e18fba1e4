"""What the fusion model of a bundle does: in the world of its material, and to real texts and pictures.

    python benchmarks/fusion_elsewhere.py MATERIAL --bundle BUNDLE --texts TEXTS --data FOLDER --fold calibrate
    python benchmarks/fusion_elsewhere.py MATERIAL --bundle BUNDLE --texts TEXTS --data FOLDER --fold test --write

In the world it is held against the cascade and the update model, as each would serve, on the same posts, by posts
and by views, at a moment of each and when it is created; of posts with pictures also by themselves, and by form of
harm. A fusion model that hears no people serves beneath the update model, and is measured so. Real texts (NDJSON
with text and harmful) take the place of posts of the world, drawn as in its traffic, when they are created and at a moment later: creator and reactions are anybody's,
which says nothing of the text. What that does to the ranking, at 1 % harmful, and to what lies above the
thresholds of the policies that ship, is told. FOLDER holds real memes with the words in them
(harmeme_train.jsonl.gz, for experiments only: nothing learns from them, none is shown) and photos of harmless
things (photos_cc0). Intervals are 95 %. The last line is one JSON object.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from sievert.features.behaviour.rows import OWN
from sievert.features.content.pixels import pixels_of
from sievert.features.content.thumbnail import thumbnail_features
from sievert.measurement.paired import pr_auc_difference
from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.schema.media import PictureFacts
from sievert.scoring.bundle import load_bundle
from sievert.scoring.cascade import score
from sievert.scoring.fusion import Latents, untouched
from sievert.training.fusion_report import behaviour_as_served
from sievert.training.material import read_material
from sievert.training.measured_fold import MeasuredFold
from sievert.training.rung import drawn_rows

RESULT = Path(__file__).parent / "results" / "fusion_elsewhere.json"
DRAWS, RESAMPLES = 5, 300
REVIEW, DEMOTE = 0.3, 0.7
OF_TEXTS, OF_MEMES = 0.01, 0.1
CHUNK = 2000


def latents(fusion, count, vectors=None):
    """Return what is known of the content: pictures' vectors by row, or nothing."""
    found = Latents.unknown(count, text=fusion.spec.text_width, picture=fusion.spec.picture_width)
    known = np.zeros(count, np.bool_)
    for row, vector in (vectors or {}).items():
        found.picture[row], known[row] = vector, True
    return Latents(**{name: getattr(found, name) for name in Latents.__slots__} | {"picture_known": known})


def in_the_world(bundle, material, name):
    """Hold the three ways to score against each other on a fold."""
    fold = material.folds[name]
    measured = MeasuredFold(fold, name, resamples=0)
    rows, contents = measured.rows, fold.columns["content"][measured.rows].astype(np.int64)
    vectors = {}
    if bundle.picture is not None:
        seen = {}
        for one in np.unique(contents[fold.columns["picture"][contents] >= 0]).tolist():
            pixels = fold.content_batch(np.array([one]), ["pictures"]).pictures.pixels[0].numpy()
            seen[one] = bundle.picture.vector(pixels)
        vectors = {row: seen[one] for row, one in enumerate(contents.tolist()) if one in seen}
    said = fold.columns["spoken"][contents]
    behaviour, alone = behaviour_as_served(fold, rows), untouched(fold.columns["behaviour"][rows])
    ours = bundle.fusion.probabilities(
        (1 / (1 + np.exp(-said))).astype(np.float32), latents(bundle.fusion, len(rows), vectors), behaviour
    )
    if not bundle.fusion.hears_people:
        ours = np.where(alone[:, None], ours, bundle.update.probabilities(ours, behaviour))
    # Of a post that nobody touched the update model is not asked.
    heard = np.where(alone, said[:, 0], fold.columns["updated"][rows, 0])
    scores = {"cascade": said[:, 0], "update": heard, "fusion": ours[:, 0].astype(np.float64)}
    at = {
        what: np.searchsorted(rows, some)
        for what, some in (("drawn", measured.drawn), ("created", measured.created))
    }
    seen = measured.views > 0
    has_picture = {what: fold.columns["picture"][contents[some]] >= 0 for what, some in at.items()}
    share = fold.columns["stands_for"][measured.created].astype(np.float64) * has_picture["created"]
    harmful = fold.harmful()[measured.created]
    pictured = float(share[harmful].sum() / share.sum())
    told = {"posts": len(measured.y), "harmful": int(measured.y.sum()), "pictured prevalence": pictured}
    for what, y, some, prevalence, weight in (
        ("posts", measured.y, at["drawn"], measured.prevalence, None),
        ("views", measured.y[seen], at["drawn"][seen], measured.view_prevalence, measured.views[seen]),
        ("created", harmful, at["created"], measured.prevalence, None),
        ("pictured", measured.y[has_picture["drawn"]], at["drawn"][has_picture["drawn"]], pictured, None),
        (
            "pictured, created",
            harmful[has_picture["created"]],
            at["created"][has_picture["created"]],
            pictured,
            None,
        ),
    ):
        told[what] = {}
        for other in ("cascade", "update"):
            first, second, apart = pr_auc_difference(
                y, scores["fusion"][some], scores[other][some].astype(np.float64),
                prevalence=prevalence, weight=weight, resamples=RESAMPLES,
            )  # fmt: skip
            told[what] |= {"fusion": first, other: second, f"fusion less {other}": list(apart_of(apart))}
        line = told[what]
        line["harmful posts"] = int(y.sum())
        print(f"{what:<18}" + "  ".join(f"{key} {shown(value)}" for key, value in line.items()), flush=True)
    forms = fold.described.settings["forms"]
    form = fold.columns["form"][contents[at["created"]]]
    for place, kind in enumerate(forms):
        bad = harmful & (form == place) & has_picture["created"]
        if bad.any():
            some = (bad | ~harmful) & has_picture["created"]
            weight = natural_weights(bad[some], prevalence=pictured)
            told[f"pictured, created, {kind}"] = {"harmful posts": int(bad.sum())} | {
                by: average_precision(bad[some], one[at["created"]][some].astype(np.float64), weight)
                for by, one in scores.items()
            }
            print(kind, told[f"pictured, created, {kind}"], flush=True)
    return told


def real_texts(bundle, material, name, texts):
    """Give real texts to posts of the world: to those that are created, or at a moment of each."""
    fold = material.folds[name]
    y = np.array([one["harmful"] for one in texts], np.bool_)
    said = spoken(bundle, [one["text"] for one in texts])
    moments = {
        "created": np.flatnonzero(fold.columns["cause"] == fold.described.causes.index("created")),
        "later": drawn_rows(fold),
    }
    told = {
        "texts": len(y),
        "harmful": int(y.sum()),
        "cascade": average_precision(y, said[:, 0], natural_weights(y, prevalence=OF_TEXTS)),
    }
    for moment, rows in moments.items():
        share = fold.columns["stands_for"][rows].astype(np.float64)
        told[moment] = {"fusion": [], "update": []}
        for draw in range(DRAWS):
            whose = behaviour_as_served(
                fold, np.random.default_rng(draw).choice(rows, len(y), p=share / share.sum())
            )
            found = {
                "fusion": bundle.fusion.probabilities(said, latents(bundle.fusion, len(y)), whose),
                "update": np.where(
                    untouched(whose[:, OWN])[:, None], said, bundle.update.probabilities(said, whose)
                ),
            }
            for by, p in found.items():
                told[moment][by].append(compared(bundle, y, said, p, resamples=0 if draw else RESAMPLES))
        for by, draws in told[moment].items():
            lost = [round(one["less the cascade"][0], 4) for one in draws]
            print(
                f"{moment}, {by}: ranking less that of the cascade, by draw {lost}; the first: {draws[0]}",
                flush=True,
            )
    return told


def compared(bundle, y, said, p, *, resamples):
    """Return what became of texts whose cascade said `said` [n, H] and of which now `p` [n, H] is said."""
    _, _, apart = pr_auc_difference(
        y, p[:, 0].astype(np.float64), said[:, 0].astype(np.float64), prevalence=OF_TEXTS, resamples=resamples
    )
    moved = np.log(p[:, 0] / (1 - p[:, 0])) - np.log(said[:, 0] / (1 - said[:, 0]))
    told = {
        "less the cascade": list(apart_of(apart)),
        "unchanged": int((p == said).all(axis=1).sum()),
        "logit moved by, at 1, 10, 50, 90, 99 %": np.quantile(moved, (0.01, 0.1, 0.5, 0.9, 0.99))
        .round(2)
        .tolist(),
    }
    for head, one in enumerate(bundle.manifest.heads):
        for cut in (REVIEW, DEMOTE):
            above, still = said[:, head] >= cut, p[:, head] >= cut
            told[f"{one.name} from {cut}"] = {
                "harmful before": int((above & y).sum()), "of them silent": int((above & ~still & y).sum()),
                "harmful new": int((~above & still & y).sum()), "harmless before": int((above & ~y).sum()),
                "harmless now": int((still & ~y).sum()),
            }  # fmt: skip
    return told


def pictures(bundle, folder):
    """Look at real memes with their words, and at photos of harmless things."""
    with gzip.open(folder / "harmeme_train.jsonl.gz", "rt") as lines:
        memes = [json.loads(line) for line in lines]
    paths = [folder.parent / one["image"] for one in memes]
    y = np.array([one["harmful"] for one in memes], np.bool_)
    said = spoken(bundle, [" ".join(one["text"].split()) for one in memes])
    heard, looked = seen_by(bundle, said, paths)
    first, second, apart = pr_auc_difference(
        y,
        heard[:, 0].astype(np.float64),
        said[:, 0].astype(np.float64),
        prevalence=OF_MEMES,
        resamples=RESAMPLES,
    )
    photos = sorted((folder / "photos_cc0").glob("*.jpg"))
    plain, glimpsed = seen_by(bundle, spoken(bundle, [""] * len(photos)), photos)
    told = {
        "memes": len(y), "harmful": int(y.sum()), "fusion": first, "cascade on the words": second,
        "fusion less cascade": list(apart_of(apart)),
        "memes from 0.3": [above(one[:, 0], y) for one in (said, heard, looked)],
        "photos": len(photos),
        "photos from 0.3": [float((one[:, 0] >= REVIEW).mean()) for one in (plain, glimpsed)],
        "photos, quantiles": [np.quantile(one[:, 0], (0.5, 0.9, 0.99, 1.0)).tolist() for one in (plain, glimpsed)],
    }  # fmt: skip
    print(json.dumps(told), flush=True)
    return told


def seen_by(bundle, said, paths):
    """Return what fusion says of pictures with their words [n, H], and what thumbnails alone do."""
    vectors, facts = {}, []
    for row, path in enumerate(paths):
        with Image.open(path) as image:
            image.load()
            vectors[row] = bundle.picture.vector(pixels_of(image, bundle.picture.side))
            features = tuple(float(one) for one in thumbnail_features(image))
        facts.append(
            PictureFacts(
                version=1, sha256="0" * 64, format="png", bytes=1, width=1, height=1, features=features
            )
        )
    heard = bundle.fusion.probabilities(said, latents(bundle.fusion, len(paths), vectors), None)
    return heard, 1 / (1 + np.exp(-bundle.picture.light_logits(facts)))


def above(p, y):
    """Return how many harmful and harmless posts lie above the threshold to ask a person."""
    return [int(((p >= REVIEW) & side).sum()) for side in (y, ~y)]


def spoken(bundle, texts):
    """Return what the cascade says with all of it read [n, H]."""
    parts = []
    for at in range(0, len(texts), CHUNK):
        scored = score(bundle, TextColumn.of(texts[at : at + CHUNK]), heavy_share=1.0)
        parts.append(np.stack([scored.of(head.name) for head in bundle.manifest.heads], axis=1))
    return np.concatenate(parts).astype(np.float32)


def apart_of(difference):
    return tuple(round(one, 5) for one in (difference.value, difference.low, difference.high))


def shown(value):
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else "{:+.3f} ({:+.3f} to {:+.3f})".format(*value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("material", type=Path)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--fold", choices=("calibrate", "test"), default="calibrate")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--most", type=int, default=12_000, help="texts, at most")
    parser.add_argument("--data", type=Path, help="folder of real pictures")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    chosen = parser.parse_args()
    bundle, material = load_bundle(chosen.bundle), read_material(chosen.material)
    told = {
        "bundle": bundle.version,
        "fold": chosen.fold,
        "world": in_the_world(bundle, material, chosen.fold),
    }
    if chosen.texts and bundle.fusion.hears_people:  # else it says nothing of texts
        texts = [json.loads(line) for line in chosen.texts.read_text().splitlines()[: chosen.most]]
        told["texts"] = real_texts(bundle, material, chosen.fold, texts)
    if chosen.data and bundle.picture is not None:
        told["pictures"] = pictures(bundle, chosen.data)
    if chosen.write:
        RESULT.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
