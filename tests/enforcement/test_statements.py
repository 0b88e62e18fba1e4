"""Statements of reasons: what authors read, and what the DSA Transparency Database takes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enforcement import action, restore
from sievert.enforcement.dsa import dsa_record, is_stated
from sievert.enforcement.dsa_fields import ALLOWED, REQUIRED, problems_of
from sievert.enforcement.statements import statement_of
from sievert.errors import NotFound
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.action import ActionState
from sievert.schema.clock import DAY, HOUR
from sievert.schema.decision import Decision
from sievert.schema.media import Media
from sievert.schema.policy import AppealRoute
from sievert.schema.post import Post
from sievert.testing import START

HATE = load_policies(default_policies_path()).named("hate")


def decision(**more):
    told = {
        "decision_id": "d_1",
        "platform": "default",
        "post_id": "p",
        "revision": 0,
        "created_at": START - HOUR,
        "received_at": START,
        "decided_at": START,
        "trigger": "created",
        "outcome": "remove",
        "would": "remove",
        "probability": 0.99,
        "policies": {"hate": 0.987},
        "language": "english",
        "stage": "heavy",
        "bundle": "tiny@1",
        "policy_set": "x",
        "content_digest": "ab" * 16,
        **more,
    }
    return Decision(**told)


def stated(one, why=None, policy=HATE, *, undone_by=None, reasons=(), content="kept"):
    state = ActionState(one, undone_by)
    return statement_of(state, why, policy, reasons=reasons, content_kept=content)


def test_what_authors_read(golden):
    removed = action("a_removal", at=DAY)
    reasons = ("hate: removed, as its certificate permits",)
    cases = {
        "removed without a person": stated(removed, decision(), reasons=reasons),
        "demoted for a while, after reports": stated(
            action("a_demotion", kind="demote", expires_at=START + 14 * DAY), decision(trigger="reports")
        ),
        "removed by a person": stated(action("a_verdict", by="key k", case_id="c_1"), decision()),
        "taken back": stated(removed, decision(), undone_by="a_restore"),
        "the restore": stated(restore("a_restore", "a_removal", by="key k"), decision()),
        "ended by itself": stated(restore("a_end", "a_demotion"), decision()),
        "an old one, of which nothing is kept, of a policy that is gone": stated(
            removed, None, None, content="gone"
        ),
        "appeals go to the platform": stated(
            removed, decision(created_at=None), msgspec.structs.replace(HATE, appeal=AppealRoute.PLATFORM)
        ),
    }
    golden("statements.txt", "\n".join(f"=== {name}\n{statement.text}" for name, statement in cases.items()))
    for statement in cases.values():
        over = statement.kind == "restore" or statement.taken_back_by is not None
        assert ("nothing to appeal" in statement.text) == over
        assert (f"name the action {statement.action_id}." in statement.text) != over


def test_nothing_is_said_about_isolated_posts():
    with pytest.raises(NotFound):
        stated(action("a", kind="isolate"), decision())
    assert not is_stated(action("a", kind="isolate"))
    assert not is_stated(restore("r", "a"))


def record(one=None, why=None, post=None, policy=HATE):
    one = one or action("a_removal", at=DAY)
    why = why or decision()
    return dsa_record(one, stated(one, why), policy, decision=why, post=post)


def test_the_database_would_take_what_is_written(golden):
    demoted = action("a_demotion", kind="demote", expires_at=START + 14 * DAY, by="key k")
    pictured = Post(id="p", media=(Media(sha256="ab" * 32),))
    records = [record(), record(demoted, decision(trigger="reports", language="other"), pictured)]
    assert [problems_of(one) for one in records] == [[], []]
    golden("dsa_statements.json", msgspec.json.format(msgspec.json.encode(records)).decode() + "\n")


def test_every_policy_that_ships_can_be_stated():
    policies = [one for one in load_policies(default_policies_path()).policies if not one.test_only]
    assert len(policies) == 5
    for policy in policies:
        assert problems_of(record(policy=policy)) == []


def test_everything_required_is_asked_for():
    assert len(REQUIRED) == 10
    for name in (*REQUIRED, "incompatible_content_ground", "incompatible_content_explanation"):
        told = record()
        del told[name]
        assert any(problem.startswith(name) for problem in problems_of(told)), name
    assert any("decision_visibility" in one for one in problems_of({**record(), "decision_visibility": []}))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("content_type", "CONTENT_TYPE_TEXT", "not a list"),
        ("content_type", ["CONTENT_TYPE_POEM"], "may not be"),
        ("category", "HATE", "may not be"),
        ("automated_detection", True, "may not be"),
        ("automated_decision", "Yes", "may not be"),
        ("source_type", "SOURCE_US", "may not be"),
        ("content_date", "31.01.2027", "not a date"),
        ("application_date", "2027-02-30", "not a date"),
        ("end_date_visibility_restriction", "soon", "not a date"),
        ("decision_facts", "x" * 5001, "longer than 5000"),
        ("incompatible_content_ground", "x" * 501, "longer than 500"),
        ("puid", "a/b", "letters, digits"),
        ("puid", "x" * 501, "longer than 500"),
        ("colour", "red", "no field"),
        ("decision_visibility", ["DECISION_VISIBILITY_OTHER"], "decision_visibility_other is needed"),
        ("content_type", ["CONTENT_TYPE_OTHER"], "content_type_other is needed"),
        ("source_identity", "somebody", "SOURCE_VOLUNTARY"),
        ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT", "illegal_content_legal_ground is needed"),
        ("decision_monetary", "DECISION_MONETARY_FINE", "may not be"),
    ],
)
def test_what_the_database_would_refuse_is_told(field, value, says):
    assert any(says in problem for problem in problems_of({**record(), field: value}))


def test_its_values_are_the_stated_ones():
    assert {name: len(values) for name, values in ALLOWED.items()} == {
        "decision_ground": 2,
        "content_type": 8,
        "category": 16,
        "category_addition": 16,
        "source_type": 4,
        "automated_detection": 2,
        "automated_decision": 3,
        "decision_visibility": 7,
        "decision_monetary": 3,
        "decision_provision": 4,
        "decision_account": 2,
        "account_type": 2,
        "incompatible_content_illegal": 2,
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*REQUIRED, *ALLOWED, "x"]), _JSON, max_size=5))
def test_the_checker_survives_whatever_stands_in_a_record(told):
    assert problems_of(told)
    problems_of({**record(), **told})
