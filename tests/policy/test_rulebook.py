"""What lists and rules hold for: each condition by itself, all of them together, post by post."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.features.behaviour.rows import FEATURES
from sievert.features.content.fold import build_fold_tables
from sievert.policy.loading import policy_set
from sievert.policy.patterns import PatternSet
from sievert.policy.reasons import ALLOW_LIST, DENY_LIST, RULE
from sievert.policy.rulebook import Holds, RuleBook
from sievert.schema.batch import ScoredBatch
from sievert.schema.decision import Cause, Language, Reason, Stage
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.policy import Mode, Policy, StatedList, StatedRule
from sievert.schema.post import Post
from sievert.testing import batch_of

FOLD = build_fold_tables()


def policy(name="hate", **fields):
    return Policy(name=name, version=1, category=name, title=name, **fields)


def rule(name="r", then="review", **fields):
    return StatedRule(name=name, then=then, **fields)


def scores(p):
    p = np.asarray(p, np.float32)
    return ScoredBatch(
        bundle="b@1",
        heads=("hate",),
        harm=p,
        policies=p[:, None],
        language=np.full(len(p), Language.ENGLISH, np.int8),
        stage=np.full(len(p), Stage.LIGHT, np.int8),
    )


def book(*policies):
    return RuleBook(policy_set(list(policies)), FOLD)


def rows(stated_rule, *posts, p=None, **known):
    batch = known.pop("batch", None) or batch_of(posts)
    found = book(policy(rules=(stated_rule,))).find(batch, scores(p or [0.5] * len(batch)), **known)
    return list(found.stated)


def post(text="", **fields):
    return Post(id="p", text=text, **fields)


def test_a_word_a_pattern_or_a_number_is_enough_where_nothing_else_is_stated():
    posts = [post("a b4dword"), post("call 555-1234"), post("nothing")]
    assert rows(rule(words=("other", "badword")), *posts) == [0]
    assert rows(rule(patterns=(r"\d{3}-\d{4}", "zzz")), *posts) == [1]
    assert rows(rule(expression="harm > 0.6"), *posts, p=[0.5, 0.6, 0.7]) == [2]
    assert rows(rule(at_least=0.6), *posts, p=[0.5, 0.6, 0.7]) == [1, 2]


def test_all_that_a_rule_states_must_hold():
    posts = [
        post("badword 555"),
        post("badword"),
        post("555"),
        post("badword 555"),
        post("badword 555", surface="x"),
    ]
    stated = rule(words=("badword",), patterns=(r"\d+",), at_least=0.4, expression="surface == ''")
    assert rows(stated, *posts, p=[0.5, 0.5, 0.5, 0.3, 0.5]) == [0]


def test_patterns_are_found_in_any_case_unless_they_mind_it():
    assert rows(rule(patterns=("abc",)), post("xABCx")) == [0]
    assert rows(rule(patterns=("(?-i)abc",)), post("xABCx")) == []
    assert rows(rule(patterns=("^line$",)), post("a\nline\nb")) == []
    assert rows(rule(patterns=("(?m)^line$",)), post("a\nline\nb")) == [0]


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("p.hate > 0.4 && p.harm > 0.4 && harm > 0.4", True),
        ("p.hate >= 0.7", False),
        ("has(p.spam)", False),
        ("p.spam > 0.1", False),
        ("has(forecast.views)", False),
        ("has(behaviour.post_views)", False),
        ("content.characters == 31 && content.links == 1", True),
        ("pictures == 0 && creator_known && language == 'english'", True),
        ("surface == 'feed' && platform == 'default' && trigger == 'created'", True),
        ("1 / pictures > 0", False),
        ("harm > 0.4 || behaviour.post_views > 1.0", True),
    ],
)
def test_an_expression_speaks_of_what_is_known(expression, holds):
    one = post("schön, see https://example.org!", creator_id="u", surface="feed")
    assert rows(rule(expression=expression), one) == ([0] if holds else [])


def test_a_probability_reads_as_it_is_shown():
    assert rows(rule(expression="p.hate >= 0.7"), post(), p=[0.7]) == [0]
    assert rows(rule(at_least=0.7), post(), p=[0.7]) == [0]


def test_numbers_that_are_known_are_there():
    behaviour = np.zeros((2, len(FEATURES)), np.float32)
    behaviour[1, FEATURES.index("creator_posts_today")] = 3.0
    stated = rule(expression="behaviour.creator_posts_today > 2.0")
    assert rows(stated, post(), post(), behaviour=behaviour) == [1]
    views = np.array([np.nan, 500.0], np.float32)
    assert rows(rule(expression="forecast.views > 100.0"), post(), post(), forecast=views) == [1]
    again = dataclasses.replace(batch_of([post("x")]), causes=[Cause("reports", 1)])
    assert rows(rule(expression="trigger == 'reports'"), batch=again) == [0]


def test_a_text_that_was_not_kept_has_no_length():
    stated = rule(expression="content.characters < 5")
    assert rows(stated, post(), post(), unread=[1]) == [0]
    assert rows(rule(expression="!has(content.links)"), post(), post(), unread=[1]) == [1]


def test_an_expression_that_fails_does_not_hold_is_counted_and_stops_nobody():
    failing, other = rule("bad", expression="1 / pictures == 1"), rule("good", words=("badword",))
    one = policy(rules=(failing, other))
    found = book(one).find(batch_of([post("badword"), post("x")]), scores([0.5, np.nan]))
    assert found.stated == {0: (Holds("hate", RULE, "good", ("review",)),)}
    assert found.failures == {("hate", "bad"): 2}
    unknown = book(policy(rules=(rule("r", expression="p.hate > 0.1"),)))
    assert unknown.find(batch_of([post()]), scores([np.nan])).failures == {("hate", "r"): 1}


def test_lists_name_creators_of_one_platform_and_domains_with_all_below():
    allow = StatedList(creators={"blue": ("u1",)}, domains=("example.org",))
    deny = StatedList(creators={"default": ("u2",)}, domains=("Пример.рф",))
    posts = [
        post(platform="blue", creator_id="u1"),
        post(creator_id="u1"),
        post("a.example.org", creator_id="u2"),
        post("https://ПРИМЕР.рф/x пример.рф"),
        post(),
    ]
    found = book(policy(allow=allow, deny=deny)).find(batch_of(posts), scores([0.5] * 5)).stated
    assert {row: [(one.kind, one.name) for one in some] for row, some in found.items()} == {
        0: [(ALLOW_LIST, "creators")],
        2: [(DENY_LIST, "creators"), (ALLOW_LIST, "domains")],
        3: [(DENY_LIST, "domains")],
    }


def pictured(words):
    facts = PictureFacts(version=1, sha256="0" * 64, format="png", bytes=1, width=1, height=1, words=words)
    return dataclasses.replace(
        batch_of([post("x"), post("badword x")]),
        pictures={0: (SeenPicture(media=Media(sha256="0" * 64), facts=facts),)},
    )


@pytest.mark.parametrize("words", ["badword", "example.org"])
def test_words_in_pictures_count_unless_the_picture_is_allowed(words):
    one = policy(
        rules=(rule(words=("badword",)), rule("pattern", patterns=("bad.o", r"example\."))),
        deny=StatedList(domains=("example.org",)),
    )
    found = book(one).find(pictured(words), scores([0.5, 0.5])).stated
    assert {held.where for held in found[0]} == {"picture"}
    assert {held.where for held in found[1]} == {None}
    assert list(book(one).find(pictured(words), scores([0.5, 0.5]), passed={(0, 0)}).stated) == [1]


def test_a_policy_that_is_off_states_nothing_and_one_without_a_head_speaks():
    stated = (rule(words=("badword",)),)
    assert book(policy(rules=stated, mode=Mode.OFF)).empty
    other = policy("gore", rules=(*stated, rule("sure", words=("badword",), at_least=0.1)))
    found = book(other).find(batch_of([post("badword")]), scores([0.9])).stated
    assert found == {0: (Holds("gore", RULE, "r", ("review",)),)}


def test_what_was_found_in_a_text_is_recalled_and_what_can_be_found_again_is_not():
    one = policy(
        rules=(rule("w", ("demote", "review"), words=("x",)), rule("e", expression="harm > 0.1")),
        deny=StatedList(domains=("example.org",)),
    )
    reasons = [
        Reason(policy="hate", rule=code)
        for code in (
            "rule:w",
            "rule-demotes:w",
            "rule:e",
            "rule:gone",
            "deny-list:domains",
            "review",
            "deny-list:creators",
        )
    ]
    recalled = book(one).recalled([*reasons, Reason(policy="other", rule="rule:w")])
    assert recalled == (
        Holds("hate", RULE, "w", ("demote", "review")),
        Holds("hate", DENY_LIST, "domains"),
    )


PATTERNS = [r"(a+)+$", r"(?:a|b)*a(?:a|b){200}c", r"(x+x+)+y", r".*a.{100}b", r"\bbad\w*", "ab{2,3}a"]


@settings(max_examples=30, deadline=None)
@given(st.text("abxyz c\n", max_size=400), st.integers(1, 50))
def test_a_set_finds_what_each_pattern_finds_alone_however_it_explodes(text, times):
    text = (text * times).encode()
    alone = [number for number, pattern in enumerate(PATTERNS) if PatternSet([pattern]).find(text)]
    assert sorted(PatternSet(PATTERNS).find(text)) == alone


def test_no_text_makes_a_pattern_hang():
    text = b"a" * 60_000 + b"!"
    assert list(PatternSet([r"(a+)+$", r"(a|aa)+$", r"(.*a){12}$"]).find(text)) == []


texts = st.lists(
    st.sampled_from(
        ["badword", "b4dword 555", "see example.org", "", "schön", "x 🐸", "nothing at all", "he'll"]
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(texts, st.randoms(use_true_random=False), st.data())
def test_neither_order_nor_size_of_a_batch_makes_a_difference_and_nothing_is_changed(some, random, data):
    one = policy(
        rules=(
            rule("w", words=("badword", "hell")),
            rule("p", patterns=(r"\d+", "🐸"), at_least=0.5),
            rule("e", "demote", expression="content.characters > 5 && p.hate < 0.9"),
        ),
        deny=StatedList(domains=("example.org",)),
    )
    ready = book(one)
    p = data.draw(st.lists(st.floats(0, 1, width=32), min_size=len(some), max_size=len(some)))
    posts = [Post(id=f"p{i}", text=text) for i, text in enumerate(some)]

    def ask(order):
        found = ready.find(batch_of([posts[i] for i in order]), scores([p[i] for i in order]))
        return {posts[order[row]].id: held for row, held in found.stated.items()}

    order = list(range(len(posts)))
    together = ask(order)
    assert together == ask(order)
    alone = {}
    for i in order:
        alone |= ask([i])
    random.shuffle(order)
    assert together == alone == ask(order)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("see example.org", True),
        ("see www.example.org and example.org/x", True),
        ("no domain at all", False),
        ("https://evil.net/?q=example.org", False),
        ("https://evil.net/example.org", False),
        ("evil.net#example.org", False),
        ("me@example.org evil.net", False),
        ("http://example.org@evil.net/", False),
    ],
)
def test_naming_an_allowed_domain_beside_another_allows_nothing(text, allowed):
    one = policy(allow=StatedList(domains=("example.org",)))
    found = book(one).find(batch_of([post(text)]), scores([0.9])).stated
    assert found == ({0: (Holds("hate", ALLOW_LIST, "domains"),)} if allowed else {})


def test_one_policys_list_takes_nothing_from_anothers():
    deny = policy(deny=StatedList(domains=("a.org",)))
    for other in (
        policy("spam", allow=StatedList(domains=("b.a.org",))),
        policy("spam", deny=StatedList(domains=("b.a.org",))),
    ):
        found = book(deny, other).find(batch_of([post("see b.a.org")]), scores([0.1])).stated
        assert Holds("hate", DENY_LIST, "domains") in found[0]
    both = policy(deny=StatedList(domains=("a.org",)), allow=StatedList(domains=("b.a.org",)))
    assert {one.kind for one in book(both).find(batch_of([post("b.a.org")]), scores([0.1])).stated[0]} == {
        ALLOW_LIST,
        DENY_LIST,
    }


def test_a_text_that_was_not_kept_may_have_named_what_is_allowed():
    one = policy(allow=StatedList(domains=("example.org",)))
    found = book(one, policy("spam")).find(batch_of([post(), post()]), scores([0.9, 0.9]), unread={1}).stated
    assert found == {1: (Holds("hate", ALLOW_LIST, "domains"),)}


def test_a_deny_list_that_is_gone_is_not_recalled():
    told = [Reason(policy="hate", rule=f"{DENY_LIST}:domains")]
    assert book(policy(deny=StatedList(domains=("a.org",)))).recalled(told)
    assert not book(policy(rules=(rule(words=("x",)),))).recalled(told)
