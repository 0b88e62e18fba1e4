"""Pictures on their way to a post: opened before the path, known by their content, kept for those who look.

A picture is opened once, in a process of its own (`opening.py`), by whoever takes it in: a door, a
file's reader. What was found hangs on the content's hash: the same picture in another post, a viral
copy, costs a look-up. The path itself (`path.py`) opens nothing; it finds what is known by the hashes in
the posts.

What is like an entry of a bank of material with minors is neither kept nor read.
"""

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import msgspec

from sievert.errors import InputError, InvalidField
from sievert.features.content.pictures import FACTS_VERSION, View
from sievert.features.content.thumbnail import WORDS_CUT
from sievert.schema.batch import PostBatch
from sievert.schema.clock import Clock, Micros
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.post import Post
from sievert.stores.media.base import MediaStore
from sievert.stores.pictures.base import PicturedPost, PictureLog

MOST_REMEMBERED = 20_000
"""Pictures whose facts lie in memory, about a kilobyte each; others are read from the store."""


class Opener(Protocol):
    """Opens pictures where a bad one can do no harm."""

    def open(self, data: bytes) -> PictureFacts:
        """Return what a picture's file tells; raises InputError where it tells nothing."""
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


class Isolates(Protocol):
    """Tells whether a picture is like one that must not be kept."""

    def __call__(self, facts: PictureFacts) -> bool:
        """Tell it."""
        ...


class Watch(Protocol):
    """Counts what happens to pictures; for metrics."""

    def picture(self, what: str) -> None:
        """Count one that was known, opened, read, or refused."""
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
        watch: Watch | None = None,
    ) -> None:
        """Without `files` no picture can be shown later; words are read from `words_cut` on, None for never."""
        self._opener = opener
        self._log = log
        self._clock = clock
        self._files = files
        self._isolates = isolates
        self._words_cut = words_cut
        self._watch = watch or NoWatch()
        self._known: OrderedDict[str, PictureFacts] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, data: bytes) -> PictureFacts:
        """Open a picture, or know it again, and keep its file.

        Raises:
            InputError: it cannot be opened; says why.
            StoreUnavailable: it cannot be kept.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        found = self.facts([sha256]).get(sha256)
        if found is not None and not self._must_be_read(found):
            self._watch.picture("known")
            if self._files is not None and not self._isolates(found):
                self._files.put(data)  # its time to be forgotten starts anew
            return found
        facts = found or self._opener.open(data)
        if found is None:
            self._watch.picture("opened")
        if not self._isolates(facts):
            if self._must_be_read(facts):
                facts = msgspec.structs.replace(facts, words=self._words(data))
            if self._files is not None:
                self._files.put(data)
            self._log.put_facts(facts, at=self._clock.now())
        self._remember(facts)
        return facts

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
                if facts.version == FACTS_VERSION:
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
        data = self._files.get(sha256) if self._files is not None else None
        return None if data is None else self._opener.view(data, how=View(how))

    def named(self, sha256s: Sequence[str]) -> tuple[SeenPicture, ...]:
        """Return pictures by their hashes, as far as they are known."""
        found = self.facts(sha256s)
        return tuple(
            SeenPicture(media=Media(sha256=one), facts=found[one]) for one in sha256s if one in found
        )

    def close(self) -> None:
        """End the processes that open."""
        self._opener.close()

    def forget_files(self, before: Micros) -> None:
        """Forget files that were last sent before a time; what is known about them stays."""
        if self._files is not None:
            self._files.forget(before)

    def let_go(self, sha256s: Sequence[str]) -> None:
        """Forget pictures: their files, what is known about them, and where they were shown."""
        if not sha256s:
            return
        with self._lock:
            for sha256 in sha256s:
                self._known.pop(sha256, None)
        self._log.drop(sha256s)
        if self._files is not None:
            for sha256 in sha256s:
                self._files.drop(sha256)

    def check_known(self, sha256: str, *, field: str) -> PictureFacts:
        """Return what is known about a picture that was uploaded before.

        Raises:
            InvalidField: nothing is.
        """
        with contextlib.suppress(KeyError):
            return self.facts([sha256])[sha256]
        raise InvalidField(
            f"There is no uploaded picture {sha256}.",
            field=field,
            remedy="Upload the file first, with POST /api/v1/media, or send it as base64 or url.",
        )

    def _remember(self, facts: PictureFacts) -> None:
        with self._lock:
            self._known[facts.sha256] = facts
            self._known.move_to_end(facts.sha256)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
