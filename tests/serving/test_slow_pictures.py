"""Servers that drip, say nothing or never end their headers; who waits for whom; and certificates."""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_fetching import Names, fetch, refused, refused_from

from picture_server import PICTURE, answer, redirect, serving, until
from sievert.errors import InvalidField, MediaUnavailable
from sievert.serving import calling
from sievert.serving.fetching import AT_ONCE, PER_ADDRESS, PER_HOST, Fetcher, fetch_all


def silent(talk):
    talk.wait()


def test_a_server_that_accepts_and_says_nothing_is_left_on_the_whole_and_by_the_piece(monkeypatch):
    with serving({"/": silent}) as server:
        said = refused_from(server, MediaUnavailable, "timeout", seconds=0.3)
        assert "in time" in said
        monkeypatch.setattr(calling, "PIECE_SECONDS", 0.3)
        refused_from(server, MediaUnavailable, "timeout", seconds=25.0)


@pytest.mark.parametrize("part", ["status", "headers", "body", "chunks", "informational"])
def test_a_server_that_drips_is_left_when_the_whole_time_is_over(part):
    head = b"HTTP/1.1 200 OK\r\n"

    def drip(talk):
        if part == "status":
            talk.drip([head[n : n + 1] for n in range(len(head))], 0.1)
        elif part == "headers":
            talk.send(head)
            talk.drip(b"x-%d: y\r\n" % n for n in range(10_000))
        elif part == "informational":
            talk.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n" for _ in range(10_000))
        elif part == "body":
            talk.send(answer(b"", content_length="1000"))
            talk.drip(b"x" for _ in range(10_000))
        else:
            talk.send(answer(b"", content_length=None, transfer_encoding="chunked"))
            talk.drip(b"1\r\nx\r\n" for _ in range(10_000))

    with serving({"/": drip}) as server:
        refused_from(server, MediaUnavailable, "timeout", seconds=0.9)


def test_redirects_share_one_time(monkeypatch):
    def slowly(talk):
        talk.server.ending.wait(0.5)
        talk.send(redirect("/"))

    with serving({"/": slowly}) as server:
        refused_from(server, MediaUnavailable, "timeout", seconds=0.8)
        until(lambda: len(server.heads) == 2)


@pytest.mark.parametrize("bomb", [b"x: " + b"y" * 1000 + b"\r\n", b"y" * 1000, b"x:y\r\n", b"x:y\n"])
def test_headers_without_end_are_cut(bomb):
    def pour(talk):
        talk.send(b"HTTP/1.1 200 OK\r\n")
        talk.pour(bomb * 100)

    with serving({"/": pour}) as server:
        refused_from(server, MediaUnavailable, "broken", seconds=25)
        assert server.sent < 16 << 20  # what the sockets between us hold, and no more


def test_a_head_may_be_long_but_has_an_end():
    def with_headers(count, length):
        lines = "\r\n".join(f"x-{number}: {'y' * length}" for number in range(count))
        return answer(x=f"y\r\n{lines}")

    with serving(
        {"/": with_headers(50, 500), "/wide": with_headers(50, 1000), "/long": with_headers(400, 1)}
    ) as server:
        assert fetch(f"http://{server.place}/", allowed={server.place}) == PICTURE
        refused_from(server, MediaUnavailable, "broken", "/wide")
        refused_from(server, MediaUnavailable, "broken", "/long")


def test_a_body_of_crumbs_is_left_soon_and_large_pieces_are_not():
    """Each piece costs the same time, however small it is, and nobody else is served in it."""

    def crumbs(talk):
        talk.send(answer(b"", content_length=None, transfer_encoding="chunked"))
        talk.server.ending.wait(0.2)  # with the head they would be refused as a head of too many lines
        talk.pour(b"1\r\nx\r\n" * 1000)

    piece = b"%x\r\n%s\r\n" % (300, bytes(300)) * 1000
    fair = answer(b"", content_length=None, transfer_encoding="chunked") + piece + b"0\r\n\r\n"
    with serving({"/": crumbs, "/fair": fair}) as server:
        said = refused_from(server, InvalidField, "crumbs", seconds=25)
        assert "crumbs" in said
        got = fetch(f"http://{server.place}/fair", allowed={server.place})
        assert got == bytes(300_000)


def test_a_flood_of_early_hints_is_left_when_it_is_longer_than_a_head():
    def hints(talk):
        talk.pour(b"HTTP/1.1 103 \r\n\r\n" * 1000)

    few = b"HTTP/1.1 103 \r\nlink: x\r\n\r\n" * 5 + answer()
    with serving({"/": hints, "/few": few}) as server:
        refused_from(server, MediaUnavailable, "broken", seconds=25)
        assert fetch(f"http://{server.place}/few", allowed={server.place}) == PICTURE


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n", b"\x00" * 50 + b"\r\n\r\n", b"HTTP/1.1 200\r\nx y\r\n\r\n"]
)
def test_what_does_not_speak_http_is_left(said):
    with serving({"/": said}) as server:
        refused_from(server, MediaUnavailable, "broken")


def test_a_slow_host_takes_its_own_turns_and_others_are_served_meanwhile():
    names = Names(slow_test=[["127.0.0.1"]], quick_test=[["127.0.0.2"]])

    async def both(server, quick):
        fetcher = Fetcher(resolve=names, allowed={f"slow.test:{server.port}", quick.place}, seconds=20)
        slow = [
            asyncio.create_task(fetcher.fetch(f"http://slow.test:{server.port}/")) for _ in range(AT_ONCE * 2)
        ]
        await asyncio.to_thread(until, lambda: len(server.heads) >= AT_ONCE // 2)
        for _ in range(5):
            assert await fetcher.fetch(f"http://{quick.place}/") == PICTURE
        assert not any(one.done() for one in slow)
        assert len(server.heads) == AT_ONCE // 2
        server.ending.set()
        failed = await asyncio.gather(*slow, return_exceptions=True)
        assert {type(one) for one in failed} == {MediaUnavailable}
        await fetcher.close()
        assert not fetcher._turns._places  # what is over is forgotten

    with serving({"/": silent}) as server, serving({"/": answer()}, address="127.0.0.2") as quick:
        asyncio.run(both(server, quick))


def test_a_host_that_nobody_listed_gets_few_turns_and_so_do_many_names_of_one_address(monkeypatch):
    inside, most = 0, 0

    async def slow(self, destination, addresses):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return PICTURE

    monkeypatch.setattr(Fetcher, "_get", slow)

    async def many(urls):
        nonlocal most
        most = 0
        fetcher = Fetcher(resolve=lambda host, port: ["93.184.216.34"])
        assert await asyncio.gather(*map(fetcher.fetch, urls)) == [PICTURE] * len(urls)
        await fetcher.close()
        return most

    assert asyncio.run(many(["http://a.test/"] * 20)) == PER_HOST
    assert asyncio.run(many([f"http://a{n}.test/" for n in range(40)])) == PER_ADDRESS
    # Addresses of one IPv6 network count as one; different ones share what there is at all.
    assert asyncio.run(many([f"http://[2606:2800::{n}]/" for n in range(1, 40)])) == PER_ADDRESS
    assert asyncio.run(many([f"http://93.184.216.{n}/" for n in range(1, 40)])) == AT_ONCE


def test_who_waits_too_long_for_a_turn_is_told_to_come_again():
    counted = []

    async def three(server):
        fetcher = Fetcher(allowed={server.place}, seconds=0.4, at_once=1, count=counted.append)
        failed = await asyncio.gather(
            *(fetcher.fetch(f"http://{server.place}/") for _ in range(6)), return_exceptions=True
        )
        await fetcher.close()
        return failed

    with serving({"/": silent}) as server:
        failed = asyncio.run(three(server))
    assert {type(one) for one in failed} == {MediaUnavailable}
    assert set(counted) == {"timeout", "busy"}


def test_a_name_server_that_never_answers_is_left_too():
    import threading

    ending = threading.Event()

    def never(host, port):
        ending.wait(30)
        raise OSError

    try:
        refused("http://a.test/", MediaUnavailable, "timeout", resolve=never, seconds=0.3)
    finally:
        ending.set()


def test_a_fetch_that_is_given_up_gives_its_turn_back():
    async def give_up(server):
        fetcher = Fetcher(allowed={server.place}, at_once=1, seconds=20)
        task = asyncio.create_task(fetcher.fetch(f"http://{server.place}/slow"))
        await asyncio.to_thread(until, lambda: server.heads)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await fetcher.fetch(f"http://{server.place}/") == PICTURE
        await fetcher.close()

    with serving({"/slow": silent, "/": answer()}) as server:
        asyncio.run(give_up(server))
        assert server.left.wait(10)


def test_the_command_line_fetches_many_and_hears_what_became_of_each():
    with serving({"/a": answer(), "/b": answer(b"b")}) as server:
        urls = [f"http://{server.place}/{name}" for name in "abc"]
        a, b, c = fetch_all(urls, allowed={server.place})
    assert (a, b) == (PICTURE, b"b")
    assert isinstance(c, InvalidField)


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A certificate for pictures.test and 127.0.0.1, and whom to believe so."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("pictures.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(pem)
    mine.sni_callback = lambda sock, asked, _: mine.asked.append(asked)
    mine.asked = []
    theirs = ssl.create_default_context(cafile=pem)
    return mine, theirs


def test_the_certificate_is_checked_against_the_name_and_not_the_address(certified):
    mine, theirs = certified
    names = Names(pictures_test=[["127.0.0.1"]], other_test=[["127.0.0.1"]])
    with serving({"/": answer()}, tls=mine) as server:
        places = {f"{name}.test:{server.port}" for name in ("pictures", "other")}
        more = {"resolve": names, "allowed": places}
        mine.asked.clear()
        assert fetch(f"https://pictures.test:{server.port}/", trust=theirs, **more) == PICTURE
        assert mine.asked == ["pictures.test"]
        assert f"host: pictures.test:{server.port}".encode() in server.heads[0].lower()
        for url, trust in (
            (f"https://other.test:{server.port}/", theirs),
            (f"https://pictures.test:{server.port}/", None),
        ):
            said = refused(url, MediaUnavailable, "unreachable", trust=trust, **more)
            assert "certificate" in said
        assert len(server.heads) == 1


def test_https_never_falls_to_http(certified):
    mine, theirs = certified
    with serving({"/": answer()}) as plain, serving({}, tls=mine) as server:
        server.answers["/down"] = redirect(f"http://{plain.place}/")
        server.answers["/same"] = redirect(f"https://{server.place}/")
        server.answers["/"] = answer()
        plain.answers["/up"] = redirect(f"https://{server.place}/")
        more = {"allowed": {plain.place, server.place}, "trust": theirs}
        refused(f"https://{server.place}/down", InvalidField, "downgrade", **more)
        assert plain.heads == []
        assert fetch(f"https://{server.place}/same", **more) == PICTURE
        assert fetch(f"http://{plain.place}/up", **more) == PICTURE


def test_a_server_that_never_shakes_hands_is_left_and_the_connection_closed():
    async def one(server):
        fetcher = Fetcher(allowed={server.place}, seconds=0.3)
        with pytest.raises(MediaUnavailable):
            await fetcher.fetch(f"https://{server.place}/")
        # Before the loop ends: what is forgotten would stay open for as long as the server runs.
        assert await asyncio.to_thread(server.left.wait, 10)
        await fetcher.close()

    # It waits for a request in the clear, while we wait for it to speak TLS.
    with serving({}) as server:
        asyncio.run(one(server))
