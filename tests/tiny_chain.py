"""Material that a bundle in miniature was asked about, and a fusion model that learned from it."""

from sievert.training.recipes import read_recipe, recipe_file
from sievert.training.rung_recipe import RungRecipe
from tiny_fusion import write_fused
from tiny_material import encoder_of, gathered, tiny_world

IMAGE = "image={architecture: {model_type: resnet, embedding_size: 8, hidden_sizes: [8], depths: [1], layer_type: basic}}"
SMALL = (
    "hears=[spoken, text_encoding, words_encoding, pictures, behaviour, context]",
    "config={picture_width: 6, update_width: 16, update_heads: 2, update_layers: 1}",
    IMAGE,
    "learning.epochs=2",
    "batch=32",
    "watched=80",
)


def said_material(folder):
    """Gather a tiny world's material, said by a tiny bundle; return both folders."""
    bundle = write_fused(folder)
    world = tiny_world(folder / "history", creators=800, harm_of_toxic=0.25)
    more = {"learn": 240, "harmless_to_calibrate": 200}
    gathered(world, folder / "material", bundle, encoder_of(folder / "encoder"), said=True, **more)
    return folder / "material", folder / "fused"


def small_recipe(*overrides):
    """The recipe of the fusion model, in miniature."""
    told = {one.partition("=")[0] for one in overrides}
    small = [one for one in SMALL if one.partition("=")[0] not in told]
    return read_recipe(RungRecipe, recipe_file("heavy"), (*small, *overrides))


def quiet(*_):
    """Hear of progress, and say nothing."""
