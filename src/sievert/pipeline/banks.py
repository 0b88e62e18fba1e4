"""What hash banks say of a batch, before anything is scored.

Matches of a bank of material with minors take a post out of everything that follows: it is not scored,
and its words and pictures are not kept. A picture that an allow bank knows is not read for its words.

Legend: n posts.
"""

import dataclasses
import threading
from collections.abc import Mapping

import msgspec
import numpy as np

from sievert.schema.bank import BankKind, Signal
from sievert.schema.batch import PostBatch, ScoredBatch, TextColumn
from sievert.schema.decision import Language, Match, Stage
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.scoring.banks.matching import BankMatcher, no_texts


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A batch as far as banks know it.

    `posts` are the batch, without words and pictures where a post is isolated; `passed` are the pictures
    (row, number) that a bank allows.
    """

    posts: PostBatch
    matches: Mapping[int, tuple[Match, ...]] = dataclasses.field(default_factory=dict)
    isolated: tuple[int, ...] = ()
    passed: frozenset[tuple[int, int]] = frozenset()
    gone: tuple[str, ...] = ()  # SHA-256 of the pictures of isolated posts

    def scored(self, scored: ScoredBatch) -> ScoredBatch:
        """Return scores [n] in which nothing is said of isolated posts."""
        rows = list(self.isolated)
        if not rows:
            return scored
        harm, policies = scored.harm.copy(), scored.policies.copy()
        stage, language = scored.stage.copy(), scored.language.copy()
        harm[rows], policies[rows], stage[rows], language[rows] = 0.0, 0.0, Stage.BANK, Language.UNREADABLE
        return dataclasses.replace(scored, harm=harm, policies=policies, stage=stage, language=language)


class Banks:
    """Looks posts and pictures up in banks; any thread may."""

    def __init__(self, matcher: BankMatcher) -> None:
        """Ask this matcher, one thread at a time."""
        self._matcher = matcher
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what changed in the banks, if anything did.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        with self._lock:
            self._matcher.refresh()

    def look(self, posts: PostBatch) -> Known:
        """Return what banks know of n posts that come in: each counts towards a flood.

        Raises:
            StoreUnavailable: the banks cannot be read, or an entry not be put in quarantine.
        """
        with self._lock:
            return _known(posts, self._matcher.match(posts.text, _pictures(posts)))

    def glance(self, posts: PostBatch) -> Known:
        """Return what banks know of n posts that are only judged: nothing counts.

        Raises:
            StoreUnavailable: the banks cannot be read.
        """
        with self._lock:
            return _known(posts, self._matcher.look_up(posts.text, _pictures(posts)))

    def find(self, signal: Signal, value: str) -> list[tuple[int, Match]]:
        """Return the entries that a single hash is like, each with its number, the nearest first; nothing counts.

        Raises:
            InvalidField: the value is no such hash.
        """
        with self._lock:
            found = self._matcher.find(signal, value)
        # A distance would tell, hash by hash, what is never listed.
        return [one for one in found if one[1].kind != BankKind.MINORS]

    def isolates(self, facts: PictureFacts) -> bool:
        """Tell whether a picture is like material with minors, so that it must not be kept."""
        seen = SeenPicture(media=Media(sha256=facts.sha256), facts=facts)
        with self._lock:
            found = self._matcher.look_up(no_texts(1), [[seen]])
        return any(match.kind == BankKind.MINORS for match in found.get(0, ()))


def _pictures(posts: PostBatch) -> list[tuple[SeenPicture, ...]]:
    return [posts.pictures.get(row, ()) for row in range(len(posts))] if posts.pictures else []


def _known(posts: PostBatch, matches: Mapping[int, tuple[Match, ...]]) -> Known:
    if not matches:
        return Known(posts)
    isolated = tuple(
        row for row, found in matches.items() if any(match.kind == BankKind.MINORS for match in found)
    )
    passed = frozenset(
        (row, match.media)
        for row, found in matches.items()
        for match in found
        if match.kind == BankKind.ALLOW and match.media is not None
    )
    return Known(
        posts=_without(posts, isolated) if isolated else posts,
        matches=matches,
        isolated=isolated,
        passed=passed,
        gone=tuple(one.facts.sha256 for row in isolated for one in posts.pictures.get(row, ())),
    )


def _without(posts: PostBatch, rows: tuple[int, ...]) -> PostBatch:
    """Return the batch in which nothing is left of what these posts say and show, but their digests."""
    texts = posts.text.texts(np.arange(len(posts)))
    records = list(posts.posts)
    for row in rows:
        texts[row] = ""
        records[row] = msgspec.structs.replace(records[row], text="", media=())
    return dataclasses.replace(
        posts,
        posts=records,
        text=TextColumn.of(texts),
        pictures={row: shown for row, shown in posts.pictures.items() if row not in rows},
    )
