"""Pictures on their way to a post: opened before the path, known by their content, kept for those who look.

A picture is opened once, in a process of its own (`opening.py`), by whoever takes it in: a door, a
file's reader. What was found hangs on the content's hash: the same picture in another post, a viral
copy, costs a look-up. The path itself (`path.py`) opens nothing; it finds what is known by the hashes in
the posts.

Encoders of the bundle make vectors of pictures, each once, here and not in the process that opens: they
see a small square of pixels, never a file. Under another bundle a picture has no vector until its file
comes again.

What is like an entry of a bank of material with minors is neither kept nor read nor encoded.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.errors import InputError, Overloaded
from sievert.features.content.pictures import FACTS_VERSION, View, can_hash
from sievert.features.content.thumbnail import WORDS_CUT
from sievert.schema.batch import PostBatch
from sievert.schema.clock import Clock
from sievert.schema.media import Media, PictureFacts, PictureVector, SeenPicture
from sievert.schema.post import Post
from sievert.stores.media.base import MediaStore
from sievert.stores.pictures.base import PicturedPost, PictureLog

MOST_REMEMBERED = 20_000
"""Pictures whose facts lie in memory, about a kilobyte each; others are read from the store."""


class Opener(Protocol):
    """Opens pictures where a bad one can do no harm."""

    def open_with_pixels(
        self, data: bytes, sides: Sequence[int]
    ) -> tuple[PictureFacts, tuple[npt.NDArray[np.uint8], ...]]:
        """Return what a picture's file tells, and its pixels at these sides.

        Raises InputError where it tells nothing.
        """
        ...

    def read_words(self, data: bytes) -> str:
        """Return the words that stand in it."""
        ...

    def view(self, data: bytes, *, how: View) -> bytes:
        """Return it as a person may see it, as JPEG."""
        ...

    def close(self) -> None:
        """Open nothing any more."""
        ...


class PictureEncoder(Protocol):
    """Makes a vector of a picture."""

    @property
    def name(self) -> str:
        """What it is called in its bundle; no two have the same name."""
        ...

    @property
    def model(self) -> str:
        """The very encoder, by hash."""
        ...

    @property
    def side(self) -> int:
        """The side S of the pixels that it takes."""
        ...

    def vector(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the vector of pixels [3, S, S]."""
        ...


class Isolates(Protocol):
    """Tells whether a picture is like one that must not be kept."""

    def __call__(self, facts: PictureFacts) -> bool:
        """Tell it."""
        ...


class Watch(Protocol):
    """Counts what happens to pictures; for metrics."""

    def picture(self, what: str) -> None:
        """Count one that was known, opened, read, encoded, or refused."""
        ...


class NoWatch:
    """Counts nothing."""

    def picture(self, what: str) -> None:
        """Ignore it."""


class Pictures:
    """Takes pictures in and knows them again. Any thread may call it."""

    def __init__(
        self,
        *,
        opener: Opener,
        log: PictureLog,
        clock: Clock,
        files: MediaStore | None = None,
        isolates: Isolates = lambda _: False,
        words_cut: float | None = WORDS_CUT,
        encoders: Sequence[PictureEncoder] = (),
        watch: Watch | None = None,
    ) -> None:
        """Take parts; `encoders` are those of the bundle.

        Without `files` no picture can be shown later; words are read from `words_cut` on, None for never.
        """
        self._opener = opener
        self._log = log
        self._clock = clock
        self._files = files
        self._isolates = isolates
        self._words_cut = words_cut
        self._encoders = tuple(encoders)
        self._watch = watch or NoWatch()
        self._known: OrderedDict[str, PictureFacts] = OrderedDict()
        self._unlogged: set[str] = set()  # of these: in memory alone
        self._lock = threading.Lock()

    def take(self, data: bytes) -> PictureFacts:
        """Open a picture, or know it again, and keep its file and what is known about it.

        Raises:
            InputError: it cannot be opened; says why.
            StoreUnavailable: it cannot be kept.
        """
        facts = self.look_at(data)
        if self._isolates(facts):
            # Kept perhaps, from before a bank knew it.
            self.let_go([facts.sha256])
            return facts
        if self._files is not None and not self._files.touch(facts.sha256):
            self._files.put(data)
        with self._lock:
            unlogged = facts.sha256 in self._unlogged
        if unlogged:
            self._log.put_facts(facts, at=self._clock.now())
            with self._lock:
                self._unlogged.discard(facts.sha256)
        return facts

    def look_at(self, data: bytes) -> PictureFacts:
        """Open a picture, or know it again, and keep nothing of it beyond memory.

        Raises:
            InputError: it cannot be opened; says why.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        found = self.facts([sha256]).get(sha256)
        if found is not None and (self._is_complete(found) or self._isolates(found)):
            self._watch.picture("known")
            return found
        facts = self._opened(data) if found is None else self._encoded_anew(found, data)
        if self._must_be_read(facts) and not self._isolates(facts):
            facts = msgspec.structs.replace(facts, words=self._words(data))
        if facts != found:
            self._remember(facts)
            with self._lock:
                self._unlogged.add(sha256)
        return facts

    def _is_complete(self, facts: PictureFacts) -> bool:
        return not self._must_be_read(facts) and not self._missing(facts)

    def _missing(self, facts: PictureFacts) -> list[PictureEncoder]:
        """Return the encoders that have not looked at a picture."""
        made = {one.model for one in facts.vectors}
        return [one for one in self._encoders if one.model not in made]

    def _opened(self, data: bytes) -> PictureFacts:
        facts, pixels = self._opener.open_with_pixels(data, [one.side for one in self._encoders])
        self._watch.picture("opened")
        if self._isolates(facts):
            return facts
        return self._encoded(facts, self._encoders, pixels)

    def _encoded_anew(self, facts: PictureFacts, data: bytes) -> PictureFacts:
        """Return facts with the vectors that they lack; as they are where the picture cannot be opened now.

        It was opened before: that no encoder sees it now is no reason to refuse its post.
        """
        missing = self._missing(facts)
        if not missing:
            return facts
        try:
            _, pixels = self._opener.open_with_pixels(data, [one.side for one in missing])
        except (InputError, Overloaded):
            self._watch.picture("unseen")
            return facts
        return self._encoded(facts, missing, pixels)

    def _encoded(
        self,
        facts: PictureFacts,
        encoders: Sequence[PictureEncoder],
        pixels: Sequence[npt.NDArray[np.uint8]],
    ) -> PictureFacts:
        """Return facts with vectors of these encoders; those of encoders that are gone are left out."""
        known = {one.model for one in self._encoders}
        made = [
            PictureVector(
                encoder=one.name, model=one.model, values=one.vector(square).astype("<f4").tobytes()
            )
            for one, square in zip(encoders, pixels, strict=True)
        ]
        for _ in made:
            self._watch.picture("encoded")
        kept = [one for one in facts.vectors if one.model in known]
        return msgspec.structs.replace(facts, vectors=(*kept, *made))

    def _words(self, data: bytes) -> str:
        """Return the words in a picture; none if they cannot be read in time, which the watch hears of."""
        try:
            words = self._opener.read_words(data)
        except InputError:
            self._watch.picture("unreadable")
            return ""
        self._watch.picture("read")
        return words

    def _must_be_read(self, facts: PictureFacts) -> bool:
        return facts.words is None and self._words_cut is not None and facts.has_words >= self._words_cut

    def facts(self, sha256s: Sequence[str]) -> dict[str, PictureFacts]:
        """Return what is known about these contents, by hash."""
        with self._lock:
            found = {one: self._known[one] for one in sha256s if one in self._known}
            for one in found:
                self._known.move_to_end(one)
        if missing := [one for one in sha256s if one not in found]:
            for sha256, facts in self._log.facts_of(missing).items():
                # What was opened where nothing could be hashed is opened again where it can be.
                if facts.version == FACTS_VERSION and (facts.hashes or not can_hash()):
                    self._remember(facts)
                    found[sha256] = facts
        return found

    def seen(self, posts: Sequence[Post]) -> dict[int, tuple[SeenPicture, ...]]:
        """Return the pictures of those posts that have any, by row.

        A picture that nothing is known about, since it was forgotten meanwhile, is left out.
        """
        rows = [row for row, post in enumerate(posts) if post.media]
        if not rows:
            return {}
        found = self.facts(list({media.sha256 or "" for row in rows for media in posts[row].media}))
        return {
            row: tuple(
                SeenPicture(media=media, facts=found[media.sha256])
                for media in posts[row].media
                if media.sha256 in found
            )
            for row in rows
        }

    def note(self, posts: PostBatch) -> None:
        """Make it durable which post shows which picture, so that it is found when a bank learns of one.

        Raises:
            StoreUnavailable: it is not durable.
        """
        if posts.pictures:
            self._log.note(
                [
                    (
                        PicturedPost(*posts.keys[row], posts.received_at),
                        [one.facts.sha256 for one in pictures],
                    )
                    for row, pictures in posts.pictures.items()
                ]
            )

    def view(self, sha256: str, how: str) -> bytes | None:
        """Return a kept picture as a person may see it, as JPEG, or None if it is not kept (any more).

        Raises:
            StoreUnavailable, Overloaded: not now.
        """
        facts = self.facts([sha256]).get(sha256)
        if facts is not None and self._isolates(facts):
            self.let_go([sha256])
            return None
        data = self._files.get(sha256) if self._files is not None else None
        return None if data is None else self._opener.view(data, how=View(how))

    def close(self) -> None:
        """End the processes that open."""
        self._opener.close()

    def forget_memory(self) -> None:
        """Let go of what lies in memory, so that what the store forgot is forgotten here, too."""
        with self._lock:
            self._known.clear()
            self._unlogged.clear()

    def forget_pictures(self, sha256s: Collection[str]) -> None:
        """Let go of what lies in memory of these alone."""
        with self._lock:
            for sha256 in sha256s:
                self._known.pop(sha256, None)
                self._unlogged.discard(sha256)

    def named(self, sha256s: Sequence[str]) -> tuple[SeenPicture, ...]:
        """Return pictures by their hashes, as far as they are known."""
        found = self.facts(sha256s)
        return tuple(
            SeenPicture(media=Media(sha256=one), facts=found[one]) for one in sha256s if one in found
        )

    def let_go(self, sha256s: Sequence[str]) -> None:
        """Forget the files of pictures, their words and vectors, and what is known about those that no post shows.

        What posts show stays known until a hunt has found those posts. Hashes stay in memory for a while:
        other copies may be on their way, and must be known again.
        """
        for sha256 in sha256s:
            if self._files is not None:
                self._files.drop(sha256)
            if not self._log.posts_with([sha256]):
                self._log.drop([sha256])
            with self._lock:
                if sha256 in self._known:
                    self._known[sha256] = msgspec.structs.replace(self._known[sha256], words=None, vectors=())
                    self._unlogged.add(sha256)

    def forget(self, sha256s: Sequence[str]) -> None:
        """Forget pictures altogether: their files, what is known about them, and where they were shown."""
        if not sha256s:
            return
        self.let_go(sha256s)
        self._log.drop(sha256s)

    def _remember(self, facts: PictureFacts) -> None:
        with self._lock:
            self._known[facts.sha256] = facts
            self._known.move_to_end(facts.sha256)
            while len(self._known) > MOST_REMEMBERED:
                oldest, _ = self._known.popitem(last=False)
                self._unlogged.discard(oldest)
