import gzip
import json

import numpy as np
import pytest

from sievert.errors import InvalidField, MalformedInput, NotFound, TooLarge
from sievert.evaluation.labelled_file import evaluate_lines, read_labelled


@pytest.fixture
def bundle(tiny_bundle):
    return tiny_bundle


def write(path, rows, *, opener=open):
    with opener(path, "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def rows(count=400, *, seed=1, **more):
    rng = np.random.default_rng(seed)
    for i in range(count):
        harmful = int(rng.random() < 0.4)
        p = float(np.clip(rng.normal(0.2 + 0.5 * harmful, 0.15), 0, 1))
        yield {"probability": p, "harmful": harmful, "source": f"s{i % 2}", "other": 1, **more}


def evaluate(path, bundle, **more):
    options = {"prevalence": 0.01, "confidence": 0.95, "resamples": 20, "by": (), **more}
    return evaluate_lines(path.name, read_labelled(path), bundle, **options)


@pytest.mark.parametrize("opener", [open, gzip.open])
def test_lines_that_bring_probabilities_are_taken_at_their_word(tmp_path, bundle, opener):
    path = write(tmp_path / "a.ndjson", rows(), opener=opener)

    report = evaluate(path, bundle)

    (one,) = report.reports
    assert report.scored_by == "the file itself"
    assert one.ranking.harmful + one.ranking.harmless == report.lines == 400
    assert 0.01 < one.ranking.pr_auc.low <= one.ranking.pr_auc.value <= one.ranking.pr_auc.high


def test_texts_are_scored_by_the_bundle_for_every_head_with_labels(tmp_path, bundle):
    lines = [
        {"text": f"a fine day number {i}", "harmful": i % 2, "policies": {"spam": i % 2} if i < 50 else {}}
        for i in range(100)
    ]

    report = evaluate(write(tmp_path / "a.ndjson", lines), bundle)

    counts = {one.head: one.ranking.harmful + one.ranking.harmless for one in report.reports}
    assert counts == {"harm": 100, "spam": 50}
    assert report.scored_by == bundle.version
    assert sum(report.languages.values()) == 100


def test_by_source_adds_a_report_for_each(tmp_path, bundle):
    report = evaluate(write(tmp_path / "a.ndjson", rows()), bundle, by=("source",))

    assert [(one.by, one.group) for one in report.reports] == [
        (None, None),
        ("source", "s0"),
        ("source", "s1"),
    ]


def test_a_bad_line_is_named_with_its_number(tmp_path, bundle):
    path = write(tmp_path / "a.ndjson", [{"text": "x", "harmful": 1}, {"text": "x", "harmful": 2}])

    with pytest.raises(InvalidField, match="line 2"):
        read_labelled(path)


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        (b'{"text": "' + b"x" * (1 << 20) + b'"}', TooLarge, "has 1,048,588 bytes"),
        (b'{"extra": ' + b"[" * 100_000, MalformedInput, "nested too deeply"),
        (b'{"text": "x"', MalformedInput, "ends in the middle"),
        (b'{"text": "\xff", "harmful": 1}', MalformedInput, "not valid UTF-8"),
    ],
)
def test_a_line_that_cannot_be_read_gets_the_words_that_score_has_for_it(tmp_path, line, error, told):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'\n{"text": "x", "harmful": 1}\n' + line + b"\n")

    with pytest.raises(error, match=f"line 3: .*{told}"):
        read_labelled(path)


def test_labels_may_be_true_and_false(tmp_path, bundle):
    numbers = [
        {"text": f"a day number {i}", "harmful": i % 2, "policies": {"spam": i % 2}} for i in range(60)
    ]
    words = [
        {**one, "harmful": bool(one["harmful"]), "policies": {"spam": bool(one["harmful"])}}
        for one in numbers
    ]

    first, second = (
        evaluate(write(tmp_path / "a.ndjson", lines), bundle).reports for lines in (numbers, words)
    )

    assert len(first) == 2
    assert first == second


def test_a_line_with_nothing_to_measure_is_named(tmp_path):
    with pytest.raises(InvalidField, match="neither a text nor a probability"):
        read_labelled(write(tmp_path / "a.ndjson", [{"harmful": 1}]))


def test_harmful_lines_alone_measure_nothing(tmp_path, bundle):
    path = write(tmp_path / "a.ndjson", [{"text": "x", "harmful": 1}] * 3)

    with pytest.raises(InvalidField, match="both kinds"):
        evaluate(path, bundle)


def test_a_balanced_prevalence_is_refused(tmp_path, bundle):
    with pytest.raises(InvalidField, match="natural traffic"):
        evaluate(write(tmp_path / "a.ndjson", rows()), bundle, prevalence=0.5)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(NotFound):
        read_labelled(tmp_path / "nothing.ndjson")


def test_identity_terms_are_measured_where_the_file_names_them(tmp_path, bundle):
    lines = [
        {
            "text": f"Sam is a {'blorp' if i % 3 == 0 else 'kind'} {term} person number {i}",
            "harmful": int(i % 3 == 0),
            "probability": 0.9 - i / 1000 if i % 3 == 0 else i / 1000,
        }
        for i in range(300)
        for term in ("deaf", "gay")
    ]

    report = evaluate(write(tmp_path / "a.ndjson", lines), bundle)

    assert report.identity_terms is not None
    assert {line.term for line in report.identity_terms.terms} == {"deaf", "gay"}
