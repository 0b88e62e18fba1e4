"""Pictures of posts that come in are fetched and opened, before the posts walk the path.

A few are in hand at a time, so that memory is bounded, and those that are fetched from elsewhere have
places of their own: a slow host delays the posts that name it, and nobody else. Opening runs in
processes; threads only wait for them.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from sievert.errors import InputError, Overloaded, SievertError
from sievert.pipeline.attaching import attached, check_way, field_of, inline_bytes, post_with_media
from sievert.pipeline.pictures import Pictures
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.serving.fetching import Fetcher

IN_HAND = 8
"""Pictures that came with their posts and are open, or wait for a process, at once."""

FETCHED = 16
"""Pictures that are fetched from elsewhere, or wait for a process, at once."""

_WAYS = ("base64", "url", "sha256")


class Attacher:
    """Takes the pictures out of records and leaves their hashes there."""

    def __init__(self, pictures: Pictures, fetcher: Fetcher) -> None:
        """`pictures` opens what `fetcher` fetches."""
        self._pictures = pictures
        self._fetcher = fetcher
        self._in_hand = asyncio.Semaphore(IN_HAND)
        self._fetched = asyncio.Semaphore(FETCHED)
        self._threads = ThreadPoolExecutor(
            max_workers=IN_HAND + FETCHED, thread_name_prefix="sievert-pictures"
        )

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
            return await self._open(data)

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
                async with self._fetched:
                    return await self._open(await self._fetcher.fetch(media.url or ""))
            async with self._in_hand:
                return await self._open(inline_bytes(media.base64 or "", at))
        except InputError as error:
            # Whoever opens a picture does not know which of a post's it is.
            raise type(error)(error.what, remedy=error.remedy, field=field_of(at)) from error

    async def _open(self, data: bytes) -> PictureFacts:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._pictures.take, data)
