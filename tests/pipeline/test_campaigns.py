"""Of a text in many copies a few are removed, then a person looks at one; others go on being removed."""

import dataclasses

import pytest

from certified import certified
from sievert.enforcement.performing import UNCHECKED
from sievert.pipeline.campaigns import Campaigns
from sievert.pipeline.copies import CopyNames
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.pipeline.settling import give_verdict
from sievert.pipeline.switching import Switching
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.event import Report
from sievert.schema.post import Post
from sievert.schema.stop import StopKind
from sievert.testing import START, batch_of, memory_parts, records

ALONE = 5  # a sixth of what is never a flood


@pytest.fixture
def parts(stores, tiny_bundle):
    stores.clock.advance(HOUR - START % HOUR)
    made = dataclasses.replace(
        memory_parts(tiny_bundle, clock=stores.clock), journal=stores.journal, reviews=stores.reviews
    )
    return certified(made, stores, removals_per_day=100_000)


@pytest.fixture
def desk(parts, stores):
    return Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)


def post(parts, names, text="you blorp"):
    """Send posts of one text; return what was decided about each."""
    posts = [Post(id=name, text=text, creator_id=name) for name in names]
    return [one.decision for one in run(records(*posts), parts)]


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_copies_beyond_a_few_go_to_people_as_one_case_and_trip_nothing(parts, stores, batch):
    names = [f"c{n}" for n in range(100)]
    said = [one for start in range(0, 100, batch) for one in post(parts, names[start : start + batch])]
    assert said == ["remove"] * ALONE + ["review"] * (100 - ALONE)
    assert stores.stops.running() == ()
    states = [one.state for one in stores.cases.list(limit=200).items]
    assert states.count("open") == 1
    assert states.count("joined") == 100 - ALONE - 1
    assert post(parts, ["another"], "blorp indeed") == ["remove"]  # other texts are removed as before
    kinds = [one.kind for one in stores.actions.list(limit=500).items]
    assert kinds.count("demote") == 100 - ALONE  # fewer people see them meanwhile


def test_once_somebody_found_one_harmful_copies_are_removed_again(parts, desk, stores):
    post(parts, [f"c{n}" for n in range(20)])
    given = claim_next(desk, "ann")
    give_verdict(desk, given.file.case.case_id, "ann", violates=["hate"], judged=["hate"])
    removed = [one.post_id for one in stores.actions.list(limit=500).items if one.kind == "remove"]
    assert sorted(removed) == sorted(f"c{n}" for n in range(20))  # each once
    assert post(parts, [f"d{n}" for n in range(15)]) == ["remove"] * ALONE + ["review"] * (15 - ALONE)


def test_once_somebody_found_one_harmless_copies_still_go_to_people(parts, desk):
    post(parts, [f"c{n}" for n in range(20)])
    given = claim_next(desk, "ann")
    give_verdict(desk, given.file.case.case_id, "ann", violates=[], judged=["hate"])
    assert post(parts, ["d1", "d2"]) == ["review"] * 2


def test_a_post_that_is_held_back_is_asked_about_once_however_often_it_is_decided_anew(parts, desk, stores):
    """Red when each report about a post of a stopped policy opened one more case: it was removed as often."""
    Switching(stores=stores, policies=parts.policies).stop(
        StopKind.REMOVALS, reason="x", by="key k", now=stores.clock.now()
    )
    stores.clock.advance(SECOND)
    assert post(parts, ["p"]) == ["review"]
    for n in range(8):
        at = stores.clock.now()
        told = Report(id=f"r{n}", at=at, post_id="p", reason="hate", actor_id=f"reader{n}")
        run_events(records(told), parts)
    assert len(stores.journal.trail("default", "p")) > 3
    assert len(stores.cases.list(limit=10).items) == 1
    given = claim_next(desk, "ann")
    give_verdict(desk, given.file.case.case_id, "ann", violates=["hate"], judged=["hate"])
    assert [one.kind for one in stores.actions.list(limit=10).items].count("remove") == 1


def test_names_are_forgotten_after_a_week_and_beyond_the_most(tiny_bundle):
    campaigns = Campaigns(most=3)
    campaigns.note([[bytes([n])] for n in range(5)], START)
    assert len(campaigns) == 3
    names = CopyNames(batch_of([Post(id="a", text="you blorp")]), tiny_bundle.fold)
    campaigns.note(names.of([0]), START)
    assert campaigns.checked(UNCHECKED, names, [0], START).copies_removed == {names.of([0])[0][0]: 1}
    assert campaigns.checked(UNCHECKED, names, [0], START + 8 * DAY).copies_removed == {}
    assert len(campaigns) == 0
