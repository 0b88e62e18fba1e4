"""Steps as Arrow tables, with the columns that `schema.history` names; numbers become ids here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.schema.edge import EDGE_KINDS
from sievert.schema.event import KIND_WORDS, REACTION_WORDS, REASON_WORDS
from sievert.schema.history import (
    ACCOUNT_FIELDS,
    EDGE_FIELDS,
    EVENT_FIELDS,
    IMAGE_FIELDS,
    LABEL_FIELDS,
    POST_FIELDS,
    TRUTH_FIELDS,
    Int64s,
)
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.simulation.accounts import KINDS, Accounts
from sievert.simulation.draws import Bools
from sievert.simulation.graph import FOLLOW, PAGE, Edges
from sievert.simulation.oversight import HEADS, Labels
from sievert.simulation.posting import Posts
from sievert.simulation.tick import KIND
from sievert.simulation.world import Step, Truth
from sievert.simulation.writer import FORMS

_COUNTRY_WORDS = tuple(chr(65 + code // 26) + chr(65 + code % 26) for code in range(676))
_POLICY_SETS = tuple(
    ",".join(name for bit, name in enumerate(LABELLED) if mask >> bit & 1)
    for mask in range(1 << len(LABELLED))
)
# Other Arrow types than those that are called as `schema.history` calls them.
_TYPES = {"bool": pa.bool_()}

Array = Any
"""An Arrow array; pyarrow carries no type information."""


def post_table(posts: Posts) -> pa.Table:
    """Return posts as a table."""
    count = len(posts)
    surface = _either(
        posts.on_page & (posts.surface >= 0), _ids("page", posts.surface), _ids("group", posts.surface)
    )
    return _table(
        POST_FIELDS,
        {
            "id": _ids("p", posts.number),
            "revision": pa.array(posts.revision, pa.int32()),
            "creator_id": _ids("a", posts.creator),
            "created_at": pa.array(posts.created_at),
            "received_at": pa.array(posts.received_at),
            "text": pa.array(posts.text, pa.string()),
            "language": pa.array(["en"] * count, pa.string()),
            "surface": surface,
            "image_id": _ids("i", posts.image),
            "copy_of": _ids("p", posts.copy_of),
        },
    )


def event_table(step: Step, accounts: Accounts) -> pa.Table:
    """Return a step's events as a table."""
    events = step.events
    count, kind = len(events), events.kind
    of = {word: kind == place for word, place in KIND.items()}
    text = np.full(count, None, dtype=np.object_)
    text[step.comment_rows] = step.comment_texts
    made = accounts.created_at[np.maximum(events.creator, 0)]
    return _table(
        EVENT_FIELDS,
        {
            "id": _ids("e", step.first_event + np.arange(count, dtype=np.int64)),
            "kind": _words(KIND_WORDS, kind),
            "at": pa.array(events.at),
            "received_at": pa.array(events.received_at),
            "post_id": _ids("p", events.post),
            "creator_id": _ids("a", events.creator),
            "actor_id": _ids("a", events.actor),
            "count": _where(of["views"], events.amount, pa.int64()),
            "reaction": _words(REACTION_WORDS, np.where(of["reaction"], events.code, -1)),
            "reason": _words(REASON_WORDS, np.where(of["report"], events.code, -1)),
            "text": pa.array(text, pa.string()),
            "country": _words(_COUNTRY_WORDS, np.where(of["login"], events.code, -1)),
            "revision": _where(of["edit"], events.amount, pa.int32()),
            "account_created_at": _where(of["profile"], made, pa.int64()),
            "followers": _where(of["profile"], events.amount, pa.int64()),
            "harmful": _where(of["verdict"], events.amount > 0, pa.bool_()),
            "policy": _words((HARM,), np.where(of["verdict"], 0, -1)),
        },
    )


def label_table(labels: Labels) -> pa.Table:
    """Return labels as a table."""
    count = len(labels.post)
    return _table(
        LABEL_FIELDS,
        {
            "post_id": _ids("p", labels.post),
            "revision": pa.array(np.zeros(count, dtype=np.int32)),
            "policy": _words(HEADS, labels.head),
            "value": pa.array(labels.value),
            "at": pa.array(labels.at),
            "source": _words(("expert",), np.zeros(count, dtype=np.int8)),
            "sampling_probability": pa.array(labels.probability),
        },
    )


def truth_table(truth: Truth) -> pa.Table:
    """Return the truth about all posts as a table."""
    return _table(
        TRUTH_FIELDS,
        {
            "post_id": _ids("p", np.arange(len(truth), dtype=np.int64)),
            "harmful": pa.array(truth.harmful),
            "policy": _words(LABELLED, truth.policy),
            "policies": _words(_POLICY_SETS, truth.policies),
            "form": _words(FORMS, truth.form),
            "views": pa.array(truth.views),
            "views_without": pa.array(truth.views_without),
            "cluster": pa.array(truth.cluster),
        },
    )


def account_table(accounts: Accounts, followers: Int64s) -> pa.Table:
    """Return all accounts as a table."""
    return _table(
        ACCOUNT_FIELDS,
        {
            "id": _ids("a", np.arange(len(accounts), dtype=np.int64)),
            "created_at": pa.array(accounts.created_at),
            "followers": pa.array(followers, pa.int64()),
            "community": pa.array(accounts.community, pa.int32()),
            "kind": _words(KINDS, accounts.kind),
            "toxicity": pa.array(accounts.toxicity, pa.float32()),
            "reliability": pa.array(accounts.reliability, pa.float32()),
        },
    )


def edge_table(edges: Edges) -> pa.Table:
    """Return edges as a table; in this world none ends, and each is known as soon as it is there."""
    target = _either(edges.kind == FOLLOW, _ids("a", edges.followed), _ids("group", edges.followed))
    target = _either(edges.kind == PAGE, _ids("page", edges.followed), target)
    return _table(
        EDGE_FIELDS,
        {
            "source_id": _ids("a", edges.follower),
            "target_id": target,
            "kind": _words(EDGE_KINDS, edges.kind),
            "since": pa.array(edges.since),
            "until": pa.nulls(len(edges), pa.int64()),
            "received_at": pa.array(edges.since),
        },
    )


def image_table(numbers: Int64s, pictures: list[bytes]) -> pa.Table:
    """Return images, called after the posts [n] that showed them first, as a table."""
    return _table(IMAGE_FIELDS, {"id": _ids("i", numbers), "png": pa.array(pictures, pa.binary())})


def _table(fields: Mapping[str, str], columns: Mapping[str, Array]) -> pa.Table:
    """Put columns together, in the order and with the types that the schema names."""
    schema = pa.schema([(name, _TYPES.get(kind) or getattr(pa, kind)()) for name, kind in fields.items()])
    return pa.table([columns[name].cast(schema.field(name).type) for name in fields], schema=schema)


def _ids(prefix: str, numbers: Int64s) -> Array:
    """Return the ids that stand for numbers [n]; null for -1."""
    written = pc.cast(pa.array(numbers, mask=numbers < 0), pa.string())
    # Scalars, as Arrow takes long to find out what a Python string is.
    return pc.binary_join_element_wise(pa.scalar(prefix), written, pa.scalar(""))


def _words(words: tuple[str, ...], places: npt.NDArray[Any]) -> Array:
    """Return the words at these places [n]; null for -1."""
    numbers = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(words, pa.string())).cast(pa.string())


def _where(mask: Bools, values: npt.NDArray[Any], kind: Array) -> Array:
    return pa.array(values, mask=~mask).cast(kind)


def _either(mask: Bools, yes: Array, no: Array) -> Array:
    return pc.if_else(pa.array(mask), yes, no)
