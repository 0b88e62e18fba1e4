"""Policy files: the shipped ones are right, and wrong ones hear everything at once."""

import pytest

from sievert.errors import ConfigurationError
from sievert.policy.loading import default_policies_path, load_policies, read_policy
from sievert.schema.policy import Mode
from sievert.schema.sentinel import SENTINEL_POLICY
from sievert.schema.taxonomy import HARM, LABELLED


def test_none_of_the_shipped_policies_can_remove_uncertified():
    loaded = load_policies(default_policies_path())
    assert [policy.name for policy in loaded.policies] == sorted([HARM, *LABELLED, SENTINEL_POLICY])
    live = [policy for policy in loaded.policies if policy.mode is Mode.LIVE]
    assert [policy.name for policy in live] == [HARM, SENTINEL_POLICY]
    assert not any("remove" in policy.live_actions for policy in live)


def test_all_problems_are_said_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text("name: b\nversion: 1\ncategory: x\ntitle: x\ndemote_at: 0.1\n")
    (tmp_path / "c.yaml").write_text("name: c\nversion: 1\ncategory: x\ntitle: x\nunknown_field: 1\n")
    (tmp_path / "d.yaml").write_text(
        "name: d\nversion: 1\ncategory: x\ntitle: x\nshadow_actions: [remove, dance]\n"
    )
    (tmp_path / "e.yaml").write_text("{")
    with pytest.raises(ConfigurationError) as caught:
        load_policies(tmp_path)
    problems = "\n".join(caught.value.problems)
    for piece in (
        "a.yaml: the file is named",
        "demote_at",
        "unknown_field",
        "dance",
        "never removes",
        "e.yaml",
    ):
        assert piece in problems


def test_all_problems_of_one_file_are_said_at_once(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "version: 0\ncategory: x\ntitel: x\nfloor: 1.5\ndelta: .nan\nmode: lively\n"
        "words: {author: 1}\nmost_views: -1\n"
    )
    policy, problems = read_policy(tmp_path / "x.yaml")
    assert policy is None
    said = "\n".join(problems)
    assert len(problems) == 9, said
    assert "there is no field 'titel'; 'title' was meant, perhaps" in said
    for missing in ("name", "title"):
        assert f"{missing} is missing" in said
    for wrong in ("version", "floor", "delta", "mode", "words", "most_views"):
        assert f"{wrong}: " in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("format: 2", "it has format 2, and this release reads up to 1: update Sievert"),
        ("live_actions: [demote, remove]", "without review"),
        ("precision_posts: 1.0", "can never be proven"),
        ("people_above_views: 10", "is below most_views"),
        ("precision_views: 0.99", "precision_views 0.99 is above precision_posts 0.95"),
        ("mode: live\nmode: shadow", "mode stands twice, again in line 6"),
        ("deny: {domains: [a.org], domains: [b.org]}", "domains stands twice, again in line 5"),
        ('words: {author: "\\ud800"}', "half of a surrogate pair"),
        (
            "rules: [{name: r, then: review, expression: \"surface.matches('x')\"}]",
            "matches is left out here",
        ),
        ("- a list", "while parsing"),
    ],
)
def test_a_policy_that_could_not_be_kept_is_refused(tmp_path, line, says):
    (tmp_path / "x.yaml").write_text(f"name: x\nversion: 1\ncategory: x\ntitle: x\n{line}\n")
    _, problems = read_policy(tmp_path / "x.yaml")
    assert any(says in problem for problem in problems), problems


def test_a_wrong_field_hides_nothing_that_is_wrong_with_rules(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "name: x\nversion: 1\ncategory: x\ntitle: x\nreviw_at: 0.2\n"
        "rules: [{name: r, then: remove, patterns: ['[']}]\n"
    )
    _, problems = read_policy(tmp_path / "x.yaml")
    said = "\n".join(problems)
    assert "there is no field 'reviw_at'" in said
    assert "remove" in said
    assert "[" in said


def test_what_is_no_mapping_is_no_policy(tmp_path):
    (tmp_path / "x.yaml").write_text("- a\n- b\n")
    assert read_policy(tmp_path / "x.yaml") == (
        None,
        ["it is no list of fields, each with a name, a colon and a value"],
    )


def test_an_empty_folder_is_a_problem(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no \*.yaml"):
        load_policies(tmp_path)


def test_yaml_cannot_run_anything(tmp_path):
    (tmp_path / "x.yaml").write_text("!!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigurationError):
        load_policies(tmp_path)


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped policies."""
    for file in default_policies_path().glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert load_policies(tmp_path).digest == load_policies(default_policies_path()).digest
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.yml", b"name: x\n", "x.yml is not read: rename it to x.yaml"),
        ("x.yaml", b"[" * 5000, "x.yaml: it is nested too deeply"),
        ("x.yaml", b"#" * 100_000, "x.yaml: it is longer than 65536 bytes"),
        ("x.yaml", b"name: 2026-99-99\n", "x.yaml: month must be"),
        ("x.yaml", b"name: \xff\n", "x.yaml: "),
    ],
)
def test_a_file_that_is_no_policy_is_a_problem_among_the_others(shipped, name, content, says):
    (shipped / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_policies(shipped)
    (problem,) = caught.value.problems
    assert problem.startswith(says)


def test_a_folder_is_no_policy_and_a_missing_sentinel_is_a_problem(shipped):
    (shipped / "x.yaml").mkdir()
    (shipped / "sentinel.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"x.yaml: it is not a file") as caught:
        load_policies(shipped)
    assert caught.value.problems[0].startswith("sentinel.yaml is missing")


def test_the_digest_names_what_the_policies_say(tmp_path):
    shipped = load_policies(default_policies_path())
    for file in default_policies_path().glob("*.yaml"):
        (tmp_path / file.name).write_text(
            file.read_text().replace("reviews_per_hour: 60\n", "reviews_per_hour: 61\n")
        )
    assert load_policies(tmp_path).digest != shipped.digest
    assert load_policies(default_policies_path()).digest == shipped.digest
