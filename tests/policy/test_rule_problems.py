"""Everything that is wrong with rules and lists is said when a policy is read, each with its place."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from sievert.errors import ConfigurationError
from sievert.features.content.fold import build_fold_tables
from sievert.policy import expressions
from sievert.policy.loading import default_policies_path, load_policies, policy_set, read_policy
from sievert.policy.patterns import LONGEST_PATTERN
from sievert.policy.rule_problems import LONGEST_WORDS, MOST_RULES, MOST_WORDS
from sievert.policy.rulebook import RuleBook
from sievert.schema.batch import ScoredBatch
from sievert.schema.post import Post
from sievert.testing import batch_of

POLICY = {"name": "x", "version": 1, "category": "x", "title": "x"}
RULE = {"name": "r", "then": "review", "words": ["badword"]}


def problems(tmp_path, **fields):
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump({**POLICY, **fields}))
    return read_policy(file)[1]


def of_rule(tmp_path, **fields):
    return problems(tmp_path, rules=[{**RULE, **fields}])


def test_a_right_policy_has_no_problems(tmp_path):
    rule = {
        **RULE,
        "then": ["demote", "review"],
        "patterns": [r"(a+)+$", r"\bt\.me/\w+"],
        "expression": "p.hate > 0.2 && has(behaviour.post_views) && behaviour.post_views > 2.0",
        "at_least": 0.1,
    }
    assert not problems(
        tmp_path,
        rules=[rule],
        allow={"creators": {"default": ["u1"]}, "domains": ["example.org"]},
        deny={"domains": ["Пример.рф", "example.net"]},
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"then": "remove"}, "then: remove is refused, as only a certified model may remove"),
        ({"then": ["review", "remove"]}, "then: remove is refused"),
        ({"then": "reviev"}, "there is no action 'reviev'; it takes demote and review; 'review' was meant"),
        ({"then": []}, "then is empty"),
        ({"then": 1}, "then: Expected `str | array`"),
        ({"words": []}, "it states no condition"),
        ({"words": ["..."]}, "'...' is no word"),
        ({"words": ["@somebody"]}, "is no word: links and mentions"),
        ({"words": ["x" * (LONGEST_WORDS + 1)]}, f"more than {LONGEST_WORDS} characters"),
        ({"words": ["a b c d e f g h i"]}, "has more than 8 words"),
        ({"words": [f"w{i}" for i in range(MOST_WORDS + 1)]}, "words: there are 2,001; 2,000 may be"),
        ({"patterns": ["("]}, "'(' is no pattern of RE2: missing )"),
        ({"patterns": [r"(a)\1"]}, "invalid escape sequence"),
        ({"patterns": ["(?=a)"]}, "invalid perl operator"),
        ({"patterns": ["a{1001}"]}, "invalid repetition size"),
        ({"patterns": ["x" * (LONGEST_PATTERN + 1)]}, "has more than 500 characters"),
        ({"patterns": [r"\pL{1,900}"]}, "instructions; 500 may be"),
        ({"expression": "p.hate >"}, "expression: 1:9: Syntax error"),
        ({"expression": "harm"}, "it says double, and must say true or false"),
        ({"expression": "dyn(harm)"}, "it says dyn, and must say true or false"),
        ({"expression": "true &&\n harmm > 0.5"}, "2:2: there is no 'harmm'; 'harm' was meant, perhaps"),
        ({"expression": "harm > 1"}, "2.0, not 2"),
        (
            {"expression": "behaviour.post_view > 1.0"},
            "1:11: behaviour has no 'post_view'; 'post_views' was meant",
        ),
        ({"expression": "content.words > 1"}, "1:9: content has no 'words'"),
        ({"expression": "[1, 2].exists(x, x > 1)"}, "1:8: exists goes over a list"),
        ({"expression": "[1]\n.\nexists // x\n(x, x > 1)"}, "3:1: exists goes over a list"),
        ({"expression": "p.all(k, p[k] > 0.1)"}, "1:3: all goes over a list"),
        ({"expression": "(" * 400 + "true" + ")" * 400}, "recursion limit"),
        ({"expression": "true || " * 200 + "true"}, "it has 1,604 characters; at most 1,000 are read"),
        ({"at_least": 1.5}, "at_least: Expected `float` <= 1.0"),
        ({"flood_per_hour": 0}, "flood_per_hour: Expected `int` >= 1"),
        ({"pattern": ["x"]}, "there is no field 'pattern'; 'patterns' was meant, perhaps"),
        ({"name": "Not A Name"}, "name: Expected `str` matching regex"),
    ],
)
def test_a_wrong_rule_is_named_with_what_is_wrong(tmp_path, fields, says):
    found = of_rule(tmp_path, **fields)
    assert len(found) == 1, found
    assert says in found[0]
    assert found[0].startswith(("rule 'r': ", "rule 'Not A Name': "))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rules": [RULE, RULE]}, "rule 'r' is stated twice"),
        ({"rules": [{**RULE, "name": f"r{i}"} for i in range(MOST_RULES + 1)]}, "there are 101 rules"),
        ({"rules": ["badword"]}, "rule 1 is no list of fields"),
        ({"rules": [{"then": "review", "words": ["x"]}]}, "rule 1: name is missing"),
        ({"rules": "badword"}, "rules: Expected `array`"),
        ({"rule": []}, "there is no field 'rule'; 'rules' was meant, perhaps"),
        ({"allow": {"domain": ["example.org"]}}, "allow.there is no field 'domain'; 'domains' was meant"),
        (
            {"deny": {"domains": ["https://example.org/"]}},
            "deny.domains: 'https://example.org/' is no domain",
        ),
        ({"deny": {"domains": ["org"]}}, "'org' is no domain"),
        ({"deny": {"creators": ["u1"]}}, "deny.creators: Expected `object`"),
        ({"deny": {"creators": {"default": ["x" * 129]}}}, "has not 1 to 128 bytes"),
        (
            {"allow": {"domains": ["example.org"]}, "deny": {"domains": ["EXAMPLE.org"]}},
            "deny.domains: 'example.org' is allowed as well",
        ),
        (
            {"allow": {"creators": {"a": ["u"]}}, "deny": {"creators": {"a": ["u"], "b": ["u"]}}},
            "deny.creators: 'u' of platform 'a' is allowed as well",
        ),
        (
            {"rules": [{**RULE, "then": "demote"}], "live_actions": ["review"], "shadow_actions": ["review"]},
            "then: demote stands neither in live_actions nor in shadow_actions",
        ),
    ],
)
def test_a_wrong_list_or_set_of_rules_is_said(tmp_path, fields, says):
    found = problems(tmp_path, **fields)
    assert len(found) == 1, found
    assert says in found[0]


def test_all_that_is_wrong_with_a_rule_is_said_at_once(tmp_path):
    found = of_rule(
        tmp_path, then="remove", words=["..."], patterns=["("], expression="harmm > 0.5 && nothing"
    )
    assert len(found) == 5, found


def test_a_string_hides_no_loop_and_holds_no_name(tmp_path):
    assert not of_rule(tmp_path, expression="platform != 'x.map(y' && surface != \"behaviour.nothing\"")
    for hidden in (
        r"""r"\" != "x" || [1].exists(x, x > 1) || '' == " " """,
        "'\\'' == '' || [1].exists(x, true)",
    ):
        assert "goes over a list" in of_rule(tmp_path, expression=hidden)[0]


def test_a_macro_that_nobody_thought_of_is_refused_by_what_it_becomes(tmp_path, monkeypatch):
    monkeypatch.setattr(expressions, "_MACROS", re.compile(r"(?!)"))
    for macro in ("exists(x, x > 1)", "map(x, x)[0] == 1", "filter(x, true) == []", "exists_one(x, true)"):
        assert "it goes over a list" in of_rule(tmp_path, expression=f"[1].{macro}")[0]
    assert not of_rule(tmp_path, expression="platform == 'result'")


def test_policies_that_expressions_name_must_exist(tmp_path):
    for file in default_policies_path().glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / "x.yaml"
    rule = {**RULE, "expression": "p.x > 0.1 && p.sexual > 0.1 && p.sentinel > 0.1 && p.hat > 0.1"}
    file.write_text(yaml.safe_dump({**POLICY, "rules": [rule]}))
    with pytest.raises(ConfigurationError) as caught:
        load_policies(tmp_path)
    assert caught.value.problems == (
        "x.yaml: rule 'r': 1:54: there is no policy 'hat'; 'hate' was meant, perhaps",
    )


def test_patterns_of_all_policies_together_are_bounded(tmp_path):
    for file in default_policies_path().glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name in "xyz":
        rule = {**RULE, "patterns": [f"{name}{i}" + "x" * 400 for i in range(2)]}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**POLICY, "name": name, "rules": [rule]}))
    with pytest.raises(ConfigurationError) as caught:
        load_policies(tmp_path)
    (problem,) = caught.value.problems
    assert problem.startswith("all patterns together become 2,4")


def test_without_the_extra_an_expression_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    (said,) = of_rule(tmp_path, expression="harm > 0.5")
    assert "pip install 'sievert[rules]'" in said
    assert not of_rule(tmp_path, patterns=["x+"])


def test_the_example_in_the_documents_is_a_right_policy_and_finds_what_it_says(tmp_path):
    document = Path(__file__).parent.parent.parent / "docs" / "policies.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL)
    file = tmp_path / "scam.yaml"
    file.write_text(example)
    policy, wrong = read_policy(file)
    assert wrong == []
    book = RuleBook(policy_set([policy]), build_fold_tables())
    posts = [
        "D0uble your COINS!",
        "4111-1111-1111-1111",
        "giveaway at www.example.net",
        "www.free-coins.example",
    ]
    batch = batch_of([Post(id=f"p{i}", text=text) for i, text in enumerate(posts)])
    half, zeros = np.full(4, 0.5, np.float32), np.zeros(4, np.int8)
    scored = ScoredBatch(
        bundle="b", heads=(), harm=half, policies=half[:, None][:, :0], language=zeros, stage=zeros
    )
    found = book.find(batch, scored)
    assert {row: [one.name for one in some] for row, some in found.stated.items()} == {
        0: ["lure-words"],
        1: ["card-number"],
        2: ["lure-from-a-new-account"],
        3: ["domains"],
    }
    assert not found.failures


def test_the_shipped_policies_state_no_rules():
    for policy in load_policies(default_policies_path()).policies:
        assert not policy.rules
        assert not policy.allow.creators
        assert not policy.allow.domains
        assert policy.allow == policy.deny
