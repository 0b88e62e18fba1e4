"""Turns of the loop: drawn once, with the chance of every post kept, and read again with what people found."""

import numpy as np
import pytest

from sievert.errors import InvalidField
from sievert.guardrail.hard_draws import HardPost, draw_hard_cases, turns
from sievert.guardrail.ledger import settle
from sievert.measurement.hard_cases import draws_for_posts, hard_case_sizes, inclusion, mixed
from sievert.schema.review import Settlement
from sievert.stores.guardrail.memory import MemoryGuardrail

NOW = 1_800_000_000_000_000
POSTS = {f"p{n:04}": HardPost(revision=0, p=n / 1000) for n in range(1000)}
SIZES = hard_case_sizes([POSTS[name].p for name in sorted(POSTS)])


@pytest.fixture
def store():
    return MemoryGuardrail(apply=lambda _: None)


def drawn(store, count=100, **options):
    return draw_hard_cases(
        store, "hate", POSTS, SIZES, platform="default", count=count, now=NOW, actor="test", **options
    )


def judge(store, turn, harmful):
    """Let people find what `harmful` says of a post."""
    settle(
        store,
        [
            Settlement(
                case_id=case,
                kind="measurement",
                about=one.audit_id,
                decision_id=one.decision_id,
                platform="default",
                post_id=one.post_id,
                revision=0,
                policy="hate",
                violates=("hate",) if harmful(one.post_id) else (),
                judged=("hate",),
                verdicts=("v1", "v2"),
                reviewer="ana",
                settled_at=NOW + 1,
            )
            for case, one in turn.posts.items()
        ],
        now=NOW + 1,
    )


def test_every_judged_post_tells_the_chance_with_which_it_was_asked_about(store):
    """Red when the probability of one draw is told in place of that of all draws."""
    made = drawn(store)
    assert 80 <= len(made.posts) <= 120
    judge(store, made, lambda post: post > "p0900")
    (told,) = turns(store, "hate", "default")
    chance = inclusion(mixed(SIZES), draws_for_posts(mixed(SIZES), 100))
    names = sorted(POSTS)
    assert told.draws == made.draws
    assert {post: one.chance for post, one in told.judged.items()} == pytest.approx(
        {one.post_id: chance[names.index(one.post_id)] for one in told.posts.values()}
    )
    assert all(one.harmful == (post > "p0900") for post, one in told.judged.items())


def test_a_turn_waits_for_its_judgements_before_the_next(store):
    first = drawn(store)
    with pytest.raises(InvalidField, match="wait for a judgement"):
        drawn(store)
    assert turns(store, "hate", "default")[0].waiting == len(first.posts)
    judge(store, first, lambda _: False)
    second = drawn(store)
    assert (second.number, len(turns(store, "hate", "default"))) == (2, 2)
    assert turns(store, "hate", "elsewhere") == turns(store, "threat", "default") == []
    assert {one.post_id for one in first.audits} != {one.post_id for one in second.audits}


def test_shares_of_traffic_follow_from_turns_that_were_aimed(store):
    """One post in ten is harmful, and asked about more often than that."""
    shares, plain = [], []
    for _ in range(30):
        made = drawn(store, count=150)
        judge(store, made, lambda post: post >= "p0900")
        told = turns(store, "hate", "default")[-1].judged.values()
        weight = np.array([1 / one.chance for one in told])
        harmful = np.array([one.harmful for one in told])
        shares.append(weight @ harmful / weight.sum())
        plain.append(harmful.mean())
    assert abs(np.mean(shares) - 0.1) < 4 * np.std(shares) / len(shares) ** 0.5 + 0.005
