"""Settled labels become rows of a history: what people found is what the next bundle learns from.

A label goes out as a line of `labels.ndjson` and its post as a line of `posts.ndjson`, as the format of
histories has them; the source says whether a case, an appeal or an audit led to it. A label whose text was
not kept, or must not be, goes nowhere: nothing could learn from it.

Not covered: with which probability a post came before people. Whoever needs shares of traffic asks audits.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sievert.schema.label import APPEALED, REVIEWED, SETTLED, Label


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


def _about(label: Label) -> tuple[object, ...]:
    return label.platform, label.post_id, label.revision, label.policy
