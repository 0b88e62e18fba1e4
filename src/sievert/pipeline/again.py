"""Posts that came before are decided anew: because of what people did with them, or of what became known.

What calls for it finds the posts, and says what they are likely to be now; what is decided, recorded and
set in motion is the same whatever called for it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.enforcement.performing import performed
from sievert.features.behaviour.rows import AsOf
from sievert.pipeline.copies import CopyNames
from sievert.pipeline.forecasts import Forecasts
from sievert.pipeline.path import Parts, effects_of
from sievert.policy.reasons import ISOLATED
from sievert.policy.rules import NO_MATCHES, decide, hang_on_views
from sievert.review.cases import cases_for
from sievert.review.memory import standing
from sievert.schema.batch import DecidedBatch, Floats, PostBatch, ScoredBatch, TextColumn
from sievert.schema.clock import Micros
from sievert.schema.decision import DIAL, Cause, Decision, Language, Match, Outcome, Stage, decision_id
from sievert.schema.post import Post, PostKey
from sievert.schema.review import Settlement
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.scoring.bundle import Bundle
from sievert.stores.activity.base import PostName
from sievert.stores.journal.rows import decision_of


@dataclasses.dataclass(frozen=True, slots=True)
class Again:
    """A post that is decided anew: its first decision under the present revision, and all of them."""

    cause: Cause
    first: Decision
    trail: list[Decision]
    post: Post  # without its text where that was not kept
    kept: bool = True  # whether its text was kept

    @property
    def name(self) -> PostName:
        """The post, whatever its revision."""
        return PostName(self.first.platform, self.first.post_id)

    @property
    def content(self) -> Decision:
        """The decision that says what the content was thought to be: the first, or the heavy model's later look."""
        later = [one for one in self.trail if one.trigger == DIAL and one.stage == Stage.HEAVY.word]
        return later[-1] if later else self.first


def worth_deciding(names: Sequence[PostName], causes: Sequence[Cause], parts: Parts) -> list[Again]:
    """Return the posts that can be decided anew, in their order.

    Left out are posts that are removed or isolated already, that only a test policy may touch, and
    decisions that were made before.
    """
    live = []
    for whole, cause in zip(parts.journal.trails(names), causes, strict=True):
        if not whole or whole[-1].outcome == Outcome.REMOVE.word or is_isolated(whole[-1]):
            continue
        newest = max(decision.revision for decision in whole)
        trail = [decision for decision in whole if decision.revision == newest]
        first = trail[0]
        if first.stage != Stage.SENTINEL.word:
            live.append((cause, trail, PostKey(first.platform, first.post_id, first.revision)))
    kept = parts.journal.kept([key for *_, key in live])
    again = [
        Again(cause, trail[0], trail, kept.get(key, _without_text(trail[0])), key in kept)
        for cause, trail, key in live
    ]
    known = parts.journal.holds([_id(one) for one in again])
    return [one for one in again if _id(one) not in known]


def can_be_read(one: Again, bundle: Bundle) -> bool:
    """Tell whether a bundle can say what it thinks of a post's content: it said so before, or the text is at hand."""
    return one.kept or one.first.bundle == bundle.version


def is_isolated(decision: Decision) -> bool:
    """Tell whether a post is isolated by this decision."""
    return any(reason.rule == ISOLATED for reason in decision.reasons)


def batch_again(again: Sequence[Again], parts: Parts) -> PostBatch:
    """Lay the posts out as columns, with their pictures where the post was kept."""
    posts = [one.post for one in again]
    return PostBatch(
        posts=posts,
        keys=[one.post.key for one in again],
        text=TextColumn.of([one.post.text for one in again]),
        digests=[bytes.fromhex(one.first.content_digest) for one in again],
        received_at=again[0].first.received_at,
        causes=[one.cause for one in again],
        pictures=parts.pictures.seen(posts) if parts.pictures is not None else {},
    )


def probabilities_in(decisions: Sequence[Decision], heads: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return what n decisions say of their posts: harm, and each of H heads [n, 1 + H]."""
    return np.array(
        [[one.probability, *(one.policies.get(head, 0.0) for head in heads)] for one in decisions], np.float32
    )


def half_seen(again: Sequence[Again], posts: PostBatch, bundle: Bundle) -> npt.NDArray[np.bool_]:
    """Tell which posts [n] show what cannot be looked at once more: forgotten, or not seen by this bundle's encoder.

    What was thought of them first is the least to be thought of them, lest they look safer than they are.
    """
    found = np.zeros(len(again), np.bool_)
    if not bundle.sees_all or bundle.picture is None:
        return found
    for row, one in enumerate(again):
        seen = posts.pictures.get(row, ())
        unseen = any(bundle.picture.kept(picture.facts) is None for picture in seen)
        found[row] = len(seen) < len(one.post.media) or unseen
    return found


def scored_again(
    again: Sequence[Again], p: npt.NDArray[np.float32], bundle: Bundle, *, stage: npt.NDArray[np.int8]
) -> ScoredBatch:
    """Return scores from probabilities [n, 1 + H], harm first; the language is as it was."""
    languages = {language.word: language for language in Language}
    return ScoredBatch(
        bundle=bundle.version,
        heads=(*bundle.policy_heads, SENTINEL_POLICY),
        harm=np.ascontiguousarray(p[:, 0]),
        policies=np.concatenate([p[:, 1:], np.zeros((len(again), 1), np.float32)], axis=1),
        language=np.array([languages[one.first.language] for one in again], np.int8),
        stage=stage,
    )


def decide_again(
    again: Sequence[Again],
    posts: PostBatch,
    scored: ScoredBatch,
    parts: Parts,
    *,
    now: Micros,
    matches: Mapping[int, tuple[Match, ...]] = NO_MATCHES,
    behaviour: Floats | None = None,
    known: AsOf | None = None,
) -> DecidedBatch:
    """Decide about posts anew, and make that durable with what it sets in motion.

    What banks said of a post before, they still say, and so do rules about texts that were not kept.
    `behaviour` [n, F] is what people did with the posts, where that was computed, and `known` what it was
    computed from; views are forecast as of then, else as of now.

    Raises:
        StoreUnavailable: nothing of it is durable.
    """
    passed = parts.banks.glance(posts).passed if parts.banks is not None and posts.pictures else ()
    names = CopyNames(posts, parts.bundle.fold)
    forecasts = Forecasts(
        posts,
        bundle=parts.bundle,
        counters=parts.counters,
        copies=parts.copies,
        names=names,
        now=now,
        known=known,
    )
    forecasts.ask(hang_on_views(scored, parts.policies, matches, every=True))
    stated = parts.ruling.look(
        posts,
        scored,
        forecast=forecasts.views,
        behaviour=behaviour,
        passed=passed,
        unread=[row for row, one in enumerate(again) if not one.kept],
        before={row: one.trail[-1].reasons for row, one in enumerate(again)},
    )
    decided = decide(
        posts,
        scored,
        policies=parts.policies,
        certificates=parts.permits,
        forecast=forecasts.views,
        review_room=parts.budgets.reviews.room(now),
        removal_room=parts.budgets.removals.room(now),
        now=now,
        running=parts.running,
        matches={**_known_before(again), **matches},
        stated=stated,
    )
    if parts.of_arm is not None:
        decided = parts.of_arm.noted(posts, scored, decided, None)
    scored = scored.told()
    settled = _settled(again, parts)
    asked = _asked(again, settled)
    checks = dataclasses.replace(parts.checking.again(posts.keys, decided, now), asked=asked)
    done = performed(
        posts,
        _without_what_was_settled(decided, again, settled, asked, parts),
        policies=parts.policies,
        checks=parts.campaigns.checked(checks, names, decided.removed_for, now),
        now=now,
    )
    decided, actions = done.decided, done.actions
    cases = cases_for(posts, scored, decided, {}, key=parts.case_key, now=now)
    effects = effects_of(posts, scored, done, cases, parts, now=now, stated=stated, names=names)
    at = parts.clock.now()
    parts.journal.add(
        [
            msgspec.structs.replace(
                decision_of(posts, scored, decided, row, at), received_at=one.first.received_at
            )
            for row, one in enumerate(again)
        ],
        effects,
    )
    parts.budgets.spend(cases, actions)
    parts.checking.note(done.stops)
    parts.campaigns.note(names.of(sorted(decided.removed_for)), now)
    parts.observer.batch_decided(posts, scored, decided)
    return decided


def _id(one: Again) -> str:
    return decision_id(one.post.key, one.cause)


def _without_text(first: Decision) -> Post:
    return Post(
        id=first.post_id,
        platform=first.platform,
        revision=first.revision,
        creator_id=first.creator_id,
        created_at=first.created_at,
    )


def _known_before(again: Sequence[Again]) -> dict[int, tuple[Match, ...]]:
    """Return what banks said when each post was last decided about."""
    found = {
        row: tuple(reason.match for reason in one.trail[-1].reasons if reason.match is not None)
        for row, one in enumerate(again)
    }
    return {row: matches for row, matches in found.items() if matches}


def _asked(again: Sequence[Again], settled: Sequence[list[Settlement]]) -> frozenset[int]:
    """Return the rows of posts about which people are asked by an earlier decision, and have not settled it."""
    return frozenset(
        row
        for row, one in enumerate(again)
        if not settled[row] and any(decision.outcome == Outcome.REVIEW.word for decision in one.trail)
    )


def _without_what_was_settled(
    decided: DecidedBatch,
    again: Sequence[Again],
    settled: Sequence[list[Settlement]],
    asked: frozenset[int],
    parts: Parts,
) -> DecidedBatch:
    """Leave out cases that earlier decisions about the same posts opened, and what people settled otherwise.

    Whoever was asked about a post was not asked whether it must be isolated. A post that people settled is
    asked about again, and acted on, only if something is new (`review/memory.py`).
    """
    versions = {named.name: named.version for named in parts.policies.policies}

    def stands(row: int, policy: str) -> Settlement | None:
        """Return what people settled about a post under a policy, if that still answers."""
        return standing(
            settled[row],
            policy,
            content_digest=again[row].first.content_digest,
            bundle=parts.bundle.version,
            policy_versions=versions,
            trigger=again[row].cause.trigger,
        )

    def cleared(row: int, policy: str) -> bool:
        found = stands(row, policy)
        return found is not None and policy not in found.violates

    return dataclasses.replace(
        decided,
        demoted_for={row: policy for row, policy in decided.demoted_for.items() if not cleared(row, policy)},
        removed_for={row: policy for row, policy in decided.removed_for.items() if not cleared(row, policy)},
        queued_for={
            row: policy
            for row, policy in decided.queued_for.items()
            if row in decided.isolated_for or (row not in asked and stands(row, policy) is None)
        },
    )


def _settled(again: Sequence[Again], parts: Parts) -> list[list[Settlement]]:
    """Return what people settled about each post under its present revision."""
    found = parts.reviews.settled([one.name for one in again]) if parts.reviews is not None else {}
    return [
        [settlement for settlement in found.get(one.name, ()) if settlement.revision == one.first.revision]
        for one in again
    ]
