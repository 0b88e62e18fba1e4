"""Certificate: leave to remove, and Running: what runs, which a certificate must name to hold."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.policy import Policy, Share

CERTIFICATE_FORMAT = 1
"""Version of the fields that a certificate has; what a later one means is not known here."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What scores, forecasts and calls for decisions at present, and at which point the compute dial stands.

    `bundle` names light and heavy model, calibrators and feature spec by one hash; `triggers` is the hash
    of what calls for decisions. Empty names say that there is no such part.
    """

    bundle: Annotated[str, Meta(description="the bundle that scores")]
    forecaster: Annotated[str, Meta(description="the view forecaster; empty: none")] = ""
    embeddings: Annotated[str, Meta(description="the embeddings; empty: none")] = ""
    triggers: Annotated[str, Meta(description="what calls for decisions, by hash")] = ""
    heavy_share: Annotated[float, Meta(description="the share of texts that the heavy model reads")] = 0.0
    image_heavy_share: Annotated[float, Meta(description="the share of posts with pictures")] = 0.0


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """The shares to the heavy model within which a certificate holds."""

    least: Annotated[Share, Meta(description="from this share on")] = 0.0
    most: Annotated[Share, Meta(description="up to this share")] = 1.0

    def holds(self, share: float) -> bool:
        """Tell whether a share lies within."""
        return self.least <= share <= self.most


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """One half of a certificate's audits: how many the rule would have removed, how many of them wrongly."""

    audits: Annotated[int, Meta(ge=0, description="audits that the rule would have removed")]
    wrong: Annotated[int, Meta(ge=0, description="how many of them wrongly")]


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Proof, from labelled samples of a named population, that a removal rule keeps its precision.

    It names what it holds for; outside of that it does not hold, and the post goes to people.
    `lambda_posts` and `lambda_views` are l1 and l2 of the removal rule; with l1 at zero and no
    forecast the rule would remove everything above the floor, so it may not be. `path_point` is the
    rule's place on the path, from 0. `miss_at_least` and `false_at_most` are the bounds on how people
    erred when they judged the audits, `delta` the error rate that the tests were held to.
    """

    format: Annotated[int, Meta(description="version of its fields")] = CERTIFICATE_FORMAT
    policy: Annotated[str, Meta(description="the policy")]
    policy_version: Annotated[int, Meta(description="the version that it holds for")]
    terms: Annotated[str, Meta(description="what a removal hangs on in the policy, by hash")]
    platform: Annotated[str, Meta(description="the platform that it holds for")]
    population: Annotated[str, Meta(description="the posts that it holds for")] = "all posts"
    window: Annotated[tuple[Micros, Micros], Meta(description="the window whose posts were audited")] = (0, 0)
    bundle: Annotated[str, Meta(description="the bundle that it holds for")]
    forecaster: Annotated[str, Meta(description="the view forecaster that it holds for")] = ""
    embeddings: Annotated[str, Meta(description="the embeddings that it holds for")] = ""
    triggers: Annotated[str, Meta(description="the triggers that it holds for, by hash")] = ""
    heavy_share: Annotated[Dial, Meta(description="within which shares of texts it holds")] = Dial()
    image_heavy_share: Annotated[
        Dial, Meta(description="within which shares of posts with pictures it holds")
    ] = Dial()
    lambda_posts: Annotated[float, Meta(gt=0.0, description="l1 of the removal rule")]
    lambda_views: Annotated[float, Meta(ge=0.0, description="l2 of the removal rule")]
    path_point: Annotated[int, Meta(ge=0, description="its place on the path, from 0")] = 0
    by_posts: Annotated[Audited, Meta(description="its audits by posts")] = Audited(audits=0, wrong=0)
    by_views: Annotated[Audited, Meta(description="its audits by views")] = Audited(audits=0, wrong=0)
    miss_at_least: Annotated[Share, Meta(description="people miss at least this share of harm")] = 0.0
    false_at_most: Annotated[
        Share, Meta(description="people call at most this share of harmless posts harmful")
    ] = 0.0
    delta: Annotated[Share, Meta(description="the error rate that the tests were held to")] = 0.0
    issued_at: Annotated[Micros, Meta(description="when it was issued")]
    expires_at: Annotated[Micros, Meta(description="when it ends")]


def terms_of(policy: Policy) -> str:
    """Name by hash what a removal hangs on in a policy: two policies that remove alike have the same terms."""
    said = (policy.name, policy.precision_posts, policy.precision_views, policy.delta, policy.floor)
    # Whoever is allowed is not among the removals, so that the share of harmful ones may be another.
    bounds = (policy.most_views, policy.people_above_views, policy.allow)
    return hashlib.sha256(msgspec.json.encode((said, bounds), order="deterministic")).hexdigest()[:16]
