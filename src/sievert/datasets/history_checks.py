"""What makes a row of a history unusable, asked of whole columns at once.

The rules for events are those of the API's door (`schema.event`), so that what a running server would
refuse never teaches a model. A row gets the first reason that holds, in the order of this file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.history_parts import PLATFORM, Part
from sievert.datasets.numbering import as_bools, as_int64
from sievert.datasets.quarantine import Faults
from sievert.schema.event import CLOCK_AHEAD, KIND_WORDS, MOST_VIEWS, REACTION_WORDS, REASON_WORDS
from sievert.schema.history import NOBODY
from sievert.schema.post import MAX_ID_BYTES, MAX_TEXT_BYTES
from sievert.schema.taxonomy import CATEGORIES, HARM

POLICY_WORDS = (HARM, *(category.name for category in CATEGORIES))
"""What a label may be about; a column holds a policy's place in here."""

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LONGEST_COMMENT = 20_000
_MOST_FOLLOWERS = 10_000_000_000
_LAST_REVISION = 2**31 - 1
_LAST_MICROS = 9_223_372_036_854_775
_ABOUT_ACCOUNT = ("block", "login", "profile")
_WITHOUT_POST = ("login", "profile")


def post_faults(part: Part) -> Faults:
    """Look for faults in posts that a post alone can show."""
    columns, faults = part.columns, Faults(len(part))
    faults.note("bad id", _bad_id(columns["id"]) | _null(columns["id"]) | _bad_id(columns["creator_id"]))
    _check_times(faults, as_int64(columns["created_at"], missing=-1), columns["received_at"])
    revision = as_int64(columns["revision"], missing=0)
    faults.note("bad revision", (revision < 0) | (revision > _LAST_REVISION))
    text = columns["text"]
    faults.note("bad text", _null(text) | _holds_nul(text) | (_bytes(text) > MAX_TEXT_BYTES))
    return faults


def event_faults(part: Part, kind: Int64s) -> Faults:
    """Look for faults in events that an event alone can show; kind [n] is `NOBODY` where unknown."""
    columns, faults = part.columns, Faults(len(part))
    faults.note("bad id", _bad_id(columns["id"]) | _null(columns["id"]))
    faults.note("unknown kind", kind == NOBODY)
    _check_times(faults, as_int64(columns["at"], missing=-1), columns["received_at"])
    bad_account = _bad_id(columns["actor_id"]) | _bad_id(columns["creator_id"])
    about_account = _is(kind, *_ABOUT_ACCOUNT)
    faults.note("bad id", bad_account | (about_account & _null(columns["creator_id"])))
    count = as_int64(columns["count"], missing=1)
    faults.note("bad count", _is(kind, "views") & ((count < 1) | (count > MOST_VIEWS)))
    followers = as_int64(columns["followers"], missing=0)
    faults.note("bad count", _is(kind, "profile") & ((followers < 0) | (followers > _MOST_FOLLOWERS)))
    born = as_int64(columns["account_created_at"], missing=0)
    faults.note("bad time", _is(kind, "profile") & ((born < 0) | (born > _LAST_MICROS)))
    revision = as_int64(columns["revision"], missing=0)
    faults.note("bad revision", _is(kind, "edit") & ((revision < 1) | (revision > _LAST_REVISION)))
    wrong = _is(kind, "reaction") & ~_among(columns["reaction"], REACTION_WORDS)
    wrong |= _is(kind, "report") & ~_among(columns["reason"], REASON_WORDS) & ~_null(columns["reason"])
    wrong |= _is(kind, "login") & ~as_bools(pc.match_substring_regex(columns["country"], "^[A-Z]{2}$"))
    wrong |= _is(kind, "verdict") & _null(columns["harmful"])
    faults.note("bad value", wrong)
    text = columns["text"]
    if _is(kind, "comment").any():
        long = as_int64(pc.utf8_length(text), missing=0) > _LONGEST_COMMENT
        faults.note("bad text", _is(kind, "comment") & (_null(text) | _holds_nul(text) | long))
    return faults


def note_strange_posts(
    faults: Faults, *, kind: Int64s, named: Bools, post: Int64s, at: Int64s, created_at: Int64s
) -> None:
    """Note events [n] about a post that is not there, or that came before their post.

    `post` [n] is a row of posts, `NOBODY` for one that is not there; `named` [n] tells whether a post
    is named at all; `created_at` [m] is of the posts.
    """
    missing = (post == NOBODY) & (named | ~_is(kind, "block"))
    faults.note("unknown post", missing & ~_is(kind, *_WITHOUT_POST))
    faults.note("before its post", (post != NOBODY) & (at < _born(post, created_at)))


def label_faults(part: Part) -> Faults:
    """Look for faults in labels that a label alone can show."""
    columns, faults = part.columns, Faults(len(part))
    faults.note("bad id", _bad_id(columns["post_id"]) | _null(columns["post_id"]))
    at = as_int64(columns["at"], missing=0)
    faults.note("bad time", (at < 0) | (at > _LAST_MICROS))
    faults.note("unknown policy", ~_among(columns["policy"], POLICY_WORDS))
    value = floats(columns["value"])
    # Written so that NaN is out of range too.
    faults.note("label out of range", ~((value >= 0) & (value <= 1)))
    probability = floats(columns["sampling_probability"])
    drawn = ~_null(columns["sampling_probability"])
    faults.note("bad probability", drawn & ~((probability > 0) & (probability <= 1)))
    return faults


def note_strange_labels(faults: Faults, *, known: Bools, row: Int64s, at: Int64s, created_at: Int64s) -> None:
    """Note labels [n] of posts, or of revisions, that are not there, or that came before their post.

    `known` [n] tells whether the post's id is there at all, `row` [n] which post revision it is.
    """
    faults.note("unknown post", ~known)
    faults.note("unknown revision", row == NOBODY)
    faults.note("before its post", (row != NOBODY) & (at != NOBODY) & (at < _born(row, created_at)))


def edge_faults(part: Part, kind: Int64s) -> Faults:
    """Look for faults in edges; kind [n] is `NOBODY` where unknown."""
    columns, faults = part.columns, Faults(len(part))
    for end in ("source_id", "target_id"):
        faults.note("bad id", _bad_id(columns[end]) | _null(columns[end]))
    faults.note("unknown kind", kind == NOBODY)
    since = as_int64(columns["since"], missing=-1)
    until = as_int64(columns["until"], missing=_LAST_MICROS)
    _check_times(faults, since, columns["received_at"])
    faults.note("bad time", (until < since) | (until > _LAST_MICROS))
    return faults


def note_other_platforms(faults: Faults, columns: Mapping[str, pa.Array], platform: str) -> None:
    """Note rows of another platform; a row that names none is of this one."""
    faults.note("another platform", as_bools(pc.not_equal(columns[PLATFORM], platform)))


def floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Return a column of numbers [n]; NaN for null."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def received(at: Int64s, received_at: pa.Array) -> Int64s:
    """Return when rows [n] were received: where nobody says, when they happened."""
    stated = as_int64(received_at)
    return np.where(stated == NOBODY, at, stated)


def _check_times(faults: Faults, at: Int64s, received_at: pa.Array) -> None:
    stated = as_int64(received_at, missing=0)
    faults.note("bad time", (at < 0) | (at > _LAST_MICROS) | (stated < 0) | (stated > _LAST_MICROS))
    faults.note("clock ahead", at > received(at, received_at) + CLOCK_AHEAD)


def _born(row: Int64s, created_at: Int64s) -> Int64s:
    """Return from when on something may happen to posts; clocks of senders differ a little."""
    if not len(created_at):
        return np.zeros(len(row), np.int64)
    return created_at[np.maximum(row, 0)] - CLOCK_AHEAD


def _is(kind: Int64s, *words: str) -> Bools:
    return np.isin(kind, [KIND_WORDS.index(word) for word in words])


def _null(column: pa.Array) -> Bools:
    return np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), np.bool_)


def _bytes(column: pa.Array) -> Int64s:
    return as_int64(pc.binary_length(column), missing=0)


def _holds_nul(column: pa.Array) -> Bools:
    return as_bools(pc.match_substring(column, "\x00"))


def _bad_id(column: pa.Array) -> Bools:
    """Mark ids that are empty, too long or hold NUL; null is for others to judge."""
    size = as_int64(pc.binary_length(column), missing=1)
    bad: Bools = (size < 1) | (size > MAX_ID_BYTES) | _holds_nul(column)
    return bad


def _among(column: pa.Array, words: tuple[Any, ...]) -> Bools:
    return as_bools(pc.is_in(column, value_set=pa.array(words, pa.string())))
