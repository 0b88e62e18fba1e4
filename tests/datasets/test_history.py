"""Users' own data: what is read, what is set aside with which reason, what stops with a clear error."""

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histories import START, busy_rows, event, label, post, write_history, write_parquet
from sievert.datasets.history import examine_history, read_history
from sievert.datasets.quarantine import REASONS
from sievert.errors import InvalidField, MalformedInput, NotFound
from sievert.schema import event as events_of_the_api
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.event import CLOCK_AHEAD, KIND_WORDS, MOST_VIEWS, REASON_WORDS
from sievert.schema.history import EVENT_FIELDS, FOLLOWED, MADE, NOBODY, POST_FIELDS, country_code

MINUTE = 60 * SECOND


def read(folder, **rows):
    return read_history(write_history(folder, **rows))


def aside(history):
    return {f"{noun}: {reason}": count for (noun, reason), count in history.quarantine.counts.items()}


def test_a_history_is_the_same_from_parquet_ndjson_and_gzip(tmp_path):
    posts, events, labels = busy_rows(np.random.default_rng(1))
    rows = {"posts": posts, "events": events, "labels": labels}

    one = read(tmp_path / "a", **rows)
    for name, how in (("b", {"as_parquet": True}), ("c", {"packed": True})):
        other = read(tmp_path / name, **rows, **how)
        for field in dataclasses.fields(one.events):
            assert np.array_equal(getattr(one.events, field.name), getattr(other.events, field.name))
        assert one.posts.ids.equals(other.posts.ids)
        assert np.array_equal(one.posts.text.data, other.posts.text.data)
        assert np.array_equal(one.labels.value, other.labels.value)
        assert aside(other) == {}
    assert len(one.events) == len(events)
    assert len(one.posts) == 60


def test_events_become_the_columns_that_everybody_meets_in(tmp_path):
    rows = [
        event(0, "views", count=40),
        event(1, "reaction", reaction="angry", actor_id="u1"),
        event(2, "report", reason="spam", actor_id="u2"),
        event(3, "report"),
        event(4, "block", creator_id="c0", actor_id="u1"),
        event(5, "login", creator_id="c0", country="DE"),
        event(6, "profile", creator_id="c0", followers=12, account_created_at=START - DAY),
        event(7, "verdict", harmful=True),
        event(8, "comment", text="silly goose"),
    ]
    history = read_history(
        write_history(tmp_path, posts=[post()], events=rows),
        judge=lambda texts: np.full(len(texts), 7, np.int16),
    )

    found, names = history.events, history.accounts.to_pylist()
    # A profile that says two things makes two rows.
    kinds = [row["kind"] for row in rows]
    assert [KIND_WORDS[kind] for kind in found.kind] == [*kinds[:7], "profile", *kinds[7:]]
    assert found.amount.tolist() == [40, 1, 1, 1, 1, 1, 12, START - DAY, 1, 1]
    other = REASON_WORDS.index("other")
    assert found.code.tolist() == [
        0,
        5,
        REASON_WORDS.index("spam"),
        other,
        0,
        country_code("DE"),
        FOLLOWED,
        MADE,
        0,
        7,
    ]
    assert found.post.tolist() == [0, 0, 0, 0, 0, NOBODY, NOBODY, NOBODY, 0, 0]
    assert [names[i] if i >= 0 else None for i in found.actor[:5]] == [None, "u1", "u2", None, "u1"]
    assert (found.creator[6:8] == names.index("c0")).all()


WRONG_EVENTS = {
    "unknown kind": event(1, "poke"),
    "bad id": event(2, id="x" * 129),
    "bad time": event(3, at=-5),
    "clock ahead": event(4, received_at=START + HOUR - 6 * MINUTE),
    "unknown post": event(5, post_id="nobody"),
    "before its post": event(6, after=-6 * MINUTE),
    "bad count": event(7, count=-3),
    "bad value": event(8, "reaction", reaction="meh"),
    "bad text": event(9, "comment", text="a\x00b"),
    "bad revision": event(10, "edit", revision=0),
    "another platform": event(11, platform="elsewhere"),
    "duplicate": event(0),
}


# The documented columns of Parquet name no platform.
AS_PARQUET = [(reason, True) for reason in WRONG_EVENTS if reason != "another platform"]


@pytest.mark.parametrize(
    ("reason", "as_parquet"), [*((reason, False) for reason in WRONG_EVENTS), *AS_PARQUET]
)
def test_a_wrong_event_is_set_aside_and_the_rest_goes_on(tmp_path, reason, as_parquet):
    rows = [event(0), WRONG_EVENTS[reason], event(99)]

    history = read(tmp_path, posts=[post()], events=rows, as_parquet=as_parquet)

    assert aside(history) == {f"events: {reason}": 1}
    assert len(history.events) == 2
    written = json.loads((tmp_path / "quarantine.ndjson").read_text())
    kind = "parquet" if as_parquet else "ndjson"
    wanted = {"file": f"events.{kind}", "row": 2, "reason": reason, "id": WRONG_EVENTS[reason]["id"]}
    assert written == wanted


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("views", {"count": MOST_VIEWS + 1}),
        ("views", {"count": 0}),
        ("profile", {"creator_id": "c0", "followers": -1}),
        ("profile", {"creator_id": "c0", "followers": 2**62}),
        ("profile", {}),
        ("login", {"creator_id": "c0", "country": "de"}),
        ("login", {"country": "DE"}),
        ("block", {}),
        ("verdict", {}),
        ("comment", {}),
        ("comment", {"text": "x" * 20_001}),
        ("report", {"reason": "because"}),
        ("share", {"actor_id": ""}),
        ("share", {"actor_id": "a\x00"}),
        ("share", {"at": 2**62}),
        ("share", {"post_id": None}),
    ],
)
def test_what_the_api_refuses_teaches_nobody(tmp_path, kind, fields):
    history = read(tmp_path, posts=[post()], events=[event(1, kind, **fields)])

    assert len(history.events) == 0
    assert history.quarantine.total == 1


def test_every_event_that_the_api_takes_is_taken(tmp_path):
    about = {"post_id": "p0", "creator_id": "c0", "country": "SE", "reaction": "like", "text": "x"}
    about |= {"harmful": False, "revision": 1}
    taken = []
    for number, kind in enumerate(events_of_the_api.KINDS):
        fields = {name: about[name] for name in kind.__struct_fields__ if name in about}
        record = kind(id=f"e{number}", at=START + HOUR, **fields)
        taken.append({**json.loads(msgspec.json.encode(record)), "received_at": START + HOUR})

    history = read(tmp_path, posts=[post()], events=taken)

    # A profile that says nothing makes no row.
    assert len(history.events) == len(KIND_WORDS) - 1 == 11
    assert aside(history) == {}


def test_times_may_be_written_as_people_do(tmp_path):
    rows = [event(0, at="2027-01-31T12:00:00Z", received_at="2027-01-31T13:00:05+01:00"), event(1)]
    rows += [event(2, at="2027-01-31T12:00:00")]

    history = read(tmp_path, posts=[post()], events=rows)

    assert history.events.received_at[-1] - history.events.at[-1] == 5 * SECOND
    assert aside(history) == {"events: unreadable line": 1}


def test_a_clock_that_is_a_little_ahead_counts_as_of_receipt(tmp_path):
    rows = [event(0, received_at=START + HOUR - CLOCK_AHEAD)]

    history = read(tmp_path, posts=[post()], events=rows)

    assert history.events.at.tolist() == history.events.received_at.tolist() == [START + HOUR - CLOCK_AHEAD]


def test_events_out_of_order_are_put_in_order_and_said(tmp_path):
    rows = [
        event(0, after=3 * HOUR),
        event(1, after=HOUR),
        event(2, after=2 * HOUR),
        event(3, after=4 * HOUR),
    ]

    history = read(tmp_path, posts=[post()], events=rows)

    assert history.reordered == 2
    assert (np.diff(history.events.received_at) > 0).all()
    assert aside(history) == {}


def test_lines_that_are_no_records_are_set_aside_with_what_the_codec_said(tmp_path):
    long = b'{"id": "' + b"x" * (1 << 20) + b'"}'
    rows = [b"{not json", b"\xff\xfe", long, b"", b'{"id": "e", "kind": "views", "cuont": 3}', event(1)]
    rows += [event(2, count="many"), event(3, count=2**70), b'{"id": "\\ud800"}']

    history = read(tmp_path, posts=[post()], events=rows)

    assert aside(history) == {"events: unreadable line": 6, "events: line too long": 1}
    assert len(history.events) == 1
    written = [json.loads(line) for line in (tmp_path / "quarantine.ndjson").read_text().splitlines()]
    assert [line["row"] for line in written] == [1, 2, 3, 5, 7, 8, 9]
    assert "cuont" in written[3]["detail"]


def test_wrong_posts_are_set_aside(tmp_path):
    rows = [post(0), post(0, text="again"), post(1, id=""), post(2, text=None), post(3, text="a\x00")]
    rows += [post(4, text="x" * 65_537), post(5, revision=-1), post(6, created_at=-1), post(7, platform="b")]
    rows += [post(8, received_at=START)]

    history = read(tmp_path, posts=[{**rows[0], "platform": "a"}, *rows[1:-1], {**rows[-1], "platform": "a"}])

    assert len(history.posts) == 1
    reasons = {"bad id": 1, "bad text": 3, "bad revision": 1, "bad time": 1, "clock ahead": 1}
    # Rows that name no platform are of the platform of the first.
    reasons |= {"another platform": 1, "duplicate": 1}
    assert aside(history) == {f"posts: {reason}": count for reason, count in reasons.items()}
    assert history.platform == "a"


def test_labels_find_their_revision_and_wrong_ones_are_set_aside(tmp_path):
    posts = [post(0), post(0, revision=2, text="edited"), post(1)]
    good = [label(0, sampling_probability=0.2), label(0, revision=2, value=0.0), label(1, at=None)]
    wrong = [
        label(9),
        label(0, revision=1),
        label(0, policy="rudeness"),
        label(0, value=1.5),
        label(0, value=None),
        label(0, sampling_probability=0.0),
        label(0, at=START - HOUR),
        label(0, sampling_probability=0.2),
    ]

    history = read(tmp_path, posts=posts, labels=[*good, *wrong])

    assert history.labels.row.tolist() == [0, 1, 2]
    assert history.labels.at[2] == NOBODY
    assert history.labels.sources == ("expert",)
    assert aside(history) == {
        "labels: unknown post": 1,
        "labels: unknown revision": 1,
        "labels: unknown policy": 1,
        "labels: label out of range": 2,
        "labels: bad probability": 1,
        "labels: before its post": 1,
        "labels: duplicate": 1,
    }


def test_events_are_about_the_first_revision_of_a_post(tmp_path):
    posts = [post(0, revision=3, text="third"), post(1), post(0, revision=1, text="first")]

    history = read(tmp_path, posts=posts, events=[event(0), event(1, of=1)])

    assert history.posts.first.tolist() == [2, 1, 2]
    assert history.events.post.tolist() == [2, 1]
    assert history.posts.text.texts(np.array([2])) == ["first"]


def test_parts_are_read_in_the_order_of_their_names(tmp_path):
    write_history(tmp_path, posts=[post(0), post(1)])
    write_parquet(tmp_path / "events-0001.parquet", [event(0), event(1)], EVENT_FIELDS)
    (tmp_path / "events-0002.ndjson").write_text(json.dumps(event(2, of=1)) + "\n" + json.dumps(event(0)))

    history = read_history(tmp_path)

    assert history.events.post.tolist() == [0, 0, 1]
    assert aside(history) == {"events: duplicate": 1}


def test_examining_writes_nothing_and_a_clean_reading_removes_the_old_quarantine(tmp_path):
    write_history(tmp_path, posts=[post()], events=[event(0, count=-1)])
    assert examine_history(tmp_path).quarantine.total == 1
    assert not (tmp_path / "quarantine.ndjson").exists()

    read_history(tmp_path)
    assert (tmp_path / "quarantine.ndjson").exists()
    write_history(tmp_path, events=[event(0)])
    read_history(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.ndjson", "posts.ndjson"]


def test_corrupt_parquet_is_named_with_what_to_do(tmp_path):
    write_history(tmp_path, posts=[post(n) for n in range(500)], as_parquet=True)
    path = tmp_path / "posts.parquet"
    whole = path.read_bytes()
    for broken in (b"PAR1 nothing", whole[:-20], whole[:60] + bytes(400) + whole[460:]):
        path.write_bytes(broken)
        with pytest.raises(MalformedInput, match=r"posts\.parquet cannot be read.*Write the file anew"):
            read_history(tmp_path)
    assert not (tmp_path / "quarantine.ndjson").exists()


def test_torn_gzip_is_named(tmp_path):
    write_history(tmp_path, posts=[post(n) for n in range(500)], packed=True)
    path = tmp_path / "posts.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MalformedInput, match=r"posts\.ndjson\.gz cannot be read"):
        read_history(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    fields = {name: kind for name, kind in POST_FIELDS.items() if name != "text"}
    write_parquet(tmp_path / "posts.parquet", [{"id": "a", "created_at": START}], fields)
    with pytest.raises(InvalidField, match=r"posts\.parquet has no column 'text'"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    "created",
    [pa.array([1.5]), pa.array(["2027-01-01"]), pa.array([START], pa.timestamp("us"))],
)
def test_a_wrong_type_is_named(tmp_path, created):
    table = pa.table({"id": ["a"], "text": ["b"], "created_at": created})
    pq.write_table(table, tmp_path / "posts.parquet")
    with pytest.raises(InvalidField, match=r"Column 'created_at' of posts\.parquet is of type"):
        read_history(tmp_path)


def test_other_ways_to_write_the_same_types_are_read(tmp_path):
    table = pa.table(
        {
            "id": pa.array(["a"]).dictionary_encode(),
            "text": pa.array(["b"], pa.large_string()),
            "created_at": pa.array([START], pa.timestamp("us", "UTC")).cast(pa.timestamp("ms", "UTC")),
            "creator_id": pa.nulls(1),
            "mine": pa.array([True]),
        }
    )
    pq.write_table(table, tmp_path / "posts.parquet")

    history = read_history(tmp_path)

    assert history.posts.created_at.tolist() == [START]
    assert history.posts.creator.tolist() == [NOBODY]


def test_text_that_is_no_utf8_spoils_its_row_only(tmp_path):
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    pq.write_table(
        pa.table({"id": ["a", "b"], "text": text, "created_at": [START, START]}), tmp_path / "posts.parquet"
    )

    history = read_history(tmp_path)

    assert history.posts.ids.to_pylist() == ["a"]
    assert aside(history) == {"posts: text not UTF-8": 1}


def test_a_folder_without_posts_is_told(tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        read_history(tmp_path / "none")
    with pytest.raises(NotFound, match="no posts"):
        read_history(tmp_path)


def test_every_reason_for_setting_a_row_aside_is_documented():
    told = (Path(__file__).parents[2] / "docs" / "data-format.md").read_text()
    assert len(REASONS) == 20
    for reason in REASONS:
        assert f"| {reason} |" in told, reason
