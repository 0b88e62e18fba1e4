"""What encoders made of posts, shared by all servers: in this process first, then on a shelf that all see.

An entry says which bundle made it, and in which form it is written; it carries a digest of itself. One of
another bundle or form is refused, one that is not what was written is dropped; either is made anew, as if it
had not been there. Texts cannot be read from it, but it is made of a text: it goes when the text goes.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence

import msgspec
import numpy as np

from sievert.pipeline.latents import MOST_BYTES, LatentCache
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.schema.post import PostKey
from sievert.scoring.facets import Facet, Facets
from sievert.stores.activity.base import PostName
from sievert.stores.shelf.base import Shelf

FORM = 1
"""Raised whenever entries are written otherwise."""

_DIGEST_BYTES = 16
_ARRAYS = ("content", "text", "words", "picture", "thumbnail")

Watch = Callable[[str], None]
"""Hears what became of each look-up on the shelf: hit, miss, stale, corrupt or away."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A facet as it is written: float32, little end first."""

    where: int
    arrays: tuple[bytes | None, ...]


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a post."""

    form: int
    bundle: str
    at: Micros
    facets: tuple[_Kept, ...] = ()


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """The part of an entry that every form has."""

    form: int
    bundle: str


class SharedLatents(LatentCache):
    """Remembers facets of posts here and on a shelf; one thread uses it."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        clock: Clock,
        keep: Micros,
        watch: Watch,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`keep` is for how long after it came a post is remembered; `most_bytes` bounds this process alone."""
        super().__init__(most_bytes)
        self._shelf = shelf
        self._clock = clock
        self._keep = keep
        self._watch = watch

    def keep(self, bundle: str, key: PostKey, facets: Facets, *, at: Micros) -> None:
        """Remember them here, and lay them on the shelf."""
        super().keep(bundle, key, facets, at=at)
        left = at + self._keep - self._clock.now()
        if left > 0:
            self._shelf.put(*_place(key), _written(bundle, facets, at), seconds=left // SECOND)

    def fetch(self, bundle: str, keys: Sequence[PostKey]) -> None:
        """Bring what others made of these posts, as far as it is not here."""
        wanted = [key for key in dict.fromkeys(keys) if self.get(bundle, key) is None]
        found = self._shelf.get([_place(key) for key in wanted]) if wanted else []
        if found is None:
            self._watch("away")
            return
        for key, said in zip(wanted, found, strict=True):
            became, entry = ("miss", None) if said is None else _read(said, bundle)
            self._watch(became)
            if entry is not None:
                super().keep(bundle, key, _facets(entry), at=entry.at)

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Forget all revisions of these posts, on the shelf too.

        Raises:
            StoreUnavailable: the shelf may still hold them.
        """
        super().forget_posts(posts)
        if posts:
            self._shelf.drop(_name(post.platform, post.id) for post in posts)

    def count(self, posts: Collection[PostName]) -> int:
        """Return how many of these posts lie on the shelf.

        Raises:
            StoreUnavailable: the shelf does not answer.
        """
        return self._shelf.count(_name(post.platform, post.id) for post in posts)


def _place(key: PostKey) -> tuple[str, str]:
    return _name(key.platform, key.id), str(key.revision)


def _name(platform: str, post_id: str) -> str:
    return hashlib.blake2b(f"{platform}\x00{post_id}".encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _written(bundle: str, facets: Facets, at: Micros) -> bytes:
    kept = tuple(
        _Kept(
            where=one.where,
            arrays=tuple(
                None if (array := getattr(one, name)) is None else array.astype("<f4").tobytes()
                for name in _ARRAYS
            ),
        )
        for one in facets
    )
    body = msgspec.msgpack.encode(_Entry(form=FORM, bundle=bundle, at=at, facets=kept))
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() + body


def _read(said: bytes, bundle: str) -> tuple[str, _Entry | None]:
    """Return what became of an entry, and the entry if it can be used."""
    digest, body = said[:_DIGEST_BYTES], said[_DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return "corrupt", None
    try:
        head = msgspec.msgpack.decode(body, type=_Head)
        if (head.form, head.bundle) != (FORM, bundle):
            return "stale", None
        return "hit", msgspec.msgpack.decode(body, type=_Entry)
    except msgspec.DecodeError:
        return "corrupt", None


def _facets(entry: _Entry) -> Facets:
    return tuple(
        Facet(
            where=one.where,
            **{
                name: np.frombuffer(array, "<f4").astype(np.float32)
                for name, array in zip(_ARRAYS, one.arrays, strict=True)
                if array is not None
            },
        )
        for one in entry.facets
    )
