"""Pictures' facts in memory, for tests and trials; gone when the process ends."""

from collections.abc import Sequence

from sievert.schema.clock import Micros
from sievert.schema.media import PictureFacts
from sievert.stores.pictures.base import PicturedPost, PictureHashes, PictureLog


class MemoryPictures(PictureLog):
    """Keeps pictures' facts in dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._facts: dict[str, tuple[Micros, PictureFacts]] = {}
        self._shown: dict[str, dict[tuple[str, str, int], PicturedPost]] = {}

    def put_facts(self, *facts: PictureFacts, at: Micros) -> None:
        """Replace them."""
        self._facts |= {one.sha256: (at, one) for one in facts}

    def facts_of(self, sha256s: Sequence[str]) -> dict[str, PictureFacts]:
        """Look them up."""
        return {one: self._facts[one][1] for one in sha256s if one in self._facts}

    def note(self, shows: Sequence[tuple[PicturedPost, Sequence[str]]]) -> None:
        """Add to the posts of each picture."""
        for post, sha256s in shows:
            for one in sha256s:
                self._shown.setdefault(one, {}).setdefault(post[:3], post)

    def posts_with(self, sha256s: Sequence[str]) -> list[PicturedPost]:
        """Look them up."""
        found = {post for one in sha256s for post in self._shown.get(one, {}).values()}
        return sorted(found, key=lambda post: (post.received_at, post))

    def hashes(self) -> PictureHashes:
        """Walk all facts."""
        return PictureHashes.of(
            [
                (one.sha256, bytes.fromhex(frame.pdq), frame.quality)
                for _, one in self._facts.values()
                for frame in one.hashes
            ]
        )

    def drop(self, sha256s: Sequence[str]) -> None:
        """Take them out."""
        for one in sha256s:
            self._facts.pop(one, None)
            self._shown.pop(one, None)

    def forget(self, before: Micros) -> None:
        """Walk everything."""
        kept = {
            one: {key: post for key, post in posts.items() if post.received_at >= before}
            for one, posts in self._shown.items()
        }
        self._shown = {one: posts for one, posts in kept.items() if posts}
        self._facts = {
            one: (at, facts) for one, (at, facts) in self._facts.items() if at >= before or one in self._shown
        }
