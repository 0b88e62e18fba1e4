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

    bundle: str
    forecaster: str = ""
    embeddings: str = ""
    triggers: str = ""
    heavy_share: float = 0.0
    image_heavy_share: float = 0.0


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """The shares to the heavy model within which a certificate holds."""

    least: Share = 0.0
    most: Share = 1.0

    def holds(self, share: float) -> bool:
        """Tell whether a share lies within."""
        return self.least <= share <= self.most


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """One half of a certificate's audits: how many the rule would have removed, how many of them wrongly."""

    audits: Annotated[int, Meta(ge=0)]
    wrong: Annotated[int, Meta(ge=0)]


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Proof, from labelled samples of a named population, that a removal rule keeps its precision.

    It names what it holds for; outside of that it does not hold, and the post goes to people.
    `lambda_posts` and `lambda_views` are l1 and l2 of the removal rule; with l1 at zero and no
    forecast the rule would remove everything above the floor, so it may not be. `path_point` is the
    rule's place on the path, from 0. `miss_at_least` and `false_at_most` are the bounds on how people
    erred when they judged the audits, `delta` the error rate that the tests were held to.
    """

    format: int = CERTIFICATE_FORMAT
    policy: str
    policy_version: int
    terms: str
    platform: str
    population: str = "all posts"
    window: tuple[Micros, Micros] = (0, 0)
    bundle: str
    forecaster: str = ""
    embeddings: str = ""
    triggers: str = ""
    heavy_share: Dial = Dial()
    image_heavy_share: Dial = Dial()
    lambda_posts: Annotated[float, Meta(gt=0.0)]
    lambda_views: Annotated[float, Meta(ge=0.0)]
    path_point: Annotated[int, Meta(ge=0)] = 0
    by_posts: Audited = Audited(audits=0, wrong=0)
    by_views: Audited = Audited(audits=0, wrong=0)
    miss_at_least: Share = 0.0
    false_at_most: Share = 0.0
    delta: Share = 0.0
    issued_at: Micros
    expires_at: Micros


def terms_of(policy: Policy) -> str:
    """Name by hash what a removal hangs on in a policy: two policies that remove alike have the same terms."""
    said = (policy.name, policy.precision_posts, policy.precision_views, policy.delta, policy.floor)
    # Whoever is allowed is not among the removals, so that the share of harmful ones may be another.
    bounds = (policy.most_views, policy.people_above_views, policy.allow)
    return hashlib.sha256(msgspec.json.encode((said, bounds), order="deterministic")).hexdigest()[:16]
