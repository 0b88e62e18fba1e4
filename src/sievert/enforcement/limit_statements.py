"""The statement of reasons for a limit of an account, in the order in which somebody who is upset asks.

Not covered: other languages than English, and what the platform itself did with the account.
"""

import msgspec

from sievert.enforcement.statements import HEARD_BY, moment_in_words
from sievert.schema.limit import AccountLimit, LimitCause
from sievert.schema.policy import AppealRoute, Policy
from sievert.schema.statement import LimitStatement

_FACTS = {
    LimitCause.REMOVALS: "{count} of your posts were removed under this rule.",
    LimitCause.NEW: "Your account is new. That is no reproach: every new account begins so.",
    LimitCause.CHANGED: (
        "Your latest posts, up to {post}, are very unlike your earlier ones in what they say or in how fast they came. "
        "That happens when somebody else uses an account: if it was not you, change your password."
    ),
}


def limit_statement_of(limit: AccountLimit, policy: Policy | None) -> LimitStatement:
    """Return what is said about a limit; `policy` is the one in force, None where there is none any more."""
    route = policy.appeal if policy is not None else AppealRoute.MODERATORS
    appeal = (
        "There is nothing to appeal against."
        if limit.lifted_at is not None
        else f"You can appeal; name the limit {limit.limit_id}. {HEARD_BY[route]}"
    )
    statement = LimitStatement(
        limit_id=limit.limit_id,
        platform=limit.platform,
        creator_id=limit.creator_id,
        policy=limit.policy,
        cause=limit.cause,
        imposed_at=limit.imposed_at,
        expires_at=limit.expires_at,
        lifted_at=limit.lifted_at,
        appeal=appeal,
        text="",
    )
    facts = _FACTS[LimitCause(limit.cause)].format(count=len(limit.because), post=limit.post_id)
    rule = (
        f"{policy.title} (the policy {policy.name}, version {policy.version})."
        if policy is not None
        else f"The rule on {limit.policy}, which is not in force any more."
    )
    parts = [
        ("What was done", _what(limit)),
        ("Which rule", rule),
        ("On what facts", facts),
        ("Who decided", "It was found and decided automatically. No person looked at it before."),
        ("What you can do", appeal),
    ]
    text = "\n\n".join(f"{title}\n{line}" for title, line in parts)
    return msgspec.structs.replace(statement, text=f"{text}\n")


def _what(limit: AccountLimit) -> str:
    done = []
    if limit.posts_per_hour is not None:
        posts = "post" if limit.posts_per_hour == 1 else "posts"
        done.append(f"Your account may publish {limit.posts_per_hour} {posts} an hour at most.")
    if limit.reach_delay_minutes is not None:
        done.append(f"Others are shown your posts {limit.reach_delay_minutes} minutes later.")
    since = f"This holds since {moment_in_words(limit.imposed_at)}"
    if limit.lifted_at is not None:
        return " ".join([*done, f"{since} and ended on {moment_in_words(limit.lifted_at)}."])
    return " ".join([*done, f"{since} and ends by itself on {moment_in_words(limit.expires_at)}."])
