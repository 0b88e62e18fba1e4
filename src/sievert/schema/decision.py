"""Decision: allow, demote, review or remove, with reasons and every version that led to it."""

import enum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id
from sievert.schema.post import PostKey

CREATED = "created"
"""The trigger of a post's first decision; others join with the event stream."""

RECORD_VERSION = 1
"""Version of the decision record; older records stay readable."""


class Outcome(enum.IntEnum):
    """What is decided about a post, from mild to severe."""

    ALLOW = 0
    DEMOTE = 1
    REVIEW = 2
    REMOVE = 3

    @property
    def word(self) -> str:
        """The outcome as APIs spell it."""
        return self.name.lower()


class Stage(enum.IntEnum):
    """Which model had the last word."""

    LIGHT = 0
    HEAVY = 1
    SENTINEL = 2

    @property
    def word(self) -> str:
        """The stage as APIs spell it."""
        return self.name.lower()


class Language(enum.IntEnum):
    """What the language head says of a text. Anything but ENGLISH is never acted on automatically."""

    ENGLISH = 0
    OTHER = 1
    UNREADABLE = 2

    @property
    def word(self) -> str:
        """The language as APIs spell it."""
        return self.name.lower()


class Reason(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Why a rule of a policy applied, or why it was held back.

    `rule` is a short code (`policy.rules` lists them); `probability` and `threshold` are its numbers.
    `sentence` says the rule in words; it is not kept, and told with a trail only.
    """

    policy: str
    rule: str
    probability: float | None = None
    threshold: float | None = None
    sentence: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a platform gets back for one post: small, and the same for the same post again."""

    id: str
    platform: str
    revision: int
    decision: str
    probability: float
    policies: dict[str, float]
    language: str
    stage: str
    bundle: str
    reasons: tuple[Reason, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about one post revision, as it is kept.

    `decision_id` is derived from (platform, post, revision, trigger, ordinal), so that the same
    decision has the same id wherever it is read. `policy_set` names the policies by hash, `would`
    is what a live policy with every permission would have done (equal to `outcome` when nothing
    was held back).
    """

    decision_id: str
    platform: str
    post_id: str
    revision: int
    created_at: Micros | None
    received_at: Micros
    decided_at: Micros
    trigger: str
    outcome: str
    would: str
    probability: float
    policies: dict[str, float]
    language: str
    stage: str
    bundle: str
    policy_set: str
    content_digest: str
    reasons: tuple[Reason, ...] = ()
    creator_id: str | None = None
    record_version: int = RECORD_VERSION

    def answer(self) -> Answer:
        """Return what the platform was told."""
        return Answer(
            id=self.post_id,
            platform=self.platform,
            revision=self.revision,
            decision=self.outcome,
            probability=self.probability,
            policies=self.policies,
            language=self.language,
            stage=self.stage,
            bundle=self.bundle,
            reasons=self.reasons,
        )


def decision_id(key: PostKey, *, trigger: str = CREATED, ordinal: int = 0) -> str:
    """Name the `ordinal`-th decision that `trigger` caused about a post revision."""
    return derived_id("d", key.platform, key.id, str(key.revision), trigger, str(ordinal))


def shown(values: npt.NDArray[np.float32]) -> Any:
    """Turn kept probabilities into shown ones, as (nested) lists: the same float32 always reads the same."""
    return np.round(values.astype(np.float64), 8).tolist()
