"""Everything at once against two servers over one PostgreSQL, or in parts with a queue, any killed at any moment.

The load of `mixed_load.py`, sent to both servers by turns; whoever gets no answer asks the other. `SharedLoad.round`
kills so often, brings back what it killed while the load goes on, and at last ends the servers, so that the stores
can be looked through.
"""

import collections
import contextlib
import http.client
import json
import random
import threading
import time

from killable_server import Killable
from mixed_load import REVIEWERS, Load


class SharedLoad(Load):
    """What is sent, what of it was acknowledged, and how long nothing was after a kill."""

    unheard = (409, 503)
    victims = ("postgres", "postgres", "server", "server", "both servers")

    def __init__(self, folder, bundle_folder, policies, keys, seed, *, postgres):
        super().__init__(folder, bundle_folder, policies, keys, seed)
        self._postgres = postgres
        self._servers = []
        self._ends = threading.Event()
        self.killed = []
        self.silent = collections.defaultdict(list)

    def round(self, kills=3, most=60, seconds=30.0):
        """Kill so often while everybody works, each time after so much more was acknowledged, up to `most`."""
        self._ends.clear()
        self._servers = [self._server(n) for n in range(2)]
        self._begin()
        self._send_again()
        work = [
            (one, "admin")
            for one in (self._post, self._post, self._tell, self._appeal, self._undo, self._switch)
        ]
        work += [(self._judge, f"reviewer{n}") for n in range(REVIEWERS)]
        threads = [
            threading.Thread(target=self._until_told, args=(one, who, self._rng.random()))
            for one, who in work
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                self._wait_for(self._rng.randrange(1, most), seconds)
                time.sleep(self._rng.random() * 0.02)
                self._kill(self._rng.choice(self.victims))
            self._wait_for(1, seconds)
        finally:
            self._ends.set()
            for server in self._servers:
                server.kill()
            self._end()
            for thread in threads:
                thread.join()

    def _kill(self, victim):
        began, before = time.monotonic(), len(self.posts)
        if victim == "postgres":
            self._postgres.kill()
            time.sleep(self._rng.random() * 0.3)
            self._postgres.start()
        elif victim in ("worker", "nats"):
            self._kill_part(victim)
        else:
            some = [0, 1] if victim == "both servers" else [self._rng.randrange(2)]
            for number in some:
                self._servers[number].kill()
            for number in some:
                self._servers[number] = self._server(number)
        self.killed.append(victim)
        while len(self.posts) == before and time.monotonic() - began < 60:
            time.sleep(0.01)
        if len(self.posts) == before:
            self.wrong.append(f"nothing was acknowledged for a minute after {victim} was killed")
        self.silent[victim].append(time.monotonic() - began)

    def _begin(self):
        """Start what a server needs beside it."""

    def _end(self):
        """End it."""

    def _server(self, number):
        return self._process(f"server{number}", ("up", "--port", "0"))

    def _process(self, name, command, **settings):
        return Killable(
            self._folder / name,
            self._bundle,
            command=command,
            **settings,
            SIEVERT_DATABASE_URL=self._postgres.url,
            SIEVERT_POLICIES=str(self._policies),
            SIEVERT_AUDIT_RATE="0.5",
            SIEVERT_HEAVY_CASES_PER_HOUR="100000",
            SIEVERT_HEAVY_CASES_PER_DAY="1000000",
        )

    def _wait_for(self, more, seconds):
        enough, end = self._acknowledged() + more, time.monotonic() + seconds
        while self._acknowledged() < enough and time.monotonic() < end:
            time.sleep(0.005)

    def _until_told(self, work, who, seed):
        rng = random.Random(seed)
        while not self._ends.is_set():
            try:
                work(rng.choice(self._servers), who, rng)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                time.sleep(0.02)

    def _send_again(self):
        """What was acknowledged is answered the same by both servers."""
        with self._lock:
            some = self._rng.sample([*self.posts], min(60, len(self.posts)))
        body = b"\n".join(json.dumps(self.sent[name]).encode() for name in some)
        for server in self._servers if some else ():
            _, said = self._ask(
                server, "admin", "POST", "/api/v1/posts:batch", body, kind="application/x-ndjson"
            )
            answers = {one.get("id"): one.get("decision") for one in map(json.loads, said.splitlines())}
            if answers != {name: self.posts[name] for name in some}:
                self.wrong.append("a post that was acknowledged is answered differently")


class QueuedLoad(SharedLoad):
    """The same with servers that take requests, two workers that decide, and a queue between them."""

    victims = ("postgres", "worker", "worker", "nats", "server")

    def __init__(self, *given, nats, **more):
        super().__init__(*given, **more)
        self._nats = nats
        self._workers = []

    def _begin(self):
        self._workers = [self._worker(n) for n in range(2)]

    def _end(self):
        for worker in self._workers:
            worker.kill()

    def _kill_part(self, victim):
        if victim == "nats":
            self._nats.kill()
            time.sleep(self._rng.random() * 0.3)
            self._nats.start()
        else:
            number = self._rng.randrange(2)
            self._workers[number].kill()
            self._workers[number] = self._worker(number)

    def _server(self, number):
        return self._process(f"server{number}", ("api", "--port", "0"), SIEVERT_NATS_URL=self._nats.url)

    def _worker(self, number):
        return self._process(f"worker{number}", ("worker",), SIEVERT_NATS_URL=self._nats.url)


@contextlib.contextmanager
def own_nats():
    """Run a server of NATS of our own."""
    from own_nats import OwnNats

    server = OwnNats()
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def own_postgres():
    """Run a server of PostgreSQL of our own."""
    from own_postgres import OwnPostgres

    server = OwnPostgres()
    try:
        yield server
    finally:
        server.close()
