"""Small made-up histories: as rows, as files of a folder, and as columns; harmful texts are mild stand-ins."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import EVENT_FIELDS, LABEL_FIELDS, NOBODY, POST_FIELDS, EventColumns

START = 1_800_000_000_000_000
"""When made-up histories begin."""

FIELDS = {"posts": POST_FIELDS, "events": EVENT_FIELDS, "labels": LABEL_FIELDS}
WORDS = ("river", "garden", "window", "silly", "goose", "train", "kettle", "paper", "cloud", "market")


def post(number=0, **fields):
    """A post as a line of posts.ndjson."""
    made = {"id": f"p{number}", "creator_id": f"c{number % 7}", "text": f"a plain text, number {number}"}
    return {**made, "created_at": START + number * HOUR, **fields}


def event(number=0, kind="views", *, of=0, after=HOUR, **fields):
    """An event as a line of events.ndjson: what happened to post `of` so long after it was made."""
    at = START + of * HOUR + after
    about = {} if kind in {"login", "profile"} else {"post_id": f"p{of}"}
    made = {"id": f"e{number}", "kind": kind, "at": at, "received_at": at + SECOND, **about}
    return {**made, **fields}


def label(number=0, **fields):
    """A label as a line of labels.ndjson."""
    made = {"post_id": f"p{number}", "policy": "harm", "value": 1.0, "source": "expert"}
    return {**made, "at": START + number * HOUR + DAY, **fields}


def write_history(folder, *, posts=(), events=(), labels=(), as_parquet=False, packed=False):
    """Write rows into a folder, as NDJSON or as Parquet; bytes stand as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for noun, rows in (("posts", posts), ("events", events), ("labels", labels)):
        if not rows:
            continue
        if as_parquet:
            write_parquet(folder / f"{noun}.parquet", rows, FIELDS[noun])
        else:
            lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
            data = b"".join(line + b"\n" for line in lines)
            name = f"{noun}.ndjson.gz" if packed else f"{noun}.ndjson"
            (folder / name).write_bytes(gzip.compress(data) if packed else data)
    return folder


def write_parquet(path, rows, fields):
    """Write rows with the documented columns and types."""
    schema = pa.schema([(name, _arrow(kind)) for name, kind in fields.items()])
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), path)


def _arrow(kind):
    return {"string": pa.string(), "bool": pa.bool_(), "float64": pa.float64()}.get(
        kind
    ) or pa.type_for_alias(kind)


def event_columns(rows):
    """Make columns of (kind, received_at, post, actor, amount) tuples, in the order of their receipt."""
    rows = sorted(rows, key=lambda row: row[1])
    count = len(rows)
    return EventColumns(
        kind=np.array([KIND_WORDS.index(row[0]) for row in rows], np.int8),
        at=np.array([row[1] for row in rows], np.int64),
        received_at=np.array([row[1] for row in rows], np.int64),
        post=np.array([row[2] for row in rows], np.int64),
        creator=np.full(count, NOBODY),
        actor=np.array([row[3] for row in rows], np.int64),
        amount=np.array([row[4] for row in rows], np.int64),
        code=np.zeros(count, np.int16),
    )


def busy_rows(rng, *, posts=60, days=10):
    """Return posts, events and labels of a platform where a few things happen, seeded by a generator."""
    made = [
        post(
            number,
            created_at=START + int(rng.integers(days * DAY)),
            creator_id=f"c{int(rng.integers(12))}",
            text=" ".join(rng.choice(WORDS, 9)),
            language=str(rng.choice(["en", "de"])),
        )
        for number in range(posts)
    ]
    made.sort(key=lambda row: row["created_at"])
    events, labels = [], []
    for row in made:
        views = int(np.exp(rng.normal(3, 1.5))) + 1
        for _ in range(int(rng.integers(1, 6))):
            when = row["created_at"] + int(rng.exponential(8 * HOUR))
            events.append(_happened("views", row, when, count=views))
        for _ in range(int(rng.poisson(0.7))):
            when = row["created_at"] + int(rng.exponential(12 * HOUR))
            events.append(_happened("report", row, when, actor_id=f"r{int(rng.integers(9))}"))
        if rng.random() < 0.5:
            labels.append(
                {
                    "post_id": row["id"],
                    "policy": "harm",
                    "value": float(rng.random() < 0.3),
                    "at": row["created_at"] + DAY,
                    "source": "expert",
                    "sampling_probability": 0.5,
                }
            )
    events.sort(key=lambda row: row["received_at"])
    for number, row in enumerate(events):
        row["id"] = f"e{number}"
    return made, events, labels


def _happened(kind, row, when, **fields):
    return {"kind": kind, "post_id": row["id"], "at": when, "received_at": when + SECOND, **fields}
