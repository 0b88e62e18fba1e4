"""Posts of the past, from Parquet, decided once more by any bundle: nothing is recorded, nothing is done.

A row group is a piece; what is made of it is a file that is whole or not there, so that whoever was stopped
goes on where they were. One process takes pieces one after the other; `cli.rescore_cluster` spreads them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sievert.errors import InputError, InvalidField
from sievert.pipeline.decode import check_text
from sievert.pipeline.offline import judge
from sievert.policy.loading import load_policies
from sievert.policy.rulebook import RuleBook
from sievert.schema.clock import Micros, SystemClock, moment_of
from sievert.schema.decision import Language, Outcome, Stage
from sievert.schema.post import MAX_TEXT_BYTES, Post
from sievert.scoring.bundle import load_bundle
from sievert.stores.durable import sync_folder, write_durably
from sievert.stores.journal.decision_log import DECISION_LOG, batch_of

AT_ONCE = 2000
"""Posts that are decided about together."""

MANIFEST = "_backfill.json"
"""Readers of Parquet folders pass over what begins so."""
_READ = ("id", "text", "platform", "revision", "creator_id", "created_at", "language", "surface")
_TIME = pa.timestamp("us", tz="UTC")

BACKFILL = pa.schema(
    [
        DECISION_LOG.field(name)
        for name in (
            "platform",
            "post_id",
            "revision",
            "creator_id",
            "created_at",
            "outcome",
            "would",
            "probability",
            "policies",
            "language",
            "stage",
            "content_digest",
        )
    ]
)
"""Columns as in the decision log; bundle and policies are the same for all rows and stand in the manifest."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill is of; what is in its folder was made so."""

    bundle: str
    policy_set: str
    heavy_share: float
    since: Micros
    files: Mapping[
        str, str
    ]  # name, and SHA-256 of the footer, which tells sizes and statistics of all row groups


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One row group, and where its decisions go."""

    file: str
    group: int
    out: str


class PieceDone(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a piece."""

    rows: int
    unread: int
    first_error: str = ""
    outcomes: Mapping[str, int] = {}


def planned(
    files: Sequence[Path], *, bundle: str, policy_set: str, heavy_share: float, since: Micros
) -> Plan:
    """Say what a backfill of these files is."""
    return Plan(
        bundle=bundle,
        policy_set=policy_set,
        heavy_share=heavy_share,
        since=since,
        files={one.name: _footer_of(one) for one in files},
    )


def pieces_left(files: Sequence[Path], out: Path, plan: Plan) -> tuple[list[Piece], int]:
    """Return the pieces that are to do, and how many there are; begins the folder, or goes on in it.

    Raises:
        InvalidField: the folder holds something else, or a backfill of another kind; or two files have one name.
    """
    if len(plan.files) < len(files):
        raise InvalidField(
            "Two files have one name.",
            field="posts",
            remedy="Give them names of their own, or fill two folders.",
        )
    out.mkdir(parents=True, exist_ok=True)
    kept = out / MANIFEST
    if kept.exists():
        if msgspec.json.decode(kept.read_bytes(), type=Plan) != plan:
            raise InvalidField(
                f"{out} holds a backfill of other posts, or with another bundle, policies, share or time.",
                field="--out",
                remedy="Name another folder; this one can be finished only by the call that began it.",
            )
    elif any(out.iterdir()):
        raise InvalidField(
            f"{out} is not empty.", field="--out", remedy="Name an empty folder, or a new one."
        )
    else:
        write_durably(kept, msgspec.json.format(msgspec.json.encode(plan), indent=1))
    every = [
        Piece(file=str(file), group=group, out=str(out / f"{file.stem}-{group:05d}.parquet"))
        for file in files
        for group in range(pq.ParquetFile(file).num_row_groups)
    ]
    return [one for one in every if not Path(one.out).exists()], len(every)


class Backfill:
    """Decides about pieces, with a bundle and policies that are loaded once a process."""

    def __init__(self, bundle: Path, policies: Path, *, heavy_share: float, since: Micros = 0) -> None:
        """Load them; posts published before `since` are left out."""
        self.bundle = load_bundle(bundle)
        self.policies = load_policies(policies)
        self._book = RuleBook(self.policies, self.bundle.fold)
        self._heavy_share = heavy_share
        self._since = since

    def run(self, piece: Piece) -> PieceDone:
        """Decide about a row group and write its file; rows that cannot be read are left out and counted."""
        target = Path(piece.out)
        beside = target.with_name(f".{target.name}.unfinished")
        rows = unread = 0
        first_error = ""
        outcomes = dict.fromkeys((one.word for one in Outcome), 0)
        with pq.ParquetFile(piece.file) as file, pq.ParquetWriter(beside, BACKFILL, compression="zstd") as to:
            names = [name for name in _READ if name in file.schema_arrow.names]
            for batch in file.iter_batches(AT_ONCE, row_groups=[piece.group], columns=names):
                posts, wrong = self._read(batch)
                unread += len(wrong)
                first_error = first_error or next(iter(wrong), "")
                if posts:
                    decided = self._decided(posts)
                    to.write_batch(decided)
                    rows += len(posts)
                    for word in decided.column("outcome").to_pylist():
                        outcomes[word] += 1
        beside.replace(target)
        sync_folder(target.parent)
        return PieceDone(rows=rows, unread=unread, first_error=first_error, outcomes=outcomes)

    def _read(self, batch: pa.RecordBatch) -> tuple[list[Post], list[str]]:
        """Return the posts that can be read and are late enough, and why others cannot be."""
        posts, wrong = [], []
        for said in _rows_of(batch):
            try:
                post = msgspec.convert(said, Post)
                check_text(post.text.encode(), MAX_TEXT_BYTES)
            except (msgspec.ValidationError, InputError, UnicodeEncodeError) as error:
                wrong.append(error.what if isinstance(error, InputError) else str(error))
                continue
            if post.created_at is None or moment_of(post.created_at) >= self._since:
                posts.append(post)
        return posts, wrong

    def _decided(self, posts: list[Post]) -> pa.RecordBatch:
        judged = judge(
            posts,
            self.bundle,
            self.policies,
            now=SystemClock().now(),
            heavy_share=self._heavy_share,
            book=self._book,
        )
        scored, decided = judged.scored, judged.decided
        said: dict[str, Any] = {
            "platform": [one.platform for one in posts],
            "post_id": [one.id for one in posts],
            "revision": [one.revision for one in posts],
            "creator_id": [one.creator_id for one in posts],
            "created_at": [None if one.created_at is None else moment_of(one.created_at) for one in posts],
            "outcome": [Outcome(one).word for one in decided.outcome.tolist()],
            "would": [Outcome(one).word for one in decided.would.tolist()],
            "probability": scored.harm,
            "policies": [[*zip(scored.heads, row, strict=True)] for row in scored.policies.tolist()],
            "language": [Language(one).word for one in scored.language.tolist()],
            "stage": [Stage(one).word for one in scored.stage.tolist()],
            "content_digest": [one.hex() for one in judged.posts.digests],
        }
        return batch_of(said, BACKFILL)


def _rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Return rows as a platform would send them: what is null is left out, times are microseconds."""
    columns = {}
    for name in batch.schema.names:
        column = batch.column(name)
        columns[name] = column.cast(_TIME).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    names = [*columns]
    for row in zip(*(columns[name].to_pylist() for name in names), strict=True):
        yield {name: value for name, value in zip(names, row, strict=True) if value is not None}


def _footer_of(file: Path) -> str:
    """Return the SHA-256 of a Parquet file's footer."""
    with file.open("rb") as read:
        read.seek(-8, 2)
        length = int.from_bytes(read.read(4), "little")
        read.seek(-8 - length, 2)
        return hashlib.sha256(read.read(length)).hexdigest()
