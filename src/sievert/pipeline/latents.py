"""What encoders made of posts that came before, kept in memory, so that an event costs the fusion alone.

Facets hang on the content alone, so they are named by the post's revision and the bundle that made them.
Their bytes are bounded: the posts that were asked for longest ago go first.

Not covered: a picture that a bank came to allow since it was heard; it is heard until the post is read anew.
"""

import collections
import dataclasses
from collections.abc import Collection, Sequence

from sievert.schema.clock import Micros
from sievert.schema.post import PostKey
from sievert.scoring.facets import Facets
from sievert.stores.activity.base import PostName

MOST_BYTES = 64 << 20
"""Some twenty thousand posts at 384 numbers a text."""

_FACET = 600
"""Bytes of a facet beside its numbers."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    facets: Facets
    at: Micros
    size: int


class LatentCache:
    """Remembers facets of posts; one thread uses it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Begin with none."""
        self._most = most_bytes
        self._kept: collections.OrderedDict[tuple[str, PostKey], _Kept] = collections.OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many posts are remembered."""
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Return how much memory they take, about."""
        return self._bytes

    def keep(self, bundle: str, key: PostKey, facets: Facets, *, at: Micros) -> None:
        """Remember the facets of a post that came at a time, made by the bundle of this version."""
        self._drop((bundle, key))
        # Facets of one post share what they have in common.
        arrays = {id(array): array.nbytes for one in facets for array in one.arrays()}
        size = sum(arrays.values()) + _FACET * len(facets)
        self._kept[bundle, key] = _Kept(facets, at, size)
        self._bytes += size
        while self._bytes > self._most:
            self._drop(next(iter(self._kept)))

    def get(self, bundle: str, key: PostKey) -> Facets | None:
        """Return the facets of a post by a bundle, if they are remembered."""
        found = self._kept.get((bundle, key))
        if found is None:
            return None
        self._kept.move_to_end((bundle, key))
        return found.facets

    def fetch(self, bundle: str, keys: Sequence[PostKey]) -> None:
        """Hear which posts will be asked for next: what is remembered elsewhere can be brought, here nothing is."""

    def forget(self, before: Micros) -> None:
        """Forget posts that came before a time."""
        for name in [name for name, one in self._kept.items() if one.at < before]:
            self._drop(name)

    def forget_posts(self, posts: Collection[PostName]) -> None:
        """Forget all revisions of these posts."""
        if posts:
            for name in [name for name in self._kept if PostName(name[1].platform, name[1].id) in posts]:
                self._drop(name)

    def count(self, posts: Collection[PostName]) -> int:
        """Return how many of these posts are remembered outside of this process."""
        del posts
        return 0

    def _drop(self, name: tuple[str, PostKey]) -> None:
        gone = self._kept.pop(name, None)
        if gone is not None:
            self._bytes -= gone.size
