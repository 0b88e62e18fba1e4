"""Pictures of posts that come in are fetched and opened, before the posts walk the path.

Opening runs in processes; threads only wait for them. Whoever waits for a slow host waits without a
thread and without a picture in memory, so that nobody else is delayed; what was fetched and is not opened
yet is bounded by its bytes.
"""

import asyncio
import enum
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from sievert.errors import InputError, Overloaded, SievertError
from sievert.features.content.thumbnail import WORDS_CUT_OF_THUMBNAILS
from sievert.pipeline.attaching import (
    attached,
    check_thumbnail,
    check_way,
    field_of,
    inline_bytes,
    post_with_media,
    thumbnail_bytes,
)
from sievert.pipeline.pictures import Pictures
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.serving.fetching import Fetcher

IN_HAND = 16
"""Pictures that are being opened, or wait for a process, at once."""

FETCHED_BYTES = 256 << 20
"""While pictures that were fetched and not opened yet hold more, no further one is asked for."""

_WAYS = ("base64", "url", "sha256")


class Fetch(enum.StrEnum):
    """Which pictures are fetched whole, of those that come with a thumbnail."""

    ALL = "all"
    NEEDED = "needed"  # those whose thumbnail looks written on


class Attacher:
    """Takes the pictures out of records and leaves their hashes there."""

    def __init__(self, pictures: Pictures, fetcher: Fetcher, *, fetch: Fetch = Fetch.ALL) -> None:
        """`pictures` opens what `fetcher` fetches; `fetch` says which of those that have a thumbnail."""
        self._pictures = pictures
        self._fetcher = fetcher
        self._fetch = fetch
        self._in_hand = asyncio.Semaphore(IN_HAND)
        self._held = 0
        self._less = asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=IN_HAND, thread_name_prefix="sievert-pictures")

    async def attach(self, records: Sequence[bytes]) -> list[bytes | SievertError]:
        """Return each record with its pictures opened, or what is wrong with one of them."""
        return list(await asyncio.gather(*(self._attach(record) for record in records)))

    async def attach_one(self, record: bytes) -> bytes:
        """Return a record with its pictures opened.

        Raises:
            InputError: one of them cannot be.
            Overloaded, StoreUnavailable: not now.
        """
        post = post_with_media(record)
        if post is None:
            return record
        seen = await self.see(post.media)
        return msgspec.json.encode(attached(post, [one.facts for one in seen]))

    async def see(self, media: Sequence[Media]) -> tuple[SeenPicture, ...]:
        """Fetch and open pictures.

        Raises:
            InputError: one of them cannot be.
        """
        facts = await asyncio.gather(*(self._facts(one, at) for at, one in enumerate(media)))
        return tuple(
            SeenPicture(media=Media(sha256=found.sha256, url=one.url), facts=found)
            for one, found in zip(media, facts, strict=True)
        )

    async def take(self, data: bytes) -> PictureFacts:
        """Open one picture that came by itself.

        Raises:
            InputError: it cannot be opened.
        """
        async with self._in_hand:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._pictures.take, data)

    async def close(self) -> None:
        """Let go of threads and connections."""
        await self._fetcher.close()
        await asyncio.to_thread(self._threads.shutdown)

    async def _attach(self, record: bytes) -> bytes | SievertError:
        try:
            return await self.attach_one(record)
        except (InputError, Overloaded) as error:
            return error

    async def _facts(self, media: Media, at: int) -> PictureFacts:
        way = check_way(media, at, ways=_WAYS)
        try:
            if way == "sha256":
                return await asyncio.to_thread(
                    self._pictures.check_known, media.sha256 or "", field=field_of(at)
                )
            if way == "url":
                facts = await self._thumbnail(media, at)
                return facts or await self._fetched(media.url or "")
            return await self.take(inline_bytes(media.base64 or "", at))
        except InputError as error:
            # Whoever opens a picture does not know which of a post's it is.
            raise type(error)(error.what, remedy=error.remedy, field=field_of(at)) from error

    async def _thumbnail(self, media: Media, at: int) -> PictureFacts | None:
        """Return what a thumbnail tells, or None where the whole picture must be looked at."""
        if media.thumbnail is None:
            return None
        facts = await self.take(thumbnail_bytes(media.thumbnail, at))
        check_thumbnail(facts, at)
        spared = self._fetch is Fetch.NEEDED and facts.has_words < WORDS_CUT_OF_THUMBNAILS
        return facts if spared else None

    async def _fetched(self, url: str) -> PictureFacts:
        while self._held > FETCHED_BYTES:
            self._less.clear()
            await self._less.wait()
        data = await self._fetcher.fetch(url)
        self._held += len(data)
        try:
            return await self.take(data)
        finally:
            self._held -= len(data)
            self._less.set()
