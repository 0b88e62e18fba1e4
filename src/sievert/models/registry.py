"""Every model by name, so that recipes, files and tests find all of them.

A new model is an entry here; `tests/models/test_registry.py`, for those of creators `test_creator_models.py`,
then asks everything of it that it asks of the others, and counts the entries.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from sievert.errors import ConfigurationError, NotFound
from sievert.models.base import ModelConfig, PostModel
from sievert.models.creators import CreatorModel
from sievert.models.forecaster import ForecasterConfig, LogLinearConfig, LogLinearViews, ViewForecaster
from sievert.models.gcn import Gcn, GcnConfig
from sievert.models.graphsage import GraphSage, GraphSageConfig
from sievert.models.id_embedding import IdEmbedding, IdEmbeddingConfig
from sievert.models.late_fusion import LateFusion, LateFusionConfig
from sievert.models.latent_fusion import LatentFusion, LatentFusionConfig
from sievert.models.light import Light, LightConfig
from sievert.models.logistic import Logistic, LogisticConfig
from sievert.models.max_pool import MaxPool, MaxPoolConfig
from sievert.models.multimodal import Multimodal, MultimodalConfig

M = TypeVar("M", PostModel, CreatorModel)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """A model: its configuration, and what builds it."""

    config: type[ModelConfig]
    model: Callable[[Any], M]


MODELS: Mapping[str, Entry[PostModel]] = {
    "logistic": Entry(LogisticConfig, Logistic),
    "max_pool": Entry(MaxPoolConfig, MaxPool),
    "late_fusion": Entry(LateFusionConfig, LateFusion),
    "multimodal": Entry(MultimodalConfig, Multimodal),
    "latent_fusion": Entry(LatentFusionConfig, LatentFusion),
    "light": Entry(LightConfig, Light),
    "log_linear_views": Entry(LogLinearConfig, LogLinearViews),
    "view_forecaster": Entry(ForecasterConfig, ViewForecaster),
}
"""The models of posts, in the order of the ladder: those that score, then those that forecast views."""

CREATOR_MODELS: Mapping[str, Entry[CreatorModel]] = {
    "id_embedding": Entry(IdEmbeddingConfig, IdEmbedding),
    "gcn": Entry(GcnConfig, Gcn),
    "graphsage": Entry(GraphSageConfig, GraphSage),
}
"""The models of creators."""


def build(name: str, config: ModelConfig | Mapping[str, Any]) -> PostModel:
    """Build a model of posts by its configuration, or by what a recipe or a file says of one.

    Weights that the configuration does not name begin at random, as torch's generator has it.

    Raises:
        NotFound: there is no such model, or no weights where the configuration says.
        ConfigurationError: the configuration is not one of this model, or contradicts itself.
    """
    return _built(name, config, MODELS)


def build_of_creators(name: str, config: ModelConfig | Mapping[str, Any]) -> CreatorModel:
    """Build a model of creators; as `build`.

    Raises:
        NotFound, ConfigurationError: as `build`.
    """
    return _built(name, config, CREATOR_MODELS)


def name_of(model: PostModel | CreatorModel) -> str:
    """Return the name under which a model is registered."""
    entries: dict[str, Entry[Any]] = {**MODELS, **CREATOR_MODELS}
    return next(name for name, entry in entries.items() if entry.model is type(model))


def _built(name: str, config: ModelConfig | Mapping[str, Any], among: Mapping[str, Entry[M]]) -> M:
    if name not in among:
        raise NotFound(f"There is no model {name!r}.", remedy=f"Take one of {', '.join(among)}.")
    entry = among[name]
    try:
        read = msgspec.convert(
            msgspec.to_builtins(config) if isinstance(config, ModelConfig) else config, entry.config
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The configuration of {name}", [str(error)]) from error
    return entry.model(read)
