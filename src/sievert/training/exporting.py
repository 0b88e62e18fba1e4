"""A heavy run joins the bundle that it learned for, with a card that says what it rests on and how well it does.

Nothing is written unless ONNX Runtime says what torch says, and the bundle as written can be loaded again.
"""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from sievert.calibration.fitting import prior_correction
from sievert.calibration.sample import log_odds
from sievert.errors import InvalidField
from sievert.features.behaviour.rows import BehaviourSpec
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.models.latent_fusion import LATENTS
from sievert.schema.bundle import Manifest
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import pretty, read_verified, verify, with_files
from sievert.scoring.fusion import FUSION_FILES, FusionSpec
from sievert.scoring.picture_model import PICTURE_FILES, LightImage, PictureSpec
from sievert.training.fusion_card import CARD, fusion_card
from sievert.training.fusion_graphs import Graphs, graphs_of
from sievert.training.fusion_report import FusionReport, report_on
from sievert.training.heavy_calibrators import RunCalibrators
from sievert.training.heavy_run import PEOPLE, HeavyRun, refuse_unless_said_by
from sievert.training.light_image import LightImageRun

Advance = Callable[[str, int, int], None]

REPORT = "fusion_report.json"
_FUSED = (*FUSION_FILES, *PICTURE_FILES, CARD, REPORT)
"""What a bundle that fused before loses: its picture model would be refused beside a fusion model that hears none."""
NEEDED = ("spoken", *LATENTS[:2], *PEOPLE)
"""What a bundle's fusion model is given. Pictures may be left out; encodings, or people, only together."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A bundle with a fusion model."""

    version: str
    report: FusionReport


def export_run(
    run: HeavyRun,
    calibrators: RunCalibrators,
    light: LightImageRun | None,
    *,
    bundle: Path,
    out: Path,
    advance: Advance,
) -> Exported:
    """Write the bundle anew with the run's fusion model, and its picture model if it looks at pictures.

    Where the same bundle stands already, it is left as it is: what it cost was measured once.

    Raises:
        ConfigurationError: the run learned for another bundle.
        BundleError: the bundle is damaged, or of another release.
        InvalidField: the run does not hear what a bundle gives, or its light image model is missing.
        TrainingStopped: ONNX Runtime says something else than torch.
    """
    manifest = refuse_unless_said_by(run.material.described, bundle)
    _refuse_deaf(run)
    if run.looks and light is None:
        raise InvalidField(
            "The run looks at pictures, and has no light image model beside it.",
            remedy="Train it with `sievert train distil`.",
            field="run",
        )
    graphs = graphs_of(run, tuple(calibrators.heads))
    advance("graphs", 1, 1)
    files = files_of(run, calibrators, light, graphs, manifest)
    kept = {name: one.sha256 for name, one in manifest.files.items() if name not in _FUSED}
    if (standing := _standing(out, kept, files)) is not None:
        return standing
    with tempfile.TemporaryDirectory() as scratch:
        with_files(bundle, Path(scratch) / "bundle", files, without=_FUSED)
        report = report_on(run, calibrators, load_bundle(Path(scratch) / "bundle"))
    advance("measure", 1, 1)
    card = fusion_card(run, report, manifest, calibrators=calibrators, light=light, graphs=graphs)
    documents = {CARD: card.encode(), REPORT: pretty(report)}
    return Exported(version=with_files(bundle, out, {**files, **documents}, without=_FUSED), report=report)


def files_of(
    run: HeavyRun,
    calibrators: RunCalibrators,
    light: LightImageRun | None,
    graphs: Graphs,
    manifest: Manifest,
) -> Mapping[str, bytes]:
    """Return the files that join a bundle, at the prevalence that the bundle states of each head."""
    config = run.model.config
    states = {head.name: head.prevalence for head in manifest.heads}
    maps = {head: {"x": [-1.0, 1.0], "y": [-1.0, 1.0]} for head in calibrators.passed}
    for head, one in calibrators.heads.items():
        there = one.map if run.keeps_texts else one.at(states[head])
        maps[head] = {"x": there.x.tolist(), "y": there.y.tolist()}
    spec = FusionSpec(
        behaviour=msgspec.convert(run.material.described.behaviour, BehaviourSpec)
        if run.hears_people
        else None,
        text_width=config.encoding_width if config.encodings else 0,
        picture_width=config.picture_width if run.looks else 0,
        calibrators=maps,
        text_alone=config.text_alone,
    )
    files = dict(zip(FUSION_FILES, (pretty(spec), graphs.fusion), strict=True))
    if graphs.picture is not None and light is not None:
        looks = PictureSpec(
            side=run.material.described.side,
            width=config.picture_width,
            light=_light_of(run, light, calibrators, states),
        )
        files |= dict(zip(PICTURE_FILES, (pretty(looks), graphs.picture), strict=True))
    return files


def _light_of(
    run: HeavyRun, light: LightImageRun, calibrators: RunCalibrators, states: Mapping[str, float]
) -> LightImage:
    """Return the light image model for all heads; of one that is passed through it knows the prevalence alone."""
    weights = {head: [0.0] * len(THUMBNAIL_FEATURES) for head in states}
    bias = {head: log_odds(share) for head, share in states.items()}
    for at, head in enumerate(light.heads):
        was = states[head] if run.keeps_texts else calibrators.heads[head].prevalence
        by = prior_correction(to=states[head], was=was)
        weights[head], bias[head] = light.weights[at].tolist(), float(light.bias[at]) + by
    return LightImage(weights=weights, bias=bias)


def _standing(out: Path, kept: Mapping[str, str], files: Mapping[str, bytes]) -> Exported | None:
    """Return the bundle in a folder if it holds these files, and the kept ones by their hashes."""
    if not (out / "manifest.json").is_file():
        return None
    version, manifest = verify(out)
    wanted = {
        **kept,
        **{name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    if wanted != {name: one.sha256 for name, one in manifest.files.items() if name not in {CARD, REPORT}}:
        return None
    report = msgspec.json.decode(read_verified(out, REPORT, manifest.files[REPORT]), type=FusionReport)
    return Exported(version=version, report=report)


def _refuse_deaf(run: HeavyRun) -> None:
    needed = [
        name
        for name in NEEDED
        if (run.model.config.encodings or name not in LATENTS) and (run.hears_people or name not in PEOPLE)
    ]
    if lacking := [name for name in needed if name not in run.recipe.hears]:
        raise InvalidField(
            f"The run does not hear {', '.join(lacking)}, which a bundle gives its fusion model.",
            remedy="Train a run that hears them; `dropout` and `forget` let it do without.",
            field="hears",
        )
