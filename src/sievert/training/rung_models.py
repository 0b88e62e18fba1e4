"""From a recipe and material to a model of the ladder that can begin to learn.

The text encoder begins with its own weights, of which the first layers may stay as they are; the image
encoder likewise, or at random; or both with those of a pretrained run (`first_towers`). Means and spreads of
numbers are measured on the learning fold.

Legend: n posts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from sievert.errors import ConfigurationError
from sievert.models import PostModel, build
from sievert.models.batch import NUMBER_PARTS
from sievert.models.latent_fusion import LATENTS
from sievert.models.numeric import NumberBlock
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, image_tower, text_tower
from sievert.models.update_network import UpdateNetwork
from sievert.training.first_towers import begin_with_towers
from sievert.training.material import Material, MaterialFold
from sievert.training.rung_recipe import ImageSettings, RungRecipe, TextSettings

_EMBEDDINGS = {"embeddings", "embedder"}
"""What encoders of Hugging Face call what comes before their layers."""
_MEASURED = 20_000
"""Rows by which means and spreads are measured, at most."""


def model_of(recipe: RungRecipe, material: Material) -> PostModel:
    """Build the model that a recipe asks for; torch's generator decides how it begins.

    Raises:
        NotFound: there is no such encoder, or no finished run where its towers shall come from.
        ConfigurationError: recipe, material and towers do not fit.
        InvalidField: a number of the material is not finite.
        StoreCorrupt: the run of the towers was altered.
    """
    torch.manual_seed(recipe.seed)
    given = _given(recipe, material) if recipe.model == "latent_fusion" else {}
    config: dict[str, Any] = {
        "policies": material.described.heads[1:],
        "numbers": _widths(recipe, material),
        **recipe.config,
    }
    if recipe.model == "light":
        config["bits"] = material.described.grams.bit_length() - 1
    if recipe.model in {"max_pool", "late_fusion", "multimodal"}:
        config["text"] = text_tower(recipe.text.encoder, layers=recipe.text.layers)
        config["image"] = None if recipe.image is None else image_of(recipe.image, material)
    if recipe.model == "late_fusion" and "tokens" not in recipe.hears:
        config["text"] = None
    config |= given
    if recipe.model == "multimodal" and "pictures" not in recipe.hears:
        config["image"] = None
    model = build(recipe.model, _plain(config))
    if recipe.towers:
        begin_with_towers(model, Path(recipe.towers))
    _measure(model, recipe, material.folds["learn"])
    keep_layers(model, recipe.text.kept, 0 if recipe.image is None else recipe.image.kept)
    return model


def blank_of(recipe: RungRecipe, material: Material) -> PostModel:
    """Build the model of a finished run: its weights are in the run, and where its towers came from may be gone.

    Raises:
        NotFound, ConfigurationError: as `model_of`.
    """
    return model_of(msgspec.structs.replace(recipe, towers=""), material)


def rate_of(text: TextSettings, image: ImageSettings | None = None) -> Callable[[str], float]:
    """Return by how much faster than the recipe's rate a weight of a name learns."""

    def factor(name: str) -> float:
        if image is not None and ".image.encoder." in f".{name}":
            return image.rate
        return text.rate if ".text.encoder." in f".{name}" else 1.0

    return factor


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(one) for name, one in config.items()}


def _widths(recipe: RungRecipe, material: Material) -> dict[str, int]:
    learn = material.folds["learn"].columns
    widths: dict[str, int] = {}
    for name in recipe.hears:
        if name in NUMBER_PARTS:
            if name not in learn:
                raise ConfigurationError(f"The recipe {recipe.name}", [f"the material has no {name}"])
            widths[name] = int(learn[name].shape[1])
    return widths


def _given(recipe: RungRecipe, material: Material) -> dict[str, Any]:
    """Return what latent fusion is told of the bundle whose latents it hears."""
    said, learn = material.described.said, material.folds["learn"].columns
    if said is None or "spoken" not in learn:
        raise ConfigurationError(
            f"The recipe {recipe.name}",
            [
                "the material does not hold what a bundle says of it: gather it with `sievert data material --said`"
            ],
        )
    encodings = LATENTS[:2] if set(LATENTS[:2]) & set(recipe.hears) else ()
    if encodings and encodings[0] not in learn:
        raise ConfigurationError(
            f"The recipe {recipe.name}",
            [
                "the material does not hold a bundle's encodings of texts: gather it with `sievert data material --encodings`"
            ],
        )
    return {
        "speaks": said.heads,
        **({"encoding_width": int(learn[encodings[0]].shape[1])} if encodings else {}),
        "encodings": encodings,
        "image": None
        if recipe.image is None or "pictures" not in recipe.hears
        else image_of(recipe.image, material),
    }


def image_of(settings: ImageSettings, material: Material) -> ImageTowerConfig:
    """Return the image tower that settings ask for; one that begins at random takes the material's pictures."""
    if settings.tower:
        return image_tower(settings.tower, layers=settings.layers)
    return ImageTowerConfig(
        architecture={**(settings.architecture or {}), "image_size": material.described.side}
    )


def _measure(model: nn.Module, recipe: RungRecipe, learn: MaterialFold) -> None:
    """Let every block of numbers measure its means and spreads."""
    numbers = [name for name in recipe.hears if name in NUMBER_PARTS]
    rows = np.arange(0, len(learn), max(1, len(learn) // _MEASURED), dtype=np.int64)
    batch = learn.batch(rows, numbers)
    batch.refuse_unless_sound()
    for module in model.modules():
        if isinstance(module, NumberBlock | UpdateNetwork):
            module.fit(batch)


def keep_layers(model: nn.Module, text: int, image: int = 0) -> None:
    """Let the embeddings and the first layers of a model's encoders stay as they are; 0 lets all learn."""
    for tower in model.modules():
        if isinstance(tower, TextTower | ImageTower):
            _keep(tower.encoder, text if isinstance(tower, TextTower) else image)


def _keep(encoder: nn.Module, kept: int) -> None:
    if kept:
        layers = next(one for one in encoder.modules() if isinstance(one, nn.ModuleList))
        embeddings = [one for name, one in encoder.named_modules() if name.rpartition(".")[2] in _EMBEDDINGS]
        for module in (*layers[:kept], *embeddings):
            module.requires_grad_(requires_grad=False)
