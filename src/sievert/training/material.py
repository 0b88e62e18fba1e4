"""Material: everything that the models of the ladder learn from and are measured on, as a folder of tensors.

    material.json                 what it comes from, what its columns are, what its rows stand for
    FOLD.safetensors              contents and snapshots of the folds learn, calibrate and test
    FOLD.grams.safetensors        hashed n-grams of the contents, for the light model
    FOLD.pooled.safetensors       what a frozen encoder says of them; may be left out and made anew
    FOLD.said.safetensors         what a bundle says of them (`said`); may be left out
    unlabelled.safetensors        posts without labels, and what they drew (`unlabelled`); may be left out

It was written once by `gathering`, and is read here with torch and NumPy alone, so that a machine that
only trains needs neither the history nor what reads it. Files are mapped into memory and never unpickled.
A row is a snapshot of a post. Its content, a revision, is kept once however many snapshots look at it.

Behaviour is told apart by whom it is about: the post's own numbers are `behaviour`, those of its
creator's other posts `context`. Numbers are kept as halves of a float: three digits of a logarithm.

Legend: c contents, s snapshots, p posts, t tokens, q pictures, m n-grams, F numbers, H heads.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sievert.errors import MalformedInput, NotFound
from sievert.models.batch import Grams, Numbers, Part, Pictures, PostBatch, Progress, Tokens, Vectors
from sievert.training.losses import Supervision
from sievert.training.packed_pictures import PackedPictures

FOLDS = ("learn", "calibrate", "test")
"""Earlier to later."""

MATERIAL = "material.json"
UNLABELLED = "unlabelled.safetensors"
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

_STEP = 8
"""Tables of tokens are a multiple of this wide, as everywhere."""


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """What the posts of a fold stand for."""

    posts: int  # that came in the fold's time and are not left out
    harmful: int
    left_out: int  # their text, or one that it is a copy of, was learned from
    left_out_harmful: int
    taken: int  # posts of the population that are in the fold
    taken_harmful: int
    alike: int  # of those taken, posts whose text nearly repeats one that was learned from

    @property
    def prevalence(self) -> float:
        """Return which share of the population harms."""
        return self.harmful / self.posts


class SaidBy(msgspec.Struct, frozen=True, kw_only=True):
    """Which bundle said what material holds of its contents."""

    bundle: str  # its version
    parts: str  # a hash of those files of it that what it says hangs on
    heads: tuple[str, ...]  # columns of what it says, harm first


class UnlabelledPopulation(msgspec.Struct, frozen=True, kw_only=True):
    """What the unlabelled posts are drawn from."""

    posts: int  # of the time to learn on that drew comments or carry hashtags
    taken: int
    held: int  # posts of the time to calibrate on, beside them
    left_out: int  # of those drawn: a later fold shows their text, or one like it


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What `material.json` says."""

    format: Literal[1] = 1
    history: str  # a hash of what it was gathered from
    settings: dict[str, Any]
    heads: tuple[str, ...]  # columns of the labels, harm first
    numbers: dict[str, tuple[str, ...]]  # names of the numbers of each part
    grams: int  # n-grams are numbers below this
    side: int  # pixels
    encoder: str  # whose tokens they are
    first: dict[str, int]  # when each fold begins, microseconds
    end: int
    populations: dict[str, Population]
    causes: tuple[str, ...]  # why a snapshot was taken; a column holds the place
    behaviour: dict[str, Any] = {}  # the spec of the behaviour rows, with its priors
    said: SaidBy | None = None  # None where no bundle was asked
    unlabelled: UnlabelledPopulation | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class MaterialFold:
    """One fold: columns by name, as `LAYOUT` tells them."""

    columns: dict[str, Array]
    pictures: PackedPictures
    described: Described

    def __len__(self) -> int:
        """Return s."""
        return len(self.columns["as_of"])

    @property
    def contents(self) -> int:
        """Return c."""
        return len(self.columns["picture"])

    def add(self, name: str, column: Array) -> None:
        """Add a column that was left out when the material was written."""
        self.columns[name] = column

    def lengths(self) -> Rows:
        """Return how many tokens each content has [c]."""
        return np.diff(self.columns["token_starts"])

    def harmful(self) -> npt.NDArray[np.bool_]:
        """Return which snapshots are of harmful posts [s]."""
        found: npt.NDArray[np.bool_] = self.columns["labels"][self.columns["content"], 0] > 0.5
        return found

    def content_batch(self, rows: Rows, parts: Collection[str]) -> PostBatch:
        """Return contents [r] as a batch, with those parts that hang on the content alone."""
        made = {name: _MAKERS[name](self, rows) for name in parts if name in _MAKERS}
        return PostBatch(posts=len(rows), **made)

    def batch(self, rows: Rows, parts: Collection[str]) -> PostBatch:
        """Return snapshots [r] as a batch with these parts."""
        of_content = self.content_batch(self.columns["content"][rows].astype(np.int64), parts)
        made: dict[str, Part] = {}
        for name in ("behaviour", "context"):
            if name in parts:
                values = torch.from_numpy(self.columns[name][rows].astype(np.float32))
                known = torch.from_numpy(self.columns[f"{name}_known"][rows])[:, None].expand_as(values)
                made[name] = Numbers(values=values * known, known=known.clone())
        if "progress" in parts:
            views, hours = (torch.from_numpy(self.columns[name][rows]) for name in ("views", "hours"))
            made["progress"] = Progress(
                views=views, hours=hours, known=torch.ones(len(rows), dtype=torch.bool)
            )
        return dataclasses.replace(of_content, **made)  # type: ignore[arg-type]

    def supervision(self, rows: Rows) -> Supervision:
        """Return what is known about snapshots [r]."""
        labels = torch.from_numpy(self.columns["labels"][self.columns["content"][rows]])
        known = torch.isfinite(labels)
        labels = torch.nan_to_num(labels)
        column = {
            name: torch.from_numpy(self.columns[name][rows])
            for name in ("reports", "report_views", "forecast", "weight")
        }
        return Supervision(
            harm=labels[:, 0],
            harm_known=known[:, 0],
            policies=labels[:, 1:],
            policies_known=known[:, 1:],
            reports=column["reports"],
            views=column["report_views"],
            forecast=column["forecast"],
            weight=column["weight"],
        )


CONTENT_LAYOUT: Mapping[str, str] = {
    "token_ids": "uint16 [t]",
    "token_starts": "int64 [c + 1]",
    "words_at": "uint16 [c] where the words of the picture begin among a content's tokens",
    "picture": "int32 [c] which picture it shows, -1 for none",
    "picture_data": "uint8 [b]",
    "picture_starts": "int64 [q + 1]",
    "thumbnail": "float16 [q, F]",
    "facts": "float16 [c, F] about the text",
}
"""What contents are, with or without labels."""

LAYOUT: Mapping[str, str] = {
    **CONTENT_LAYOUT,
    "labels": "float32 [c, H] from 0 to 1, NaN where nobody says",
    "row": "int64 [c] of the revision in the history",
    "form": "int16 [c] place in `forms` of the settings, -1 where nobody tells",
    "content": "int32 [s]",
    "post": "int32 [s] from 0 below p",
    "as_of": "int64 [s]",
    "cause": "int8 [s]",
    "drawn": "bool [s] one snapshot of each post, drawn evenly",
    "weight": "float32 [s] 1 / snapshots of the post within the fold",
    "stands_for": "float32 [s] how many posts of the population the post stands for",
    "behaviour": "float16 [s, F]",
    "behaviour_known": "bool [s]",
    "context": "float16 [s, F]",
    "context_known": "bool [s]",
    "views": "float32 [s] so far",
    "hours": "float32 [s] of age",
    "forecast": "float32 [s] views to come, as one could have forecast them then",
    "to_come": "float32 [s] views to come, in truth and had nothing been done",
    "reports": "float32 [s] of the post until the fold's end",
    "report_views": "float32 [s] of the post until the fold's end",
}
"""The columns of FOLD.safetensors; beside them stand gram_indices [m], gram_starts [2c + 1], pooled [c, F]."""

SAID: Mapping[str, str] = {
    "spoken": "float32 [c, H] logits of the cascade, all of it read by the heavy model",
    "text_encoding": "float16 [c, D] of the text, by the heavy model; the four of encodings only if asked for",
    "text_encoding_known": "bool [c]",
    "words_encoding": "float16 [c, D] of the words in the picture",
    "words_encoding_known": "bool [c]",
    "updated": "float32 [s, H] logits of the update model; only of a bundle that has one",
}
"""The columns of FOLD.said.safetensors; heads are those of the bundle."""


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """A folder, read."""

    folder: Path
    described: Described
    folds: Mapping[str, MaterialFold]

    def digest(self) -> dict[str, str]:
        """Return the SHA-256 of each file that a run depends on."""
        said = [f"{fold}.said.safetensors" for fold in self.folds]
        names = (
            MATERIAL,
            *(f"{fold}.safetensors" for fold in self.folds),
            *(name for name in said if (self.folder / name).is_file()),
        )
        return {name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in names}


def read_material(folder: Path) -> Material:
    """Read a folder of material.

    Raises:
        NotFound: there is none.
        MalformedInput: a file cannot be read, or lacks a column.
    """
    if not (folder / MATERIAL).is_file():
        raise NotFound(f"There is no material in {folder}.", remedy="Gather it with `sievert data material`.")
    try:
        described = msgspec.json.decode((folder / MATERIAL).read_bytes(), type=Described)
        folds = {name: _read_fold(folder, name, described) for name in FOLDS}
    except (msgspec.DecodeError, OSError, SafetensorError) as error:
        raise MalformedInput(
            f"The material in {folder} cannot be read: {error}.", remedy="Gather it anew."
        ) from error
    return Material(folder=folder, described=described, folds=folds)


def _read_fold(folder: Path, name: str, described: Described) -> MaterialFold:
    columns = {key: one.numpy() for key, one in load_file(folder / f"{name}.safetensors").items()}
    for more in ("grams", "pooled", "said"):
        if (path := folder / f"{name}.{more}.safetensors").is_file():
            columns |= {key: one.numpy() for key, one in load_file(path).items()}
    if missing := sorted(LAYOUT.keys() - columns.keys()):
        raise MalformedInput(
            f"The fold {name} in {folder} lacks {', '.join(missing)}.", remedy="Gather the material anew."
        )
    pictures = PackedPictures(columns["picture_data"], columns["picture_starts"], described.side)
    return MaterialFold(columns, pictures, described)


def _tokens(fold: MaterialFold, rows: Rows) -> Tokens:
    starts, flat = fold.columns["token_starts"], fold.columns["token_ids"]
    lengths = starts[rows + 1] - starts[rows]
    wide = max(1, -(-int(lengths.max(initial=0)) // _STEP)) * _STEP
    place = np.arange(wide)
    mask = place < lengths[:, None]
    ids = np.zeros((len(rows), wide), np.int64)
    ids[mask] = flat[(starts[rows][:, None] + place)[mask]]
    words = mask & (place >= fold.columns["words_at"][rows][:, None])
    return Tokens(
        ids=torch.from_numpy(ids),
        mask=torch.from_numpy(mask),
        segment=torch.from_numpy(words.astype(np.int64)),
    )


def _pictures(fold: MaterialFold, rows: Rows) -> Pictures:
    shown = fold.columns["picture"][rows]
    return Pictures(pixels=torch.from_numpy(fold.pictures.open(shown)), known=torch.from_numpy(shown >= 0))


def _thumbnail(fold: MaterialFold, rows: Rows) -> Numbers:
    shown = fold.columns["picture"][rows]
    known = shown >= 0
    values = np.zeros((len(rows), fold.columns["thumbnail"].shape[1]), np.float32)
    values[known] = fold.columns["thumbnail"][shown[known]]
    return _numbers(values, np.repeat(known[:, None], values.shape[1], axis=1))


def _whole(name: str) -> Any:
    def made(fold: MaterialFold, rows: Rows) -> Numbers:
        values = fold.columns[name][rows].astype(np.float32)
        return _numbers(values, np.ones(values.shape, np.bool_))

    return made


def _numbers(values: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]) -> Numbers:
    return Numbers(values=torch.from_numpy(values), known=torch.from_numpy(known))


def _encoding(name: str) -> Any:
    def made(fold: MaterialFold, rows: Rows) -> Vectors:
        return Vectors(
            values=torch.from_numpy(fold.columns[name][rows].astype(np.float32)),
            known=torch.from_numpy(fold.columns[f"{name}_known"][rows]),
        )

    return made


def _grams(fold: MaterialFold, rows: Rows) -> Grams:
    """Return n-grams, each weighing 1 / sqrt(how many there are of its part), as the kernels weigh."""
    starts, flat = fold.columns["gram_starts"], fold.columns["gram_indices"]
    part = np.stack([2 * rows, 2 * rows + 1], axis=1).reshape(-1)  # [2r] words and runs of each content
    sizes = starts[part + 1] - starts[part]
    begin = np.cumsum(sizes) - sizes
    entries = np.arange(int(sizes.sum())) + np.repeat(starts[part] - begin, sizes)
    weights = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    return Grams(
        indices=torch.from_numpy(flat[entries].astype(np.int64)),
        weights=torch.from_numpy(weights),
        starts=torch.from_numpy(begin[::2].copy()),
    )


_MAKERS: Mapping[str, Any] = {
    "tokens": _tokens,
    "pictures": _pictures,
    "thumbnail": _thumbnail,
    "facts": _whole("facts"),
    "pooled": _whole("pooled"),
    "grams": _grams,
    "spoken": _whole("spoken"),
    "text_encoding": _encoding("text_encoding"),
    "words_encoding": _encoding("words_encoding"),
}
