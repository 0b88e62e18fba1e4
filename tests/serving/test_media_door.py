"""Pictures over HTTP: how they come in, what is refused, who sees what, and what is noted before."""

import dataclasses
import hashlib
import http.client
import threading

import pytest

from picture_server import until
from running_server import open_stream, running, send_chunk
from sievert.errors import InvalidField, StoreUnavailable
from sievert.schema.media import MAX_PICTURE_BYTES, MOST_MEDIA, PictureFacts
from sievert.serving import uploads
from sievert.serving.attaching import Attacher
from sievert.serving.bodies import BodyRoom
from sievert.serving.fetching import Fetcher

BLURRED, PLAIN = b"\xff\xd8 grey", b"\xff\xd8 plain"


class FakePictures:
    """Takes everything but what says that it is bad, and shows what it was given to show."""

    def __init__(self):
        self.files, self.shown, self.took = {}, [], threading.Event()

    def take(self, data):
        if data.startswith(b"bad"):
            raise InvalidField("This is no picture.", field="media", remedy="Send one.")
        name = hashlib.sha256(data).hexdigest()
        self.files[name] = data
        self.took.set()
        return PictureFacts(version=1, sha256=name, format="png", bytes=len(data), width=3, height=2)

    def view(self, sha256, how):
        self.shown.append(how)
        return {"blurred": BLURRED, "plain": PLAIN}[how] if sha256 in self.files else None

    def forget_memory(self):
        """There is none."""

    def close(self):
        """There is nothing to end."""


def showing(doors, pictures):
    """Return doors that take and show pictures in another way."""
    return dataclasses.replace(doors, pictures=pictures, attacher=Attacher(pictures, Fetcher()))


@pytest.fixture
def pictures():
    return FakePictures()


@pytest.fixture
def server(tmp_path, tiny_folder, pictures):
    def change(doors):
        return showing(doors, pictures)

    with running(tmp_path / "data", tiny_folder, change=change) as one:
        yield one


def named(data):
    return hashlib.sha256(data).hexdigest()


def form(*files, name="photo"):
    return {"files": [(name, (f"{number}.png", data, "image/png")) for number, data in enumerate(files)]}


def written(*files, boundary=b"xx", end=b"--xx--\r\n"):
    head = b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
    return b"".join(b"--%s\r\n%s%s\r\n" % (boundary, head, data) for data in files) + end


FORM = {"Content-Type": "multipart/form-data; boundary=xx"}


def test_the_files_of_a_form_are_taken_in_order(client, pictures):
    files = [b"one", b"two" * 50_000, b"one", b"\r\n--xx\r\n--"]
    answer = client.post("/api/v1/media", **form(*files))
    assert answer.status_code == 200
    told = answer.json()
    assert [one["sha256"] for one in told] == [named(data) for data in files]
    assert told[1] == {
        "sha256": named(files[1]),
        "bytes": 150_000,
        "format": "png",
        "width": 3,
        "height": 2,
        "frames": 1,
    }
    assert set(pictures.files.values()) == set(files)


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.png",
        "../../etc/zibble-name",
        "zibble-name\x00.png",
        "\u202egnp.zibble-name",
        "zibble-name" * 500,
    ],
)
def test_what_a_file_is_called_is_neither_told_nor_kept(client, server, tmp_path, name):
    answer = client.post("/api/v1/media", files=[("photo", (name, b"one", "image/png"))])
    assert answer.status_code in (200, 400, 422)
    assert answer.status_code == 200 or len(name) > 1000 or "\x00" in name
    for sign in ("zibble-name", "onerror", "gnp."):
        assert sign not in answer.text
        kept = [one for one in tmp_path.rglob("*") if one.is_file()]
        assert not [one for one in kept if sign in one.name or sign.encode() in one.read_bytes()]
    refused = client.post("/api/v1/media", files=[("photo", (name, b"bad", "image/png"))])
    assert refused.status_code in (400, 422)
    assert "zibble-name" not in refused.text
    assert "onerror" not in refused.text


@pytest.mark.parametrize("kind", ["image/jpeg", "image/x-nonsense", "Image/PNG; q=1"])
def test_one_picture_may_be_the_body(client, pictures, kind):
    data = bytes(range(256)) * 1000
    answer = client.post("/api/v1/media", content=data, headers={"Content-Type": kind})
    assert [one["sha256"] for one in answer.json()] == [named(data)]
    assert pictures.files[named(data)] == data


def test_a_form_may_come_in_pieces_cut_anywhere(client, pictures):
    body = written(b"a\r\nb", b"--xx", bytes(1000)) + b"\r\nnothing more"
    for cut in range(1, len(body), 37):
        pictures.files.clear()
        connection = open_stream(client, "/api/v1/media", content_type=FORM["Content-Type"])
        send_chunk(connection, body[:cut])
        send_chunk(connection, body[cut:])
        send_chunk(connection, b"")
        assert connection.getresponse().status == 200
        connection.close()
        assert set(pictures.files.values()) == {b"a\r\nb", b"--xx", bytes(1000)}


def test_a_picture_is_taken_while_the_next_one_still_comes(client, pictures):
    body = written(b"first", b"second")
    middle = body.index(b"second")
    connection = open_stream(client, "/api/v1/media", content_type=FORM["Content-Type"])
    send_chunk(connection, body[:middle])
    assert pictures.took.wait(10)
    assert [*pictures.files.values()] == [b"first"]
    send_chunk(connection, body[middle:])
    send_chunk(connection, b"")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    ("headers", "body", "status", "field"),
    [
        (FORM, b"", 400, "body"),
        (FORM, b"x", 400, "body"),
        (FORM, b"--xx--\r\n", 422, "media"),
        (FORM, written(b"a")[:-9], 400, "body"),
        (FORM, written(b"a", end=b""), 400, "body"),
        (FORM, written(b"a", boundary=b"yy"), 422, "media"),
        (FORM, b"--xx\r\n\r\nx\r\n--xx--\r\n", 400, "body"),
        (FORM, b"--xx\nContent-Disposition: form-data; name=a\n\nx\n--xx--\n", 400, "body"),
        (FORM, b"--xx\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--xx--\r\n", 400, "body"),
        (FORM, b"--xx\r\n" + b"X-A: b\r\n" * 50 + b"\r\nx\r\n--xx--\r\n", 400, "body"),
        (FORM, b"--xx\r\nX-A: " + b"b" * 10_000 + b"\r\n\r\nx\r\n--xx--\r\n", 400, "body"),
        (FORM, b"--xx\r\nX-\xff: b\r\n\r\nx\r\n--xx--\r\n", 400, "body"),
        (FORM, written(b"a", b""), 422, "media[1]"),
        (FORM, written(b"a", b"b", b"bad"), 422, "media[2]"),
        ({"Content-Type": "multipart/form-data"}, written(b"a"), 400, "Content-Type"),
        ({"Content-Type": "multipart/form-data; boundary="}, written(b"a"), 400, "Content-Type"),
        ({"Content-Type": f"multipart/form-data; boundary={'x' * 999}"}, written(b"a"), 400, "Content-Type"),
        ({"Content-Type": "multipart/mixed; boundary=xx"}, written(b"a"), 415, "Content-Type"),
        ({"Content-Type": "application/json"}, b"{}", 415, "Content-Type"),
        ({}, b"x", 415, "Content-Type"),
        ({**FORM, "Content-Encoding": "gzip"}, written(b"a"), 415, "Content-Encoding"),
        ({"Content-Type": "image/png"}, b"", 422, "media[0]"),
        ({"Content-Type": "image/png"}, b"bad", 422, "media[0]"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_and_names_what_is_wrong(server, headers, body, status, field):
    with server.client() as client:
        answer = client.post("/api/v1/media", content=body, headers=headers)
        assert client.post("/api/v1/media", **form(b"good")).status_code == 200
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert answer.json()["remedy"]
    assert server.doors.bodies.free == BodyRoom().free


def test_a_picture_may_be_as_large_as_the_limit_and_not_one_byte_larger(client):
    largest = bytes(MAX_PICTURE_BYTES)
    for extra, status in ((b"", 200), (b"x", 413)):
        answer = client.post("/api/v1/media", **form(b"small", largest + extra))
        assert answer.status_code == status
        alone = client.post("/api/v1/media", content=largest + extra, headers={"Content-Type": "image/png"})
        assert alone.status_code == status
        if extra:
            assert answer.json()["field"] == "media[1]"
            assert alone.json()["field"] == "media"


def test_a_form_may_have_ten_parts_and_no_more(client, pictures):
    files = [b"%d" % number for number in range(MOST_MEDIA + 1)]
    assert len(client.post("/api/v1/media", **form(*files[:-1])).json()) == MOST_MEDIA
    answer = client.post("/api/v1/media", **form(*files))
    assert (answer.status_code, answer.json()["field"]) == (413, "media")


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("image/png", b"x"),
        (FORM["Content-Type"], b"x"),
        (FORM["Content-Type"], written(b"a", b"", end=b"")[:-2]),
    ],
)
def test_a_body_without_end_is_cut_at_the_limit_and_its_sender_hears_why(server, client, kind, start):
    """The answer comes although the body never ends, and nothing of it is held."""
    connection = open_stream(client, "/api/v1/media", content_type=kind)
    send_chunk(connection, start)
    for _ in range(15 * MAX_PICTURE_BYTES >> 20):
        send_chunk(connection, bytes(1 << 20))
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"bytes" in answer.read()
    connection.close()
    assert server.doors.bodies.free == BodyRoom().free
    assert client.post("/api/v1/media", **form(b"good")).status_code == 200


def test_who_sends_too_much_can_send_it_to_the_end_and_then_hears_of_it(client):
    """Many clients send all before they read; closed while they send, they would hear a reset and no answer."""
    data = bytes(MAX_PICTURE_BYTES + (20 << 20))
    headers = {"Content-Type": "image/png", "Connection": "close"}
    headers["Authorization"] = client.headers["authorization"]
    for _ in range(3):
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
        connection.request("POST", "/api/v1/media", body=data, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 413
        assert b"10,485,760 bytes" in answer.read()
        connection.close()


def test_a_client_that_leaves_in_the_middle_gives_its_room_back(server, client):
    room = server.doors.bodies
    connection = open_stream(client, "/api/v1/media", content_type="image/png")
    send_chunk(connection, bytes(1 << 20))
    until(lambda: room.free < BodyRoom().free)
    connection.close()
    until(lambda: room.free == BodyRoom().free)


def test_a_client_that_stops_in_the_middle_is_told_and_gives_its_room_back(server, client, monkeypatch):
    monkeypatch.setattr(uploads, "PIECE_SECONDS", 0.3)
    for kind, start in (("image/png", b"x" * 1000), (FORM["Content-Type"], written(b"a", end=b""))):
        connection = open_stream(client, "/api/v1/media", content_type=kind)
        send_chunk(connection, start)
        answer = connection.getresponse()
        assert answer.status == 400
        assert b"stopped coming" in answer.read()
        connection.close()
    assert server.doors.bodies.free == BodyRoom().free


def test_uploads_share_one_room_and_one_too_many_is_told_to_come_again(tmp_path, tiny_folder, pictures):
    def change(doors):
        return dataclasses.replace(showing(doors, pictures), bodies=BodyRoom(3 << 20))

    with running(tmp_path / "data", tiny_folder, change=change) as server, server.client() as client:
        first = open_stream(client, "/api/v1/media", content_type="image/png")
        send_chunk(first, bytes(2 << 20))
        until(lambda: server.doors.bodies.free == 1 << 20)
        refused = client.post("/api/v1/media", **form(bytes(2 << 20)))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert client.post("/api/v1/media", **form(b"small")).status_code == 200
        send_chunk(first, b"")
        assert first.getresponse().status == 200
        first.close()
        assert client.post("/api/v1/media", **form(bytes(2 << 20))).status_code == 200


def test_a_store_that_is_down_is_told_and_nothing_is_acknowledged(client, pictures, monkeypatch):
    def down(data):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    monkeypatch.setattr(pictures, "take", down)
    answer = client.post("/api/v1/media", **form(b"a"))
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:sievert:problem:store-unavailable")


def test_a_picture_is_shown_blurred_and_its_answer_can_do_nothing(server, client, pictures):
    name = client.post("/api/v1/media", **form(b"a")).json()[0]["sha256"]
    before = server.doors.stores.audit.head()
    for query in ("", "?view=blurred"):
        answer = client.get(f"/api/v1/media/{name}{query}")
        assert answer.content == BLURRED
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert pictures.shown == ["blurred"] * 2
    assert server.doors.stores.audit.head() == before


def test_to_see_it_plain_is_noted_before_a_byte_is_given(server, client, pictures, monkeypatch):
    name = client.post("/api/v1/media", **form(b"a")).json()[0]["sha256"]
    assert client.get(f"/api/v1/media/{name}?view=plain").content == PLAIN
    note = server.doors.stores.audit.entries()[-1]
    key_id = server.key.split("_")[1]
    assert (note.actor, note.event, note.subject) == (f"key:{key_id}", "media.revealed", name)
    server.doors.stores.audit.verify()

    def down(notes):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    monkeypatch.setattr(server.doors.stores.audit, "append", down)
    answer = client.get(f"/api/v1/media/{name}?view=plain")
    assert answer.status_code == 503
    assert PLAIN not in answer.content
    assert client.get(f"/api/v1/media/{name}").content == BLURRED


def test_who_may_see_what(server, client, pictures):
    name = client.post("/api/v1/media", **form(b"a")).json()[0]["sha256"]
    seen = {}
    for scopes in (("media:read",), ("media:reveal",), ("media:read", "media:reveal"), ("posts:write",)):
        with server.client(server.new_key(*scopes)) as one:
            seen[scopes] = [
                one.get(f"/api/v1/media/{name}{query}").status_code for query in ("", "?view=plain")
            ]
            if scopes == ("media:read",):
                problem = one.get(f"/api/v1/media/{name}?view=plain").json()
                assert "lacks the scope media:reveal" in problem["detail"]
    assert seen == {
        ("media:read",): [200, 403],
        ("media:reveal",): [403, 403],
        ("media:read", "media:reveal"): [200, 200],
        ("posts:write",): [403, 403],
    }
    assert pictures.shown.count("plain") == 1


def test_what_is_not_kept_and_what_is_no_name(server, client):
    before = server.doors.stores.audit.head()
    for query in ("", "?view=plain"):
        assert client.get(f"/api/v1/media/{'0' * 64}{query}").status_code == 404
        for name in ("x", "0" * 63, "A" * 64, "..%2f" + "0" * 64):
            assert client.get(f"/api/v1/media/{name}{query}").status_code in (404, 422)
    assert client.get(f"/api/v1/media/{'0' * 64}?view=original").status_code == 422
    # Nothing was revealed, and nothing is said to have been.
    assert server.doors.stores.audit.head() == before


def test_no_byte_of_a_picture_is_logged(client, caplog):
    client.post("/api/v1/media", **form(b"bad secret words"))
    client.post("/api/v1/media", content=b"secret words", headers=FORM)
    assert "secret" not in caplog.text
