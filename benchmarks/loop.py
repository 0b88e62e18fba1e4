"""Twelve months of learning from what one's own removals leave to be seen: naively, and by the loop.

    python benchmarks/loop.py --seeds 2 --posts 5000     # a small look
    python benchmarks/loop.py --seeds 10 --write

In each world slang is born and dies, a new topic comes up, for three months people say harm's sentences in jest, and
whoever is removed learns to hide. Three months are in shadow, and all of their posts are labelled: that is what
everybody begins with. Then a head decides about every post as it comes, and removes; what is removed gathers no more
views and no reports. At the end of each month it learns again from those three and the last three, on rows that were
kept. People judge 5 % of posts at most, and err in 1 %.

- *oracle*: is told the truth about every post, and removes nothing; it learns beside each of the others.
- *naive*: people judge what was reported most; what it removed itself is harm, and everything else is harmless. It
  goes on removing from the probability that everybody begins with.
- *loop*: people judge what `measurement.hard_cases` draws, its own removals among them, with chances that are kept;
  the head learns by `training.labelled_by_chance`.
- *never again*: the head that everybody began with.

Each is measured on the posts of the month after it learned: the recall, weighted by the views that posts would have
had (at most 1,000 each), at the lowest score from which 95 % of posts are harmful. That is a measure of the ranking
by the truth; what each removes from is a line of its own, from what it knows, and how right it is stands beside it.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sievert.features.content.tokens import STATS
from sievert.measurement.hard_cases import draws_for_posts, hard_case_sizes, inclusion, mixed, nearness
from sievert.measurement.quantiles import student_quantile
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.schema.clock import HOUR
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.light import light_numbers
from sievert.simulation.settings import WorldSettings
from sievert.simulation.tick import KIND
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import Writer
from sievert.training.design import Design, design
from sievert.training.few_shot_linear import Windows, fit_head, usual
from sievert.training.labelled_by_chance import fit_gram_head, targets
from sievert.training.line_plot import plot

RESULTS = Path(__file__).parent / "results" / "loop.json"
PLOT = Path(__file__).parent.parent / "docs" / "images" / "loop.svg"
DAYS, STEP_HOURS, SHADOW, MONTHS = 30, 6, 3, 12
HARM = 8.0  # times as much as the world's settings say, so that a month has some hundreds of harmful posts
JEST = (6.0, 9.0, 0.001)  # months, and the share of benign posts that say harm's sentences in them
BITS, STRENGTH, LAST = 14, 0.1, 3
JUDGED = 0.05  # of a month's posts, as most
ERROR, FEWEST = 0.01, 20
PLAIN, THINNED = 0.01, 4
MOST_VIEWS = 1000.0
GUARDRAIL = 0.95
NOTHING = 2.0  # a line that nothing reaches
FIRST = 0.9  # the probability from which everybody removes in the beginning
LEARNERS = ("oracle", "loop", "naive", "never again")


def settings_of(seed, posts):
    base = WorldSettings()
    begin, end, share = JEST
    return WorldSettings(
        seed=seed,
        creators=max(500, posts // 10),
        posts_per_day=posts / DAYS,
        step=STEP_HOURS * HOUR,
        harm_of_toxic=HARM * base.harm_of_toxic,
        harm_of_campaigns=HARM * base.harm_of_campaigns,
        harm_of_hacked=HARM * base.harm_of_hacked,
        craze_days=(begin * DAYS, end * DAYS),
        craze=share,
    )


@dataclasses.dataclass(kw_only=True)
class Month:
    """A month's posts [n], as the platform knows them, and the truth."""

    rows: Design
    layers: np.ndarray  # [n, F]
    number: np.ndarray
    harmful: np.ndarray  # the truth
    removed: np.ndarray  # by us
    guess: np.ndarray  # probability by the head that decided
    reports: np.ndarray
    taught: np.ndarray | None = None
    labels: np.ndarray | None = None  # NaN where nobody was asked
    chance: np.ndarray | None = None  # of being asked


class Platform:
    """A world in which one head decides."""

    def __init__(self, seed, posts, bundle):
        self.world, self.bundle = World(settings_of(seed, posts), Writer()), bundle
        self.reports = np.zeros(0, np.int64)

    def month(self, head, line):
        """Let a month go by; a head and a line remove, None nothing."""
        parts, number, harmful, removed, guess = [], [], [], [], []
        layers = []
        for _ in range(DAYS * 24 // STEP_HOURS):
            step = self.world.advance()
            self._count(step)
            posts = step.posts
            if not len(posts):
                continue
            texts = list(posts.text)
            rows = design(texts, self.bundle.fold, bits=BITS).apart(len(STATS))[0]
            layers.append(light_numbers(self.bundle, TextColumn.of(texts)))
            p = np.zeros(len(posts)) if head is None else head.probabilities(rows)
            out = p >= line
            if out.any():
                self.world.enforce(posts.number[out], Effect.REMOVE)
            parts.append(rows)
            number.append(posts.number)
            harmful.append(posts.policy >= 0)
            removed.append(out)
            guess.append(p)
        number = np.concatenate(number)
        return Month(
            rows=joined(parts),
            layers=np.concatenate(layers),
            number=number,
            harmful=np.concatenate(harmful),
            removed=np.concatenate(removed),
            guess=np.concatenate(guess),
            reports=self.reports[number],
            chance=np.ones(len(number)),
        )

    def _count(self, step):
        events = step.events
        told = events.post[(events.kind == KIND["report"]) & (events.post >= 0)]
        most = max([len(self.reports), *(told + 1), *(step.posts.number + 1)])
        self.reports = np.pad(self.reports, (0, most - len(self.reports)))
        np.add.at(self.reports, told, 1)

    def views(self, month):
        """Return the views that a month's posts would have had, as far as they had their time."""
        return np.minimum(self.world.truth().views_without[month.number], MOST_VIEWS)


def joined(parts):
    """Return designs below each other."""
    sizes = np.concatenate([np.diff(one.starts) for one in parts])
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return Design(
        starts=starts,
        columns=np.concatenate([one.columns for one in parts]),
        values=np.concatenate([one.values for one in parts]),
        width=parts[0].width,
    )


def judged(month, rows, rng):
    """Return what people say of some posts: the truth, but for their errors."""
    return (month.harmful[rows] ^ (rng.random(len(rows)) < ERROR)).astype(float)


def naive_labels(month, budget, rng):
    """What was removed is harm, what was reported most is judged, everything else is harmless."""
    asked = np.flatnonzero((month.reports > 0) & ~month.removed)
    asked = asked[np.argsort(-month.reports[asked], kind="stable")][:budget]
    taught = month.removed.astype(float)
    taught[asked] = judged(month, asked, rng)
    month.taught = month.labels = taught
    return len(asked)


def loop_labels(month, past, student, budget, rng):
    """People judge hard cases, drawn by chance; what the others teach is what was believed of them."""
    confirmed = np.concatenate([one.layers[np.nan_to_num(one.labels) > 0.5] for one in past])
    middle, spread = month.layers.mean(axis=0), month.layers.std(axis=0) + 1e-3
    chance = mixed(
        hard_case_sizes(
            month.guess,
            student=1 / (1 + np.exp(-student.logits(month.layers))),
            nearness=nearness((month.layers - middle) / spread, (confirmed - middle) / spread),
            removed=month.removed,
        )
    )
    draws = draws_for_posts(chance, budget)
    drawn = np.unique(rng.choice(len(chance), draws, p=chance))
    asked = inclusion(chance, draws)
    month.labels = np.full(len(chance), np.nan)
    month.labels[drawn] = judged(month, drawn, rng)
    month.chance = asked
    month.taught = targets(month.guess, month.labels, asked)
    return len(drawn)


def student_of(months, share):
    """The small model: a head on what the light layers hold, from labels alone."""
    numbers, labels = (
        np.concatenate([getattr(one, name) for one in months]) for name in ("layers", "labels")
    )
    known = ~np.isnan(labels)
    found = labels[known] > 0.5
    head = fit_head(usual(numbers), Windows.single(numbers[known]), found, strength=0.01)
    return head.times(1.0, more=float(np.log(share / (1 - share))))


def removable(months):
    """Return the share of posts that could be removed, by the labels of what earlier heads put first.

    Each label weighs one over its chance (Hajek 1971); a line needs some labels above it.
    """
    most = min(len(one.guess) for one in months)
    right, every, told = np.zeros(most), np.zeros(most), np.zeros(most)
    for one in months:
        first = np.argsort(-one.guess, kind="stable")[:most]
        known = ~np.isnan(one.labels[first])
        weight = np.where(known, 1.0 / one.chance[first], 0.0)
        right += weight * np.nan_to_num(one.labels[first])
        every += weight
        told += known
    precision = np.cumsum(right) / np.maximum(np.cumsum(every), 1e-9)
    held = np.flatnonzero((precision >= GUARDRAIL) & (np.cumsum(told) >= FEWEST))
    return (held[-1] + 1) / most if len(held) else 0.0


def line_of(head, months):
    """Return the probability above which the new head has that share of the newest month."""
    share, p = removable(months), np.sort(head.probabilities(months[-1].rows))[::-1]
    return float(p[round(share * len(p)) - 1]) if share else NOTHING


def recall_at_guardrail(score, harmful, views):
    """Return recall by views and by posts at the lowest score that keeps the guardrail."""
    order = np.argsort(-score, kind="stable")
    kept = np.flatnonzero(np.cumsum(harmful[order]) / np.arange(1, len(order) + 1) >= GUARDRAIL)
    found = order[: kept[-1] + 1 if len(kept) else 0]
    weight = views * harmful
    return float(weight[found].sum() / weight.sum()), float(harmful[found].sum() / harmful.sum())


def lived(seed, posts, way, bundle):
    """Let one way of learning go on for a year; return a line for each month."""
    rng = np.random.default_rng((seed, way == "loop"))
    platform, budget = Platform(seed, posts, bundle), round(JUDGED * posts)
    months = [platform.month(None, NOTHING) for _ in range(SHADOW)]
    for one in months:
        one.taught = one.labels = one.harmful.astype(float)
    begin = learned(months, "taught")
    for one in months:
        one.guess = begin.probabilities(one.rows)
    heads = {way: begin, "never again": begin} | ({"oracle": begin} if way == "loop" else {})
    line, waiting = FIRST, []
    for _ in range(MONTHS):
        month = platform.month(heads[way], line)
        scores = {name: head.logits(month.rows) for name, head in heads.items()}
        last = launch_and_last(months)
        if way == "loop":
            asked = loop_labels(month, last, student_of(last, share_of(last)), budget, rng)
        else:
            asked = naive_labels(month, budget, rng)
        waiting.append((month, scores, asked))
        months.append(month)
        for name, taught in ((way, "taught"), ("oracle", "harmful")):
            if name in heads:
                heads[name] = learned(launch_and_last(months), taught, start=heads[name])
        if way == "loop":
            line = line_of(heads[way], months[SHADOW:][-LAST:])
    for _ in range(7 * 24 // STEP_HOURS):  # the last posts have their week
        platform.world.advance()
    return [measured(platform.views(month), month, scores, asked) for month, scores, asked in waiting]


def learned(months, what, start=None):
    """Return a head that learned what months teach; of posts that teach what was known one in four stands for four."""
    rows, told, weight = [], [], []
    for one in months:
        taught = getattr(one, what).astype(float)
        plain = (one.guess < PLAIN) & (np.abs(taught - one.guess) < PLAIN)
        kept = np.flatnonzero(~plain | (one.number % THINNED == 0))
        rows.append(one.rows.take(kept))
        told.append(taught[kept])
        weight.append(np.where(plain[kept], float(THINNED), 1.0))
    return fit_gram_head(
        joined(rows), np.concatenate(told), strength=STRENGTH, weight=np.concatenate(weight), start=start
    )


def launch_and_last(months):
    """Return the months that everybody learns from: those in shadow, and the last few."""
    return months[:SHADOW] + months[SHADOW:][-LAST:]


def share_of(months):
    """Return the share of harm that is believed."""
    return float(np.clip(np.concatenate([one.taught for one in months]).mean(), 0.001, 0.2))


def measured(views, month, scores, asked):
    """Return what a month came to, by the truth."""
    harm, out = views * month.harmful, month.removed
    ranked = {
        name: average_precision(month.harmful, score, np.ones(len(score))) for name, score in scores.items()
    }
    found = {name: recall_at_guardrail(score, month.harmful, views) for name, score in scores.items()}
    return {
        "recall": {name: round(by_views, 4) for name, (by_views, _) in found.items()},
        "recall_by_posts": {name: round(by_posts, 4) for name, (_, by_posts) in found.items()},
        "average_precision": {name: round(float(one), 4) for name, one in ranked.items()},
        "asked": asked,
        "harmful": int(month.harmful.sum()),
        "removed": int(out.sum()),
        "right": int((out & month.harmful).sum()),
        "prevented": round(float(harm[out].sum() / harm.sum()), 4),
    }


def interval(values):
    """Return mean and ends of Student's interval of 95 % over seeds."""
    values = np.asarray(values, float)
    reach = 0.0
    if len(values) > 1:
        reach = student_quantile(0.95, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return [round(float(one), 4) for one in (values.mean(), values.mean() - reach, values.mean() + reach)]


def summed(worlds, seeds):
    """Return what all seeds together say: by month, on average, and how far from the oracle."""

    def series(name, key="recall"):
        way = "naive" if name == "naive" else "loop"
        return np.array([[month[key][name] for month in worlds[f"{seed} {way}"]] for seed in seeds])

    recall = {name: series(name) for name in LEARNERS}
    half = MONTHS // 2
    found = {
        "by_month": {
            name: [interval(one[:, month]) for month in range(MONTHS)] for name, one in recall.items()
        },
        "mean": {name: interval(one.mean(axis=1)) for name, one in recall.items()},
        "mean_by_posts": {name: interval(series(name, "recall_by_posts").mean(axis=1)) for name in LEARNERS},
        "average_precision": {
            name: interval(series(name, "average_precision").mean(axis=1)) for name in LEARNERS
        },
        "below_oracle": {
            name: interval((recall["oracle"] - one).mean(axis=1))
            for name, one in recall.items()
            if name != "oracle"
        },
        "below_oracle_second_half": {
            name: interval((recall["oracle"] - one)[:, half:].mean(axis=1))
            for name, one in recall.items()
            if name != "oracle"
        },
    }
    for way in ("loop", "naive"):
        lines = [month for seed in seeds for month in worlds[f"{seed} {way}"]]
        removed = sum(one["removed"] for one in lines)
        found[way] = {
            "asked_a_month": round(float(np.mean([one["asked"] for one in lines])), 1),
            "removed": removed,
            "right": round(sum(one["right"] for one in lines) / max(removed, 1), 4),
            "prevented": round(float(np.mean([one["prevented"] for one in lines])), 4),
        }
    return found


def show(found):
    """Print the table."""
    print("\n| month | " + " | ".join(LEARNERS) + " |\n| --- |" + " --- |" * len(LEARNERS))
    for month in range(MONTHS):
        cells = [words(found["by_month"][name][month]) for name in LEARNERS]
        print(f"| {month + 1} | " + " | ".join(cells) + " |")
    print("| mean | " + " | ".join(words(found["mean"][name]) for name in LEARNERS) + " |")
    print(
        "| average precision | "
        + " | ".join(words(found["average_precision"][name]) for name in LEARNERS)
        + " |"
    )
    for name, one in found["below_oracle"].items():
        later = found["below_oracle_second_half"][name]
        print(f"{name}: {words(one)} below the oracle; in the second half of the year {words(later)}")
    for way in ("loop", "naive"):
        one = found[way]
        print(
            f"{way}: {one['asked_a_month']} posts judged a month, {one['removed']:,} removed, {one['right']:.1%} of them "
            f"harmful, {one['prevented']:.1%} of harmful views prevented"
        )


def words(one):
    return f"{one[0]:.1%} ({one[1]:.1%} to {one[2]:.1%})"


def drawn(found):
    """Return the curves as SVG."""
    months = list(range(1, MONTHS + 1))
    return plot(
        title="view-weighted recall at 95 % precision, on the month that comes next",
        across="months of learning from what our own removals leave",
        down="recall",
        lines={name: (months, [one[0] for one in found["by_month"][name]]) for name in LEARNERS},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=11, help="the first seed; 1 to 10 were looked at before")
    parser.add_argument("--posts", type=int, default=6_000, help="a month")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    bundle, worlds, done = load_bundle(default_bundle_path()), {}, []
    began = time.process_time()
    for seed in range(options.first, options.first + options.seeds):
        for way in ("loop", "naive"):
            worlds[f"{seed} {way}"] = lived(seed, options.posts, way, bundle)
            print(f"{time.process_time() - began:6.0f} s  seed {seed}: {way}", flush=True)
        done.append(seed)
        if options.write:  # a seed that is done stays, whatever becomes of the others
            write(summed(worlds, done), worlds, done, options, began)
    found = summed(worlds, done)
    show(found)
    print(line(found, worlds, done, options, began))


def line(found, worlds, seeds, options, began):
    return json.dumps(
        {
            "seeds": seeds,
            "posts": options.posts,
            **found,
            "worlds": worlds,
            "core_seconds": round(time.process_time() - began),
        }
    )


def write(found, worlds, seeds, options, began):
    RESULTS.write_text(line(found, worlds, seeds, options, began) + "\n")
    PLOT.write_text(drawn(found))


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
