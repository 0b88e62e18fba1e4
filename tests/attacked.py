"""A town under attack: a simulated network, a real `sievert up` that may remove, people who judge, and a receiver.

What the town writes is of made-up words, of which three are evidence of known strength: by construction the
bundle's probabilities are right for it, or a little too careful, so that its policy can be certified and what goes wrong is the attack's
doing. How views and reports move a probability and a forecast is what the shipped bundle learned.

The server is a process of its own, spoken to over HTTP as users do; it lives by the town's clock.
"""

import collections
import contextlib
import dataclasses
import http.server
import itertools
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import msgspec
import numpy as np

from command_line import environment
from sievert.errors import StoreUnavailable
from sievert.guardrail.certifying import CLOSE_AFTER, draw_audits, finish, open_attempt
from sievert.guardrail.promotion import promote
from sievert.guardrail.proving import Reviewed
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.batch import TextColumn
from sievert.schema.clock import HOUR, ManualClock
from sievert.schema.guardrail import AuditState
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.scoring.cascade import score
from sievert.serving.settings import Settings
from sievert.serving.wiring import add_key, open_ledgers
from sievert.simulation.records import step_records
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import Effect, World
from sievert.simulation.writer import Writer
from sievert.testing import write_tiny_bundle

STEP = HOUR // 2
PARTS = 15
"""In so many parts a step's posts come, so that what stops what can be told to two minutes."""

STEPS_AN_HOUR = HOUR // STEP
WORDS = {"blorp": 0.9995, "flumb": 0.999, "snorf": 0.92}
"""Of the posts that hold one of these words such a share is harmful; the bundle says 0.99, 0.96 and 0.90."""

_SURE = 15.4
_HINTS = {"flumb": ("hate", 13.3), "snorf": ("hate", 11.9)}
"""What the words add to a logit, so that a text of ten words gets the probability that is right for it."""

HARM = 0.10
"""The share of posts that is harmful."""

_PARTS = {"blorp": 0.55, "flumb": 0.15, "snorf": 0.20}
"""The share of harmful posts that holds each; the others give no sign of what they are."""

SECRET = "whsec_" + "QUJD" * 10

_EFFECTS = {
    "demote": Effect.DEMOTE,
    "remove": Effect.REMOVE,
    "isolate": Effect.REMOVE,
    "restore": Effect.RESTORE,
}

POLICY = """\
name: hate
version: 1
category: hate
title: "Hate"
mode: live
reviews_per_hour: 60
"""


def words(rng, count):
    """Write a text of so many made-up words."""
    consonants, vowels = "bdfgklmnprstvz", "aeiou"

    def word():
        return "".join(
            (consonants if place % 2 == 0 else vowels)[int(rng.integers(14 if place % 2 == 0 else 5))]
            for place in range(5)
        )

    return " ".join(word() for _ in range(count))


class Words:
    """Writes texts that hold no evidence but what is put in: some made-up words share a slot with evidence."""

    def __init__(self, bundle, seed):
        self._bundle = bundle
        self.rng = np.random.default_rng(seed)

    def texts(self, evidence):
        """Return a text for each word of evidence, or None."""
        plain = []
        while len(plain) < len(evidence):
            tried = [words(self.rng, 10) for _ in evidence]
            p = score(self._bundle, TextColumn.of(tried), heavy_share=0.0).of("hate")
            plain += [text for text, one in zip(tried, p.tolist(), strict=True) if one < 0.01]
        return [
            text if word is None else with_word(self.rng, text, word)
            for text, word in zip(plain, evidence, strict=False)
        ]


def with_word(rng, text, word):
    """Put a word in the place of one of a text's."""
    said = text.split()
    said[int(rng.integers(len(said)))] = word
    return " ".join(said)


def write_broken_bundle(folder):
    """Write a bundle of the same words that scores everything 0.99."""
    return write_tiny_bundle(folder, sure=_SURE, hints=_HINTS, everything=4.6)


def write_corpus(path, bundle, *, benign=16_000, harmful=3_000, seed=3):
    """Write texts whose evidence is as strong as `WORDS` say, at the share of harm that the town has."""
    writer = Words(bundle, seed)
    share = {
        word: HARM * _PARTS[word] * (1 - right) / right / (1 - HARM) for word, right in WORDS.items()
    }  # of benign texts
    with path.open("w") as file:
        for harm, count, shares in ((1, harmful, _PARTS), (0, benign, share)):
            names = [*shares, None]
            chances = np.array([*shares.values(), 1 - sum(shares.values())])
            drawn = writer.rng.choice(len(names), size=count, p=chances).tolist()
            for text in writer.texts([names[place] for place in drawn]):
                labels = ["hate"] if harm else []
                file.write(json.dumps({"text": text, "harmful": harm, "labels": labels}) + "\n")
    return path


def write_bundle_of(folder):
    """Write the town's bundle: its words, and what the shipped bundle knows of views and behaviour."""
    shipped = load_bundle(default_bundle_path())
    documents = {**shipped.update.files(), **shipped.views.files()}
    return write_tiny_bundle(folder, sure=_SURE, hints=_HINTS, documents=documents)


def world_of(corpus, *, creators, posts_per_day, seed=1):
    """Return a town's world: its posts are texts alone, and all that harms is hate."""
    usual = WorldSettings()
    more = HARM / usual.prevalence
    settings = WorldSettings(
        creators=creators,
        posts_per_day=posts_per_day,
        seed=seed,
        step=STEP,
        views=150.0,
        image=0.0,
        policies=(1.0, 0.0, 0.0, 0.0),
        harm_of_toxic=usual.harm_of_toxic * more,
        harm_of_campaigns=usual.harm_of_campaigns * more,
        harm_of_hacked=usual.harm_of_hacked * more,
        learning=0.0,  # nobody hides better for being removed: the bundle stays right
        hearsay=0.0,
        shift_day=1000.0,
    )
    return World(settings, Writer(corpus=corpus))


class Receiver:
    """Hears webhook messages, as a platform does, and remembers how often each came and of what it told."""

    def __init__(self):
        heard = self.messages = collections.Counter()
        told = self.told = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                heard[self.headers["webhook-id"]] += 1
                told[self.headers["webhook-id"]] = json.loads(body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Server:
    """A `sievert up` in a process of its own, over a folder with a town's bundle, policies and clock."""

    def __init__(self, folder, *, receiver, bundle=None):
        self.settings = Settings(
            data_folder=str(folder / "data"),
            bundle=str(bundle or folder / "bundle"),
            policies=str(folder / "policies"),
            heavy_cases_per_hour=100_000,
            heavy_cases_per_day=1_000_000,
            webhook_url=f"http://{receiver.place}/",
            webhook_private_hosts=(receiver.place,),
            webhook_secret=SECRET,
        )
        kept = self.settings
        said = {
            "SIEVERT_BUNDLE": kept.bundle,
            "SIEVERT_POLICIES": kept.policies,
            "SIEVERT_HEAVY_CASES_PER_HOUR": str(kept.heavy_cases_per_hour),
            "SIEVERT_HEAVY_CASES_PER_DAY": str(kept.heavy_cases_per_day),
            "SIEVERT_WEBHOOK_URL": kept.webhook_url,
            "SIEVERT_WEBHOOK_PRIVATE_HOSTS": receiver.place,
            "SIEVERT_WEBHOOK_SECRET": SECRET,
            "SIEVERT_LOG_LEVEL": "error",
        }
        here = Path(__file__).parent
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(here / "clocked_up.py"), str(folder / "clock")),
                *("up", "--port", "0", "--data", kept.data_folder),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**said, PYTHONPATH=os.pathsep.join(sys.path)),
        )
        self.address = self.process.stdout.readline().split()[-1]
        self.process.stdout.readline()
        line = self.process.stdout.readline()
        self.admin = line.split()[-1] if line.startswith("admin key") else None

    def client(self, key):
        return httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {key}"}, timeout=120, trust_env=False
        )

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


@dataclasses.dataclass
class Keys:
    """Who speaks to the server: the platform, and people who review."""

    platform: str
    reviewers: list[str]


class Town:
    """A world, the platform that obeys the server about it, and people who judge by the truth, nearly always right."""

    def __init__(self, folder, world, *, receiver=None, seed=1, an_hour=40.0, mistaken=0.01, reviewers=7):
        self.folder, self.world = folder, world
        self.receiver = receiver or Receiver()
        self.rng = np.random.default_rng(seed)
        self.acknowledged, self.answers = [], {}
        self.harmful = {}  # of posts that the world does not know
        self.seen = collections.Counter()  # views of those, by post
        self.done = {}  # what holds now, by post: a webhook's kind of action
        self.appealed, self._heard = set(), set()
        self.an_hour, self._mistaken, self._reviewers = an_hour, mistaken, reviewers
        self._room = 0.0
        self.now = world.settings.start
        self.keys = None

    # The server.

    def set_clock(self, at):
        self.now = at
        with (self.folder / "clock").open("r+b") as file:
            file.write(struct.pack("<q", at))

    def start(self, **more):
        clock = self.folder / "clock"
        if not clock.exists():
            clock.write_bytes(struct.pack("<q", self.now))
        self.set_clock(self.now)
        self.server = Server(self.folder, receiver=self.receiver, **more)
        if self.keys is None:
            self.keys = Keys(self.server.admin, [self._new_key(f"r{n}") for n in range(self._reviewers)])
        self.platform = self.server.client(self.keys.platform)
        self.people = [self.server.client(key) for key in self.keys.reviewers]

    def end(self):
        for one in (self.platform, *self.people):
            one.close()
        self.server.end()

    def _new_key(self, name):
        with self.ledgers() as found:
            clock = ManualClock(self.now)
            made = {"name": name, "scopes": ("review:work",), "actor": "town", "clock": clock}
            return add_key(found.keys, found.audit, **made)[0]

    def at_rest(self):
        """Let go of everything but the folder, the world and who knows what; for a town that others are cloned from."""
        self.receiver.close()
        self.receiver = self.server = self.platform = self.people = None

    @contextlib.contextmanager
    def ledgers(self):
        """The guardrail's records, as the command line opens them beside the server."""
        with open_ledgers(self.server.settings, clock=ManualClock(self.now)) as found:
            yield found

    # A step.

    def step(self, posts=(), events=(), change=list):
        """Let the town go on by a step; return what was answered to further posts, by their ids.

        `change` is what a platform's mistake does to the world's posts.
        """
        step = self.world.advance()
        told = step_records(step, self.world.accounts)
        mine, rest = [], change(told.posts)
        lines = [json.dumps(one).encode() for one in posts]
        for part in range(PARTS):
            self.set_clock(step.tick.begin + (part + 1) * STEP // PARTS)
            mine += self.send("/api/v1/posts:batch", lines[part::PARTS])
            self.send("/api/v1/posts:batch", rest[part::PARTS])
        # Who looks here are this town's own people, over the API.
        self.send("/api/v1/events", [one for one in told.events if b'"kind":"verdict"' not in one])
        self.send("/api/v1/events", [json.dumps(one).encode() for one in events])
        self.obey()
        self.judge(self.an_hour * STEP / HOUR)
        return {answer["id"]: answer for answer in mine}

    def send(self, path, lines):
        """Send lines; remember what was acknowledged."""
        answers = []
        for begin in range(0, len(lines), 2000):
            body = b"\n".join(lines[begin : begin + 2000])
            answer = self.platform.post(path, content=body, headers={"Content-Type": "application/x-ndjson"})
            answer.raise_for_status()
            some = [msgspec.json.decode(one) for one in answer.content.splitlines()]
            wrong = [one for one in some if "title" in one]
            assert not wrong, wrong[:3]
            answers += some
        self.acknowledged += [(path, one["id"]) for one in answers]
        return answers

    def obey(self):
        """Do what the webhook's messages say, each once; authors of what was wrongly removed appeal, one in three."""
        self.settle_messages()
        todo = collections.defaultdict(list)
        for name, told in sorted(self.receiver.told.items(), key=lambda one: one[1]["timestamp"]):
            if name in self._heard or told["type"] != "action.performed":
                continue
            self._heard.add(name)
            action = told["data"]
            self.done[action["post_id"]] = action["kind"]
            if action["post_id"].startswith("p") and action["post_id"][1:].isdigit():
                todo[_EFFECTS[action["kind"]]].append(int(action["post_id"][1:]))
            wrongly = action["kind"] == "remove" and not self.is_harmful(action["post_id"])
            if wrongly and action["by"] == "sievert" and self.rng.random() < 1 / 3:
                said = {"action_id": action["action_id"], "by": "author", "statement": "I did nothing wrong."}
                self.appealed.add(action["post_id"])
                assert self.platform.post("/api/v1/appeals", json=said).status_code in {200, 409}
        for effect, numbers in todo.items():
            self.world.enforce(np.array(numbers, np.int64), effect)

    def settle_messages(self):
        """Wait until the server has told all that it wrote down."""
        end = time.monotonic() + 60
        while self.query("SELECT count(*) FROM outbox WHERE state = 'pending'")[0][0]:
            assert time.monotonic() < end
            time.sleep(0.02)

    def query(self, statement, *values):
        """Read the server's database."""
        with contextlib.closing(sqlite3.connect(self.folder / "data" / "sievert.db")) as connection:
            return connection.execute(statement, values).fetchall()

    def is_harmful(self, post_id):
        """Tell the truth about a post."""
        if post_id in self.harmful:
            return self.harmful[post_id]
        return bool(self._policy()[int(post_id[1:])] >= 0)

    def _policy(self):
        return self.world._ledger["policy"]  # the whole truth copies everything

    def judge(self, room):
        """Let people look at so many cases; nobody who had nothing to do can do more later."""
        self._room = min(self._room + room, max(1.0, room))
        given = 0
        turns = itertools.cycle(self.people)
        idle = 0
        while self._room >= 1.0 and idle < len(self.people):
            person = next(turns)
            answer = person.post("/api/v1/cases/claim", json={})
            if answer.status_code == 204:
                idle += 1
                continue
            answer.raise_for_status()
            idle = 0
            case = answer.json()["case"]
            self._room -= 1.0
            harmful = self.is_harmful(case["post_id"]) != (self.rng.random() < self._mistaken)
            said = {"violates": ["hate"] if harmful else [], "judged": ["hate"]}
            person.post(f"/api/v1/cases/{case['case_id']}/verdict", json=said).raise_for_status()
            given += 1
        return given

    # The way to a certificate, by the guardrail's own functions, beside the running server.

    def certify(self, *, look, window, audits, then):
        """See traffic in shadow, be certified on a window, be promoted, and remove for a while; hours each."""
        self.go_on(look)
        self.guardrail(open_attempt, running=True, audits=audits, window=window * HOUR)
        self.go_on(window)
        mistaken, self._mistaken = self._mistaken, 0.0
        self.set_clock(self.now + CLOSE_AFTER)
        self.guardrail(draw_audits, attempt=True)
        while self.judge(1e9) or self.waiting_audits():
            time.sleep(0.1)  # the server hears within a second or two of what people found
        self._mistaken = mistaken
        harmless = Reviewed(harmless=250, called_harmful=0)
        _, kept = self.guardrail(finish, attempt=True, reviewed=harmless)
        assert kept is not None, self.guardrail(lambda store, *_, **__: store.attempts("hate"))
        self.guardrail(promote, running=True)
        self.go_on(then)
        return kept

    def go_on(self, hours):
        for _ in range(hours * STEPS_AN_HOUR):
            self.step()

    def waiting_audits(self):
        with self.ledgers() as found:
            (attempt,) = found.guardrail.attempts("hate")
            return len(found.guardrail.audits(attempt.attempt_id, states=(AuditState.OPEN,)))

    def guardrail(self, change, *, running=False, attempt=False, **more):
        """Change the guardrail's records; if the server was faster, do it again."""
        policy = load_policies(self.folder / "policies").named("hate")
        while True:
            with self.ledgers() as found, contextlib.suppress(StoreUnavailable):
                store = found.guardrail
                first = [store.attempts("hate")[-1]] if attempt else []
                what = [policy, store.running()] if running else [policy]
                if running:
                    more["platform"] = "default"
                return change(store, *first, *what, now=self.now, actor="town", **more)


def made(folder, *, creators=800, posts_per_day=4000, seed=1, **more):
    """Make a town's folder: bundle, policies, corpus; return the town, whose server has not started."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = write_bundle_of(folder / "bundle")
    (folder / "policies").mkdir()
    (folder / "policies" / "hate.yaml").write_text(POLICY)
    shutil.copy(default_policies_path() / "sentinel.yaml", folder / "policies")
    corpus = write_corpus(folder / "town.jsonl", bundle)
    return Town(folder, world_of(corpus, creators=creators, posts_per_day=posts_per_day, seed=seed), **more)
