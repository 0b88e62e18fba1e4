"""What a log of pictures promises. The memory twin and the embedded one inherit one contract test.

It answers two questions: what is known about a picture's content, so that a copy costs nothing, and
which posts show a picture, so that a hash that is new in a bank also finds posts of the past.
Never in it: the picture.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sievert.schema.clock import Micros
from sievert.schema.media import PictureFacts
from sievert.schema.post import PostKey

PDQ_BYTES = 32


class PicturedPost(NamedTuple):
    """A post revision that shows a picture, and when it came in."""

    platform: str
    post_id: str
    revision: int
    received_at: Micros

    @property
    def key(self) -> PostKey:
        """The post revision, as other records name it."""
        return PostKey(self.platform, self.post_id, self.revision)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PictureHashes:
    """The PDQ hashes of all frames of all pictures: row i is a frame of picture `sha256[i]`."""

    sha256: list[str]  # [n] hexadecimal
    pdq: npt.NDArray[np.uint8]  # [n, 32]
    quality: npt.NDArray[np.uint8]  # [n] 0 to 100

    def __len__(self) -> int:
        """Return n."""
        return len(self.sha256)

    @classmethod
    def of(cls, rows: Sequence[tuple[str, bytes, int]]) -> "PictureHashes":
        """Lay rows (picture, 32 bytes of hash, quality) out as columns."""
        return cls(
            sha256=[row[0] for row in rows],
            pdq=np.frombuffer(b"".join(row[1] for row in rows), np.uint8).reshape(-1, PDQ_BYTES),
            quality=np.array([row[2] for row in rows], np.uint8),
        )


class PictureLog(abc.ABC):
    """Keeps what is known about pictures, and where they were shown."""

    @abc.abstractmethod
    def put_facts(self, *facts: PictureFacts, at: Micros) -> None:
        """Keep what is known about pictures as of a time, in place of what was known before.

        Raises:
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def facts_of(self, sha256s: Sequence[str]) -> dict[str, PictureFacts]:
        """Return what is known about these pictures, by hash; unknown ones are missing."""

    def facts(self, sha256: str) -> PictureFacts | None:
        """Return what is known about a picture, if anything is."""
        return self.facts_of([sha256]).get(sha256)

    @abc.abstractmethod
    def note(self, shows: Sequence[tuple[PicturedPost, Sequence[str]]]) -> None:
        """Keep which posts show which pictures; what is noted twice stays as it was first.

        Raises:
            StoreUnavailable: nothing of it is durable.
        """

    @abc.abstractmethod
    def posts_with(self, sha256s: Sequence[str]) -> list[PicturedPost]:
        """Return the posts that show any of these pictures, each once, in the order in which they came."""

    @abc.abstractmethod
    def hashes(self) -> PictureHashes:
        """Return the hashes of all pictures that are known."""

    @abc.abstractmethod
    def drop(self, sha256s: Sequence[str]) -> None:
        """Forget pictures altogether: facts, hashes, and where they were shown."""

    @abc.abstractmethod
    def forget(self, before: Micros) -> None:
        """Forget posts that came before a time, and pictures from before that no post shows any more."""
