"""Every model of the ladder as torch modules behind one interface: a batch of posts becomes logits.

Takes: batches of posts or creators as tensors, with masks that say what is known of each post; a small configuration.
Gives: logits with the names of their columns, content latents, forecasts of views; models as files.
Never: knows HTTP, SQL or policies; trains, draws or decides anything.
"""

from sievert.models.base import PostModel
from sievert.models.creators import CreatorModel
from sievert.models.registry import CREATOR_MODELS, MODELS, build, build_of_creators
from sievert.models.saving import load_model, load_model_of_creators, save_model

__all__ = [
    "CREATOR_MODELS",
    "MODELS",
    "CreatorModel",
    "PostModel",
    "build",
    "build_of_creators",
    "load_model",
    "load_model_of_creators",
    "save_model",
]
