"""Rules on the whole path: asked of every post, silent in a flood, remembered when a post is decided anew."""

import dataclasses

import msgspec
import pytest

from sievert.errors import ConfigurationError
from sievert.pipeline.events import run_events
from sievert.pipeline.offline import judge
from sievert.pipeline.path import NoObserver, run
from sievert.pipeline.ruling import Ruling
from sievert.policy.loading import default_policies_path, load_policies, policy_set
from sievert.policy.rulebook import RuleBook
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.decision import Reason
from sievert.schema.policy import StatedList, StatedRule
from sievert.schema.post import Post
from sievert.scoring.utterances import score_posts
from sievert.testing import START, FixedClock, batch_of, memory_parts, records

SHIPPED = load_policies(default_policies_path())
DEMOTES = StatedRule(name="word", then=("demote", "review"), words=("badword",), flood_per_hour=3)


def policies(**fields):
    changed = msgspec.structs.replace(SHIPPED.named("spam"), **fields)
    return policy_set([changed if policy.name == "spam" else policy for policy in SHIPPED.policies])


class Heard:
    def __init__(self):
        self.floods, self.failures = [], []

    def flooded(self, policy, rule, posts):
        self.floods.append((policy, rule.name, posts))

    def failed(self, policy, rule, posts):
        self.failures.append((policy, rule, posts))


def parts_with(bundle, heard=None, clock=None, **fields):
    stated, clock = policies(**fields), clock or FixedClock()
    parts = memory_parts(bundle, clock=clock, policies=stated)
    ruling = Ruling(RuleBook(stated, bundle.fold), clock=clock, watch=heard)
    return dataclasses.replace(parts, ruling=ruling)


def told(answer):
    return {reason.rule for reason in answer.reasons}


def report(number, post="p"):
    return {
        "kind": "report",
        "id": f"e{number}",
        "at": START // SECOND * SECOND,
        "post_id": post,
        "actor_id": f"u{number}",
        "reason": "spam",
    }


def test_a_rule_and_a_list_decide_about_what_the_model_lets_pass(tiny_bundle):
    parts = parts_with(tiny_bundle, rules=(DEMOTES,), deny=StatedList(creators={"default": ("u9",)}))
    first, second, third = run(
        records(
            Post(id="a", text="a b4dword"), Post(id="b", text="x", creator_id="u9"), Post(id="c", text="x")
        ),
        parts,
    )
    assert (first.decision, told(first)) == ("review", {"rule:word", "rule-demotes:word"})
    assert (second.decision, told(second)) == ("review", {"deny-list:creators", "deny-list-demotes:creators"})
    assert (third.decision, told(third)) == ("allow", set())
    assert parts.journal.trail("default", "a")[-1].answer() == first


def test_an_allowed_creator_is_left_to_people(tiny_bundle):
    parts = parts_with(tiny_bundle, allow=StatedList(creators={"default": ("u1",)}))
    mine, others = run(
        records(Post(id="a", text="cruise", creator_id="u1"), Post(id="b", text="cruise")), parts
    )
    assert (mine.decision, others.decision) == ("review", "review")
    assert "allow-list:creators" in told(mine)
    assert "demote" in {one.rule for one in others.reasons if one.policy == "spam"}
    assert "demote" not in {one.rule for one in mine.reasons if one.policy == "spam"}


def test_a_rule_that_a_flood_meets_falls_silent_and_speaks_again(tiny_bundle):
    heard, clock = Heard(), FixedClock()
    parts = parts_with(tiny_bundle, heard, clock, rules=(DEMOTES,))
    answers = run(records(*[Post(id=f"p{i}", text="badword") for i in range(10)]), parts)
    assert [answer.decision for answer in answers] == ["review"] * 3 + ["allow"] * 7
    assert all(not answer.reasons for answer in answers[3:])
    assert heard.floods == [("spam", "word", 4)]
    clock.at += HOUR + 60 * SECOND
    (later,) = run(records(Post(id="later", text="badword")), parts)
    assert later.decision == "review"
    assert len(heard.floods) == 1


def test_rules_of_other_policies_are_refused(tiny_bundle):
    parts = memory_parts(tiny_bundle, policies=policies())
    with pytest.raises(ConfigurationError, match="the rules are those of set"):
        dataclasses.replace(parts, policies=policies(rules=(DEMOTES,)))


def test_a_failing_expression_is_heard_of_and_stops_nobody(tiny_bundle):
    heard = Heard()
    rule = StatedRule(name="fails", then="review", expression="behaviour.post_views > 1.0")
    parts = parts_with(tiny_bundle, heard, rules=(rule,))
    answers = run(records(Post(id="a", text="x"), Post(id="b", text="y")), parts)
    assert [answer.decision for answer in answers] == ["allow", "allow"]
    assert heard.failures == [("spam", "fails", 2)]


def test_behaviour_is_known_when_a_post_is_decided_anew(tiny_bundle):
    rule = StatedRule(
        name="reported",
        then="review",
        expression="has(behaviour.post_reports) && behaviour.post_reports > 0.5",
    )
    parts = parts_with(tiny_bundle, rules=(rule,), review_at=0.85)
    (first,) = run(records(Post(id="p", text="hello")), parts)
    assert first.decision == "allow"
    run_events(records(*[report(i) for i in range(3)]), parts)
    decisions = parts.journal.trail("default", "p")
    assert len(decisions) > 1
    assert "rule:reported" in {reason.rule for reason in decisions[-1].reasons}


class Seen(NoObserver):
    def __init__(self):
        self.decided = []

    def batch_decided(self, posts, scored, decided):
        self.decided.append(decided)


@pytest.mark.parametrize(
    "fields", [{"rules": (DEMOTES,)}, {"deny": StatedList(creators={"default": ("u",)})}]
)
def test_what_was_done_by_a_rule_or_a_list_is_not_done_again_and_counts_no_more(tiny_bundle, fields):
    heard, seen = Heard(), Seen()
    parts = dataclasses.replace(parts_with(tiny_bundle, heard, **fields), observer=seen)
    run(records(Post(id="p", text="badword", creator_id="u")), parts)
    for count in (3, 10, 30, 100):
        run_events(records(*[report(i) for i in range(count)]), parts)
    first, *others = seen.decided
    assert (first.demoted_for, first.queued_for) == ({0: "spam"}, {0: "spam"})
    assert len(others) >= 3
    assert all((one.demoted_for, one.queued_for) == ({}, {}) for one in others)
    assert all(one.outcome[0] == first.outcome[0] for one in others)
    assert heard.floods == []


def test_a_rule_still_holds_for_a_text_that_was_not_kept(tiny_bundle):
    parts = parts_with(tiny_bundle, rules=(DEMOTES, StatedRule(name="other", then="review", words=("x",))))
    said = batch_of([Post(id="p"), Post(id="q")])
    scored = score_posts(tiny_bundle, said, shares=parts.shares, passed=())
    before = {0: [Reason(policy="spam", rule="rule-demotes:word"), Reason(policy="spam", rule="rule:gone")]}
    stated = parts.ruling.look(said, scored, unread=[0, 1], before=before)
    assert {row: [one.name for one in some] for row, some in stated.items()} == {0: ["word"]}
    assert parts.ruling.look(said, scored, before=before) == {}


def test_posts_that_are_only_judged_meet_the_rules_and_count_for_no_flood(tiny_bundle):
    stated = policies(rules=(DEMOTES,))
    posts = [Post(id=f"p{i}", text="badword") for i in range(10)]
    judged = judge(posts, tiny_bundle, stated, now=START)
    assert [judged.decided.demoted_for.get(row) for row in range(10)] == ["spam"] * 10
    assert judged.failures == {}
