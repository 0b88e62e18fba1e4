"""Somebody who left traces everywhere, beside others: filled through a real server, and looked for byte by byte."""

import base64
import contextlib
import hashlib
import json

from killable_server import Killable
from made_pictures import saved, scene
from mixed_load import Load, prepared
from sievert.schema.clock import SystemClock
from sievert.schema.decision import decision_id
from sievert.schema.post import PostKey

CREATOR, OTHER = "villain-7f3a91c2", "neighbour-55d0"
POSTS = 40


def post_of(number):
    """The id of a post of theirs."""
    return f"vpost-{number:05d}-e1b7"


def text_of(number):
    """What it says: harmful, harmless, or known to a rule."""
    return f"{('you blorp', 'a lovely morning', 'blorp', 'see you at the harbour')[number % 4]} quetzal-{number:04d}-93ab"


def needles():
    """Bytes that lead to them: ids, what follows from ids, and texts."""
    found = [CREATOR.encode(), b"quetzal-", b"-93ab", b"vpost-", b"words about the villain"]
    posts = [PostKey("default", post_of(number), revision) for number in range(POSTS) for revision in (0, 1)]
    found += [decision_id(post).encode() for post in posts]
    digests = [hashlib.blake2b(text_of(n).encode(), digest_size=16) for n in range(POSTS)]
    found += [one.digest() for one in digests] + [one.hexdigest().encode() for one in digests]
    return found


def remains(folder, wanted=None):
    """Return (file, bytes) for whatever leads to them in any file of a folder."""
    return [
        (path.relative_to(folder).as_posix(), needle)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for data in [path.read_bytes() + path.name.encode()]
        for needle in wanted or needles()
        if needle in data
    ]


class Filled(Load):
    """A load in which one creator took part in everything."""

    @property
    def folder(self):
        """Where all of it lies."""
        return self._folder

    @property
    def settings(self):
        """What commands must know."""
        return {"SIEVERT_BUNDLE": str(self._bundle), "SIEVERT_POLICIES": str(self._policies)}

    def ask(self, server, method, path, said=None):
        """Ask as an administrator; return the status and what was said."""
        return self._ask(server, "admin", method, path, said)

    def serve(self, data=None, **settings):
        """Start a server of this folder, or of a copy of it."""
        return Killable(
            data or self._folder / "data",
            self._bundle,
            SIEVERT_POLICIES=str(self._policies),
            SIEVERT_AUDIT_RATE="0.5",
            SIEVERT_HEAVY_CASES_PER_HOUR="100000",
            SIEVERT_HEAVY_CASES_PER_DAY="1000000",
            **settings,
        )

    def lines(self, server, path, some):
        """Send NDJSON; return the answers."""
        body = b"\n".join(json.dumps(one).encode() for one in some)
        status, said = self._ask(server, "admin", "POST", path, body, kind="application/x-ndjson")
        assert status == 200, said
        return [json.loads(line) for line in said.splitlines()]

    def fill(self, server):
        """Post, tell events, judge, appeal, take back, upload; all of it by the creator and by a neighbour."""
        shown = base64.b64encode(saved(scene(seed=3), "PNG")).decode()
        for who, name, text in (
            (OTHER, lambda n: f"npost-{n:05d}", lambda n: f"you blorp heron {n}"),
            (CREATOR, post_of, text_of),
        ):
            posts = [{"id": name(n), "text": text(n), "creator_id": who} for n in range(POSTS)]
            posts[0]["media"] = [{"base64": shown}] if who == CREATOR else []
            assert all("decision" in one for one in self.lines(server, "/api/v1/posts:batch", posts))
            now, events = SystemClock().now(), []
            for n in range(POSTS):
                events += [
                    {"kind": "views", "post_id": name(n), "count": 9},
                    {"kind": "report", "post_id": name(n), "actor_id": f"reporter{n}", "reason": "hate"},
                    {"kind": "comment", "post_id": name(n), "text": f"well {text(n)}", "actor_id": "fan"},
                    {"kind": "report", "post_id": f"npost-{n % 5:05d}", "actor_id": who, "reason": "spam"},
                ]
            events += [
                {"kind": "login", "creator_id": who, "country": "FR"},
                {"kind": "profile", "creator_id": who, "followers": 7},
                {"kind": "block", "creator_id": who, "actor_id": "fan"},
            ]
            events = [{"id": f"{who}-event{n}", "at": now, **one} for n, one in enumerate(events)]
            self.lines(server, "/api/v1/events", events)
            edges = [
                {"kind": "follow", "source_id": who, "target_id": "fan", "since": now},
                {"kind": "follow", "source_id": "fan", "target_id": who, "since": now},
                {"kind": "group", "source_id": who, "target_id": "choir", "since": now},
            ]
            self.lines(server, "/api/v1/edges", edges)
        self._judge_all(server)
        status, said = self._ask(server, "admin", "GET", "/api/v1/actions?limit=1000")
        assert status == 200
        done = {}
        for one in json.loads(said)["items"]:
            done.setdefault(one["creator_id"], []).append(one["action_id"])
        for who in (CREATOR, OTHER):
            for action in done[who][:3]:
                appeal = {"action_id": action, "by": who, "statement": "words about the villain"}
                if who == OTHER:
                    appeal["statement"] = "not me"
                self._ask(server, "admin", "POST", "/api/v1/appeals", appeal)
            for action in done[who][3:5]:
                self._ask(server, "admin", "POST", f"/api/v1/actions/{action}/undo", {})
        self._judge_all(server, most=4)
        # Some of theirs waits, and is told once more.
        more = [
            {"id": post_of(n), "text": text_of(n), "creator_id": CREATOR, "revision": 1} for n in range(20)
        ]
        self.lines(server, "/api/v1/posts:batch", more)

    def _judge_all(self, server, most=400):
        idle = 0
        for turn in range(most):
            who = f"reviewer{turn % 4}"
            status, said = self._ask(server, who, "POST", "/api/v1/cases/claim", {})
            if status != 200:
                idle += 1
                if idle == 8:
                    return
                continue
            idle = 0
            case = json.loads(said)["case"]
            verdict = {"violates": ["hate"] if turn % 3 else []}
            if case["post_id"].startswith("vpost"):
                verdict["note"] = "words about the villain"
            self._ask(server, who, "POST", f"/api/v1/cases/{case['case_id']}/verdict", verdict)


def filled(folder, bundle, bundle_folder, *, seed=5, stores=None, **settings):
    """Leave stores behind in which a creator and many others left traces; return the load.

    They lie in a folder, where a killed server leaves them, or in those that `stores` opens.
    """
    policies, keys = prepared(folder, bundle, **(stores or {}))
    load = Filled(folder, bundle_folder, policies, keys, seed=seed)
    server = load.serve(**settings)
    with contextlib.ExitStack() as ends:
        ends.callback(server.kill)
        load.fill(server)
    if stores is None:
        load.round()
    return load
