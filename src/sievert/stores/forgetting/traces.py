"""What leads to a creator: ids of their account and posts, whatever follows from those, and hashes of texts.

Records are looked through by what their fields mean: an id of a post counts where a post is named and on its
own platform, so that a post called "spam" is not found in every policy of that name.

Not covered: ids and words that people wrote into free text elsewhere, such as the note of a bank's entry: such
fields are not read, or whoever writes an id somewhere could have others' rows erased.
"""

import base64
import dataclasses
import hashlib
import secrets
from collections.abc import Container, Iterable, Iterator
from typing import Any

from sievert.schema.forgetting import KeptTraces
from sievert.schema.post import DEFAULT_PLATFORM

_POST, _DIGEST = "post_id", "content_digest"
_ACCOUNTS = ("creator_id", "actor_id", "reporter_id", "source_id", "target_id")
_APPEAL, _BY = "appeal_id", "by"
"""Whoever appeals is an account; elsewhere `by` names a key, a person, or Sievert itself."""
_NAMES = ("case_id", "decision_id")
_PLACES = ("group", "page")
"""Kinds of edges at whose other end no account is."""
_TEXTS = {"note": "", "statement": "", "spans": [], "nearest": [], "matches": [], "pictures": []}
"""What of a record that stays is emptied: words about the post, and what it looked like."""
_SUBJECT = "subject"
"""The one field in which a post or an account stands as a path, with its platform."""
_WRITTEN = ("text", "note", "statement", "reason", "said", "words", "title", "description", "nearest")
"""What people write, and examples out of corpora, whose ids are no posts: nothing there leads to anybody."""
_DIGEST_BYTES = 10


class Hashed(Container[str]):
    """Names that are known by their keyed hashes alone."""

    def __init__(self, kind: str, hashes: frozenset[str], key: bytes) -> None:
        """Know names of one kind."""
        self._kind, self._hashes, self._key = kind, hashes, key

    def __contains__(self, name: object) -> bool:
        """Hash and look."""
        return isinstance(name, str) and keyed_hash(self._key, self._kind, name) in self._hashes


def keyed_hash(key: bytes, *parts: str) -> str:
    """Return a hash that tells nothing to whoever lacks the key."""
    said = "\x00".join(parts).encode()
    return hashlib.blake2b(said, key=key, digest_size=_DIGEST_BYTES).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What leads to one creator of one platform."""

    platform: str
    creator_id: str
    posts: Container[str] = frozenset()
    names: Container[str] = frozenset()
    digests: Container[str] = frozenset()
    pictures: Container[str] = frozenset()
    keys: Container[bytes] = frozenset()

    @classmethod
    def of(cls, platform: str, creator_id: str, kept: KeptTraces) -> "Traces":
        """Look for all that is kept."""
        return cls(
            platform=platform,
            creator_id=creator_id,
            posts=kept.posts,
            names=kept.names,
            digests=kept.digests,
            pictures=kept.pictures,
            keys=kept.keys,
        )

    @classmethod
    def hashed(cls, platform: str, creator_id: str, hashes: Iterable[str], key: bytes) -> "Traces":
        """Look for what is known by its hashes, once its names are forgotten."""
        known = frozenset(hashes)
        return cls(
            platform=platform,
            creator_id=creator_id,
            posts=Hashed(f"post {platform}", known, key),
            digests=Hashed("text", known, key),
        )

    def in_path(self, said: Any) -> bool:
        """Tell whether this is `platform/account`, `platform/post` or `platform/post/revision`."""
        if not isinstance(said, str) or not said.startswith(f"{self.platform}/"):
            return False
        rest = said[len(self.platform) + 1 :]
        head, _, last = rest.rpartition("/")
        return rest == self.creator_id or rest in self.posts or (last.isdecimal() and head in self.posts)

    def in_record(self, said: Any, platform: str = DEFAULT_PLATFORM) -> bool:
        """Tell whether anything in a decoded record leads to the creator."""
        if isinstance(said, str):
            return any(one in self.names for one in said.split(","))
        if isinstance(said, list):
            return any(self.in_record(one, platform) for one in said)
        if not isinstance(said, dict):
            return False
        platform = said.get("platform", platform)
        return (
            self.is_about(said, platform)
            or (
                platform == self.platform and any(said.get(one) == self.creator_id for one in _accounts(said))
            )
            or self.in_path(said.get(_SUBJECT))
            or any(self.in_record(one, platform) for key, one in said.items() if key not in _WRITTEN)
        )

    def is_about(self, said: dict[str, Any], platform: str) -> bool:
        """Tell whether a record is about one of the posts: by its name, else by what follows from it."""
        post = _post(said)
        if post is not None:
            return platform == self.platform and _is_among(post, self.posts)
        texts = self.digests if platform == self.platform else ()
        return _is_among(said.get(_DIGEST), texts) or any(
            _is_among(said.get(name), self.names) for name in _NAMES
        )


class Redaction:
    """Gives new names to what stays: the same one wherever an old one stood, and written down nowhere."""

    def __init__(self, traces: Traces) -> None:
        """Begin with none given."""
        self.traces = traces
        self._given: dict[str, str] = {}

    def post(self, name: str) -> str:
        """Return what a post is called from now on."""
        return self._given.setdefault(f"post {name}", f"forgotten-{secrets.token_hex(8)}")

    def name(self, name: str) -> str:
        """Return what a name is from now on, in its own form; others stay."""
        if name not in self.traces.names:
            return name
        made = base64.b32encode(secrets.token_bytes(15)).decode().lower()
        return self._given.setdefault(name, f"{name.partition('_')[0]}_{made}")

    def record(self, said: Any, platform: str = DEFAULT_PLATFORM, *, mine: bool = False) -> Any:
        """Return a decoded record that leads to nobody."""
        if isinstance(said, str):
            return ",".join(map(self.name, said.split(",")))
        if isinstance(said, list):
            return [self.record(one, platform, mine=mine) for one in said]
        if not isinstance(said, dict):
            return said
        platform = said.get("platform", platform)
        mine = mine or self.traces.is_about(said, platform)
        kept = {key: self._field(key, one, platform, mine=mine) for key, one in said.items()}
        if platform == self.traces.platform:
            theirs = [one for one in _accounts(said) if said.get(one) == self.traces.creator_id]
            kept |= dict.fromkeys(theirs)
        if self.traces.in_path(said.get(_SUBJECT)):
            kept[_SUBJECT] = ""
        return kept

    def _field(self, key: str, said: Any, platform: str, *, mine: bool) -> Any:
        if key == _POST and isinstance(said, str) and mine:
            return self.post(said)
        if mine and key == _DIGEST:
            return ""
        if mine and key in _TEXTS:
            return _TEXTS[key]
        if key in _WRITTEN:
            return said
        return self.record(said, platform, mine=mine)


def _is_among(said: Any, known: Container[str]) -> bool:
    """Look for what may be no name at all: a file holds whatever somebody put there."""
    return isinstance(said, str) and said in known


def _post(said: dict[str, Any]) -> Any:
    """Return the post that a record names, or that it is."""
    if _POST in said:
        return said[_POST]
    # A post has an id of its own; events and edges have a kind.
    return said.get("id") if "kind" not in said else None


def _accounts(said: dict[str, Any]) -> Iterator[str]:
    for one in _ACCOUNTS:
        if one != "target_id" or said.get("kind") not in _PLACES:
            yield one
    if _APPEAL in said:
        yield _BY
