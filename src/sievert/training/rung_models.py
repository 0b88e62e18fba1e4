"""From a recipe and material to a model of the ladder that can begin to learn.

The text encoder begins with its own weights, of which the first layers may stay as they are; the image
encoder likewise, or at random. Means and spreads of numbers are measured on the learning fold.

Legend: n posts.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from sievert.errors import ConfigurationError
from sievert.models import PostModel, build
from sievert.models.batch import NUMBER_PARTS
from sievert.models.numeric import NumberBlock
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, image_tower, text_tower
from sievert.models.update_network import UpdateNetwork
from sievert.training.material import Material, MaterialFold
from sievert.training.rung_recipe import RungRecipe

_EMBEDDINGS = {"embeddings", "embedder"}
"""What encoders of Hugging Face call what comes before their layers."""
_MEASURED = 20_000
"""Rows by which means and spreads are measured, at most."""


def model_of(recipe: RungRecipe, material: Material) -> PostModel:
    """Build the model that a recipe asks for; torch's generator decides how it begins.

    Raises:
        NotFound: there is no such encoder.
        ConfigurationError: recipe and material do not fit.
    """
    torch.manual_seed(recipe.seed)
    config: dict[str, Any] = {
        "policies": material.described.heads[1:],
        "numbers": _widths(recipe, material),
        **recipe.config,
    }
    if recipe.model == "light":
        config["bits"] = material.described.grams.bit_length() - 1
    if recipe.model in {"max_pool", "late_fusion", "multimodal"}:
        config["text"] = text_tower(recipe.text.encoder, layers=recipe.text.layers)
        config["image"] = _image(recipe, material)
    if recipe.model == "multimodal" and "pictures" not in recipe.hears:
        config["image"] = None
    model = build(recipe.model, _plain(config))
    _measure(model, recipe, material.folds["learn"])
    for tower in model.modules():
        if isinstance(tower, TextTower):
            _keep_layers(tower.encoder, recipe.text.kept)
        elif isinstance(tower, ImageTower) and recipe.image is not None:
            _keep_layers(tower.encoder, recipe.image.kept)
    return model


def rate_of(recipe: RungRecipe) -> Callable[[str], float]:
    """Return by how much faster than the recipe's rate a weight of a name learns."""

    def factor(name: str) -> float:
        if recipe.image is not None and ".image.encoder." in f".{name}":
            return recipe.image.rate
        return recipe.text.rate if ".text.encoder." in f".{name}" else 1.0

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


def _image(recipe: RungRecipe, material: Material) -> ImageTowerConfig | None:
    if recipe.image is None:
        return None
    if recipe.image.tower:
        return image_tower(recipe.image.tower, layers=recipe.image.layers)
    return ImageTowerConfig(
        architecture={**(recipe.image.architecture or {}), "image_size": material.described.side}
    )


def _measure(model: nn.Module, recipe: RungRecipe, learn: MaterialFold) -> None:
    """Let every block of numbers measure its means and spreads."""
    numbers = [name for name in recipe.hears if name in NUMBER_PARTS]
    rows = np.arange(0, len(learn), max(1, len(learn) // _MEASURED), dtype=np.int64)
    batch = learn.batch(rows, numbers)
    for module in model.modules():
        if isinstance(module, NumberBlock | UpdateNetwork):
            module.fit(batch)


def _keep_layers(encoder: nn.Module, kept: int) -> None:
    """Let the embeddings and the first layers of an encoder stay as they are; 0 lets all learn."""
    if kept:
        layers = next(one for one in encoder.modules() if isinstance(one, nn.ModuleList))
        embeddings = [one for name, one in encoder.named_modules() if name.rpartition(".")[2] in _EMBEDDINGS]
        for module in (*layers[:kept], *embeddings):
            module.requires_grad_(requires_grad=False)
