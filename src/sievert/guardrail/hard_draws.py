"""Hard cases are drawn and put before people, blindly, with the chance of every post kept: what the next head learns from.

A turn of the loop is one draw with replacement from the posts that were decided about (`measurement.hard_cases`). Its
audits carry the probability of one draw, and how many draws there were is how many audits it has, so that the chance
that a post was asked about at all can be told of every label. The turns of a policy are numbered from 1.

Whoever learns leaves the newest turn out, and the gates are asked with it: neither champion nor candidate learned
from it.

Not covered: labels that came by reports, appeals or suggestions. They have no chance that is known, and are left out.
"""

import dataclasses
from collections.abc import Mapping

from sievert.errors import InvalidField
from sievert.guardrail.drawing import audit_of, cases_of
from sievert.guardrail.telling import Announce, silent
from sievert.measurement.designs import draw, key_for
from sievert.measurement.hard_cases import Array, HardCase, draws_for_posts, inclusion, mixed
from sievert.schema.access import AuditNote
from sievert.schema.action import CaseKind
from sievert.schema.batch import Effects
from sievert.schema.clock import Micros
from sievert.schema.guardrail import Audit, AuditBy
from sievert.schema.identity import derived_id
from sievert.schema.post import Post, PostKey
from sievert.stores.guardrail.base import Change, GuardrailStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HardPost:
    """A post that may be drawn: its revision, and the probability by which it was decided about."""

    revision: int
    p: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One draw of the loop: its number, how many draws it had, and its audits by case."""

    number: int
    draws: int
    audits: tuple[Audit, ...]

    @property
    def posts(self) -> dict[str, Audit]:
        """The first audit of each post that was drawn, by case."""
        found: dict[str, Audit] = {}
        for one in self.audits:
            found.setdefault(one.case_id, one)
        return found

    @property
    def waiting(self) -> int:
        """How many posts nobody has judged yet."""
        return sum(one.harmful is None for one in self.posts.values())

    @property
    def judged(self) -> dict[str, "Judged"]:
        """What people found, by post."""
        return {
            one.post_id: Judged(
                harmful=one.harmful, chance=float(inclusion([one.probability], self.draws)[0]), p=one.p
            )
            for one in self.posts.values()
            if one.harmful is not None
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What people found of a post, the chance that it was asked about, and what was believed of it."""

    harmful: bool
    chance: float
    p: float


def turns(store: GuardrailStore, policy: str, platform: str) -> list[Turn]:
    """Return the turns of a policy, the oldest first."""
    found: list[Turn] = []
    while audits := store.audits(purpose_of(policy, platform, len(found) + 1)):
        found.append(Turn(number=len(found) + 1, draws=len(audits), audits=tuple(audits)))
    return found


def purpose_of(policy: str, platform: str, number: int) -> str:
    """Name what the draws of a turn are for."""
    return derived_id("h", policy, platform, str(number))


def draw_hard_cases(
    store: GuardrailStore,
    policy: str,
    posts: Mapping[str, HardPost],
    sizes: Mapping[HardCase, Array],
    *,
    platform: str,
    count: int,
    now: Micros,
    actor: str,
    texts: Mapping[str, Post] | None = None,
    announce: Announce = silent,
) -> Turn:
    """Draw about `count` different posts and put them before people; all of it is durable, or nothing.

    `sizes` are those of `hard_case_sizes`, in the order of `posts` sorted by id.

    Raises:
        InvalidField: there is nothing to draw from, or the newest turn waits for judgements.
        StoreUnavailable: somebody else was faster; nothing was done.
    """
    seen = store.version
    before = turns(store, policy, platform)
    if before and before[-1].waiting:
        raise InvalidField(
            f"Of turn {before[-1].number} of {policy}, {before[-1].waiting} posts wait for a judgement.",
            field="policy",
            remedy="Judge them first: what they say decides what is asked next.",
        )
    names, number = sorted(posts), len(before) + 1
    chance = mixed(sizes)
    purpose = purpose_of(policy, platform, number)
    drawn = draw(
        names, chance, key=key_for(store.key(), purpose=purpose), count=draws_for_posts(chance, count)
    )
    audits = tuple(
        _audit(
            purpose,
            policy,
            platform,
            names[row],
            posts[names[row]],
            place=place,
            chance=q,
            secret=store.key(),
            now=now,
        )
        for place, (row, q) in enumerate(zip(drawn.rows.tolist(), drawn.probability.tolist(), strict=True))
    )
    cases = cases_of(audits, now=now, kind=CaseKind.MEASUREMENT)
    told = texts or {}
    details = {"policy": policy, "draws": str(len(audits)), "cases": str(len(cases))}
    store.apply(
        Change(audits=audits),
        Effects(
            cases=cases,
            messages=announce((), cases),
            audit=(AuditNote(actor=actor, event="loop.drawn", subject=purpose, details=details),),
            texts=tuple(told[case.post_id] for case in cases if case.post_id in told),
        ),
        seen=seen,
    )
    return Turn(number=number, draws=len(audits), audits=audits)


def _audit(
    purpose: str,
    policy: str,
    platform: str,
    post: str,
    known: HardPost,
    *,
    place: int,
    chance: float,
    secret: bytes,
    now: Micros,
) -> Audit:
    return audit_of(
        PostKey(platform, post, known.revision),
        named=(purpose,),
        purpose=purpose,
        policy=policy,
        by=AuditBy.POSTS,
        place=place,
        probability=chance,
        p=known.p,
        views=0.0,
        secret=secret,
        now=now,
    )
