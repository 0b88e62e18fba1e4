"""A finished run of `heavy`, read back: the model that it came to, for those who calibrate, distil and export it."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.torch import load_file

from sievert.errors import ConfigurationError, InvalidField
from sievert.models.latent_fusion import LatentFusion
from sievert.schema.bundle import Manifest
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle_files import read_manifest
from sievert.training.heavy_rounding import Rounding, begin_rounding, read_rounding
from sievert.training.material import Described, Material, MaterialFold, SaidBy
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.run_folder import WEIGHTS, ReadRun, RunResult, read_run
from sievert.training.rung import fused_logits
from sievert.training.rung_models import blank_of
from sievert.training.rung_recipe import RungRecipe
from sievert.training.said import said_by

PEOPLE = ("behaviour", "context")
"""What people did with a post, and what is known of its creator."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeavyRun:
    """A latent-fusion model with the run and the material that it comes from."""

    folder: Path
    model: LatentFusion
    recipe: RungRecipe
    result: RunResult
    parameters: int
    material: Material
    said: SaidBy
    rounding: Rounding | None = None  # what rounding its image tower came to, if that was tried

    @property
    def heads(self) -> tuple[str, ...]:
        """Return the heads that learned, harm first: those of the bundle that the material has labels for."""
        learned = (HARM, *self.material.described.heads[1:])
        return tuple(head for head in learned if head in self.said.heads)

    @property
    def looks(self) -> bool:
        """Say if the model looks at pictures."""
        return self.model.image is not None

    @property
    def hears_people(self) -> bool:
        """Say if the model hears what people do with a post, or of its creator."""
        return any(name in self.model.config.numbers for name in PEOPLE)

    @property
    def keeps_texts(self) -> bool:
        """Say if texts are left to the cascade: then all else is evidence beside what it says."""
        return self.model.config.text_alone == "kept"

    def logits(self, fold: MaterialFold, rows: Rows, *, without: Collection[str] = ()) -> Floats:
        """Return the logits [n, H'] of `heads` for snapshots [n]; parts in `without` are not heard."""
        found = fused_logits(self.model, fold, rows, self.recipe, without=without)
        return found[:, [self.model.columns.index(head) for head in self.heads]]


def read_heavy(folder: Path, material: Material) -> HeavyRun:
    """Read a finished run of latent fusion on this material.

    Raises:
        NotFound: there is no run, or it is not finished.
        InvalidField: it is a run of another model.
        ConfigurationError: it learned from other material; lists what differs.
        StoreCorrupt: a file of it was altered, or is torn.
    """
    read = read_run(folder)
    result = read.finished()
    rounding = read_rounding(folder)
    if rounding is not None and rounding.kept == "floats":
        raise InvalidField(
            f"The run in {folder} rounds, and loses more by that than noise: floats are kept.",
            remedy="Name the run that it began with.",
            field="run",
        )
    recipe = _recipe_of(folder, read.config.recipe if rounding is None else rounding.rung)
    _refuse_stranger(folder, read, material)
    model = blank_of(recipe, material)
    said = material.described.said
    if not isinstance(model, LatentFusion) or said is None:
        raise AssertionError("A recipe of latent fusion built something else.")
    if rounding is not None:
        begin_rounding(model, material, msgspec.convert(read.config.recipe, QuantiseRecipe))
    model.load_state_dict(load_file(folder / WEIGHTS))
    return HeavyRun(
        folder=folder,
        model=model.eval(),
        recipe=recipe,
        result=result,
        parameters=read.config.parameters,
        material=material,
        said=said,
        rounding=rounding,
    )


def refuse_unless_said_by(described: Described, bundle: Path) -> Manifest:
    """Make sure that material holds what the bundle in a folder says; return the bundle's manifest.

    Raises:
        BundleError: there is no readable bundle.
        ConfigurationError: the material was said by another bundle, or by none.
    """
    version, manifest = read_manifest(bundle)
    now = said_by(version, manifest)
    said = described.said
    if said is None:
        raise ConfigurationError(
            "The material",
            ["no bundle was asked what it says of it: gather it with `sievert data material --said`"],
        )
    if (said.parts, said.heads) != (now.parts, now.heads):
        raise ConfigurationError(
            f"The material was said by the bundle {said.bundle}, and shall go into {version}",
            [
                "their text models differ: gather the material with --bundle, or name the bundle that it was said by"
            ],
        )
    return manifest


def _recipe_of(folder: Path, told: dict[str, Any]) -> RungRecipe:
    if told.get("model") != "latent_fusion":
        raise InvalidField(
            f"The run in {folder} is one of {told.get('model') or told['name']}, not of latent fusion.",
            remedy="Name a run folder of `sievert train heavy`.",
            field="run",
        )
    return msgspec.convert(told, RungRecipe)


def _refuse_stranger(folder: Path, read: ReadRun, material: Material) -> None:
    now = material.digest()
    differ = [f"{name} differs" for name in sorted(now) if now[name] != read.config.data.get(name)]
    if differ:
        raise ConfigurationError(
            f"The run in {folder} learned from other material than {material.folder}", differ
        )
