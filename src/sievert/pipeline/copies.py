"""The views to come of a post and of its copies, so that splitting a post into many gains nothing.

Copies are posts of one text: texts of eight words or more whose MinHash agrees in one of ten bands of ten
values (nearly sure for texts that share nine tenths of their n-grams, one in a hundred for half of them;
Leskovec, Rajaraman and Ullman 2014, ch. 3), shorter ones that are equal but for case and spacing, and posts
without a text whose pictures are the same bytes. What a post is forecast to get is added to what its copies
of the last week are; when a post is forecast again, its new number takes the place of its old one. Copies
that come in one batch all hear of each other.

Not covered: a post that is like two groups of copies which are not like each other; it joins the larger one,
and which that is may hang on the order in which they came; copies whose picture was changed, or whose words stand in a picture; texts that were rewritten
so far that MinHash does not see it; copies before the last restart, or beyond the latest so many posts;
copies that nobody asks a forecast of. That others copied a post raises its number too: the removal rule
then needs less probability, never less than the policy's floor.

Legend: n posts.
"""

import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sievert.features.content.fold import FoldTables
from sievert.schema.batch import Floats, PostBatch
from sievert.schema.clock import DAY, Micros
from sievert.scoring.banks.entries import exact_digest, is_short, text_signatures
from sievert.stores.activity.base import PostName

REMEMBERED: Micros = 7 * DAY
MOST_POSTS = 50_000
_BANDS = 10
_THOUSAND = 1000
"""Views are added up in thousandths, as integers, so that what is taken off leaves nothing behind."""


@dataclasses.dataclass(slots=True)
class _Cluster:
    """Posts that are copies of each other."""

    total: int = 0
    posts: int = 0
    names: list[bytes] = dataclasses.field(default_factory=list)  # each once; most posts have no copy


class Copies:
    """Remembers what was forecast of which text; one thread uses it."""

    def __init__(self, most: int = MOST_POSTS) -> None:
        """Begin with none; of more than `most` posts the oldest is forgotten."""
        self._most = most
        self._posts: collections.OrderedDict[PostName, tuple[_Cluster, int, Micros]] = (
            collections.OrderedDict()
        )
        self._named: dict[bytes, _Cluster] = {}

    def __len__(self) -> int:
        """Return how many posts are remembered."""
        return len(self._posts)

    def together(
        self, posts: PostBatch, rows: Sequence[int], views: Floats, names: "CopyNames", *, now: Micros
    ) -> Floats:
        """Return the views to come [r] of posts and their copies; `views` [r] are the posts' own."""
        self._forget(now)
        found = []
        for row, some, own in zip(rows, names.of(rows), views.tolist(), strict=True):
            post = PostName(posts.posts[row].platform, posts.posts[row].id)
            found.append(self._note(post, some, round(own * _THOUSAND), now))
        return np.array([cluster.total / _THOUSAND for cluster in found], np.float32)

    def _note(self, post: PostName, names: Sequence[bytes], own: int, now: Micros) -> _Cluster:
        known = self._posts.pop(post, None)
        named = [self._named[name] for name in names if name in self._named]
        cluster = max(named, key=lambda one: one.total, default=None)
        if cluster is None:
            # A post whose text was not kept stays with its copies.
            cluster = known[0] if known is not None and not names else _Cluster()
        for name in names:
            if name not in self._named:
                self._named[name] = cluster
                cluster.names.append(name)
        cluster.total += own
        cluster.posts += 1
        if known is not None:
            self._drop(known[0], known[1])
        self._posts[post] = (cluster, own, now)
        while len(self._posts) > self._most:
            self._drop(*self._posts.popitem(last=False)[1][:2])
        return cluster

    def _forget(self, now: Micros) -> None:
        while self._posts:
            cluster, own, at = next(iter(self._posts.values()))
            if at > now - REMEMBERED:
                break
            self._posts.popitem(last=False)
            self._drop(cluster, own)

    def _drop(self, cluster: _Cluster, own: int) -> None:
        cluster.total -= own
        cluster.posts -= 1
        if not cluster.posts:
            for name in cluster.names:
                del self._named[name]
            cluster.names.clear()


class CopyNames:
    """By what the copies of a batch's posts are found; each computed once, whoever asks first."""

    def __init__(self, posts: PostBatch, fold: FoldTables) -> None:
        """Compute nothing yet."""
        self._posts, self._fold = posts, fold
        self._known: dict[int, list[bytes]] = {}

    def of(self, rows: Sequence[int]) -> list[list[bytes]]:
        """Return the names of each of these posts; none where neither text nor picture is at hand."""
        new = [row for row in dict.fromkeys(rows) if row not in self._known]
        if new:
            self._known.update(zip(new, copy_names(self._posts, new, self._fold), strict=True))
        return [self._known[row] for row in rows]


def copy_names(posts: PostBatch, rows: Sequence[int], fold: FoldTables) -> list[list[bytes]]:
    """Return by what each post's copies are found; nothing where neither text nor picture is at hand."""
    some = posts.take(np.array(rows, np.intp))
    data, offsets = some.text.data.tobytes(), some.text.offsets.tolist()
    texts = [data[start:end] for start, end in itertools.pairwise(offsets)]
    long = [at for at, text in enumerate(texts) if not is_short(text)]
    names: list[list[bytes]] = []
    for text, digest, post in zip(texts, some.digests, some.posts, strict=True):
        if text:
            names.append([b"t" + exact_digest(text)])
        else:
            names.append([b"p" + digest] if post.media else [])
    if long:
        for at, signature in zip(long, _signatures(some, long, fold), strict=True):
            values = signature.tobytes()
            wide = len(values) // _BANDS
            names[at] = [
                bytes([band])
                + hashlib.blake2b(values[band * wide : (band + 1) * wide], digest_size=12).digest()
                for band in range(_BANDS)
            ]
    return names


def _signatures(posts: PostBatch, rows: Sequence[int], fold: FoldTables) -> npt.NDArray[np.uint32]:
    return text_signatures(posts.take(np.array(rows, np.intp)).text, fold)
