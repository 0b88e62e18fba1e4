"""What a vector of the creator adds to the fusion model, beside the live tallies, in a world whose truth is known.

    python benchmarks/lane_texts.py --data FOLDER --out TEXTS
    sievert simulate --out WORLD --creators 40000 --days 14 --posts-per-day 40000 --seed 20281127 --texts TEXTS
    python benchmarks/creators_in_heavy.py WORLD --material MATERIAL       # --write keeps the result

By shares of the world's time: models of creators hear numbers and network as of 2/14, and learn from what people
confirmed until 5/14. The fusion model learns from posts of 5/14 to 10/14 (labels: the truth), and 11/14 to the end
is tested, at the share of harm that there is. Two creators in five are hidden from models of creators, with their
edges. Of these three in four teach the fusion model nothing either: `unseen`. `seen` taught both.

The fusion model is the recipe `heavy` without pictures: the cascade's logits, the post's behaviour, the creator's
live tallies (`context`), and a token for the creator's vector, which is made of what was known at the midnight
before; half as wide as the recipe's, since the posts are few. The text's part is frozen: it is what the shipped bundle says, of texts that it did not learn from.

Arms beside the three vectors: `SAGE shuffled` gives everybody somebody else's, to show what more numbers alone do;
`rate` is the empirical-Bayes rate of confirmed neighbours; `SAGE truth` learned from the truth about all who
published instead of from what people confirmed; `trait` is the number by which the world lets a
creator harm, which nobody has: about how much there is to know of whom an account belongs to.

Each post is scored as it was created. Told are recall at a precision of 0.95 by posts; the same where posts weigh
their views to come; the harmful views prevented by the lowest cut that keeps that precision by posts and by views;
and average precision: means over trainings that differ in their seed. Intervals are of the difference from tallies
alone: creators are weighed at random, with all their posts (Bayesian bootstrap), the same for both. A recall below
`provable_recall` may be luck. `doubtful` are posts of which the cascade is least sure by text alone. The last line
is JSON.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from creator_baselines import adjacency, neighbour_rate
from creators_world import APPROACHES, truth_of, without
from sievert.datasets.creator_history import read_creator_history
from sievert.measurement.ranking import provable_recall
from sievert.models.batch import Numbers
from sievert.schema.clock import DAY
from sievert.schema.history import NOBODY
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.training.creator_data import data_of, unseen
from sievert.training.creator_recipe import CreatorsRecipe
from sievert.training.creators import embedded, train_creators
from sievert.training.gathering import GatherSettings, gather
from sievert.training.material import MATERIAL, MaterialFold, read_material
from sievert.training.material_sources import ENCODER, contents_by, judge_of
from sievert.training.measured_fold import CAP
from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung import fused_logits, train_rung
from sievert.training.rung_recipe import RungRecipe

RESULT = Path(__file__).parent / "results" / "creators_in_heavy.json"
KNOWN, TAUGHT, CALIBRATE, TEST = (part / 14 for part in (2, 5, 10, 11))
HIDDEN, APART = 0.4, 0.3
DOUBTFUL = 0.02, 0.5
MODELS = {
    "ID": ("ID links", "confirmed"),
    "GCN": ("GCN all", "confirmed"),
    "SAGE": ("SAGE all", "confirmed"),
    "SAGE truth": ("SAGE all", "truth"),
}
TALLIES = "tallies"
ARMS = {
    "nothing": (False, None),
    TALLIES: (True, None),
    **{f"+ {name}": (True, name) for name in (*MODELS, "SAGE shuffled", "rate", "trait")},
    "SAGE alone": (False, "SAGE"),
    "trait alone": (False, "trait"),
}
LEARNED, CALIBRATED, TESTED = 16_000, 3_000, 24_000  # posts; the last two of harmless ones
PRECISION = 0.95
FIGURES = ("recall", "recall_by_views", "prevented", "average_precision")


@dataclasses.dataclass(frozen=True)
class WithCreators(MaterialFold):
    """A fold whose snapshots have a vector of their creator, of which some are not known."""

    vectors: np.ndarray | None = None  # [s, e]
    known: np.ndarray | None = None  # [s]

    def batch(self, rows, parts):
        made = super().batch(rows, parts)
        if self.vectors is None:
            return made
        values = torch.from_numpy(self.vectors[rows])
        known = torch.from_numpy(self.known[rows])[:, None].expand_as(values)
        return dataclasses.replace(made, creator=Numbers(values=values * known, known=known.clone()))


def told(stage, done, of):
    """Say how far it is, ten times a stage."""
    if done == of or done * 10 // of > (done - 256) * 10 // of:
        print(f"{time.process_time():7.0f} s  {stage} {done:,} of {of:,}", flush=True)


def material_of(world, folder):
    """Gather the material, or read what stands there.

    Posts whose text was learned from stay in: the fusion model hears no text, but what a bundle said of it.
    """
    if not (folder / MATERIAL).is_file():
        reader = load_bundle(default_bundle_path())
        with tempfile.TemporaryDirectory() as scratch:
            for path in world.iterdir():
                (Path(scratch) / path.name).symlink_to(path.resolve())
            truth = pq.read_table(world / "truth.parquet")
            place = truth.schema.get_field_index("cluster")
            alone = pa.array(np.arange(len(truth)), truth.schema.field("cluster").type)
            (Path(scratch) / "truth.parquet").unlink()
            pq.write_table(truth.set_column(place, "cluster", alone), Path(scratch) / "truth.parquet")
            gather(
                Path(scratch),
                folder,
                GatherSettings(
                    learn=LEARNED,
                    harmless_to_calibrate=CALIBRATED,
                    harmless_to_test=TESTED,
                    calibrate_from=CALIBRATE,
                    test_from=TEST,
                    unlabelled=0,
                ),
                judge=judge_of(reader),
                contents=contents_by(reader, ENCODER, pooled=False, said=True, encodings=False),
                draw=None,
                advance=told,
            )
    return read_material(folder)


def of_posts(fold, kept):
    """Return the fold with those snapshots [s] alone, and its posts numbered anew."""
    by_content = {name for name, one in fold.columns.items() if len(one) != len(kept)}
    columns = {name: one if name in by_content else one[kept] for name, one in fold.columns.items()}
    columns["post"] = np.unique(columns["post"], return_inverse=True)[1].astype(np.int32)
    return dataclasses.replace(fold, columns=columns)


class World:
    """A simulated network with what models of creators make of everybody in it, as of the midnight before."""

    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch
        self.history = history = read_creator_history(folder)
        came = history.history.posts.received_at
        self.begin, whole = int(came.min()), int(came.max()) + 1 - int(came.min())
        known, taught = (self.begin + round(whole * part) for part in (KNOWN, TAUGHT))
        self.taught = taught
        self.days = range(int((taught - self.begin) // DAY), int(whole // DAY) + 1)
        a, nodes = history.accounts, history.network.nodes
        draw = np.random.default_rng(0).random(a)
        self.hidden, self.apart = draw < HIDDEN, draw < APART
        table = pq.read_table(folder / "accounts.parquet", columns=["id", "created_at", "toxicity"])
        self._accounts = dict(
            zip(
                table["id"].to_pylist(),
                zip(table["created_at"].to_pylist(), table["toxicity"].to_pylist(), strict=True),
                strict=True,
            )
        )
        self.young = self._of_accounts(0, 0) > known
        gone = np.zeros(nodes, bool)
        gone[:a] = self.hidden
        self.data = data_of(without(history, gone), known, until=taught)
        self.told = {"confirmed": np.where(self.hidden, np.nan, self.data.outcomes.violation)}
        publishes, harms = truth_of(folder / "truth.parquet", history, known, until=taught)
        self.told["truth"] = np.where(publishes & ~self.hidden, harms, np.nan)
        self.taught_nodes = ~gone
        self.taught_nodes[:a] &= ~self.young

    def _of_accounts(self, place, otherwise):
        nothing = (otherwise, otherwise)
        ids = self.history.network.accounts.to_pylist()
        return np.array([self._accounts.get(one, nothing)[place] for one in ids])

    def about(self):
        return {
            name: {"creators": int(np.isfinite(one).sum()), "violators": int(np.nansum(one))}
            for name, one in self.told.items()
        }

    def creators_of(self, fold):
        """Return the creator of each snapshot [s]."""
        return self.history.history.posts.creator[fold.columns["row"][fold.columns["content"]]]

    def vectors(self, name):
        """Return vectors [days, a, e], kept from an earlier call where there was one."""
        if name == "SAGE shuffled":
            order = np.random.default_rng(1).permutation(self.history.accounts)
            return self.vectors("SAGE")[:, order]
        path = self.scratch / f"vectors {name}.npy"
        if not path.is_file():
            made = {"rate": self._rate, "trait": self._trait}.get(name, lambda: self._by_model(name))()
            np.save(path, made.astype(np.float16))
            print(f"{time.process_time():7.0f} s  vectors of {name}", flush=True)
        return np.load(path).astype(np.float32)

    def _by_model(self, name):
        approach, told = MODELS[name]
        outcomes = dataclasses.replace(
            self.data.outcomes,
            violation=self.told[told].astype(np.float32),
            views=self.data.outcomes.views * ~self.hidden,
        )
        recipe = read_recipe(CreatorsRecipe, overrides=APPROACHES[approach])
        with tempfile.TemporaryDirectory() as folder:
            data = dataclasses.replace(self.data, outcomes=outcomes)
            model, result = train_creators(recipe, data, Path(folder) / "run")
        print(name, {key: one.value and round(one.value, 3) for key, one in result.metrics.items()})
        everybody, found = np.arange(self.history.accounts), []
        for day in self.days:
            if recipe.model == "graphsage" or not found:
                now = unseen(data_of(self.history, self.begin + day * DAY), self.taught_nodes)
                last = embedded(model, now, everybody, seed=0)[0].numpy()
            found.append(last)
        return np.stack(found)

    def _rate(self):
        """Return of neighbours the rate that was confirmed [days, a, 3]."""
        a, label = self.history.accounts, self.told["confirmed"]
        joined = [adjacency(self.history.graph(self.begin + day * DAY))[:a, :a] for day in self.days]
        return np.stack([neighbour_rate(one, np.nan_to_num(label), np.isfinite(label)) for one in joined])

    def _trait(self):
        """Return the logit [days, a, 1] of the number by which the world lets a creator harm."""
        trait = np.clip(self._of_accounts(1, 0.0), 1e-4, 1 - 1e-4)
        return np.repeat(np.log(trait / (1 - trait))[None, :, None], len(self.days), axis=0)

    def heard(self, fold, name):
        """Return a fold whose snapshots hear a vector of their creator; none is known of a post of nobody."""
        by_day, creator = self.vectors(name), self.creators_of(fold)
        day = np.clip((fold.columns["as_of"] - self.begin) // DAY - self.days[0], 0, len(self.days) - 1)
        return WithCreators(
            fold.columns, fold.pictures, fold.described, by_day[day, creator], creator != NOBODY
        )

    def groups(self, creator, said):
        """Return which posts [n] of these creators, and of which the cascade says so much, are in each group."""
        somebody = creator != NOBODY
        old = somebody & ~self.young[creator]
        return {
            "all": somebody,
            "seen": old & ~self.hidden[creator],
            "unseen": old & self.apart[creator],
            "doubtful": somebody & (said > DOUBTFUL[0]) & (said < DOUBTFUL[1]),
        }


class Ranked:
    """Posts [n] by falling scores, of which FIGURES are asked for many weights."""

    def __init__(self, y, score, views):
        self.order = np.argsort(-score, kind="stable")
        self.ends = np.flatnonzero(np.append(np.diff(score[self.order]) != 0, True))
        self.y, self.views = y[self.order], views[self.order]

    def figures(self, weight):
        """Return FIGURES; posts weigh `weight` [n], and by views that times their views."""
        weight = weight[self.order]
        recall, precision = self._curve(weight)
        by_views, precision_views = self._curve(weight * self.views)
        right, right_views = (one >= PRECISION - 1e-12 for one in (precision, precision_views))
        return np.array(
            [
                np.where(right, recall, 0).max(),
                np.where(right_views, by_views, 0).max(),
                np.where(right & right_views, by_views, 0).max(),
                float(np.diff(recall, prepend=0.0) @ precision),
            ]
        )

    def _curve(self, weights):
        caught, flagged = np.cumsum(weights * self.y)[self.ends], np.cumsum(weights)[self.ends]
        return caught / max(caught[-1], 1e-12), caught / np.maximum(flagged, 1e-12)


def compared(scores, y, weight, views, creator, resamples):
    """Return by arm each figure, and its difference from tallies alone with an interval over creators.

    `scores` are by arm [seeds, n].
    """

    ranked = {arm: [Ranked(y, one, views) for one in some] for arm, some in scores.items()}

    def means(weights):
        return {arm: np.mean([one.figures(weights) for one in some], axis=0) for arm, some in ranked.items()}

    rng, point = np.random.default_rng(0), means(weight)
    _, whose = np.unique(creator, return_inverse=True)
    drawn = {arm: [] for arm in scores}
    for _ in range(resamples):
        once = means(weight * rng.standard_exponential(whose.max() + 1)[whose])
        for arm, found in once.items():
            drawn[arm].append(found - once[TALLIES])
    table = {}
    for arm, found in drawn.items():
        low, high = np.quantile(found, (0.025, 0.975), axis=0)
        gain = point[arm] - point[TALLIES]
        table[arm] = {
            name: {
                "value": round(float(point[arm][at]), 4),
                "gain": round(float(gain[at]), 4),
                "low": round(float(low[at]), 4),
                "high": round(float(high[at]), 4),
            }
            for at, name in enumerate(FIGURES)
        }
        of_seeds = [one.figures(weight) for one in ranked[arm]]
        table[arm]["spread_of_seeds"] = [round(float(one), 4) for one in np.std(of_seeds, axis=0)]
    return table


def recipe_of(arm, fold, options):
    """Return the recipe of an arm: the one of the heavy model, with the parts that the arm hears."""
    tallies, vector = ARMS[arm]
    numbers = ["spoken", "behaviour", *(["context"] if tallies else [])]
    widths = {name: fold.columns[name].shape[1] for name in numbers}
    if vector:
        widths["creator"] = fold.vectors.shape[1]
    hears = ",".join(numbers)
    settings = ("batch=256", "learning.rate=0.002", "config.update_width=64")
    recipe = read_recipe(
        RungRecipe, recipe_file("heavy"), (f"hears=[{hears}]", f"learning.epochs={options.epochs}", *settings)
    )
    return msgspec.structs.replace(recipe, config={**recipe.config, "numbers": widths})


def scores_of(arm, world, material, rows, options):
    """Return logits [seeds, n] of test rows, those of earlier calls as they were kept."""
    paths = [options.material / f"scores {arm} {seed}.npy" for seed in range(options.seeds)]
    vector = ARMS[arm][1]
    folds = material.folds
    if vector and not all(path.is_file() for path in paths):
        folds = {name: world.heard(fold, vector) for name, fold in folds.items()}
    for seed, path in enumerate(paths):
        if not path.is_file():
            recipe = recipe_of(arm, folds["learn"], options)
            recipe = msgspec.structs.replace(recipe, seed=recipe.seed + seed)
            with tempfile.TemporaryDirectory() as folder:
                heard = dataclasses.replace(material, folds=folds)
                model = train_rung(recipe, heard, Path(folder) / "run", advance=lambda *_: None).model
            np.save(path, fused_logits(model, folds["test"], rows, recipe)[:, 0])
            print(f"{time.process_time():7.0f} s  {path.stem}", flush=True)
    return np.array([np.load(path) for path in paths])


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--material", type=Path, required=True, help="what stands there is not made anew")
    parser.add_argument("--arms", default=",".join(ARMS), help="some of the arms, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of an arm")
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main():
    options = parsed()
    torch.set_num_threads(1)
    material = material_of(options.world, options.material)
    world = World(options.world, options.material)
    learn, test = (material.folds[name] for name in ("learn", "test"))
    whose, post = world.creators_of(learn), learn.columns["post"]
    first = np.full(post.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, post, learn.columns["as_of"])
    learn = of_posts(learn, (first[post] > world.taught) & (whose != NOBODY) & ~world.apart[whose])
    material = dataclasses.replace(material, folds={**material.folds, "learn": learn})
    learned = {
        "posts": int(learn.columns["post"].max()) + 1,
        "harmful": len(np.unique(learn.columns["post"][learn.harmful()])),
        "creators": world.about(),
        "seeds": options.seeds,
    }
    print(learned, flush=True)
    rows = np.flatnonzero(test.columns["cause"] == test.described.causes.index("created"))
    y, weight = test.harmful()[rows], test.columns["stands_for"][rows].astype(float)
    views = np.minimum(test.columns["to_come"][rows], CAP).astype(float)
    creator = world.creators_of(test)[rows]
    spoken = test.columns["spoken"][test.columns["content"][rows], 0].astype(float)
    arms = list(dict.fromkeys([TALLIES, *options.arms.split(",")]))
    scores = {arm: scores_of(arm, world, material, rows, options) for arm in arms}
    scores["text alone"] = spoken[None]

    told = {}
    for name, some in world.groups(creator, 1 / (1 + np.exp(-spoken))).items():
        parts = {arm: one[:, some] for arm, one in scores.items()}
        told[name] = {
            "posts": int(some.sum()),
            "harmful": int(y[some].sum()),
            "prevalence": round(prevalence := float(weight[some & y].sum() / weight[some].sum()), 5),
            "provable_recall": round(
                min(1.0, provable_recall(harmless=int((some & ~y).sum()), prevalence=prevalence)), 3
            ),
            "arms": compared(parts, y[some], weight[some], views[some], creator[some], options.resamples),
        }
        print({key: one for key, one in told[name].items() if key != "arms"}, name)
        for arm, line in told[name]["arms"].items():
            print(f"  {arm:14}", *(f"{shown(line[figure]):>32}" for figure in FIGURES), flush=True)
    result = {"learned": learned, "groups": told}
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def shown(one):
    return f"{one['value']:.3f} {one['gain']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"


if __name__ == "__main__":
    main()
