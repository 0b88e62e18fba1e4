"""Vectors of creators as a file: written with as of when and by which model, read, and compared.

Legend: n creators, e width of a vector.
"""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.errors import MalformedInput, NotFound
from sievert.schema.clock import Micros
from sievert.schema.history import NOBODY

Floats32 = npt.NDArray[np.float32]

_VERSION, _AS_OF = b"sievert.creators.version", b"sievert.creators.as_of"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CreatorFile:
    """Vectors of creators, all by one model and as of one time."""

    ids: pa.Array  # [n]
    vectors: Floats32  # [n, e]
    version: str
    as_of: Micros


def write_vectors(
    path: Path, ids: pa.Array, vectors: Floats32, logits: Floats32, *, as_of: Micros, version: str
) -> None:
    """Write vectors [n, e] and logits [n, 2] of creators [n] as Parquet."""
    table = pa.table(
        {
            "id": ids,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
            "violation": pa.array(logits[:, 0]),
            "reports": pa.array(logits[:, 1]),
        }
    )
    said = {_VERSION: version.encode(), _AS_OF: str(as_of).encode()}
    pq.write_table(table.replace_schema_metadata(said), path)


def holds_creators(schema: pa.Schema) -> bool:
    """Tell whether a file of this schema holds vectors of creators: its `id` names accounts."""
    return _VERSION in (schema.metadata or {})


def read_vectors(path: Path) -> CreatorFile:
    """Read a file of vectors.

    Raises:
        NotFound: there is none.
        MalformedInput: it is no such file.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", remedy="Write it with `sievert creators embed`.")
    try:
        table = pq.read_table(path, columns=["id", "vector"])
        said = table.schema.metadata or {}
        column = table["vector"].combine_chunks()
        values = np.asarray(column.flatten(), np.float32).reshape(len(table), -1)
        _refuse_unless_finite(values)
        return CreatorFile(
            ids=table["id"].combine_chunks(),
            vectors=values,
            version=said[_VERSION].decode(),
            as_of=int(said[_AS_OF]),
        )
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise MalformedInput(
            f"{path.name} holds no vectors of creators: {error}.",
            remedy="Write it with `sievert creators embed`.",
        ) from error


def _refuse_unless_finite(values: Floats32) -> None:
    if not np.isfinite(values).all():
        raise ValueError("a vector holds what is no number")


def most_similar(file: CreatorFile, creator: str, *, most: int) -> list[tuple[str, float]]:
    """Return the creators nearest to one by the cosine of their vectors, itself left out.

    Raises:
        NotFound: the creator is not in the file.
    """
    row = pc.index(file.ids, creator).as_py()
    if row == NOBODY:
        raise NotFound(
            f"There is no creator {creator!r} in the file.", remedy="Look at the ids that it holds."
        )
    length = np.linalg.norm(file.vectors, axis=1)
    cosine = file.vectors @ file.vectors[row] / np.maximum(length * length[row], 1e-12)
    cosine[row] = -np.inf
    nearest = np.argsort(-cosine, kind="stable")[: min(most, len(cosine) - 1)]
    return [(file.ids[int(one)].as_py(), float(cosine[one])) for one in nearest]
