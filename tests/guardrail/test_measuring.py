"""Views are drawn from all that people saw, judged at the desk, and counted: by real posts, events and reviewers."""

import dataclasses
import itertools

import msgspec
import numpy as np
import pytest

from guarded import guarded, hate_set
from sievert.errors import InvalidField
from sievert.guardrail.measuring import (
    Frame,
    Panels,
    Scored,
    draw_measurement,
    estimated,
    panels_of,
    planned,
    refuse_enforcing,
    waiting,
)
from sievert.measurement.misjudged import Judged
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.desk import Desk, claim_next
from sievert.pipeline.events import run_events
from sievert.pipeline.guarding import Guard
from sievert.pipeline.path import run
from sievert.pipeline.settling import give_verdict
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY
from sievert.schema.post import Post
from sievert.schema.review import GoldAnswer, Verdict
from sievert.stores.embedded import EmbeddedStores, segments_folder
from sievert.stores.journal.seen import SeenPosts
from sievert.testing import START, FixedClock, records

SURE = Panels(missed=Judged.of_nothing(), accused=Judged.of_nothing())
SINCE = START // DAY * DAY
NUMBERS = itertools.count()


def opened(folder):
    """Stores with their clock, and what reads beside them."""
    clock = FixedClock(SINCE + DAY // 2)
    made = EmbeddedStores(folder, clock=clock)
    made.clock = clock
    made.seen = SeenPosts(made.database, segments_folder(folder))
    return made


@pytest.fixture
def stores(tmp_path):
    made = opened(tmp_path / "data")
    yield made
    made.close()


def parts_over(stores, bundle, policies):
    """A path whose counters, journal and guard are these stores'."""
    parts = guarded(stores, bundle, policies)
    guard = Guard(stores.guardrail, policies, settlements=stores.reviews.settlements)
    counters = ActivityCounters(stores.activity, said=reader_of(bundle))
    return dataclasses.replace(parts, guard=guard, reviews=stores.reviews, counters=counters)


def network(parts, *, days=2):
    """60 posts, of which 20 are harmful and 5 of those say so in words that no model knows; each seen day by day."""
    rng = np.random.default_rng(1)
    posts = [Post(id=f"bad{n}", text="you blorp") for n in range(15)]
    posts += [Post(id=f"bad{n}", text="hello there, dear") for n in range(15, 20)]
    posts += [Post(id=f"good{n}", text="hello") for n in range(40)]
    run(records(*posts), parts)
    seen = {}
    events = []
    for day in range(days):
        for post in posts:
            count = int(rng.pareto(1.3) * 3) + 1
            seen[post.id, SINCE + day * DAY] = count
            events.append(
                {
                    "kind": "views",
                    "id": f"e{next(NUMBERS)}",
                    "at": SINCE + day * DAY + DAY // 2,
                    "post_id": post.id,
                    "count": count,
                }
            )
    parts.clock.advance((days - 1) * DAY)
    run_events(records(*events), parts)
    return posts, seen


def frame(stores, *, policy="hate", days=2):
    since, until = SINCE, SINCE + days * DAY
    decided = stores.seen.first_decisions("default", policy, since=since, until=until)
    return Frame(
        policy=policy,
        platform="default",
        since=since,
        until=until,
        views=stores.seen.views("default", since=since, until=until),
        scored={name: Scored(revision=one.revision, p=one.p) for name, one in decided.items()},
        measured_by="another",
        decided_by=tuple({one.bundle for one in decided.values()}),
    )


def drawn(stores, *, draws=600, days=2, **more):
    return draw_measurement(
        stores.guardrail,
        frame(stores, days=days),
        draws=draws,
        hidden=0.1,
        now=stores.clock.now(),
        actor="test",
        **more,
    )


def judged_by(stores, parts, truth=lambda name: name.startswith("bad")):
    """Let two people judge every case at the desk, as anybody does, and the guard hear of it."""
    desk = Desk(parts=parts, reviews=stores.reviews, standing=stores.standing, key=b"k" * 32)
    for reviewer in ("ann", "ben"):
        while given := claim_next(desk, reviewer, kinds=[CaseKind.MEASUREMENT]):
            case = given.file.case
            assert case.blind
            found = ["hate"] if truth(case.post_id) else []
            give_verdict(desk, case.case_id, reviewer, violates=found, judged=["hate"])
    parts.guard.step(now=stores.clock.now(), rate=0.0)


def holds(share, truth):
    """Whether an interval twice as wide holds the truth: draws are secret, and one in twenty at 95 % would not."""
    more = (share.high - share.low) / 2
    return share.low - more <= truth <= share.high + more


def test_the_frame_is_every_view_whatever_was_decided(stores, tiny_bundle):
    """Red when plainly allowed posts, whose rows lie in segments, were left out."""
    parts = parts_over(stores, tiny_bundle, hate_set())
    posts, seen = network(parts)
    assert stores.seen.views("default", since=SINCE, until=SINCE + 2 * DAY) == seen
    assert stores.seen.views("other", since=SINCE, until=SINCE + 2 * DAY) == {}
    found = stores.seen.first_decisions("default", "hate", since=SINCE, until=SINCE + DAY)
    assert found.keys() == {post.id for post in posts}
    assert found["bad0"].p > 0.9 > found["good0"].p
    assert {one.bundle for one in found.values()} == {tiny_bundle.version}
    assert not stores.seen.first_decisions("default", "hate", since=SINCE + DAY, until=SINCE + 2 * DAY)


def test_from_views_to_the_number_by_people_at_the_desk(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, hate_set())
    _, seen = network(parts)
    made = drawn(stores)
    assert waiting(stores.guardrail, made) == made.cases > 0
    assert made.views == sum(seen.values())
    assert sum(one.weight for one in made.strata) == pytest.approx(1)
    for one in made.strata:
        assert sum(one.by_day) == pytest.approx(one.weight)
    with pytest.raises(InvalidField, match="wait for a judgement"):
        estimated(made, stores.guardrail.audits(made.measurement_id), SURE)
    judged_by(stores, parts)
    assert waiting(stores.guardrail, made) == 0
    found = estimated(made, stores.guardrail.audits(made.measurement_id), SURE)
    true = sum(count for (post, _), count in seen.items() if post.startswith("bad")) / sum(seen.values())
    assert found.share.high - found.share.low < 0.2
    assert holds(found.share, true)
    assert [one.day for one in found.by_day] == [SINCE, SINCE + DAY]
    for one in found.by_day:
        of_day = {post: count for (post, day), count in seen.items() if day == one.day}
        harm = sum(count for post, count in of_day.items() if post.startswith("bad")) / sum(of_day.values())
        assert holds(one.share, harm)
    (kept,) = stores.guardrail.measurements()
    assert kept == made
    assert "measurement.drawn" in [one.event for one in stores.audit.entries()]


def test_pitfall_9_harm_that_no_model_sees_moves_the_number(stores, tiny_bundle):
    """Red when only posts that were removed, reported or queued were drawn from."""
    parts = parts_over(stores, tiny_bundle, hate_set())
    network(parts)
    made = drawn(stores)
    judged_by(stores, parts)
    audits = stores.guardrail.audits(made.measurement_id)
    seen_too = estimated(made, audits, SURE)
    hidden = {f"bad{n}" for n in range(15, 20)}
    without = [
        msgspec.structs.replace(one, harmful=one.harmful and one.post_id not in hidden) for one in audits
    ]
    assert {one.post_id for one in audits} & hidden
    assert estimated(made, without, SURE).share.value < seen_too.share.value


def test_pitfall_11_another_threshold_does_not_move_what_is_measured(tmp_path, tiny_bundle, monkeypatch):
    """The share of views that enforcement acts on moves with its threshold; what is measured does not."""
    monkeypatch.setattr("sievert.stores.guardrail.embedded.secrets.token_hex", lambda size: "ab" * size)
    measured, acted_on = [], []
    for name, stated in (("low", {"demote_at": 0.05}), ("high", {"demote_at": 0.9999999})):
        stores = opened(tmp_path / name)
        parts = parts_over(stores, tiny_bundle, hate_set(**stated))
        _, seen = network(parts)
        posts = {one.post_id for one in stores.actions.list(limit=1000).items}
        acted_on.append(sum(count for (post, _), count in seen.items() if post in posts))
        made = drawn(stores)
        judged_by(stores, parts)
        measured.append(estimated(made, stores.guardrail.audits(made.measurement_id), SURE))
        stores.close()
    assert acted_on[0] != acted_on[1]
    assert measured[0].share == measured[1].share
    assert measured[0].by_day == measured[1].by_day


def test_reviewers_who_err_are_corrected_for_and_confirmation_narrows_it(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, hate_set())
    network(parts)
    made = drawn(stores)
    judged_by(stores, parts)
    audits = stores.guardrail.audits(made.measurement_id)
    wrong = {one.case_id for one in audits if one.post_id in {"good1", "good2", "good3"}}
    told = [msgspec.structs.replace(one, harmful=one.harmful or one.case_id in wrong) for one in audits]
    err = Panels(missed=Judged(asked=500, wrong=25), accused=Judged(asked=500, wrong=30))
    as_told, confirmed = (
        estimated(made, told, err),
        estimated(made, told, err, not_confirmed=frozenset(wrong)),
    )
    assert as_told.share.value < as_told.as_judged.value
    assert confirmed.as_judged.value <= as_told.as_judged.value
    assert confirmed.share.high - confirmed.share.low < as_told.share.high - as_told.share.low


def test_a_post_that_nothing_scored_is_drawn_all_the_same(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, hate_set())
    _, seen = network(parts)
    whole = frame(stores)
    some = dataclasses.replace(
        whole, scored={name: one for name, one in whole.scored.items() if not name.startswith("bad1")}
    )
    made = draw_measurement(
        stores.guardrail, some, draws=900, hidden=0.1, now=stores.clock.now(), actor="test"
    )
    unscored = sum(count for (post, _), count in seen.items() if post.startswith("bad1"))
    assert made.unscored == pytest.approx(unscored / sum(seen.values()))
    assert any(one.post_id.startswith("bad1") for one in stores.guardrail.audits(made.measurement_id))


def test_texts_that_are_told_are_kept_for_whoever_judges(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, hate_set())
    posts, _ = network(parts)
    assert stores.journal.post("default", "good1") is None
    made = drawn(stores, texts={post.id: post for post in posts})
    asked = {one.post_id for one in stores.guardrail.audits(made.measurement_id)}
    for post in posts:
        kept = stores.journal.post("default", post.id)
        assert (kept is not None and kept.text == post.text) == (
            post.id in asked or (post.id.startswith("bad") and int(post.id[3:]) < 15)
        )


def test_a_plan_is_of_this_frame(stores, tiny_bundle):
    parts = parts_over(stores, tiny_bundle, hate_set())
    network(parts)
    found = planned(frame(stores), half_width=0.3, hidden=0.0)
    assert found.draws < found.plain_draws
    empty = dataclasses.replace(frame(stores), views={})
    with pytest.raises(InvalidField, match="Nobody told of a view"):
        planned(empty, half_width=0.3, hidden=0.0)


def test_the_enforcing_bundle_is_refused_as_the_measuring_one():
    refuse_enforcing("a", ["b"])
    with pytest.raises(InvalidField, match="decides about these posts"):
        refuse_enforcing("b", ["b"])


def test_panels_are_majorities_of_three_verdicts_on_a_known_answer():
    def mark(case, reviewer, said, truth, *, judged=("hate",)):
        verdict = Verdict(
            verdict_id=f"{case}{reviewer}",
            case_id=case,
            reviewer=reviewer,
            violates=("hate",) if said else (),
            judged=judged,
            given_at=ord(reviewer[0]),
            seconds=1.0,
        )
        answer = GoldAnswer(case_id=case, violates=("hate",) if truth else (), judged=("hate",), added_at=0)
        return verdict, answer

    marks = [
        *(mark("x", who, said, True) for who, said in zip("abcd", (False, True, False, True), strict=True)),
        *(mark("y", who, said, False) for who, said in zip("abc", (True, False, False), strict=True)),
        *(mark("z", who, True, False) for who in "ab"),
        *(mark("w", who, True, True, judged=("spam",)) for who in "abc"),
    ]
    found = panels_of(marks, "hate")
    assert found.missed == Judged(asked=1, wrong=1)
    assert found.accused == Judged(asked=1, wrong=0)
