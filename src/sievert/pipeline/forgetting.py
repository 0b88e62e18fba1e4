"""One creator is erased from all places, step by step, while posts go on; then looked for again.

Whatever ends on the way is begun anew with what was gathered before, and comes to the same end. What comes in
about the creator meanwhile is found when it is looked for, and erased too.

Not covered: copies that were taken before, as backups and exports; models that learned from the posts; and
what a running process remembers of the last days to know copies by, and what other processes remember, until
their next start.
"""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sievert.errors import StoreUnavailable
from sievert.pipeline.cells import keys_of
from sievert.pipeline.latents import LatentCache
from sievert.pipeline.path import Parts
from sievert.schema.access import AuditNote
from sievert.schema.clock import Clock
from sievert.schema.decision import decision_id
from sievert.schema.event import Event
from sievert.schema.forgetting import Forgetting, ForgettingState, KeptTraces, PlaceCount
from sievert.stores.activity.base import PostName
from sievert.stores.audit import FORGOTTEN
from sievert.stores.forgetting.sql import SqlForgettings, counted
from sievert.stores.forgetting.traces import Traces, keyed_hash
from sievert.stores.media.base import MediaStore
from sievert.stores.segments.rewriting import Theirs, rows_of
from sievert.stores.sql import SqlStores

FILES = "files of pictures"
_MOST_ROUNDS = 5


Memory = Callable[[Collection[PostName]], None]
"""Lets go of posts; called by the thread that walks the path."""


class Letters(NamedTuple):
    """A queue, in which batches wait or were put aside; counts what leads to a creator."""

    look: Callable[[Traces], PlaceCount]
    erase: Callable[[Traces], PlaceCount]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rests:
    """Where something of a creator may rest, beside the tables."""

    segments: Path | None  # None where a table has what they have
    media: MediaStore
    latents: LatentCache
    letters: Letters | None = None  # None where there is no queue
    parts: Parts | None = None  # of a running server
    memories: tuple[Memory, ...] = ()  # what else of that server remembers posts
    on_path: Callable[[Callable[[], Any]], Any] = lambda work: work()


class Forgetter:
    """Carries forgettings out. One at a time, and only where posts are decided: no other process may write."""

    def __init__(self, stores: SqlStores, rests: Rests, *, clock: Clock) -> None:
        """Erase from these."""
        self._stores = stores
        self._rests = rests
        self._clock = clock

    def steps(self, one: Forgetting) -> Iterator[Forgetting]:
        """Go on with a forgetting to its end; yield it after each step.

        Raises:
            StoreUnavailable: a place does not answer; it goes on from here the next time.
        """
        if one.state in (ForgettingState.ASKED, ForgettingState.ERASING):
            for _ in range(_MOST_ROUNDS):
                one = yield from self._round(one)
                if not one.left:
                    break
            else:
                raise StoreUnavailable(
                    "More about the creator comes in than is erased.",
                    remedy="Let the platform stop sending their posts; it is tried again.",
                )
            one = self._erased(one)
            yield one
        self._stores.forgettings.compact()
        one = msgspec.structs.replace(one, state=ForgettingState.DONE, finished_at=self._clock.now())
        self._stores.forgettings.put(one)
        yield one

    def _round(self, one: Forgetting) -> Generator[Forgetting, None, Forgetting]:
        """Gather, erase everywhere, and look."""
        forgettings, rests = self._stores.forgettings, self._rests
        kept = gather(forgettings, rests.segments, one.platform, one.creator_id, one.traces or KeptTraces())
        one = msgspec.structs.replace(one, state=ForgettingState.ERASING, traces=kept)
        forgettings.put(one)
        yield one
        traces = Traces.of(one.platform, one.creator_id, kept)
        names = {PostName(one.platform, post) for post in kept.posts}
        found = [PlaceCount(place="journal", removed=0)]
        erasing = self._stores.journal.erase(one.platform, kept.posts)
        while (gone := rests.on_path(functools.partial(next, erasing, None))) is not None:
            found[0] = msgspec.structs.replace(found[0], removed=found[0].removed + gone)
            yield one
        found += forgettings.erase(
            traces, forgetting_id=one.forgetting_id, by=one.asked_by, now=self._clock.now()
        )
        held = sum(rests.media.holds(one) for one in kept.pictures)
        for sha256 in kept.pictures:
            rests.media.drop(sha256)
        found.append(PlaceCount(place=FILES, removed=held))
        rests.on_path(
            functools.partial(
                self._forget_in_memory, PostName(one.platform, one.creator_id), names, kept.pictures
            )
        )
        if rests.letters is not None:
            found.append(rests.letters.erase(traces))
        yield one
        looked = []
        for place in look(forgettings, rests, traces, names=names, pictures=kept.pictures):
            looked.append(place)
            yield one
        one = msgspec.structs.replace(one, places=counted([*one.places, *found], looked))
        forgettings.put(one)
        return one

    def _forget_in_memory(self, account: PostName, posts: set[PostName], pictures: Collection[str]) -> None:
        for forget in (self._rests.latents.forget_posts, *self._rests.memories):
            forget(posts)
        parts = self._rests.parts
        if parts is None:
            return
        parts.anew.forget_posts(posts)
        if parts.pictures is not None:
            parts.pictures.forget_pictures(pictures)
        if parts.dial is not None:
            parts.dial.skipped.forget_posts(posts)
        if parts.creators is not None:
            parts.creators.forget(account)
        if parts.bundle.heavy is not None:
            parts.bundle.heavy.model.cache.forget()  # whose windows those were, it does not know

    def _erased(self, one: Forgetting) -> Forgetting:
        """Write down that nothing is left, in the audit log too; who it was is known by a hash alone."""
        forgettings, kept = self._stores.forgettings, one.traces or KeptTraces()
        key = forgettings.key()
        hashes = {keyed_hash(key, f"post {one.platform}", post) for post in kept.posts}
        hashes |= {keyed_hash(key, "text", digest) for digest in kept.digests}
        one = msgspec.structs.replace(
            one, state=ForgettingState.ERASED, hashes=tuple(sorted(hashes)), creator_id="", traces=None
        )
        note = AuditNote(
            actor=one.asked_by,
            event=FORGOTTEN,
            subject=one.forgetting_id,
            details={"creator": one.creator, "posts": str(len(kept.posts)), "places": digest_of(one.places)},
        )
        forgettings.put(one, (note,))
        return one


def gather(
    forgettings: SqlForgettings, segments: Path | None, platform: str, creator_id: str, known: KeptTraces
) -> KeptTraces:
    """Return all that leads to a creator, with what was known before."""
    posts = set(known.posts) | forgettings.posts_of(platform, creator_id)
    names, digests = set(known.names), set(known.digests)
    if segments is not None:
        for key, digest in rows_of(segments, Theirs(platform, creator_id, frozenset(posts))):
            posts.add(key.id)
            names.add(decision_id(key))
            digests.add(digest.hex())
    found = forgettings.gather(
        platform,
        creator_id,
        msgspec.structs.replace(
            known, posts=frozenset(posts), names=frozenset(names), digests=frozenset(digests)
        ),
    )
    keys = set(known.keys)
    for record in forgettings.events(Traces.of(platform, creator_id, found)):
        with contextlib.suppress(msgspec.DecodeError):
            keys.update(keys_of(msgspec.json.decode(record, type=Event)))
    return msgspec.structs.replace(found, keys=frozenset(keys))


def look(
    forgettings: SqlForgettings,
    rests: Rests,
    traces: Traces,
    *,
    names: set[PostName] | frozenset[PostName] = frozenset(),
    pictures: frozenset[str] = frozenset(),
) -> Iterator[PlaceCount]:
    """Look through every place for a creator; count what is found, place by place."""
    if rests.segments is not None:
        theirs = Theirs(traces.platform, traces.creator_id, traces.posts)
        yield PlaceCount(place="journal", left=sum(1 for _ in rows_of(rests.segments, theirs)))
    yield from forgettings.look(traces)
    yield PlaceCount(place=FILES, left=sum(rests.media.holds(one) for one in pictures))
    yield PlaceCount(place="shelf", left=rests.latents.count(names))
    if rests.letters is not None:
        yield rests.letters.look(traces)


def digest_of(places: tuple[PlaceCount, ...]) -> str:
    """Return the SHA-256 of what was found where, which the audit log keeps."""
    return hashlib.sha256(msgspec.json.encode(places)).hexdigest()
