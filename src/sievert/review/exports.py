"""Settled labels become rows of a history: what people found is what the next bundle learns from.

A label goes out as a line of `labels.ndjson` and its post as a line of `posts.ndjson`, as the format of
histories has them; the source says whether a case, an appeal or an audit led to it. A label whose text was
not kept, or must not be, goes nowhere: nothing could learn from it.

For one policy the same labels are also examples, a text with 0 or 1, which is what a head of one's own learns
from and is set right by.

Not covered: with which probability a post came before people. Whoever needs shares of traffic asks audits.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from sievert.schema.clock import Micros
from sievert.schema.label import APPEALED, REVIEWED, SETTLED, Label

_ENCODER = msgspec.json.Encoder()


class Row(NamedTuple):
    """A label and the post that it is about, as lines of a history."""

    label: dict[str, object]
    post: dict[str, object]


def rows_of(labels: Iterable[Label], *, platform: str) -> Iterator[Row]:
    """Return the rows of settled labels with a text, in their order; a history is of one platform.

    A verdict that an appeal answered goes nowhere: the appeal's own label says what holds.
    """
    listed = [*labels]
    answered = {_about(one): one.received_at for one in listed if one.source == APPEALED}
    for one in listed:
        if one.source not in SETTLED or one.text is None or one.platform != platform or one.post_id is None:
            continue
        if one.source == REVIEWED and one.received_at < answered.get(_about(one), 0):
            continue
        revision = one.revision or 0
        created_at = one.received_at if one.created_at is None else one.created_at
        yield Row(
            label={
                "post_id": one.post_id,
                "revision": revision,
                "policy": one.policy,
                "value": one.value,
                "at": one.received_at,
                "source": one.source,
            },
            post={
                "id": one.post_id,
                "revision": revision,
                "text": one.text,
                "created_at": min(created_at, one.received_at),
            },
        )


def examples_of(
    labels: Iterable[Label], *, policy: str, platform: str, since: Micros = 0
) -> list[tuple[str, bool]]:
    """Return what people found about cases of a policy, as (text, whether it violates), in the order of labels.

    Only posts that were published since then count; of a text that was found twice the last word holds.
    Appeals and audits are left out: posts that come by appeal were not chosen by their probability alone,
    and audits prove something already.
    """
    return last_words(
        (one.text, one.value > 0.5)
        for one in labels
        if (one.source, one.policy, one.platform) == (REVIEWED, policy, platform)
        and one.text is not None
        and (one.created_at or 0) >= since
    )


def said_alike(text: str) -> str:
    """Return what texts that count as one have in common."""
    return " ".join(text.split()).casefold()


def last_words(pairs: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Return each text once, with what was said of it last; empty ones, of which nothing is learned, are left out."""
    found = {said_alike(text): (text, label) for text, label in pairs if text.strip()}
    return [*found.values()]


def examples_lines(pairs: Iterable[tuple[str, bool]], weight: Iterable[float] | None = None) -> bytes:
    """Return examples as lines of a file from which a head learns, with what each counts for, if that is told."""
    lines = [{"text": text, "label": int(label)} for text, label in pairs]
    if weight is not None:
        lines = [{**line, "weight": one} for line, one in zip(lines, weight, strict=True)]
    return _ENCODER.encode_lines(lines)


def _about(label: Label) -> tuple[object, ...]:
    return label.platform, label.post_id, label.revision, label.policy
