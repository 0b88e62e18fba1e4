"""The fetcher against real servers: what it fetches, what it refuses, and what it never even calls."""

import asyncio
import gzip
import socket
import zlib
from collections import Counter

import pytest

from picture_server import PICTURE, answer, redirect, serving
from sievert.errors import InvalidField, MediaUnavailable, TooLarge
from sievert.schema.media import MAX_PICTURE_BYTES
from sievert.serving.fetching import Fetcher

PUBLIC = "93.184.216.34"


class Names:
    """Answers for names as told, each time the next of its answers, and counts."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): given for name, given in answers.items()}
        self.asked = Counter()

    def __call__(self, host, port):
        self.asked[host] += 1
        given = self.answers.get(host)
        if given is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        if isinstance(given, Exception):
            raise given
        return given[min(self.asked[host], len(given)) - 1]


def fetch(url, *, counted=None, **more):
    """Fetch one URL with a fetcher of its own; a fetch that would never end fails the test."""

    async def one():
        fetcher = Fetcher(count=(counted if counted is not None else []).append, **more)
        try:
            async with asyncio.timeout(30):
                return await fetcher.fetch(url)
        finally:
            await fetcher.close()

    return asyncio.run(one())


def refused(url, kind, word, **more):
    """Fetch what must be refused; return what is said."""
    counted = []
    with pytest.raises(kind) as raised:
        fetch(url, counted=counted, **more)
    assert type(raised.value) is kind
    assert counted == [word]
    assert raised.value.field == "media"
    assert raised.value.remedy
    return raised.value.what


def fetch_from(server, path="/", **more):
    return fetch(f"http://{server.place}{path}", allowed={server.place}, **more)


def refused_from(server, kind, word, path="/", **more):
    return refused(f"http://{server.place}{path}", kind, word, allowed={server.place}, **more)


@pytest.fixture
def called(monkeypatch):
    """Every address that a connection is tried to; none of them answers."""
    tried = []

    async def connect(self, sock, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("asyncio.selector_events.BaseSelectorEventLoop.sock_connect", connect)
    return tried


def test_a_picture_is_fetched_as_it_lies_there():
    counted = []
    with serving({"/a%20b?c=d": answer()}) as server:
        assert fetch_from(server, "/a b?c=d#part", counted=counted) == PICTURE
        head = server.heads[0].lower()
    assert counted == ["fetched"]
    assert f"host: {server.place}".encode() in head
    assert b"accept-encoding: identity" in head
    assert b"cookie" not in head
    assert b"authorization" not in head


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1.2.3/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://100.100.100.200/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://172.16.0.1/",
        "http://192.0.0.192/",
        "http://192.0.2.1/",
        "http://192.88.99.1/",
        "http://192.168.1.1/",
        "http://198.18.0.1/",
        "http://203.0.113.7/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:93.184.216.34]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
        "http://[2001:db8::1]/",
        "http://[2002:7f00:1::1]/",
        "http://[2001:0:7f00:1::1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2600::5efe:10.0.0.1]/",
        "http://[3fff::1]/",
        "http://[4000::1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.0.0x1/",
        "http://127。0.0.1/",
        "http://127.0.0.1./",
    ],
)
def test_no_address_of_an_inner_network_is_called_however_it_is_written(url, called):
    said = refused(url, InvalidField, "address")
    assert "public address" in said or "number" in said
    assert called == []


@pytest.mark.parametrize("host", [PUBLIC, "[2606:2800:220:1::1]", "[64:ff9b::93.184.216.34]"])
def test_a_public_address_is_called(host, called):
    refused(f"http://{host}/", MediaUnavailable, "unreachable")
    assert len(called) == 1


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.com/x", "scheme"),
        ("gopher://example.com/x", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("//example.com/x", "scheme"),
        ("example.com/x", "scheme"),
        ("", "scheme"),
        ("http://ann:secret@example.com/", "credentials"),
        ("http://ann@example.com/", "credentials"),
        ("http://example.com\\@127.0.0.1/", "credentials"),
        ("http://127.0.0.1%2f@example.com/", "credentials"),
        ("http://example.com:22/", "port"),
        ("http://example.com:0/", "port"),
        ("http://example.com:8080/", "port"),
        ("http://example.com:99999/", "port"),
        ("http://example.com:x/", "url"),
        ("http:///x", "url"),
        ("http://a..b/", "url"),
        ("http://0177.0.0.1/", "url"),
        ("http://exa mple.com/", "url"),
        ("http://%31%32%37.0.0.1/", "url"),
        ("http://[fe80::1%25eth0]/", "url"),
        ("http://１２７.0.0.1/", "url"),
        ("http://example.com/\r\nX-Evil: 1", "url"),
        ("http://example.com/\x00", "url"),
        (f"http://{'a' * 300}/", "url"),
        (f"http://example.com/{'a' * 2048}", "url"),
    ],
)
def test_what_is_no_plain_url_is_refused_before_any_name_is_looked_up(url, word, called):
    names = Names()
    said = refused(url, InvalidField, word, resolve=names)
    assert "secret" not in said
    assert not names.asked
    assert called == []


def test_a_host_in_any_script_is_looked_up_in_ascii():
    names = Names(**{"xn--bcher-kva_test": [["127.0.0.1"]]})
    with serving({"/": answer()}) as server:
        listed = f"xn--bcher-kva.test:{server.port}"
        got = fetch(f"http://BÜCHER.test:{server.port}/", resolve=names, allowed={listed})
        assert f"host: {listed}".encode() in server.heads[0].lower()
    assert got == PICTURE


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "fe80::1%eth0"], [PUBLIC, "x"], []],
)
def test_a_name_with_one_inner_address_is_refused_whatever_else_it_has(addresses, called):
    names = Names(a_test=[addresses])
    refused("http://a.test/", InvalidField, "address", resolve=names)
    assert called == []


def test_a_private_name_and_one_that_does_not_exist_are_told_alike():
    names = Names(a_test=[["10.0.0.1"]])
    private = refused("http://a.test/", InvalidField, "address", resolve=names)
    nothing = refused("http://b.test/", InvalidField, "no-host", resolve=names)
    assert private.replace("a.test", "b.test") == nothing


def test_a_name_server_that_fails_may_answer_later():
    names = Names(a_test=socket.gaierror(socket.EAI_AGAIN, "later"))
    refused("http://a.test/", MediaUnavailable, "unreachable", resolve=names)


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(called):
    names = Names(a_test=[[PUBLIC], ["127.0.0.1"]])
    refused("http://a.test/", MediaUnavailable, "unreachable", resolve=names)
    assert called == [PUBLIC]
    assert names.asked == {"a.test": 1}


def test_the_connection_goes_to_the_first_answer_and_no_name_is_looked_up_again(monkeypatch):
    names = Names(a_test=[["127.0.0.1"], ["127.0.0.2"]])
    asked = []
    real = socket.getaddrinfo

    def spy(host, *more, **named):
        asked.append(host)
        return real(host, *more, **named)

    with (
        serving({"/": answer()}) as good,
        serving({"/": answer(b"evil")}, address="127.0.0.2", port=good.port) as evil,
    ):
        monkeypatch.setattr(socket, "getaddrinfo", spy)
        url = f"http://a.test:{good.port}/"
        assert fetch(url, resolve=names, allowed={f"a.test:{good.port}"}) == PICTURE
        assert evil.heads == []
        assert f"host: a.test:{good.port}".encode() in good.heads[0].lower()
    assert names.asked == {"a.test": 1}
    assert set(asked) <= {"127.0.0.1"}


def test_if_the_first_address_takes_no_connection_the_next_one_may():
    with serving({"/": answer()}) as server:
        names = Names(a_test=[["127.0.0.2", "127.0.0.1"]])
        url = f"http://a.test:{server.port}/"
        assert fetch(url, resolve=names, allowed={f"a.test:{server.port}"}) == PICTURE


def test_the_list_opens_exactly_what_stands_on_it_and_never_link_local(called):
    with serving({"/": answer()}) as server:
        for listed in ("127.0.0.1", f"127.0.0.1:{server.port + 1}", f"localhost:{server.port}"):
            refused(f"http://{server.place}/", InvalidField, "port", allowed={listed})
        refused("http://169.254.169.254/", InvalidField, "address", allowed={"169.254.169.254:80"})
        refused("http://[fe80::1]/", InvalidField, "address", allowed={"[fe80::1]:80"})
        assert server.heads == []
    assert called == []


def test_a_listed_address_of_ipv6_is_fetched_from():
    with serving({"/": answer()}, address="::1") as server:
        place = f"[::1]:{server.port}"
        assert fetch(f"http://{place}/", allowed={place}) == PICTURE
        assert f"host: {place}".encode() in server.heads[0].lower()


def test_redirects_are_followed_three_times_and_no_more():
    hops = {f"/{n}": redirect(f"/{n + 1}", status) for n, status in enumerate(("301 x", "303 x", "307 x"))}
    with serving({**hops, "/3": answer(), "/-1": redirect("/0"), "/loop": redirect("/loop")}) as server:
        assert fetch_from(server, "/0") == PICTURE
        server.heads.clear()
        refused_from(server, InvalidField, "redirects", "/-1")
        refused_from(server, InvalidField, "redirects", "/loop")
        assert server.paths == ["/-1", "/0", "/1", "/2", *["/loop"] * 4]


@pytest.mark.parametrize(
    ("location", "word"),
    [
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("//10.0.0.1/", "address"),
        ("http://127.0.0.1:1/", "port"),
        ("http://[::1]/", "address"),
        ("http://2130706433/", "address"),
        ("http://inner.test/", "address"),
        ("file:///etc/passwd", "scheme"),
        ("http://ann:secret@example.com/", "credentials"),
        ("http://[", "url"),
        ("http://a..b/", "url"),
        ("http://a/" + "b" * 3000, "url"),
    ],
)
def test_a_redirect_is_checked_like_the_first_url(location, word):
    names = Names(inner_test=[["192.168.0.1"]])
    with serving({"/": redirect(location)}) as server:
        refused_from(server, InvalidField, word, resolve=names)
        assert server.paths == ["/"]


def test_a_redirect_to_another_name_is_looked_up_and_checked_anew():
    names = Names(a_test=[["127.0.0.1"]], b_test=[["127.0.0.1"]])
    with serving({}) as server:
        server.answers["/"] = redirect(f"http://b.test:{server.port}/x")
        server.answers["/x"] = answer()
        places = {f"{name}.test:{server.port}" for name in "ab"}
        url = f"http://a.test:{server.port}/"
        assert fetch(url, resolve=names, allowed=places) == PICTURE
        refused(url, InvalidField, "port", resolve=names, allowed={f"a.test:{server.port}"})
    assert names.asked == {"a.test": 2, "b.test": 1}


def test_proxies_of_the_environment_and_cookies_of_the_answer_are_passed_over(monkeypatch):
    with serving({"/": answer(set_cookie="a=b")}) as server, serving({}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.place}")

        async def twice():
            fetcher = Fetcher(allowed={server.place})
            await fetcher.fetch(f"http://{server.place}/")
            await fetcher.fetch(f"http://{server.place}/")
            await fetcher.close()

        asyncio.run(twice())
        assert len(server.heads) == 2
        assert b"a=b" not in server.heads[1]
        assert proxy.heads == []


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        ("404 Not Found", InvalidField, "status"),
        ("401 Unauthorized", InvalidField, "status"),
        ("204 No Content", InvalidField, "status"),
        ("206 Partial Content", InvalidField, "status"),
        ("304 Not Modified", InvalidField, "status"),
        ("429 Too Many Requests", MediaUnavailable, "failing"),
        ("500 x", MediaUnavailable, "failing"),
        ("503 x", MediaUnavailable, "failing"),
    ],
)
def test_what_may_be_otherwise_later_is_told_apart_from_what_will_not(status, kind, word):
    with serving({"/": answer(b"", status=status)}) as server:
        said = refused_from(server, kind, word)
    assert status[:3] in said


def test_nobody_there_may_be_there_later():
    with serving({}) as server:
        place = server.place
    refused(f"http://{place}/", MediaUnavailable, "unreachable", allowed={place})


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
def test_a_compressed_answer_is_refused_unread(encoding):
    bomb = gzip.compress(bytes(1 << 24)) if encoding != "deflate" else zlib.compress(bytes(1 << 24))
    with serving({"/": answer(bomb, content_encoding=encoding)}) as server:
        refused_from(server, InvalidField, "encoding")


def test_a_bomb_that_is_not_said_to_be_one_stays_packed():
    bomb = gzip.compress(bytes(1 << 24))
    with serving({"/": answer(bomb)}) as server:
        assert fetch_from(server) == bomb


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_refused_early(kind):
    with serving({"/": answer(b"<html>", content_type=kind)}) as server:
        refused_from(server, InvalidField, "type")


@pytest.mark.parametrize("kind", ["image/svg+xml", "application/octet-stream", "nonsense", None])
def test_any_other_type_is_left_to_whoever_opens_it(kind):
    with serving({"/": answer(content_type=kind)}) as server:
        assert fetch_from(server) == PICTURE


def test_an_empty_body_is_no_picture():
    with serving({"/": answer(b"")}) as server:
        refused_from(server, InvalidField, "empty")


def test_a_body_of_a_hundred_megabytes_is_refused_before_a_byte_of_it_is_read():
    def head_alone(talk):
        talk.send(answer(b"", content_length=str(100 << 20)))
        talk.wait()

    with serving({"/": head_alone}) as server:
        refused_from(server, TooLarge, "size")
        assert server.left.wait(10)


def test_a_body_may_be_as_large_as_the_limit_and_not_one_byte_larger():
    for extra in (0, 1):
        body = bytes(MAX_PICTURE_BYTES + extra)
        whole = answer(body, content_length=None, transfer_encoding="chunked")
        chunked = whole.removesuffix(body) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        with serving({"/": chunked}) as server:
            if extra:
                refused_from(server, TooLarge, "size")
            else:
                assert fetch_from(server) == body


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_without_end_is_cut_at_the_limit(chunked):
    piece = bytes(1 << 16)

    def pour(talk):
        coding = {"transfer_encoding": "chunked"} if chunked else {}
        talk.send(answer(b"", content_length=None, **coding))
        talk.pour(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)

    with serving({"/": pour}) as server:
        refused_from(server, TooLarge, "size")
        assert server.sent < 4 * MAX_PICTURE_BYTES


def test_a_content_length_that_lies_is_noticed():
    with serving(
        {
            "/short": answer(content_length=str(len(PICTURE) + 9)),
            "/long": answer(content_length="3"),
            "/none": answer(content_length="-1"),
            "/two": answer(content_length="3, 4"),
        }
    ) as server:
        refused_from(server, MediaUnavailable, "broken", "/short")
        assert fetch_from(server, "/long") == PICTURE[:3]
        refused_from(server, MediaUnavailable, "broken", "/none")
        refused_from(server, MediaUnavailable, "broken", "/two")
