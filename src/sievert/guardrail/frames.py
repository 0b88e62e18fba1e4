"""Crossings become looks, and looks a frame: each post once, at its first crossing.

A post is a unit whatever its revision: of one that was edited the revision that first came above the floor
counts. What crossed the boldest rule before the window opened is no part of it.

Not covered: what an edited post would have done under its new text.

Legend: n posts, J looks in the order of time.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.measurement.crossings import Frame, at_first_crossing
from sievert.policy.removal import level_of
from sievert.schema.certificate import Certificate, Running
from sievert.schema.guardrail import Crossing, names_of
from sievert.schema.policy import Policy

MOST_CAREFUL = 1e12
"""The level that stands for the most careful rule, p >= t; what would be infinite can be neither kept nor compared."""

Array = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Posts with their crossings in the order of time: p [n, J] is 0 and v [n, J] is 0 where there was no look."""

    posts: tuple[tuple[Crossing, ...], ...]  # [n], each of at most J
    p: Array
    v: Array

    @property
    def seen(self) -> Array:
        """Views [n, J] as precision over views counts them: each look alike where nothing has a forecast."""
        return self.v if self.v.any() else np.ones_like(self.v)

    def levels(self, policy: Policy, lambda_views: float) -> Array:
        """Return how careful a rule each look crosses [n, J], -inf where there was none."""
        flat = level_of(
            self.p.ravel().astype(np.float32),
            self.v.ravel().astype(np.float32),
            policy,
            lambda_views=lambda_views,
        )
        return np.minimum(flat, MOST_CAREFUL).reshape(self.p.shape)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A frame with what it was made of: `firsts` [n] is each post's first crossing of the boldest rule."""

    frame: Frame
    firsts: tuple[Crossing, ...]

    @property
    def names(self) -> list[str]:
        """The posts' names [n]."""
        return [one.post_id for one in self.firsts]


def looks_of(crossings: Sequence[Crossing]) -> Looks:
    """Group crossings, given in the order of time, by post."""
    by_post: dict[tuple[str, str], list[Crossing]] = {}
    for one in crossings:
        some = by_post.setdefault((one.platform, one.post_id), [])
        if not some or some[0].revision == one.revision:
            some.append(one)
    posts = tuple(tuple(some) for some in by_post.values())
    shape = (len(posts), max(map(len, posts), default=0))
    p, v = np.zeros(shape), np.zeros(shape)
    for row, looked in enumerate(posts):
        p[row, : len(looked)] = [one.p for one in looked]
        v[row, : len(looked)] = [one.views for one in looked]
    return Looks(posts=posts, p=p, v=v)


def would_remove(
    crossings: Sequence[Crossing], policy: Policy, certificate: Certificate
) -> tuple[Crossing, ...]:
    """Return the crossings at which a certificate's rule removes a post for the first time, or would have.

    Crossings are given in the order of time; those under another bundle, or whatever else the certificate
    names, are not asked about.
    """
    under = names_of(
        policy,
        Running(
            bundle=certificate.bundle,
            forecaster=certificate.forecaster,
            embeddings=certificate.embeddings,
            triggers=certificate.triggers,
        ),
    )
    looks = looks_of([one for one in crossings if one.under == under])
    if not looks.posts:
        return ()
    reached = looks.levels(policy, certificate.lambda_views) >= certificate.lambda_posts
    rows = np.flatnonzero(reached.any(axis=1)).tolist()
    return tuple(looks.posts[row][at] for row, at in zip(rows, reached.argmax(axis=1)[rows], strict=True))


def window_of(
    crossings: Sequence[Crossing],
    policy: Policy,
    *,
    levels: Sequence[float],
    lambda_views: float,
    since: int,
) -> Window:
    """Return the frame of a window from its crossings and those of the time before it.

    Raises:
        InvalidField: nothing crossed the boldest rule within the window.
    """
    looks = looks_of(crossings)
    level = looks.levels(policy, lambda_views)
    at = np.zeros(looks.p.shape)
    for row, some in enumerate(looks.posts):
        at[row, : len(some)] = [one.at for one in some]
    # Who crossed before was removed before, had the rule been live.
    first = at_first_crossing(level, at, [levels[-1]])[:, 0] if len(level) else np.empty(0)
    level[first < since] = -np.inf
    frame = Frame(level, looks.seen, levels, cap=policy.most_views)
    bold = (level >= levels[-1]).argmax(axis=1)
    firsts = tuple(looks.posts[row][bold[row]] for row in frame.rows.tolist())
    return Window(frame=frame, firsts=firsts)
