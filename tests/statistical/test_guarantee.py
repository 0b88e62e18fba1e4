"""Does a certificate keep its promise in simulated worlds, and do the ways that people take instead break it?

`python benchmarks/guarantee.py --write` tries a thousand worlds, `guarantee_drift.py` lets them drift; the
marked test tries other worlds, the rest read what is checked in, and check that worlds are drawn right.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PERMITTED = 0.05
NAIVE = ("looks good", "balanced 0.95", "every look", "Wald, peeking", "retrying")


@pytest.fixture(scope="module")
def stored():
    return json.loads((BENCHMARKS / "results" / "guarantee.json").read_text())


@pytest.mark.statistical
@pytest.mark.timeout(3600)
def test_the_promise_is_kept_in_other_worlds(tmp_path):
    """Red when draws by views counted for every rule, or when every attempt had the full error rate."""
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / "guarantee.py", "--worlds", "200", "--seed", "31"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(ran.stdout.splitlines()[-1])["rules"]
    for name in ("path", "threshold", "path, floor 0.70"):
        assert found[f"{name}, all"]["broken"] <= 0.05 * 200 + 3 * (0.05 * 0.95 * 200) ** 0.5


@pytest.mark.parametrize("name", ["path", "threshold", "path, floor 0.70"])
def test_in_the_stored_worlds_the_next_window_keeps_the_guardrail(stored, name):
    one = stored["rules"][f"{name}, all"]
    assert one["worlds"] == 1000
    assert one["posts_broken"] <= PERMITTED * 1000
    assert one["views_broken"] <= PERMITTED * 1000
    assert stored["broken_in_the_audited_window"][name] <= PERMITTED * 1000


@pytest.mark.parametrize("name", NAIVE)
def test_in_the_stored_worlds_every_naive_way_breaks_it(stored, name):
    assert stored["rules"][f"{name}, all"]["broken"] > PERMITTED * 1000


def test_in_the_stored_worlds_the_rule_is_not_empty_and_worth_more_than_a_threshold(stored):
    assert stored["live_within_3000_at_3_or_more"]["path"] >= 0.6
    prevented = stored["rules"]["path, all"]["prevented"]
    assert prevented["threshold"] > 1.0
    assert prevented["calibrated 0.95"] > 1.0
    assert prevented["oracle"] > 0.85


def test_in_the_stored_drifts_the_monitor_withdraws_what_is_bad():
    stored = json.loads((BENCHMARKS / "results" / "guarantee_drift.json").read_text())["changes"]
    for name, one in stored.items():
        if name.endswith("broken") and one["worlds"]:
            ways = one["ways"]
            assert ways["monitor"]["wrong_removals"] < 0.8 * ways["no monitor"]["wrong_removals"], name
    assert stored["nothing changes, still kept"]["ways"]["monitor"]["withdrawn"] < 0.05


def test_harmless_posts_are_as_many_as_if_all_were_drawn(monkeypatch):
    """The change of measure against brute force. Red when a post's evidence went on as harmful after its crossing."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import score_worlds as worlds

    law = worlds.Law(
        separation=3.0, prevalence=0.02, slope=1.1, shift=0.2, told_separation=2.6, told_prevalence=0.03
    )
    rng = np.random.default_rng(1)
    posts, times = 200_000, 6

    def counted(stated, evidence):
        above = stated >= worlds.logit(0.85)
        return (
            (stated >= 0).any(axis=1).sum(),
            above.any(axis=1).sum(),
            above[:, 1:].sum(),
            evidence[:, -1].sum(),
        )

    drawn, plain = [], []
    step = np.full(len(worlds.MARKS), worlds.GAIN) * law.separation**2
    step[0] = law.separation**2
    for _ in range(times):
        looks = worlds.window(law, rng, posts=posts, in_campaigns=0.0)
        some = ~looks.harmful
        evidence = worlds.logit(looks.true[some]) - worlds.logit(law.prevalence)
        drawn.append(counted(looks.stated[some], evidence))
        count = round(posts * (1 - law.prevalence))
        evidence = (-step / 2 + np.sqrt(step) * rng.standard_normal((count, len(step)))).cumsum(axis=1)
        jitter = np.clip(
            worlds.JITTER * rng.standard_normal(evidence.shape), -worlds.MOST_JITTER, worlds.MOST_JITTER
        )
        views = np.minimum(rng.pareto(worlds.VIEW_TAIL, count) + 1, worlds.MOST_VIEWS)
        stated = np.where(views[:, None] > worlds.MARKS, law.stated(evidence, jitter), -np.inf)
        reached = (stated >= 0).any(axis=1)
        plain.append(counted(stated[reached], evidence[reached]))
    a, b = np.array(drawn, float), np.array(plain, float)
    spread = np.sqrt((a.var(axis=0, ddof=1) + b.var(axis=0, ddof=1)) / times)
    assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * spread).all()
