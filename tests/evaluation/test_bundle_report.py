"""The report on a bundle: measured on made-up corpora and a made-up suite, and written in words."""

import gzip
import json
import random

import numpy as np
import pytest

from sievert.datasets.suites import SuiteCase
from sievert.evaluation.bundle_report import report_on_bundle
from sievert.evaluation.bundle_words import written
from sievert.evaluation.scored_rows import Scores
from sievert.evaluation.suites import measure_suite
from sievert.measurement.fairness import RateKind
from sievert.schema.taxonomy import HARM
from synthetic_corpora import BAD, PLAIN, sentence, write_corpora


def write_groups(folder, name, rows):
    with gzip.open(folder / f"{name}.jsonl.gz", "wt") as out:
        for n, (text, harmful, labels) in enumerate(rows):
            row = {"id": f"{name}:{n}", "text": text, "harmful": harmful, "labels": labels}
            out.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def report(tmp_path_factory, tiny_bundle):
    folder = write_corpora(tmp_path_factory.mktemp("corpora"), rows=1200)
    rng = random.Random(1)
    about = []
    for n in range(4000):
        # The tiny bundle knows the stand-in word alone, so of cyclists it wrongs some who are quoted.
        harmful, group = n % 4 == 0, ("cyclists", "walkers")[n % 2 == 0 or n % 3 == 0]
        word = BAD["hate"] if harmful or (group == "cyclists" and rng.random() < 0.3) else None
        labels = ["hate" if harmful else "neutral", f"target:{group}"]
        about.append((sentence(rng, bad=word), int(harmful), labels))
    write_groups(folder, "toxigen_annotated", about)
    templates = [
        (
            f"{term} friends are {rng.choice(PLAIN)} {BAD['hate'] if n % 2 else 'kind'} {n}",
            n % 2,
            ["name_adj"],
        )
        for term in ("deaf", "young")
        for n in range(40)
    ]
    write_groups(folder, "madlibs77k", templates)
    cases = [
        SuiteCase(
            text=sentence(rng, bad=BAD["hate"] if n % 2 else None),
            language="en",
            labels={HARM: n % 2},
            kinds=(f"kind {n % 4}",),
            target=("cyclists", "walkers")[n // 2 % 2],
        )
        for n in range(200)
    ]
    return report_on_bundle(tiny_bundle, folder, {"made up": cases}, resamples=20)


def test_every_part_is_there_and_at_natural_prevalence(report):
    assert report.held_out.line(HARM) is not None
    assert report.held_out.line("hate", "cad").ranking.prevalence == 0.01
    assert {one.corpus for one in report.languages} == {"germeval2018"}
    assert list(report.lines) == [*sorted(report.lines[:2], reverse=True), 0.3]
    assert {one.told_by for one in report.groups} == {
        "the group that a text is about",
        "the term that a text names",
        "the term that a template names",
    }


def test_a_group_that_is_wronged_is_found_and_named_in_words(report):
    """Red when groups were read from a label that rows did not keep."""
    (errors,) = [
        one for one in report.groups if one.told_by == "the group that a text is about" and one.share == 0.05
    ]
    found = [one for one in errors.gaps if one.found and one.rate is RateKind.FALSE_ALARMS]
    assert {(one.group, one.gap > 0) for one in found} == {("cyclists", True), ("walkers", False)}
    (told,) = [
        line
        for line in written(report).splitlines()
        if "over-flagged" in line and "a text is about" in line and "5.0%" in line
    ]
    assert "cyclists" in told
    assert "walkers" not in told


def test_no_text_stands_in_the_report(report):
    assert not any(word in written(report) for word in BAD.values())


def test_without_blind_sets_the_report_says_so(report):
    import msgspec

    assert "Not measured in this run" in written(msgspec.structs.replace(report, suites=()))
    assert "Not measured in this run" not in written(report)


def test_a_kind_is_judged_by_its_own_cases_and_failing_ones_are_told():
    cases = [
        SuiteCase(
            text="",
            language="en",
            labels={HARM: int(kind != "plain")} if kind != "unknown" else {},
            kinds=(kind,),
            target=None,
        )
        for kind in ("seen", "unseen", "plain", "unknown")
        for _ in range(40)
    ]
    harm = np.repeat([0.9, 0.1, 0.05, 0.9], 40).astype(np.float32)
    scores = Scores(heads=(HARM,), probability=harm[:, None], language=np.zeros(160, np.int8))
    found = measure_suite("made up", cases, scores, lines=(0.5, 0.3), prevalence=0.01, resamples=0)
    assert found.unlabelled == 40
    assert {one.kind: (one.harmful, one.cases, one.marked[-1].share) for one in found.kinds} == {
        "seen": (True, 40, 1.0),
        "unseen": (True, 40, 0.0),
        "plain": (False, 40, 0.0),
    }
    (unseen,) = [one for one in found.kinds if one.kind == "unseen"]
    assert unseen.marked[0].low == 0.0
    assert 0.05 < unseen.marked[0].high < 0.1  # none of forty
