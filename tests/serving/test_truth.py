"""The truth about a simulated platform: its sums, its mistakes, and the door that only the demo has."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from running_server import NDJSON, running
from sievert.errors import InputError
from sievert.schema.clock import HOUR
from sievert.serving.truth import (
    MOST_POINTS,
    SHOWN,
    DoneTruth,
    PostTruth,
    SeenTruth,
    TruthBoard,
)
from sievert.testing import FixedClock

DOOR = "/api/v1/demo/truth"
IDS = st.sampled_from("abcdef")
WORDS = ("review", "demote", "remove", "restore")
RECORDS = st.lists(
    st.one_of(
        st.builds(PostTruth, id=IDS, harmful=st.booleans(), policy=st.just("spam")),
        st.builds(SeenTruth, id=IDS, views=st.integers(0, 50), views_without=st.integers(0, 50)),
        st.builds(DoneTruth, id=IDS, done=st.sampled_from(WORDS)),
    ),
    max_size=60,
)


def told(board, *records):
    return board.take([msgspec.json.encode(record) for record in records])


def post(number, *, harmful):
    return PostTruth(id=str(number), harmful=harmful, policy="spam" if harmful else None)


def seen(number, views, without):
    return SeenTruth(id=str(number), views=views, views_without=without)


def done(number, word):
    return DoneTruth(id=str(number), done=word)


def counted_by_hand(records):
    """Sum up the slow and plain way; return (harmful, found, views, views without, wrong)."""
    first = {}
    views = without = 0
    wrong = {word: set() for word in WORDS}
    last = {}
    for record in records:
        match record:
            case PostTruth():
                first.setdefault(record.id, record.harmful)
            case SeenTruth() if first.get(record.id):
                views += record.views
                without += record.views_without
            case DoneTruth() if record.id in first:
                last[record.id] = record.done
                if not first[record.id]:
                    wrong[record.done].add(record.id)
    harmful = {name for name, harms in first.items() if harms}
    found = {name for name in harmful if last.get(name, "restore") != "restore"}
    return harmful, found, views, without, {word: len(names) for word, names in wrong.items()}


@given(records=RECORDS, cut=st.integers(0, 60))
def test_the_sums_are_those_of_counting_by_hand(records, cut):
    board = TruthBoard(clock=FixedClock())
    told(board, *records[:cut])
    told(board, *records[cut:])
    truth = board.truth()
    harmful, found, views, without, wrong = counted_by_hand(records)
    assert (truth.harmful, truth.found) == (len(harmful), len(found))
    assert (truth.views, truth.views_without, truth.wrong) == (views, without, wrong)
    assert {one.id for one in truth.missed} == harmful - found
    assert truth.line[-1][1:] == (views, without)
    if without:
        assert truth.prevented == pytest.approx(1 - views / without, abs=1e-4)
    else:
        assert truth.prevented is None


def test_the_worst_mistakes_are_told_and_in_which_order():
    board = TruthBoard(clock=FixedClock())
    for number in range(20):
        told(board, post(number, harmful=True), seen(number, number, number))
    told(board, *(done(number, "demote") for number in range(15, 20)))
    told(board, *(post(name, harmful=False) for name in ("asked", "demoted", "removed", "cleared", "fine")))
    told(
        board,
        *(done("asked", "review"), seen("asked", 900, 900)),
        *(done("removed", "remove"), done("demoted", "review"), done("demoted", "demote")),
        *(done("cleared", "demote"), done("cleared", "restore")),
    )
    truth = board.truth()
    assert [one.id for one in truth.missed] == [str(number) for number in range(14, 14 - SHOWN, -1)]
    assert [one.id for one in truth.acted] == ["removed", "demoted", "asked", "cleared"]
    assert truth.acted[3].done == ("demote", "restore")
    assert truth.acted[2].views == 900
    assert {one.policy for one in truth.missed} == {"spam"}
    assert {one.policy for one in truth.acted} == {None}
    # What was taken back is missed once more.
    told(board, done(19, "restore"))
    assert board.truth().missed[0].id == "19"


def test_a_board_remembers_the_newest_posts_and_the_sums_of_all():
    board = TruthBoard(clock=FixedClock(), most=5)
    for number in range(20):
        told(board, post(number, harmful=number % 2 == 0), seen(number, 1, 2), done(number, "review"))
    truth = board.truth()
    assert (truth.posts, truth.harmful, truth.found) == (20, 10, 10)
    assert (truth.views, truth.views_without) == (10, 20)
    assert len(board._posts) == 5
    assert len(board._acted) + len(board._missed) <= 5
    (answer,) = told(board, seen(3, 1, 1))
    assert not answer.known
    assert board.truth().views == 10


def test_the_line_keeps_its_shape_and_has_an_end():
    clock = FixedClock()
    board = TruthBoard(clock=clock)
    told(board, post(1, harmful=True))
    began = clock.now()
    for _ in range(3000):
        clock.advance(HOUR)
        told(board, seen(1, 1, 2))
    line = board.truth().line
    assert MOST_POINTS / 3 < len(line) <= MOST_POINTS + 1
    assert line[0][0] == began
    assert line[-1] == (clock.now(), 3000, 6000)
    assert [*line] == sorted(line)
    assert all(abs(views - (at - began) / HOUR) <= 1 for at, views, _ in line)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (b'{"kind":"seen","id":"a","views":-1,"views_without":0}', "views"),
        (b'{"kind":"done","id":"a","done":"praise"}', "done"),
        (b'{"kind":"post","id":"a"}', "harmful"),
        (b'{"kind":"post","id":"a","harmful":true,"text":"x"}', "text"),
        (b'{"kind":"wish","id":"a"}', "kind"),
        (b'{"kind":"post","id":"a\\u0007","harmful":true}', "id"),
        (b"nonsense", None),
    ],
)
def test_a_wrong_record_is_told_and_the_rest_counts(record, field):
    board = TruthBoard(clock=FixedClock())
    error, answer = board.take([record, msgspec.json.encode(post(1, harmful=True))])
    assert isinstance(error, InputError)
    assert error.field == field
    assert answer.known
    assert board.truth().posts == 1


def test_outside_the_demo_there_is_no_such_door(client):
    assert client.get("/schema/openapi.json").status_code == 200
    unknown = client.post("/api/v1/demo/lies", content=b"", headers=NDJSON)
    answer = client.post(DOOR, content=msgspec.json.encode(post(1, harmful=True)), headers=NDJSON)
    assert answer.status_code == unknown.status_code == 404
    assert answer.json() == {**unknown.json(), "detail": f"There is nothing at {DOOR}."}
    # Not even its existence is told to those who have no key.
    assert client.post(DOOR, content=b"", headers={"Authorization": ""}).status_code == 404
    with client.stream("GET", "/api/v1/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: hello"
        assert json.loads(next(lines).removeprefix("data: "))["truth"] is None


def test_the_demos_door_takes_the_truth_from_an_admin_and_the_stream_tells_it(tmp_path, tiny_folder):
    clock = FixedClock()
    with running(tmp_path / "data", tiny_folder, clock=clock, truth=TruthBoard(clock=clock)) as server:
        lines = [post(1, harmful=True), seen(1, 3, 10), done(1, "demote"), seen(2, 1, 1)]
        body = b"\n".join([*(msgspec.json.encode(line) for line in lines), b"{"])
        with server.client(server.new_key("posts:write", "labels:write")) as other:
            assert other.post(DOOR, content=body, headers=NDJSON).status_code == 403
        with server.client() as client:
            assert client.post(DOOR, json={}).status_code == 415
            answers = client.post(DOOR, content=body, headers=NDJSON).content.splitlines()
            assert [json.loads(one).get("known") for one in answers] == [True, True, True, False, None]
            assert json.loads(answers[4])["line"] == 5
            with client.stream("GET", "/api/v1/stream") as stream:
                heard = stream.iter_lines()
                next(heard)
                truth = json.loads(next(heard).removeprefix("data: "))["truth"]
                while next(heard) != "event: truth":
                    pass
                later = json.loads(next(heard).removeprefix("data: "))
    assert truth == later
    assert (truth["views"], truth["views_without"], truth["prevented"]) == (3, 10, 0.7)
    assert (truth["posts"], truth["harmful"], truth["found"]) == (1, 1, 1)
