"""Label: what somebody said about a text, with where that came from; what a later bundle may learn from."""

from typing import Annotated

import msgspec
from msgspec import Meta

from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.identity import derived_id

PERSPECTIVE_SUGGESTION = "perspective:suggestscore"
"""The source of labels that came as suggested scores of the Perspective API."""


REVIEWED, APPEALED, AUDITED = "review", "appeal", "audit"
"""The sources of labels that people's verdicts became: of cases, of appeals, of audits."""

SETTLED = (REVIEWED, APPEALED, AUDITED)


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said about a text under a policy.

    How the text was chosen is not known, so shares among labels say nothing about shares in traffic.
    """

    label_id: Annotated[str, Meta(description="names the label; the same said later is another")]
    source: Annotated[str, Meta(description="the door that it came in by")]
    platform: Annotated[str, Meta(description="the platform that the text is from")]
    content_digest: Annotated[str, Meta(description="hash of the text, the same for the same text")]
    attribute: Annotated[str, Meta(description="what the source calls it")]
    policy: Annotated[
        str | None, Meta(description="what we call it, a policy or harm; null where we have no name for it")
    ]
    value: Annotated[float, Meta(description="from 0, it is not, to 1, it is")]
    received_at: Annotated[Micros, Meta(description="when it came, in microseconds of Unix time, UTC")]
    key_id: Annotated[str, Meta(description="the key that it came with")]
    text: Annotated[
        str | None, Meta(description="null if it may not be kept: then nothing can learn from the label")
    ] = None
    languages: Annotated[tuple[str, ...], Meta(description="what the source says the text is in")] = ()
    client_token: Annotated[str | None, Meta(description="what the source calls the request")] = None
    community_id: Annotated[str | None, Meta(description="the source's community")] = None
    session_id: Annotated[str | None, Meta(description="the source's session")] = None
    post_id: Annotated[str | None, Meta(description="the post that the text is of, where it is known")] = None
    revision: Annotated[int | None, Meta(description="its revision")] = None
    created_at: Annotated[Micros | None, Meta(description="when the post was published, where known")] = None
    record_version: RecordVersion = 1


def label_id(*, source: str, content_digest: str, attribute: str, key_id: str, received_at: Micros) -> str:
    """Name a label; the same said again later is another label, since somebody may have changed sides."""
    return derived_id("l", source, content_digest, attribute, key_id, str(received_at))
