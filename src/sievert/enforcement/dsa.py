"""Statements of reasons for the EU's DSA Transparency Database.

What the database takes stands in `dsa_fields.py`. Whoever sends them has a token and an address of their own; nothing is sent from here.

A policy is a term of service unless it states the law on which it acts (`illegal`); the ground is stated so.
A limit of an account is a partial suspension of the service; where a platform silences whoever is limited, the
account is suspended.

Not covered: monetary decisions, suspensions and terminations that a platform decides by itself, and the newest
keywords of the database.
"""

import datetime as dt
from typing import Any

import msgspec

from sievert.schema.action import Action, ActionKind
from sievert.schema.clock import Micros
from sievert.schema.decision import Decision
from sievert.schema.limit import AccountLimit, LimitCause
from sievert.schema.policy import Policy
from sievert.schema.post import Post
from sievert.schema.statement import LimitStatement, Statement
from sievert.schema.taxonomy import CATEGORIES

OTHER_VIOLATION = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
_OF_POLICY = {category.name: category.dsa for category in CATEGORIES}
_VISIBILITY = {
    ActionKind.DEMOTE: "DECISION_VISIBILITY_CONTENT_DEMOTED",
    ActionKind.REMOVE: "DECISION_VISIBILITY_CONTENT_REMOVED",
}


def is_stated(action: Action) -> bool:
    """Tell whether the database wants to hear of an action: of what restricts, and of nothing isolated."""
    return action.kind in _VISIBILITY


def dsa_record(
    action: Action,
    statement: Statement,
    policy: Policy,
    *,
    decision: Decision | None,
    post: Post | None,
) -> dict[str, Any]:
    """Return the record of an action that `is_stated`, as the database takes it.

    The facts are those of the statement to the author, without the post's text.
    """
    published = action.performed_at
    if decision is not None:
        published = decision.created_at if decision.created_at is not None else decision.received_at
    pictured = post is not None and bool(post.media)
    record: dict[str, Any] = {
        "puid": action.action_id,
        "decision_visibility": [_VISIBILITY[ActionKind(action.kind)]],
        **_ground(policy),
        "category": _OF_POLICY.get(policy.category, OTHER_VIOLATION),
        "content_type": ["CONTENT_TYPE_TEXT", *(["CONTENT_TYPE_IMAGE"] if pictured else [])],
        "content_date": _date(published),
        "application_date": _date(action.performed_at),
        "decision_facts": statement.text[:5000],
        "source_type": "SOURCE_VOLUNTARY"
        if statement.found_automatically
        else "SOURCE_TYPE_OTHER_NOTIFICATION",
        "automated_detection": "Yes" if statement.found_automatically else "No",
        "automated_decision": "AUTOMATED_DECISION_FULLY"
        if statement.decided_automatically
        else "AUTOMATED_DECISION_PARTIALLY",
    }
    if decision is not None and decision.language == "english":
        record["content_language"] = "EN"
    if action.expires_at is not None:
        record["end_date_visibility_restriction"] = _date(action.expires_at)
    return record


def limit_record(
    limit: AccountLimit, statement: LimitStatement, policy: Policy, *, silenced: bool
) -> dict[str, Any]:
    """Return the record of a limit of an account; `silenced`: its platform lets the account publish nothing."""
    record: dict[str, Any] = {
        "puid": limit.limit_id,
        # Whoever is new or has changed broke no law by that.
        **_ground(
            policy if limit.cause == LimitCause.REMOVALS else msgspec.structs.replace(policy, illegal=None)
        ),
        "category": _OF_POLICY.get(policy.category, OTHER_VIOLATION),
        "content_type": ["CONTENT_TYPE_OTHER"],
        "content_type_other": "an account",
        "content_date": _date(limit.imposed_at),
        "application_date": _date(limit.imposed_at),
        "decision_facts": statement.text[:5000],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_FULLY",
    }
    if silenced:
        record["decision_account"] = "DECISION_ACCOUNT_SUSPENDED"
        record["end_date_account_restriction"] = _date(limit.expires_at)
        return record
    if limit.posts_per_hour is not None:
        record["decision_provision"] = "DECISION_PROVISION_PARTIAL_SUSPENSION"
        record["end_date_service_restriction"] = _date(limit.expires_at)
    if limit.reach_delay_minutes is not None:
        record["decision_visibility"] = ["DECISION_VISIBILITY_OTHER"]
        record["decision_visibility_other"] = f"shown to others {limit.reach_delay_minutes} minutes later"
        record["end_date_visibility_restriction"] = _date(limit.expires_at)
    return record


def _ground(policy: Policy) -> dict[str, Any]:
    if policy.illegal is None:
        return {
            "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
            "incompatible_content_ground": policy.title[:500],
            "incompatible_content_explanation": (policy.words.author or policy.title)[:2000],
        }
    ground: dict[str, Any] = {
        "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
        "illegal_content_legal_ground": policy.illegal.law,
        "illegal_content_explanation": policy.illegal.explanation,
    }
    if policy.illegal.territories:
        ground["territorial_scope"] = [*policy.illegal.territories]
    return ground


def _date(at: Micros) -> str:
    return f"{dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC):%Y-%m-%d}"
