"""Towers learn without labels, by finding what each post drew among what other posts drew.

    unlabelled posts -> topics -> batches with hard negatives -> `contrastive_loss` -> towers in a run folder

The loss is taken three times, of what a post says and shows together, of its text alone and of its picture
alone: together alone the text would do all the work, and the image tower would learn nothing.

*Negatives.* A share of the batches is filled topic by topic, and within a topic author by author. Who tells
only topics apart, or only authors, does badly there. Posts with nearly the same text, and posts that drew
the very same replies, are not each other's negatives.

What chooses the best weights is how often the likeliest reply is the right one, on posts of a later time
than those that were learned from; no label is looked at, nor the test fold.

Legend: u unlabelled posts, n posts of a batch, h held-out posts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sievert.errors import ConfigurationError
from sievert.models.batch import Tokens
from sievert.models.matching import Matched, PostReplyMatcher
from sievert.models.towers import text_tower
from sievert.training.batches import Arrange, Batches, ShuffledBatches, Tensors
from sievert.training.contrastive import contrastive_loss
from sievert.training.first_towers import tell_towers
from sievert.training.loop import Task, fit
from sievert.training.material import UNLABELLED, Material
from sievert.training.pretrain_recipe import PretrainRecipe
from sievert.training.run_folder import RunResult
from sievert.training.rung_batches import as_batch, as_tensors
from sievert.training.rung_models import image_of, keep_layers, rate_of
from sievert.training.topics import topics_of
from sievert.training.unlabelled import Unlabelled, read_unlabelled

Rows = npt.NDArray[np.int64]
Advance = Callable[[str, int, int], None]

_PARTS = ("tokens", "pictures")
_REPLIES, _ALIKE = "replies", "alike"
_NEAR = 10


def pretrain(recipe: PretrainRecipe, material: Material, folder: Path, *, advance: Advance) -> RunResult:
    """Pretrain the towers of a recipe in a run folder, or take up what stands there.

    Raises:
        NotFound: the material has no unlabelled posts, or there is no such encoder.
        ConfigurationError: it has too few to learn from or to hold out; or see `loop.fit`.
        StoreCorrupt, TrainingStopped: see `loop.fit`.
    """
    spare = read_unlabelled(material)
    rows, held = learned_rows(spare, recipe), spare.rows(held=True)
    if min(len(rows), len(held)) < 2:
        raise ConfigurationError(
            f"The unlabelled posts in {material.folder}",
            [f"{len(rows)} to learn from and {len(held)} to hold out are too few: two of each at least"],
        )
    torch.manual_seed(recipe.seed)
    model = PostReplyMatcher(
        text_tower(recipe.text.encoder, layers=recipe.text.layers),
        image_of(recipe.image, material),
        width=recipe.width,
        temperature=recipe.temperature,
    )
    keep_layers(model, recipe.text.kept, recipe.image.kept)
    result = fit(
        Task(
            model=model,
            batches=matching_batches(spare, rows, recipe, model),
            loss=matching_loss,
            recipe=recipe,
            evaluate=lambda _: recalls(model, spare, held, pool=recipe.pool, tokens=recipe.tokens),
            factor_of=rate_of(recipe.text, recipe.image),
        ),
        folder=folder,
        data={UNLABELLED: spare.digest},
        about=(
            f"Two towers learned from {len(rows):,} posts without labels and what these drew.",
            f"How well they match was seen on {len(held):,} posts of a later time, in pools of {recipe.pool}.",
            f"Chance finds one reply in {min(recipe.pool, len(held))}.",
        ),
        advance=advance,
    )
    tell_towers(model, folder)
    return result


def learned_rows(spare: Unlabelled, recipe: PretrainRecipe) -> Rows:
    """Return the posts to learn from, at most as many as the recipe says, drawn by its seed."""
    rows = spare.rows(held=False)
    if recipe.posts is None or recipe.posts >= len(rows):
        return rows
    return np.sort(np.random.default_rng(recipe.seed).permutation(rows)[: recipe.posts])


def matching_batches(
    spare: Unlabelled, rows: Rows, recipe: PretrainRecipe, model: PostReplyMatcher
) -> Batches:
    """Return batches of posts [u] with what they drew, a share of them of one topic each."""
    embeddings = model.text.encoder.get_input_embeddings().weight  # type: ignore[operator]
    topic = topics_of(
        spare.posts,
        rows,
        embeddings,
        topics=max(1, len(rows) // recipe.topic_posts),
        seed=recipe.seed,
    )

    def make(places: Rows, _: np.random.Generator) -> Tensors:
        return pairs(spare, rows[places], tokens=recipe.tokens)

    return ShuffledBatches(
        len(rows),
        size=recipe.batch,
        seed=recipe.seed,
        make=make,
        arrange=hard_first(topic, spare.columns["creator"][rows], recipe.hard),
    )


def hard_first(topic: Rows, author: npt.NDArray[np.integer], share: float) -> Arrange:
    """Return what lays a share of all posts out by topic and, within it, by author; the others as they are."""

    def arrange(order: Rows, rng: np.random.Generator) -> Rows:
        hard = order[: round(share * len(order))]
        place = rng.permutation(int(topic.max(initial=0)) + 1)[topic[hard]]
        laid = hard[np.lexsort((author[hard], place))]
        return np.concatenate([laid, order[len(hard) :]])

    return arrange


def pairs(spare: Unlabelled, rows: Rows, *, tokens: int) -> Tensors:
    """Return posts [n], what they drew, and which are alike, as tensors by name; so many tokens at most."""
    posts = as_tensors(spare.posts.content_batch(rows, _PARTS))
    replies = as_tensors(spare.replies.content_batch(rows, ["tokens"]))
    said = {name.replace("tokens", _REPLIES): one for name, one in replies.items()}
    read = {name: one if "pictures" in name else one[:, :tokens] for name, one in {**posts, **said}.items()}
    return {**read, _ALIKE: torch.from_numpy(spare.columns["alike"][rows].astype(np.int64))}


def matching_loss(net: nn.Module, tensors: Tensors) -> Mapping[str, Tensor]:
    """Return the parts of the loss of a batch of pairs [n]."""
    found, group = _matched(net, tensors), tensors[_ALIKE]

    def loss(vectors: Tensor, some: Tensor) -> Tensor:
        return contrastive_loss(
            vectors[some], found.replies[some], group=group[some], temperature=found.temperature
        )

    every = torch.ones_like(found.pictured)
    return {
        "together": loss(found.posts, every),
        "text": loss(found.texts, every),
        "picture": loss(found.pictures, found.pictured)
        if found.pictured.any()
        else 0.0 * found.pictures.sum(),
    }


@torch.inference_mode()
def recalls(
    model: PostReplyMatcher, spare: Unlabelled, rows: Rows, *, pool: int, tokens: int
) -> dict[str, float]:
    """Return how often a post's likeliest reply, among those of its pool, is one that it drew.

    A reply of a post that is alike counts as its own. Pools are posts [h] that came one after the other.
    """
    model.eval()
    device = next(model.parameters()).device
    hits: dict[str, list[Tensor]] = {"posts": [], "texts": [], "pictures": []}
    near = []
    for at in range(0, len(rows), pool):
        tensors = {
            name: one.to(device) for name, one in pairs(spare, rows[at : at + pool], tokens=tokens).items()
        }
        found, group = _matched(model, tensors), tensors[_ALIKE]
        right = group[:, None] == group
        for name, some in hits.items():
            likeness = getattr(found, name) @ found.replies.T
            hit = right.gather(1, likeness.argmax(dim=1, keepdim=True))[:, 0]
            some.append(hit[found.pictured] if name == "pictures" else hit)
        best = (found.posts @ found.replies.T).topk(min(_NEAR, len(right)), dim=1).indices
        near.append(right.gather(1, best).any(dim=1))
    return {
        "recall_at_1": _share(hits["posts"]),
        "recall_at_10": _share(near),
        "text_recall_at_1": _share(hits["texts"]),
        "picture_recall_at_1": _share(hits["pictures"]),
    }


def _share(hits: list[Tensor]) -> float:
    return float(torch.cat(hits).double().mean())


def _matched(net: nn.Module, tensors: Tensors) -> Matched:
    said = {name.removeprefix(f"{_REPLIES}."): one for name, one in tensors.items() if _REPLIES in name}
    post = {name: one for name, one in tensors.items() if name != _ALIKE and _REPLIES not in name}
    found: Matched = net(as_batch(len(tensors[_ALIKE]), post), Tokens(**said))
    return found
