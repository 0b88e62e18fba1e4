"""Scored and labelled files: what is read, joined, refused, and with which line's number."""

import gzip
import json

import numpy as np
import pytest

from sievert.errors import InputError, InvalidField, MalformedInput, NotFound
from sievert.evaluation.scored_file import read_scored, sample_for

LINE = {"id": "a", "probability": 0.9, "policies": {"hate": 0.8}, "labels": {"hate": 0}}


def written(path, *lines):
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def read(tmp_path, *lines, policy="hate", labels=None, **more):
    path = written(tmp_path / "scored.ndjson", *lines)
    if labels is not None:
        labels = written(tmp_path / "labels.ndjson", *labels)
    return sample_for(policy, read_scored(path, labels=labels), **more)


def test_a_line_becomes_a_row(tmp_path):
    sample = read(
        tmp_path,
        {**LINE, "forecast": 12.5, "views": 10, "sampling_probability": 0.5, "language": "other"},
        {**LINE, "id": 2, "labels": {}, "harmful": 0, "weight": 3, "language": "english"},
        {**LINE, "id": None, "labels": {"hate": False}, "policies": {"hate": 1}},
    )
    assert list(sample.p) == [np.float32(0.8), np.float32(0.8), 1.0]
    assert list(sample.label) == [0, 0, 0]
    assert list(sample.weight) == [2, 3, 1]
    assert list(sample.readable) == [False, True, True]
    assert sample.views[0] == 10
    assert np.isnan(sample.views[1:]).all()
    assert sample.hours is None


def test_a_label_of_harm_is_none_of_a_policy_but_no_harm_is(tmp_path):
    lines = [{**LINE, "id": i, "labels": {}, "harmful": i % 2} for i in range(2)]
    assert list(read(tmp_path, *lines).label) == [0, -1]
    quiet = [{**LINE, "id": i, "labels": {}, "harmful": int(i == 0)} for i in range(9)]
    assert list(read(tmp_path, *quiet, policy="harm").label) == [1] + [0] * 8
    assert read(tmp_path, LINE, policy="harm").p[0] == np.float32(0.9)


def test_labels_come_by_id_from_a_second_file_as_evaluate_reads_it(tmp_path):
    lines = [{"id": i, "policies": {"hate": 0.1 * i}} for i in range(8)]
    more = [
        {"id": 1, "text": "a", "harmful": 0, "policies": {"hate": 0}, "views": 0},
        {"id": 2, "harmful": 1, "labels": {"hate": 1}, "sampling_probability": 0.5},
        {"id": 99, "harmful": 1},
    ]
    sample = read(tmp_path, *lines, labels=[*more, {"id": 3, "harmful": 0, "sampling_probability": 0.1}])
    assert list(sample.label) == [-1, 0, 1, 0, -1, -1, -1, -1]
    assert sample.views[1] == 0
    # The first has no probability with which it was drawn, where others have no label: it is not used.
    assert list(sample.label_weight) == [0, 0, 2, 10, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        ([{"id": 99, "harmful": 1}], NotFound, "No post of the scored file"),
        ([{"harmful": 1}], InvalidField, "labels.ndjson, line 1 has no id"),
        ([{"id": "a", "harmful": 1}] * 2, InvalidField, "labels.ndjson, line 2 is about post 'a'"),
        ([{"id": "a", "harmful": 2}], InvalidField, "labels.ndjson, line 1: "),
    ],
)
def test_a_second_file_that_does_not_fit_is_refused(tmp_path, labels, error, says):
    with pytest.raises(error, match=says):
        read(tmp_path, LINE, labels=labels)


def test_what_score_could_not_read_is_counted_and_left_out(tmp_path):
    wrong = {"line": 2, "id": "b", "error": "The record is empty.", "field": None, "remedy": ""}
    file = read_scored(written(tmp_path / "a.ndjson", LINE, wrong))
    assert (len(file.records), file.unscored) == (1, 1)
    with pytest.raises(InvalidField, match="has no scored line"):
        read_scored(written(tmp_path / "b.ndjson", wrong))
    with pytest.raises(InvalidField, match="has no scored line"):
        read_scored(written(tmp_path / "c.ndjson"))


def test_compressed_files_are_read(tmp_path):
    with gzip.open(tmp_path / "a.ndjson.gz", "wt") as out:
        out.write(json.dumps(LINE) + "\n")
    assert len(read_scored(tmp_path / "a.ndjson.gz").records) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"policies": {"hate": 1.2}},
        {"policies": {"hate": -0.1}},
        {"policies": {"hate": None}},
        {"policies": {"hate": "0.5"}},
        {"probability": 7},
        {"weight": 0},
        {"weight": -1},
        {"sampling_probability": 0},
        {"sampling_probability": 1.5},
        {"forecast": -1},
        {"views": "many"},
        {"labels": {"hate": 0.5}},
        {"harmful": 3},
        {"created_at": "yesterday"},
    ],
)
def test_a_value_that_is_none_is_refused_with_its_line(tmp_path, change):
    with pytest.raises(InvalidField, match=r"scored.ndjson, line 2: ") as caught:
        read(tmp_path, LINE, {**LINE, "id": "b", **change})
    assert caught.value.field.split(".")[0].split("[")[0] in change
    assert caught.value.remedy


@pytest.mark.parametrize("line", ['{"id": "b", "policies": {"hate": NaN}}', "[]", "{", '{"id": "b"'])
def test_what_is_no_record_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(InputError, match="line 2: ") as caught:
        read(tmp_path, LINE, line)
    assert isinstance(caught.value, MalformedInput | InvalidField)


def test_a_post_that_stands_there_twice_is_refused_unless_it_was_drawn_twice(tmp_path):
    with pytest.raises(InvalidField, match=r"line 2 has post 'a' again, after scored\.ndjson, line 1"):
        read(tmp_path, LINE, LINE)
    drawn = {**LINE, "sampling_probability": 0.1}
    assert len(read(tmp_path, drawn, drawn)) == 2
    surely = {**LINE, "sampling_probability": 1.0}
    with pytest.raises(InvalidField, match="line 2 has post 'a' again"):
        read(tmp_path, surely, surely)


def test_unknown_heads_missing_ones_and_labels_in_their_place_are_refused(tmp_path):
    with pytest.raises(InvalidField, match="no probabilities of 'hatte'; 'hate' was meant"):
        read(tmp_path, LINE, policy="hatte")
    with pytest.raises(InvalidField, match="line 2 has no probability of 'hate'"):
        read(tmp_path, LINE, {"id": "b", "probability": 0.5})
    labels = [{"id": i, "harmful": 0, "policies": {"hate": i % 2}} for i in range(40)]
    with pytest.raises(InvalidField, match="they are labels"):
        read(tmp_path, *labels)


def test_times_tell_hours_and_how_long_the_posts_took(tmp_path):
    at = ["2027-01-01T00:10:00Z", 1_798_765_200_000_000, "2027-01-01T05:59:00+00:00"]
    lines = [{**LINE, "id": i, "created_at": one} for i, one in enumerate(at)]
    sample = read(tmp_path, *lines)
    assert sample.hours == 6
    assert len(set(sample.hour)) == 3
    assert read(tmp_path, *lines, hours=48.0).hours == 48
    assert read(tmp_path, *lines, {**LINE, "id": "x"}).hours is None


def test_copies_share_a_cluster_and_others_have_their_own(tmp_path):
    lines = [{**LINE, "id": i, "cluster": "c"} for i in range(3)] + [{**LINE, "id": i} for i in range(3, 6)]
    assert len(set(read(tmp_path, *lines).cluster)) == 4
    assert read(tmp_path, LINE).cluster is None
