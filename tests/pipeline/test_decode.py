"""Bad records get an error that names the field and the remedy; the others go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InputError, InvalidField, MalformedInput, TooLarge
from sievert.pipeline.decode import decode, split_lines, to_batch

LIMIT = 1000


def error_of(record):
    read = decode([record], max_text_bytes=LIMIT)
    assert not read.posts
    return read.errors[0]


@pytest.mark.parametrize(
    ("record", "kind", "field", "says"),
    [
        (b'{"id":"a","text":"\xff"}', MalformedInput, None, "UTF-8"),
        (b'{"id":"a","text":"\\ud800"}', InvalidField, "text", "surrogate"),
        (b'{"id":"a\\udc00","text":""}', InvalidField, "id", "surrogate"),
        (b'{"id":"a","text":"\\ud83dx"}', InvalidField, "text", "surrogate"),
        (b'{"id":"a","text":"x\\u0000"}', InvalidField, "text", "NUL"),
        (b'{"id":"a\\u0000","text":"x"}', InvalidField, "id", "control"),
        (b'{"id":"a","creator_id":"x\\n"}', InvalidField, "creator_id", "control"),
        (b'{"id":"a","platform":"x\\u200b"}', InvalidField, "platform", "control"),
        (b'{"id":"a","text":"' + b"x" * 1001 + b'"}', TooLarge, "text", "1,001"),
        (b'{"id":"a","text":"' + b"x" * (10 << 20) + b'"}', TooLarge, "text", "bytes"),
        (b'{"id":"' + "é".encode() * 100 + b'"}', TooLarge, "id", "200"),
        (b'{"id":"' + b"i" * 129 + b'"}', InvalidField, "id", "128"),
        (b'{"id":""}', InvalidField, "id", ">= 1"),
        (b'{"id":5}', InvalidField, "id", "int"),
        (b'{"text":"x"}', InvalidField, "id", "missing"),
        (b'{"id":"a","txt":"x"}', InvalidField, "txt", "no field"),
        (b'{"id":"a","text":' + b"[" * 100_000, InvalidField, "text", "array"),
        (b'{"id":"a","revision":-1}', InvalidField, "revision", ">= 0"),
        (b'{"id":"a","created_at":"2026-01-01T00:00:00"}', InvalidField, "created_at", "timezone"),
        (b'{"id":"a","created_at":1e300}', InvalidField, "created_at", ""),
        (b'{"id":"a","text":"cut', MalformedInput, None, "middle"),
        (b"", MalformedInput, None, "empty"),
        (b"null", InvalidField, None, "object"),
        (b"[1]", InvalidField, None, "object"),
        (b"not json", MalformedInput, None, "not JSON"),
        (b'{"id":"a"} {"id":"b"}', MalformedInput, None, "trailing"),
        (b"\xef\xbb\xbf{}", MalformedInput, None, "not JSON"),
    ],
)
def test_each_kind_of_bad_record(record, kind, field, says):
    error = error_of(record)
    assert type(error) is kind
    assert error.field == field
    assert says in error.what
    assert error.remedy


def test_good_records_go_on_around_bad_ones():
    read = decode([b'{"id":"a"}', b"{", b'{"id":"b","text":"x"}'], max_text_bytes=LIMIT)
    assert [post.id for post in read.posts] == ["a", "b"]
    assert read.rows == [0, 2]
    assert list(read.errors) == [1]


def test_lines_are_lines():
    assert split_lines(b"a\nb\n") == [b"a", b"b"]
    assert split_lines(b"a\n\nb") == [b"a", b"", b"b"]
    assert split_lines(b"") == []


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_give_one_result_each(records):
    read = decode(records, max_text_bytes=LIMIT)
    assert len(read.posts) + len(read.errors) == read.count == len(records)
    assert all(isinstance(error, InputError) for error in read.errors.values())


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)))
def test_texts_lie_end_to_end_and_subsets_are_the_same(texts):
    encoded = [text.encode() for text in texts]
    posts = decode([b'{"id":"%d"}' % i for i in range(len(texts))], max_text_bytes=LIMIT).posts
    batch = to_batch(posts, encoded, received_at=1)
    column = batch.text
    assert [
        bytes(column.data[a:b]) for a, b in zip(column.offsets, column.offsets[1:], strict=False)
    ] == encoded
    import numpy as np

    rows = np.arange(0, len(texts), 2)
    part = batch.take(rows)
    assert [
        bytes(part.text.data[a:b]) for a, b in zip(part.text.offsets, part.text.offsets[1:], strict=False)
    ] == encoded[::2]
    assert part.digests == batch.digests[::2]
