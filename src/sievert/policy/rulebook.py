"""What the lists and rules of all policies say of a batch: compiled once, found for the whole batch.

Words of all rules are looked for together, patterns of all rules together, and both only in batches for
which a rule asks; an expression is evaluated only where everything else that its rule states holds.
What is found depends on a post alone, not on its neighbours.

Legend: n posts, F behaviour features.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sievert.errors import ConfigurationError
from sievert.features.content.fold import FoldTables
from sievert.features.content.phrases import PhraseTable
from sievert.policy.domains import clean_domain, domains_in
from sievert.policy.expressions import Expression
from sievert.policy.numbers import Numbers
from sievert.policy.patterns import PatternSet
from sievert.policy.reasons import ALLOW_LIST, DENY_DEMOTES, DENY_LIST, RULE, RULE_DEMOTES
from sievert.schema.batch import WHERE, Floats, PostBatch, ScoredBatch, TextColumn
from sievert.schema.decision import Reason
from sievert.schema.policy import Mode, PolicySet, StatedList, StatedRule

CREATORS = "creators"
DOMAINS = "domains"

_PICTURE = WHERE[1]


class Holds(NamedTuple):
    """A rule or a list of a policy that holds for a post."""

    policy: str
    kind: str  # RULE, DENY_LIST or ALLOW_LIST
    name: str  # the rule's, or which list: creators or domains
    then: tuple[str, ...] = ()
    where: str | None = None  # where the words stand, if not in the text alone


_Text = tuple[int, str | None, bytes]
"""A row, where in the post a text stands, and the text."""

Stated = Mapping[int, tuple[Holds, ...]]
"""What holds, by row; rows for which nothing does are missing."""

NOTHING_STATED: Stated = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """What holds for a batch, and how often each rule of a policy failed."""

    stated: Stated = dataclasses.field(default_factory=dict)
    failures: Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    policy: str
    stated: StatedRule
    expression: Expression | None

    @property
    def reads_text(self) -> bool:
        return bool(self.stated.words or self.stated.patterns)


class RuleBook:
    """The lists and rules of a set of policies, ready to be asked; any thread may."""

    def __init__(self, policies: PolicySet, fold: FoldTables) -> None:
        """Compile what the policies state; `fold` are the bundle's tables, by which words are read.

        Raises:
            ConfigurationError: a word of a rule cannot be read.
            MissingExtra: a rule has an expression, and what evaluates those is not installed.
        """
        self.digest = policies.digest
        active = [policy for policy in policies.policies if policy.mode is not Mode.OFF]
        self.rules = [
            _Rule(policy.name, rule, Expression(rule.expression) if rule.expression else None)
            for policy in active
            for rule in policy.rules
        ]
        lists = [(policy.name, ALLOW_LIST, policy.allow) for policy in active]
        lists += [(policy.name, DENY_LIST, policy.deny) for policy in active]
        self._creators = _by_creator(lists)
        self._domains = _by_domain(lists)
        self._deepest = max((domain.count(".") + 1 for domain in self._domains), default=0)
        self._listing = {(kind, policy) for policy, kind, stated in lists if stated.domains}
        self._worded, self._phrases = _phrases(self.rules, fold)
        self._patterned = [
            (number, one) for number, rule in enumerate(self.rules) for one in rule.stated.patterns
        ]
        self._patterns = PatternSet([one for _, one in self._patterned]) if self._patterned else None
        self.asks_views = any(
            rule.expression is not None and "forecast" in rule.expression.needs for rule in self.rules
        )
        self.empty = not (self.rules or self._creators or self._domains)

    def find(
        self,
        posts: PostBatch,
        scored: ScoredBatch,
        *,
        forecast: Floats | None = None,
        behaviour: Floats | None = None,
        passed: Collection[tuple[int, int]] = (),
        unread: Collection[int] = (),
    ) -> Findings:
        """Return what holds for n posts.

        `forecast` [n] and `behaviour` [n, F] are None where nothing is known; `passed` are pictures (row,
        number) whose words are not read; the texts of rows in `unread` were not kept.
        """
        if self.empty or not len(posts):
            return Findings()
        found: defaultdict[int, list[Holds]] = defaultdict(list)
        failures: Counter[tuple[str, str]] = Counter()
        said = _said(posts, passed) if self._domains or self._patterns or self._phrases else []
        self._find_creators(posts, found)
        self._find_domains(said, unread, found)
        numbers = Numbers(posts, scored, forecast, behaviour, unread)
        texts = self._text_rules(said)
        for number, rule in enumerate(self.rules):
            places = texts[number] if rule.reads_text else None
            rows = _candidates(rule, places, scored)
            for row in rows if rule.expression is None else _holding(rule, rows, numbers, failures):
                where = None if places is None else places[row]
                found[row].append(Holds(rule.policy, RULE, rule.stated.name, rule.stated.actions, where))
        return Findings(
            stated={row: tuple(some) for row, some in sorted(found.items()) if some}, failures=failures
        )

    def _find_creators(self, posts: PostBatch, found: defaultdict[int, list[Holds]]) -> None:
        """Add the lists that name a post's creator."""
        for row, post in enumerate(posts.posts if self._creators else ()):
            named = self._creators.get((post.platform, post.creator_id or ""))
            if named is not None:
                found[row] += named

    def _find_domains(
        self, said: Sequence[_Text], unread: Collection[int], found: defaultdict[int, list[Holds]]
    ) -> None:
        """Add the lists that name a domain of a post.

        One domain is enough to deny, and all that a post names must be allowed, since anybody can name one
        more. A post whose text was not kept may have named what is allowed: nothing is done to it.
        """
        if not self._domains:
            return
        allowed: dict[int, set[str]] = {}
        for number, above in domains_in([text for _, _, text in said], deepest=self._deepest):
            row, where, _ = said[number]
            held = [one for domain in above for one in self._domains.get(domain, ())]
            mine = {one.policy for one in held if one.kind == ALLOW_LIST}
            allowed[row] = allowed[row] & mine if row in allowed else mine
            for one in held:
                if one.kind == DENY_LIST and not any(one[:3] == other[:3] for other in found[row]):
                    found[row].append(one._replace(where=where))
        for row in unread:
            allowed[row] = {policy for kind, policy in self._listing if kind == ALLOW_LIST}
        for row, policies in allowed.items():
            held_back = {one.policy for one in found[row] if one.kind == ALLOW_LIST}
            found[row] += [Holds(policy, ALLOW_LIST, DOMAINS) for policy in sorted(policies - held_back)]

    def recalled(self, reasons: Iterable[Reason]) -> tuple[Holds, ...]:
        """Return what held when reasons were given, of what cannot be found without a post's text."""
        held: dict[tuple[str, str, str], Holds] = {}
        for reason in reasons:
            kind, _, name = reason.rule.partition(":")
            listed = name == DOMAINS and (DENY_LIST, reason.policy) in self._listing
            if kind in (DENY_LIST, DENY_DEMOTES) and listed:
                held[reason.policy, DENY_LIST, name] = Holds(
                    reason.policy, DENY_LIST, name, where=reason.where
                )
            if kind in (RULE, RULE_DEMOTES):
                for rule in self.rules:
                    if rule.reads_text and (rule.policy, rule.stated.name) == (reason.policy, name):
                        held[reason.policy, RULE, name] = Holds(
                            reason.policy, RULE, name, rule.stated.actions, reason.where
                        )
        return tuple(held.values())

    def _text_rules(self, said: Sequence[_Text]) -> dict[int, dict[int, str | None]]:
        """Return by rule the rows in which what it reads stands, and where."""
        words: defaultdict[int, dict[int, str | None]] = defaultdict(dict)
        patterns: defaultdict[int, dict[int, str | None]] = defaultdict(dict)
        if self._phrases is not None:
            hits, phrases = self._phrases.find(TextColumn.of_bytes([text for _, _, text in said]))
            for hit, phrase in zip(hits.tolist(), phrases.tolist(), strict=True):
                row, where, _ = said[hit]
                for one in self._phrases.alike[phrase]:
                    words[self._worded[one]].setdefault(row, where)
        if self._patterns is not None:
            for row, where, text in said:
                for pattern in self._patterns.find(text):
                    patterns[self._patterned[pattern][0]].setdefault(row, where)
        found: dict[int, dict[int, str | None]] = {}
        for number, rule in enumerate(self.rules):
            if rule.stated.words and rule.stated.patterns:
                both, other = words[number], patterns[number]
                found[number] = {row: where or other[row] for row, where in both.items() if row in other}
            else:
                found[number] = words[number] if rule.stated.words else patterns[number]
        return found


def _candidates(rule: _Rule, places: Mapping[int, str | None] | None, scored: ScoredBatch) -> list[int]:
    """Return the rows, rising, for which everything but a rule's expression holds."""
    rows: npt.NDArray[np.intp] = (
        np.arange(len(scored)) if places is None else np.array(sorted(places), np.intp)
    )
    if rule.stated.at_least > 0:
        if not scored.has(rule.policy):
            return []
        rows = rows[scored.of(rule.policy)[rows] >= rule.stated.at_least]
    return rows.tolist()  # type: ignore[no-any-return]


def _holding(
    rule: _Rule, rows: Sequence[int], numbers: Numbers, failures: Counter[tuple[str, str]]
) -> Iterator[int]:
    """Yield the rows for which a rule's expression holds; where it fails it does not, and that is counted."""
    if rule.expression is None:
        return
    for row in rows:
        try:
            if rule.expression.holds(numbers.of(row, rule.expression.needs)):
                yield row
        except ValueError:
            failures[rule.policy, rule.stated.name] += 1


def _said(posts: PostBatch, passed: Collection[tuple[int, int]]) -> list[_Text]:
    """Return every text of a batch with its row and where it stands: posts' own, then words in pictures."""
    data, offsets = posts.text.data.tobytes(), posts.text.offsets.tolist()
    said: list[_Text] = [(row, None, data[offsets[row] : offsets[row + 1]]) for row in range(len(posts))]
    said += [
        (row, _PICTURE, seen.facts.words.encode(errors="replace"))
        for row, shown in sorted(posts.pictures.items())
        for place, seen in enumerate(shown)
        if seen.facts.words and (row, place) not in passed
    ]
    return said


def _by_creator(lists: Iterable[tuple[str, str, StatedList]]) -> dict[tuple[str, str], tuple[Holds, ...]]:
    found: dict[tuple[str, str], tuple[Holds, ...]] = {}
    for policy, kind, stated in lists:
        for platform, ids in stated.creators.items():
            for one in ids:
                held = Holds(policy, kind, CREATORS)
                found[platform, one] = (*found.get((platform, one), ()), held)
    return found


def _by_domain(lists: Iterable[tuple[str, str, StatedList]]) -> dict[str, tuple[Holds, ...]]:
    found: dict[str, tuple[Holds, ...]] = {}
    for policy, kind, stated in lists:
        for domain in filter(None, map(clean_domain, stated.domains)):
            found[domain] = (*found.get(domain, ()), Holds(policy, kind, DOMAINS))
    return found


def _phrases(rules: Sequence[_Rule], fold: FoldTables) -> tuple[list[int], PhraseTable | None]:
    """Return which rule each phrase stands in, and the table of all phrases."""
    worded = [(number, word) for number, rule in enumerate(rules) for word in rule.stated.words]
    if not worded:
        return [], None
    try:
        table = PhraseTable.of([word for _, word in worded], fold)
    except ValueError as error:
        raise ConfigurationError(
            "Rules of policies", [f"{error.args[0]!r} cannot be read as words"]
        ) from error
    return [number for number, _ in worded], table
