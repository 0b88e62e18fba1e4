"""A trained multimodal model is rounded to bytes: right after training, and then in training.

1 the model of a run, exported as it is   2 ranges, seen on posts of the learning fold; rounded from here on
3 exported (PTQ)   4 on with learning, by `loop`, in a run folder of its own (QAT)   5 exported
6 all three side by side, in the run's card and as JSON

    RUN2/VARIANT/LANE.onnx, RUN2/VARIANT/update.onnx    variant: exact, after, quantised
    RUN2/quantised.json                                     the table of `quantised_table`

The encoder is rounded: both towers and what joins them. The update network stays in floats, since it costs
little, and goes on learning with the rest. A run that is killed goes on; graphs are then made again, to the
same bits. What stands in floats in a graph of bytes is told in `rounded`; `rounded.rounded` does the same to
any other module.

Not covered: late fusion and max-pooling, which have no graphs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file

from sievert.errors import ConfigurationError, StoreCorrupt
from sievert.models import PostModel
from sievert.models.batch import PostBatch
from sievert.models.multimodal import Multimodal
from sievert.scoring.bundle_files import pretty
from sievert.stores.durable import write_durably
from sievert.training.export_models import export_update
from sievert.training.graph_model import UPDATE, encoder_graphs
from sievert.training.material import Material, MaterialFold
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.quantised_table import VARIANTS, QuantisedTable, table_lines, table_of
from sievert.training.rounded import RoundedLayer, rounded
from sievert.training.run_folder import CARD, WEIGHTS, read_run
from sievert.training.rung import Advance, Trained, drawn_rows, teach
from sievert.training.rung_batches import heard, posts_of
from sievert.training.rung_models import blank_of, rate_of
from sievert.training.rung_recipe import RungRecipe

TABLE = "quantised.json"
_AT_ONCE = 64
_LONGEST = 512
"""Tokens that a graph takes at most, where the encoder takes as many."""


def quantise_run(
    run: Path, material: Material, recipe: QuantiseRecipe, folder: Path, *, advance: Advance
) -> tuple[Trained, QuantisedTable]:
    """Round the model of a run; write its graphs and the table into a run folder, and return both.

    Raises:
        NotFound: there is no finished run.
        ConfigurationError: it is not one of the multimodal model, or it learned from other material.
        StoreCorrupt, TrainingStopped: see `loop.fit`; or the table that stands in the folder cannot be read.
    """
    model, rung, digest = trained_model(run, material)
    longest = min(_LONGEST, _positions(model))
    known = _table_in(folder)
    graphs: dict[str, dict[str, bytes]] = {}

    def export(name: str, **others: bytes) -> None:
        if known is None:
            advance("export", len(graphs), len(VARIANTS))
            graphs[name] = others | encoder_graphs(model, longest=longest)
            advance("export", len(graphs), len(VARIANTS))

    update = {} if known else {UPDATE: export_update(model)}
    export("exact", **update)
    rounded(model.encoder, _shown(material.folds["learn"], recipe.observed, rung))
    export("after", **update)  # with the same update network
    trained = learn_rounded(
        model, rung, recipe, material, folder, digest=digest, about=_about(run, model), advance=advance
    )
    if known is not None:
        return trained, known
    export("quantised", update=export_update(model))
    for name, parts in graphs.items():
        (folder / name).mkdir(exist_ok=True)
        for part, graph in parts.items():
            write_durably(folder / name / f"{part}.onnx", graph)
    fold = material.folds["calibrate"]
    table = table_of(graphs, rung, fold, drawn_rows(fold, recipe.watched), advance=advance)
    told = table_lines(table)
    card = (folder / CARD).read_text().partition(f"\n{told[0]}\n")[0]
    write_durably(folder / CARD, "\n".join([card, *told]).encode())
    write_durably(folder / TABLE, pretty(table))
    return trained, table


def _table_in(folder: Path) -> QuantisedTable | None:
    """Return the table of a folder in which all is done; it is written last.

    Raises:
        StoreCorrupt: it cannot be read.
    """
    if not (folder / TABLE).is_file():
        return None
    try:
        return msgspec.json.decode((folder / TABLE).read_bytes(), type=QuantisedTable)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"{folder / TABLE} cannot be read: {error}.", remedy="Delete it, and it is measured anew."
        ) from error


def _shown(learn: MaterialFold, posts: int, rung: RungRecipe) -> list[PostBatch]:
    """Return one snapshot of each of so many posts, in batches."""
    order, starts = posts_of(learn, msgspec.structs.replace(rung, posts=posts, harmful_times=1))
    rows = order[starts[:-1]]
    return [heard(learn, some, rung) for some in np.array_split(rows, -(-len(rows) // _AT_ONCE))]


def trained_model(run: Path, material: Material) -> tuple[Multimodal, RungRecipe, str]:
    """Return the model of a finished run, the recipe that it learned by, and the hash of its weights.

    Raises:
        NotFound: there is no such run, it is not finished, or its encoders' folders are not there.
        ConfigurationError: it is not one of the multimodal model, or it learned from other material.
    """
    found = read_run(run)
    digest = found.finished().weights
    problems = []
    if found.config.recipe.get("model") != "multimodal":
        problems.append(
            f"it is one of {found.config.recipe.get('model', found.config.kind)}, not of multimodal"
        )
    elif not material.digest().items() <= found.config.data.items():
        problems.append(f"it learned from other material than that in {material.folder}")
    if problems:
        raise ConfigurationError(f"The run {run}", problems)
    recipe = msgspec.convert(found.config.recipe, RungRecipe)
    if "tokens" not in recipe.hears:
        raise ConfigurationError(f"The run {run}", ["it hears no tokens: its encoder has no lane of text"])
    model = blank_of(recipe, material)
    if not isinstance(model, Multimodal):
        raise TypeError("a recipe of the multimodal model gave another one")
    model.load_state_dict(load_file(run / WEIGHTS))
    return model.eval(), recipe, digest


def learn_rounded(
    model: PostModel,
    rung: RungRecipe,
    recipe: QuantiseRecipe,
    material: Material,
    folder: Path,
    *,
    digest: str,
    about: Sequence[str],
    advance: Advance,
) -> Trained:
    """Let a model that rounds go on with learning what its rung says, in a run folder, as the recipe says.

    `digest` names the weights that it came with.

    Raises:
        ConfigurationError, TrainingStopped, StoreCorrupt: see `loop.fit`.
    """
    return teach(
        model,
        msgspec.structs.replace(
            rung, seed=recipe.seed, batch=recipe.batch, posts=recipe.posts, watched=recipe.watched
        ),
        material,
        folder,
        data={**material.digest(), "run": digest},
        about=about,
        advance=advance,
        by=recipe,
        factor_of=_rounding_rates(rung, recipe),
    )


def _rounding_rates(rung: RungRecipe, recipe: QuantiseRecipe) -> Callable[[str], float]:
    """Return by how much faster than the rate a weight learns: as in the run, and ranges faster."""
    as_before = rate_of(rung.text, rung.image)

    def factor(name: str) -> float:
        ranges = name.endswith((".low", ".high"))
        return as_before(name) * (recipe.ranges if ranges else 1.0)

    return factor


def _positions(model: Multimodal) -> int:
    """Return how many tokens the text encoder takes at most, by its table of positions, if it has one."""
    return int(getattr(model.encoder.text.encoder.config, "max_position_embeddings", _LONGEST))


def _about(run: Path, model: torch.nn.Module) -> tuple[str, ...]:
    layers = sum(isinstance(one, RoundedLayer) for one in model.modules())
    return (
        f"The encoder of the run {run.resolve().name} rounds to bytes, with static scales, and learned on so.",
        f"So do {layers:,} layers; the update network is in floats.",
    )
