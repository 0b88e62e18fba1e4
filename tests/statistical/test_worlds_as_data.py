"""Simulated worlds as anybody's data: they are read whole, and mistakes 13 and 15 show on them.

`tests/datasets/test_pitfalls.py` has the same mistakes on histories drawn for the purpose; here nobody
drew views or reports so that the methods would fit.
"""

import dataclasses

import numpy as np
import pytest

from histories import in_memory
from living_world import live, of_kind
from sievert.datasets.censoring import uncensored_views
from sievert.datasets.history import read_history
from sievert.datasets.supervision import ExpertLabels, report_labels
from sievert.schema.clock import DAY
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import NOBODY
from sievert.simulation.accounts import BRIGADE
from sievert.simulation.recording import write_history
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import Writer

DAYS = 8
SEEDS = (1, 2, 3)
SEEDS_OF_BRIGADES = (1, 2, 3, 4, 5)


class Counting(World):
    """A world that counts what it tells."""

    kinds = np.zeros(len(KIND_WORDS), np.int64)
    revisions = labels = 0

    def advance(self):
        step = super().advance()
        self.kinds = self.kinds + np.bincount(step.events.kind, minlength=len(KIND_WORDS))
        self.revisions += len(step.posts) + len(step.edits)
        self.labels += len(step.labels.post)
        return step


def test_a_world_is_read_back_whole(tmp_path):
    """Red when a step gave its first event the id of the last one before it: one row a step was set aside."""
    settings = WorldSettings(creators=500, seed=4, edited=0.05, labelled=0.1, harm_of_toxic=0.02)
    world = Counting(settings, Writer())
    counts = write_history(world, tmp_path / "world", lambda done, of: None, steps=5 * 24)

    history = read_history(tmp_path / "world")

    assert history.quarantine.total == 0
    assert history.reordered == 0
    assert len(history.posts) == world.revisions
    assert int((history.posts.revision == 0).sum()) == counts.posts == len(world.truth())
    assert len(history.labels) == counts.labels == world.labels
    read = np.bincount(history.events.kind, minlength=len(KIND_WORDS))
    once = np.array([word != "profile" for word in KIND_WORDS])
    # What a profile says may take two rows.
    assert (read[once] == world.kinds[once]).all()
    assert (read[~once] >= world.kinds[~once]).all()
    assert (world.kinds > 0).sum() == len(KIND_WORDS)
    assert world.kinds.sum() == counts.events
    views = of_kind(history.events, "views")
    # Programs look as well, and some views have not arrived.
    assert views.amount.sum() == pytest.approx(counts.views, rel=0.1)
    assert len(history.accounts) <= counts.accounts


def removing(settings, rate):
    """Let a world go on in which a share of harmful posts is removed some hours after it came.

    Returns what was told, and when each post was removed [n].
    """
    chance, wait = np.random.default_rng(5).random(10_000), np.random.default_rng(6).poisson(4, 10_000)
    due, removed_at = {}, np.full(10_000, NOBODY)

    def enforce(world, step):
        new = step.posts.number[step.posts.policy >= 0]
        for number in new[chance[new] < rate].tolist():
            due.setdefault(step.tick.number + 1 + int(wait[number]), []).append(number)
        now = due.pop(step.tick.number, [])
        world.enforce(now, Effect.REMOVE)
        removed_at[now] = step.tick.end

    lived = live(settings, days=DAYS, enforce=enforce)
    return lived, removed_at[: len(lived.posts)]


def test_pitfall_13_more_removals_do_not_make_harm_look_smaller():
    """Red when `expected` was what was seen: at a removal rate of 90 % the harm fell by nearly a half."""
    rates = (0.0, 0.5, 0.9)
    seen, expected = dict.fromkeys(rates, 0.0), dict.fromkeys(rates, 0.0)
    for seed in SEEDS:
        settings = WorldSettings(creators=1000, seed=seed, harm_of_toxic=0.06, harm_of_campaigns=0.02)
        for rate in rates:
            lived, removed_at = removing(settings, rate)
            harmful = lived.truth.harmful
            assert len(harmful) < 10_000
            found = uncensored_views(
                in_memory(created_at=lived.posts.created_at, events=lived.events),
                until=settings.start + DAYS * DAY,
                acted_at=removed_at,
                propensity=np.where(harmful, rate, 0.0),
            )
            seen[rate] += found.seen[harmful].sum()
            expected[rate] += found.expected[harmful].sum()
    assert seen[0.0] > seen[0.5] > seen[0.9]
    assert seen[0.9] < 0.6 * seen[0.0]
    for rate in rates[1:]:
        assert 0.95 < expected[rate] / expected[0.0] < 1.25, rate


REPORTING = WorldSettings(
    creators=4000,
    posts_per_day=2500,
    harm_of_toxic=0.03,
    harm_of_campaigns=0.0,
    reports=(0.0005, 0.002, 0.03),  # enough reports for a world so small
    labelled=0.05,
    brigade=4000,
    brigade_size=12,  # of some 1,200 accounts that report anything
    brigade_rate=0.5,
)


def reported(seed, *, raids):
    """A world with or without raids: what was told, and what experts said of posts."""
    lived = live(dataclasses.replace(REPORTING, seed=seed, brigade_raids=raids), days=10)
    value = np.full(len(lived.posts), np.nan)
    drawn = value.copy()
    for step in lived.steps:
        harm = step.labels.head == 0
        value[step.labels.post[harm]] = step.labels.value[harm]
        drawn[step.labels.post[harm]] = step.labels.probability[harm]
    return lived, ExpertLabels(value=value, sampling_probability=drawn)


@pytest.mark.statistical
@pytest.mark.timeout(1800)
def test_pitfall_15_a_hundredth_of_the_reporters_collude():
    """Red when `likeness` was 0: of the hundred most reported posts six more were harmless.

    Two things are held: hardly any raided post gets a label of harm, and as many posts as before are as
    often harmful. At a fixed cut alone, precision may fall by more than a point: beside a brigade whose
    reports are found wrong, everybody else's count for more, so that more posts pass the cut.
    """
    most, cut = 100, 0.5
    best = {"without": [], "with": [], "undamped": []}
    raided_past_cut, past_cut = 0, 0
    for seed in SEEDS_OF_BRIGADES:
        for raids, names in ((0.0, ("without",)), (1.0, ("with", "undamped"))):
            lived, expert = reported(seed, raids=raids)
            history = in_memory(created_at=lived.posts.created_at, events=lived.events)
            harmful = lived.truth.harmful
            reports = of_kind(lived.events, "report")
            colluding = np.flatnonzero(lived.world.accounts.kind == BRIGADE)
            raided = np.unique(reports.post[np.isin(reports.actor, colluding)])
            if raids:
                assert 0.007 < len(colluding) / len(np.unique(reports.actor)) < 0.013
                assert len(raided) > 10
            for name in names:
                soft = report_labels(
                    history,
                    expert,
                    until=REPORTING.start + 11 * DAY,
                    rng=np.random.default_rng(0),
                    likeness=0.0 if name == "undamped" else 1.0,
                )
                best[name] += harmful[np.argsort(-soft.value, kind="stable")[:most]].tolist()
                if name == "with":
                    raided_past_cut += int((~harmful[raided] & (soft.value[raided] >= cut)).sum())
                    past_cut += int((soft.value >= cut).sum())
    precision = {name: float(np.mean(found)) for name, found in best.items()}
    assert abs(precision["with"] - precision["without"]) < 0.01
    assert raided_past_cut < 0.01 * past_cut
    assert precision["without"] - precision["undamped"] > 0.03
