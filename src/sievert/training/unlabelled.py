"""Unlabelled posts of material, read: their contents, what they drew, and how often they were reported.

They stand in `unlabelled.safetensors` beside the folds, which may be left out. No label is in it, and
nothing that came after the time to learn on (after that to calibrate on, of posts that are held out).

Legend: u posts, t tokens, r tokens of replies.
"""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file

from sievert.errors import MalformedInput, NotFound
from sievert.training.material import CONTENT_LAYOUT, UNLABELLED, Array, Material, MaterialFold
from sievert.training.packed_pictures import PackedPictures

Rows = npt.NDArray[np.int64]

LAYOUT: Mapping[str, str] = {
    **CONTENT_LAYOUT,
    "reply_ids": "uint16 [r] tokens of comments and hashtags",
    "reply_starts": "int64 [u + 1]",
    "creator": "int32 [u] -1 where nobody says",
    "alike": "int32 [u] one number for texts that are nearly alike, and for posts that drew the same",
    "held": "bool [u] of the time to calibrate on: not learned from",
    "reports": "float32 [u] of the post until its fold's end",
    "report_views": "float32 [u] of the post until its fold's end",
    "row": "int64 [u] of the first revision in the history",
}
"""The columns of unlabelled.safetensors."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unlabelled:
    """Unlabelled posts: `posts` and `replies` give batches of their contents and of what these drew."""

    columns: Mapping[str, Array]
    posts: MaterialFold
    replies: MaterialFold
    digest: str
    """SHA-256 of the file."""

    def __len__(self) -> int:
        """Return u."""
        return len(self.columns["held"])

    def rows(self, *, held: bool) -> Rows:
        """Return the rows of posts that are held out, or of those to learn from."""
        return np.flatnonzero(self.columns["held"] == held).astype(np.int64)


def read_unlabelled(material: Material) -> Unlabelled:
    """Read the unlabelled posts of material.

    Raises:
        NotFound: it has none.
        MalformedInput: the file cannot be read, or lacks a column.
    """
    path = material.folder / UNLABELLED
    if not path.is_file():
        raise NotFound(
            f"The material in {material.folder} has no unlabelled posts.",
            remedy="Gather it anew with `sievert data material --unlabelled 60000`, from a history with comments.",
        )
    try:
        columns = {key: one.numpy() for key, one in load_file(path).items()}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, SafetensorError) as error:
        raise MalformedInput(f"{path} cannot be read: {error}.", remedy="Gather it anew.") from error
    if missing := sorted(LAYOUT.keys() - columns.keys()):
        raise MalformedInput(f"{path} lacks {', '.join(missing)}.", remedy="Gather the material anew.")
    described = material.described
    pictures = PackedPictures(columns["picture_data"], columns["picture_starts"], described.side)
    lengths = np.diff(columns["reply_starts"])
    said = {
        "token_ids": columns["reply_ids"],
        "token_starts": columns["reply_starts"],
        "words_at": lengths.astype(np.uint16),
    }
    return Unlabelled(
        columns=columns,
        posts=MaterialFold(columns, pictures, described),
        replies=MaterialFold(said, pictures, described),
        digest=digest,
    )
