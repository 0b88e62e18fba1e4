"""What is said of limits of accounts and of laws, to people and to the DSA Transparency Database."""

import msgspec
import pytest

from contracts.enforcement import action, limit
from sievert.enforcement.dsa import dsa_record, limit_record
from sievert.enforcement.dsa_fields import problems_of
from sievert.enforcement.limit_statements import limit_statement_of
from sievert.enforcement.statements import statement_of
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.action import ActionState
from sievert.schema.clock import DAY
from sievert.schema.limit import LimitCause
from sievert.schema.policy import LegalGround
from sievert.testing import START

HATE = load_policies(default_policies_path()).named("hate")
LAW = LegalGround(law="Example Act, article 7", explanation="It forbids this.", territories=("DE", "FR"))
BY_LAW = msgspec.structs.replace(HATE, illegal=LAW)


def imposed(cause, **more):
    return limit(
        "l_1", cause=cause, post_id="p9", **{"expires_at": START + DAY, "reach_delay_minutes": 30, **more}
    )


def test_what_people_read_of_limits(golden):
    cases = {cause: limit_statement_of(imposed(cause), HATE).text for cause in LimitCause}
    cases["lifted"] = limit_statement_of(imposed("new", lifted_at=START + 5), None).text
    golden("limit_statements.txt", "\n".join(f"== {name}\n\n{text}" for name, text in cases.items()))


@pytest.mark.parametrize("cause", LimitCause)
@pytest.mark.parametrize("policy", [HATE, BY_LAW])
@pytest.mark.parametrize("silenced", [False, True])
@pytest.mark.parametrize("more", [{}, {"posts_per_hour": None}, {"reach_delay_minutes": None}])
def test_the_database_would_take_a_limit(cause, policy, silenced, more):
    one = imposed(cause, **more)
    record = limit_record(one, limit_statement_of(one, policy), policy, silenced=silenced)
    assert problems_of(record) == []
    assert ("decision_account" in record) == silenced
    assert ("decision_provision" in record) == (not silenced and one.posts_per_hour is not None)
    by_law = policy is BY_LAW and cause is LimitCause.REMOVALS
    assert (record["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT") == by_law


def test_a_policy_that_acts_on_a_law_names_it_to_both():
    removed = action("a_1")
    said = statement_of(ActionState(removed), None, BY_LAW, reasons=(), content_kept="kept")
    assert "It rests on a law: Example Act, article 7. It forbids this." in said.text
    record = dsa_record(removed, said, BY_LAW, decision=None, post=None)
    assert problems_of(record) == []
    assert record["illegal_content_legal_ground"] == LAW.law
    assert record["territorial_scope"] == ["DE", "FR"]
    assert not any(name.startswith("incompatible") for name in record)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"illegal_content_explanation": ""}, "illegal_content_explanation is needed"),
        ({"incompatible_content_ground": "x"}, "incompatible_content_ground may not stand with"),
        ({"end_date_account_restriction": "2027-01-01"}, "is the end of nothing without decision_account"),
        ({"decision_account": "DECISION_ACCOUNT_PAUSED"}, "decision_account may not be"),
    ],
)
def test_what_does_not_go_together_is_told(more, says):
    one = imposed("removals")
    record = limit_record(one, limit_statement_of(one, BY_LAW), BY_LAW, silenced=False)
    (problem,) = problems_of({**record, **more})
    assert says in problem


@pytest.mark.parametrize("field", ["law", "explanation"])
def test_a_law_without_a_name_or_an_explanation_is_refused(field):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"law": "a", "explanation": "b", field: ""}, LegalGround)
