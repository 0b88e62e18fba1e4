"""Why a rule applied or was held back: the codes that stand in reasons, and what they say in words."""

import msgspec

from sievert.schema.decision import COPIED, DELAYED, DEMOTIONS_FLOODED, FLOODED, STOPPED, TAKEN_BACK, Reason

REMOVE = "remove"
DEMOTE = "demote"
REVIEW = "review"
NO_CERTIFICATE = "no-certificate"
LANGUAGE = "unsupported-language"
NO_ROOM = "review-budget-spent"
SHADOW = "shadow"
NOT_PERMITTED = "not-permitted"
LARGE = "many-views"
QUOTA = "removal-quota-spent"
NO_PROBABILITY = "no-probability"
BANK = "bank"
BANK_ALLOWED = "bank-allowed"
BANK_FLOOD = "bank-flood"
ISOLATED = "isolated"
RULE = "rule"
RULE_DEMOTES = "rule-demotes"
DENY_LIST = "deny-list"
DENY_DEMOTES = "deny-list-demotes"
ALLOW_LIST = "allow-list"

RULES = {
    REMOVE: "{policy}: removed, as its certificate permits",
    DEMOTE: "{policy}: likely enough to be shown to fewer people",
    REVIEW: "{policy}: a person should look at it",
    NO_CERTIFICATE: "{policy}: not removed, as no certificate permits it",
    LANGUAGE: "{policy}: not acted on, as the model does not read this language",
    NO_ROOM: "{policy}: this hour's reviews are spent",
    SHADOW: "{policy}: not removed, as the policy is in shadow",
    NOT_PERMITTED: "{policy}: its present mode does not permit what this probability calls for",
    LARGE: "{policy}: not removed, as it may be seen by so many that a person decides",
    QUOTA: "{policy}: not removed, as this day's removals are spent",
    NO_PROBABILITY: "{policy}: a person should look at it, as the model gave no probability",
    BANK: "{policy}: like something that a bank of hashes holds",
    BANK_ALLOWED: "{policy}: like something that a bank holds, and that another one allows",
    BANK_FLOOD: "{policy}: like something that a bank holds, but so are many posts at once: nothing follows",
    ISOLATED: "{policy}: isolated; nothing of it is kept, and a designated person is told",
    RULE: "{policy}: a person should look at it, by the rule {name}",
    RULE_DEMOTES: "{policy}: shown to fewer people, by the rule {name}",
    DENY_LIST: "{policy}: a person should look at it, as a list of {name} names it",
    DENY_DEMOTES: "{policy}: shown to fewer people, as a list of {name} names it",
    STOPPED: "{policy}: not acted on, as its switch is off; a person should look at it",
    FLOODED: "{policy}: not removed, as it suddenly removes far more than it used to; a person should look at it",
    DEMOTIONS_FLOODED: "{policy}: not demoted, as it suddenly demotes far more than it used to; a person should look at it",
    COPIED: "{policy}: not removed, as many copies of it were removed and nobody has looked at one; a person should",
    TAKEN_BACK: "{policy}: not acted on, as a person took back what was done about it before",
    DELAYED: "{policy}: removed a little later, so that its first views can be measured",
    ALLOW_LIST: "{policy}: neither demoted nor removed, as a list of {name} allows it",
}
"""What rules say in words. Those of a policy's own rules and lists are told with a name: `rule:NAME`."""

NAMED = (RULE, RULE_DEMOTES, DENY_LIST, DENY_DEMOTES, ALLOW_LIST)
"""Rules that are told with the name of what a policy states."""


def kind_of(reason: Reason) -> tuple[str, str]:
    """Return a reason's rule without the name of what a policy states, and that name."""
    kind, _, name = reason.rule.partition(":")
    return kind, name


_WHERE = {"picture": "a picture", "text and picture": "text and picture together"}


def reason_text(reason: Reason) -> str:
    """Say a reason in words: the rule, and where what it looked at was found."""
    kind, name = kind_of(reason)
    said = RULES[kind].format(policy=reason.policy, name=name)
    if reason.match is not None:
        said += f" ({reason.match.bank}, {reason.match.distance} away)"
    return f"{said}, by what stands in {_WHERE[reason.where]}" if reason.where else said


def in_words(reason: Reason) -> Reason:
    """Return a reason with its sentence; a rule that only another release knows keeps its code alone.

    What isolated a post is not told.
    """
    if reason.rule == ISOLATED:
        reason = msgspec.structs.replace(reason, match=None)
    return (
        msgspec.structs.replace(reason, sentence=reason_text(reason))
        if kind_of(reason)[0] in RULES
        else reason
    )
