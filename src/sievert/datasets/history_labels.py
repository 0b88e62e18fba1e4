"""The labels of a history folder become columns, each with the post revision that it is about."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sievert.datasets.history_checks import POLICY_WORDS, floats, label_faults, note_strange_labels
from sievert.datasets.history_columns import LabelColumns, PostColumns, joined
from sievert.datasets.history_events import word_codes
from sievert.datasets.history_parts import Part, files_of, parts_of
from sievert.datasets.history_posts import PostIndex
from sievert.datasets.numbering import Numbering, SeenKeys, as_int64
from sievert.datasets.quarantine import Quarantine
from sievert.schema.history import NOBODY

EXPERT = "expert"
"""Who says so, where nobody is named."""

_Pieces = dict[str, list[npt.NDArray[Any]]]


def read_labels(
    folder: Path, quarantine: Quarantine, *, posts: PostColumns, index: PostIndex
) -> LabelColumns:
    """Return the labels of a folder."""
    sources, seen = Numbering(), SeenKeys()
    kept: _Pieces = {name: [] for name in ("row", "policy", "value", "at", "source", "probability")}
    for path in files_of(folder, "labels"):
        for part in parts_of(path, "labels", quarantine):
            revision = as_int64(part.columns["revision"], missing=0)
            row = index.revision_rows(part.columns["post_id"], revision)
            faults = label_faults(part)
            note_strange_labels(
                faults,
                known=index.first_rows(part.columns["post_id"]) != NOBODY,
                row=row,
                at=as_int64(part.columns["at"]),
                created_at=posts.created_at,
            )
            faults.note("duplicate", seen.seen(_statements(part), faults.sound()))
            columns = part.sound(faults, quarantine)
            kept["row"].append(row[faults.sound()])
            kept["policy"].append(word_codes(columns["policy"], POLICY_WORDS))
            kept["value"].append(floats(columns["value"]))
            kept["at"].append(as_int64(columns["at"]))
            kept["source"].append(sources.numbers(pc.fill_null(columns["source"], EXPERT)))
            kept["probability"].append(floats(columns["sampling_probability"]))
    return LabelColumns(
        row=joined(kept["row"]),
        policy=joined(kept["policy"]).astype(np.int8),
        value=joined(kept["value"]).astype(np.float64),
        at=joined(kept["at"]),
        source=joined(kept["source"]).astype(np.int16),
        sampling_probability=joined(kept["probability"]).astype(np.float64),
        sources=tuple(sources.names.to_pylist()),
    )


def _statements(part: Part) -> pa.Array:
    """Spell out each label [n]: the same said twice by one source of one moment is one label."""
    fields = ("post_id", "revision", "policy", "value", "at", "source")
    spelt = [pc.fill_null(part.columns[name].cast(pa.string()), "") for name in fields]
    return pc.binary_join_element_wise(*spelt, "\x00")
