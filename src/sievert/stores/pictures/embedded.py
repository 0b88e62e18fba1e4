"""Pictures' facts in the database."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sievert.schema.clock import Micros
from sievert.schema.media import PictureFacts
from sievert.stores.database import Database
from sievert.stores.pictures.base import PicturedPost, PictureHashes, PictureLog
from sievert.stores.statements import run

_AT_ONCE = 900
"""Names of pictures in one query; SQLite takes at least 999 parameters."""

_PUT_FACTS = (
    "INSERT INTO pictures (sha256, at, record) VALUES (?, ?, ?)"
    " ON CONFLICT (sha256) DO UPDATE SET at = excluded.at, record = excluded.record"
)
_PUT_HASH = "INSERT INTO picture_hashes (sha256, frame, pdq, quality) VALUES (?, ?, ?, ?)"
_NOTE = (
    "INSERT INTO picture_posts (sha256, platform, post_id, revision, received_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_UNSHOWN = "at < ? AND NOT EXISTS (SELECT 1 FROM picture_posts WHERE picture_posts.sha256 = pictures.sha256)"
_FORGET = (
    "DELETE FROM picture_posts WHERE received_at < ?",
    f"DELETE FROM picture_hashes WHERE sha256 IN (SELECT sha256 FROM pictures WHERE {_UNSHOWN})",  # noqa: S608  our own words
    f"DELETE FROM pictures WHERE {_UNSHOWN}",  # noqa: S608  our own words
)
_TABLES = ("pictures", "picture_hashes", "picture_posts")


class EmbeddedPictures(PictureLog):
    """Keeps pictures' facts in the database."""

    def __init__(self, database: Database) -> None:
        """Speak of one database."""
        self._database = database

    def put_facts(self, *facts: PictureFacts, at: Micros) -> None:
        """Run one transaction."""
        known = [(one.sha256, at, msgspec.json.encode(one)) for one in facts]
        frames = [
            (one.sha256, number, bytes.fromhex(frame.pdq), frame.quality)
            for one in facts
            for number, frame in enumerate(one.hashes)
        ]
        if not known:
            return
        with self._database.writing() as connection:
            run(connection, _PUT_FACTS, known)
            run(connection, "DELETE FROM picture_hashes WHERE sha256 = ?", [(one.sha256,) for one in facts])
            if frames:
                run(connection, _PUT_HASH, frames)

    def facts_of(self, sha256s: Sequence[str]) -> dict[str, PictureFacts]:
        """Query by hash."""
        rows = self._named("SELECT sha256, record FROM pictures WHERE sha256 IN ({})", sha256s)
        return {sha256: msgspec.json.decode(record, type=PictureFacts) for sha256, record in rows}

    def note(self, shows: Sequence[tuple[PicturedPost, Sequence[str]]]) -> None:
        """Run one transaction."""
        rows = [(one, *post) for post, sha256s in shows for one in sha256s]
        if rows:
            with self._database.writing() as connection:
                run(connection, _NOTE, rows)

    def posts_with(self, sha256s: Sequence[str]) -> list[PicturedPost]:
        """Query by hash."""
        query = "SELECT platform, post_id, revision, received_at FROM picture_posts WHERE sha256 IN ({})"
        found = {PicturedPost(*row) for row in self._named(query, sha256s)}
        return sorted(found, key=lambda post: (post.received_at, post))

    def hashes(self) -> PictureHashes:
        """Read the whole table."""
        query = "SELECT sha256, pdq, quality FROM picture_hashes ORDER BY sha256, frame"
        with self._database.reading() as connection:
            rows = run(connection, query).all()
        return PictureHashes.of([(row[0], row[1], row[2]) for row in rows])

    def drop(self, sha256s: Sequence[str]) -> None:
        """Delete rows of all three tables."""
        rows = [(one,) for one in sha256s]
        if not rows:
            return
        with self._database.writing() as connection:
            for table in _TABLES:
                run(
                    connection,
                    f"DELETE FROM {table} WHERE sha256 = ?",  # noqa: S608  names of our own tables
                    rows,
                )

    def forget(self, before: Micros) -> None:
        """Delete what is old; hashes go before their pictures, by which they are found."""
        with self._database.writing() as connection:
            for statement in _FORGET:
                run(connection, statement, (before,))

    def _named(self, query: str, sha256s: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run a query over names, so many at once as SQLite takes."""
        wanted = [*dict.fromkeys(sha256s)]
        rows: list[tuple[Any, ...]] = []
        with self._database.reading() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                some = tuple(wanted[start : start + _AT_ONCE])
                marks = ", ".join("?" * len(some))
                rows += [tuple(row) for row in run(connection, query.format(marks), some)]
        return rows
