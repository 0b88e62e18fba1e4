"""A labelled file, looked at by its parts, by views, beside another bundle, and as a page and JSON."""

import json
import re

import msgspec
import numpy as np
import pytest

from sievert.errors import InvalidField
from sievert.evaluation.file_page import file_page
from sievert.evaluation.labelled_file import FileReport, LabelledLine, evaluate_lines
from sievert.evaluation.slices import SLICES, slices_of
from sievert.measurement.fairness import RateKind
from sievert.measurement.ranking import measure_ranking
from sievert.testing import write_tiny_bundle


def lines(count=2400, *, seed=1, unfair=0.0):
    """Scored lines of which 0.3 are harmful; harmless ones of group `new` score higher by `unfair`."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        harmful = bool(rng.random() < 0.3)
        group = ("new", "old")[n % 2]
        lift = unfair * (not harmful and group == "new" and rng.random() < 0.2)
        yield LabelledLine(
            harmful=harmful,
            probability=float(np.clip(rng.normal(0.2 + 0.5 * harmful + lift, 0.12), 0, 1)),
            views=float(1 + int(rng.pareto(1.3) * 3)),
            language=("en", "nl")[n % 3 == 0],
            creator_group=group,
            account_age_days=float(n % 800),
        )


def evaluate(some, bundle, **more):
    options = {"prevalence": 0.01, "confidence": 0.95, "resamples": 20, **more}
    return evaluate_lines("a.ndjson", list(some), bundle, **options)


def test_each_part_has_its_own_report_and_parts_make_up_the_file(tiny_bundle):
    report = evaluate(lines(), tiny_bundle, by=("language", "account_age", "views"))
    counts = {}
    for one in report.reports:
        counts[one.by, one.group] = one.ranking.harmful + one.ranking.harmless
    assert counts[None, None] == 2400
    for by in ("language", "account_age", "views"):
        assert sum(count for (name, _), count in counts.items() if name == by) == 2400
    assert {group for name, group in counts if name == "account_age"} == {
        "under a week",
        "a week to a year",
        "a year and more",
    }


def test_by_views_a_post_counts_as_often_as_it_was_seen(tiny_bundle):
    """Red when views were read and not weighed."""
    some = list(lines())
    (report,) = evaluate(some, tiny_bundle).reports
    y, score, views = (
        np.array([getattr(one, name) for one in some]) for name in ("harmful", "probability", "views")
    )
    alone = measure_ranking(y.astype(bool), score, prevalence=0.01, weight=views, resamples=0)
    assert report.by_views.pr_auc.value == pytest.approx(alone.pr_auc.value)
    assert report.by_views.pr_auc.value != pytest.approx(report.ranking.pr_auc.value, abs=1e-4)
    untold = [msgspec.structs.replace(some[0], views=None), *some[1:]]
    assert evaluate(untold, tiny_bundle).reports[0].by_views is None


def test_a_rule_that_accuses_one_group_is_found_out_and_a_fair_one_is_not(tiny_bundle):
    by = ("creator_group", "language")
    ((unfair,), (fair,)) = (
        evaluate(lines(6000, unfair=lift), tiny_bundle, by=by).gaps for lift in (0.6, 0.0)
    )
    found = [one for one in unfair.gaps if one.found]
    assert ("creator_group: new", RateKind.FALSE_ALARMS) in {(one.group, one.rate) for one in found}
    assert all(one.group.startswith("creator_group") for one in found)
    assert not any(one.found for one in fair.gaps)


def test_what_no_line_tells_is_refused_and_what_there_is_is_named(tiny_bundle):
    with pytest.raises(InvalidField, match="No line of the file tells its surface"):
        evaluate(lines(), tiny_bundle, by=("surface",))
    with pytest.raises(InvalidField, match="There is no --by colour") as told:
        slices_of(list(lines(10)), "colour")
    assert all(name in told.value.remedy for name in SLICES)


def test_beside_another_bundle_the_difference_is_of_the_same_texts(tmp_path, tiny_bundle):
    other = write_tiny_bundle(tmp_path / "other", hints={"florn": ("hate", 12.0)})
    texts = [("you blorp", 1), ("you florn", 1), ("hello", 0), ("a fine day", 0)] * 40
    some = [
        LabelledLine(text=f"{text} {n}", harmful=harmful, policies={"hate": harmful})
        for n, (text, harmful) in enumerate(texts)
    ]
    found = {one.head: one for one in evaluate(some, other, against=tiny_bundle, resamples=50).against}
    assert {"harm", "hate"} <= found.keys()
    assert found["harm"].bundle == tiny_bundle.version
    assert found["harm"].difference.low > 0
    same = evaluate(some, tiny_bundle, against=tiny_bundle, resamples=50).against
    assert all(one.difference.value == one.difference.low == 0 for one in same)
    with pytest.raises(InvalidField, match="bring their probabilities"):
        evaluate(lines(), tiny_bundle, against=other)


def test_the_page_needs_nothing_else_and_json_holds_the_same(tiny_bundle):
    report = evaluate(lines(), tiny_bundle, by=("language", "creator_group"))
    page = file_page(report)
    assert not re.search(r"<script|<link|<img|https?://|@import|url\(", page)
    assert "default-src 'none'" in page
    for told in ("language: nl", "creator_group: new", "1.00% of posts are harmful", "PR-AUC by views"):
        assert told in page
    hostile = msgspec.structs.replace(report, file="<script>x</script>")
    assert "<script>" not in file_page(hostile)
    again = msgspec.json.decode(msgspec.json.encode(report), type=FileReport)
    assert again == report


def test_pitfall_8_no_balanced_number_stands_in_the_report(tiny_bundle):
    report = evaluate(lines(), tiny_bundle)
    told = json.dumps(msgspec.to_builtins(report)).lower() + file_page(report).lower()
    assert not re.search(r"\bf1\b|auroc|accuracy|roc.auc", told)
    with pytest.raises(InvalidField, match="one of natural traffic"):
        evaluate(lines(), tiny_bundle, prevalence=0.5)
