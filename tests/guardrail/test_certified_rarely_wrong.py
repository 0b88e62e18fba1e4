"""A simulated platform tries to go live, window after window: the promise is kept, and is not empty.

Frames are those of `simulated_audits`: 3,000 removals with views of a heavy tail, some of them wrong. All goes
by the guardrail's own steps over a store. People err, whatever they settle on after a second look: some harm
passes, and some that is harmless is called harmful, which known harmless posts bound.
"""

import numpy as np
import pytest

from guarded import ACTOR, hate_set, judge
from sievert.guardrail.certifying import AUDITS, CLOSE_AFTER, draw_audits, finish, open_attempt
from sievert.guardrail.proving import Reviewed
from sievert.schema.certificate import Running
from sievert.schema.clock import DAY, HOUR
from sievert.schema.guardrail import Crossing, names_of
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock
from simulated_audits import removals

POLICIES = hate_set(most_views=1000.0)
HATE = POLICIES.policies[0]
RUNNING = Running(bundle="b", triggers="t")
WORLDS = 120
MISSES, ACCUSES = 0.01, 0.02  # of what is settled: harm that passes, and what is called harm and is none
KNOWN = 250  # harmless posts that people judged besides
MOST_SEEN = -1.0  # 2 % of removals are wrong, and they have far more than a tenth of the views


def crossings(share_wrong, at, rng):
    """The removals as crossings of a window: this share is wrong whatever their views, or the most seen ones are."""
    views, _, names = removals()
    p = np.where(rng.random(len(views)) < 0.5, 0.97, 0.9)
    wrong = rng.random(len(views)) < share_wrong
    if share_wrong is MOST_SEEN:
        wrong = (views > np.quantile(views, 0.97)) & (rng.random(len(views)) < 0.6)
    return [
        Crossing(
            policy="hate",
            platform="default",
            post_id=f"{'fine' if one_wrong else 'bad'}-{at}-{name}",
            revision=0,
            decision_id=f"d-{at}-{name}",
            p=float(np.float32(one_p)),
            views=min(float(one_views), HATE.most_views),
            at=at,
            under=names_of(HATE, RUNNING),
        )
        for name, one_p, one_views, one_wrong in zip(
            names, p.tolist(), views.tolist(), wrong.tolist(), strict=True
        )
    ]


def goes_live(seed, share_wrong, *, attempts, audits=1000):
    """Return whether any attempt of a year proves a rule in a world with this share of wrong removals."""
    rng = np.random.default_rng(seed)
    stores = MemoryStores(clock=FixedClock())
    store, now = stores.guardrail, START
    for _ in range(attempts):
        store.add(tuple(crossings(share_wrong, now, rng)[:400]))
        now += HOUR
        opened = open_attempt(
            store, HATE, RUNNING, platform="default", now=now, actor=ACTOR, audits=audits, window=DAY
        )
        store.add(tuple(crossings(share_wrong, now + 1, rng)))
        now += DAY + CLOSE_AFTER
        drawn = draw_audits(store, opened, HATE, now=now, actor=ACTOR)
        seeds = int(rng.integers(1 << 30))
        judge(
            store,
            drawn.attempt_id,
            lambda name: name.startswith("bad"),
            now,
            misses=MISSES,
            accuses=ACCUSES,
            seed=seeds,
        )
        reviewed = Reviewed(harmless=KNOWN, called_harmful=int(rng.binomial(KNOWN, ACCUSES)))
        _, kept = finish(store, drawn, HATE, reviewed=reviewed, now=now, actor=ACTOR)
        if kept is not None:
            return True
        now += 40 * DAY
    return False


@pytest.mark.statistical
@pytest.mark.timeout(900)
def test_a_platform_whose_removals_are_too_often_wrong_goes_live_by_luck_alone():
    """Precision just below 0.95, three attempts in a year: at most 5 % of platforms may ever go live; of these 120 none does."""
    live = sum(goes_live(seed, 0.052, attempts=3) for seed in range(WORLDS))
    assert live <= 0.05 * WORLDS + 2 * (0.05 * 0.95 * WORLDS) ** 0.5


@pytest.mark.parametrize("share_wrong", [0.08, MOST_SEEN])
def test_a_bad_platform_does_not_go_live(share_wrong):
    """Red, for the most seen, when the half of views was drawn evenly; for both when misses were called harmful."""
    assert sum(goes_live(seed, share_wrong, attempts=1) for seed in range(12)) == 0


@pytest.mark.parametrize(("share_wrong", "least"), [(0.01, 0.85)])
def test_a_good_platform_goes_live(share_wrong, least):
    """By the usual number of audits; of a thousand, people's errors let 16 of these 20 pass."""
    live = sum(goes_live(1000 + seed, share_wrong, attempts=1, audits=AUDITS) for seed in range(20))
    assert live >= least * 20
