"""Traces, as a collector hears them: real OTLP over HTTP, decoded by OpenTelemetry's own messages."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from running_server import NDJSON, ndjson, running

POSTS = [{"id": f"p{n}", "text": f"a secret text {n}", "creator_id": "carol"} for n in range(7)]


@pytest.fixture
def collector():
    """Takes what comes and keeps it; `address`, and `bodies` as they came."""
    bodies = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def spans_in(bodies):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for path, body in bodies:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert names["service.name"] == "sievert"
            for scope in resource.scope_spans:
                yield from scope.spans


def test_a_batch_is_a_span_with_one_for_each_stage_and_no_word_of_a_post(tmp_path, tiny_folder, collector):
    address, bodies = collector
    traced = {"otlp_url": address, "otlp_share": 1.0}
    with running(tmp_path / "data", tiny_folder, **traced) as server, server.client() as client:
        client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON).raise_for_status()
        told = {"kind": "report", "id": "r", "post_id": "p1", "at": "2026-01-01T00:00:00Z", "reason": "x"}
        client.post("/api/v1/events", content=ndjson(told), headers=NDJSON).raise_for_status()
    found = list(spans_in(bodies))  # closing sends what waits
    (posts,) = (one for one in found if one.name == "posts")
    (events,) = (one for one in found if one.name == "events")
    assert [one.value.int_value for one in posts.attributes] == [7]
    inside = [one for one in found if one.parent_span_id == posts.span_id]
    assert {"decode", "light", "decide", "record", "answer"} <= {one.name for one in inside}
    assert "event count" in {one.name for one in found if one.parent_span_id == events.span_id}
    for one in inside:
        assert posts.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano
        assert one.end_time_unix_nano <= posts.end_time_unix_nano
    said = b"".join(body for _, body in bodies)
    assert not [word for word in (b"secret", b"carol", b"p1") if word in said]


def test_a_collector_that_is_away_delays_nothing(tmp_path, tiny_folder):
    with (
        running(tmp_path / "data", tiny_folder, otlp_url="http://127.0.0.1:9", otlp_share=1.0) as server,
        server.client() as client,
    ):
        answer = client.post("/api/v1/posts:batch", content=ndjson(*POSTS), headers=NDJSON)
        assert [line["decision"] for line in map(json.loads, answer.text.splitlines())] == ["allow"] * 7


def test_without_an_address_no_span_is_made(tmp_path, tiny_folder):
    with running(tmp_path / "data", tiny_folder) as server:
        assert server.doors.spans is None
