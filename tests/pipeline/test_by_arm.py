"""Posts parted by arms: order, wrong records, what may be removed in an arm, and what a path without a candidate does."""

import dataclasses

import msgspec
import pytest

from certified import certified
from let_act import let_act
from sievert.errors import InputError
from sievert.guardrail.acting import arm_for, arms_key
from sievert.guardrail.experimenting import stop
from sievert.pipeline.arms import Candidate
from sievert.pipeline.by_arm import run_by_arm
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.pipeline.ruling import Ruling
from sievert.pipeline.settling import give_verdict
from sievert.policy.rulebook import RuleBook
from sievert.schema.arm import Arm
from sievert.schema.clock import SECOND
from sievert.schema.event import Report
from sievert.schema.experiment import Acting
from sievert.testing import memory_parts, records, write_tiny_bundle

CREATORS = [f"c{n}" for n in range(60)]


@pytest.fixture
def other(tmp_path):
    return write_tiny_bundle(tmp_path / "other", hints={"florn": ("hate", 12.0)})


@pytest.fixture
def parts(tiny_bundle, stores, other):
    """A path over these stores whose policy on hate removes, with a candidate that is not told to act yet."""
    made = dataclasses.replace(
        memory_parts(tiny_bundle, clock=stores.clock),
        journal=stores.journal,
        candidate=Candidate(other, stores.guardrail, control=tiny_bundle),
    )
    live = certified(made, stores, removals_flood=100_000, removals_per_day=100_000, reviews_per_hour=10_000)
    return dataclasses.replace(
        live, ruling=Ruling(RuleBook(live.policies, tiny_bundle.fold), clock=stores.clock)
    )


def begin(parts, stores, share=0.35):
    return let_act(stores.guardrail, parts, Acting(share=share), now=stores.clock.now())


def posts(prefix, text, creators=CREATORS):
    return records(*({"id": f"{prefix}-{one}", "text": text, "creator_id": one} for one in creators))


def by_arm(experiment, stores, answers):
    """Return the decisions by arm."""
    key = arms_key(stores.guardrail, experiment.experiment_id)
    found = {}
    for creator, one in zip(CREATORS, answers, strict=True):
        found.setdefault(arm_for(experiment, "default", creator, key=key), set()).add(one.decision)
    return found


def test_a_policy_removes_in_both_arms_or_in_neither(parts, stores, other):
    """Red when the control's certificate held in its arm alone."""
    assert {one.decision for one in run_by_arm(posts("a", "you blorp"), parts)} == {"remove"}
    experiment = begin(parts, stores)
    found = by_arm(experiment, stores, run_by_arm(posts("b", "you blorp"), parts))
    assert found == {None: {"remove"}, Arm.CANDIDATE: {"review"}, Arm.CONTROL: {"review"}}
    mine = parts.certificates[0]
    running = dataclasses.replace(parts, bundle=other).running
    theirs = msgspec.structs.replace(mine, bundle=running.bundle, forecaster=running.forecaster)
    both = dataclasses.replace(parts, certificates=(mine, theirs))
    found = by_arm(experiment, stores, run_by_arm(posts("c", "you blorp"), both))
    assert found == {None: {"remove"}, Arm.CANDIDATE: {"remove"}, Arm.CONTROL: {"remove"}}
    found = by_arm(experiment, stores, run_by_arm(posts("d", "you florn"), both))
    assert found == {None: {"allow"}, Arm.CANDIDATE: {"remove"}, Arm.CONTROL: {"allow"}}
    # One that is active and holds no more, since other triggers run, is none.
    stale = dataclasses.replace(parts, certificates=(msgspec.structs.replace(mine, triggers="older"), theirs))
    found = by_arm(experiment, stores, run_by_arm(posts("e", "you blorp"), stale))
    assert found == {None: {"review"}, Arm.CANDIDATE: {"review"}, Arm.CONTROL: {"review"}}


def reported(parts, stores, post, count):
    """Let people report a post, a minute after each other; return its decisions."""
    for number in range(count):
        stores.clock.at += 60 * SECOND
        told = Report(
            id=f"{post} {number}", at=stores.clock.at, post_id=post, actor_id=f"r{number}", reason="hate"
        )
        run_events(records(told), parts)
    return stores.journal.trail("default", post)


def creator_in(arm, experiment, stores):
    key = arms_key(stores.guardrail, experiment.experiment_id)
    return next(one for one in CREATORS if arm_for(experiment, "default", one, key=key) is arm)


@pytest.mark.parametrize("loaded", [True, False])
def test_reports_count_for_what_a_candidate_allowed_after_it_was_stopped(parts, stores, loaded):
    """Red when what another bundle had plainly allowed was never decided about again."""
    experiment = begin(parts, stores)
    creator = creator_in(Arm.CANDIDATE, experiment, stores)
    run_by_arm(posts("a", "hello there", [creator]), parts)
    stop(stores.guardrail, experiment, reason="bad", now=stores.clock.now(), actor="ann")
    after = parts if loaded else dataclasses.replace(parts, candidate=None)
    trail = reported(after, stores, f"a-{creator}", 40)
    assert len(trail) > 3
    assert trail[-1].bundle == parts.bundle.version
    if stores.journal.post("default", f"a-{creator}") is None:
        # What somebody else thought of a text that is gone proves nothing, whatever is certified.
        assert trail[-1].outcome == "review"


@pytest.mark.parametrize("arm", [*Arm])
def test_what_people_found_stands_in_both_arms(parts, stores, arm):
    """Red when a settlement named the control's bundle whoever had decided."""
    parts = dataclasses.replace(parts, reviews=stores.reviews)
    experiment = begin(parts, stores)
    creator = creator_in(arm, experiment, stores)
    run_by_arm(posts("a", "you blorp", [creator]), parts)
    desk = Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)
    while (given := claim_next(desk, "ann")) is not None:
        case = given.file.case
        give_verdict(desk, case.case_id, "ann", violates=[], judged=[*{"hate", case.policy}])
    settled = len(stores.cases.list(limit=50).items)
    reported(parts, stores, f"a-{creator}", 8)
    assert len(stores.cases.list(limit=50).items) == settled > 0


def test_answers_come_in_the_order_of_records_and_wrong_ones_are_told(parts, stores):
    begin(parts, stores)
    some = posts("a", "hello")
    some[7:7] = [b"{", b'{"id": 3}', b'{"id": "x", "creator_id": 7}', b'["y"]']
    answers = run_by_arm(b"\n".join(some), parts)
    assert [type(one).__name__ == "Answer" for one in answers] == [
        row not in range(7, 11) for row in range(64)
    ]
    assert all(isinstance(one, InputError) for one in answers[7:11])
    assert [one.id for one in answers if not isinstance(one, InputError)] == [f"a-{one}" for one in CREATORS]
    assert len({one.bundle for one in answers if not isinstance(one, InputError)}) == 2


def test_without_an_experiment_the_path_is_walked_as_it_is(parts, stores):
    said = run_by_arm(posts("a", "hello"), parts)
    assert said == run(posts("a", "hello"), dataclasses.replace(parts, candidate=None))
    assert {stores.journal.trail("default", f"a-{one}")[0].acted for one in CREATORS} == {None}
