"""Pictures of posts that come in are fetched and opened, before the posts walk the path.

Opening runs in processes; threads only wait for them. Whoever waits for a slow host waits without a
thread and without a picture in memory, so that nobody else is delayed; what was fetched and is not opened
yet is bounded by its bytes.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from sievert.errors import InputError, MediaUnavailable, Overloaded, SievertError
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
from sievert.schema.media import MAX_PICTURE_BYTES, Media, PictureFacts, SeenPicture
from sievert.serving.fetching import Fetcher

IN_HAND = 16
"""Pictures that are being opened, or wait for a process, at once."""

PER_REQUEST = 4
"""Posts of one request whose pictures are fetched or opened at once."""

VIEWS = 2
"""Pictures that are drawn for people at once."""

FETCHED_BYTES = 256 << 20
"""While pictures that were fetched and not opened yet hold more, no further one is asked for."""

_WAYS = ("base64", "url", "sha256")


class Fetch(enum.StrEnum):
    """Which pictures are fetched whole, of those that come with a thumbnail."""

    ALL = "all"
    NEEDED = "needed"  # those whose thumbnail looks written on


class Keep(enum.Enum):
    """What is kept of a picture."""

    ALL = enum.auto()
    NOTHING = enum.auto()


Open = Callable[[bytes], PictureFacts]


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
        self._views = ThreadPoolExecutor(max_workers=VIEWS, thread_name_prefix="sievert-views")

    async def attach(self, records: Sequence[bytes]) -> list[bytes | SievertError]:
        """Return each record with its pictures opened, or what is wrong with one of them.

        A few at a time: whoever sends many waits for them, and leaves turns to others.
        """
        turns = asyncio.Semaphore(PER_REQUEST)

        async def one(record: bytes) -> bytes | SievertError:
            async with turns:
                return await self._attach(record)

        return list(await asyncio.gather(*(one(record) for record in records)))

    async def attach_one(self, record: bytes) -> bytes:
        """Return a record with its pictures opened.

        Raises:
            InputError: one of them cannot be.
            Overloaded, StoreUnavailable: not now.
        """
        post = post_with_media(record)
        if post is None:
            return record
        names = await _all(self._name(one, at) for at, one in enumerate(post.media))
        return msgspec.json.encode(attached(post, names))

    async def see(self, media: Sequence[Media]) -> tuple[SeenPicture, ...]:
        """Fetch and open pictures that are only to be judged, and keep nothing of them.

        Raises:
            InputError: one of them cannot be.
        """
        names = await _all(self._name(one, at, keep=Keep.NOTHING) for at, one in enumerate(media))
        found = await asyncio.to_thread(self._pictures.named, names)
        if len(found) < len(names):
            raise MediaUnavailable(
                "A picture is not known here.", field="media", remedy="Send it as base64 or by its address."
            )
        return found

    async def take(self, data: bytes) -> PictureFacts:
        """Open one picture that came by itself, and keep it.

        Raises:
            InputError: it cannot be opened.
        """
        return await self._run(self._pictures.take, data)

    async def view(self, sha256: str, how: str) -> bytes | None:
        """Return a kept picture as a person may see it; None if it is not kept."""
        return await asyncio.get_running_loop().run_in_executor(self._views, self._pictures.view, sha256, how)

    async def close(self) -> None:
        """Let go of threads and connections."""
        await self._fetcher.close()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._views.shutdown)

    async def _attach(self, record: bytes) -> bytes | SievertError:
        try:
            return await self.attach_one(record)
        except (InputError, Overloaded) as error:
            return error

    async def _name(self, media: Media, at: int, *, keep: Keep = Keep.ALL) -> str:
        """Return the hash by which a picture is known, after opening it; one that is named is looked up later."""
        way = check_way(media, at, ways=_WAYS)
        open_it = self._pictures.take if keep is Keep.ALL else self._pictures.look_at
        try:
            if way == "sha256":
                return media.sha256 or ""
            if way == "url":
                spared = await self._thumbnail(media, at, open_it)
                return spared or await self._fetched(media.url or "", open_it)
            return (await self._run(open_it, inline_bytes(media.base64 or "", at))).sha256
        except InputError as error:
            # Whoever opens a picture does not know which of a post's it is.
            raise type(error)(error.what, remedy=error.remedy, field=field_of(at)) from error

    async def _thumbnail(self, media: Media, at: int, open_it: Open) -> str | None:
        """Return what a thumbnail is known by, or None where the whole picture must be looked at."""
        if media.thumbnail is None:
            return None
        facts = await self._run(open_it, thumbnail_bytes(media.thumbnail, at))
        check_thumbnail(facts, at)
        spared = self._fetch is Fetch.NEEDED and facts.has_words < WORDS_CUT_OF_THUMBNAILS
        return facts.sha256 if spared else None

    async def _fetched(self, url: str, open_it: Open) -> str:
        while self._held + MAX_PICTURE_BYTES > FETCHED_BYTES:
            self._less.clear()
            await self._less.wait()
        held = MAX_PICTURE_BYTES  # until it is known how much there is
        self._held += held
        try:
            data = await self._fetcher.fetch(url)
            self._held += len(data) - held
            held = len(data)
            self._less.set()
            return (await self._run(open_it, data)).sha256
        finally:
            self._held -= held
            self._less.set()

    async def _run(self, open_it: Open, data: bytes) -> PictureFacts:
        async with self._in_hand:
            return await asyncio.get_running_loop().run_in_executor(self._threads, open_it, data)


async def _all(waiting: Iterable[Awaitable[str]]) -> list[str]:
    """Wait for all, also where one fails: what is still at work holds memory that is given back only then."""
    found = await asyncio.gather(*waiting, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if isinstance(one, str)]
