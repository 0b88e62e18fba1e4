"""Gaps between groups: that they are what they are, that chance finds none, and that real ones are found."""

import numpy as np
import pytest
from scipy.stats import binom

from sievert.measurement.fairness import RateKind, found_together, group_gaps


def posts(rng, count=3000, *, alarms=0.02, extra=0.0):
    """Labels, what a rule flags, and three groups; harmless posts of group `a` are flagged more often by `extra`."""
    y = rng.random(count) < 0.3
    group = rng.integers(0, 3, count)
    flagged = np.where(y, rng.random(count) < 0.6, rng.random(count) < alarms + extra * (group == 0))
    return y, flagged, {name: group == n for n, name in enumerate("abc")}


def test_rates_and_gaps_are_those_of_the_posts():
    y, flagged, groups = posts(np.random.default_rng(1), extra=0.2)
    found = {(one.group, one.rate): one for one in group_gaps(y, flagged, groups, prevalence=0.01)}
    assert len(found) == 9
    one, here = found["a", RateKind.FALSE_ALARMS], groups["a"]
    assert one.here.value == pytest.approx(flagged[~y & here].mean())
    assert one.elsewhere.value == pytest.approx(flagged[~y & ~here].mean())
    assert one.gap == pytest.approx(one.here.value - one.elsewhere.value)
    assert one.low < one.gap < one.high
    misses = found["b", RateKind.MISSES]
    assert misses.here.value == pytest.approx((~flagged)[y & groups["b"]].mean())
    # Precision is that of traffic, and not of a sample in which three of ten posts are harmful.
    weight = np.where(y, 0.01 / y.sum(), 0.99 / (~y).sum())
    precise, some = found["a", RateKind.PRECISION], flagged & here
    assert precise.here.value == pytest.approx((weight * y)[some].sum() / weight[some].sum())
    assert precise.here.value < 0.3 < y[some].mean()


def test_a_false_alarm_that_was_not_seen_is_not_taken_for_none():
    """Red when precision was a share of what was removed: 20 harmful ones seemed to prove 83 % of it."""
    y = np.arange(4000) % 4 == 0
    a = np.arange(4000) < 2000
    flagged = y & (np.arange(4000) % 25 == 0)
    flagged[[2001, 2002, 2003]] = True
    found = {(one.group, one.rate): one for one in group_gaps(y, flagged, {"a": a}, prevalence=0.01)}
    one = found["a", RateKind.PRECISION]
    assert (one.here.value, one.posts) == (1.0, 20)
    assert one.here.low < 0.3
    assert not one.found


def test_a_real_gap_is_found_and_the_surest_come_first():
    gaps = group_gaps(*posts(np.random.default_rng(2), extra=0.1), prevalence=0.01)
    assert (gaps[0].group, gaps[0].rate, gaps[0].found) == ("a", RateKind.FALSE_ALARMS, True)
    assert [one.p_value for one in gaps] == sorted(one.p_value for one in gaps)
    assert gaps[0].low > 0


def test_where_there_is_none_one_is_rarely_found():
    """Red when each of nine gaps had the whole delta: then 11 of 60 samples had one."""
    rng = np.random.default_rng(3)
    wrong = sum(any(one.found for one in group_gaps(*posts(rng, 1500), prevalence=0.01)) for _ in range(60))
    assert wrong <= binom.ppf(0.999, 60, 0.05)


def test_what_too_few_posts_speak_for_is_left_out():
    y, flagged, groups = posts(np.random.default_rng(4))
    few = np.zeros(len(y), bool)
    few[:5] = True
    assert group_gaps(y, flagged, {"few": few}, prevalence=0.01) == ()
    assert len(group_gaps(y, flagged, {**groups, "few": few}, prevalence=0.01)) == 9


def test_sampling_weights_count():
    """Red when a post that stands for three counted as one."""
    y, flagged, groups = posts(np.random.default_rng(5), extra=0.1)
    weight = np.where(flagged, 3.0, 1.0)
    plain, weighed = (
        {
            (one.group, one.rate): one.here.value
            for one in group_gaps(y, flagged, groups, prevalence=0.01, weight=some)
        }
        for some in (None, weight)
    )
    assert weighed["a", RateKind.FALSE_ALARMS] > 2 * plain["a", RateKind.FALSE_ALARMS]


def test_a_group_from_a_hard_corpus_is_not_taken_for_a_wronged_one():
    """Red when others were all other posts: then what is hard about the corpus was found as a gap of the group."""
    rng = np.random.default_rng(5)
    corpus = rng.integers(0, 2, 8000)
    y = rng.random(8000) < 0.3
    group = rng.random(8000) < np.where(corpus == 1, 0.5, 0.05)
    flagged = np.where(y, rng.random(8000) < 0.6, rng.random(8000) < np.where(corpus == 1, 0.2, 0.01))
    plain = {one.rate: one for one in group_gaps(y, flagged, {"a": group}, prevalence=0.01)}
    inside = {one.rate: one for one in group_gaps(y, flagged, {"a": group}, prevalence=0.01, strata=corpus)}
    assert plain[RateKind.FALSE_ALARMS].found
    assert not inside[RateKind.FALSE_ALARMS].found
    harmless, others = ~y, ~group
    mix = [float((group & harmless & (corpus == n)).sum()) for n in (0, 1)]
    rates = [float(flagged[others & harmless & (corpus == n)].mean()) for n in (0, 1)]
    wanted = np.average(rates, weights=mix)
    assert inside[RateKind.FALSE_ALARMS].elsewhere.value == pytest.approx(wanted)
    assert inside[RateKind.FALSE_ALARMS].here == plain[RateKind.FALSE_ALARMS].here


def test_of_many_policies_none_is_found_wrong_by_chance():
    """Red when each of five policies had an error rate of its own: then 8 of 60 reports had a false gap, and not 1."""
    rng = np.random.default_rng(6)
    apart = together = 0
    for _ in range(60):
        families = [group_gaps(*posts(rng, 600, alarms=0.1), prevalence=0.01) for _ in range(5)]
        apart += any(one.found for gaps in families for one in gaps)
        together += any(one.found for gaps in found_together(families) for one in gaps)
    assert together <= binom.ppf(0.999, 60, 0.05)
    assert together <= apart


def test_together_a_gap_that_is_sure_is_still_found_in_its_place():
    rng = np.random.default_rng(7)
    families = [group_gaps(*posts(rng, extra=extra), prevalence=0.01) for extra in (0.0, 0.3)]
    plain, wronged = found_together(families)
    assert [one.group for one in plain] == [one.group for one in families[0]]
    assert not any(one.found for one in plain)
    assert {(one.group, one.rate) for one in wronged if one.found} >= {("a", RateKind.FALSE_ALARMS)}
