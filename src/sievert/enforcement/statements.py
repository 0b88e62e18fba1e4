"""The statement of reasons that an author reads: what was done, by which rule, on what facts, and what to do now.

Plain words, in the order in which somebody who is upset asks. It says whether a person was involved, as the
EU's Digital Services Act (Article 17) asks; `dsa.py` says the same to the Transparency Database.

Not covered: other languages than English, and what the platform itself did with the post.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from sievert.errors import NotFound
from sievert.schema.action import OURSELVES, ActionKind, ActionState
from sievert.schema.clock import Micros
from sievert.schema.decision import ACCOUNT, BANK, BUNDLE, CREATED, DIAL, Decision
from sievert.schema.policy import AppealRoute, Policy
from sievert.schema.statement import Statement

REPORTS = "reports"

_DONE = {
    ActionKind.DEMOTE: "Fewer people are shown your post {post}",
    ActionKind.REMOVE: "Your post {post} is hidden from everybody",
    ActionKind.RESTORE: "Your post {post} is shown as before",
}
_WAS_DONE = {
    ActionKind.DEMOTE: "Fewer people were shown your post {post}",
    ActionKind.REMOVE: "Your post {post} was hidden from everybody",
    ActionKind.RESTORE: "Your post {post} was shown as before",
}
_CAME_UP = {
    CREATED: "It was looked at when it was published.",
    REPORTS: "It was looked at because readers reported it.",
    "views": "It was looked at again because many people saw it.",
    "comments": "It was looked at again because of the comments under it.",
    "hides": "It was looked at again because readers hid it.",
    "blocks": "It was looked at again because readers blocked its author.",
    "shares": "It was looked at again because many people passed it on.",
    "reactions": "It was looked at again because of readers' reactions.",
    "quarrels": "It was looked at again because of quarrels under it.",
    "edit": "It was looked at again because it was edited.",
    BANK: "It was looked at again because something like it became known.",
    DIAL: "It was looked at more closely, some time after it was published.",
    ACCOUNT: "It was looked at again because its author's account was limited.",
    BUNDLE: "It was looked at again because posts are judged by other models now.",
}
HEARD_BY = {
    AppealRoute.MODERATORS: "A moderator who did not decide before looks at it.",
    AppealRoute.OWNER: "Whoever is responsible for this rule looks at it.",
    AppealRoute.PLATFORM: "The platform itself looks at it; ask its support.",
}


def statement_of(
    state: ActionState,
    decision: Decision | None,
    policy: Policy | None,
    *,
    reasons: Sequence[str],
    content_kept: str,
) -> Statement:
    """Return what is said about an action.

    `reasons` are the rules that applied, in words; `content_kept` is kept or gone.

    Raises:
        NotFound: the post is isolated; nothing is said about that.
    """
    action = state.action
    if action.kind == ActionKind.ISOLATE:
        raise NotFound(
            f"There is no statement about {action.action_id}.",
            remedy="Ask about an action that lowers reach, removes or restores.",
            field="action_id",
        )
    automatic = action.by == OURSELVES
    found = decision is None or decision.trigger != REPORTS
    route = policy.appeal if policy is not None else AppealRoute.MODERATORS
    appeal = (
        "There is nothing to appeal against."
        if action.kind == ActionKind.RESTORE or state.undone_by is not None
        else f"You can appeal; name the action {action.action_id}. {HEARD_BY[route]}"
    )
    statement = Statement(
        action_id=action.action_id,
        platform=action.platform,
        post_id=action.post_id,
        revision=action.revision,
        kind=action.kind,
        policy=action.policy,
        performed_at=action.performed_at,
        expires_at=action.expires_at,
        by=action.by,
        found_automatically=found,
        decided_automatically=automatic,
        reasons=tuple(reasons),
        appeal=appeal,
        taken_back_by=state.undone_by,
        content=content_kept,
        text="",
    )
    return _with_text(statement, decision, policy)


def _with_text(statement: Statement, decision: Decision | None, policy: Policy | None) -> Statement:
    parts = [
        ("What was done", _what(statement)),
        ("Which rule", _rule(statement, policy)),
        ("On what facts", _facts(statement, decision)),
        ("Who decided", _who(statement)),
        ("What you can do", [statement.appeal]),
    ]
    text = "\n\n".join("\n".join([title, *lines]) for title, lines in parts if lines)
    return msgspec.structs.replace(statement, text=f"{text}\n")


def _what(statement: Statement) -> list[str]:
    done = _DONE if statement.taken_back_by is None else _WAS_DONE
    said = done[ActionKind(statement.kind)].format(post=statement.post_id)
    lines = [f"{said}, since {moment_in_words(statement.performed_at)}."]
    if statement.taken_back_by is not None:
        lines.append("This was taken back.")
    elif statement.expires_at is not None:
        lines.append(f"It ends by itself on {moment_in_words(statement.expires_at)}.")
    elif statement.kind == ActionKind.REMOVE:
        lines.append(
            "It is not deleted: it can be shown again if this was a mistake."
            if statement.content == "kept"
            else "Its text is not kept here any more; the platform may still have it."
        )
    return lines


def _rule(statement: Statement, policy: Policy | None) -> list[str]:
    if policy is None:
        return [f"The rule on {statement.policy}, which is not in force any more."]
    said = [policy.words.author] if policy.words.author and statement.kind != ActionKind.RESTORE else []
    law = [f"It rests on a law: {policy.illegal.law}. {policy.illegal.explanation}"] if policy.illegal else []
    return [f"{policy.title} (the policy {policy.name}, version {policy.version}).", *said, *law]


def _facts(statement: Statement, decision: Decision | None) -> list[str]:
    if decision is None:
        return ["The decision behind it is not kept here any more."]
    lines = []
    if decision.created_at is not None:
        lines.append(f"The post was published on {moment_in_words(decision.created_at)}.")
    lines.append(_CAME_UP.get(decision.trigger, f"It was looked at because of {decision.trigger}."))
    if (p := decision.policies.get(statement.policy)) is not None:
        lines.append(f"A model put the chance that it breaks this rule at {min(99, int(100 * p))} in 100.")
    if statement.reasons:
        lines += ["Of this policy these rules applied:", *(f"- {reason}" for reason in statement.reasons)]
    return lines


def _who(statement: Statement) -> list[str]:
    if not statement.decided_automatically:
        found = "found automatically" if statement.found_automatically else "reported by readers"
        return [f"A person decided. The post was {found}."]
    if statement.kind == ActionKind.RESTORE:
        return ["It ended by itself; no person was involved."]
    found = "It was found automatically" if statement.found_automatically else "Readers reported it"
    return [f"{found}. What to do was decided automatically. No person looked at it before."]


def moment_in_words(at: Micros) -> str:
    """Return a time as an author reads it."""
    moment = dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
