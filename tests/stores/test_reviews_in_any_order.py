"""Claims and verdicts in any order: both stores say the same at every step, and no case is with two people."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.reviews import case, claim, held, settlement, verdict
from sievert.errors import CaseConflict, NotFound
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR
from sievert.stores.embedded import EmbeddedStores
from sievert.stores.memory import MemoryStores
from sievert.testing import START, FixedClock

PEOPLE = st.sampled_from(["ann", "bob", "cem"])
NAMES = st.sampled_from([f"c{i}" for i in range(6)])
KINDS = st.sampled_from(["decision", "decision", "appeal", "audit"])


class Reviewing(RuleBasedStateMachine):
    """Does the same to the memory twin and to SQLite."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores = (
            MemoryStores(clock=FixedClock()),
            EmbeddedStores(Path(self.folder.name), clock=FixedClock()),
        )
        self.now = START
        self.opened, self.settled = set(), set()

    def teardown(self):
        self.stores[1].close()
        self.folder.cleanup()

    def both(self, work):
        """Do something to both stores; return what both answer, an error's kind included."""
        answers = []
        for stores in self.stores:
            try:
                answers.append(work(stores.reviews))
            except (CaseConflict, NotFound) as error:
                answers.append(error.what)
        assert answers[0] == answers[1]
        return answers[0]

    @rule(
        name=NAMES,
        kind=KINDS,
        judges=st.integers(1, 3),
        post=st.integers(0, 2),
        priority=st.integers(1, 50),
        heavy=st.booleans(),
        like=st.sets(st.sampled_from([b"1", b"2", b"3", b"4"]), max_size=4),
    )
    def open(self, name, kind, judges, post, priority, heavy, like):  # noqa: PLR0917  drawn by name
        if name in self.opened:
            return
        self.opened.add(name)
        one = case(
            name,
            kind=kind,
            judges=judges,
            post_id=f"p{post}",
            # No two alike: which of two equals comes first is nobody's promise.
            priority=priority + int(name[1:]) / 7,
            pictures=("0" * 64,) if heavy else (),
        )
        self.both(lambda store: store.add(Effects(cases=(one,), likenesses={name: tuple(sorted(like))})))

    @rule(who=PEOPLE, weary=st.booleans(), kinds=st.none() | st.tuples(KINDS))
    def claim(self, who, weary, kinds):
        held = self.holders()
        limits = ((self.now - 2 * HOUR, 2),) if weary else ()
        got = self.both(
            lambda store: claim(store, who, now=self.now, kinds=kinds, most_heavy=limits, length=HOUR)
        )
        if got is not None:
            before = held.get(got.case_id)
            assert before is None or (before.expires_at <= self.now and before.held is None)

    @rule(who=PEOPLE, name=NAMES)
    def release(self, who, name):
        self.both(lambda store: store.release(name, who))

    @rule(who=PEOPLE, name=NAMES, enough=st.booleans())
    def judge(self, who, name, enough):
        if name not in self.opened:
            return
        file = self.stores[0].reviews.case(name)
        outcome = self.both(
            lambda store: store.judge(
                verdict(name, who),
                before=len(file.verdicts),
                settlements=[settlement(one.case_id, post=one.post_id) for one in (file.case, *file.joined)]
                if enough
                else (),
            )
        )
        may = file.claim is not None and file.claim.reviewer == who
        assert (outcome is None) == may
        if may and enough:
            self.settled |= {name, *(one.case_id for one in file.joined)}

    @rule(who=PEOPLE, name=NAMES, minutes=st.integers(0, 30))
    def hold(self, who, name, minutes):
        one = held(self.now, until=self.now + minutes * HOUR // 60)
        self.both(lambda store: store.hold(name, who, one))

    @rule(who=PEOPLE, name=NAMES)
    def take_back(self, who, name):
        self.both(lambda store: store.take_back(name, who, Effects(), now=self.now, until=self.now + HOUR))

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes):
        self.now += minutes * HOUR // 60

    def holders(self):
        return {name: self.stores[1].reviews.case(name).claim for name in self.opened}

    @invariant()
    def both_say_the_same_of_every_case(self):
        for name in self.opened:
            file = self.both(lambda store, name=name: store.case(name))
            assert len({one.reviewer for one in file.verdicts}) == len(file.verdicts)
            assert (file.claim is not None) == (file.case.state == "claimed")
            assert (file.settlement is not None) == (file.case.state == "settled") == (name in self.settled)
        states = [{one.case_id: one.state for one in stores.cases.list().items} for stores in self.stores]
        assert states[0] == states[1]
        assert self.both(lambda store: store.settlements()) is not None
        self.both(lambda store: store.paces())
        self.both(lambda store: store.claims())
        self.both(lambda store: store.waits())
        self.both(lambda store: store.workloads(self.now - HOUR))


TestReviewing = Reviewing.TestCase
TestReviewing.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
