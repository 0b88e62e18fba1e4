"""A rung of the ladder learns from material, and scores it: the same for every model.

    recipe and material -> model -> `loop.fit` in a run folder -> logits of harm

What chooses the best weights is average precision on posts of the time to calibrate on, at natural
prevalence, one snapshot a post. The test fold is not looked at.

Scores are 32-bit floats, also where training computes in bfloat16: of its three digits many posts would
share one score.

The encoder of the multimodal model can be kept: its latents of all contents are made once, and update
networks learn on them in seconds. So what an update network hears can be switched off one by one.

Legend: n posts, c contents, s snapshots, K latents, d width of a latent.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sievert.measurement.prevalence import natural_weights
from sievert.measurement.ranking import average_precision
from sievert.models import PostModel
from sievert.models.batch import PostBatch, Vectors
from sievert.models.latent_fusion import LatentFusion
from sievert.models.multimodal import Multimodal
from sievert.models.towers import ImageTower
from sievert.models.update_network import UpdateNetwork
from sievert.training.batches import Batches, Tensors
from sievert.training.learning import LearnedRecipe
from sievert.training.loop import Task, fit
from sievert.training.losses import Supervision, loss_of
from sievert.training.material import UNLABELLED, Material, MaterialFold
from sievert.training.reported import BESIDE, Reported, reported
from sievert.training.run_folder import RunResult, read_run
from sievert.training.rung_batches import batches_of, heard, restored, shows, without_words
from sievert.training.rung_models import model_of, rate_of
from sievert.training.rung_recipe import RungRecipe
from sievert.training.unlabelled import Unlabelled, read_unlabelled

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Advance = Callable[[str, int, int], None]
Score = Callable[[MaterialFold, Rows], Floats]

_AT_ONCE = 256


class Trained:
    """A rung that has learned: its model, what its run came to, and how it scores."""

    def __init__(self, model: nn.Module, result: RunResult, score: Score) -> None:
        """Put the three together."""
        self.model, self.result, self._score = model, result, score

    def logits(self, fold: MaterialFold, rows: Rows) -> tuple[Floats, float]:
        """Return the logits of harm of snapshots [n], and core seconds or, on a GPU, seconds that it took."""
        clock = time.perf_counter if device_of(self.model).type == "cuda" else time.process_time
        began = clock()
        return self._score(fold, rows), clock() - began


def train_rung(
    recipe: RungRecipe,
    material: Material,
    folder: Path,
    *,
    spare: Unlabelled | None = None,
    advance: Advance,
) -> Trained:
    """Train the model of a recipe in a run folder, or take up what stands there.

    Where reports teach, `spare` are the unlabelled posts, by default those of the material; what is learned
    from them before experts speak is a run of its own, in a folder beside that ends in `.noisy`.

    Raises:
        NotFound, ConfigurationError, TrainingStopped, StoreCorrupt: see `model_of` and `loop.fit`.
    """
    model = model_of(recipe, material)
    learn, data = material.folds["learn"], material.digest() | _towers_of(recipe)
    about = _about(recipe, material, model)
    batches = batches_of(learn, recipe)
    if recipe.reports.use != "none":
        spare = spare or read_unlabelled(material)
        said = reported(spare, learn, recipe)
        data, about = {**data, UNLABELLED: spare.digest}, [*about, _told(said)]
        if recipe.reports.use == "soft":
            batches = batches_of(learn, recipe, beside=lambda make: said.beside(make, recipe))
        else:
            epochs = msgspec.structs.replace(recipe.learning, epochs=recipe.reports.epochs)
            noisy = msgspec.structs.replace(recipe, name=f"{recipe.name[:34]}-noisy", learning=epochs)
            teach(
                model,
                recipe,
                material,
                folder.with_name(f"{folder.name}.noisy"),
                batches=said.batches(recipe),
                data=data,
                about=about,
                advance=advance,
                by=noisy,
            )
            model.train()
    return teach(model, recipe, material, folder, batches=batches, data=data, about=about, advance=advance)


def teach(
    model: PostModel,
    recipe: RungRecipe,
    material: Material,
    folder: Path,
    *,
    batches: Batches | None = None,
    data: Mapping[str, str],
    about: Sequence[str],
    advance: Advance,
    by: LearnedRecipe | None = None,
    factor_of: Callable[[str], float] | None = None,
) -> Trained:
    """Let a model learn in a run folder what a rung's recipe says; how, another recipe may say (`by`).

    Without `batches` it learns from the learning fold.

    Raises:
        ConfigurationError, TrainingStopped, StoreCorrupt: see `loop.fit`.
    """

    def score(fold: MaterialFold, rows: Rows) -> Floats:
        return logits_of(model, fold, rows, recipe)

    result = fit(
        Task(
            model=model,
            batches=batches or batches_of(material.folds["learn"], recipe),
            loss=lambda net, tensors: _taught(net, tensors, recipe),
            recipe=by or recipe,
            evaluate=lambda _: _measured(score, material.folds["calibrate"], recipe),
            factor_of=factor_of or rate_of(recipe.text, recipe.image),
        ),
        folder=folder,
        data=data,
        about=about,
        advance=advance,
    )
    _to_device(model)
    return Trained(model, result, score)


def train_update_rung(
    recipe: RungRecipe,
    material: Material,
    latents: Mapping[str, torch.Tensor],
    folder: Path,
    *,
    advance: Advance,
) -> Trained:
    """Train an update network alone, on the latents [c, K, d] of each fold that an encoder made."""
    torch.manual_seed(recipe.seed)
    model = model_of(recipe, material)
    if not isinstance(model, Multimodal):
        raise TypeError("only the multimodal model has an update network")
    network: UpdateNetwork = model.updating

    def apply(batch: PostBatch) -> torch.Tensor:
        if batch.latents is None:
            raise TypeError("an update network needs latents")
        logits: torch.Tensor = network(batch.latents.values, batch)
        return logits

    def loss(net: nn.Module, tensors: Tensors) -> Mapping[str, torch.Tensor]:
        batch, known = restored(tensors)
        return _parts(net(batch.latents.values, batch), known, recipe)  # type: ignore[union-attr]

    def score(fold: MaterialFold, rows: Rows) -> Floats:
        of = next(name for name, one in material.folds.items() if one is fold)
        return _in_chunks(
            network, rows, lambda some: apply(heard(fold, some, recipe, latents[of]).to(device_of(network)))
        )

    result = fit(
        Task(
            model=network,
            batches=batches_of(material.folds["learn"], recipe, latents["learn"]),
            loss=loss,
            recipe=recipe,
            evaluate=lambda _: _measured(score, material.folds["calibrate"], recipe),
        ),
        folder=folder,
        data={**material.digest(), "latents": _digest(latents)},
        about=_about(recipe, material, model),
        advance=advance,
    )
    _to_device(network)
    return Trained(network, result, score)


def latents_of(model: Multimodal, fold: MaterialFold, recipe: RungRecipe) -> torch.Tensor:
    """Return the latents [c, K, d] of all contents of a fold, in half precision and main memory."""
    every = np.arange(fold.contents, dtype=np.int64)
    return _encoded(model, fold, every, recipe)


@torch.inference_mode()
def logits_of(model: PostModel, fold: MaterialFold, rows: Rows, recipe: RungRecipe) -> Floats:
    """Return the logits of harm [n] of snapshots [n]; each content is read once where the model allows it."""
    if isinstance(model, Multimodal):
        contents, place = np.unique(fold.columns["content"][rows].astype(np.int64), return_inverse=True)
        latents = _encoded(model, fold, contents, recipe)
        device = device_of(model)

        def update(some: Rows) -> torch.Tensor:
            batch = fold.batch(
                rows[some], [name for name in recipe.hears if name in {"behaviour", "context"}]
            )
            z = latents[torch.from_numpy(place[some])].float().to(device)
            return model.updating(z, batch.to(device))  # type: ignore[no-any-return]

        return _in_chunks(model, np.arange(len(rows)), update)
    if isinstance(model, LatentFusion):
        return fused_logits(model, fold, rows, recipe)[:, 0]
    if not {"behaviour", "context"} & set(recipe.hears):
        contents, place = np.unique(fold.columns["content"][rows].astype(np.int64), return_inverse=True)
        found = _by_length(
            model,
            fold,
            contents,
            lambda some: model(
                without_words(fold.content_batch(some, recipe.hears), recipe).to(device_of(model))
            ),
        )
        return found[:, 0].double().numpy()[place]
    return (
        _by_length(
            model,
            fold,
            rows,
            lambda some: model(heard(fold, some, recipe).to(device_of(model))),
            contents=fold.columns["content"][rows],
        )[:, 0]
        .double()
        .numpy()
    )


@torch.inference_mode()
def fused_logits(
    model: LatentFusion,
    fold: MaterialFold,
    rows: Rows,
    recipe: RungRecipe,
    *,
    without: Collection[str] = (),
) -> Floats:
    """Return all logits [n, H] of snapshots [n], each picture looked at once; parts in `without` are not heard."""
    model.eval()
    device = device_of(model)
    hears = [name for name in recipe.hears if name not in without]
    contents, place = np.unique(fold.columns["content"][rows].astype(np.int64), return_inverse=True)
    pictures = latents_of_pictures(model, fold, contents) if "pictures" in hears else None
    found = []
    for at in range(0, len(rows), 4 * _AT_ONCE):
        some = slice(at, at + 4 * _AT_ONCE)
        batch = fold.batch(rows[some], [name for name in hears if name != "pictures"]).to(device)
        seen = None if pictures is None else pictures.take(torch.from_numpy(place[some])).to(device)
        found.append(model.update(seen, batch).double().cpu())
    return torch.cat(found).numpy()


@torch.inference_mode()
def latents_of_pictures(model: LatentFusion, fold: MaterialFold, contents: Rows) -> Vectors | None:
    """Return the latents of the pictures of contents [c]; None for a model that looks at none."""
    if model.image is None:
        return None
    shown = np.flatnonzero(fold.columns["picture"][contents] >= 0)
    values = torch.zeros(len(contents), model.config.picture_width)
    for at in range(0, len(shown), _AT_ONCE):
        some = shown[at : at + _AT_ONCE]
        seen = model.encode(fold.content_batch(contents[some], ["pictures"]).to(device_of(model)))
        if seen is not None:
            values[torch.from_numpy(some)] = seen.values.float().cpu()
    known = torch.zeros(len(contents), dtype=torch.bool)
    known[torch.from_numpy(shown)] = True
    return Vectors(values=values, known=known)


def device_of(model: nn.Module) -> torch.device:
    """Return where a model is."""
    return next(model.parameters()).device


def drawn_rows(fold: MaterialFold, most: int | None = None, *, pictured: bool = False) -> Rows:
    """Return the one snapshot of each post that was drawn evenly; at most so many, harmful ones first of all.

    With `pictured` those of posts without a picture are left out.
    """
    rows = np.flatnonzero(fold.columns["drawn"]).astype(np.int64)
    if pictured:
        rows = rows[shows(fold, rows)]
    if most is None or len(rows) <= most:
        return rows
    bad = fold.harmful()[rows]
    harmless = rows[~bad]
    some = np.linspace(0, len(harmless) - 1, max(1, most - int(bad.sum()))).astype(np.int64)
    return np.sort(np.concatenate([rows[bad], harmless[np.unique(some)]]))


@torch.inference_mode()
def _encoded(model: Multimodal, fold: MaterialFold, contents: Rows, recipe: RungRecipe) -> torch.Tensor:
    parts = [name for name in recipe.hears if name in {"tokens", "pictures"}]
    return _by_length(
        model,
        fold,
        contents,
        lambda some: model.encoder(
            without_words(fold.content_batch(some, parts), recipe).to(device_of(model))
        ),
    ).half()


def _by_length(
    model: nn.Module,
    fold: MaterialFold,
    rows: Rows,
    apply: Callable[[Rows], torch.Tensor],
    *,
    contents: npt.NDArray[np.integer] | None = None,
) -> torch.Tensor:
    """Apply a model to rows [n], those of like length together; return what it gives in their order."""
    length = fold.lengths()[rows if contents is None else contents]
    order = np.argsort(length, kind="stable")
    model.eval()
    with torch.inference_mode():
        found = [
            apply(rows[order[at : at + _AT_ONCE]]).float().cpu() for at in range(0, len(order), _AT_ONCE)
        ]
    together = torch.cat(found)
    back = torch.empty_like(together)
    back[torch.from_numpy(order)] = together
    return back


def _in_chunks(model: nn.Module, rows: Rows, apply: Callable[[Rows], torch.Tensor]) -> Floats:
    model.eval()
    with torch.inference_mode():
        found = [
            apply(rows[at : at + 4 * _AT_ONCE])[:, 0].float().cpu()
            for at in range(0, len(rows), 4 * _AT_ONCE)
        ]
    return torch.cat(found).double().numpy()


def _taught(net: nn.Module, tensors: Tensors, recipe: RungRecipe) -> Mapping[str, torch.Tensor]:
    """Return the parts of the loss of labelled posts, and of unlabelled ones where they stand beside."""
    batch, known = restored({name: one for name, one in tensors.items() if not name.startswith(BESIDE)})
    parts = dict(_parts(net(batch), known, recipe))
    beside = {name.removeprefix(BESIDE): one for name, one in tensors.items() if name.startswith(BESIDE)}
    if beside:
        batch, known = restored(beside)
        soft = _parts(net(batch), known, recipe)
        parts["beside"] = recipe.reports.weight * torch.stack([*soft.values()]).sum()
    return parts


def _told(said: Reported) -> str:
    model = said.model
    return (
        f"Reports teach by {len(said.rows):,} unlabelled posts: a view is answered by a report with "
        f"{model.harmful.mean:.3%} where there is harm and {model.harmless.mean:.3%} where there is none, "
        f"and {model.prevalence:.2%} of such posts harm, as the reports have it."
    )


def _parts(logits: torch.Tensor, known: Supervision, recipe: RungRecipe) -> Mapping[str, torch.Tensor]:
    loss = loss_of(logits, known, recipe.loss)
    settings = recipe.loss
    return {
        "harm": settings.harm * loss.harm,
        "reports": settings.reports * loss.reports,
        "policies": settings.policies * loss.policies,
    }


def _measured(score: Score, fold: MaterialFold, recipe: RungRecipe) -> dict[str, float]:
    rows = drawn_rows(fold, recipe.watched, pictured=recipe.by_pictures)
    y = fold.harmful()[rows]
    prevalence = fold.described.populations["calibrate"].prevalence
    weight = natural_weights(y, prevalence=prevalence)
    return {"pr_auc": average_precision(y, score(fold, rows), weight)}


def _about(recipe: RungRecipe, material: Material, model: nn.Module) -> Sequence[str]:
    learn, side = material.described.populations["learn"], material.described.side
    takes = {tower.side for tower in model.modules() if isinstance(tower, ImageTower)}
    sizes = [
        f"Its pictures, {side} pixels a side, are made {one}; material with `--side {one}` would show more."
        for one in takes - {side}
        if "pictures" in recipe.hears
    ]
    return (
        f"The model {recipe.model} learned from {learn.taken:,} posts, drawn from {learn.posts:,}.",
        f"Of these {learn.taken_harmful:,} are harmful.",
        f"It hears: {', '.join(recipe.hears)}.",
        *sizes,
    )


def _towers_of(recipe: RungRecipe) -> dict[str, str]:
    """Return the hash of the pretrained weights that a recipe begins with, by what it is; nothing without."""
    return {"towers": read_run(Path(recipe.towers)).finished().weights} if recipe.towers else {}


def _digest(latents: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(latents):
        digest.update(latents[name].numpy().tobytes())
    return digest.hexdigest()


def _to_device(model: nn.Module) -> None:
    model.to(torch.accelerator.current_accelerator() or torch.device("cpu"))
