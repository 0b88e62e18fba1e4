"""Should `sievert loop learn` weigh labels by one over their chance? Heads from hard cases, with and without weights.

    python benchmarks/loop_weights.py --repetitions 2 --write

In each of so many simulated networks 2,000 posts of three months are encoded by the bundle that ships, and as many of
the three months after them. A head learns from 40 harmful and 40 harmless ones, as somebody's first policy does. People
then judge some 300 of the rest, drawn by `measurement.hard_cases` with what that head and its light half say, three
times over, and a head learns from these as `sievert loop learn` does: each label alike; by one over its chance in
calibrating alone; in learning too, the most at most 3, or however many times the least. What is measured is the later
posts, by the truth: average precision, the mean log loss, and the mean of probabilities beside the share of harm.
"""

from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from few_shot import taken
from loop import settings_of
from repeated import report
from sievert.measurement.hard_cases import draws_for_posts, hard_case_sizes, inclusion, mixed
from sievert.measurement.ranking import average_precision
from sievert.scoring.added_heads import Reads
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from sievert.training.few_shot import Stated, learn_head, text_numbers

RESULT = Path(__file__).parent / "results" / "loop_weights.json"
POSTS, MONTHS, FIRST, JUDGED, DRAWS, TRAFFIC = 2000, 3, 40, 300, 3, 1000
WAYS = {"alike": None, "calibrating": 1.0, "at most 3": 3.0, "whole": np.inf}


def posts_of(world, rng):
    """Return texts and truth of some posts of the next months."""
    texts, harmful = [], []
    for _ in range(MONTHS * 30 * 4):
        posts = world.advance().posts
        texts += list(posts.text) if len(posts) else []
        harmful += [one >= 0 for one in posts.policy.tolist()]
    rows = rng.permutation(len(texts))[:POSTS]
    return [texts[row] for row in rows], np.array(harmful)[rows]


def learned(numbers, harmful, rows, prevalence, weight=None, most=1.0):
    """Return a head that learned from these rows, with 1,000 others as its traffic."""
    rows = np.sort(rows)
    stated = Stated(name="trial", prevalence=prevalence, share=0.02, seed=1)
    traffic = taken(numbers, np.setdiff1d(np.arange(len(harmful)), rows)[:TRAFFIC])
    return learn_head(
        taken(numbers, rows), harmful[rows], np.arange(len(rows)), traffic, stated,
        reads=Reads.TEXT, encoder="", advance=lambda *_: None, weight=weight, most_weight=most,
    )  # fmt: skip


def measured(head, numbers, harmful):
    """Return how a head does on later posts."""
    z = head.halves.looks(numbers)[1]
    p = np.clip(head.head.second_map.apply(z), 1e-6, 1 - 1e-6)
    return {
        "average_precision": float(average_precision(harmful, z, np.ones(len(z)))),
        "log_loss": float(-np.where(harmful, np.log(p), np.log1p(-p)).mean()),
        "stated": float(p.mean()),
        "found": float(harmful.mean()),
    }


def one_network(seed, bundle, rng):
    """Return what each way of weighing came to in each draw."""
    world = World(settings_of(seed, 6000), Writer())
    (texts, harmful), (later, found) = (posts_of(world, rng) for _ in range(2))
    numbers, ahead = (text_numbers(bundle, some, advance=lambda *_: None) for some in (texts, later))
    first = np.concatenate(
        [rng.choice(np.flatnonzero(harmful == kind), FIRST, replace=False) for kind in (True, False)]
    )
    head = learned(numbers, harmful, first, float(harmful.mean()))
    rest = np.setdiff1d(np.arange(len(harmful)), first)
    light, both = head.halves.looks(taken(numbers, rest))
    p, student = head.head.second_map.apply(both), head.head.first_map.apply(light)
    chance = mixed(hard_case_sizes(p, student=student))
    draws = draws_for_posts(chance, JUDGED)
    lines = [{"seed": seed, "way": "first", **measured(head, ahead, found)}]
    for _ in range(DRAWS):
        drawn = np.unique(rng.choice(len(rest), draws, p=chance))
        asked, y = inclusion(chance, draws)[drawn], harmful[rest[drawn]]
        prevalence = float(np.clip((y / asked).sum() / (1 / asked).sum(), 0.0005, 0.2))
        for way, most in WAYS.items():
            told = () if most is None else (1 / asked, most)
            trained = learned(numbers, harmful, rest[drawn], prevalence, *told)
            line = {"seed": seed, "way": way, "harmful": int(y.sum()), **measured(trained, ahead, found)}
            lines.append(line)
            print(line, flush=True)
    return lines


def measure(repetitions, rng):
    """Return a line for each network, draw and way."""
    bundle = load_bundle(default_bundle_path())
    with threadpool_limits(1):
        lines = [line for at in range(repetitions) for line in one_network(21 + at, bundle, rng)]
    return {"repetitions": repetitions, "lines": lines}


def show(result):
    """Print means, and by how much each way is better than all labels alike, by draw."""
    lines = result["lines"]
    alike = [one for one in lines if one["way"] == "alike"]
    for way in ("first", *WAYS):
        mine = [one for one in lines if one["way"] == way]
        told = {
            name: np.mean([one[name] for one in mine])
            for name in ("average_precision", "log_loss", "stated", "found")
        }
        said = "".join(f" {name} {one:.4f}" for name, one in told.items())
        if way != "first":
            gain = np.array(
                [
                    one["average_precision"] - other["average_precision"]
                    for one, other in zip(mine, alike, strict=True)
                ]
            )
            said += f"; against alike {gain.mean():+.4f} (standard error {gain.std(ddof=1) / len(gain) ** 0.5:.4f})"
        print(f"{way}:{said}")


if __name__ == "__main__":
    report(__doc__, measure, show, RESULT)
