"""History: what happened on a platform, as tables of a folder and as columns in memory.

A history folder holds Parquet files, one a noun or several numbered parts (`events-0003.parquet`):
posts, events, labels, edges; a simulated world adds accounts, images, and the truth that no platform
knows. Rows of events stand in the order in which they were received; times are microseconds, int64.

Legend of the columns in memory: n events. Posts and accounts are numbered from 0 by whoever builds the
columns; -1 stands for "not said".
"""

import dataclasses

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Int16s = npt.NDArray[np.int16]
Int8s = npt.NDArray[np.int8]

NOBODY = -1
"""The number of a post or an account that an event does not name."""

MADE = 0
FOLLOWED = 1
"""What a row of a profile says, as its code: when the account was made, or how many follow it. An event
that says both makes two rows."""

POST_FIELDS = {
    "id": "string",
    "revision": "int32",
    "creator_id": "string",
    "created_at": "int64",
    "received_at": "int64",
    "text": "string",
    "language": "string",
    "surface": "string",  # the group or page that it stands in
    "image_id": "string",  # null without an image
    "copy_of": "string",  # the post whose text it knowingly repeats, else null
}
"""Columns of posts.parquet and their Arrow types; id, text and created_at must be there."""

EVENT_FIELDS = {
    "id": "string",
    "kind": "string",
    "at": "int64",
    "received_at": "int64",
    "post_id": "string",
    "creator_id": "string",
    "actor_id": "string",
    "count": "int64",
    "reaction": "string",
    "reason": "string",
    "text": "string",
    "country": "string",
    "revision": "int32",
    "account_created_at": "int64",
    "followers": "int64",
    "harmful": "bool",
    "policy": "string",
}
"""Columns of events.parquet: the fields of `schema.event`'s records, flat, and when each was received."""

LABEL_FIELDS = {
    "post_id": "string",
    "revision": "int32",
    "policy": "string",  # harm, or a policy's name
    "value": "float64",  # from 0, it is not, to 1, it is
    "at": "int64",
    "source": "string",  # who says so: expert, report, comment, or a name of your own
    "sampling_probability": "float64",  # with which the post was drawn for labelling; null where unknown
}
"""Columns of labels.parquet; post_id, policy and value must be there."""

TRUTH_FIELDS = {
    "post_id": "string",
    "harmful": "bool",
    "policy": "string",  # the policy that it breaks most plainly; null if none
    "policies": "string",  # all that it breaks, with commas between
    "form": "string",  # how it was made, such as plain, slang, evasive, combination, counter_speech
    "views": "int64",  # with whatever enforcement there was
    "views_without": "int64",  # had nothing been done
    "cluster": "int64",  # near-duplicates share a number
}
"""Columns of truth.parquet, in simulated worlds only."""

ACCOUNT_FIELDS = {
    "id": "string",
    "created_at": "int64",
    "followers": "int64",
    "community": "int32",
    "kind": "string",  # person, bot, hacked, brigade
    "toxicity": "float32",  # how likely its posts are harmful, from 0 to 1
    "reliability": "float32",  # how likely its reports are right
}
"""Columns of accounts.parquet, in simulated worlds only."""

EDGE_FIELDS = {
    "source_id": "string",  # the account that follows, befriends, is a member, reads, or acts
    "target_id": "string",  # an account; for group and page, the group or the page
    "kind": "string",
    "since": "int64",
    "until": "int64",  # when it ended; null while it stands
    "received_at": "int64",
}
"""Columns of edges.parquet; source_id, target_id, kind and since must be there."""

IMAGE_FIELDS = {"id": "string", "png": "binary"}
"""Columns of images.parquet, in simulated worlds only."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """Events in the order in which they were received."""

    kind: Int8s  # [n] place in schema.event.KIND_WORDS
    at: Int64s  # [n] when it happened, never after it was received
    received_at: Int64s  # [n] never falls
    post: Int64s  # [n] the post it happened to
    creator: Int64s  # [n] the account that it is about: the blocked, logged in, or described one
    actor: Int64s  # [n] the account that did it
    amount: Int64s  # [n] views; what a profile says; 1 or 0 for a verdict; else 1
    code: Int16s  # [n] which reaction, reason, country or side of a profile; what a comment says; else 0

    def __len__(self) -> int:
        """Return n."""
        return len(self.kind)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "EventColumns":
        """Return these rows, which must be in order."""
        return EventColumns(
            **{field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)}
        )


def country_code(country: str) -> int:
    """Number a country of two capital letters, from 0 to 675."""
    return (ord(country[0]) - 65) * 26 + ord(country[1]) - 65
