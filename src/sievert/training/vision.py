"""Any Hugging Face vision model becomes a picture encoder of a bundle; loaded from a folder, without its code."""

from sievert.errors import ConfigurationError
from sievert.models.towers import ImageTower, image_tower
from sievert.scoring.bundle_files import MOST_BYTES
from sievert.scoring.picture_encoder import EncoderSpec, PictureEncoder
from sievert.training.export_models import export_image_tower


def encoder_of(name: str) -> PictureEncoder:
    """Return the vision model in a folder, or in an installed package, as a picture encoder.

    Raises:
        NotFound: there is none, or it has no weights.
        ConfigurationError: it takes pictures of a size that is not looked at, or is larger than a bundle's file.
    """
    tower = ImageTower(image_tower(name))
    graph = export_image_tower(tower)
    if len(graph) > MOST_BYTES:
        raise ConfigurationError(
            f"The vision model at {name}",
            [
                f"it has {len(graph) >> 20:,} MiB, a bundle's file may have {MOST_BYTES >> 20}: take a smaller model"
            ],
        )
    try:
        return PictureEncoder.of_graph(EncoderSpec(side=tower.side, width=tower.width), graph)
    except ValueError as error:
        raise ConfigurationError(f"The vision model at {name}", [str(error)]) from error
