"""The truth about a simulated platform, as far as it was told: what Sievert prevents, and what it gets wrong.

A real platform does not know which of its posts harm, nor the views that would have been. A simulated one
does, and tells both at a door that only the demo opens. Nothing that decides ever reads this.

Not covered: posts that were forgotten because newer ones came; what people see of them no longer counts.
"""

import dataclasses
import heapq
import threading
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from sievert.errors import InputError
from sievert.pipeline.decode import check_id, explain
from sievert.schema.clock import SECOND, Clock, Micros
from sievert.schema.event import MOST_VIEWS
from sievert.schema.post import DEFAULT_PLATFORM, Id

MOST_POSTS = 200_000
"""Posts that a board remembers, the newest ones."""

MOST_POINTS = 120
"""Points of the line over time; when there are more, every second one goes."""

SHOWN = 10
"""Mistakes of either kind that are told, the worst ones."""

Done = Literal["review", "demote", "remove", "restore"]
"""What was done about a post, from the least to the most severe, and that it was taken back."""

_RESTORED = "restore"
_SEVERITY = {word: place for place, word in enumerate(get_args(Done)) if word != _RESTORED}

Views = Annotated[int, Meta(ge=0, le=MOST_VIEWS)]


class _Told(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag_field="kind"
):
    id: Annotated[Id, Meta(description="the post's name on its platform, 1 to 128 bytes")]
    platform: Annotated[Id, Meta(description="the platform that it stands on, 1 to 128 bytes")] = (
        DEFAULT_PLATFORM
    )


class PostTruth(_Told, frozen=True, kw_only=True, tag="post"):
    """A new post, and whether it harms; the first word about a post holds."""

    harmful: Annotated[bool, Meta(description="whether it breaks a policy")]
    policy: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="the policy that it breaks most plainly")
    ] = None


class SeenTruth(_Told, frozen=True, kw_only=True, tag="seen"):
    """How often a post was seen since the last such record, and would have been."""

    views: Annotated[Views, Meta(description="views with what was done about it")]
    views_without: Annotated[Views, Meta(description="views had nothing been done")]


class DoneTruth(_Told, frozen=True, kw_only=True, tag="done"):
    """What the platform did about a post, at Sievert's word or a person's."""

    done: Annotated[
        Done, Meta(description="review: a person is asked; restore: all that was done is taken back")
    ]


TruthRecord = PostTruth | SeenTruth | DoneTruth

_DECODER = msgspec.json.Decoder(TruthRecord)
_KINDS: dict[str, type[_Told]] = {"post": PostTruth, "seen": SeenTruth, "done": DoneTruth}


class TruthAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one record."""

    id: str
    known: bool  # False: nobody told of the post, or it is forgotten; the record changed nothing


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A post that Sievert got wrong; never its text."""

    id: str
    platform: str
    policy: str | None  # that it breaks; null if it harms nobody
    views: int
    views_without: int
    done: tuple[str, ...]  # in order, each once


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it all so far, in numbers, and the worst mistakes."""

    at: Micros
    posts: int
    harmful: int  # posts
    found: int  # harmful posts about which something was done that still stands
    views: int  # of harmful posts, with what was done
    views_without: int  # of harmful posts, had nothing been done
    prevented: float | None  # share of the views of harmful posts; null while there are none
    wrong: dict[str, int]  # harmless posts about which this was done at some time
    line: list[tuple[Micros, int, int]]  # time, views, views_without so far
    missed: list[Mistake]  # harmful, and nothing stands; most views first
    acted: list[Mistake]  # harmless, and something was done; the most severe first


@dataclasses.dataclass(slots=True)
class _Post:
    harmful: bool
    policy: str | None
    views: int = 0
    views_without: int = 0
    done: list[str] = dataclasses.field(default_factory=list)

    @property
    def stands(self) -> bool:
        """Whether something was done that was not taken back."""
        return bool(self.done) and self.done[-1] != _RESTORED

    @property
    def severity(self) -> int:
        """How severe the worst is that was done."""
        return max(_SEVERITY.get(word, -1) for word in self.done)


_Key = tuple[str, str]
"""Platform and id."""


class TruthBoard:
    """Keeps the truth about the newest posts, and sums over all of them. Any thread may use it."""

    def __init__(self, *, clock: Clock, most: int = MOST_POSTS) -> None:
        """Remember at most so many posts; the line over time goes by this clock."""
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._posts: dict[_Key, _Post] = {}
        # The two kinds of mistakes, so that nobody has to look for them among all posts.
        self._missed: dict[_Key, _Post] = {}
        self._acted: dict[_Key, _Post] = {}
        self._count = self._harmful = self._found = self._views = self._views_without = 0
        self._wrong = dict.fromkeys(get_args(Done), 0)
        self._line: list[tuple[Micros, int, int]] = []
        self._gap: Micros = SECOND

    def take(self, records: Sequence[bytes]) -> list[TruthAnswer | InputError]:
        """Hear records, one JSON object each; return an answer or an error for each, in order."""
        read = [_decode(record) for record in records]
        with self._lock:
            answers = [one if isinstance(one, InputError) else self._hear(one) for one in read]
            self._go_on_with_line()
        return answers

    def truth(self) -> Truth:
        """Return what came of it so far."""
        with self._lock:
            now = self._clock.now()
            without = self._views_without
            return Truth(
                at=now,
                posts=self._count,
                harmful=self._harmful,
                found=self._found,
                views=self._views,
                views_without=without,
                prevented=round(1 - self._views / without, 4) if without else None,
                wrong=dict(self._wrong),
                line=[*self._line, (now, self._views, without)],
                missed=_mistakes(heapq.nlargest(SHOWN, self._missed.items(), key=lambda item: item[1].views)),
                acted=_mistakes(
                    heapq.nlargest(
                        SHOWN,
                        self._acted.items(),
                        key=lambda item: (item[1].stands, item[1].severity, item[1].views_without),
                    )
                ),
            )

    def _hear(self, record: TruthRecord) -> TruthAnswer:
        key = (record.platform, record.id)
        post = self._posts.get(key)
        match record:
            case PostTruth():
                if post is None:
                    self._add(key, _Post(record.harmful, record.policy if record.harmful else None))
                return TruthAnswer(id=record.id, known=True)
            case SeenTruth() if post is not None:
                post.views += record.views
                post.views_without += record.views_without
                if post.harmful:
                    self._views += record.views
                    self._views_without += record.views_without
            case DoneTruth() if post is not None:
                self._do(key, post, record.done)
        return TruthAnswer(id=record.id, known=post is not None)

    def _add(self, key: _Key, post: _Post) -> None:
        self._posts[key] = post
        self._count += 1
        if post.harmful:
            self._harmful += 1
            self._missed[key] = post
        if len(self._posts) > self._most:
            oldest = next(iter(self._posts))
            for kept in (self._posts, self._missed, self._acted):
                kept.pop(oldest, None)

    def _do(self, key: _Key, post: _Post, word: str) -> None:
        stood, before = post.stands, word in post.done
        if before:
            post.done.remove(word)
        post.done.append(word)
        if post.harmful:
            self._found += post.stands - stood
            if post.stands:
                self._missed.pop(key, None)
            else:
                self._missed[key] = post
        else:
            self._wrong[word] += not before
            self._acted[key] = post

    def _go_on_with_line(self) -> None:
        now = self._clock.now()
        if self._line and now - self._line[-1][0] < self._gap:
            return
        self._line.append((now, self._views, self._views_without))
        if len(self._line) >= MOST_POINTS:
            self._line = self._line[::2]
            self._gap = max(self._gap, (now - self._line[0][0]) * 2 // MOST_POINTS)


def _decode(record: bytes) -> TruthRecord | InputError:
    try:
        told: TruthRecord = _DECODER.decode(record)
        check_id("id", told.id)
        check_id("platform", told.platform)
    except InputError as error:
        return error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return explain(record, error, kind=_kind_of(record))
    return told


def _kind_of(record: bytes) -> type[msgspec.Struct]:
    """Return what a record wants to be, for an error that names its fields."""
    try:
        return _KINDS[msgspec.json.decode(record)["kind"]]
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError):
        return _Told


def _mistakes(posts: Sequence[tuple[_Key, _Post]]) -> list[Mistake]:
    return [
        Mistake(
            id=key[1],
            platform=key[0],
            policy=post.policy,
            views=post.views,
            views_without=post.views_without,
            done=tuple(post.done),
        )
        for key, post in posts
    ]
