"""Connections: how many may be open, and what becomes of those that ask for nothing."""

import contextlib
import json
import logging
import resource
import socket
import time

import pytest

from running_server import open_stream, running, send_chunk
from sievert.serving import connections
from sievert.serving.connections import most_connections, raise_handle_limit

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"


def connect(client):
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=60)


def said(raw):
    """Return everything until the server closes; a socket that it does not close fails the test."""
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := raw.recv(65536):
            heard += piece
    return heard


def test_beyond_the_most_connections_further_ones_are_told_when_to_return(
    tmp_path, tiny_folder, caplog, monkeypatch
):
    monkeypatch.setattr(connections, "LINGER_SECONDS", 30.0)
    with (
        running(tmp_path, tiny_folder, connections=16) as server,
        server.client() as client,
        contextlib.ExitStack() as silent,
    ):
        for _ in range(15):
            silent.enter_context(connect(client))
        assert client.get("/health").status_code == 200
        for _ in range(3):
            with connect(client) as surplus:
                head, _, body = said(surplus).partition(b"\r\n\r\n")
                # A request that crosses the answer meets no reset, which could overtake the answer.
                surplus.sendall(HEAD)
                time.sleep(0.2)
                surplus.sendall(b"\r\n")
            assert head.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: " in head.lower()
            assert b"content-type: application/problem+json" in head.lower()
            assert b"content-security-policy: " in head.lower()
            assert json.loads(body)["remedy"]
        assert client.post("/api/v1/posts", json={"id": "a", "text": "x"}).status_code == 200
        silent.close()
        with server.client() as another:
            assert another.get("/health").status_code == 200
    assert caplog.text.count("turned away") == 1


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        HEAD,
        HEAD + b"\r\n" + HEAD,
        HEAD + b"Content-Length: 100\r\n\r\nhalf",
        b"POST /api/v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    ],
)
def test_a_connection_that_asks_for_nothing_is_closed(server, client, monkeypatch, asked):
    monkeypatch.setattr(connections, "SILENT_SECONDS", 0.5)
    with connect(client) as raw:
        raw.sendall(asked)
        if b"\r\n\r\n" in asked:
            # What comes behind an answer holds off the usual end of a connection that is kept alive.
            heard = raw.recv(65536)
            assert heard.startswith(b"HTTP/1.1 ")
            raw.sendall(b"x")
        said(raw)
    assert client.get("/health").status_code == 200


def test_a_stream_in_work_is_not_silent(server, client, monkeypatch):
    monkeypatch.setattr(connections, "SILENT_SECONDS", 0.0)
    stream = open_stream(client)
    with connect(client) as silent:
        said(silent)
    send_chunk(stream, b'{"id":"a","text":"x"}')
    send_chunk(stream, b"")
    assert json.loads(stream.getresponse().read())["id"] == "a"
    stream.close()


def test_bytes_that_are_no_request_get_a_problem_document(client):
    with connect(client) as raw:
        raw.sendall(b"blorp\r\n\r\n")
        head, _, body = said(raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["type"] == "urn:sievert:problem:malformed"


def test_the_process_takes_all_the_handles_that_it_may_have():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024) - 1, hard))
    try:
        assert raise_handle_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_handles_mean_few_connections_and_the_log_says_so(caplog):
    caplog.set_level(logging.WARNING)
    assert most_connections(1000, handles=100_000) == 1000
    assert most_connections(1000, handles=resource.RLIM_INFINITY) == 1000
    assert not caplog.records
    few = most_connections(1000, handles=1024)
    assert 100 < few < 200
    assert "ulimit -n" in caplog.text
    assert most_connections(1000, handles=64) == 16
