"""A real server on a real socket, in a thread of its own, over a folder of its own."""

import contextlib
import http.client
import threading
from urllib.parse import urlsplit

import httpx
import msgspec

from sievert.schema.clock import SystemClock
from sievert.scoring.cascade import load_warm
from sievert.serving.server import address_of, bind, make_server
from sievert.serving.settings import Settings
from sievert.serving.wiring import add_key, open_doors


class Running:
    """A server that answers, and the key of its admin."""

    def __init__(self, doors, address):
        self.doors = doors
        self.address = address
        self.key = self.new_key("admin")

    def new_key(self, *scopes):
        stores = self.doors.stores
        text, _ = add_key(
            stores.keys, stores.audit, name="test", scopes=scopes, actor="test", clock=self.doors.clock
        )
        return text

    def client(self, key=None):
        return httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {key or self.key}"},
            timeout=30,
            trust_env=False,
        )


@contextlib.contextmanager
def running(
    folder,
    bundle_folder,
    *,
    change=lambda doors: doors,
    clock=None,
    truth=None,
    prevalence=None,
    load=load_warm,
    **settings,
):
    """Run a server; `change` may swap parts of its doors before it starts, `truth` is a board for a simulation."""
    if "webhook_url" in settings:  # the receivers of tests lie on this machine
        place = urlsplit(settings["webhook_url"]).netloc
        settings = {"webhook_private_hosts": (place,), **settings}
    chosen = Settings(data_folder=str(folder), bundle=str(bundle_folder), port=0, **settings)
    taken = bind(chosen.host, chosen.port)
    doors = change(
        open_doors(chosen, clock=clock or SystemClock(), truth=truth, prevalence=prevalence, load=load)
    )
    started = threading.Event()
    server = make_server(doors, started=started.set)

    def run():
        with contextlib.closing(taken):
            server.run(sockets=[taken])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(30)
        yield Running(doors, address_of(taken))
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


NDJSON = {"Content-Type": "application/x-ndjson"}


def ndjson(*posts):
    """Write posts (dicts) as NDJSON."""
    return msgspec.json.Encoder().encode_lines(posts)


def open_stream(client, path="/api/v1/posts:batch", *, content_type=NDJSON["Content-Type"]):
    """Begin a chunked POST; httpx sends a whole body before it reads, this can be made to take turns."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=10)
    connection.putrequest("POST", path)
    connection.putheader("Authorization", client.headers["authorization"])
    connection.putheader("Content-Type", content_type)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    return connection


def send_chunk(connection, body):
    """Send a piece of a chunked body; an empty one ends it."""
    connection.send(b"%x\r\n%s\r\n" % (len(body), body))
