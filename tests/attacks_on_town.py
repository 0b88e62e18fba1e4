"""Attacks on a town (`attacked.py`): each says what it sends, step by step; `fought` says what came of it.

Legend: an attack's posts are named `x...`; those of the world go on meanwhile.
"""

import collections
import contextlib
import copy
import shutil
import time

import msgspec
import numpy as np

from attacked import STEPS_AN_HOUR, Town, Words, with_word, write_broken_bundle
from sievert.schema.clock import SECOND, ManualClock
from sievert.schema.decision import Decision
from sievert.schema.stop import Stop
from sievert.stores.embedded import EmbeddedStores

HOURS = 8
QUIET = 5
"""Views that a post of an attack gets in a step from people, unless the attack says otherwise."""

DIVERTED = (
    "removal-flood",
    "demotion-flood",
    "stopped",
    "many-views",
    "removal-quota-spent",
    "taken-back",
    "removal-copies",
)
"""Why a removal that was called for is left to people."""


class Attack:
    """What is sent beside the world's traffic, in steps from 0 on."""

    name = "none"
    bundle = None  # a folder of another bundle that is loaded with the attack

    def __init__(self, bundle, seed=7):
        self.words = Words(bundle, seed)
        self.rng = self.words.rng
        self.posts = {}  # by name: whether it is harmful
        self.usual = {}  # by name: views in a step from people

    def begin(self, town):
        """Do what comes before the first step."""

    def step(self, town, k):
        """Return posts and events of step k."""
        return [], []

    def change(self, lines):
        """Return the world's posts as they are sent during the attack."""
        return lines

    def post(self, town, name, text, *, harmful, creator=None, views=QUIET):
        """Return a post, and remember it."""
        self.posts[name] = town.harmful[name] = harmful
        self.usual[name] = views
        return {"id": name, "text": text, "creator_id": creator or f"by-{name}", "created_at": town.now}

    def seen(self, town):
        """Return what people see of this attack's posts in a step."""
        events = []
        for name, views in self.usual.items():
            left = {"remove": 0.0, "demote": 0.2}.get(town.done.get(name), 1.0)
            count = int(self.rng.poisson(views * left))
            if count:
                town.seen[name] += count
                events.append(self.event(town, "views", post_id=name, count=count))
        return events

    def event(self, town, kind, **more):
        """Return an event of now."""
        self._events = getattr(self, "_events", 0) + 1
        return {"kind": kind, "id": f"x{self._events}", "at": town.now, **more}


class Bots(Attack):
    """Programs push harmless posts of accounts whose next post, harmless too, a model is nearly sure of.

    A forecast knows what its creator's posts were seen so far, and the bar falls as it rises. The same is done
    to those next posts, hours after they came.
    """

    name = "bots inflate harmless posts"
    pushed = 4000
    number = 40

    def step(self, town, k):
        posts, events = [], []
        if k == 0:
            for n, text in enumerate(self.words.texts([None] * self.number)):
                posts.append(self.post(town, f"xearlier{n}", text, harmful=False, creator=f"victim{n}"))
        if 4 <= k < 8:
            for n in range((k - 4) * self.number // 4, (k - 3) * self.number // 4):
                text = with_word(self.rng, self.words.texts([None])[0], "snorf")
                posts.append(self.post(town, f"xbot{n}", text, harmful=False, creator=f"victim{n}"))
        if self.pushed and (1 <= k < 4 or 12 <= k < 16):
            events = [
                self.event(town, "views", post_id=name, count=self.pushed)
                for name in self.posts
                if name.startswith("xearlier" if k < 4 else "xbot") and town.done.get(name) != "remove"
            ]
        return posts, events


class NoBots(Bots):
    """The same posts, which nobody pushes."""

    name = "the same posts without bots"
    pushed = 0


class Copies(Attack):
    """A text comes a thousand times within an hour, changed a little each time, each seen by few."""

    number = 1000
    harmful = True
    evidence = "snorf"
    copied = True
    hours = 1

    def step(self, town, k):
        if k >= self.hours * STEPS_AN_HOUR:
            return [], []
        if k == 0:
            self.text = self._text()
        posts = []
        for n in range(self.number // (self.hours * STEPS_AN_HOUR)):
            text = self._changed(self.text) if self.copied else self._text()
            posts.append(self.post(town, f"xcopy{k}-{n}", text, harmful=self.harmful, views=1))
        return posts, []

    def _text(self):
        three = self.words.texts([None] * 3)
        return " ".join(with_word(self.rng, text, self.evidence) for text in three)

    def _changed(self, text):
        said, other = text.split(), self.words.texts([None])[0].split()
        plain = [place for place, word in enumerate(said) if word != self.evidence]
        said[plain[int(self.rng.integers(len(plain)))]] = other[0]
        return " ".join(said)


class SplitHarm(Copies):
    name = "harm split into a thousand copies"


class CopiedBenign(Copies):
    """A harmless text that a model takes for harmful: everybody quotes it."""

    name = "a harmless text in a thousand copies"
    harmful = False
    evidence = "blorp"


class Brigade(Attack):
    """Accounts report harmless posts together; then the same posts again, once people found them harmless."""

    name = "a brigade of strangers"
    accounts = 60
    victims = 30
    aged = False

    def step(self, town, k):
        posts, events = [], []
        if k == 0 and self.aged:
            # They report what is plainly harmful, and are right: people confirm it.
            for n in range(6):
                text = with_word(self.rng, self.words.texts([None])[0], "blorp")
                posts.append(self.post(town, f"xbait{n}", text, harmful=True))
        if k == 1 and self.aged:
            events += self.reports(town, [f"xbait{n}" for n in range(6)])
        first = 4
        if k == first:
            for n, text in enumerate(self.words.texts([None] * self.victims)):
                posts.append(self.post(town, f"xvictim{n}", text, harmful=False, views=20))
        if k in {first + 1, first + 2}:
            events += self.reports(town, self.victims_of(), half=k - first - 1)
        if k == first + 10:  # hours later: whoever was asked about has been judged
            events += self.reports(town, self.victims_of(), crowd="second")
        return posts, events

    def victims_of(self):
        return [name for name in self.posts if name.startswith("xvictim")]

    def reports(self, town, names, *, half=None, crowd="first"):
        people = [f"{crowd}-{n}" for n in range(self.accounts) if half is None or n % 2 == half]
        return [
            self.event(town, "report", post_id=name, actor_id=who, reason="hate")
            for name in names
            for who in people
        ]


class AgedBrigade(Brigade):
    name = "a brigade that earned trust first"
    aged = True


class PoisonedHash(Attack):
    """The hash of what everybody posts stands in a bank of harmful texts; that of a slur in an allow bank."""

    name = "a poisoned hash"
    popular = 300
    shielded = 40

    def begin(self, town):
        self.meme = " ".join(self.words.texts([None] * 2))
        self.harm = " ".join(with_word(self.rng, text, "blorp") for text in self.words.texts([None] * 2))
        for name, kind, text in (("HARM", "harmful", self.meme), ("FINE", "allow", self.harm)):
            rule = {
                "name": name,
                "kind": kind,
                "policy": "hate" if kind == "harmful" else None,
                "flood_per_hour": 100,
            }
            rule = {key: value for key, value in rule.items() if value is not None}
            answer = town.platform.post("/api/v1/banks", json=rule)
            assert answer.status_code == 200, answer.text
            entries = {"entries": [{"signal": "text", "text": text}]}
            answer = town.platform.post(f"/api/v1/banks/{name}/entries", json=entries)
            assert answer.status_code == 200, answer.text

    def step(self, town, k):
        if k >= 2:
            return [], []
        posts = [self.post(town, f"xmeme{k}-{n}", self.meme, harmful=False) for n in range(self.popular // 2)]
        posts += [
            self.post(town, f"xshield{k}-{n}", self.harm, harmful=True) for n in range(self.shielded // 2)
        ]
        return posts, []


class BrokenInput(Attack):
    """The platform begins to send a footer that the certified bundle takes for the surest sign."""

    name = "the certified bundle scores everything 0.99"

    def change(self, lines):
        return [_with_text(line, lambda text: f"{text} " + "blorp " * 3) for line in lines]


class BrokenUpdate(Attack):
    """Another bundle is loaded that scores everything 0.99."""

    name = "an update that scores everything 0.99"

    def __init__(self, bundle, seed=7, *, folder):
        super().__init__(bundle, seed)
        write_broken_bundle(folder)
        self.bundle = folder


def _with_text(line, change):
    post = msgspec.json.decode(line)
    return msgspec.json.encode({**post, "text": change(post["text"])})


def cloned(town, folder):
    """Return a town like this one, whose server has ended, in another folder."""
    shutil.copytree(town.folder, folder)
    other = Town(folder, copy.deepcopy(town.world), reviewers=len(town.keys.reviewers), an_hour=town.an_hour)
    other.now, other.keys = town.now, town.keys
    other.done, other.harmful = dict(town.done), dict(town.harmful)
    return other


def fought(town, attack, *, hours=HOURS, pace=0.0):
    """Let an attack go on for so many hours; return what came of it. The town's server runs not yet, and ends.

    A step takes `pace` seconds at least, so that what a server does each second has its turn.
    """
    before = town.world.truth()
    town.start(bundle=attack.bundle)
    began = town.now
    attack.begin(town)
    for k in range(hours * STEPS_AN_HOUR):
        step_began = time.monotonic()
        posts, events = attack.step(town, k)
        town.step(posts, [*events, *attack.seen(town)], change=attack.change)
        time.sleep(max(0.0, pace - (time.monotonic() - step_began)))
    town.settle_messages()
    standing = town.platform.get("/api/v1/guardrail").json()
    town.end()
    town.receiver.close()
    return what_came_of_it(town, attack, began, before, standing)


def what_came_of_it(town, attack, began, before, standing):
    """Read the stores after the attack; what must never happen is asserted, the rest is told in numbers."""
    removed = [
        msgspec.json.decode(record)
        for (record,) in town.query("SELECT record FROM actions WHERE kind = 'remove' AND at >= ?", began)
    ]
    ours = [one for one in removed if one["by"] == "sievert"]
    mine = [one for one in ours if one["post_id"] in attack.posts]
    wrong = [one for one in ours if not town.is_harmful(one["post_id"])]
    wrong_mine = [one for one in wrong if one["post_id"] in attack.posts]
    stops = [msgspec.json.decode(record, type=Stop) for (record,) in town.query("SELECT record FROM stops")]
    stops = [one for one in stops if one.since >= began]
    first_stop = min((one.since for one in stops), default=None)
    withdrawn = _withdrawn(town, began)
    ended = min((at for at in (first_stop, withdrawn) if at is not None), default=None)
    decisions = [
        msgspec.json.decode(record, type=Decision)
        for (record,) in town.query("SELECT record FROM decisions WHERE decided_at >= ?", began)
    ]
    diverted = collections.defaultdict(set)
    for one in decisions:
        for reason in one.reasons:
            if reason.rule in DIVERTED:
                diverted[reason.rule].add(one.post_id)
    asked = {name for (name,) in town.query("SELECT post_id FROM review_cases")}
    settled = {name for (name,) in town.query("SELECT post_id FROM review_cases WHERE state = 'settled'")}
    everyone = set().union(*diverted.values()) if diverted else set()
    truth = town.world.truth()
    harmful = np.flatnonzero(truth.harmful)
    views = truth.views[harmful].sum() - before.views[before.harmful].sum()
    without = truth.views_without[harmful].sum() - before.views_without[before.harmful].sum()
    found = {one["post_id"] for one in removed if town.is_harmful(one["post_id"])}
    demoted = [
        msgspec.json.decode(record)["post_id"]
        for (record,) in town.query("SELECT record FROM actions WHERE kind = 'demote' AND at >= ?", began)
    ]
    quarantined = town.query("SELECT count(*) FROM bank_entries WHERE quarantined_at IS NOT NULL")[0][0]
    return {
        "attack": attack.name,
        "posts": len(attack.posts),
        "removed_of_attack": len(mine),
        "wrongly_removed_of_attack": len(wrong_mine),
        "wrongly_removed_in_all": len(wrong),
        "views_they_would_have_had": sum(_usual_views(town, attack, truth, one["post_id"]) for one in wrong),
        "wrongly_demoted": len({name for name in demoted if not town.is_harmful(name)}),
        "wrongly_removed_before_a_stop": sum(ended is None or one["performed_at"] <= ended for one in wrong),
        "stops": [f"{one.kind} of {one.policy or 'every policy'}" for one in stops],
        "minutes_to_stop": None if first_stop is None else (first_stop - began) / (60 * SECOND),
        "minutes_to_withdrawal": None if withdrawn is None else (withdrawn - began) / (60 * SECOND),
        "certificate": standing["items"][0]["state"] if standing["items"] else "",
        "certificate_said": standing["items"][0]["reason"] if standing["items"] else "",
        "quarantined_entries": quarantined,
        "diverted": {rule: len(names) for rule, names in sorted(diverted.items())},
        "diverted_in_queue": len(everyone & asked),
        "diverted_lost": len(everyone - asked),
        "diverted_settled": len(everyone & settled),
        "harmful_removed": len(found),
        "harmful_removed_by_itself": len({one["post_id"] for one in ours} & found),
        "harmful_views": int(views),
        "harmful_views_without": int(without),
        **_kept(town),
    }


def _withdrawn(town, began):
    """Return when the certificate was withdrawn, if it was."""
    notes = [msgspec.json.decode(record) for (record,) in town.query("SELECT record FROM audit")]
    at = [one["at"] for one in notes if one["event"] == "guardrail.withdrawn" and one["at"] >= began]
    return min(at, default=None)


def _usual_views(town, attack, truth, name):
    if name in attack.usual:
        return int(attack.usual[name] * HOURS * STEPS_AN_HOUR)
    return int(truth.views_without[int(name[1:])])


def _kept(town):
    """Count what was done twice, told twice or lost; verify the audit log."""
    twice = collections.Counter(
        town.query(
            "SELECT platform, post_id, revision FROM standing WHERE kind = 'remove' AND undone_by IS NULL"
        )
    )
    told = collections.Counter(
        one["data"]["action_id"] for one in town.receiver.told.values() if one["type"] == "action.performed"
    )
    with contextlib.closing(EmbeddedStores(town.folder / "data", clock=ManualClock(town.now))) as stores:
        stores.audit.verify()
        lost = [
            name
            for path, name in town.acknowledged
            if path.endswith("batch") and not stores.journal.trail("default", name)
        ]
        written = {one.action_id for one in _all(stores.actions)}
    return {
        "removed_twice": sum(count > 1 for count in twice.values()),
        "told_twice": sum(count > 1 for count in told.values())
        + sum(count > 1 for count in town.receiver.messages.values()),
        "told_of_nothing": len(set(told) - written),
        "acknowledged": len(town.acknowledged),
        "lost": len(lost),
    }


def _all(records):
    found, cursor = [], None
    while True:
        page = records.list(cursor=cursor, limit=1000)
        found += page.items
        if (cursor := page.cursor) is None:
            return found
