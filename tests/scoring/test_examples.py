"""The nearest confirmed examples: which they are, whose, and that a bundle's are as they should be."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sievert.errors import BundleError
from sievert.scoring.bundle import load_bundle
from sievert.scoring.examples import Examples
from sievert.scoring.explain import evidence
from sievert.testing import STAND_INS
from tiny_heavy import HEADS, tiny_examples, tiny_model, tiny_parts, write_with_heavy

WIDTH = 8
TEXTS = [f"you {word}" for word in STAND_INS.values()]  # one of each policy head


@pytest.fixture(scope="module")
def examples(tiny_bundle):
    return tiny_examples(tiny_bundle.fold, width=WIDTH)


@pytest.fixture
def bundle(tmp_path, tiny_bundle, examples):
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(model=tiny_model(width=WIDTH), examples=examples))
    return load_bundle(tmp_path)


def nearest(bundle, text, head):
    return evidence(bundle, {5: (text, head)})[5].nearest


def test_an_example_is_the_nearest_to_itself(bundle):
    for at, text in enumerate(TEXTS):
        first, *others = nearest(bundle, text, "harm")
        assert first.id == f"made/{at}"
        assert first.similarity == pytest.approx(1.0, abs=0.01)
        assert all(other.similarity <= first.similarity for other in others)
        assert len(others) == 2


def test_only_examples_of_the_policy_in_question_are_shown(bundle):
    for at, head in enumerate(HEADS[1:]):
        assert [one.id for one in nearest(bundle, TEXTS[0], head)] == [f"made/{at}"]


def test_the_passage_that_carried_the_score_is_the_one_compared(bundle):
    elsewhere = "day " * 60  # a passage whole
    for at, text in enumerate(TEXTS):
        for long in (elsewhere + text, elsewhere * 2 + text):
            assert nearest(bundle, long, "harm") == nearest(bundle, text, "harm")
            assert nearest(bundle, long, "harm")[0].id == f"made/{at}"


def test_a_bundle_without_examples_shows_none(tmp_path, tiny_bundle):
    for name, model in (("old", tiny_model()), ("new", tiny_model(width=WIDTH))):
        folder = tmp_path / name
        write_with_heavy(folder, tiny_bundle, tiny_parts(model=model))
        shown = evidence(load_bundle(folder), {0: ("you blorp", "harm")})[0]
        assert shown.spans
        assert shown.nearest == ()


def test_a_bundle_keeps_ids_and_vectors_and_no_text(tmp_path, bundle):
    read = Examples.of_files(
        (tmp_path / "examples.safetensors").read_bytes(), (tmp_path / "examples.json").read_bytes()
    )
    assert read.ids == bundle.heavy.examples.ids
    for file in tmp_path.glob("examples.*"):
        assert not any(word.encode() in file.read_bytes() for word in STAND_INS.values())


def turned(array, at, value):
    changed = array.copy()
    changed[at] = value
    return changed


IDS = ("made/0", "made/1", "made/2", "made/3")
UNIT = np.zeros((4, WIDTH), np.int8)
UNIT[:, 0] = 127
FLAGS = np.ones((4, len(HEADS)), np.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ids": ("a/a", "a/a", "a/b", "a/c")}, "not all different"),
        ({"ids": (), "vectors": UNIT[:0], "heads": FLAGS[:0]}, "none"),
        ({"ids": IDS[:2]}, "of 2 rows"),
        ({"ids": (*IDS[:3], "a/" + "d" * 300)}, "corpus/row"),
        ({"ids": (*IDS[:3], "a/you are a friend")}, "corpus/row"),
        ({"ids": (*IDS[:3], "a/b\x1b[2J")}, "corpus/row"),
        ({"ids": (*IDS[:3], "alone")}, "corpus/row"),
        ({"vectors": np.pad(UNIT, ((0, 0), (0, 1)))}, "do not fit"),
        ({"vectors": UNIT.astype(np.float32)}, "of 4 rows"),
        ({"vectors": UNIT[:, 0]}, "of 4 rows"),
        ({"vectors": UNIT[:, :0]}, "of 4 rows"),
        ({"vectors": turned(UNIT, (1, 1), 127)}, "length one"),
        ({"vectors": turned(UNIT, 2, 0)}, "length one"),
        ({"heads": FLAGS[:, :2]}, "do not fit"),
        ({"heads": FLAGS[:3]}, "of 4 rows"),
        ({"heads": turned(FLAGS, (0, 1), 2)}, "flags"),
        ({"heads": turned(FLAGS, (3, 0), 0)}, "confirmed"),
    ],
)
def test_examples_that_do_not_fit_are_refused(tmp_path, tiny_bundle, change, says):
    made = object.__new__(Examples)  # as a file that somebody else wrote would have it
    for name, value in ({"ids": IDS, "vectors": UNIT, "heads": FLAGS} | change).items():
        object.__setattr__(made, name, value)
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(model=tiny_model(width=WIDTH), examples=made))
    with pytest.raises(BundleError, match=f"xamples.*{says}"):
        load_bundle(tmp_path)


def test_what_the_refused_ones_were_made_of_fits():
    assert Examples(ids=IDS, vectors=UNIT, heads=FLAGS).nearest(np.ones(WIDTH, np.float32), 0)


@pytest.mark.parametrize(
    "missing", ["examples.json", "examples.safetensors", "heavy.onnx", "tokenizer.json", "heavy.json"]
)
def test_examples_come_whole_and_with_a_heavy_model(tmp_path, bundle, missing):
    assert bundle.heavy.examples is not None
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    del manifest["files"][missing]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=f"lacks a part .*{missing}"):
        load_bundle(tmp_path)


def test_examples_need_a_model_that_gives_encodings(tmp_path, tiny_bundle, examples):
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(examples=examples))
    with pytest.raises(BundleError, match="encodings of 0"):
        load_bundle(tmp_path)


def test_encodings_that_are_no_table_are_refused(tmp_path, tiny_bundle, examples):
    model = onnx.load_from_string(tiny_model(width=WIDTH))
    (said,) = (one for one in model.graph.output if one.name == "encoding")
    del said.type.tensor_type.shape.dim[:]
    parts = tiny_parts(model=model.SerializeToString(), examples=examples)
    write_with_heavy(tmp_path, tiny_bundle, parts)
    with pytest.raises(BundleError, match="encodings of 0"):
        load_bundle(tmp_path)


@given(arrays(np.float32, WIDTH, elements=st.floats(-1e6, 1e6, width=32)))
def test_the_order_is_that_of_the_cosine(encoding):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, WIDTH)).astype(np.float32)
    ids = [f"made/{at}" for at in range(50)]
    made = Examples.of_encodings(ids, vectors, np.ones((50, 1), np.uint8))
    found = made.nearest(encoding, 0, most=50)
    if not np.linalg.norm(encoding):
        assert found == ()
        return
    similar = [one.similarity for one in found]
    assert similar == sorted(similar, reverse=True)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ (encoding / np.linalg.norm(encoding))
    for one in found:
        assert one.similarity == pytest.approx(float(cosines[int(one.id.removeprefix("made/"))]), abs=0.02)


def test_none_of_a_head_that_has_no_examples(examples):
    bare = dataclasses.replace(examples, heads=turned(examples.heads, np.s_[:, 1:], 0))
    assert bare.nearest(np.ones(WIDTH, np.float32), 1) == ()
