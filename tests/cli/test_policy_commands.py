"""`sievert policy` and `sievert threshold`, run as people run them; docs/policy-changes.md shows what they print."""

import dataclasses
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from scored_posts import made_up, write
from sievert.cli import main
from sievert.policy.loading import default_policies_path

PAGE = Path(__file__).parent.parent.parent / "docs" / "policy-changes.md"
CHANGED = {
    "version: 1": "version: 2",
    "precision_posts: 0.95": "precision_posts: 0.93",
    "demote_at: 0.70": "demote_at: 0.75",
    "review_at: 0.30": "review_at: 0.20",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a week of posts and two versions of the policies, as the page describes it."""
    folder = tmp_path_factory.mktemp("policies")
    write(folder / "week.ndjson", made_up())
    for name in ("old", "new"):
        shutil.copytree(default_policies_path(), folder / name)
    changed = folder / "new" / "hate.yaml"
    text = changed.read_text()
    for before, after in CHANGED.items():
        assert before in text
        text = text.replace(before, after)
    changed.write_text(text)
    return folder


@dataclasses.dataclass
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def sievert(folder, monkeypatch, capsys):
    """Run a command in the folder, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["sievert", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    return run


def test_the_page_shows_what_the_commands_print(sievert, request):
    text = PAGE.read_text()
    blocks = re.findall(r"```console\n\$ (.+)\n((?:.*\n)*?)```", text)
    assert len(blocks) == 5
    for command, shown in blocks:
        program, *arguments = shlex.split(command)
        assert program == "sievert"
        done = sievert(*arguments)
        assert done.code == 0, done.err
        printed = "\n".join(line.rstrip() for line in done.out.splitlines()) + "\n"
        if request.config.getoption("--write-golden"):
            text = text.replace(f"$ {command}\n{shown}```", f"$ {command}\n{printed}```")
            PAGE.write_text(text)
        else:
            assert printed == shown


def refused(sievert, *arguments):
    """Run a command that must end with 2; return what it says."""
    done = sievert(*arguments)
    assert done.code == 2, done.out
    assert "Traceback" not in done.err
    return done.err


def test_all_that_is_wrong_with_policies_is_told_at_once(folder, sievert, golden):
    wrong = folder / "wrong"
    shutil.copytree(folder / "new", wrong)
    (wrong / "hate.yaml").write_text((wrong / "hate.yaml").read_text() + "flor: 0.9\nreview_at: 2\n")
    (wrong / "spam.yaml").write_text((wrong / "spam.yaml").read_text() + "format: 9\n")
    (wrong / "threat.yaml").write_text(
        (wrong / "threat.yaml").read_text().replace("demote_at: 0.70", "demote_at: 0.5")
    )
    (wrong / "sentinel.yaml").unlink()
    said = refused(sievert, "policy", "check", "wrong")
    golden("policy_check.txt", said.replace(str(default_policies_path()), "SHIPPED"))
    assert "format 9" in refused(
        sievert, "policy", "backtest", "week.ndjson", "--policy", "hate", "--policies", "wrong"
    )


def test_the_shipped_policies_are_right(sievert):
    done = sievert("policy", "check")
    assert done.code == 0
    assert "nothing is wrong with them" in done.out
    told = json.loads(sievert("policy", "check", "--json").out)
    assert {one["name"] for one in told["policies"]} >= {"hate", "sentinel"}


def test_a_diff_tells_ids_and_never_texts(folder, sievert):
    lines = [
        {**line, "id": "p\x1b[2J" if at == 0 else line["id"], "text": "SECRET WORDS"}
        for at, line in enumerate(made_up(traffic=3000))
    ]
    write(folder / "texts.ndjson", lines)
    done = sievert("policy", "diff", "old", "new", "--on", "texts.ndjson")
    assert done.code == 0
    assert "SECRET" not in done.out
    assert "\x1b" not in done.out
    told = json.loads(sievert("policy", "diff", "old", "new", "--on", "texts.ndjson", "--json").out)
    assert told["changes"][0]["certificate_holds"] is False
    assert "SECRET" not in json.dumps(told)
    assert "harassment" in told["unscored"]
    alike = sievert("policy", "diff", "old", "old").out
    assert alike == "Both folders say the same.\n"


def test_json_holds_what_the_tables_show(sievert):
    back = ("policy", "backtest", "week.ndjson", "--policy", "hate", "--json")
    told = json.loads(sievert(*back).out)
    assert told["labelled"] == told["lines"] == 6489
    assert 0.95 < told["precision_posts"]["by_labels"]["low"] < told["precision_posts"]["by_labels"]["value"]
    bold = json.loads(sievert(*back, "--l1", "178", "--points", "0").out)
    assert bold["removals"]["lines"] > told["removals"]["lines"]
    assert bold["path"] == []
    asked = ("threshold", "max recall @ precision >= 0.95", "week.ndjson", "--policy", "hate", "--json")
    answer = json.loads(sievert(*asked).out)
    assert answer["attainable"]
    assert answer["found"]["threshold"] < 0.95


def test_policies_and_heads_that_do_not_exist_are_named_with_near_ones(sievert):
    said = refused(sievert, "policy", "backtest", "week.ndjson", "--policy", "hatte")
    assert "'hate' was meant, perhaps" in said
    said = refused(sievert, "policy", "backtest", "week.ndjson", "--policy", "spam")
    assert "has no probabilities of 'spam'" in said
    said = refused(sievert, "threshold", "max recall @ precision >= 0.95", "week.ndjson", "--policy", "hat")
    assert "'hate' was meant, perhaps" in said


def test_balanced_files_need_a_prevalence(folder, sievert):
    balanced = [
        {key: value for key, value in line.items() if key != "sampling_probability"}
        for line in made_up()
        if line["harmful"] or int(line["id"][1:]) % 5 == 0
    ]
    write(folder / "balanced.ndjson", balanced)
    for command in (
        ("policy", "backtest", "balanced.ndjson", "--policy", "hate"),
        ("threshold", "max recall @ precision >= 0.95", "balanced.ndjson", "--policy", "hate"),
    ):
        assert "no balanced set certifies anything" in refused(sievert, *command)
        done = sievert(*command, "--prevalence", "0.008")
        assert done.code == 0, done.err
    assert "not attainable" in done.out


def test_labels_may_stand_in_a_file_of_their_own(folder, sievert):
    lines = made_up(traffic=30_000)
    known = ("labels", "harmful", "views", "sampling_probability")
    write(folder / "scored.ndjson", [{k: v for k, v in one.items() if k not in known} for one in lines])
    write(folder / "labels.ndjson", [{k: one[k] for k in ("id", *known)} for one in lines])
    write(folder / "whole.ndjson", lines)
    apart = ("policy", "backtest", "scored.ndjson", "--labels", "labels.ndjson", "--policy", "hate", "--json")
    whole = ("policy", "backtest", "whole.ndjson", "--policy", "hate", "--json")
    assert sievert(*apart).out == sievert(*whole).out


def test_a_line_that_is_wrong_is_named(folder, sievert):
    write(folder / "bad.ndjson", [{"id": 1, "policies": {"hate": 0.1}}, {"id": 2, "policies": {"hate": 1.5}}])
    said = refused(sievert, "policy", "backtest", "bad.ndjson", "--policy", "hate")
    assert "bad.ndjson, line 2: " in said
    assert "what to do" in said
    assert "There is no file" in refused(sievert, "policy", "backtest", "none.ndjson", "--policy", "hate")
