"""What follows from a match with a bank of hashes: people are asked, reach is lowered, nothing is removed."""

import msgspec
import numpy as np
import pytest

from sievert.policy.loading import policy_set
from sievert.policy.reasons import BANK, BANK_ALLOWED, BANK_FLOOD, ISOLATED, REVIEW, reason_text
from sievert.policy.rules import decide
from sievert.schema.bank import MINORS_POLICY, BankKind
from sievert.schema.batch import ScoredBatch
from sievert.schema.decision import Language, Match, Outcome, Stage
from sievert.schema.policy import Mode, Policy
from sievert.schema.post import Post
from sievert.testing import START, batch_of

HATE = Policy(name="hate", version=1, category="hate", title="Hate")
GORE = Policy(name="gore", version=1, category="graphic_violence", title="Graphic violence, without a head")
KNOWN = Match(
    bank="KNOWN",
    kind=BankKind.HARMFUL.value,
    entry_id="e_1",
    signal="pdq",
    distance=6,
    source="file",
    policy="hate",
    media=0,
)


def changed(**fields):
    return msgspec.structs.replace(KNOWN, **fields)


def decided(*matches, p=0.001, policies=(HATE, GORE), room=10, language=Language.ENGLISH):
    scored = ScoredBatch(
        bundle="b@1",
        heads=("hate",),
        harm=np.full(2, p, np.float32),
        policies=np.full((2, 1), p, np.float32),
        language=np.full(2, language, np.int8),
        stage=np.full(2, Stage.LIGHT, np.int8),
    )
    return decide(
        batch_of([Post(id="a"), Post(id="b")]),
        scored,
        policies=policy_set(list(policies)),
        certificates=(),
        forecast=None,
        review_room={policy.name: room for policy in policies},
        now=START,
        matches={0: tuple(matches)} if matches else {},
    )


def rules(result, row=0):
    return [(reason.policy, reason.rule) for reason in result.reasons.get(row, ())]


def test_a_known_picture_lowers_reach_and_asks_a_person_whatever_the_text():
    result = decided(KNOWN)
    assert result.outcome.tolist() == [Outcome.REVIEW, Outcome.ALLOW]
    assert (result.queued_for, result.demoted_for, result.removed_for) == ({0: "hate"}, {0: "hate"}, {})
    assert result.would[0] == Outcome.REMOVE
    assert result.reasons[0][0].match == KNOWN
    assert (
        reason_text(result.reasons[0][0])
        == "hate: like something that a bank of hashes holds (KNOWN, 6 away)"
    )


def test_it_holds_in_any_language():
    result = decided(KNOWN, language=Language.UNREADABLE)
    assert (result.queued_for, result.demoted_for) == ({0: "hate"}, {0: "hate"})


def test_a_policy_without_a_head_hears_of_its_bank():
    assert rules(decided(changed(policy="gore"))) == [("gore", BANK)]


def test_a_bank_whose_policy_is_off_or_unknown_does_nothing():
    off = msgspec.structs.replace(HATE, mode=Mode.OFF)
    assert rules(decided(KNOWN, policies=(off,))) == []
    assert decided(changed(policy="nobody's")).outcome.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("match", "rule"),
    [
        (changed(quarantined=True), BANK_FLOOD),
        (changed(kind=BankKind.ALLOW.value, bank="FINE"), BANK_ALLOWED),
    ],
)
def test_a_flood_or_an_allow_bank_is_told_and_nothing_follows(match, rule):
    result = decided(match)
    assert rules(result) == [("hate", rule)]
    assert result.outcome.tolist() == [0, 0]
    assert (result.queued_for, result.demoted_for) == ({}, {})


def test_the_nearest_of_many_matches_speaks_for_its_policy():
    result = decided(changed(distance=0, entry_id="e_0"), KNOWN, changed(policy="gore"))
    assert rules(result) == [("hate", BANK), ("gore", BANK)]
    assert result.reasons[0][0].match.distance == 0


def test_one_review_is_spent_if_model_and_bank_agree():
    result = decided(KNOWN, p=0.9)
    assert ("hate", REVIEW) in rules(result)
    assert ("hate", BANK) in rules(result)
    assert list(result.queued_for) == [0, 1]
    alone = decided(KNOWN, p=0.9, room=0)
    assert rules(alone).count(("hate", "review-budget-spent")) == 1


def test_material_with_minors_is_isolated_whatever_else_is_said_and_whatever_the_budget():
    minors = changed(kind=BankKind.MINORS.value, policy=None, bank="MINORS", quarantined=False)
    result = decided(changed(distance=0), minors, p=0.99, room=0)
    assert rules(result) == [(MINORS_POLICY, ISOLATED)]
    assert result.isolated_for == {0: MINORS_POLICY}
    assert result.queued_for == {0: MINORS_POLICY}
    assert result.demoted_for == {1: "hate"}
    assert result.outcome[0] == Outcome.REVIEW
