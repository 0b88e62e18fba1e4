"""Blind test sets: read as their makers lay them out, and by nothing that learns or chooses."""

import gzip
import json
import re
from pathlib import Path

import pytest

from sievert.datasets.suites import read_suites
from sievert.errors import InvalidField, NotFound
from sievert.schema.taxonomy import HARM

SRC = Path(__file__).parents[2] / "src" / "sievert"


def write_suite(path, rows):
    lines = [",functionality,case_id,test_case,label_gold,target_ident"]
    lines += [f"{n},{kind},{n},{text},{gold},{who}" for n, (kind, text, gold, who) in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")


def test_a_functional_suite_is_read_with_its_language_and_its_groups(tmp_path):
    rows = [("named", "a blorp day", "hateful", "cyclists"), ("neutral", "a day", "non-hateful", "")]
    write_suite(tmp_path / "suite_german.csv", rows)
    write_suite(tmp_path / "test_suite_cases.csv", rows)
    found = read_suites(tmp_path)
    assert [one.language for one in found["suite_german"]] == ["de", "de"]
    first, second = found["test_suite_cases"]
    assert (first.language, first.kinds, first.target, first.labels[HARM]) == (
        "en",
        ("named",),
        "cyclists",
        1,
    )
    assert (second.target, second.labels) == (None, {HARM: 0, "hate": 0})


def test_a_category_that_a_line_does_not_name_is_unknown(tmp_path):
    """Red when a missing category was read as 0."""
    whole = dict.fromkeys(("S", "H", "V", "HR", "SH", "S3", "H2", "V2"), 0)
    lines = [
        {"prompt": "a day", **whole},
        {"prompt": "a blorp day", "H": 1, "V": 0},
        {"prompt": "a part of a day", "S": 0, "HR": 0},
    ]
    with gzip.open(tmp_path / "samples.jsonl.gz", "wt") as out:
        out.write("\n".join(map(json.dumps, lines)) + "\n")
    harmless, hateful, unknown = read_suites(tmp_path)["samples"]
    assert harmless.labels == {HARM: 0, "hate": 0, "harassment": 0}
    assert (hateful.labels, hateful.kinds) == ({HARM: 1, "hate": 1}, ("H",))
    assert unknown.labels == {"harassment": 0}


def test_what_is_laid_out_otherwise_is_refused_with_its_place(tmp_path):
    with pytest.raises(NotFound):
        read_suites(tmp_path)
    write_suite(tmp_path / "suite.csv", [("named", "a day", "perhaps", "")])
    with pytest.raises(InvalidField, match=r"suite\.csv, line 2"):
        read_suites(tmp_path)
    (tmp_path / "suite.csv").write_text("text,label\n")
    with pytest.raises(InvalidField, match="functionality"):
        read_suites(tmp_path)
    (tmp_path / "suite.csv").unlink()
    (tmp_path / "samples.jsonl").write_text('{"text": "a day"}\n')
    with pytest.raises(InvalidField, match=r"samples\.jsonl, line 1"):
        read_suites(tmp_path)


def test_nothing_that_learns_or_chooses_reads_them():
    """Red when a recipe imported the reader."""
    readers = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        if re.search(r"datasets(\.| import )suites", path.read_text())
    }
    assert readers == {"evaluation/bundle_report.py", "evaluation/suites.py"}
