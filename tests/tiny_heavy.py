"""A heavy model in miniature: word vectors that are logits, and their mean over the words of a post."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from sievert.scoring.bundle import HeavyParts, HeavySpec, write_bundle
from sievert.scoring.examples import Examples
from sievert.scoring.heavy import HeavyModel
from sievert.testing import STAND_INS

HEADS = ("harm", *STAND_INS)
UNKNOWN = 1
VOCABULARY = {
    "[PAD]": 0,
    "[UNK]": UNKNOWN,
    **{word: 2 + i for i, word in enumerate(STAND_INS.values())},
    "not": 6,
}
SHARES = ((0.01, 2.0), (0.1, 0.0), (0.5, -5.0))


def tiny_model(heads=HEADS, *, width=0):
    """An ONNX file whose logits are the mean of the words' logits; `not` takes the harm away."""
    meanings = np.random.default_rng(3).normal(size=(len(VOCABULARY), max(width, 1))).astype(np.float32)
    table = np.full((len(VOCABULARY), len(heads)), -3.0, np.float32)
    for h, word in enumerate(STAND_INS.values(), start=1):
        if h < len(heads):
            table[VOCABULARY[word], [0, h]] = 12.0
    table[VOCABULARY["not"]] = -40.0
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Cast", ["mask"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["whole", "last"], ["wide"]),
        helper.make_node("Mul", ["words", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "first"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["wide", "first"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["logits"]),
        helper.make_node("Identity", ["words"], ["parts"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["posts", len(heads)]),
        helper.make_tensor_value_info("parts", TensorProto.FLOAT, ["posts", "tokens", len(heads)]),
    ]
    if width:
        nodes += [
            helper.make_node("Gather", ["meanings", "ids"], ["meant"]),
            helper.make_node("Mul", ["meant", "wide"], ["meant kept"]),
            helper.make_node("ReduceSum", ["meant kept", "first"], ["encoding"], keepdims=0),
        ]
        outputs.append(helper.make_tensor_value_info("encoding", TensorProto.FLOAT, ["posts", width]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["posts", "tokens"])
            for name in ("ids", "mask")
        ],
        outputs,
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(meanings, "meanings"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "first"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()


def tiny_tokenizer():
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str().encode()


def tiny_parts(*, model=None, cuts=SHARES, tokens=64, words=(), strange_from=1.0, examples=None):
    straight = {"x": [-1.0, 1.0], "y": [-1.0, 1.0]}
    return HeavyParts(
        model=model or tiny_model(),
        tokenizer=tiny_tokenizer(),
        spec=HeavySpec(
            encoder="hand-made",
            model="heavy",
            tokens=tokens,
            symbols={0x1F600: "grinning face"},
            weights=dict.fromkeys(HEADS, 1.0),
            calibrators=dict.fromkeys(HEADS, straight),
            cuts=cuts,
            words=words,
            strange_from=strange_from,
        ),
        examples=examples,
    )


def tiny_examples(tables, *, width):
    """One example of each policy, `made/0` and on: what `you` and its stand-in word say together."""
    model = HeavyModel(tiny_model(width=width), tiny_tokenizer(), tokens=64, symbols={})
    texts = [f"you {word}" for word in STAND_INS.values()]
    heads = np.zeros((len(texts), len(HEADS)), np.uint8)
    heads[:, 0] = 1
    heads[np.arange(len(texts)), 1 + np.arange(len(texts))] = 1
    ids = [f"made/{at}" for at in range(len(texts))]
    return Examples.of_encodings(ids, model.encodings(texts, tables), heads)


def write_with_heavy(folder, light, parts):
    """Write the tiny light bundle again, with a heavy model beside it."""
    manifest = light.manifest
    return write_bundle(
        folder,
        name=manifest.name,
        created_at=manifest.created_at,
        model=manifest.model,
        heads=manifest.heads,
        languages=manifest.languages,
        without_head=manifest.without_head,
        light=light.light,
        fold=light.fold,
        calibrators=dict(zip(HEADS, light.calibrators, strict=True)),
        documents={},
        heavy=parts,
    )
