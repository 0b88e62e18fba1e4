"""What the guardrail keeps: crossings, attempts, audits, certificates with their state, and the ledger."""

import enum
import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.certificate import Certificate, Running, terms_of
from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.policy import Policy
from sievert.schema.post import PlatformName, PostId, Revision


class Crossing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A look at which a post stood above a policy's floor, with probability and capped views frozen.

    Which rules it crossed first at this look follows from its earlier ones. Kept in shadow too.
    """

    policy: str
    platform: PlatformName
    post_id: PostId
    revision: Revision
    decision_id: str
    p: Annotated[float, Meta(description="calibrated probability under the policy")]
    views: Annotated[float, Meta(description="forecast views, up to the policy's cap; 0 without a forecast")]
    at: Micros
    under: Annotated[str, Meta(description="what ran then, as `names_of` tells it")]
    heavy_share: float = 0.0
    image_heavy_share: float = 0.0
    certificate: Annotated[str, Meta(description="the certificate that had it removed; empty if none")] = ""
    record_version: RecordVersion = 1


class AttemptState(enum.StrEnum):
    """How far an attempt at a certificate has come."""

    WATCHING = "watching"
    JUDGING = "judging"
    PROVEN = "proven"
    NOT_ENOUGH = "not enough evidence"
    ABANDONED = "abandoned"


class RuleTest(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one rule of a path, as an attempt keeps it."""

    level: Annotated[float, Meta(description="the place of the rule on its path")]
    audits_posts: Annotated[int, Meta(description="audits by posts that it would have removed")]
    wrong_posts: Annotated[int, Meta(description="how many of them wrongly")]
    audits_views: Annotated[int, Meta(description="audits by views that it would have removed")]
    wrong_views: Annotated[int, Meta(description="how many of them wrongly")]
    p_value: Annotated[
        float, Meta(description="the chance of so few wrong ones if it did not keep its promise")
    ]
    passed: Annotated[bool, Meta(description="it is proven")]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a certificate: a path that was fixed, a window, audits, and what came of it.

    `number` counts the attempts of a policy in a calendar year that drew audits, from 1; `delta` is what
    this one may spend of the year's error rate.
    """

    attempt_id: Annotated[str, Meta(description="names it")]
    policy: Annotated[str, Meta(description="the policy")]
    platform: PlatformName
    year: Annotated[int, Meta(description="the calendar year whose error rate it spends")]
    number: Annotated[int, Meta(description="the how manieth of its year that drew audits")]
    delta: Annotated[float, Meta(description="the error rate that it may spend")]
    state: Annotated[AttemptState, Meta(description="how far it has come")]
    under: Annotated[str, Meta(description="what ran, as `names_of` tells it")]
    policy_version: Annotated[int, Meta(description="the version of the policy")]
    terms: Annotated[str, Meta(description="what a removal hangs on in the policy, by hash")]
    running: Annotated[Running, Meta(description="what ran")]
    levels: Annotated[tuple[float, ...], Meta(description="the rules of its path")]
    lambda_views: Annotated[float, Meta(description="what they say of views")]
    audits_posts: Annotated[int, Meta(description="audits that it draws by posts")]
    audits_views: Annotated[int, Meta(description="audits that it draws by views")]
    since: Annotated[Micros, Meta(description="when its window begins")]
    until: Annotated[Micros, Meta(description="when its window ends")]
    opened_at: Annotated[Micros, Meta(description="when it was opened")]
    opened_by: Annotated[str, Meta(description="who opened it")]
    drawn_at: Annotated[Micros, Meta(description="when its audits were drawn; 0: not yet")] = 0
    through: Annotated[int, Meta(description="the last crossing that the frame was made of")] = 0
    frame_posts: Annotated[int, Meta(description="posts that the audits were drawn from")] = 0
    tests: Annotated[tuple[RuleTest, ...], Meta(description="what was found about each rule")] = ()
    answer: Annotated[str, Meta(description="what came of it, in words")] = ""
    ended_at: Annotated[Micros, Meta(description="when it ended; 0: it goes on")] = 0
    record_version: RecordVersion = 1

    @property
    def goes_on(self) -> bool:
        """Whether it has no answer yet."""
        return self.state in {AttemptState.WATCHING, AttemptState.JUDGING}


class AuditBy(enum.StrEnum):
    """What an audit was drawn by: each post alike, or in proportion to capped views."""

    POSTS = "posts"
    VIEWS = "views"


class AuditState(enum.StrEnum):
    """Whether people have judged an audit, and whether the monitor has heard of it."""

    OPEN = "open"
    SETTLED = "settled"
    HEARD = "heard"


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """One draw: a post, the probability with which this draw fell on it, and what people found.

    `purpose` is the attempt, the certificate or the measurement that it serves, `place` the number of the draw. A post
    that is drawn again has another audit, and the same case.
    """

    audit_id: str
    purpose: str
    policy: str
    by: AuditBy
    place: int
    probability: Annotated[float, Meta(gt=0, le=1)]
    platform: PlatformName
    post_id: PostId
    revision: Revision
    decision_id: str
    p: float
    views: float
    drawn_at: Micros
    case_id: str
    state: AuditState = AuditState.OPEN
    harmful: bool | None = None
    settled_at: Micros = 0
    day: Micros = 0  # of a measurement: the day of the view that was drawn
    record_version: RecordVersion = 1


class CertificateState(enum.StrEnum):
    """What a certificate is good for: only an active one permits anything."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Where the monitor of one precision stands: its accounts, audits heard, how many were wrong."""

    logs: Annotated[tuple[float, ...], Meta(description="the accounts of the monitor")] = ()
    audits: Annotated[int, Meta(description="audits heard")] = 0
    wrong: Annotated[int, Meta(description="how many of them were wrong removals")] = 0
    fired: Annotated[bool, Meta(description="it withdrew the certificate")] = False


class KeptCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with its state, and with the watch over what it permits.

    `name` is the hash of what the certificate says. `drawn_through` is the last removal that running
    audits were drawn from.
    """

    name: Annotated[str, Meta(description="names the certificate by the hash of what it says")]
    certificate: Annotated[Certificate, Meta(description="what it says")]
    attempt_id: Annotated[str, Meta(description="the attempt that proved it")]
    state: Annotated[CertificateState, Meta(description="whether it permits anything")]
    changed_at: Annotated[Micros, Meta(description="when that changed")]
    changed_by: Annotated[str, Meta(description="who changed it")]
    reason: Annotated[str, Meta(description="why, in words")] = ""
    by_posts: Annotated[Watch, Meta(description="the watch over precision by posts")] = Watch()
    by_views: Annotated[Watch, Meta(description="the watch over precision by views")] = Watch()
    overturned: Annotated[int, Meta(description="overturned appeals that the monitor has weighed")] = 0
    drawn_through: Annotated[
        int, Meta(description="the last removal that running audits were drawn from")
    ] = 0
    drawn_at: Annotated[Micros, Meta(description="when they were drawn")] = 0
    record_version: RecordVersion = 1


class EntryKind(enum.StrEnum):
    """What an entry of the ledger tells of."""

    CERTIFIED = "certified"
    PROMOTED = "promoted"
    AUDIT = "audit"
    APPEAL = "appeal"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a policy's ledger: what became known about removals, and where that left the monitor."""

    entry_id: Annotated[str, Meta(description="names it")]
    policy: Annotated[str, Meta(description="the policy")]
    certificate: Annotated[str, Meta(description="the certificate, by hash")]
    kind: Annotated[EntryKind, Meta(description="what it tells of")]
    at: Annotated[Micros, Meta(description="when it became known")]
    about: Annotated[str, Meta(description="the audit or the case that it is about, by its id")] = ""
    by: Annotated[str, Meta(description="posts or views, of an audit")] = ""
    right: Annotated[
        bool | None, Meta(description="whether the removal was right; null where that is not said")
    ] = None
    evidence: Annotated[float, Meta(description="against this precision, as a share of what fires")] = 0.0
    said: Annotated[str, Meta(description="in words")] = ""
    record_version: RecordVersion = 1


def name_of(certificate: Certificate) -> str:
    """Name a certificate by the hash of all that it says."""
    return hashlib.sha256(msgspec.json.encode(certificate, order="deterministic")).hexdigest()[:16]


def names_of(policy: Policy, running: Running) -> str:
    """Name by hash what a crossing hangs on: policy, bundle, forecaster, embeddings, triggers; not the dial."""
    runs = (running.bundle, running.forecaster, running.embeddings, running.triggers)
    said = (policy.name, policy.version, terms_of(policy), runs)
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]
