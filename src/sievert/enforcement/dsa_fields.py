"""What the DSA Transparency Database takes: its fields, their values, and a checker that says what is wrong.

As the database's own request states them (`StatementStoreRequest`, gathered in November 2026).

Not covered: which keywords, languages and countries there are; whether a `puid` was used before.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

_CATEGORIES = (
    *("ANIMAL_WELFARE", "CONSUMER_INFORMATION", "CYBER_VIOLENCE", "CYBER_VIOLENCE_AGAINST_WOMEN"),
    *("DATA_PROTECTION_AND_PRIVACY_VIOLATIONS", "ILLEGAL_OR_HARMFUL_SPEECH"),
    *("INTELLECTUAL_PROPERTY_INFRINGEMENTS", "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS"),
    *("NOT_SPECIFIED_NOTICE", "OTHER_VIOLATION_TC", "PROTECTION_OF_MINORS", "RISK_FOR_PUBLIC_SECURITY"),
    *("SCAMS_AND_FRAUD", "SELF_HARM", "UNSAFE_AND_PROHIBITED_PRODUCTS", "VIOLENCE"),
)
_YES_NO = ("Yes", "No")

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "decision_ground": ("DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "content_type": tuple(
        f"CONTENT_TYPE_{one}"
        for one in ("APP", "AUDIO", "IMAGE", "PRODUCT", "SYNTHETIC_MEDIA", "TEXT", "VIDEO", "OTHER")
    ),
    "category": tuple(f"STATEMENT_CATEGORY_{one}" for one in _CATEGORIES),
    "category_addition": tuple(f"STATEMENT_CATEGORY_{one}" for one in _CATEGORIES),
    "source_type": (
        *("SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION"),
        "SOURCE_VOLUNTARY",
    ),
    "automated_detection": _YES_NO,
    "automated_decision": (
        *("AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY"),
        "AUTOMATED_DECISION_NOT_AUTOMATED",
    ),
    "decision_visibility": (
        *(
            f"DECISION_VISIBILITY_CONTENT_{one}"
            for one in (
                *("REMOVED", "DISABLED", "DEMOTED", "AGE_RESTRICTED", "INTERACTION_RESTRICTED"),
                "LABELLED",
            )
        ),
        "DECISION_VISIBILITY_OTHER",
    ),
    "decision_monetary": tuple(f"DECISION_MONETARY_{one}" for one in ("SUSPENSION", "TERMINATION", "OTHER")),
    "decision_provision": tuple(
        f"DECISION_PROVISION_{one}"
        for one in (
            *("PARTIAL_SUSPENSION", "TOTAL_SUSPENSION", "PARTIAL_TERMINATION"),
            "TOTAL_TERMINATION",
        )
    ),
    "decision_account": ("DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"),
    "account_type": ("ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"),
    "incompatible_content_illegal": _YES_NO,
}
"""Field -> the values that it may have."""

REQUIRED = (
    *("decision_ground", "content_type", "category", "content_date", "application_date", "decision_facts"),
    *("source_type", "automated_detection", "automated_decision", "puid"),
)
_DECISIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
_LISTS = (
    "content_type",
    "decision_visibility",
    "category_addition",
    "category_specification",
    "territorial_scope",
)
_LONGEST = {
    "decision_facts": 5000,
    "illegal_content_legal_ground": 500,
    "illegal_content_explanation": 2000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
    "puid": 500,
}
_OF_GROUND = {
    "DECISION_GROUND_ILLEGAL_CONTENT": ("illegal_content_legal_ground", "illegal_content_explanation"),
    "DECISION_GROUND_INCOMPATIBLE_CONTENT": (
        *("incompatible_content_ground", "incompatible_content_explanation"),
    ),
}
_END_OF = {
    "end_date_visibility_restriction": "decision_visibility",
    "end_date_monetary_restriction": "decision_monetary",
    "end_date_service_restriction": "decision_provision",
    "end_date_account_restriction": "decision_account",
}
_DATES = ("content_date", "application_date")
_END_DATES = (*_END_OF,)
_OTHER_FIELDS = (
    *("decision_visibility_other", "decision_monetary_other", "category_specification"),
    *("category_specification_other", "content_type_other", "content_language", "content_id"),
    *("territorial_scope", "decision_ground_reference_url", "source_identity"),
)
_FIELDS = {*REQUIRED, *ALLOWED, *_LONGEST, *_DATES, *_END_DATES, *_OTHER_FIELDS}
_PUID = re.compile(r"[A-Za-z0-9_-]+")
_WITH_OTHER = (
    ("decision_visibility", "DECISION_VISIBILITY_OTHER", "decision_visibility_other"),
    ("decision_monetary", "DECISION_MONETARY_OTHER", "decision_monetary_other"),
    ("content_type", "CONTENT_TYPE_OTHER", "content_type_other"),
)


def problems_of(record: Mapping[str, Any]) -> list[str]:
    """Say everything that the database would refuse in a record; nothing where it would take it."""
    checks = (_missing, _unknown, _of_ground, _values, _too_long, _dates, _that_go_together)
    return [problem for check in checks for problem in check(record)]


def _missing(record: Mapping[str, Any]) -> Iterator[str]:
    for name in REQUIRED:
        if not record.get(name):
            yield f"{name} is missing"
    if not any(record.get(name) for name in _DECISIONS):
        yield f"one of {', '.join(_DECISIONS)} is needed"


def _unknown(record: Mapping[str, Any]) -> Iterator[str]:
    for name in record:
        if name not in _FIELDS:
            yield f"{name} is no field of the database"


def _of_ground(record: Mapping[str, Any]) -> Iterator[str]:
    ground = str(record.get("decision_ground"))
    for name in _OF_GROUND.get(ground, ()):
        if not record.get(name):
            yield f"{name} is needed with {ground}"
    for other, names in _OF_GROUND.items():
        for name in names if other != ground else ():
            if record.get(name):
                yield f"{name} may not stand with {ground}"


def _values(record: Mapping[str, Any]) -> Iterator[str]:
    for name in _LISTS:
        if name in record and not isinstance(record[name], list):
            yield f"{name} is not a list"
    for name, allowed in ALLOWED.items():
        given = record.get(name, [])
        for value in given if isinstance(given, list) else [given]:
            if value not in allowed:
                yield f"{name} may not be {value!r}"
    puid = record.get("puid")
    if puid and not _PUID.fullmatch(str(puid)):
        yield "puid may hold letters, digits, - and _ only"


def _too_long(record: Mapping[str, Any]) -> Iterator[str]:
    for name, most in _LONGEST.items():
        if len(str(record.get(name, ""))) > most:
            yield f"{name} is longer than {most} characters"


def _dates(record: Mapping[str, Any]) -> Iterator[str]:
    for name in (*_DATES, *_END_DATES):
        if name in record and not _is_date(record[name]):
            yield f"{name} is not a date such as 2027-01-31"


def _that_go_together(record: Mapping[str, Any]) -> Iterator[str]:
    for name, value, other in _WITH_OTHER:
        given = record.get(name)
        if isinstance(given, list) and value in given and not record.get(other):
            yield f"{other} is needed with {value}"
    for end, decision in _END_OF.items():
        if record.get(end) and not record.get(decision):
            yield f"{end} is the end of nothing without {decision}"
    if record.get("source_type") == "SOURCE_VOLUNTARY" and record.get("source_identity"):
        yield "source_identity may not stand with SOURCE_VOLUNTARY"


def _is_date(given: object) -> bool:
    try:
        return isinstance(given, str) and len(given) == 10 and bool(dt.date.fromisoformat(given))
    except ValueError:
        return False
