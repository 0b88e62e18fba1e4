"""What is wrong with the lists and rules of a policy, all of it at once."""

import unicodedata
from collections.abc import Collection, Iterator, Sequence

from sievert.errors import MissingExtra
from sievert.features.content.phrases import LONGEST_PHRASE
from sievert.policy.domains import clean_domain
from sievert.policy.expressions import policies_named, wrong_with
from sievert.policy.fields import meant
from sievert.policy.patterns import LARGEST_PROGRAM, LARGEST_SET, LONGEST_PATTERN, program_size
from sievert.policy.reasons import DEMOTE, REMOVE, REVIEW
from sievert.schema.policy import Policy, StatedList, StatedRule
from sievert.schema.post import MAX_ID_BYTES
from sievert.schema.taxonomy import CATEGORIES, HARM

MOST_RULES = 100
"""Rules of one policy at most."""

MOST_WORDS = 2_000
"""Words and phrases of one rule at most."""

LONGEST_WORDS = 100
"""Characters of the longest word or phrase."""

_SYMBOLS_FROM = 0x2190


def stated_problems(policy: Policy) -> list[str]:
    """Return what is wrong with the lists and rules of a policy, beyond the types of their fields."""
    problems = [
        f"{which}.{problem}"
        for which, stated in (("allow", policy.allow), ("deny", policy.deny))
        for problem in _list_problems(stated)
    ]
    problems += [f"deny.{problem}" for problem in _both(policy.allow, policy.deny)]
    if len(policy.rules) > MOST_RULES:
        problems.append(f"there are {len(policy.rules):,} rules; {MOST_RULES} may be")
    names = [rule.name for rule in policy.rules]
    problems += [
        f"rule {name!r} is stated twice: give each its own name, as reasons tell it"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    for rule in policy.rules:
        wrong = [*_consequences(rule, policy), *_words(rule), *_patterns(rule), *_expression(rule)]
        problems += [f"rule {rule.name!r}: {problem}" for problem in wrong]
    return problems


def set_problems(policies: Sequence[Policy]) -> list[str]:
    """Return what is wrong with the rules of policies together, each of which is right by itself."""
    names = [policy.name for policy in policies]
    problems = [
        f"{policy.name}.yaml: {problem}"
        for policy in policies
        for problem in _unknown_policies(policy, names)
    ]
    size = sum(program_size(one) for policy in policies for rule in policy.rules for one in rule.patterns)
    if size > LARGEST_SET:
        problems.append(
            f"all patterns together become {size:,} instructions; {LARGEST_SET:,} may be: "
            "state fewer patterns, or shorter repeats"
        )
    return problems


def _unknown_policies(policy: Policy, names: Collection[str]) -> list[str]:
    """Return the probabilities that expressions name and that no policy of the set, or of the taxonomy, has."""
    known = {*names, HARM, *(category.name for category in CATEGORIES)}
    return [
        f"rule {rule.name!r}: {place}: there is no policy {name!r}{meant(name, known)}"
        for rule in policy.rules
        for name, place in policies_named(rule.expression)
        if name not in known
    ]


def _list_problems(stated: StatedList) -> Iterator[str]:
    for domain in stated.domains:
        if clean_domain(domain) is None:
            yield f"domains: {domain!r} is no domain: write it as example.org, without https:// and path"
    for platform, ids in stated.creators.items():
        for one in ids:
            if not 1 <= len(one.encode(errors="replace")) <= MAX_ID_BYTES:
                yield f"creators: an id of platform {platform!r} has not 1 to {MAX_ID_BYTES} bytes"


def _both(allow: StatedList, deny: StatedList) -> Iterator[str]:
    """Yield what stands in both lists."""
    for domain in sorted(
        {*map(clean_domain, deny.domains)} & {*map(clean_domain, allow.domains)} - {None}, key=str
    ):
        yield f"domains: {domain!r} is allowed as well"
    for platform, ids in deny.creators.items():
        for one in sorted({*ids} & {*allow.creators.get(platform, ())}):
            yield f"creators: {one!r} of platform {platform!r} is allowed as well"


def _consequences(rule: StatedRule, policy: Policy) -> Iterator[str]:
    if not rule.actions:
        yield "then is empty: state demote, review, or both"
    for action in rule.actions:
        if action == REMOVE:
            yield "then: remove is refused, as only a certified model may remove: state demote and review"
        elif action not in (DEMOTE, REVIEW):
            yield f"then: there is no action {action!r}; it takes demote and review{meant(action, (DEMOTE, REVIEW))}"
        elif action not in policy.live_actions and action not in policy.shadow_actions:
            yield f"then: {action} stands neither in live_actions nor in shadow_actions, so nothing would follow"
    if not (rule.words or rule.patterns or rule.expression or rule.at_least > 0):
        yield "it states no condition: give it words, patterns, an expression or at_least"


def _words(rule: StatedRule) -> Iterator[str]:
    if len(rule.words) > MOST_WORDS:
        yield f"words: there are {len(rule.words):,}; {MOST_WORDS:,} may be"
    for word in rule.words:
        if len(word) > LONGEST_WORDS:
            yield f"words: {word[:20]!r}... has more than {LONGEST_WORDS} characters"
        elif len(word.split()) > LONGEST_PHRASE:
            yield f"words: {word[:20]!r}... has more than {LONGEST_PHRASE} words"
        elif not any(map(_is_readable, word)) or word.startswith(("@", "http://", "https://", "www.")):
            yield f"words: {word!r} is no word: links and mentions go into patterns or lists"


def _is_readable(character: str) -> bool:
    kind = unicodedata.category(character)[0]
    return kind in "LN" or (kind == "S" and ord(character) >= _SYMBOLS_FROM)


def _patterns(rule: StatedRule) -> Iterator[str]:
    for pattern in rule.patterns:
        shown = repr(pattern if len(pattern) <= 40 else f"{pattern[:40]}...")
        if len(pattern) > LONGEST_PATTERN:
            yield f"patterns: {shown} has more than {LONGEST_PATTERN} characters"
            continue
        try:
            size = program_size(pattern)
        except ValueError as error:
            yield f"patterns: {shown} is no pattern of RE2: {error}"
            continue
        if size > LARGEST_PROGRAM:
            yield f"patterns: {shown} becomes {size:,} instructions; {LARGEST_PROGRAM} may be: state shorter repeats"


def _expression(rule: StatedRule) -> list[str]:
    if not rule.expression:
        return []
    try:
        return [f"expression: {problem}" for problem in wrong_with(rule.expression)]
    except MissingExtra as error:
        return [f"expression: {error}"]
