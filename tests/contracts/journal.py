"""What every journal must do; each implementation inherits this class and gives a `reopen`."""

import dataclasses

import numpy as np
import pytest
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.schema.arm import Acted, Arm, ArmRows
from sievert.schema.batch import DecidedBatch, Effects, ScoredBatch
from sievert.schema.decision import Reason
from sievert.schema.post import Post, PostKey
from sievert.stores.activity.base import PostName
from sievert.stores.journal.base import CONFLICT, NEW, REPEAT, SAME, DecisionFilter
from sievert.testing import START, batch_of

HEADS = ("hate", "spam")


def scored(count, *, bundle="b@1"):
    rng = np.random.default_rng(count)
    return ScoredBatch(
        bundle=bundle,
        heads=HEADS,
        harm=rng.random(count, np.float32),
        policies=rng.random((count, len(HEADS)), np.float32),
        language=np.arange(count).astype(np.int8) % 3,
        stage=np.zeros(count, np.int8),
    )


def decided(count, kept=()):
    """Rows in `kept` are demoted, all others plainly allowed."""
    result = DecidedBatch(
        policy_set="p1",
        outcome=np.zeros(count, np.int8),
        would=np.zeros(count, np.int8),
        reasons={row: (Reason(policy="hate", rule="demote"),) for row in kept},
        demoted_for={},
        queued_for={},
        removed_for={},
    )
    for row in kept:
        result.outcome[row] = 1
    return result


def keep(journal, posts, *, kept=(), at=START, bundle="b@1"):
    """Find, then record what is new, as the path does; return what was found."""
    batch = batch_of(posts, received_at=at)
    found = journal.find(batch)
    new = np.flatnonzero(found.status == NEW)
    if len(new):
        subset = batch.take(new)
        places = [place for place, row in enumerate(new.tolist()) if row in kept]
        journal.record(
            subset,
            scored(len(new), bundle=bundle),
            decided(len(new), places),
            Effects(),
            hashes=found.hashes[new],
            decided_at=at,
        )
    return found


HISTORIES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from("xy")), max_size=6),
        st.booleans(),
    ),
    max_size=6,
)
"""Batches of (name, revision, text), and whether the journal is opened anew after each."""


class JournalContract:
    """Inherit it; give the fixtures `journal` and `reopen` (the journal after a restart) and `fresh` (both)."""

    def test_new_then_same_then_conflict(self, journal):
        posts = [Post(id="a", text="x"), Post(id="b", text="y")]
        assert list(keep(journal, posts, kept=(1,)).status) == [NEW, NEW]
        again = keep(journal, [*posts, Post(id="a", text="z"), Post(id="b", text="z"), Post(id="c")])
        assert list(again.status) == [SAME, SAME, CONFLICT, CONFLICT, NEW]
        assert {again.decisions[row].post_id for row in (0, 1)} == {"a", "b"}
        assert set(again.decisions) == {0, 1}

    def test_a_repeat_points_to_the_first_of_its_batch(self, journal):
        found = keep(journal, [Post(id="a"), Post(id="b"), Post(id="a"), Post(id="a", text="other")])
        assert list(found.status) == [NEW, NEW, REPEAT, CONFLICT]
        assert found.first[2] == 0
        assert len(journal.trail("default", "a")) == 1

    def test_what_was_kept_is_what_is_read_after_a_restart(self, journal, reopen):
        posts = [
            Post(
                id=f"p{i}",
                text=str(i),
                creator_id="ann" if i % 2 else None,
                created_at=START - i,
                platform=f"q{i % 2}",
            )
            for i in range(20)
        ]
        keep(journal, posts, kept=range(0, 20, 5))
        before = [journal.trail(post.platform, post.id)[0] for post in posts]
        journal = reopen()
        assert [journal.trail(post.platform, post.id)[0] for post in posts] == before
        found = keep(journal, posts)
        assert [found.decisions[row] for row in range(20)] == before
        assert {kept.bundle for kept in before} == {"b@1"}
        assert before[1].creator_id == "ann"
        assert before[1].created_at == START - 1

    def test_who_decided_in_which_arm_is_kept_with_plainly_allowed_posts_too(self, journal, reopen):
        """Red when the number of the arm was not written, and when a watched post's text was not kept."""
        acted = {arm: Acted(experiment="x1", arm=arm, propensity=0.2) for arm in (Arm.CANDIDATE, Arm.CONTROL)}
        arms = (
            ArmRows(bundle="b@1"),
            *(
                ArmRows(bundle=f"b@{n}", acted=one)
                for n, one in ((2, acted["candidate"]), (1, acted["control"]))
            ),
        )
        watched = Acted(experiment="x1", arm=Arm.CANDIDATE, propensity=0.2, chance=0.5, other=0.25)
        for number, bundle in ((1, "b@2"), (0, "b@1"), (2, "b@1"), (1, "b@2")):
            start = len(journal.trail("default", "a1"))
            batch = batch_of([Post(id=f"a{number}", revision=start), Post(id=f"w{number}", revision=start)])
            found = journal.find(batch)
            result = dataclasses.replace(
                decided(2), arms=arms, arm=number, watched={1: watched} if number == 1 else {}
            )
            journal.record(
                batch, scored(2, bundle=bundle), result, Effects(), hashes=found.hashes, decided_at=START
            )
        keep(journal, [Post(id="later")])
        journal = reopen()
        for number, bundle in ((0, "b@1"), (1, "b@2"), (2, "b@1")):
            kept = journal.trail("default", f"a{number}")
            assert {(one.bundle, one.acted) for one in kept} == {(bundle, arms[number].acted)}
        assert [one.acted for one in journal.trail("default", "w1")] == [watched] * 2
        assert journal.post("default", "w1") is not None
        assert [(one.bundle, one.acted) for one in journal.trail("default", "later")] == [("b@1", None)]

    def test_platform_and_revision_are_part_of_the_name(self, journal, reopen):
        keep(journal, [Post(id="a"), Post(id="a", revision=1), Post(id="a", platform="q")])
        keep(journal, [Post(id="a", revision=900)], kept=(0,), at=START + 1)
        journal = reopen()
        assert [one.revision for one in journal.trail("default", "a")] == [0, 1, 900]
        assert [one.revision for one in journal.trail("default", "a", 1)] == [1]
        assert [one.platform for one in journal.trail("q", "a")] == ["q"]
        assert journal.trail("default", "nobody") == []

    def test_a_trail_is_the_newest_of_a_post(self, journal, reopen):
        for revision in range(7):
            kept = (0,) if revision % 2 else ()
            keep(journal, [Post(id="a", revision=revision), Post(id="b")], kept=kept, at=START + revision)
        for most in (1, 2, 5, 7, 8):
            found = journal.trail("default", "a", most=most)
            assert [one.revision for one in found] == [*range(7)][-most:]
        journal = reopen()
        assert [one.revision for one in journal.trail("default", "a", 2, most=1)] == [2]
        names = [PostName("default", one) for one in ("b", "nobody", "a")]
        assert journal.trails(names) == [journal.trail(*name) for name in names]
        assert [len(one) for one in journal.trails(names)] == [1, 0, 7]
        assert journal.trails([]) == []

    def test_a_kept_posts_text_comes_back(self, journal, reopen):
        post = Post(id="a", text="täxt 😀", created_at=START, language="de")
        keep(journal, [post], kept=(0,))
        keep(journal, [Post(id="a", text="newer", revision=3)], kept=(0,))
        journal = reopen()
        assert journal.post("default", "a", 0) == post
        assert journal.post("default", "a").revision == 3
        assert journal.post("default", "nobody") is None
        keys = [PostKey("default", "a", revision) for revision in (0, 1, 3)]
        found = journal.kept(keys)
        assert {key: one.text for key, one in found.items()} == {keys[0]: post.text, keys[2]: "newer"}

    def test_a_forgotten_text_leaves_its_decision_and_is_still_known(self, journal, reopen):
        old, young = Post(id="old", text="x"), Post(id="young", text="y")
        keep(journal, [old], kept=(0,), at=START)
        keep(journal, [young], kept=(0,), at=START + 1)
        trail = journal.trail("default", "old")
        journal.forget_texts(START + 1)
        journal = reopen()
        assert journal.post("default", "old") is None
        assert journal.post("default", "young") == young
        assert journal.trail("default", "old") == trail
        again = keep(journal, [old, Post(id="old", text="z")])
        assert list(again.status) == [SAME, CONFLICT]

    @pytest.mark.parametrize("limit", [1, 3, 7, 100])
    def test_pages_visit_everything_once_newest_first(self, journal, reopen, limit):
        for number in range(6):
            posts = [Post(id=f"{number}-{i}") for i in range(5)]
            keep(journal, posts, kept=(1, 3), at=START + number, bundle=f"b@{number // 2}")
        journal = reopen()
        for wanted, expected in (
            (DecisionFilter(), 30),
            (DecisionFilter(outcomes=("demote",)), 12),
            (DecisionFilter(outcomes=("allow",)), 18),
            (DecisionFilter(policy="hate"), 12),
            (DecisionFilter(policy="spam"), 0),
            (DecisionFilter(since=START + 2, until=START + 4), 10),
            (DecisionFilter(platform="elsewhere"), 0),
            (DecisionFilter(language="other"), None),
        ):
            seen, cursor = [], None
            while True:
                page = journal.decisions(wanted, cursor=cursor, limit=limit)
                assert len(page.items) <= limit
                seen += page.items
                cursor = page.cursor
                if cursor is None:
                    break
            ids = [(one.post_id, one.platform) for one in seen]
            assert len(ids) == len(set(ids))
            times = [one.decided_at for one in seen]
            assert times == sorted(times, reverse=True)
            if expected is not None:
                assert len(seen) == expected, wanted
            else:
                assert seen
                assert {one.language for one in seen} == {"other"}

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_a_clock_that_steps_back_hides_nothing(self, journal, reopen, limit):
        moments = (10, 5, 7, 3, 12)
        for number, moment in enumerate(moments):
            keep(journal, [Post(id=f"a{number}"), Post(id=f"k{number}")], kept=(1,), at=START + moment)
        journal = reopen()
        seen, cursor = [], None
        while True:
            page = journal.decisions(DecisionFilter(), cursor=cursor, limit=limit)
            seen += [one.post_id for one in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [f"{kind}{number}" for number in range(4, -1, -1) for kind in "ka"]

    @pytest.mark.parametrize("cursor", ["x", "", "AAAA", "eyJhdCI6ICJ4In0", "eyJ6IjogMX0", "💥"])
    def test_a_forged_cursor_is_refused(self, journal, cursor):
        keep(journal, [Post(id="a")])
        if cursor:
            with pytest.raises(InvalidField, match="cursor"):
                journal.decisions(DecisionFilter(), cursor=cursor, limit=1)

    def check_history(self, history):
        """It behaves like a dictionary; each implementation calls this with HISTORIES."""
        journal, reopen = self.fresh()
        model = {}
        for batch, restart in history:
            posts = [Post(id=str(name), revision=revision, text=text) for name, revision, text in batch]
            found = keep(journal, posts, kept=[row for row, post in enumerate(posts) if post.id in "024"])
            seen_here = {}
            for row, post in enumerate(posts):
                key = PostKey("default", post.id, post.revision)
                if key in model:
                    expected = SAME if model[key] == post.text else CONFLICT
                elif key in seen_here:
                    expected = REPEAT if seen_here[key] == post.text else CONFLICT
                else:
                    expected = NEW
                    seen_here[key] = post.text
                assert found.status[row] == expected
            model |= seen_here
            if restart:
                journal = reopen()
        for key in model:
            assert len(journal.trail(*key)) == 1

    def test_only_what_is_kept_whole_is_listed_where_that_is_wanted(self, journal):
        keep(journal, [Post(id=name, text=name) for name in "abcd"], kept=(1, 3))
        page = journal.decisions(DecisionFilter(kept=True), cursor=None, limit=9)
        assert [one.post_id for one in page.items] == ["d", "b"]
        assert not journal.decisions(DecisionFilter(kept=True, since=START + 1), cursor=None, limit=9).items

    def test_by_which_bundle_the_past_was_looked_at_is_remembered(self, journal, reopen):
        assert journal.looked_anew_by() == ""
        for bundle in ("b@1", "b@2"):
            journal.note_looked_anew(bundle)
            assert journal.looked_anew_by() == bundle
        assert reopen().looked_anew_by() == "b@2"

    def test_erased_posts_leave_nothing_and_all_others_are_as_they_were(self, journal, reopen):
        def post(number, creator, revision=0):
            return Post(id=f"p{number}", text=f"text {number}", creator_id=creator, revision=revision)

        posts = [post(number, "ann" if number % 3 == 0 else "bob") for number in range(30)]
        keep(journal, posts, kept=range(0, 30, 5))
        keep(journal, [post(3, "ann", 4), post(4, "bob", 4)], at=START + 1)
        other = Post(id="p3", text="elsewhere", platform="q", creator_id="ann")
        keep(journal, [other], kept=(0,), at=START + 2)
        theirs = {f"p{number}" for number in range(0, 30, 3)}
        assert journal.posts_of("default", "ann") | {"p0", "p15"} == theirs
        before = {one.id: journal.trail("default", one.id) for one in posts}

        assert sum(journal.erase("default", theirs)) == 11
        assert sum(journal.erase("default", theirs)) == 0
        for stays in (lambda: journal, reopen):
            now = stays()
            for one in posts:
                expected = [] if one.id in theirs else before[one.id]
                assert now.trail("default", one.id) == expected
            assert now.post("default", "p15") is None
            assert now.post("default", "p5") == posts[5]
            assert now.post("q", "p3") == other
            page = now.decisions(DecisionFilter(), cursor=None, limit=100)
            listed = page.items
            while page.cursor is not None:
                page = now.decisions(DecisionFilter(), cursor=page.cursor, limit=100)
                listed += page.items
            assert {(one.platform, one.post_id) for one in listed} == {
                *(("default", f"p{number}") for number in range(30) if number % 3),
                ("q", "p3"),
            }
            assert now.posts_of("default", "ann") == set()
        found = keep(now, [posts[4], posts[5], posts[3], posts[15]], at=START + 3)
        assert list(found.status) == [SAME, SAME, NEW, NEW]
