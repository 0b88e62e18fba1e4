"""Stage 1: bytes become posts; what is wrong with a record is said with its field and remedy.

Not covered: a repeated key inside one JSON object is not noticed; the last one counts.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from typing import get_type_hints

import msgspec

from sievert.errors import InputError, InvalidField, MalformedInput, TooLarge
from sievert.schema.batch import PostBatch, TextColumn
from sievert.schema.clock import Micros
from sievert.schema.post import MAX_ID_BYTES, Post, PostKey

MAX_RECORD_BYTES = 1 << 20
"""A longer JSON document is refused unread; the longest legal text, fully escaped, fits."""

DIGEST_BYTES = 16

_DECODER = msgspec.json.Decoder(Post)
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"field `([^`]+)`")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """Posts that could be read, and the errors of the records that could not.

    `rows[i]` is the record from which `posts[i]` was read; `errors` is keyed by record.
    """

    count: int
    posts: list[Post]
    texts: list[bytes]
    rows: list[int]
    errors: dict[int, InputError]


def split_lines(chunk: bytes) -> list[bytes]:
    """Split NDJSON into its lines; what follows the last line feed counts unless it is empty."""
    lines = chunk.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def decode(records: Sequence[bytes], *, max_text_bytes: int) -> Decoded:
    """Read each record as a post. A bad record gets its error; the others go on.

    A batch without a fault is read and checked as a whole; only where that finds one are the records
    looked at one by one.
    """
    read = _DECODER.decode
    try:
        posts = [read(record) for record in records]
        texts = [post.text.encode() for post in posts]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_each(records, max_text_bytes)
    if _is_sound(records, posts, texts, max_text_bytes):
        return Decoded(count=len(records), posts=posts, texts=texts, rows=list(range(len(posts))), errors={})
    return _decode_each(records, max_text_bytes)


def _is_sound(
    records: Sequence[bytes], posts: Sequence[Post], texts: Sequence[bytes], max_text_bytes: int
) -> bool:
    """Tell whether every check that a record must pass is passed by all of them."""
    ids = "".join([post.id for post in posts])
    ids += "".join({post.platform for post in posts})
    ids += "".join([post.creator_id for post in posts if post.creator_id is not None])
    return (
        ids.isascii()
        and ids.isprintable()
        and max(map(len, records), default=0) <= MAX_RECORD_BYTES
        and max(map(len, texts), default=0) <= max_text_bytes
        and b"\x00" not in b"".join(texts)
        and all(_are_opened(post) for post in posts if post.media)
    )


def _decode_each(records: Sequence[bytes], max_text_bytes: int) -> Decoded:
    posts: list[Post] = []
    texts: list[bytes] = []
    rows: list[int] = []
    errors: dict[int, InputError] = {}
    for row, record in enumerate(records):
        try:
            if len(record) > MAX_RECORD_BYTES:
                raise too_large("record", len(record))
            post = _DECODER.decode(record)
            text = post.text.encode()
            check_text(text, max_text_bytes)
            _check_ids(post)
            _check_media(post)
        except InputError as error:
            errors[row] = error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            errors[row] = explain(record, error)
        else:
            posts.append(post)
            texts.append(text)
            rows.append(row)
    return Decoded(count=len(records), posts=posts, texts=texts, rows=rows, errors=errors)


def to_batch(posts: list[Post], texts: list[bytes], *, received_at: Micros) -> PostBatch:
    """Lay posts out as columns, with the digest that says what "the same content" is."""
    return PostBatch(
        posts=posts,
        keys=[PostKey(post.platform, post.id, post.revision) for post in posts],
        text=TextColumn.of_bytes(texts),
        digests=[
            _with_media(digest, post) if post.media else digest
            for digest, post in zip(digests(texts), posts, strict=True)
        ],
        received_at=received_at,
    )


def digests(texts: Sequence[bytes]) -> list[bytes]:
    """Return the BLAKE2b digest of each text, 16 bytes."""
    blake = hashlib.blake2b
    return [blake(text, digest_size=DIGEST_BYTES).digest() for text in texts]


def _with_media(digest: bytes, post: Post) -> bytes:
    """Return the digest of a text and pictures; a picture that was sent by its address is that address."""
    named = "\n".join(media.url or media.sha256 or "" for media in post.media)
    return hashlib.blake2b(digest + named.encode(), digest_size=DIGEST_BYTES).digest()


def explain(record: bytes, error: Exception, *, kind: type[msgspec.Struct] = Post) -> InputError:
    """Turn a codec's complaint into an error that names the field and the remedy.

    `kind` is what the record should be.
    """
    if not record.strip():
        return MalformedInput("The record is empty.", remedy="Send one JSON object a record.")
    try:
        record.decode()
    except UnicodeDecodeError as bad:
        return MalformedInput(
            f"The record is not valid UTF-8: byte {bad.start} is {record[bad.start]:#04x}.",
            remedy="Send UTF-8; escape other characters as \\u sequences.",
        )
    if isinstance(error, RecursionError):
        return MalformedInput("The record is nested too deeply.", remedy="Send a flat object.")
    if isinstance(error, msgspec.ValidationError):
        return _explain_field(str(error), kind)
    if b"\\u" in record and (surrogate := _lone_surrogate_field(record)) is not None:
        return InvalidField(
            "The record holds half of a surrogate pair, which is no character.",
            field=surrogate,
            remedy="Send both halves of the pair, or the character itself in UTF-8.",
        )
    complaint = str(error).rstrip(".")
    if "truncated" in complaint:
        return MalformedInput(
            "The record ends in the middle of its JSON.",
            remedy="Send one whole JSON object a record, and one a line in NDJSON.",
        )
    return MalformedInput(f"The record is not JSON: {complaint}.", remedy="Send one JSON object a record.")


def _explain_field(complaint: str, kind: type[msgspec.Struct]) -> InputError:
    """Read the field out of a validation message such as "Expected `str`, got `int` - at `$.id`"."""
    where = _AT.search(complaint)
    what = _AT.sub("", complaint)
    field = where.group(1) if where else ""
    remedy = f"A record has the fields {', '.join(kind.__struct_encode_fields__)}."
    if meaning := _meanings(kind).get(field):
        remedy = f"{field} is {meaning}."
    if not field and (named := _NAMED.search(what)):
        field = named.group(1)
    if "unknown field" in what:
        return InvalidField(f"There is no field {field!r}.", field=field, remedy=remedy)
    return InvalidField(f"{what}.", field=field or None, remedy=remedy)


@functools.cache
def _meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what a kind of record says itself of its fields, as far as it says something."""
    return {
        field: meta.description
        for field, hint in get_type_hints(kind, include_extras=True).items()
        for meta in getattr(hint, "__metadata__", ())
        if isinstance(meta, msgspec.Meta) and meta.description
    }


def _lone_surrogate_field(record: bytes) -> str | None:
    """Return the name of the first field with a lone surrogate, or None (slow; on errors only)."""
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        return None
    if isinstance(fields, dict):
        for name, value in fields.items():
            if isinstance(value, str) and _LONE_SURROGATE.search(value):
                return str(name)
    return None


def too_large(what: str, size: int, *, limit: int = MAX_RECORD_BYTES) -> TooLarge:
    """Say that a record, a line or a body is too long to be read at all.

    The text is named, since nothing else of a record may be that long.
    """
    return TooLarge(
        f"The {what} has {size:,} bytes; at most {limit:,} are read.",
        field="text",
        remedy="Send one post a record, with the post's own text only; in NDJSON end each with a line feed.",
    )


def check_text(text: bytes, max_text_bytes: int) -> None:
    """Refuse a text that is too long or holds what no text may hold.

    Raises:
        TooLarge: it has more bytes than are accepted.
        InvalidField: it holds a NUL character.
    """
    if len(text) > max_text_bytes:
        raise TooLarge(
            f"The text has {len(text):,} bytes of UTF-8; at most {max_text_bytes:,} are accepted.",
            field="text",
            remedy="Send the part of the text that people see first, or raise max_text_bytes.",
        )
    if b"\x00" in text:
        raise InvalidField(
            f"The text holds a NUL character at byte {text.index(0)}.",
            field="text",
            remedy="Take NUL characters out before sending.",
        )


def _check_media(post: Post) -> None:
    """Refuse pictures that nobody opened: whoever calls this path attaches them first."""
    if not _are_opened(post):
        raise InvalidField(
            "A picture of the post was not opened.",
            field="media",
            remedy="Send the post through the HTTP API or the command line, which open pictures first.",
        )


def _are_opened(post: Post) -> bool:
    return all(
        media.sha256 is not None and media.base64 is None and media.path is None and media.thumbnail is None
        for media in post.media
    )


def _check_ids(post: Post) -> None:
    for field in ("id", "platform", "creator_id"):
        check_id(field, getattr(post, field))


def check_id(field: str, value: str | None) -> None:
    """Refuse an id that is too long in bytes, or holds what no id may hold.

    Raises:
        TooLarge, InvalidField: it is, or does.
    """
    if value is not None:
        if not value.isascii() and len(value.encode()) > MAX_ID_BYTES:
            raise TooLarge(
                f"The {field} has {len(value.encode())} bytes of UTF-8; at most {MAX_ID_BYTES} are accepted.",
                field=field,
                remedy="Send a shorter id, such as a hash of it.",
            )
        if not value.isprintable():
            raise InvalidField(
                f"The {field} holds a control character.",
                field=field,
                remedy="Send ids of printable characters only.",
            )
