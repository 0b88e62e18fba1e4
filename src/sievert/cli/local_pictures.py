"""Pictures of a file of posts, opened for the command line: files, addresses, base64."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sievert.errors import InputError, InvalidField
from sievert.pipeline.attaching import check_way, field_of, inline_bytes, too_large_picture
from sievert.pipeline.opening import Openers
from sievert.pipeline.pictures import PictureEncoder, Pictures
from sievert.schema.clock import SystemClock
from sievert.schema.media import MAX_PICTURE_BYTES, Media, SeenPicture
from sievert.serving.fetching import fetch_all
from sievert.stores.pictures.memory import MemoryPictures

_WAYS = ("path", "url", "base64")


class LocalPictures:
    """Opens pictures in a process that starts with the first of them."""

    def __init__(self, folder: Path, *, encoders: Sequence[PictureEncoder] = ()) -> None:
        """Look paths up in this folder; `encoders` are those of the bundle that will score."""
        self._folder = folder
        self._encoders = encoders
        self._stack = contextlib.ExitStack()
        self._pictures: Pictures | None = None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, if there is one."""
        self._stack.close()

    def __call__(self, media: Sequence[Media]) -> tuple[SeenPicture, ...]:
        """Return what is in the pictures of one post.

        Raises:
            InputError: one cannot be read, fetched or opened; names it.
        """
        return tuple(self._seen(one, at) for at, one in enumerate(media))

    def _seen(self, media: Media, at: int) -> SeenPicture:
        way = check_way(media, at, ways=_WAYS)
        try:
            if way == "path":
                data = self._read(media.path or "", at)
            elif way == "url":
                data = self._fetch(media.url or "")
            else:
                data = inline_bytes(media.base64 or "", at)
            facts = self._opened().take(data)
        except InputError as error:
            raise type(error)(error.what, remedy=error.remedy, field=field_of(at)) from error
        return SeenPicture(media=Media(sha256=hashlib.sha256(data).hexdigest(), url=media.url), facts=facts)

    @staticmethod
    def _fetch(url: str) -> bytes:
        (found,) = fetch_all([url])
        if isinstance(found, InputError):
            raise found
        return found

    def _read(self, path: str, at: int) -> bytes:
        file = self._folder / path
        try:
            if file.exists() and not file.is_file():
                raise ValueError("it is no file")  # noqa: TRY301  said as all else that hinders reading
            if (size := file.stat().st_size) > MAX_PICTURE_BYTES:
                raise too_large_picture(at, size)
            with file.open("rb") as opened:
                return opened.read(MAX_PICTURE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidField(
                f"Picture {at} cannot be read: {path}: {reason}.",
                field=field_of(at),
                remedy="Name a file that exists; paths are looked up beside the file of lines.",
            ) from error

    def _opened(self) -> Pictures:
        if self._pictures is None:
            opener = Openers()
            self._stack.callback(opener.close)
            self._pictures = Pictures(
                opener=opener, log=MemoryPictures(), clock=SystemClock(), encoders=self._encoders
            )
        return self._pictures
