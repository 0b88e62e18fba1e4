"""The learning folds of two materials become one; what is calibrated and tested on stays the first's.

A world of some million posts holds more harmless posts than its events leave room for in memory, and few
thousand harmful ones. Several smaller worlds, gathered one by one, hold as many labels as are wanted. Each
should be made from texts of its own. A post to learn from whose text is, word by word, one of the later
folds' is left out, since it would be learned from and tested on. The test fold may be the second's: then
a world of other texts tests what the first taught; the time to calibrate on is not cleared of those texts.
Unlabelled posts are the first's, and if it has none the second's; those that say what a later fold says are held out.

Legend: c contents, s snapshots, p posts.
"""

import dataclasses
import hashlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from sievert.errors import InvalidField
from sievert.training.material import (
    FOLDS,
    LAYOUT,
    SAID,
    UNLABELLED,
    Array,
    Described,
    Material,
    MaterialFold,
    Population,
)
from sievert.training.material_files import write_described, write_fold
from sievert.training.unlabelled import read_unlabelled

_STARTS = {"token_starts": "token_ids", "picture_starts": "picture_data", "gram_starts": "gram_indices"}
"""Where the rows of a flat column begin."""
_OF_SNAPSHOTS = frozenset(
    name for name, told in {**LAYOUT, **SAID}.items() if told.split()[1].startswith("[s")
)
_FEWEST_TOKENS = 4
"""Shorter texts are said by many, and tell nothing of each other."""


def join(first: Material, second: Material, out: Path, *, test_of_second: bool = False) -> Described:
    """Write material whose learning fold is that of both, and whose later folds are the first's.

    With `test_of_second` the test fold is the second's.

    Raises:
        InvalidField: the two do not hold the same columns, or not of the same meaning.
    """
    _refuse_unless_alike(first.described, second.described)
    forms = _forms(first.described, second.described)
    later = {name: first.folds[name] for name in FOLDS[1:]}
    if test_of_second:
        later[FOLDS[-1]] = _with_forms(second.folds[FOLDS[-1]], second.described, forms)
    learn = _without_later(second.folds[FOLDS[0]], [*later.values()])
    one, other = first.folds[FOLDS[0]], _with_forms(learn, second.described, forms)
    if test_of_second:
        one = _without_later(one, [*later.values()])
    if one.columns.keys() != other.columns.keys():
        missing = sorted(one.columns.keys() ^ other.columns.keys())
        raise InvalidField(
            f"Only one of the materials has {', '.join(missing)}.",
            remedy="Gather both with the same options.",
            field="material",
        )
    out.mkdir(parents=True, exist_ok=True)
    write_fold(out, FOLDS[0], _joined(one, other))
    for name, fold in later.items():
        write_fold(out, name, fold.columns)
    described = _described(first.described, second.described, one, learn, forms)
    if first.described.unlabelled is not None:
        spare = (first.folder / UNLABELLED).read_bytes()
        (out / UNLABELLED).write_bytes(_held_out(first, [*later.values()]) if test_of_second else spare)
    elif (told := second.described.unlabelled) is not None:
        (out / UNLABELLED).write_bytes(_held_out(second, [*later.values()]))
        described = msgspec.structs.replace(described, unlabelled=told)
    if test_of_second:
        tested = second.described.populations[FOLDS[-1]]
        populations = {**described.populations, FOLDS[-1]: tested}
        described = msgspec.structs.replace(described, populations=populations)
    write_described(out, described)
    return described


def _refuse_unless_alike(first: Described, second: Described) -> None:
    differ = [
        name
        for name in ("heads", "numbers", "grams", "side", "encoder", "causes", "said", "behaviour")
        if getattr(first, name) != getattr(second, name)
    ]
    if first.history == second.history:
        differ.append("history (both come from the same)")
    if differ:
        raise InvalidField(
            f"The materials do not fit together; what does not fit: {', '.join(differ)}.",
            remedy="Gather both with the same release and options, from histories that are not the same.",
            field="material",
        )


def _without_later(learn: MaterialFold, later: list[MaterialFold]) -> MaterialFold:
    """Return a learning fold without the posts that say what a content of a later fold says."""
    known = {said for fold in later for said in _said(fold) if said}
    out = np.array([said in known for said in _said(learn)], np.bool_)
    content = learn.columns["content"]
    gone = np.zeros(int(learn.columns["post"].max(initial=-1)) + 1, np.bool_)
    gone[learn.columns["post"][out[content]]] = True
    keep = ~gone[learn.columns["post"]]
    columns = {name: one[keep] if name in _OF_SNAPSHOTS else one for name, one in learn.columns.items()}
    columns["post"] = np.unique(columns["post"], return_inverse=True)[1].astype(np.int32)
    return dataclasses.replace(learn, columns=columns)


def _held_out(one: Material, later: list[MaterialFold]) -> bytes:
    """Return the file of unlabelled posts; those that say what a content of a later fold says are held out."""
    spare = read_unlabelled(one)
    known = {said for fold in later for said in _said(fold) if said}
    held = spare.columns["held"] | np.array([said in known for said in _said(spare.posts)], np.bool_)
    return save({**spare.columns, "held": held})


def _said(fold: MaterialFold) -> list[bytes]:
    """Return the tokens of each content's own text [c], none where it is short."""
    starts, words_at = fold.columns["token_starts"], fold.columns["words_at"].astype(np.int64)
    flat = fold.columns["token_ids"]
    return [
        flat[begin : begin + many].tobytes() if many >= _FEWEST_TOKENS else b""
        for begin, many in zip(starts[:-1].tolist(), words_at.tolist(), strict=True)
    ]


def _forms(first: Described, second: Described) -> list[str]:
    """Return the forms of harm of both; those of the first keep their places."""
    return list(dict.fromkeys([*first.settings.get("forms", ()), *second.settings.get("forms", ())]))


def _with_forms(learn: MaterialFold, told: Described, forms: list[str]) -> MaterialFold:
    """Return a fold whose forms are places among other forms."""
    places = np.array([*map(forms.index, told.settings.get("forms", ())), -1], np.int16)
    return dataclasses.replace(
        learn, columns={**learn.columns, "form": places[learn.columns["form"]]}
    )  # a form of -1 stays one


def _joined(one: MaterialFold, other: MaterialFold) -> dict[str, Array]:
    """Return the columns of both, those of the other behind."""
    found: dict[str, Array] = {}
    pictures = len(one.columns["picture_starts"]) - 1
    shift = {"content": one.contents, "post": int(one.columns["post"].max(initial=-1)) + 1}
    for name, mine in one.columns.items():
        theirs = other.columns[name]
        if name in _STARTS:
            theirs = theirs[1:] + len(one.columns[_STARTS[name]])
        elif name == "picture":
            theirs = np.where(theirs >= 0, theirs + pictures, -1).astype(theirs.dtype)
        elif name in shift:
            theirs = theirs + np.asarray(shift[name], theirs.dtype)
        found[name] = np.concatenate([mine, theirs])
    return found


def _described(
    first: Described, second: Described, one: MaterialFold, other: MaterialFold, forms: list[str]
) -> Described:
    mine, theirs = first.populations[FOLDS[0]], second.populations[FOLDS[0]]
    both = Population(
        posts=mine.posts + theirs.posts,
        harmful=mine.harmful + theirs.harmful,
        left_out=mine.left_out + theirs.left_out,
        left_out_harmful=mine.left_out_harmful + theirs.left_out_harmful,
        taken=sum(_posts(some, np.ones(len(some), np.bool_)) for some in (one, other)),
        taken_harmful=sum(_posts(some, some.harmful()) for some in (one, other)),
        alike=0,
    )
    history = hashlib.blake2b(f"{first.history} {second.history}".encode(), digest_size=16).hexdigest()
    return msgspec.structs.replace(
        first,
        history=history,
        settings={**first.settings, "forms": forms},
        populations={**first.populations, FOLDS[0]: both},
    )


def _posts(fold: MaterialFold, rows: npt.NDArray[np.bool_]) -> int:
    return len(np.unique(fold.columns["post"][rows]))
