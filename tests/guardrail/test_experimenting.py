"""A candidate beside what runs: what both dispute is drawn, judged at the desk in order, and told at every look."""

import msgspec
import numpy as np
import pytest

from guarded import hate_set, settlement
from sievert.errors import InvalidField
from sievert.guardrail.experimenting import BothScored, finding, purpose_of, start, stop, waiting
from sievert.guardrail.ledger import settle
from sievert.measurement.experiments import Dispute, ExperimentAnswer
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY
from sievert.schema.experiment import ExperimentState
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock


@pytest.fixture(params=["memory", "embedded"])
def stores(request, tmp_path):
    clock = FixedClock()
    made = MemoryStores(clock=clock) if request.param == "memory" else EmbeddedStores(tmp_path, clock=clock)
    made.clock = clock
    yield made
    made.close()


def scored(candidate, control, *, views=1, reports=0):
    return BothScored(
        revision=0, control=control, candidate=candidate, seen=views, counted=float(views), reports=reports
    )


def network(*, candidate=200, control=100, both=300, right=0.97):
    """Posts by who would remove them; names of harmless ones begin with `good`."""
    rng = np.random.default_rng(1)
    posts = {}
    for about, count, (new, old) in (
        ("n", candidate, (0.99, 0.1)),
        ("o", control, (0.1, 0.99)),
        ("b", both, (0.99, 0.99)),
        ("a", 400, (0.1, 0.1)),
    ):
        for n in range(count):
            kind = "bad" if rng.random() < right and about != "a" else "good"
            posts[f"{kind}-{about}{n}"] = scored(new, old, views=1 + int(rng.pareto(2) * 3))
    return posts


def started(stores, posts, **more):
    policy = hate_set(floor=0.9).named("hate")
    stated = {
        "platform": "default",
        "window": (START - DAY, START),
        "candidate": "new",
        "control": ("old",),
        "lines": (0.9, 0.9),
        "all_views": float(sum(one.counted for one in posts.values())) * 20,
        "draws": 900,
        "now": stores.clock.now(),
        "actor": "test",
    }
    return start(stores.guardrail, policy, posts, **{**stated, **more})


def audits_of(stores, experiment, kinds=tuple(Dispute)):
    return [
        one for kind in kinds for one in stores.guardrail.audits(purpose_of(experiment.experiment_id, kind))
    ]


def judge(stores, audits):
    """Settle what was drawn, by a truth that stands in the names."""
    cases = {
        one.case_id: msgspec.structs.replace(
            settlement(one, harmful=one.post_id.startswith("bad"), at=stores.clock.now()),
            kind=CaseKind.MEASUREMENT,
        )
        for one in audits
    }
    settle(stores.guardrail, cases.values(), now=stores.clock.now())


def test_a_better_candidate_is_found_better_and_nothing_is_promoted(stores):
    made = started(stores, network(candidate=300, control=60))
    assert finding(stores.guardrail, made).answer is ExperimentAnswer.UNDECIDED
    assert waiting(stores.guardrail, made) == len({one.case_id for one in audits_of(stores, made)})
    judge(stores, audits_of(stores, made))
    found = finding(stores.guardrail, made)
    assert found.answer is ExperimentAnswer.BETTER
    assert waiting(stores.guardrail, made) == 0
    assert stores.guardrail.certificates() == []
    assert made.only_candidate.draws > made.only_control.draws > 0


def test_a_worse_one_is_refused_and_an_equal_one_is_not_better(stores):
    worse = started(stores, network(candidate=60, control=300))
    judge(stores, audits_of(stores, worse))
    assert finding(stores.guardrail, worse).answer is ExperimentAnswer.WORSE
    stores.clock.advance(DAY)
    equal = started(stores, network(candidate=200, control=200), now=stores.clock.now())
    judge(stores, audits_of(stores, equal))
    assert finding(stores.guardrail, equal).answer is not ExperimentAnswer.BETTER


def test_draws_behind_one_that_waits_are_not_heard(stores):
    """Red when whatever was judged counted: posts that are quick to judge would speak first."""
    made = started(stores, network())
    disputed = sorted(
        audits_of(stores, made, (Dispute.CANDIDATE, Dispute.CONTROL)), key=lambda one: one.place
    )
    first = disputed[0].case_id
    judge(stores, [one for one in disputed if one.case_id != first])
    assert finding(stores.guardrail, made).prevented.draws == 0
    judge(stores, disputed[:1])
    assert finding(stores.guardrail, made).prevented.draws == len(disputed)


def test_cases_are_blind_and_asked_in_the_order_of_the_draws(stores):
    made = started(stores, network(), draws=60)
    cases = {one.case_id: one for one in stores.cases.list(limit=1000).items}
    places = {}
    for one in sorted(audits_of(stores, made), key=lambda one: one.place):
        places.setdefault(one.case_id, one.place)
    assert cases.keys() == places.keys()
    by_priority = sorted(cases.values(), key=lambda one: -one.priority)
    assert [places[one.case_id] for one in by_priority] == sorted(places.values())
    for one in cases.values():
        assert (one.blind, one.judges, one.kind, one.probability) == (True, 2, CaseKind.MEASUREMENT, None)


def test_only_what_either_would_remove_is_drawn_by_views(stores):
    posts = network()
    made = started(stores, posts, draws=4000)
    drawn = audits_of(stores, made)
    assert not any("-a" in one.post_id for one in drawn)
    shares = made.both.views + made.only_candidate.views + made.only_control.views + made.elsewhere.views
    assert shares == pytest.approx(1 / 20)
    assert made.left_out == pytest.approx(0.95)
    of_candidate = sum(one.counted for name, one in posts.items() if "-n" in name)
    of_control = sum(one.counted for name, one in posts.items() if "-o" in name)
    assert made.only_candidate.draws / (made.only_candidate.draws + made.only_control.draws) == pytest.approx(
        of_candidate / (of_candidate + of_control), abs=0.04
    )


def test_an_experiment_is_stopped_once_with_its_reason(stores):
    made = started(stores, network())
    ended = stop(stores.guardrail, made, reason="enough", now=stores.clock.now(), actor="test")
    assert (ended.state, ended.reason) == (ExperimentState.STOPPED, "enough")
    assert stores.guardrail.experiments() == [ended]
    with pytest.raises(InvalidField):
        stop(stores.guardrail, ended, reason="again", now=stores.clock.now(), actor="test")
    events = [one.event for one in stores.audit.entries(limit=50)]
    assert events.count("experiment.started") == events.count("experiment.stopped") == 1


def test_what_cannot_be_told_apart_is_refused(stores):
    with pytest.raises(InvalidField, match="decides here already"):
        started(stores, network(), candidate="old")
    with pytest.raises(InvalidField, match="the same"):
        started(stores, network(candidate=0, control=0))
