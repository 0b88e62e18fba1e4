"""Which posts are audited: drawn by a secret key, with probabilities that are known and kept.

Draws are with replacement, so that a post may be drawn twice, and each draw stands alone: that is what
makes one half of a certificate's sample a plain binomial, even where campaigns make posts alike. Draw j
turns the keyed hash of j into a number between 0 and 1, and takes the post on which it falls when all
posts lie side by side, sorted by name, each as wide as its size. Who holds the key can repeat every
draw; who does not can neither foresee a draw nor change a post's probability except by its size.

One key is for one frame. Under a key used twice, whoever saw the first audit knows where the second will
fall; `key_for` makes a key of its own for each frame from one secret. How many draws are made is fixed
before the first: looking at labels and drawing more is what e-processes are for, not this.

Not covered: that names and sizes were fixed before the key was used. The caller freezes the frame first.

Legend: n posts of the frame, m draws.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

Array = npt.NDArray[np.float64]

LEAST_KEY, MOST_KEY = 16, 64
"""Bytes of a key: fewer can be guessed, more are not hashed (BLAKE2b, RFC 7693)."""

PLAIN_SHARE = 0.2
"""The share of a prevalence audit that goes to plain impressions, where the model may be blind."""

_BITS = 52


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What was drawn: `rows` [m] of the frame as it was given, and each row's `probability` [m] in one draw."""

    rows: npt.NDArray[np.int64]
    probability: Array


@dataclass(frozen=True, kw_only=True)
class Halves:
    """The two samples of a certificate: `posts` counts each post alike, `views` by its capped views."""

    posts: Draws
    views: Draws


def key_for(secret: bytes, *, purpose: str) -> bytes:
    """Return the key of one frame, made from a secret that is kept and a purpose that names the frame.

    `purpose` names platform, policy, window and whatever else makes a frame another one.

    Raises:
        InvalidField: the secret is too short or too long.
    """
    _check_key(secret, "secret")
    return hashlib.blake2b(purpose.encode(), key=secret, digest_size=32).digest()


def draw(names: Sequence[str] | Sequence[bytes], size: npt.ArrayLike, *, key: bytes, count: int) -> Draws:
    """Draw `count` posts with replacement, each with probability proportional to its size [n].

    `names` [n] are ids or hashes, each once; in which order posts are given makes no difference. The
    same key draws the same posts, and more draws begin with the fewer.

    Raises:
        InvalidField: a name comes twice, a size is negative or no number, all are 0, there are none, the
            key is too short, or nothing is to be drawn.
    """
    _check_key(key, "key")
    if count < 1:
        raise InvalidField(
            f"An audit of {count} draws draws nothing.", remedy="Draw at least once.", field="count"
        )
    sizes = _sizes(size, "size")
    if len(names) != len(sizes):
        raise InvalidField(
            f"There are {len(names)} names and {len(sizes)} sizes.",
            remedy="Give each post one name and one size.",
            field="names",
        )
    if len(set(names)) != len(names):
        raise InvalidField(
            "Two posts of the frame have the same name.",
            remedy="Name each post once; join a post's revisions before drawing.",
            field="names",
        )
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    # Both sums run in the order of names: in another order they would round otherwise.
    ends = np.cumsum(sizes[order])
    at = np.searchsorted(ends, uniform(key, count) * ends[-1], side="right")
    last = int(np.flatnonzero(sizes[order])[-1])
    rows = order[np.minimum(at, last)]
    return Draws(rows=rows, probability=sizes[rows] / ends[-1])


def half_and_half(
    names: Sequence[str] | Sequence[bytes],
    views: npt.ArrayLike,
    *,
    cap: float,
    key: bytes,
    count: int,
    of_views: int | None = None,
) -> Halves:
    """Draw a certificate's two samples, of `count` posts and of `of_views` views, or `count` as well.

    `views` [n] are forecasts as they were frozen; above `cap` they count as the cap, so that one post
    cannot be most of an audit. Each half has a key of its own.

    Raises:
        InvalidField: as `draw`, or the cap is not above 0.
    """
    _check_key(key, "key")
    if not 0.0 < cap < np.inf:
        raise InvalidField(
            f"Views cannot be capped at {cap:g}.",
            remedy="State the cap that forecasts have, above 0.",
            field="cap",
        )
    capped = np.minimum(_sizes(views, "views"), cap)
    return Halves(
        posts=draw(names, np.ones(len(capped)), key=key_for(key, purpose="half of posts"), count=count),
        views=draw(
            names,
            capped,
            key=key_for(key, purpose="half of views"),
            count=count if of_views is None else of_views,
        ),
    )


def uniform(key: bytes, count: int) -> Array:
    """Return numbers [m] strictly between 0 and 1, each the keyed hash of its place.

    Who has no key cannot foresee them; one key is for one use.
    """
    drawn = b"".join(
        hashlib.blake2b(j.to_bytes(8, "big"), key=key, digest_size=8).digest() for j in range(count)
    )
    # 52 bits and a half are held exactly by a float, so that 1 is never reached.
    return ((np.frombuffer(drawn, ">u8") >> np.uint64(64 - _BITS)).astype(np.float64) + 0.5) / 2.0**_BITS


def views_sqrt_p(views: npt.ArrayLike, p: npt.ArrayLike, *, floor: float = PLAIN_SHARE) -> Array:
    """Return sizes [n] that sum to 1 and measure harmful views with few labels: views times root p.

    Among sizes that a model can choose, those in proportion to the root of the expected square have the
    least variance (Neyman 1934), and the square of harmful views is views squared, with probability p
    [n]. A share `floor` goes by views alone: harm that the model misses is drawn too, and no post's views
    weigh more than 1 / floor times what they do in a plain audit of impressions. Where p is 0
    throughout, all go by views. A post without views is never drawn, and adds nothing to harmful views.

    Raises:
        InvalidField: views are negative, no numbers, all 0 or none; p is no probability; the floor is
            not above 0 and at most 1.
    """
    seen = _sizes(views, "views")
    probability = np.asarray(p, np.float64)
    if probability.shape != seen.shape or not ((probability >= 0.0) & (probability <= 1.0)).all():
        raise InvalidField(
            "Each post needs one probability between 0 and 1.",
            remedy="Pass calibrated probabilities, one for each post with views.",
            field="p",
        )
    if not 0.0 < floor <= 1.0:
        raise InvalidField(
            f"A floor of {floor:g} leaves harm undrawn that the model does not see.",
            remedy="Leave a share to plain impressions, above 0 and at most 1; 0.2 serves most.",
            field="floor",
        )
    plain = seen / seen.sum()
    aimed = plain * np.sqrt(probability)
    every = float(aimed.sum())
    mixed: Array = plain if every <= 0.0 else (1.0 - floor) * aimed / every + floor * plain
    return mixed


def _sizes(size: npt.ArrayLike, field: str) -> Array:
    sizes = np.asarray(size, np.float64)
    if sizes.ndim != 1 or not len(sizes):
        raise InvalidField(
            "There is nothing to draw from: the frame holds no posts in a row.",
            remedy="Pass one number for each post of the frame, and a frame that is not empty.",
            field=field,
        )
    if not (np.isfinite(sizes) & (sizes >= 0.0)).all():
        raise InvalidField(
            f"The number of post {int(np.argmin(np.isfinite(sizes) & (sizes >= 0.0)))} is negative, or none.",
            remedy="Pass a finite number, 0 or more, for each post.",
            field=field,
        )
    with np.errstate(over="ignore"):
        total = sizes.sum()
    if not 0.0 < total < np.inf:
        raise InvalidField(
            f"All numbers together make {total:g}, of which there is no share.",
            remedy="Give at least one post a number above 0, and none near the largest that floats hold.",
            field=field,
        )
    return sizes


def _check_key(key: bytes, field: str) -> None:
    if not LEAST_KEY <= len(key) <= MOST_KEY:
        raise InvalidField(
            f"A key of {len(key)} bytes does not keep draws secret.",
            remedy=f"Use {LEAST_KEY} to {MOST_KEY} random bytes, for example of secrets.token_bytes(32).",
            field=field,
        )
