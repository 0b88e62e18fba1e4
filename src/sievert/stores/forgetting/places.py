"""Every table in which something of a creator may rest, how its rows are known, and whether they stay.

A row is a creator's own if it is about one of their posts or their account; it may also only speak of such a
row. Tables in which nothing of a creator stands are named too, with the reason: a new table must be put into
one of both (a test asks).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from sievert.stores import edges_tables, tables
from sievert.stores.activity.base import POST_ROLE
from sievert.stores.forgetting.traces import Traces
from sievert.stores.guardrail import tables as guardrail
from sievert.stores.journal import shared_tables

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A table, and what its columns say."""

    table: sa.Table
    post: str = ""  # the column that names a post
    accounts: tuple[str, ...] = ()  # columns that name accounts
    about: str = ""  # the column with a name that follows from a post, where no post is named
    gives: tuple[str, ...] = ()  # columns of own rows with names that others know them by
    also: tuple[str, ...] = ()  # columns with names of other rows
    record: str = ""  # the column with JSON
    empties: tuple[str, ...] = ()  # of a record that stays: these fields alone, and nothing else
    stays: bool = False  # rows are kept, and name nobody any more
    own: Callable[[Traces, Row], bool] | None = None  # how rows are known, where none of this says it

    def is_own(self, row: Row, traces: Traces) -> bool:
        """Tell whether a row is the creator's own, by its columns or else by what its record is about."""
        if self.own is not None:
            return self.own(traces, row)
        if row.get("platform", traces.platform) != traces.platform:
            return False
        if self.post and row[self.post] is not None and not self._says_platform(row):
            return row[self.post] in traces.posts and self._is_about(row, traces)
        return (
            bool(self.post and row[self.post] in traces.posts)
            or any(row[one] == traces.creator_id for one in self.accounts)
            or bool(self.about and row[self.about] in traces.names)
            or (not self.post and bool(self.record) and self._is_about(row, traces))
        )

    def leads(self, row: Row, traces: Traces) -> bool:
        """Tell whether a row is the creator's own, or speaks of such a row or of the account."""
        return (
            self.is_own(row, traces)
            or any(row[one] in traces.names for one in self.also)
            or (self.own is None and bool(self.record) and traces.in_record(_read(row[self.record])))
        )

    def _says_platform(self, row: Row) -> bool:
        return "platform" in row or not self.record

    def _is_about(self, row: Row, traces: Traces) -> bool:
        said = _read(row[self.record])
        return isinstance(said, dict) and traces.is_about(said, said.get("platform", traces.platform))


def _read(record: bytes | str) -> Any:
    try:
        return msgspec.json.decode(record)
    except msgspec.DecodeError:
        return None


def _counted(traces: Traces, row: Row) -> bool:
    if row["platform"] != traces.platform:
        return False
    if row["role"] == POST_ROLE:
        return row["subject"] in traces.posts
    return bool(row["subject"] == traces.creator_id)


def _joined(traces: Traces, row: Row) -> bool:
    named = {"kind": row["kind"], "source_id": row["source_id"], "target_id": row["target_id"]}
    return traces.in_record(named, row["platform"])


def _told(traces: Traces, row: Row) -> bool:
    return traces.in_record(_read(row["record"] if "record" in row else row["body"]))


def _labelled(traces: Traces, row: Row) -> bool:
    return row["post_id"] is not None and _said(traces, row)


def _labelled_alike(traces: Traces, row: Row) -> bool:
    """Tell whether a label that names no post still holds a text that they wrote; others may have written it too."""
    return row["post_id"] is None and _read(row["record"]).get("text") is not None and _said(traces, row)


def _said(traces: Traces, row: Row) -> bool:
    said = _read(row["record"])
    return traces.is_about(said, said["platform"])


def _pictured(traces: Traces, row: Row) -> bool:
    return row["sha256"] in traces.pictures


PLACES = (
    Place(table=tables.posts, post="post_id", record="record"),
    Place(table=tables.decisions, post="post_id", gives=("decision_id",), record="record"),
    Place(table=shared_tables.allowed, post="id", accounts=("creator_id",)),
    Place(table=tables.actions, post="post_id", gives=("action_id",), record="record"),
    Place(
        table=tables.standing,
        post="post_id",
        accounts=("creator_id",),
        gives=("action_id",),
        record="record",
    ),
    Place(table=tables.delayed, post="post_id", record="record"),
    Place(table=tables.account_limits, accounts=("creator_id",), gives=("limit_id",), record="record"),
    Place(table=tables.account_pasts, accounts=("creator_id",), record="record"),
    Place(table=tables.labels, own=_labelled, gives=("label_id",)),
    Place(table=tables.labels, own=_labelled_alike, record="record", empties=("text",), stays=True),
    Place(table=tables.outbox, own=_told, gives=("message_id",), record="body"),
    Place(table=tables.activity_posts, post="post_id", accounts=("creator_id",)),
    Place(table=tables.activity_events, record="record"),
    Place(table=tables.activity_reporters, post="post_id", accounts=("actor_id",)),
    Place(table=tables.activity_orphans, post="post_id"),
    Place(table=tables.activity_counts, own=_counted),
    Place(table=tables.activity_facts, own=_counted),
    Place(table=tables.activity_keys, own=lambda traces, row: row["key"] in traces.keys),
    Place(table=edges_tables.edges, own=_joined),
    Place(table=tables.pictures, own=_pictured),
    Place(table=tables.picture_hashes, own=_pictured),
    Place(table=tables.picture_posts, post="post_id"),
    Place(table=tables.review_appeals, gives=("appeal_id",), record="record"),
    Place(table=tables.review_gold, about="case_id"),
    Place(table=tables.review_likenesses, about="case_id"),
    Place(table=tables.review_judges, post="post_id"),
    Place(table=guardrail.guardrail_crossings, gives=("decision_id",), record="record"),
    # What people found counts for the promise, and for how reviewers do: it stays, and names nobody.
    Place(table=tables.cases, post="post_id", gives=("case_id",), record="record", stays=True),
    Place(table=tables.review_cases, post="post_id", gives=("case_id",), also=("lead",), stays=True),
    Place(table=tables.review_claims, about="case_id", record="record", stays=True),
    Place(table=tables.review_verdicts, about="case_id", gives=("verdict_id",), record="record", stays=True),
    Place(table=tables.review_settlements, post="post_id", also=("case_id",), record="record", stays=True),
    Place(table=guardrail.guardrail_audits, record="record", stays=True),
    Place(table=guardrail.guardrail_ledger, own=_told, gives=("entry_id",), record="record", stays=True),
)

AUDIT = Place(table=tables.audit, record="record", stays=True)
"""Chained by hashes: its lines are redacted by the log itself."""

NOBODY_THERE = {
    "stops": "names policies and who stopped them",
    "keys": "names programs",
    "people": "names those who work here",
    "sessions": "names those who work here",
    "audit_head": "a number and a hash",
    "facts": "secrets, numbers, and measurements as sums",
    "banks": "names banks",
    "bank_entries": "hashes of content, by whoever put them there",
    "bank_sizes": "numbers",
    "review_durations": "sums by policy",
    "guardrail_attempts": "sums by policy",
    "guardrail_certificates": "sums by policy",
    "allowed_facts": "names bundles and policies",
    "forgettings": "names those who were forgotten by keyed hashes, once it is done",
}
"""Tables that are not looked through, and why."""
