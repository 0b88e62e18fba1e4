"""Decision: allow, demote, review or remove, with reasons and every version that led to it."""

import enum
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sievert.schema.arm import Acted
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id
from sievert.schema.post import PlatformName, PostId, PostKey, Revision

CREATED = "created"
"""The trigger of a post's first decision."""

BANK = "bank"
"""The trigger of a decision that a new hash in a bank calls for."""

DIAL = "dial"
"""The trigger of a decision for which the heavy model had no time when the post came, and has it now."""

ACCOUNT = "account"
"""The trigger of a decision that a limit of the account calls for."""

BUNDLE = "bundle"
"""The trigger of a decision that another bundle calls for."""

_EVENTS = ("reports", "views", "comments", "hides", "edit", "blocks", "shares", "reactions", "quarrels")

TRIGGERS = (CREATED, *_EVENTS, BANK, DIAL, ACCOUNT, BUNDLE)
"""What can call for a decision: a post that appears, what people then do with it, what becomes known, time."""


class Cause(NamedTuple):
    """What called for a decision, and how far that had come: reports, views, hides, edits, changed banks, a limit's time, a bundle's number."""

    trigger: str
    ordinal: int


FIRST = Cause(CREATED, 0)

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
    UPDATE = 3  # the update model, which hears what people did with the post as well
    BANK = 4  # no model: a hash in a bank, and nothing else was looked at

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


OutcomeWord = Annotated[str, Meta(extra_json_schema={"enum": [one.word for one in Outcome]})]
Probability = Annotated[float, Meta(description="calibrated chance, at natural prevalence, of any harm")]
ByPolicy = Annotated[
    dict[str, float], Meta(description="calibrated chance, at natural prevalence, of each policy's harm")
]
LanguageWord = Annotated[
    str,
    Meta(
        description="what the language head says of the text",
        extra_json_schema={"enum": [one.word for one in Language]},
    ),
]
StageWord = Annotated[
    str,
    Meta(
        description="which model had the last word",
        extra_json_schema={"enum": [one.word for one in Stage]},
    ),
]
BundleName = Annotated[str, Meta(description="the bundle that scored: its name and the hash of its files")]
RecordVersion = Annotated[int, Meta(description="version of this kind of record")]


class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A hash in a bank that a post's picture or text is like."""

    bank: Annotated[str, Meta(description="the bank")]
    kind: Annotated[str, Meta(description="what stands in the bank: harmful, allow or minors")]
    entry_id: Annotated[str, Meta(description="the entry")]
    signal: Annotated[str, Meta(description="by what they were compared: pdq, sha256 or text")]
    distance: Annotated[int, Meta(description="how far they are apart; 0 is the same")]
    source: Annotated[str, Meta(description="who put the entry there")] = ""
    policy: Annotated[str | None, Meta(description="the policy that a harmful bank's matches fall under")] = (
        None
    )
    media: Annotated[int | None, Meta(description="which picture of the post, from 0; null for its text")] = (
        None
    )
    quarantined: Annotated[
        bool, Meta(description="the entry matched a flood of posts, so that nothing follows from it")
    ] = False


class Reason(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Why a rule of a policy applied, or why it was held back."""

    policy: Annotated[str, Meta(description="the policy that the rule belongs to")]
    rule: Annotated[str, Meta(description="a short code; `policy.rules` lists them")]
    probability: Annotated[float | None, Meta(description="the chance that the rule looked at")] = None
    threshold: Annotated[float | None, Meta(description="what the rule compared it with")] = None
    match: Annotated[Match | None, Meta(description="the hash in a bank that the rule looked at")] = None
    where: Annotated[
        str | None,
        Meta(
            description="where the words stand that the rule looked at, if not in the text alone",
            extra_json_schema={"enum": ["picture", "text and picture", None]},
        ),
    ] = None
    sentence: Annotated[
        str | None, Meta(description="the rule in words; it is not kept, and told with a trail only")
    ] = None


STOPPED = "stopped"
FLOODED = "removal-flood"
DEMOTIONS_FLOODED = "demotion-flood"
COPIED = "removal-copies"
TAKEN_BACK = "taken-back"
DELAYED = "delayed"

HELD_BACK = (STOPPED, FLOODED, DEMOTIONS_FLOODED, COPIED, TAKEN_BACK, DELAYED)
"""Codes of reasons why what a rule called for was not done, or not yet."""


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Words of a post that carried its score."""

    start: Annotated[int, Meta(description="where it begins in the text as sent, in characters")]
    end: Annotated[int, Meta(description="where it ends, this character excluded")]
    adds: Annotated[float, Meta(description="what its strongest word adds to the logit")]


Spans = Annotated[
    tuple[Span, ...], Meta(description="the words that carried the score, the strongest first, where known")
]


class Example(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A labelled text that a post is like."""

    id: Annotated[str, Meta(description="its corpus and its id there")]
    similarity: Annotated[float, Meta(description="cosine of both texts' encodings, 1 for the same text")]


Nearest = Annotated[
    tuple[Example, ...],
    Meta(description="texts that people confirmed to be harmful and that this one is most like, where known"),
]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a person who looks at a post is shown beside it."""

    spans: Spans = ()
    nearest: Nearest = ()


NO_EVIDENCE = Evidence()


Reasons = Annotated[tuple[Reason, ...], Meta(description="every rule that applied or was held back")]


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a platform gets back for one post: small, and the same for the same post again."""

    id: PostId
    platform: PlatformName
    revision: Revision
    decision: Annotated[OutcomeWord, Meta(description="what was decided")]
    probability: Probability
    policies: ByPolicy
    language: LanguageWord
    stage: StageWord
    bundle: BundleName
    reasons: Reasons = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about one post revision, as it is kept."""

    decision_id: Annotated[
        str,
        Meta(
            description="derived from platform, post, revision, trigger and ordinal: the same decision has "
            "the same id wherever it is read"
        ),
    ]
    platform: PlatformName
    post_id: PostId
    revision: Revision
    created_at: Annotated[Micros | None, Meta(description="when the creator published the post")]
    received_at: Annotated[Micros, Meta(description="when the post came in")]
    decided_at: Annotated[Micros, Meta(description="when this was decided")]
    trigger: Annotated[
        str, Meta(description="what called for the decision", extra_json_schema={"enum": [*TRIGGERS]})
    ]
    outcome: Annotated[OutcomeWord, Meta(description="what was decided")]
    would: Annotated[
        OutcomeWord,
        Meta(
            description="what a live policy with every permission would have done; the outcome, if nothing "
            "was held back"
        ),
    ]
    probability: Probability
    policies: ByPolicy
    language: LanguageWord
    stage: StageWord
    bundle: BundleName
    policy_set: Annotated[str, Meta(description="the policies that decided, by hash")]
    content_digest: Annotated[str, Meta(description="BLAKE2b of the text, 16 bytes in hexadecimal")]
    reasons: Reasons = ()
    creator_id: Annotated[str | None, Meta(description="who published the post")] = None
    forecast: Annotated[
        float | None,
        Meta(
            description="views to come within a week, of the post and its copies, as they were forecast for "
            "this decision; null where none were"
        ),
    ] = None
    certificate: Annotated[
        str,
        Meta(description="the certificate that permitted a removal, by hash; empty if nothing was removed"),
    ] = ""
    acted: Annotated[
        Acted | None, Meta(description="the experiment in whose clusters it was made; null outside of any")
    ] = None
    record_version: RecordVersion = RECORD_VERSION

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


def decision_id(key: PostKey, cause: Cause = FIRST) -> str:
    """Name the decision that something called for about a post revision."""
    return derived_id("d", key.platform, key.id, str(key.revision), cause.trigger, str(cause.ordinal))


def shown(values: npt.NDArray[np.float32]) -> Any:
    """Turn kept probabilities into shown ones, as (nested) lists: the same float32 always reads the same."""
    return np.round(values.astype(np.float64), 8).tolist()
