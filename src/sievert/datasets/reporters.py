"""How much each report counts: by how often its reporter was right, and by who reports together.

Reliability is a Beta posterior: verdicts that confirmed a reporter's reports, among all verdicts on
them. Reporters without verdicts stand at the mean of the population. A verdict on the very post does
not count for its own reports.

Damping is by correlation: reporters who keep reporting the same posts are one voice that speaks
often. A report counts one over one plus the likeness of its reporter to the others on the post.
Likeness grows with the share of *other* posts that the two reported both (the cosine of both sets), if
there are at least two; from `ONE_VOICE` on it is 1, since a brigade need not take part in everything,
nor report nothing else. A clique of any size comes to about one report, strangers who meet once lose
nothing.

Not covered: a brigade's first two joint posts, members who join so seldom that pairs of them hardly
meet again, reports without a reporter, and joint reports that come after the first hundred on a post,
where the post has many reports anyway.

Legend: r reports, each pair of reporter and post once; a accounts; m posts.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.datasets.exposure import BetaRate, fit_beta_rate
from sievert.datasets.kernels import pairs_within
from sievert.schema.clock import Micros
from sievert.schema.event import KIND_WORDS, REASON_WORDS
from sievert.schema.history import EventColumns

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEAST_SHARED = 2
"""Other posts that two accounts must have reported both before they are held to act together."""

ONE_VOICE = 0.3
"""Two accounts with such a cosine, or a higher one, count as one where they meet."""

_PAIRED = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Who reported what, post by post in the order of receipt."""

    post: Int64s  # [r]
    actor: Int64s  # [r] NOBODY where nobody says

    def __len__(self) -> int:
        """Return r."""
        return len(self.post)


def reports_of(events: EventColumns, *, until: Micros, policy: str | None = None) -> Reports:
    """Return the reports received before `until`, of any reason or of the one that a policy is called."""
    wanted = (events.kind == KIND_WORDS.index("report")) & (events.received_at < until) & (events.post >= 0)
    if policy is not None:
        wanted &= events.code == REASON_WORDS.index(policy)
    rows = np.flatnonzero(wanted)
    post, actor = events.post[rows], events.actor[rows]
    # Somebody who reports a post twice reports it once; nobody's reports cannot be told apart.
    order = np.lexsort((rows, actor, post))
    new = np.append(True, (np.diff(post[order]) != 0) | (np.diff(actor[order]) != 0))[: len(order)]
    kept = order[new | (actor[order] < 0)]
    kept = kept[np.lexsort((kept, post[kept]))]
    return Reports(post=post[kept], actor=actor[kept])


def verdicts_of(events: EventColumns, posts: int, *, until: Micros) -> Floats:
    """Return the last verdict on each post [m] before `until`: 1, 0, or NaN without one."""
    found = np.full(posts, np.nan)
    wanted = (events.kind == KIND_WORDS.index("verdict")) & (events.received_at < until) & (events.post >= 0)
    found[events.post[wanted]] = events.amount[wanted]
    return found


def reliability_weights(reports: Reports, verdict: Floats) -> Floats:
    """Return how much each report [r] counts by its reporter's record; the unknown reporter's counts 1.

    `verdict` [m] is 1 or 0 where a post was looked at, NaN elsewhere.
    """
    accounts = int(reports.actor.max(initial=-1)) + 1
    named = reports.actor >= 0
    judged = np.isfinite(verdict)[reports.post]
    right = np.nan_to_num(verdict)[reports.post]
    use = named & judged
    total = np.bincount(reports.actor[use], minlength=accounts).astype(np.float64)
    confirmed = np.asarray(np.bincount(reports.actor[use], right[use], minlength=accounts), np.float64)
    if not total.sum():
        return np.ones(len(reports))
    seen = total > 0
    rate = confirmed[seen].sum() / total[seen].sum()
    start = BetaRate(a=max(2 * rate, 0.05), b=max(2 * (1 - rate), 0.05))
    prior = fit_beta_rate(confirmed[seen], total[seen], np.ones(int(seen.sum())), start=start)
    who = np.maximum(reports.actor, 0)
    others_total = np.where(named, total[who] - use, 0)
    others_right = np.where(named, confirmed[who] - use * right, 0)
    believed = (others_right + prior.a) / (others_total + prior.a + prior.b)
    return np.asarray(believed / prior.mean, np.float64)


def damping_weights(reports: Reports, *, likeness: float = 1.0) -> Floats:
    """Return how much each report [r] counts by who reports together; 1 if it stands for itself.

    `likeness` scales how much being alike counts; 0 damps nothing.
    """
    named = np.flatnonzero(reports.actor >= 0)
    post, actor = reports.post[named], reports.actor[named]
    starts = np.append(np.flatnonzero(np.append(True, np.diff(post) != 0)[: len(post)]), len(post))
    left, right = pairs_within(starts, _PAIRED)
    low = np.minimum(actor[left], actor[right])
    high = np.maximum(actor[left], actor[right])
    accounts = int(actor.max(initial=-1)) + 1
    # Most pairs meet once: counting is by sorting, and only those that met often are looked at.
    _, pair, met = np.unique(low * max(accounts, 1) + high, return_inverse=True, return_counts=True)
    shared = met[pair.reshape(-1)] - 1  # besides this post
    often = shared >= LEAST_SHARED
    left, right, shared = left[often], right[often], shared[often]
    made = np.bincount(actor, minlength=accounts)
    alike = shared / np.sqrt((made[actor[left]] - 1.0) * (made[actor[right]] - 1.0))
    alike = np.minimum(alike / ONE_VOICE, 1.0)
    crowd = np.bincount(left, alike, minlength=len(named)) + np.bincount(right, alike, minlength=len(named))
    weight = np.ones(len(reports))
    weight[named] = 1.0 / (1.0 + likeness * crowd)
    return weight


def counted_reports(reports: Reports, weight: Floats, posts: int) -> Floats:
    """Return how many reports each post [m] has, each counting for its weight [r]."""
    return np.asarray(np.bincount(reports.post, weight, minlength=posts), np.float64)
