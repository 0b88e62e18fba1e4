"""Audits are draws with the probability that is kept of them, and nobody can draw them otherwise."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.guardrail import attempt, crossing, kept
from guarded import hate_set
from sievert.guardrail.drawing import JUDGES, cases_of, draw_attempt, draw_removals, due
from sievert.guardrail.frames import window_of
from sievert.measurement.designs import key_for
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY
from sievert.schema.guardrail import AuditBy
from sievert.testing import START

SECRET = b"a secret of the tests, long enough"
HATE = hate_set().policies[0]
NOW = START + 10_000

probabilities = st.floats(0.875, 1.0, width=32)
views = st.floats(0.0, 20_000.0, width=32)


def frame(looks, levels=(8.0, 0.5)):
    """The window of posts with these (p, views), one look each."""
    crossings = [crossing(n, p=p, views=min(v, HATE.most_views)) for n, (p, v) in enumerate(looks)]
    return window_of(crossings, HATE, levels=levels, lambda_views=0.0, since=START)


@given(st.lists(st.tuples(probabilities, st.floats(1.0, 20_000.0, width=32)), min_size=1, max_size=30))
def test_every_draw_has_the_probability_that_its_design_says(looks):
    looks = [(1.0, 7.0), *looks]
    window = frame(looks)
    audits = draw_attempt(attempt(), window, secret=SECRET, now=NOW)
    most = window.frame.views.max(axis=1)
    share = dict(zip(window.names, most / most.sum(), strict=True))
    assert [one.by for one in audits] == [AuditBy.POSTS] * 10 + [AuditBy.VIEWS] * 10
    for one in audits:
        wanted = 1 / len(window.firsts) if one.by is AuditBy.POSTS else share[one.post_id]
        assert one.probability == pytest.approx(wanted)
    assert len({one.audit_id for one in audits}) == 20
    assert audits == draw_attempt(attempt(), window, secret=SECRET, now=NOW)


def test_posts_are_drawn_as_often_as_their_probabilities_say():
    """Red when draws by views were even, or when a key was used for two attempts."""
    window = frame([(0.99, v) for v in (1.0, 2.0, 7.0)])
    counts = {by: np.zeros(3) for by in AuditBy}
    for number in range(300):
        for one in draw_attempt(attempt(f"t{number}"), window, secret=SECRET, now=NOW):
            counts[one.by][int(one.post_id[1:])] += 1
    for by, shares in ((AuditBy.POSTS, [1 / 3] * 3), (AuditBy.VIEWS, [0.1, 0.2, 0.7])):
        spread = np.sqrt(3000 * np.array(shares) * (1 - np.array(shares)))
        assert (np.abs(counts[by] - 3000 * np.array(shares)) < 4.5 * spread).all()


def test_who_has_another_secret_draws_others():
    window = frame([(0.99, 5.0)] * 50)
    drawn = [
        [one.post_id for one in draw_attempt(attempt(), window, secret=secret, now=NOW)]
        for secret in (SECRET, key_for(SECRET, purpose="another"))
    ]
    assert drawn[0] != drawn[1]


@given(st.lists(st.tuples(probabilities, views), min_size=1, max_size=40), st.integers(1, 12))
def test_audits_of_removals_are_draws_too(looks, count):
    removals = [crossing(n, p=p, views=v, certificate="x") for n, (p, v) in enumerate(looks)]
    audits = draw_removals(kept(), removals, HATE, through=99, count=count, secret=SECRET, now=NOW)
    capped = np.minimum([one.views for one in removals], HATE.most_views)
    total = capped.sum()
    for one in audits:
        row = int(one.post_id[1:])
        by_views = one.by is AuditBy.VIEWS and total > 0
        assert one.probability == pytest.approx(capped[row] / total if by_views else 1 / len(removals))
        assert one.purpose == kept().name
    assert len(audits) == 2 * count
    after = msgspec.structs.replace(kept(), drawn_through=99)
    again = draw_removals(after, removals, HATE, through=199, count=count, secret=SECRET, now=NOW)
    assert not {one.audit_id for one in audits} & {one.audit_id for one in again}


def test_a_case_is_blind_asks_two_people_and_tells_of_no_score():
    window = frame([(0.99, 5.0), (0.86, 5000.0)])
    audits = draw_attempt(attempt(), window, secret=SECRET, now=NOW)
    cases = cases_of(audits, now=NOW)
    assert len(cases) == len({one.post_id for one in audits}) == 2
    for case in cases:
        assert (case.kind, case.judges, case.blind) == (CaseKind.AUDIT, JUDGES, True)
        assert (case.spans, case.nearest, case.matches) == ((), (), ())
        assert case.about in {one.audit_id for one in audits if one.post_id == case.post_id}
    assert len({case.priority for case in cases}) == 1


def test_what_was_removed_is_audited_at_the_rate_and_at_least_once_a_day():
    one = kept(drawn_at=START)
    assert due(0, one, now=START + 9 * DAY) == 0
    assert due(400, one, now=START) == 20
    assert due(19, one, now=START + 1) == 0
    assert due(20, one, now=START + 1) == 1
    assert due(1, one, now=START + DAY) == 1
    assert due(1000, one, now=START + DAY, rate=0.0) == 0


def test_a_post_is_a_unit_once_at_its_first_crossing_of_the_window():
    """Red when what had crossed before the window was audited in it, or each look counted."""
    before, since = START + 50, START + 100
    looks = [
        crossing(1, post_id="old", at=before, p=0.999),
        crossing(1, post_id="rising", at=before, p=0.86, views=0.0),
        crossing(2, post_id="old", at=since + 1, p=0.999),
        crossing(2, post_id="rising", at=since + 1, p=0.99, views=5.0),
        crossing(3, post_id="rising", at=since + 2, p=0.999, views=50.0),
        crossing(4, post_id="edited", at=since + 3, p=0.86, views=0.5),
        crossing(5, post_id="edited", at=since + 4, p=0.99, views=9.0, revision=1),
    ]
    window = window_of(looks, HATE, levels=(8.0, 0.5), lambda_views=0.0, since=since)
    assert [(one.post_id, one.revision, one.views) for one in window.firsts] == [
        ("rising", 0, 5.0),
        ("edited", 0, 0.5),
    ]
    # What the edited post became crosses the careful rule; that is another text, and no unit of its own.
    assert (window.frame.level >= 8.0).tolist() == [True, False]
