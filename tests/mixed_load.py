"""Everything at once against a real server that is killed at any moment, and what must hold after each kill.

Posts, events, claims, verdicts, appeals, actions taken back and done again, a switch, demotions that expire, removals
under a certificate whose audits people judge. `Load.round` runs it for a moment and kills; `unsound` says what of
the stores is not as it must be: nothing, always.
"""

import collections
import contextlib
import http.client
import json
import random
import shutil
import threading
import time

from guarded import ACTOR, certify, guarded, harmful_by_name, rude
from killable_server import Killable
from sievert.guardrail.promotion import promote
from sievert.policy.loading import default_policies_path, load_policies
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY, SystemClock
from sievert.schema.guardrail import AuditState
from sievert.serving.wiring import add_key
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import FixedClock

POLICY = """\
name: hate
version: 1
category: hate
title: "Hate"
mode: live
removals_per_day: 100000
removals_flood: 100000
reviews_per_hour: 100000
demotion_days: 0.00002
limit_after: {removed: 3}
"""
REVIEWERS = 4


def prepared(folder, bundle, *, policy=POLICY, open_stores=EmbeddedStores, place=None):
    """Leave stores behind in which a policy may remove; return its policies' folder and keys by who has them.

    They lie in a folder, or where `open_stores` finds `place`.
    """
    policies = folder / "policies"
    policies.mkdir(parents=True)
    (policies / "hate.yaml").write_text(policy)
    shutil.copy(default_policies_path() / "sentinel.yaml", policies)
    stated = load_policies(policies)
    clock = FixedClock(SystemClock().now() - 3 * DAY)
    stores = open_stores(place or folder / "data", clock=clock)
    stores.clock = clock
    with contextlib.closing(stores):
        parts = guarded(stores, bundle, stated)
        _, kept = certify(parts, stores, lambda: rude(parts, 900), harmful_by_name, audits=1000)
        assert kept is not None
        promote(
            stores.guardrail,
            stated.named("hate"),
            stores.guardrail.running(),
            platform="default",
            now=clock.now(),
            actor=ACTOR,
        )
        made = {"actor": ACTOR, "clock": clock}
        keys = {
            f"reviewer{n}": add_key(stores.keys, stores.audit, name=f"r{n}", scopes=("review:work",), **made)
            for n in range(REVIEWERS)
        }
        keys["admin"] = add_key(stores.keys, stores.audit, name="admin", scopes=("admin",), **made)
    return policies, {name: (text, f"key:{key.key_id}") for name, (text, key) in keys.items()}


class Load:
    """What is sent by many at once, and what of it was acknowledged."""

    unheard = (409,)  # answers to a verdict that was not taken

    def __init__(self, folder, bundle_folder, policies, keys, seed):
        self._folder, self._bundle, self._policies, self._keys = folder, bundle_folder, policies, keys
        self._rng = random.Random(seed)
        self._numbers = iter(range(1 << 40))
        self._lock = threading.Lock()
        self.posts, self.events, self.appeals, self.undone = {}, [], {}, []
        self.sent = {}  # what was sent of each post
        self.verdicts = {}  # (case, reviewer) -> violates
        self.held = {}  # case -> who has it, as far as was acknowledged
        self.unsure = set()  # cases whose verdict may have been heard or not
        self.wrong = []
        self.kills = 0

    def round(self, most=120, seconds=20.0):
        """Let everybody work until so much more was acknowledged, drawn up to `most`, and kill in the middle of it."""
        server = Killable(
            self._folder / "data",
            self._bundle,
            SIEVERT_POLICIES=str(self._policies),
            SIEVERT_AUDIT_RATE="0.5",
            SIEVERT_HEAVY_CASES_PER_HOUR="100000",
            SIEVERT_HEAVY_CASES_PER_DAY="1000000",
        )
        work = [self._post, self._post, self._tell, self._appeal, self._undo, self._switch]
        threads = [
            threading.Thread(target=self._until_killed, args=(server, one, "admin", self._rng.random()))
            for one in work
        ]
        threads += [
            threading.Thread(
                target=self._until_killed, args=(server, self._judge, f"reviewer{n}", self._rng.random())
            )
            for n in range(REVIEWERS)
        ]
        for thread in threads:
            thread.start()
        enough, end = self._acknowledged() + self._rng.randrange(1, most), time.monotonic() + seconds
        while self._acknowledged() < enough and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(self._rng.random() * 0.02)
        server.kill()
        self.kills += 1
        for thread in threads:
            thread.join()

    def _acknowledged(self):
        return len(self.posts) + len(self.verdicts) + len(self.undone) + len(self.appeals)

    def _until_killed(self, server, work, who, seed):
        rng = random.Random(seed)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while server.process.returncode is None:
                work(server, who, rng)

    def _ask(self, server, who, method, path, said=None, *, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            body = said if said is None or isinstance(said, bytes) else json.dumps(said).encode()
            headers = {"Authorization": f"Bearer {self._keys[who][0]}", "Content-Type": kind}
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _number(self):
        with self._lock:
            return next(self._numbers)

    def _post(self, server, who, rng):
        texts = ("you blorp {}", "a lovely morning {}", "see you at the harbour {}", "blorp {}")
        posts = []
        for _ in range(rng.randrange(1, 12)):
            number = self._number()
            text = rng.choice(texts).format(number)
            posts.append({"id": f"m{number}", "text": text, "creator_id": f"creator{number % 7}"})
        body = b"\n".join(json.dumps(one).encode() for one in posts)
        _, said = self._ask(server, who, "POST", "/api/v1/posts:batch", body, kind="application/x-ndjson")
        for line in said.splitlines():
            answer = json.loads(line)
            if "decision" in answer:
                with self._lock:
                    self.posts[answer["id"]] = answer["decision"]
                    self.sent |= {one["id"]: one for one in posts if one["id"] == answer["id"]}

    def _tell(self, server, who, rng):
        with self._lock:
            known = [*self.posts]
        if not known:
            time.sleep(0.02)
            return
        events = []
        for _ in range(rng.randrange(1, 20)):
            number = self._number()
            event = {"id": f"e{number}", "at": SystemClock().now(), "post_id": rng.choice(known)}
            event |= rng.choice(
                (
                    {"kind": "report", "actor_id": f"a{number}", "reason": "hate"},
                    {"kind": "views", "count": 9},
                )
            )
            events.append(event)
        body = b"\n".join(json.dumps(one).encode() for one in events)
        _, said = self._ask(server, who, "POST", "/api/v1/events", body, kind="application/x-ndjson")
        answers = [json.loads(line) for line in said.splitlines()]
        with self._lock:
            self.events += [one["id"] for one in answers if "counted" in one]

    def _judge(self, server, who, rng):
        status, said = self._ask(server, who, "POST", "/api/v1/cases/claim", {})
        if status != 200:
            time.sleep(0.05)
            return
        case = json.loads(said)["case"]["case_id"]
        with self._lock:
            holder = self.held.get(case)
            if holder not in {None, who} and case not in self.unsure:
                self.wrong.append(f"{case} is with {holder} and {who}")
            self.held[case] = who
            self.unsure.discard(case)
        violates = ["hate"] if rng.random() < 0.6 else []
        with self._lock:
            self.unsure.add(case)
        status, said = self._ask(server, who, "POST", f"/api/v1/cases/{case}/verdict", {"violates": violates})
        with self._lock:
            if status == 200:
                self.verdicts[case, self._keys[who][1]] = violates
                self.held.pop(case, None)
            elif status not in self.unheard:
                self.wrong.append(f"a verdict was answered {status}: {said[:200]}")

    def _some_action(self, server, who, rng, *kinds):
        status, said = self._ask(server, who, "GET", "/api/v1/actions?limit=50")
        some = [one for one in json.loads(said)["items"] if one["kind"] in kinds] if status == 200 else []
        return rng.choice(some)["action_id"] if some else None

    def _appeal(self, server, who, rng):
        time.sleep(rng.random() * 0.1)
        if (action := self._some_action(server, who, rng, "remove", "demote")) is not None:
            said = {"action_id": action, "by": "author", "statement": "no"}
            status, said = self._ask(server, who, "POST", "/api/v1/appeals", said)
            if status == 200:
                with self._lock:
                    self.appeals[json.loads(said)["appeal_id"]] = action

    def _undo(self, server, who, rng):
        """Take back an action; now and then that is a restore, so that it is done again."""
        time.sleep(rng.random() * 0.1)
        if (action := self._some_action(server, who, rng, "remove", "restore")) is not None:
            status, _ = self._ask(server, who, "POST", f"/api/v1/actions/{action}/undo", {})
            if status == 200:
                with self._lock:
                    self.undone.append(action)

    def _switch(self, server, who, rng):
        time.sleep(rng.random() * 0.4)
        turn = rng.choice(("stop", "resume"))
        said = {"turn": turn, "what": "removals", "policy": "hate", "reason": "a trial"}
        self._ask(server, who, "POST", "/api/v1/switch", said)


def unsound(load, folder, *, open_stores=EmbeddedStores, place=None):
    """Return in words what of the stores is not as it must be after a kill; no server runs."""
    found = list(load.wrong)

    def must(holds, what):
        if not holds:
            found.append(what)

    with contextlib.closing(open_stores(place or folder / "data", clock=SystemClock())) as stores:
        stores.audit.verify()
        for name in load.posts:
            created = [one for one in stores.journal.trail("default", name) if one.trigger == "created"]
            must(len(created) == 1, f"post {name} was decided {len(created)} times when it came")
        told = collections.Counter(
            json.loads(one.record)["id"]
            for _, one in stores.activity.log(limit=1 << 30)
            if one.kind != "verdict"
        )
        must(set(load.events) <= set(told), "an event that was acknowledged is not there")
        must(max(told.values(), default=1) == 1, "an event counted twice")
        for (case, reviewer), violates in load.verdicts.items():
            theirs = [one for one in stores.reviews.case(case).verdicts if one.reviewer == reviewer]
            must([[*one.violates] for one in theirs] == [violates], f"the verdict of {reviewer} on {case}")
        actions = {one.action_id: one for one in _all(stores.actions)}
        undone = collections.Counter(name for one in actions.values() for name in one.undoes)
        must(max(undone.values(), default=1) == 1, "an action was taken back twice")
        must(set(load.undone) <= set(undone), "what was taken back stands again")
        standing = collections.Counter(
            (one.post_id, one.revision)
            for one in actions.values()
            if one.kind == "remove" and one.action_id not in undone
        )
        must(max(standing.values(), default=1) == 1, f"removed twice: {standing.most_common(1)}")
        _records_agree(stores, actions, must)
        _ledger_agrees(stores, must)
        for appeal in load.appeals:
            must(stores.reviews.appeal(appeal).appeal_id == appeal, f"the appeal {appeal}")
    return found


def _records_agree(stores, actions, must):
    """Each action has its message and its note, each settlement its labels: one, and no others."""
    ours = {name for name, one in actions.items() if one.post_id.startswith("m")}
    messages = collections.Counter(
        one.message_id.removeprefix("msg_")
        for one in stores.outbox.due(1 << 62, 1 << 30)
        if one.kind == "action.performed"
    )
    must({*messages} >= ours and max(messages.values(), default=1) == 1, "actions and messages differ")
    notes = collections.Counter(
        one.details["action"]
        for one in stores.audit.entries(limit=1 << 30)
        if one.event.startswith("action.")
    )
    must(notes == dict.fromkeys(actions, 1), "actions and notes differ")
    settled = [one for _, one in stores.reviews.settlements(limit=1 << 30)]
    must(len({one.case_id for one in settled}) == len(settled), "a case was settled twice")
    labels = collections.Counter((one.post_id, one.source) for one in _all(stores.labels))
    must(sum(labels.values()) == sum(len(one.judged) for one in settled), "settlements and labels differ")


def _ledger_agrees(stores, must):
    """What the ledger heard of audits is what people settled, once; what it has read it has heard."""
    settled = {one.case_id: (number, one) for number, one in stores.reviews.settlements(limit=1 << 30)}
    read = stores.guardrail.read()
    for kept in stores.guardrail.certificates():
        for audit in stores.guardrail.audits(kept.name):
            number, found = settled.get(audit.case_id, (None, None))
            if audit.state is AuditState.OPEN:
                must(number is None or number > read, f"audit {audit.audit_id} was read and not heard")
            else:
                must(
                    found is not None and found.kind == CaseKind.AUDIT,
                    f"audit {audit.audit_id} has no settlement",
                )
    entries = [one.entry_id for one in stores.guardrail.entries("hate", limit=1 << 30)]
    must(len(set(entries)) == len(entries), "a line of the ledger came twice")


def _all(records):
    found, cursor = [], None
    while True:
        page = records.list(cursor=cursor, limit=1000)
        found += page.items
        if (cursor := page.cursor) is None:
            return found
