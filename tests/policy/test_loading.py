"""Policy files: the shipped ones are right, and wrong ones hear everything at once."""

import pytest

from sievert.errors import ConfigurationError
from sievert.policy.loading import default_policies_path, load_policies
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
