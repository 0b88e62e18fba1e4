"""Fakes and builders for tests, ours and those of people who build on Sievert.

What is here is small on purpose: a clock that stands still, texts as columns, posts as bytes, and a
bundle whose judgement is known, so that a test can say in advance what must be decided.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from sievert.calibration.logit_map import LogitMap
from sievert.features.behaviour.rows import CREATORS, DEFINITIONS, FEATURES, OWN, BehaviourSpec
from sievert.features.content.fold import FoldTables, build_fold_tables
from sievert.features.content.ngrams import index_batch
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.features.content.tokens import STATS
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.decode import to_batch
from sievert.pipeline.path import Parts
from sievert.pipeline.ruling import Ruling
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.rulebook import RuleBook
from sievert.schema.batch import PostBatch, TextColumn
from sievert.schema.bundle import Head
from sievert.schema.clock import SECOND, Clock, ManualClock, Micros
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle, load_bundle, write_bundle
from sievert.scoring.fusion import FusionModel, FusionSpec
from sievert.scoring.light_tensors import LightTensors
from sievert.scoring.picture_model import LightImage, PictureModel, PictureSpec
from sievert.scoring.update import MOODS, UpdateModel, UpdateSpec, UpdateTensors
from sievert.scoring.views import OUTPUTS, PROGRESS, ViewsModel, ViewsSpec, ViewsTensors
from sievert.stores.memory import MemoryStores

START: Micros = 1_800_000_000 * SECOND
"""A moment in 2027 at which test clocks start."""

STAND_INS = {"hate": "blorp", "harassment": "goose", "threat": "kaboom", "spam": "cruise"}
"""The word that makes the tiny bundle sure of each policy. Nothing offensive is needed in a test."""

_BITS = 14


class FixedClock(ManualClock):
    """A clock that stands in 2027 and moves only when it is told to."""

    def __init__(self, at: Micros = START) -> None:
        """Start at a moment."""
        super().__init__(at)


def batch_of(posts: Sequence[Post], *, received_at: Micros = START) -> PostBatch:
    """Lay posts out as a batch."""
    return to_batch(list(posts), [post.text.encode() for post in posts], received_at=received_at)


def records(*posts: Post | dict[str, object]) -> list[bytes]:
    """Write posts (or wrong ones, as dicts) as JSON documents."""
    return [msgspec.json.encode(post) for post in posts]


def write_tiny_bundle(
    folder: Path,
    *,
    sure: float = 12.0,
    hints: Mapping[str, tuple[str, float]] = MappingProxyType({}),
    everything: float = -6.0,
    documents: Mapping[str, bytes] = MappingProxyType({}),
) -> Bundle:
    """Write and load a bundle that is sure of a policy when its stand-in word occurs, else of nothing.

    `sure` is the logit that the word adds at natural prevalence; `hints` are further words, each with its
    policy and the logit that it adds; `everything` is the logit of a text without any. `documents` are further files of the bundle, or others in their place.
    """
    fold = build_fold_tables()
    heads = ("harm", *STAND_INS)
    columns = len(heads) + 3
    weights = np.zeros((2**_BITS, columns), np.float64)
    for h, word in enumerate(STAND_INS.values(), start=1):
        _teach(weights, fold, word, (0, h), sure)
    for word, (policy, logit) in hints.items():
        _teach(weights, fold, word, (0, heads.index(policy)), logit)
    scale = np.full(columns, np.abs(weights).max() / 127, np.float32)
    bias = np.array([everything] * len(heads) + [4.0, 0.0, 0.0], np.float32)
    dense = np.zeros((len(STATS), columns), np.float32)
    dense[STATS.index("other_script_share"), len(heads) + 1] = 12.0
    dense[STATS.index("no_letters"), len(heads) + 2] = 12.0
    write_bundle(
        folder,
        name="tiny",
        created_at="2026-01-01T00:00:00+00:00",
        model="hand-made",
        heads=tuple(Head(name=name, prevalence=0.01, positives=1, negatives=1) for name in heads),
        languages=("en",),
        without_head=("sexual", "self_harm"),
        light=LightTensors.linear(
            table=np.round(weights / scale).astype(np.int8), scale=scale, bias=bias, dense=dense
        ),
        fold=fold,
        calibrators={name: LogitMap(x=np.array([-1.0, 1.0]), y=np.array([-1.0, 1.0])) for name in heads},
        documents={
            "MODEL_CARD.md": b"# Tiny\n\nA bundle for tests.\n",
            **hand_made_update(len(heads)).files(),
            **documents,
        },
    )
    return load_bundle(folder)


def memory_parts(bundle: Bundle, *, clock: Clock | None = None, policies: PolicySet | None = None) -> Parts:
    """Put a whole path together from memory parts."""
    clock = clock or FixedClock()
    policies = policies or load_policies(default_policies_path())
    stores = MemoryStores(clock=clock)
    return Parts(
        bundle=bundle,
        policies=policies,
        journal=stores.journal,
        counters=ActivityCounters(stores.activity, said=reader_of(bundle)),
        ruling=Ruling(RuleBook(policies, bundle.fold), clock=clock),
        clock=clock,
        budgets=Budgets.of(policies, cases=stores.cases, actions=stores.actions),
        checking=StoredChecks(policies, standing=stores.standing, stops=stores.stops),
    )


def hand_made_update(heads: int) -> UpdateModel:
    """Return an update model that believes in reports: it adds their lift to what the text said.

    A comment that holds "yuck" is disappointed, one that holds "nonsense" quarrels.
    """
    inputs = heads + len(FEATURES)
    direct = np.zeros((inputs, heads), np.float32)
    np.fill_diagonal(direct, 1.0)
    direct[heads + FEATURES.index("post_reports_lift")] = 1.5
    fold = build_fold_tables()
    weights = np.zeros((2**_BITS, len(MOODS)), np.float64)
    for column, word in enumerate(("yuck", "nonsense")):
        _teach(weights, fold, word, (column,), 8.0)
    scale = np.full(len(MOODS), np.abs(weights).max() / 127, np.float32)
    names = ("harm", *STAND_INS)[:heads]
    return UpdateModel(
        spec=UpdateSpec(
            behaviour=BehaviourSpec(definitions=DEFINITIONS),
            calibrators={name: {"x": [-1.0, 1.0], "y": [-1.0, 1.0]} for name in names},
        ),
        tensors=UpdateTensors(
            mean=np.zeros(inputs, np.float32),
            spread=np.ones(inputs, np.float32),
            hidden=np.zeros((inputs, 1), np.float32),
            hidden_bias=np.zeros(1, np.float32),
            spoken=np.zeros((1, heads), np.float32),
            direct=direct,
            bias=np.zeros(heads, np.float32),
            comment_table=np.round(weights / scale).astype(np.int8),
            comment_scale=scale,
            comment_bias=np.full(len(MOODS), -1.0, np.float32),
        ),
        calibrators=tuple(LogitMap(x=np.array([-1.0, 1.0]), y=np.array([-1.0, 1.0])) for _ in names),
    )


def hand_made_views(*, unseen: float = 50.0, cap: float = 100_000.0) -> ViewsModel:
    """Return a view forecaster that nearly always says so many times what was seen so far, and one more.

    So a post that nobody has seen is forecast to get `unseen` views, one with 9 views ten times as many.
    """
    features = len(FEATURES)
    line = np.zeros((PROGRESS, OUTPUTS), np.float32)
    line[0, 0] = 1.0
    return ViewsModel.of_parts(
        ViewsSpec(behaviour=BehaviourSpec(definitions=DEFINITIONS), horizon=168.0, cap=cap),
        ViewsTensors(
            mean=np.zeros(features, np.float32),
            spread=np.ones(features, np.float32),
            first=np.zeros((features + PROGRESS, 1), np.float32),
            first_bias=np.zeros(1, np.float32),
            second=np.zeros((1, 1), np.float32),
            second_bias=np.zeros(1, np.float32),
            last=np.zeros((1, OUTPUTS), np.float32),
            line=line,
            bias=np.array([np.log(np.expm1(np.log1p(unseen))), -20.0, -3.5], np.float32),
        ),
    )


def hand_made_fusion(
    heads: Sequence[str], *, text_width: int, picture_width: int = 0, hears_people: bool = True
) -> FusionModel:
    """Return a fusion model that believes in reports, in red pictures and a little in encodings.

    It adds to the logits of the content 1.5 times the lift of reports, a hundredth of some sum over each
    encoding, and for all heads what a vector of `hand_made_picture` says of red: about 10 of plain red, else
    nothing. Needs the package onnx. A width of 0 is not heard; one that does not hear people keeps to the cascade of
    posts without pictures.
    """
    rng = np.random.default_rng(5)
    columns = len(heads)
    lift = np.zeros((len(OWN), columns), np.float32)
    lift[OWN.index(FEATURES.index("post_reports_lift"))] = 1.5
    texts = ("text", "words") if text_width else ()
    sums = {name: rng.normal(0, 0.01, (text_width, columns)).astype(np.float32) for name in texts}
    if hears_people:
        sums["behaviour"] = lift
    if picture_width:
        red = np.zeros((picture_width, columns), np.float32)
        red[:3] = [[20.0], [-20.0], [-20.0]]
        sums["picture"] = red
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
    said = "content"
    for name in sums:
        nodes.append(("MatMul", [name, f"{name}_sum"], [f"{name}_said"], {}))
        counted = f"{name}_said"
        if name == "picture":
            nodes += [
                ("Sub", [counted, "doubt"], ["reddish"], {}),
                ("Relu", ["reddish"], ["red"], {}),
            ]
            counted = "red"
        # A row of numbers is known as a whole, a vector by one flag: a flag needs a column of its own.
        if name != "behaviour":
            nodes += [
                ("Cast", [f"{name}_known"], [f"{name}_flag"], {"to": 1}),
                ("Unsqueeze", [f"{name}_flag", "last"], [f"{name}_column"], {}),
                ("Mul", [counted, f"{name}_column"], [f"{name}_counted"], {}),
            ]
            counted = f"{name}_counted"
        nodes.append(("Add", [said, counted], [f"with_{name}"], {}))
        said = f"with_{name}"
    nodes.append(("Identity", [said], ["logits"], {}))
    inputs: dict[str, tuple[type, list[int | str]]] = {"content": (np.float32, ["posts", columns])}
    vectors = dict.fromkeys(texts, text_width) | ({"picture": picture_width} if picture_width else {})
    for name, width in vectors.items():
        inputs |= {name: (np.float32, ["posts", width]), f"{name}_known": (np.bool_, ["posts"])}
    for name, width in {"behaviour": len(OWN), "context": len(CREATORS)}.items() if hears_people else ():
        inputs |= {
            name: (np.float32, ["posts", width]),
            f"{name}_known": (np.bool_, ["posts", width]),
        }
    graph = _graph(
        nodes,
        inputs,
        {"logits": (np.float32, ["posts", columns])},
        {
            **{f"{name}_sum": weights for name, weights in sums.items()},
            "doubt": np.array([10.0], np.float32),
            "last": np.array([1], np.int64),
        },
    )
    spec = FusionSpec(
        behaviour=BehaviourSpec(definitions=DEFINITIONS) if hears_people else None,
        text_width=text_width,
        picture_width=picture_width,
        calibrators={name: {"x": [-1.0, 1.0], "y": [-1.0, 1.0]} for name in heads},
        text_alone="learned" if hears_people else "kept",
    )
    return FusionModel.of_files(msgspec.json.encode(spec), graph, heads)


def hand_made_picture(heads: Sequence[str], *, side: int = 16, width: int = 3) -> PictureModel:
    """Return a picture model that knows colours: its vector begins with the mean of red, green and blue.

    Its cheap look takes vivid red for harm under every head. Needs the package onnx.
    """
    colours = np.zeros((3, width), np.float32)
    np.fill_diagonal(colours, 1 / 255)
    graph = _graph(
        [
            ("Cast", ["pixels"], ["levels"], {"to": 1}),
            ("ReduceMean", ["levels"], ["mean"], {"axes": [2, 3], "keepdims": 0}),
            ("MatMul", ["mean", "colours"], ["vector"], {}),
        ],
        {"pixels": (np.uint8, ["posts", 3, side, side])},
        {"vector": (np.float32, ["posts", width])},
        {"colours": colours},
    )
    weights = [0.0] * len(THUMBNAIL_FEATURES)
    weights[THUMBNAIL_FEATURES.index("vivid_red")] = 12.0
    spec = PictureSpec(
        side=side,
        width=width,
        light=LightImage(weights=dict.fromkeys(heads, weights), bias=dict.fromkeys(heads, -6.0)),
    )
    return PictureModel.of_files(msgspec.json.encode(spec), graph, heads)


def _graph(
    nodes: Sequence[tuple[str, list[str], list[str], dict[str, Any]]],
    inputs: Mapping[str, tuple[type, list[int | str]]],
    outputs: Mapping[str, tuple[type, list[int | str]]],
    weights: Mapping[str, np.ndarray],
) -> bytes:
    """Write an ONNX graph: nodes are what they do, inputs, outputs and attributes."""
    from onnx import TensorProto, checker, helper, numpy_helper  # noqa: PLC0415 -- serving lacks it

    types = {np.float32: TensorProto.FLOAT, np.bool_: TensorProto.BOOL, np.uint8: TensorProto.UINT8}
    graph = helper.make_graph(
        [helper.make_node(kind, takes, gives, **more) for kind, takes, gives, more in nodes],
        "hand-made",
        [helper.make_tensor_value_info(name, types[dtype], shape) for name, (dtype, shape) in inputs.items()],
        [
            helper.make_tensor_value_info(name, types[dtype], shape)
            for name, (dtype, shape) in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _teach(weights: np.ndarray, fold: FoldTables, word: str, heads: tuple[int, ...], sure: float) -> None:
    """Let a word alone add about `sure` to these heads, by its word weight."""
    indexed = index_batch(TextColumn.of([word]), fold, bits=_BITS)
    slot = indexed.indices[indexed.starts[0]]
    weights[slot, list(heads)] = sure * 3.0
