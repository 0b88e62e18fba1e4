"""What a frame says a rule would remove is what the rule of the certificate removes, to the most careful end."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.guardrail import audit, crossing, kept
from guarded import guarded, hate_set
from sievert.guardrail.frames import MOST_CAREFUL, looks_of
from sievert.guardrail.tuning import path_for
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.events import run_events
from sievert.pipeline.path import run
from sievert.policy.removal import removal_rule
from sievert.schema.event import Report
from sievert.schema.guardrail import AuditState
from sievert.schema.post import Post
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock, records

HATE = hate_set().policies[0]
JUST_BELOW = float(np.nextafter(np.float32(0.95), np.float32(0)))
P = st.one_of(st.floats(0.875, 1.0, width=32), st.sampled_from([JUST_BELOW, float(np.float32(0.95)), 1.0]))


@given(
    st.lists(st.tuples(P, st.floats(0, 1e4, width=32)), min_size=1, max_size=20),
    st.sampled_from([0.0, 1.0, 16.0]),
)
def test_the_most_careful_rule_of_a_path_removes_from_t_on_and_nothing_below(looks, lambda_views):
    some = looks_of([crossing(n, p=p, views=v) for n, (p, v) in enumerate(looks)])
    p, v = (np.array(column, np.float32) for column in zip(*looks, strict=True))
    removed = removal_rule(p, v, HATE, lambda_posts=MOST_CAREFUL, lambda_views=lambda_views)
    level = some.levels(HATE, lambda_views)[:, 0]
    assert np.array_equal(removed, level >= MOST_CAREFUL)
    assert np.array_equal(removed, p >= np.float32(0.95))


def test_a_path_falls_ends_where_posts_are_and_stays_beside_a_live_rule():
    rng = np.random.default_rng(3)
    some = [
        crossing(n, p=float(np.float32(p)), views=float(np.float32(v)))
        for n, (p, v) in enumerate(zip(rng.uniform(0.85, 1.0, 800), rng.pareto(1.3, 800) * 20, strict=True))
    ]
    path = path_for(HATE, some, [], audits=2300, delta=0.02)
    assert (np.diff(path.levels) < 0).all()
    assert path.levels.max() <= MOST_CAREFUL
    assert path.audits_posts + path.audits_views == 2300
    certificate = kept().certificate  # l1 = 5, l2 = 1
    beside = path_for(HATE, some, [], audits=2300, delta=0.02, beside=certificate)
    assert beside.levels[0] == certificate.lambda_posts
    assert beside.lambda_views == certificate.lambda_views
    assert (np.diff(beside.levels) < 0).all()
    assert path_for(HATE, [], [], audits=2300, delta=0.02) is None


def test_labels_that_say_the_model_is_too_sure_make_a_path_more_careful():
    rng = np.random.default_rng(4)
    some = [
        crossing(n, p=float(np.float32(p)), views=float(np.float32(v)))
        for n, (p, v) in enumerate(zip(rng.uniform(0.85, 0.99, 800), rng.pareto(1.3, 800) * 20, strict=True))
    ]
    labels = [
        audit(f"a{n}", p=0.95, state=AuditState.SETTLED, harmful=bool(rng.random() < 0.8)) for n in range(300)
    ]
    believed = path_for(HATE, some, [], audits=2300, delta=0.02)
    told = path_for(HATE, some, labels, audits=2300, delta=0.02)
    assert told.worth < believed.worth


def test_a_post_that_is_decided_anew_has_a_look_more_and_is_one_unit(tiny_bundle):
    """Red when crossings were recorded of first decisions only."""
    stores = MemoryStores(clock=FixedClock())
    stores.clock = FixedClock()
    parts = dataclasses.replace(
        guarded(stores, tiny_bundle), counters=ActivityCounters(stores.activity, said=reader_of(tiny_bundle))
    )
    run(records(Post(id="a", text="you blorp", creator_id="ann")), parts)
    for count in (1, 2, 4):
        stores.clock.advance(1)
        told = [
            Report(id=f"r{count}-{n}", at=START, post_id="a", reason="hate", actor_id=f"reader-{count}-{n}")
            for n in range(count)
        ]
        run_events(records(*told), parts)
    found = [one for _, one in stores.guardrail.crossings("hate", "default", since=0, until=1 << 60)]
    trail = stores.journal.trail("default", "a")
    assert [one.decision_id for one in found] == [one.decision_id for one in trail]
    assert len(found) == 4
    looks = looks_of(found)
    assert (len(looks.posts), looks.p.shape) == (1, (1, 4))
