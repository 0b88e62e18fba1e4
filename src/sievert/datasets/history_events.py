"""The events of a history folder become columns of numbers, in the order in which they were received."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.comment_texts import CommentTexts
from sievert.datasets.history_checks import event_faults, note_other_platforms, note_strange_posts, received
from sievert.datasets.history_columns import CommentJudge, PostColumns, joined
from sievert.datasets.history_parts import Part, files_of, parts_of
from sievert.datasets.history_posts import PostIndex
from sievert.datasets.numbering import Numbering, SeenKeys, as_bools, as_int64
from sievert.datasets.quarantine import Quarantine
from sievert.schema.batch import TextColumn
from sievert.schema.event import KIND_WORDS, REACTION_WORDS, REASON_WORDS
from sievert.schema.history import FOLLOWED, MADE, NOBODY, EventColumns, country_code

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_TYPES = {"kind": np.int8, "code": np.int16}
_WITHOUT_POST = ("login", "profile")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvents:
    """Events in order, and how many were not."""

    events: EventColumns
    reordered: int  # events that stood behind one that was received later


def read_events(
    folder: Path,
    accounts: Numbering,
    quarantine: Quarantine,
    *,
    posts: PostColumns,
    index: PostIndex,
    platform: str,
    judge: CommentJudge | None,
    comments: CommentTexts | None,
) -> ReadEvents:
    """Return the events of a folder; `comments` keeps what its comments say."""
    seen = SeenKeys()
    kept: dict[str, list[npt.NDArray[Any]]] = {field.name: [] for field in dataclasses.fields(EventColumns)}
    for path in files_of(folder, "events"):
        for part in parts_of(path, "events", quarantine):
            sound = _sound_rows(part, seen, quarantine, posts=posts, index=index, platform=platform)
            columns, kind, post = sound
            at = as_int64(columns["at"])
            came = received(at, columns["received_at"])
            if comments is not None:
                comments.take(columns["text"], kind=kind, post=post, came=came)
            pieces = {
                "kind": kind,
                # A sender's clock that is a little ahead lets nothing happen after its receipt.
                "at": np.minimum(at, came),
                "received_at": came,
                "post": np.where(_is(kind, *_WITHOUT_POST), NOBODY, post),
                "creator": accounts.numbers(columns["creator_id"]),
                "actor": accounts.numbers(columns["actor_id"]),
                "amount": _amounts(kind, columns),
                "code": _event_codes(kind, columns, judge),
            }
            order = _sides_of_profiles(pieces, columns)
            for name, piece in pieces.items():
                kept[name].append(piece[order].astype(_TYPES.get(name, np.int64)))
    came = joined(kept["received_at"])
    behind = came[1:] < np.maximum.accumulate(came)[:-1]
    in_order = np.argsort(came, kind="stable") if behind.any() else None
    arrays: dict[str, npt.NDArray[Any]] = {}
    for field in dataclasses.fields(EventColumns):
        # One column after the other, so that no more than one stands twice in memory.
        array = joined(kept.pop(field.name)).astype(_TYPES.get(field.name, np.int64), copy=False)
        arrays[field.name] = array if in_order is None else array[in_order]
    return ReadEvents(events=EventColumns(**arrays), reordered=int(behind.sum()))


def _sound_rows(
    part: Part,
    seen: SeenKeys,
    quarantine: Quarantine,
    *,
    posts: PostColumns,
    index: PostIndex,
    platform: str,
) -> tuple[dict[str, pa.Array], Int64s, Int64s]:
    """Set aside what cannot be used; return the columns, kinds and posts of the rest."""
    kind = word_codes(part.columns["kind"], KIND_WORDS)
    post = index.first_rows(part.columns["post_id"])
    faults = event_faults(part, kind)
    note_other_platforms(faults, part.columns, platform)
    note_strange_posts(
        faults,
        kind=kind,
        named=as_bools(pc.is_valid(part.columns["post_id"])),
        post=post,
        at=as_int64(part.columns["at"]),
        created_at=posts.created_at,
    )
    faults.note("duplicate", seen.seen(part.columns["id"], faults.sound()))
    columns = part.sound(faults, quarantine)
    return columns, kind[faults.sound()], post[faults.sound()]


def word_codes(column: pa.Array, words: tuple[str, ...]) -> Int64s:
    """Return the place [n] of each word among these; NOBODY for other words and null."""
    return as_int64(pc.index_in(column, value_set=pa.array(words, pa.string())))


def _amounts(kind: Int64s, columns: dict[str, pa.Array]) -> Int64s:
    amount = np.ones(len(kind), np.int64)
    for word, name, missing in (("views", "count", 1), ("profile", "followers", NOBODY)):
        amount = np.where(_is(kind, word), as_int64(columns[name], missing=missing), amount)
    return np.where(_is(kind, "verdict"), as_bools(columns["harmful"]).astype(np.int64), amount)


def _sides_of_profiles(pieces: dict[str, Int64s], columns: dict[str, pa.Array]) -> Int64s:
    """Make two rows of a profile, one for each thing that it says; return the order of all rows.

    What says nothing makes none. `pieces` get the rows about when accounts were made at their ends.
    """
    profile = _is(pieces["kind"], "profile")
    made = np.flatnonzero(profile & as_bools(pc.is_valid(columns["account_created_at"])))
    silent = profile & ~as_bools(pc.is_valid(columns["followers"]))
    pieces["code"] = np.where(profile, FOLLOWED, pieces["code"])
    born = as_int64(columns["account_created_at"])[made]
    for name, piece in pieces.items():
        extra = {"amount": born, "code": np.full(len(made), MADE)}.get(name, piece[made])
        pieces[name] = np.concatenate([piece, extra])
    place = np.concatenate([np.arange(len(profile)), made])
    kept = np.concatenate([~silent, np.ones(len(made), np.bool_)])
    order = np.argsort(place, kind="stable")
    chosen: Int64s = order[kept[order]]
    return chosen


def _event_codes(kind: Int64s, columns: dict[str, pa.Array], judge: CommentJudge | None) -> Int64s:
    code = np.zeros(len(kind), np.int64)
    reaction = word_codes(columns["reaction"], REACTION_WORDS)
    code = np.where(_is(kind, "reaction"), reaction, code)
    reason = word_codes(pc.fill_null(columns["reason"], "other"), REASON_WORDS)
    code = np.where(_is(kind, "report"), reason, code)
    login = np.flatnonzero(_is(kind, "login"))
    if len(login):
        code[login] = _country_codes(columns["country"].take(pa.array(login)))
    comment = np.flatnonzero(_is(kind, "comment"))
    if judge is not None and len(comment):
        code[comment] = judge(TextColumn.of(columns["text"].take(pa.array(comment)).to_pylist()))
    return code


def _country_codes(countries: pa.Array) -> Int64s:
    """Number countries [n], each once however often it occurs."""
    coded = countries.dictionary_encode()
    numbers = np.array([country_code(word) for word in coded.dictionary.to_pylist()], np.int64)
    return np.asarray(numbers[np.asarray(coded.indices)], np.int64)


def _is(kind: Int64s, *words: str) -> Bools:
    return np.isin(kind, [KIND_WORDS.index(word) for word in words])
