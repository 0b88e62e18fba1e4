"""Every model of the ladder as torch modules behind one interface: a batch of posts becomes logits.

Takes: batches of posts as tensors, with masks that say what is known of each post; a small configuration.
Gives: logits with the names of their columns, content latents, forecasts of views; models as files.
Never: knows HTTP, SQL or policies; trains, draws or decides anything.
"""

from sievert.models.base import PostModel
from sievert.models.registry import MODELS, build
from sievert.models.saving import load_model, save_model

__all__ = ["MODELS", "PostModel", "build", "load_model", "save_model"]
