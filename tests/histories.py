"""Small made-up histories: as rows, as files of a folder, and as columns; harmful texts are mild stand-ins."""

import dataclasses
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sievert.datasets.history_columns import History, LabelColumns, PostColumns
from sievert.datasets.quarantine import Quarantine
from sievert.schema.batch import TextColumn
from sievert.schema.clock import DAY, HOUR, SECOND
from sievert.schema.event import KIND_WORDS
from sievert.schema.history import EDGE_FIELDS, EVENT_FIELDS, LABEL_FIELDS, NOBODY, POST_FIELDS, EventColumns

START = 1_800_000_000_000_000
"""When made-up histories begin."""

FIELDS = {"posts": POST_FIELDS, "events": EVENT_FIELDS, "labels": LABEL_FIELDS, "edges": EDGE_FIELDS}
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


def edge(source, target, kind="follow", *, after=0, **fields):
    """An edge as a line of edges.ndjson: between two accounts, so long after histories begin."""
    return {"source_id": source, "target_id": target, "kind": kind, "since": START + after, **fields}


def write_history(folder, *, posts=(), events=(), labels=(), edges=(), as_parquet=False, packed=False):
    """Write rows into a folder, as NDJSON or as Parquet; bytes stand as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for noun, rows in (("posts", posts), ("events", events), ("labels", labels), ("edges", edges)):
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


def in_memory(*, created_at, events, creator=None, texts=None, labels=None):
    """A history without files: posts by their times, events as columns, labels as columns or none."""
    count = len(created_at)
    rows = np.arange(count)
    nothing = pa.nulls(count, pa.string())
    return History(
        platform="default",
        posts=PostColumns(
            ids=pa.array([f"p{row}" for row in range(count)]),
            revision=np.zeros(count, np.int64),
            first=rows,
            creator=np.full(count, NOBODY) if creator is None else np.asarray(creator, np.int64),
            created_at=np.asarray(created_at, np.int64),
            received_at=np.asarray(created_at, np.int64),
            text=TextColumn.of(texts if texts is not None else ["x"] * count),
            language=nothing,
            surface=nothing,
            image_id=nothing,
            copy_of=np.full(count, NOBODY),
        ),
        events=events,
        labels=labels if labels is not None else label_columns([], []),
        accounts=pa.array([], pa.string()),
        quarantine=Quarantine(),
        reordered=0,
    )


def label_columns(rows, values, *, at=START, sampling_probability=1.0):
    """Expert labels about harm."""
    count = len(rows)
    return LabelColumns(
        row=np.asarray(rows, np.int64),
        policy=np.zeros(count, np.int8),
        value=np.asarray(values, np.float64),
        at=np.full(count, at),
        source=np.zeros(count, np.int16),
        sampling_probability=np.full(count, sampling_probability),
        sources=("expert",),
    )


def columns_of(kind, *, at, post, actor=None, amount=None, code=None):
    """Events of one kind, as columns, in the order of their times."""
    order = np.argsort(at, kind="stable")
    count = len(order)
    at = np.asarray(at, np.int64)[order]
    return EventColumns(
        kind=np.full(count, KIND_WORDS.index(kind), np.int8),
        at=at,
        received_at=at,
        post=np.asarray(post, np.int64)[order],
        creator=np.full(count, NOBODY),
        actor=np.full(count, NOBODY) if actor is None else np.asarray(actor, np.int64)[order],
        amount=np.ones(count, np.int64) if amount is None else np.asarray(amount, np.int64)[order],
        code=np.zeros(count, np.int16) if code is None else np.asarray(code, np.int16)[order],
    )


def merged(*several):
    """Several columns of events as one, in the order of receipt."""
    whole = EventColumns(
        **{
            field.name: np.concatenate([getattr(one, field.name) for one in several])
            for field in dataclasses.fields(EventColumns)
        }
    )
    return whole.take(np.argsort(whole.received_at, kind="stable"))


def reported_platform(rng, *, posts=8000, reporters=4000, prevalence=0.02, brigade=0, targets=0, joins=0.9):
    """A platform where harmful posts draw reports and a brigade reports harmless ones together.

    Returns the history and who is harmful [m]. The brigade's accounts come after the honest ones.
    """
    harmful = rng.random(posts) < prevalence
    views = np.minimum(np.floor(20 * (rng.pareto(1.2, posts) + 1)), 5000).astype(np.int64)
    rate = np.where(harmful, rng.beta(2, 60, posts), rng.beta(0.5, 600, posts))
    reports = rng.binomial(views, rate)
    post = np.repeat(np.arange(posts), reports)
    actor = (reporters * rng.random(len(post)) ** 2).astype(np.int64)  # some report more than others
    attacked = rng.choice(np.flatnonzero(~harmful), targets, replace=False)
    for member in range(brigade):
        mine = attacked[rng.random(targets) < joins]
        post = np.append(post, mine)
        actor = np.append(actor, np.full(len(mine), reporters + member))
    created = START + np.arange(posts) * SECOND
    history = in_memory(
        created_at=created,
        events=merged(
            columns_of("views", at=created + HOUR, post=np.arange(posts), amount=views),
            columns_of("report", at=created[post] + 2 * HOUR, post=post, actor=actor),
        ),
    )
    return history, harmful


def spreading_posts(rng, *, posts=4000, prevalence=0.3, days=7):
    """Posts whose views come in a wave of hours; who is harmful, and when each view event happened.

    Returns created_at [m], harmful [m], and (post, at, amount) of the view events nobody stops.
    """
    harmful = rng.random(posts) < prevalence
    total = np.minimum(15 * (rng.pareto(1.4, posts) + 0.1), 600)
    pace = rng.gamma(3, 4, posts) * HOUR
    slices = 40
    share = np.diff(1 - np.exp(-(np.linspace(0, 6, slices + 1) ** 1.3)))
    amount = rng.poisson(total[:, None] * share[None, :])
    when = (np.linspace(0, 6, slices + 1)[1:] * pace[:, None]).astype(np.int64)
    created = START + rng.integers(0, 3 * DAY, posts)
    keep = (amount > 0) & (when < days * DAY)
    post, _ = np.nonzero(keep)
    return created, harmful, (post, created[post] + when[keep], amount[keep])
