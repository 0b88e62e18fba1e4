"""Counters as of a time: read from what a live store keeps, or summed up from a history.

Both give the same integers. A tally holds for each counter five of them: the total, and for either
tempo what the present and the previous epoch of forward weights hold.

Legend: q questions (a subject and a time each), C counters, m moves, n posts.
"""

import dataclasses

import numba
import numpy as np
import numpy.typing as npt

from sievert.features.behaviour.counting import EPOCH_HALF_LIVES, HALF_LIFE, SCALE, Moves, Tempo, weight_at
from sievert.schema.clock import DAY
from sievert.schema.history import FOLLOWED, MADE, Int16s, Int64s

TALLIES = 5
"""Total; week: this epoch, the one before; hours: this epoch, the one before."""

UNKNOWN = -1
"""Stands for a fact that nobody told."""

RECENT: int = 30 * DAY
"""A country counts as recent if there was a login from it in so many microseconds."""

NEW: int = 2 * DAY
"""A country counts as new if the first login from it came so lately, on an account that knows others."""

COUNTRIES = 26 * 26

_WEEK = HALF_LIFE[Tempo.WEEK] * EPOCH_HALF_LIVES
_HOURS = HALF_LIFE[Tempo.HOURS] * EPOCH_HALF_LIVES

EPOCHS_A_WEEK = _WEEK // _HOURS
"""So many epochs of the hours' weights make one of the week's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of q accounts beside counters; UNKNOWN where nobody told."""

    made_at: Int64s  # [q] when the account was made
    followers: Int64s  # [q]
    countries: Int64s  # [q] logins came from so many lately
    new_countries: Int64s  # [q] of these, so many never before


def epoch_of(at: Int64s) -> Int64s:
    """Return the epoch (of the hours' weights) under which a store keeps what happened at these times."""
    epochs: Int64s = at // _HOURS
    return epochs


def oldest_epoch_read(as_of: int) -> int:
    """Return the epoch before which only totals are read, now and later."""
    return (as_of // _WEEK - 1) * EPOCHS_A_WEEK


def tallies_read(
    question: Int64s, count: Int16s, epoch: Int64s, amounts: Int64s, *, as_of: Int64s, counts: int
) -> Int64s:
    """Lay out what a store keeps as tallies [q, counts, 5].

    Each row (question, count, epoch, amounts [3]) is one cell of the store; `as_of` [q].
    """
    out = np.zeros((len(as_of), counts, TALLIES), np.int64)
    np.add.at(out[:, :, 0], (question, count), amounts[:, 0])
    now = epoch_of(as_of)[question]
    for back in (0, 1):
        rows = epoch // EPOCHS_A_WEEK == now // EPOCHS_A_WEEK - back
        np.add.at(out[:, :, 1 + back], (question[rows], count[rows]), amounts[rows, 1])
        rows = epoch == now - back
        np.add.at(out[:, :, 3 + back], (question[rows], count[rows]), amounts[rows, 2])
    return out


class MoveIndex:
    """Moves of a history by subject, in the order in which they became known."""

    def __init__(self, moves: Moves, *, subjects: int, counts: int) -> None:
        """Sort the moves of subjects 0 to `subjects` - 1, which move `counts` counters."""
        order = np.lexsort((moves.known_at, moves.subject))
        self._counts = counts
        self._starts = np.searchsorted(moves.subject[order], np.arange(subjects + 1))
        self._count = moves.count[order].astype(np.int64)
        self._amount, self._at = moves.amount[order], moves.at[order]
        self._known = moves.known_at[order]
        self._week = weight_at(self._at, Tempo.WEEK)
        self._hours = weight_at(self._at, Tempo.HOURS)

    def tallies(self, subject: Int64s, as_of: Int64s) -> Int64s:
        """Return the tallies [q, counts, 5] of subjects as of times; a subject below 0 has none."""
        order = np.lexsort((as_of, subject))
        out = np.zeros((len(subject), self._counts, TALLIES), np.int64)
        sum_up(
            self._starts,
            self._count,
            self._amount,
            self._at,
            self._known,
            self._week,
            self._hours,
            subject[order],
            as_of[order],
            order,
            out,
        )
        return out


@numba.njit(cache=True)
def sum_up(  # noqa: PLR0917  a kernel takes its arrays one by one
    starts: npt.NDArray[np.intp],
    count: Int64s,
    amount: Int64s,
    at: Int64s,
    known: Int64s,
    week: Int64s,
    hours: Int64s,
    subject: Int64s,
    as_of: Int64s,
    place: npt.NDArray[np.intp],
    out: Int64s,
) -> None:
    """Walk each subject's moves once, stopping at every question in the order of time."""
    counts = out.shape[1]
    sums = np.zeros((counts, 5), np.int64)
    before = np.int64(-1)
    move = 0
    week_now, hours_now = 0, 0
    for i in range(len(subject)):
        which = subject[i]
        if which < 0:
            continue
        if which != before:
            before = which
            sums[:] = 0
            move = starts[which]
            week_now, hours_now = 0, 0
        while move < starts[which + 1] and known[move] <= as_of[i]:
            c, a = count[move], amount[move]
            sums[c, 0] += a
            epoch = int(at[move] // _WEEK)
            week_now = turn(sums, 1, week_now, epoch)
            if epoch >= week_now - 1:
                sums[c, 1 + week_now - epoch] += a * week[move]
            epoch = int(at[move] // _HOURS)
            hours_now = turn(sums, 3, hours_now, epoch)
            if epoch >= hours_now - 1:
                sums[c, 3 + hours_now - epoch] += a * hours[move]
            move += 1
        week_now = turn(sums, 1, week_now, int(as_of[i] // _WEEK))
        hours_now = turn(sums, 3, hours_now, int(as_of[i] // _HOURS))
        out[place[i]] = sums


@numba.njit(cache=True)
def turn(sums: Int64s, first: int, now: int, epoch: int) -> int:
    """Go on to an epoch if it is later than the present one; return the present one."""
    if epoch <= now:
        return now
    if epoch == now + 1:
        sums[:, first + 1] = sums[:, first]
    else:
        sums[:, first + 1] = 0
    sums[:, first] = 0
    return epoch


def faded(tallies: Int64s, as_of: Int64s, tempo: Tempo) -> npt.NDArray[np.float64]:
    """Return what counters [q, C] amount to with their weights faded until `as_of` [q]."""
    if tempo is Tempo.TOTAL:
        return tallies[:, :, 0].astype(np.float64)
    half_life = HALF_LIFE[tempo]
    place = 1 if tempo is Tempo.WEEK else 3
    into = (as_of % (half_life * EPOCH_HALF_LIVES)) / half_life
    now = np.exp2(-into) / SCALE
    previous = np.exp2(-into - EPOCH_HALF_LIVES) / SCALE
    faded: npt.NDArray[np.float64] = (
        tallies[:, :, place] * now[:, None] + tallies[:, :, place + 1] * previous[:, None]
    )
    return faded


class FactIndex:
    """Profiles and logins of a history by account, in the order in which they became known."""

    def __init__(self, *, account: Int64s, login: npt.NDArray[np.bool_], code: Int16s, value: Int64s,
                 at: Int64s, known_at: Int64s, accounts: int) -> None:  # fmt: skip
        """Sort n facts of accounts 0 to `accounts` - 1: logins from a country, and sides of profiles."""
        order = np.lexsort((known_at, account))
        self._starts = np.searchsorted(account[order], np.arange(accounts + 1))
        self._login, self._code = login[order], code[order].astype(np.int64)
        self._value, self._at, self._known = value[order], at[order], known_at[order]

    def facts(self, account: Int64s, as_of: Int64s) -> Facts:
        """Return what was known of accounts [q] as of times [q]."""
        order = np.lexsort((as_of, account))
        out = np.full((len(account), 4), UNKNOWN, np.int64)
        out[:, 2:] = 0
        look_up(
            self._starts,
            self._login,
            self._code,
            self._value,
            self._at,
            self._known,
            account[order],
            as_of[order],
            order,
            out,
        )
        return Facts(made_at=out[:, 0], followers=out[:, 1], countries=out[:, 2], new_countries=out[:, 3])


@numba.njit(cache=True)
def look_up(  # noqa: PLR0917  a kernel takes its arrays one by one
    starts: npt.NDArray[np.intp],
    login: npt.NDArray[np.bool_],
    code: Int64s,
    value: Int64s,
    at: Int64s,
    known: Int64s,
    account: Int64s,
    as_of: Int64s,
    place: npt.NDArray[np.intp],
    out: Int64s,
) -> None:
    """Walk each account's facts once, stopping at every question in the order of time."""
    first = np.full(COUNTRIES, -1, np.int64)
    last = np.full(COUNTRIES, -1, np.int64)
    newest = np.full((2, 2), -1, np.int64)  # side -> (at, value)
    before = np.int64(-1)
    fact = 0
    for i in range(len(account)):
        who = account[i]
        if who < 0:
            continue
        if who != before:
            before = who
            first[:] = -1
            last[:] = -1
            newest[:] = -1
            fact = starts[who]
        while fact < starts[who + 1] and known[fact] <= as_of[i]:
            c = code[fact]
            if login[fact]:
                if first[c] < 0 or at[fact] < first[c]:
                    first[c] = at[fact]
                last[c] = max(last[c], at[fact])
            elif at[fact] > newest[c, 0] or (at[fact] == newest[c, 0] and value[fact] > newest[c, 1]):
                newest[c, 0] = at[fact]
                newest[c, 1] = value[fact]
            fact += 1
        out[place[i], 0] = newest[MADE, 1]
        out[place[i], 1] = newest[FOLLOWED, 1]
        recent, new = countries_of(first, last, as_of[i])
        out[place[i], 2] = recent
        out[place[i], 3] = new


@numba.njit(cache=True)
def countries_of(first: Int64s, last: Int64s, as_of: int) -> tuple[int, int]:
    """Count recent and new countries; `first` and `last` are -1 where no login came from."""
    recent = new = old = 0
    for c in range(len(first)):
        if first[c] < 0:
            continue
        if last[c] > as_of - RECENT:
            recent += 1
        if first[c] > as_of - NEW:
            new += 1
        else:
            old += 1
    return recent, new if old else 0
