"""Label: what somebody said about a text, with where that came from; what a later bundle may learn from."""

import msgspec

from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id

PERSPECTIVE_SUGGESTION = "perspective:suggestscore"
"""The source of labels that came as suggested scores of the Perspective API."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said about a text under a policy.

    `value` is from 0, "it is not", to 1, "it is"; `attribute` is what the source called it, `policy` what
    we call it (harm counts as one), or None where we have no name for it. `text` is None if it may not be
    kept: such a label is counted, but nothing can learn from it. How the text was chosen is not known, so
    shares among labels say nothing about shares in traffic.
    """

    label_id: str
    source: str
    platform: str
    content_digest: str
    attribute: str
    policy: str | None
    value: float
    received_at: Micros
    key_id: str
    text: str | None = None
    languages: tuple[str, ...] = ()
    client_token: str | None = None
    community_id: str | None = None
    session_id: str | None = None
    record_version: int = 1


def label_id(*, source: str, content_digest: str, attribute: str, key_id: str, received_at: Micros) -> str:
    """Name a label; the same said again later is another label, since somebody may have changed sides."""
    return derived_id("l", source, content_digest, attribute, key_id, str(received_at))
