"""What fusing costs: a post's fusion, by how many of them share a run, and a picture's vector.

    python benchmarks/fusion.py --out benchmarks/results/fusion.json

The graphs are made by hand, of random weights and of the sizes that serve: a transformer of two layers, 128
wide, over six tokens (CLS, text, words, picture, behaviour, creator), and an image transformer of six layers,
192 wide, over 36 patches of 16 pixels. Costs are process CPU time (core-microseconds) on one thread. Beside
each number of rows a run stands whether any score hangs on who comes with it, to the bit.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sievert.features.behaviour.rows import CREATORS, DEFINITIONS, FEATURES, OWN, BehaviourSpec
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.scoring import fusion as serving
from sievert.scoring.fusion import FusionModel, FusionSpec, Latents
from sievert.scoring.picture_model import LightImage, PictureModel, PictureSpec

HEADS = ("harm", "hate", "harassment", "threat", "spam")
TEXT, PICTURE, WIDTH, LAYERS, SIDE = 384, 128, 128, 2, 96
ROUNDS = 40


class Graph:
    """Writes a graph node by node; names are numbers."""

    def __init__(self, seed):
        self.nodes, self.weights, self.rng = [], [], np.random.default_rng(seed)

    def node(self, kind, *inputs, **more):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **more))
        return name

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def linear(self, x, inputs, outputs):
        weights = self.rng.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, outputs).astype(np.float32)
        return self.node("Add", self.node("MatMul", x, self.constant(weights)), self.constant(bias))

    def norm(self, x, width):
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        return self.node("LayerNormalization", x, self.constant(ones), self.constant(zeros), axis=-1)

    def gelu(self, x):
        half = self.node("Div", x, self.constant(np.float32(2**0.5)))
        half = self.node("Add", self.node("Erf", half), self.constant(np.float32(1)))
        return self.node("Mul", self.node("Mul", x, half), self.constant(np.float32(0.5)))

    def block(self, asked, x, width, heads, mask=None):
        """One layer of attention: `asked` [n, Q, w] looks at x [n, S, w]; mask [n, 1, 1, S] is added."""
        apart = self.constant(np.array([0, 0, heads, width // heads], np.int64))
        q, k, v = (
            self.node(
                "Transpose",
                self.node("Reshape", self.linear(self.norm(one, width), width, width), apart),
                perm=perm,
            )
            for one, perm in ((asked, [0, 2, 1, 3]), (x, [0, 2, 3, 1]), (x, [0, 2, 1, 3]))
        )
        said = self.node(
            "Mul", self.node("MatMul", q, k), self.constant(np.float32((width // heads) ** -0.5))
        )
        if mask is not None:
            said = self.node("Add", said, mask)
        said = self.node(
            "Transpose", self.node("MatMul", self.node("Softmax", said, axis=-1), v), perm=[0, 2, 1, 3]
        )
        said = self.node("Reshape", said, self.constant(np.array([0, 0, width], np.int64)))
        asked = self.node("Add", asked, self.linear(said, width, width))
        inner = self.gelu(self.linear(self.norm(asked, width), width, 4 * width))
        return self.node("Add", asked, self.linear(inner, 4 * width, width))

    def bytes(self, inputs, output, result):
        self.nodes.append(helper.make_node("Identity", [result], [output[0]]))
        graph = helper.make_graph(
            self.nodes,
            "made",
            [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
            [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return model.SerializeToString()


def fusion_graph():
    graph, inputs = Graph(1), [("content", TensorProto.FLOAT, ["posts", len(HEADS)])]
    one = graph.constant(np.array([1], np.int64))
    tokens, known = [], []
    for name, width in (("text", TEXT), ("words", TEXT), ("picture", PICTURE)):
        inputs += [
            (name, TensorProto.FLOAT, ["posts", width]),
            (f"{name}_known", TensorProto.BOOL, ["posts"]),
        ]
        tokens.append(graph.node("Unsqueeze", graph.linear(graph.norm(name, width), width, WIDTH), one))
        known.append(graph.node("Unsqueeze", graph.node("Cast", f"{name}_known", to=TensorProto.FLOAT), one))
    for name, width in (("behaviour", len(OWN)), ("context", len(CREATORS))):
        inputs += [
            (name, TensorProto.FLOAT, ["posts", width]),
            (f"{name}_known", TensorProto.BOOL, ["posts", width]),
        ]
        flags = graph.node("Cast", f"{name}_known", to=TensorProto.FLOAT)
        numbers = graph.node("Concat", graph.node("Mul", name, flags), flags, axis=1)
        hidden = graph.gelu(graph.linear(numbers, 2 * width, WIDTH))
        tokens.append(graph.node("Unsqueeze", graph.linear(hidden, WIDTH, WIDTH), one))
        known.append(graph.node("ReduceMax", flags, axes=[1], keepdims=1))
    # CLS is always known; what is not is pushed out of the softmax.
    first = graph.node("Mul", tokens[0], graph.constant(np.float32(0)))
    first = graph.node("Add", first, graph.constant(graph.rng.normal(0, 0.02, WIDTH).astype(np.float32)))
    flags = graph.node(
        "Concat",
        graph.node(
            "Add", graph.node("Mul", known[0], graph.constant(np.float32(0))), graph.constant(np.float32(1))
        ),
        *known,
        axis=1,
    )
    missing = graph.node("Sub", graph.constant(np.float32(1)), flags)
    mask = graph.node("Mul", missing, graph.constant(np.float32(-1e9)))
    mask = graph.node("Unsqueeze", mask, graph.constant(np.array([1, 2], np.int64)))
    x = graph.node("Concat", first, *tokens, axis=1)
    for layer in range(LAYERS):
        asked = x
        if layer == LAYERS - 1:
            asked = graph.node("Slice", x, *(graph.constant(np.array([at], np.int64)) for at in (0, 1, 1)))
        x = graph.block(asked, x, WIDTH, 4, mask)
    said = graph.linear(graph.norm(graph.node("Squeeze", x, one), WIDTH), WIDTH, len(HEADS))
    logits = graph.node("Add", "content", said)
    return graph.bytes(inputs, ("logits", ["posts", len(HEADS)]), logits)


def picture_graph(*, width=192, layers=6, patch=16):
    graph = Graph(2)
    pixels = graph.node(
        "Div", graph.node("Cast", "pixels", to=TensorProto.FLOAT), graph.constant(np.float32(255))
    )
    kernel = graph.rng.normal(0, 0.03, (width, 3, patch, patch)).astype(np.float32)
    x = graph.node("Conv", pixels, graph.constant(kernel), strides=[patch, patch])
    x = graph.node("Reshape", x, graph.constant(np.array([0, width, -1], np.int64)))
    x = graph.node("Transpose", x, perm=[0, 2, 1])
    for _ in range(layers):
        x = graph.block(x, x, width, 3)
    vector = graph.linear(
        graph.node("ReduceMean", graph.norm(x, width), axes=[1], keepdims=0), width, PICTURE
    )
    return graph.bytes(
        [("pixels", TensorProto.UINT8, ["posts", 3, SIDE, SIDE])], ("vector", ["posts", PICTURE]), vector
    )


def made_up(count):
    rng = np.random.default_rng(3)
    vectors = {
        name: rng.normal(size=(count, width)).astype(np.float32)
        for name, width in (("text", TEXT), ("words", TEXT), ("picture", PICTURE))
    }
    flags = {f"{name}_known": rng.random(count) < 0.7 for name in vectors}
    content = rng.normal(-4, 2, (count, len(HEADS))).astype(np.float32)
    return content, Latents(**vectors, **flags), rng.normal(size=(count, len(FEATURES))).astype(np.float32)


def cost(work, of):
    """Core-microseconds, the median of several rounds."""
    work()
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / of * 1e6)
    return round(statistics.median(found), 1)


def some(latents, rows):
    return Latents(**{name: getattr(latents, name)[rows] for name in Latents.__slots__})


def hangs_on_neighbours(model, content, latents, rows):
    whole = model.logits(content, latents, rows)
    for count in (1, 2, 3, 5, 11):
        for start in range(0, len(content) - count + 1, count):
            at = slice(start, start + count)
            if model.logits(content[at], some(latents, at), rows[at]).tobytes() != whole[at].tobytes():
                return True
    return False


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--posts", type=int, default=64)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    straight = {name: {"x": [-1.0, 1.0], "y": [-1.0, 1.0]} for name in HEADS}
    spec = FusionSpec(
        behaviour=BehaviourSpec(definitions=DEFINITIONS),
        text_width=TEXT,
        picture_width=PICTURE,
        calibrators=straight,
    )
    model = FusionModel.of_files(msgspec.json.encode(spec), fusion_graph(), HEADS)
    content, latents, rows = made_up(chosen.posts)
    found = []
    for size in (4, 8, 16, 32, 64):
        serving.ROWS = size
        line = {
            "rows": size,
            "a post of many": cost(lambda: model.logits(content, latents, rows), chosen.posts),
            "a post alone": cost(lambda: model.logits(content[:1], some(latents, slice(1)), rows[:1]), 1),
            "hangs on neighbours": hangs_on_neighbours(model, content, latents, rows),
        }
        found.append(line)
        print(line)
    weights = [0.0] * len(THUMBNAIL_FEATURES)
    light = LightImage(weights=dict.fromkeys(HEADS, weights), bias=dict.fromkeys(HEADS, 0.0))
    picture = PictureModel.of_files(
        msgspec.json.encode(PictureSpec(side=SIDE, width=PICTURE, light=light)), picture_graph(), HEADS
    )
    pixels = np.random.default_rng(4).integers(0, 256, (3, SIDE, SIDE)).astype(np.uint8)
    told = {
        "core_microseconds": found,
        "picture, float32": cost(lambda: picture.vector(pixels), 1),
        "sizes": {
            "posts": chosen.posts,
            "fusion bytes": len(model.graph),
            "picture bytes": len(picture.graph),
            "side": SIDE,
        },
    }
    print(told["picture, float32"], told["sizes"])
    if chosen.out:
        chosen.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
