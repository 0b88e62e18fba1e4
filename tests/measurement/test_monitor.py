"""The watch over removals: the sum of all wagers, good days forgotten, bad ones noticed in time."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.betting import bet_above, run
from sievert.measurement.monitor import WATCHED_ODDS, Monitor, monitor, watch

T, RUN_LENGTH = 0.95, 7300
AUDITS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2)), min_size=1, max_size=25)


def all_heard(watched, outcomes):
    for y in outcomes:
        watched = watched.heard(float(y))
    return watched


def first_alarms(precision, *, repetitions, audits, seed, worth=None):
    y = np.random.default_rng(seed).random((repetitions, audits)) < precision
    return watch(monitor(T, RUN_LENGTH), y, worth=worth)


@given(st.floats(0.01, 0.99), AUDITS)
def test_its_evidence_is_the_sum_of_wagers_that_begin_at_every_audit(t, audits):
    """By brute force: a bet (of `betting`) is started anew before each audit, and all are added up."""
    watched = monitor(t, 1e9, w_max=2.0)
    for y, weight in audits:
        watched = watched.heard(y, weight)
    y, weight = (np.array([column]) for column in zip(*audits, strict=True))
    begun = [run(watched_as_bet(watched), y[:, n:], weight[:, n:])[0, -1] for n in range(y.size)]
    assert watched.log_evidence == pytest.approx(logsumexp(begun), abs=1e-7)
    assert watched.evidence == pytest.approx(math.exp(logsumexp(begun)) / 1e9, rel=1e-6)
    assert watched.audits == y.size


def watched_as_bet(watched):
    return msgspec.structs.replace(
        bet_above(watched.t), bound=watched.t, stakes=watched.stakes, w_max=watched.w_max
    )


@given(st.integers(1, 60), st.integers(0, 60))
def test_for_yes_and_no_it_adds_likelihood_ratios(wrong, right):
    """The same number from SciPy's binomial distribution, for right audits after wrong ones."""
    means = np.array([1 / (1 + odds * (1 - T) / T) for odds in WATCHED_ODDS])
    watched = all_heard(monitor(T, 1e30), [0.0] * wrong + [1.0] * right)
    n = np.arange(1, wrong + right + 1)[:, None]  # how many audits each wager heard, the youngest first
    mistakes = np.maximum(n - right, 0)
    ratios = binom.logpmf(mistakes, n, 1 - means) - binom.logpmf(mistakes, n, 1 - T)
    assert watched.log_evidence == pytest.approx(logsumexp(ratios) - math.log(len(means)), abs=1e-7)


@given(st.floats(0.01, 0.99), AUDITS)
def test_at_exactly_t_evidence_grows_by_one_an_audit_and_above_t_by_less(t, audits):
    """The proof of the run length in one step: evidence less the audits heard is no more on average."""
    watched = monitor(t, 1e9, w_max=2.0)
    for y, weight in audits:
        watched = watched.heard(y, weight)
    now = math.exp(watched.log_evidence)
    right, wrong = (math.exp(watched.heard(y, 2.0).log_evidence) for y in (1.0, 0.0))
    assert t * right + (1 - t) * wrong == pytest.approx(now + 1, rel=1e-9)
    better = (1 + t) / 2
    assert better * right + (1 - better) * wrong <= now + 1 + 1e-9 * now


@given(st.lists(st.booleans(), min_size=1, max_size=120))
def test_one_by_one_and_all_at_once_fire_at_the_same_audit(right):
    watched, fired_at = monitor(T, 50.0), 0
    for at, y in enumerate(right, start=1):
        watched = watched.heard(float(y))
        fired_at = fired_at or (at if watched.fired else 0)
    first, worth = watch(monitor(T, 50.0), [right])
    assert first[0] == fired_at
    assert np.log(worth[0]) == pytest.approx(watched.logs, abs=1e-9)


def test_arrays_can_be_carried_over():
    y = np.random.default_rng(3).random((40, 200)) < 0.8
    first, worth = watch(monitor(T, RUN_LENGTH), y)
    early, halfway = watch(monitor(T, RUN_LENGTH), y[:, :70])
    late, end = watch(monitor(T, RUN_LENGTH), y[:, 70:], worth=halfway)
    assert np.array_equal(first, np.where(early > 0, early, np.where(late > 0, late + 70, 0)))
    assert np.array_equal(worth, end)


def test_it_fires_once_evidence_is_there_and_stays_so():
    watched = all_heard(monitor(T, RUN_LENGTH), [0.0] * 20)
    assert watched.fired
    assert watched.evidence >= 1
    calm = all_heard(watched, [1.0] * 500)
    assert calm.fired
    assert calm.evidence < 1
    fresh = monitor(T, RUN_LENGTH)
    assert not fresh.fired
    assert fresh.evidence == 0


def test_it_never_fires_on_removals_that_are_all_right():
    watched = all_heard(monitor(T, RUN_LENGTH), [1.0] * 3000)
    assert not watched.fired
    assert watched.evidence < 0.01


def test_it_neither_overflows_nor_underflows():
    long = all_heard(monitor(T, RUN_LENGTH), [0.0] * 2000)
    assert long.fired
    assert math.isfinite(long.log_evidence)
    assert math.isfinite(long.evidence)
    assert np.isfinite(watch(monitor(T, RUN_LENGTH), np.zeros((1, 2000)))[1]).all()


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_kept_as_json_and_goes_on(right):
    watched = all_heard(monitor(T, 100.0), right)
    again = msgspec.json.decode(msgspec.json.encode(watched), type=Monitor)
    assert again == watched
    assert again.heard(0.0) == watched.heard(0.0)


@pytest.mark.parametrize("run_length", [1.0, 0.0, -5.0, math.inf, math.nan])
def test_a_run_length_that_promises_nothing_is_refused(run_length):
    with pytest.raises(InvalidField) as refused:
        monitor(T, run_length)
    assert refused.value.field == "run_length"


def test_what_cannot_watch_is_refused():
    for wrong in (
        {"stakes": bet_above(T).stakes},  # evidence that precision is good
        {"stakes": (-20.0,)},  # one wrong removal could take everything
        {"stakes": (-1.0,), "logs": (0.0, 0.0)},
        {"stakes": (-1.0,), "t": 1.0},
    ):
        with pytest.raises(InvalidField):
            Monitor(**({"t": T, "run_length": 7300.0} | wrong))


@pytest.mark.parametrize(("y", "weight"), [(1.5, 1.0), (math.nan, 1.0), (1.0, 1.5), (1.0, -1.0)])
def test_an_audit_outside_is_refused(y, weight):
    with pytest.raises(InvalidField):
        monitor(T, RUN_LENGTH).heard(y, weight)
    with pytest.raises(InvalidField):
        watch(monitor(T, RUN_LENGTH), [[1.0, y]], [[1.0, weight]])


@pytest.mark.parametrize(("precision", "aim"), [(0.90, 650), (0.85, 200), (0.80, 100)])
def test_a_bad_precision_is_noticed_in_time(precision, aim):
    first, _ = first_alarms(precision, repetitions=200, audits=2500, seed=1)
    assert (first > 0).all()
    assert first.mean() < aim / 1.5


@pytest.mark.parametrize(("precision", "aim"), [(0.90, 650), (0.85, 200), (0.80, 100)])
def test_old_good_days_do_not_hide_bad_ones(precision, aim):
    early, worth = first_alarms(0.97, repetitions=200, audits=5000, seed=2)
    first, _ = first_alarms(precision, repetitions=200, audits=2500, seed=3, worth=worth)
    first = first[early == 0]
    assert len(first) > 190
    assert (first > 0).all()
    assert first.mean() < aim / 1.5


def test_false_alarms_are_as_seldom_as_stated():
    """At exactly t; the alarms within a run length are at most those of a mean of 7,300, and not far fewer."""
    first, _ = first_alarms(T, repetitions=300, audits=RUN_LENGTH, seed=4)
    share = (first > 0).mean()
    assert 0.3 < share < 0.632 + 0.06
