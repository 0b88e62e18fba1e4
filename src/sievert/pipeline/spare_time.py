"""Posts that the heavy model had no time for are looked at when there is time, those of most expected harm first.

The light model decided about them when they came. What both models say together is a decision of its own, named
by the dial; where people reacted to a post meanwhile, the update model hears that with it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from sievert.features.behaviour.rows import behaviour_rows
from sievert.pipeline.again import (
    Again,
    batch_again,
    decide_again,
    half_seen,
    probabilities_in,
    scored_again,
    worth_deciding,
)
from sievert.pipeline.by_arm import again_by_arm
from sievert.pipeline.dial import ComputeDial
from sievert.pipeline.path import Parts, behaviour_of_new
from sievert.schema.clock import Micros
from sievert.schema.decision import DIAL, Cause, Stage
from sievert.scoring.facets import fused
from sievert.scoring.utterances import Shares, look_at_posts
from sievert.stores.activity.base import PostName

AT_ONCE = 32
"""Posts that are looked at in one turn: a tenth of a core-second, so that new posts hardly wait."""


def look_at_skipped(parts: Parts, *, most: int = AT_ONCE) -> int:
    """Have the heavy model read the posts of most expected harm that it skipped; return how many were taken.

    Raises:
        StoreUnavailable: nothing of what was decided is durable; the posts wait no longer.
    """
    dial = parts.dial
    if dial is None:
        return 0
    began = dial.cpu()
    try:
        return _look(dial, parts, most)
    finally:
        dial.leave_out(began)


def _look(dial: ComputeDial, parts: Parts, most: int) -> int:
    now = parts.clock.now()
    taken = dial.skipped.take(most, now)
    by_key = {one.post.key: one.post for one in taken}
    names = [PostName(key.platform, key.id) for key in by_key]
    again = [
        dataclasses.replace(one, post=by_key[one.post.key], kept=True)
        for one in worth_deciding(names, [Cause(DIAL, 1)] * len(names), parts)
        if one.post.key in by_key  # another revision is another text
    ]
    for some, own in again_by_arm(again, parts):
        # What another bundle thought means something else.
        same = [one for one in some if one.first.bundle == own.bundle.version]
        if same:
            _look_at(same, own, shares=dial.wanted, now=now)
    return len(taken)


def look_anew(again: Sequence[Again], parts: Parts, *, shares: Shares, now: Micros) -> None:
    """Have all models read posts whose texts are at hand, as if they came now, and decide anew.

    Where people reacted to a post, the update model hears that with it, unless the fusion model heard it already.

    Raises:
        StoreUnavailable: nothing of what was decided is durable.
    """
    for some, own in again_by_arm(again, parts):
        _look_at(some, own, shares=shares, now=now)


def _look_at(again: Sequence[Again], parts: Parts, *, shares: Shares, now: Micros) -> None:
    posts = batch_again(again, parts)
    passed = parts.banks.glance(posts).passed if parts.banks is not None else ()
    looked = look_at_posts(parts.bundle, posts, shares=shares, passed=passed)
    for row, facets in looked.facets.items() if parts.bundle.listening is not None else ():
        parts.latents.keep(parts.bundle.version, posts.keys[row], facets, at=posts.received_at)
    scored = fused(parts.bundle, looked, lambda rows: behaviour_of_new(posts, parts, rows))
    half = half_seen(again, posts, parts.bundle)
    if half.any():
        first = probabilities_in([one.content for one in again], parts.bundle.policy_heads)
        least = np.where(half[:, None], first, np.float32(0))
        policies = scored.policies.copy()
        policies[:, :-1] = np.maximum(policies[:, :-1], least[:, 1:])
        scored = dataclasses.replace(scored, harm=np.maximum(scored.harm, least[:, 0]), policies=policies)
    reacted = np.array([one.trail[-1].stage == Stage.UPDATE.word for one in again], np.bool_)
    told = reacted.copy()  # of what happened to these the update model tells
    if parts.bundle.listening is not None:
        told[list(looked.facets)] = False
    update = parts.bundle.update
    if update is not None and reacted.any():
        known = parts.counters.known(
            [PostName(post.platform, post.id) for post in posts.posts], parts.counters.latest
        )
        own = len(parts.bundle.manifest.heads)
        p = np.concatenate([scored.harm[:, None], scored.policies[:, :-1]], axis=1)
        heard = update.probabilities(p[:, :own], behaviour_rows(known, update.spec.behaviour))
        p[told, :own] = heard[told]
        # Whoever told of it, such a decision is not of the content alone, and must not be taken for it later.
        stage = np.where(reacted, np.int8(Stage.UPDATE), scored.stage)
        scored = dataclasses.replace(scored_again(again, p, parts.bundle, stage=stage), where=scored.where)
    decide_again(again, posts, scored, parts, now=now)
