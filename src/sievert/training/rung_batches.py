"""Batches of a rung: in each epoch one snapshot of every post, drawn anew; and how they travel as tensors.

A post with k snapshots weighs 1/k each. Drawing one of them evenly in each epoch is the same in the mean,
and its content, which costs most, is read once an epoch.

Legend: p posts, n rows of a batch.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from sievert.models.batch import (
    Grams,
    Latents,
    Numbers,
    Part,
    Pictures,
    PostBatch,
    Progress,
    Tokens,
    Vectors,
)
from sievert.training.batches import Batches, Make, ShuffledBatches
from sievert.training.losses import Supervision
from sievert.training.material import MaterialFold
from sievert.training.rung_recipe import RungRecipe

Rows = npt.NDArray[np.int64]
Tensors = Mapping[str, torch.Tensor]

_KINDS: Mapping[str, type[Part]] = {
    "tokens": Tokens,
    "pictures": Pictures,
    "grams": Grams,
    "latents": Latents,
    "progress": Progress,
    "text_encoding": Vectors,
    "words_encoding": Vectors,
}
_KNOWN = "known about"


def posts_of(fold: MaterialFold, recipe: RungRecipe) -> tuple[Rows, Rows]:
    """Return the snapshots of a fold, post by post, and where each of the posts that teach begins [p + 1].

    Fewer posts than there are are drawn by the seed, and keep the share of harm. One that comes several times in an
    epoch stands there as often.
    """
    post = fold.columns["post"]
    order = np.argsort(post, kind="stable").astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(post))]).astype(np.int64)
    first = order[starts[:-1]]
    harmful = fold.harmful()[first]
    some = np.flatnonzero(shows(fold, first)) if recipe.by_pictures else np.arange(len(first))
    if recipe.posts is not None and recipe.posts < len(some):
        bad = round(recipe.posts * float(harmful[some].mean()))
        rng = np.random.default_rng((recipe.seed, recipe.posts))
        drawn = [
            rng.permutation(some[harmful[some] == side])[:many]
            for side, many in ((True, bad), (False, recipe.posts - bad))
        ]
        some = np.sort(np.concatenate(drawn))
    some = np.repeat(some, np.where(harmful[some], recipe.harmful_times, 1))
    if len(some) == len(first) and recipe.harmful_times == 1:
        return order, starts
    picked = np.concatenate([order[:0], *(order[starts[one] : starts[one + 1]] for one in some)])
    return picked, np.concatenate([[0], np.cumsum(np.diff(starts)[some])]).astype(np.int64)


def shows(fold: MaterialFold, rows: Rows) -> npt.NDArray[np.bool_]:
    """Say which snapshots [n] have a picture."""
    found: npt.NDArray[np.bool_] = fold.columns["picture"][fold.columns["content"][rows]] >= 0
    return found


Beside = Callable[[Make], Make]
"""Turns what makes batches into what makes them with something beside."""


def batches_of(
    fold: MaterialFold,
    recipe: RungRecipe,
    latents: torch.Tensor | None = None,
    *,
    beside: Beside = lambda make: make,
) -> Batches:
    """Return the batches that a rung learns from; with latents [c, K, d] of contents, these stand for them."""
    order, starts = posts_of(fold, recipe)
    lengths = fold.lengths()[fold.columns["content"][order[starts[:-1]]]].tolist()

    def make(posts: Rows, rng: np.random.Generator) -> Tensors:
        many = starts[posts + 1] - starts[posts]
        rows = order[starts[posts] + (rng.random(len(posts)) * many).astype(np.int64)]
        known = fold.supervision(rows)
        # One snapshot stands for all of its post.
        known = dataclasses.replace(known, weight=torch.ones_like(known.weight))
        return flattened(heard(fold, rows, recipe, latents), known)

    read = "tokens" in recipe.hears and latents is None
    return ShuffledBatches(
        len(starts) - 1,
        size=recipe.batch,
        seed=recipe.seed,
        make=beside(make),
        lengths=lengths if read else None,
    )


def heard(
    fold: MaterialFold, rows: Rows, recipe: RungRecipe, latents: torch.Tensor | None = None
) -> PostBatch:
    """Return snapshots [n] with what a rung hears of them."""
    if latents is None:
        return without_words(fold.batch(rows, recipe.hears), recipe)
    batch = fold.batch(rows, [name for name in recipe.hears if name in {"behaviour", "context"}])
    values = latents[torch.from_numpy(fold.columns["content"][rows].astype(np.int64))].float()
    kept = Latents(values=values, known=torch.ones(len(rows), dtype=torch.bool))
    return dataclasses.replace(batch, latents=kept)


def without_words(batch: PostBatch, recipe: RungRecipe) -> PostBatch:
    """Return a batch without the words of its pictures, where a recipe does not read them."""
    if recipe.words or batch.tokens is None:
        return batch
    tokens = batch.tokens
    mask = tokens.mask & (tokens.segment == 0)
    return dataclasses.replace(
        batch, tokens=Tokens(ids=tokens.ids * mask, mask=mask, segment=torch.zeros_like(tokens.segment))
    )


def as_tensors(batch: PostBatch) -> Tensors:
    """Return the parts of a batch as tensors by name."""
    return {
        f"{name}.{field}": one
        for name, part in batch.parts().items()
        for field, one in part.tensors().items()
    }


def as_batch(posts: int, tensors: Tensors) -> PostBatch:
    """Return the batch of so many posts that `as_tensors` took."""
    by_part: dict[str, dict[str, torch.Tensor]] = {}
    for key, one in tensors.items():
        name, _, field = key.partition(".")
        by_part.setdefault(name, {})[field] = one
    parts = {name: _KINDS.get(name, Numbers)(**fields) for name, fields in by_part.items()}
    return PostBatch(posts=posts, **parts)  # type: ignore[arg-type]


def flattened(batch: PostBatch, known: Supervision) -> Tensors:
    """Return a batch and what is known about it as tensors by name."""
    said = {field.name: getattr(known, field.name) for field in dataclasses.fields(known)}
    return {**as_tensors(batch), **{f"{_KNOWN}.{name}": one for name, one in said.items()}}


def restored(tensors: Tensors) -> tuple[PostBatch, Supervision]:
    """Return what `flattened` took."""
    prefix = f"{_KNOWN}."
    known = Supervision(
        **{key.removeprefix(prefix): one for key, one in tensors.items() if key.startswith(prefix)}
    )
    rest = {key: one for key, one in tensors.items() if not key.startswith(prefix)}
    return as_batch(len(known.harm), rest), known
