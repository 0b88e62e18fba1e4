"""What every store of reviews must do; each implementation inherits, and gives `stores`."""

import threading

import msgspec
import pytest

from sievert.errors import CaseConflict, NotFound
from sievert.schema.access import AuditNote
from sievert.schema.action import Action, Case
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, SECOND
from sievert.schema.label import Label
from sievert.schema.review import Appeal, GoldAnswer, HeldVerdict, Settlement, Verdict
from sievert.stores.activity.base import PostName
from sievert.stores.reviews.base import Choice, Wanted
from sievert.testing import START


def case(name, **more):
    given = {
        "case_id": name,
        "decision_id": f"d{name}",
        "platform": "default",
        "post_id": f"p{name}",
        "revision": 0,
        "policy": "hate",
        "opened_at": START,
        "priority": 1.0,
    }
    return Case(**{**given, **more})


def verdict(name, reviewer, *, violates=("hate",), seconds=10.0):
    return Verdict(
        verdict_id=f"v-{name}-{reviewer}",
        case_id=name,
        reviewer=reviewer,
        violates=violates,
        judged=("hate",),
        given_at=START,
        seconds=seconds,
    )


def settlement(name, *, reviewer="ann", violates=("hate",), post=None, **more):
    return Settlement(
        case_id=name,
        kind="decision",
        decision_id=f"d{name}",
        platform="default",
        post_id=post or f"p{name}",
        revision=0,
        policy="hate",
        violates=violates,
        judged=("hate",),
        verdicts=(f"v-{name}-{reviewer}",),
        reviewer=reviewer,
        settled_at=START,
        **more,
    )


def held(now=START, *, until=START + SECOND, violates=("hate",)):
    return HeldVerdict(violates=violates, judged=("hate",), given_at=now, until=until)


def foremost(queue):
    """Choose the case of the highest rank."""
    best = max(queue.best(), key=lambda one: one.rank, default=None)
    return None if best is None else Choice(best.case_id, "order")


def known_answer(queue):
    asked = queue.gold()
    return None if asked is None else Choice(asked.case_id, "gold")


def claim(store, reviewer, *, now=START, choose=foremost, length=HOUR, **wanted):
    return store.claim(Wanted(reviewer=reviewer, **wanted), choose, now=now, until=now + length)


class ReviewsContract:
    @pytest.fixture
    def store(self, stores):
        return stores.reviews

    @pytest.fixture
    def put(self, stores):
        """Opens cases, with the names that they share with near-duplicates."""

        def opened(*cases, **likenesses):
            stores.reviews.add(Effects(cases=cases, likenesses=likenesses))

        return opened

    def test_the_worthiest_comes_first_and_nobody_gets_what_somebody_has(self, store, put):
        put(case("a", priority=1.0), case("b", priority=5.0), case("c", priority=3.0))
        assert [claim(store, name).case_id for name in ("ann", "bob", "cem")] == ["b", "c", "a"]
        assert claim(store, "dia") is None

    def test_worth_halves_while_a_case_waits(self, store, put):
        put(case("old", priority=3.0), case("new", priority=2.0, opened_at=START + 12 * HOUR))
        assert claim(store, "ann").case_id == "new"

    def test_a_claim_that_ran_out_goes_to_another_and_its_first_holder_is_told_so(self, store, put):
        put(case("a"))
        claim(store, "ann", length=10)
        assert claim(store, "bob", now=START + 9) is None
        assert claim(store, "bob", now=START + 10).reviewer == "bob"
        with pytest.raises(CaseConflict, match="Another reviewer has it"):
            store.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"),))
        assert store.case("a").verdicts == ()

    def test_a_case_that_is_given_back_waits_again(self, store, put, stores):
        put(case("a"))
        claim(store, "ann")
        assert stores.cases.list().items[0].state == "claimed"
        with pytest.raises(CaseConflict):
            store.release("a", "bob")
        store.release("a", "ann")
        assert stores.cases.list().items[0].state == "open"
        assert claim(store, "bob").case_id == "a"
        with pytest.raises(NotFound):
            store.release("nothing", "ann")

    def test_what_is_wanted_and_what_waits_can_be_counted_and_named_by_place(self, store, put):
        put(case("a"), case("b", policy="spam"), case("c", kind="audit"), case("d", kind="gold"))
        seen = []

        def look(queue):
            seen.append((queue.count(), [queue.at(place).case_id for place in range(queue.count())]))

        claim(store, "ann", choose=look)
        claim(store, "ann", choose=look, policies=("spam",))
        claim(store, "ann", choose=look, kinds=("audit",))
        assert seen == [(3, ["a", "b", "c"]), (1, ["b"]), (1, ["c"])]
        assert claim(store, "ann", kinds=("appeal",)) is None
        assert claim(store, "ann", policies=("spam",)).case_id == "b"

    def test_a_known_answer_comes_to_nobody_who_asks_for_other_kinds(self, store, put):
        """It looks like a decision: among audits it would stand out. Red where kinds do not count for it."""
        put(case("a"), case("b", kind="audit"), case("c", kind="gold"))
        seen = []

        def look(queue):
            found = queue.gold()
            seen.append(None if found is None else found.case_id)

        for kinds in (None, ("decision",), ("audit", "decision"), ("audit",), ("appeal", "audit")):
            claim(store, "ann", choose=look, kinds=kinds)
        assert seen == ["c", "c", "c", None, None]

    def test_a_verdict_is_durable_with_all_that_follows(self, store, put, stores):
        put(case("a"))
        claim(store, "ann")
        done = Action(
            action_id="a1",
            decision_id="da",
            platform="default",
            post_id="pa",
            revision=0,
            kind="remove",
            policy="hate",
            performed_at=START,
        )
        said = Label(
            label_id="l1",
            source="review",
            platform="default",
            content_digest="ab",
            attribute="hate",
            policy="hate",
            value=1.0,
            received_at=START,
            key_id="ann",
        )
        store.judge(
            verdict("a", "ann"),
            before=0,
            settlements=(settlement("a"),),
            effects=Effects(
                actions=(done,), labels=(said,), audit=(AuditNote(actor="ann", event="e", subject="s"),)
            ),
        )
        file = store.case("a")
        assert (file.case.state, file.claim, file.settlement) == ("settled", None, settlement("a"))
        assert file.verdicts == (verdict("a", "ann"),)
        assert stores.actions.about("default", "pa") == [done]
        assert stores.actions.named("a1") == done
        assert stores.labels.list().items == [said]
        assert stores.audit.head()[0] == 1
        assert store.settlements() == [(1, settlement("a"))]
        assert store.settlements(after=1) == []
        about = PostName("default", "pa")
        assert store.settled([PostName("default", "pz"), about]) == {about: [settlement("a")]}
        with pytest.raises(CaseConflict, match="settled"):
            store.judge(verdict("a", "ann"), before=1)

    def test_a_verdict_that_another_one_overtook_is_refused(self, store, put):
        put(case("a", judges=2))
        claim(store, "ann")
        store.judge(verdict("a", "ann"), before=0)
        claim(store, "bob")
        with pytest.raises(CaseConflict, match="came between"):
            store.judge(verdict("a", "bob"), before=0)
        store.judge(verdict("a", "bob"), before=1)
        assert len(store.case("a").verdicts) == 2

    def test_nobody_judges_a_case_twice(self, store, put):
        put(case("a", judges=3))
        for name in ("ann", "bob"):
            claim(store, name)
            store.judge(verdict("a", name), before=len(store.case("a").verdicts))
            assert claim(store, name) is None
        assert claim(store, "cem").case_id == "a"

    @pytest.mark.parametrize("kind", ["appeal", "audit", "measurement"])
    def test_who_judged_a_post_never_gets_its_appeal_or_audit(self, store, put, kind):
        put(case("a"))
        claim(store, "ann")
        both = (settlement("a"), settlement("x", post="copy", lead="a"))
        put(case("x", post_id="copy", priority=0.1))
        store.judge(verdict("a", "ann"), before=0, settlements=both)
        put(case("b", post_id="pa", kind=kind), case("c", post_id="copy", kind=kind))
        assert claim(store, "ann") is None
        assert {claim(store, "bob").case_id, claim(store, "bob").case_id} == {"b", "c"}

    def test_near_duplicates_are_one_case_and_are_settled_with_it(self, store, put):
        put(case("a", priority=1.0), a=(b"1", b"2", b"3", b"4"))
        put(case("b", priority=1.9), b=(b"5",))
        put(case("c", priority=1.0), c=(b"1", b"2", b"3", b"9"))
        put(case("d", priority=0.5), d=(b"1", b"2", b"8", b"9"))  # two of three
        put(case("e", priority=0.4, policy="spam"), e=(b"5",))  # another question
        assert store.case("c").case.state == "joined"
        assert [one.case_id for one in store.case("a").joined] == ["c"]
        assert claim(store, "ann").case_id == "a"  # worth 2 with its copy
        store.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"), settlement("c", lead="a")))
        assert store.case("c").settlement.lead == "a"
        assert [claim(store, "ann").case_id for _ in range(3)] == ["b", "d", "e"]
        put(case("f"), f=(b"1", b"2", b"3", b"4"))
        assert store.case("f").case.state == "open"  # what is settled is joined by nobody

    def test_what_joined_while_the_verdict_was_worked_out_waits_by_itself(self, store, put):
        put(case("a"), a=(b"1",))
        claim(store, "ann")
        put(case("b"), b=(b"1",))
        store.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"),))
        assert store.case("b").case.state == "open"
        assert claim(store, "ann").case_id == "b"

    def test_who_saw_enough_gets_milder_cases(self, store, put):
        put(*(case(f"h{i}", pictures=("0" * 64,), priority=9.0) for i in range(4)), case("mild"))
        limits = ((START - HOUR, 2),)
        assert [claim(store, "ann", most_heavy=limits).case_id for _ in range(3)] == ["h0", "h1", "mild"]
        assert claim(store, "ann", most_heavy=limits) is None
        assert claim(store, "bob", most_heavy=limits).case_id == "h2"
        assert claim(store, "ann", most_heavy=((START + 1, 2),)).case_id == "h3"
        ann, bob = store.workloads(START)
        assert (ann.reviewer, ann.claims, ann.heavy, bob.heavy) == ("ann", 4, 3, 1)
        assert store.workloads(START + 1) == []

    def test_known_answers_ask_everybody_once_and_are_never_in_the_order(self, store, put):
        answer = GoldAnswer(case_id="g", violates=(), judged=("hate",), added_at=START)
        for _ in range(2):
            store.add_gold(answer, Effects(cases=(case("g", kind="gold", priority=99.0),)))
        assert claim(store, "ann") is None
        for name in ("ann", "bob"):
            assert claim(store, name, choose=known_answer).case_id == "g"
            store.judge(verdict("g", name), before=len(store.case("g").verdicts))
            assert claim(store, name, choose=known_answer) is None
        assert [(one.reviewer, known) for one, known in store.marks()] == [("ann", answer), ("bob", answer)]
        assert store.case("g").gold == answer

    def test_who_gave_a_known_answer_may_audit_the_post_since_everybody_did(self, store, put):
        answer = GoldAnswer(case_id="g", violates=(), judged=("hate",), added_at=START)
        store.add_gold(answer, Effects(cases=(case("g", kind="gold"),)))
        claim(store, "ann", choose=known_answer)
        store.judge(verdict("g", "ann"), before=0)
        put(case("b", post_id="pg", kind="audit"))
        assert claim(store, "ann").case_id == "b"

    def test_a_known_answer_that_is_withdrawn_asks_and_measures_nobody(self, store, put):
        answers = [GoldAnswer(case_id=n, violates=(), judged=("hate",), added_at=START) for n in "gh"]
        for one in answers:
            store.add_gold(one, Effects(cases=(case(one.case_id, kind="gold"),)))
        assert store.gold_about("default", "pg") == answers[:1]
        claim(store, "ann", choose=known_answer)
        store.judge(verdict("g", "ann"), before=0)
        claim(store, "bob", choose=known_answer)
        store.add(Effects(withdrawn=("g",)))
        assert (store.case("g").gold, store.case("g").case.state) == (None, "withdrawn")
        assert store.gold_about("default", "pg") == store.marks() == store.claims() == []
        assert claim(store, "cid", choose=known_answer).case_id == "h"
        with pytest.raises(CaseConflict):
            store.judge(verdict("g", "bob"), before=1)

    def test_an_action_has_one_appeal(self, store, stores):
        filed = Appeal(
            appeal_id="p1",
            action_id="a1",
            decision_id="d",
            platform="default",
            post_id="p",
            revision=0,
            policy="hate",
            filed_at=START,
            case_id="c1",
        )
        opened = Effects(cases=(case("c1", kind="appeal"),))
        assert store.file_appeal(filed, opened) == filed
        again = Appeal(**{name: getattr(filed, name) for name in filed.__struct_fields__} | {"by": "other"})
        assert store.file_appeal(again, opened) == filed
        assert len(stores.cases.list().items) == 1
        claim(store, "ann")
        decided = Appeal(
            **{name: getattr(filed, name) for name in filed.__struct_fields__} | {"state": "upheld"}
        )
        store.judge(verdict("c1", "ann"), before=0, settlements=(settlement("c1"),), appeal=decided)
        assert store.appeal("p1").state == "upheld"
        assert store.appeal_against("a1") == decided
        assert store.appeal_against("a2") is None
        with pytest.raises(NotFound):
            store.appeal("p2")

    def test_how_long_verdicts_take_is_added_up(self, store, put):
        put(case("a"), case("b"), case("c", policy="spam"))
        for name, seconds in (("a", 10.0), ("b", 30.0), ("c", 5.0)):
            claim(store, "ann", policies=("spam",) if name == "c" else ("hate",))
            store.judge(verdict(name, "ann", seconds=seconds), before=0, settlements=(settlement(name),))
        assert store.paces() == [("hate", "decision", 2, 40.0), ("spam", "decision", 1, 5.0)]

    def test_isolated_posts_never_wait_here(self, store, put):
        put(case("a", policy="minors"))
        assert claim(store, "ann") is None
        with pytest.raises(NotFound):
            store.case("a")

    def test_of_an_isolated_post_nothing_is_looked_at_and_no_text_stays(self, store, put, stores):
        put(case("a"), a=(b"1",))
        put(case("b"), b=(b"1",))
        said = Label(
            label_id="l1",
            source="review",
            platform="default",
            content_digest="ab",
            attribute="hate",
            policy="hate",
            value=1.0,
            received_at=START,
            key_id="ann",
            text="words",
            post_id="pa",
        )
        other = msgspec.structs.replace(said, label_id="l2", post_id="pb")
        elsewhere = msgspec.structs.replace(said, label_id="l3", platform="q")
        stores.keep_labels((said, other, elsewhere))
        claim(store, "ann")
        store.withdraw("default", "pa")
        assert store.case("a").case.state == "withdrawn"
        with pytest.raises(CaseConflict, match="designated"):
            store.judge(verdict("a", "ann"), before=0)
        assert claim(store, "bob").case_id == "b"
        assert claim(store, "bob") is None
        texts = {one.label_id: one.text for one in stores.labels.list().items}
        assert texts == {"l1": None, "l2": "words", "l3": "words"}

    def test_a_held_verdict_keeps_the_case_whoever_asks_until_it_is_taken_back(self, store, put, stores):
        put(case("a"))
        claim(store, "ann", length=10)
        with pytest.raises(CaseConflict):
            store.hold("a", "bob", held())
        store.hold("a", "ann", held())
        with pytest.raises(CaseConflict, match="not taken effect"):
            store.hold("a", "ann", held(violates=()))
        with pytest.raises(CaseConflict, match="not taken effect"):
            store.release("a", "ann")
        assert claim(store, "bob", now=START + HOUR) is None
        assert [(one.case_id, one.reviewer, one.held) for one in store.claims()] == [("a", "ann", held())]

        note = Effects(audit=(AuditNote(actor="ann", event="verdict.taken_back", subject="x"),))
        for who, now in (("bob", START), ("ann", START + SECOND)):
            with pytest.raises(CaseConflict, match="taken back"):
                store.take_back("a", who, note, now=now, until=START + HOUR)
        assert [*stores.audit.entries()] == []
        store.take_back("a", "ann", note, now=START + SECOND - 1, until=START + HOUR)
        assert [one.event for one in stores.audit.entries()] == ["verdict.taken_back"]
        assert store.case("a").claim.held is None
        assert claim(store, "bob", now=START + HOUR - 1) is None
        assert claim(store, "bob", now=START + HOUR).reviewer == "bob"
        assert store.case("a").verdicts == ()

    def test_a_held_verdict_that_takes_effect_is_a_verdict_like_any(self, store, put):
        put(case("a"))
        claim(store, "ann")
        store.hold("a", "ann", held())
        store.judge(verdict("a", "ann"), before=0, settlements=(settlement("a"),))
        assert store.claims() == []
        assert store.case("a").case.state == "settled"
        with pytest.raises(CaseConflict, match="taken back"):
            store.take_back("a", "ann", Effects(), now=START, until=START + HOUR)

    def test_what_waits_is_counted_without_known_answers(self, store, put):
        put(
            case("a", opened_at=START + 5),
            case("b", opened_at=START + 3),
            case("c", kind="audit", policy="spam"),
            case("d", kind="gold"),
        )
        claim(store, "ann", kinds=("audit",))
        assert store.waits() == [
            ("hate", "decision", "open", 2, START + 3),
            ("spam", "audit", "claimed", 1, START),
        ]

    def test_how_far_counting_has_come_is_remembered(self, store):
        assert store.counted() == 0
        store.set_counted(7)
        assert store.counted() == 7

    def test_a_hundred_threads_get_a_hundred_different_cases(self, store, put):
        put(*(case(f"c{i}") for i in range(100)))
        got = []

        def work(name):
            mine = claim(store, name, now=START + SECOND)
            got.append(mine.case_id if mine else None)

        threads = [threading.Thread(target=work, args=(f"r{i}",)) for i in range(120)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 120
        assert got.count(None) == 20
        assert len({one for one in got if one}) == 100
