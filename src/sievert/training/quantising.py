"""A trained multimodal model is rounded to bytes: right after training, and then in training.

1 the model of a run, exported as it is   2 ranges, seen on posts of the learning fold; rounded from here on
3 exported (PTQ)   4 on with learning, by `loop`, in a run folder of its own (QAT)   5 exported
6 all three side by side, in the run's card and as JSON

    RUN2/PRECISION/LANE.onnx, RUN2/PRECISION/update.onnx    precision: exact, after, quantised
    RUN2/quantised.json                                     the table of `quantised_table`

The encoder is rounded: both towers and what joins them. The update network stays in floats, since it costs
little, and goes on learning with the rest. A run that is killed goes on; what stands in floats in a graph
of bytes is told in `rounded`. `rounded.rounded` does the same to any other module.

Not covered: late fusion and max-pooling, which have no graphs.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file

from sievert.errors import ConfigurationError
from sievert.models.multimodal import Multimodal
from sievert.stores.durable import write_durably
from sievert.training.graph_model import graphs_of
from sievert.training.material import Material
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.quantised_table import QuantisedTable, table_lines, table_of
from sievert.training.rounded import RoundedLayer, rounded
from sievert.training.run_folder import CARD, WEIGHTS, read_run
from sievert.training.rung import Advance, Trained, drawn_rows, teach
from sievert.training.rung_batches import heard, posts_of
from sievert.training.rung_models import model_of, rate_of
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
        StoreCorrupt, TrainingStopped: see `loop.fit`.
    """
    model, rung, digest = trained_model(run, material)
    longest = min(_LONGEST, _positions(model))
    graphs: dict[str, dict[str, bytes]] = {}

    def export(name: str) -> None:
        advance("export", len(graphs), 3)
        graphs[name] = graphs_of(model, longest=longest)
        advance("export", len(graphs), 3)

    export("exact")
    learn = material.folds["learn"]
    order, starts = posts_of(learn, recipe.observed, recipe.seed)
    rows = order[starts[:-1]]
    rounded(
        model.encoder, [heard(learn, some, rung) for some in np.array_split(rows, -(-len(rows) // _AT_ONCE))]
    )
    export("after")
    changed = msgspec.structs.replace(
        rung, seed=recipe.seed, batch=recipe.batch, posts=recipe.posts, watched=recipe.watched
    )
    trained = teach(
        model,
        changed,
        material,
        folder,
        data={**material.digest(), "run": digest},
        about=_about(run, model),
        advance=advance,
        by=recipe,
        factor_of=rounding_rates(rung, recipe),
    )
    export("quantised")
    for name, parts in graphs.items():
        (folder / name).mkdir(exist_ok=True)
        for part, graph in parts.items():
            write_durably(folder / name / f"{part}.onnx", graph)
    fold = material.folds["calibrate"]
    advance("measure", 0, 1)
    table = table_of(graphs, rung, fold, drawn_rows(fold, recipe.watched))
    advance("measure", 1, 1)
    write_durably(folder / TABLE, msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
    told = table_lines(table)
    card = (folder / CARD).read_text().partition(f"\n{told[0]}\n")[0]
    write_durably(folder / CARD, "\n".join([card, *told]).encode())
    return trained, table


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
    # Its weights are in the run: where the towers came from may be gone.
    model = model_of(msgspec.structs.replace(recipe, towers=""), material)
    if not isinstance(model, Multimodal):
        raise TypeError("a recipe of the multimodal model gave another one")
    model.load_state_dict(load_file(run / WEIGHTS))
    return model.eval(), recipe, digest


def rounding_rates(rung: RungRecipe, recipe: QuantiseRecipe) -> Callable[[str], float]:
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
