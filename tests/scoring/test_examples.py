"""The nearest confirmed examples: which they are, whose, and that a bundle's are as they should be."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sievert.errors import BundleError
from sievert.scoring.bundle import load_bundle
from sievert.scoring.examples import Examples
from sievert.scoring.explain import evidence
from sievert.scoring.heavy import HeavyModel
from sievert.testing import STAND_INS
from tiny_heavy import HEADS, tiny_model, tiny_parts, tiny_tokenizer, write_with_heavy

WIDTH = 8
TEXTS = [f"you {word}" for word in STAND_INS.values()]  # one of each policy head


@pytest.fixture(scope="module")
def examples(tiny_bundle):
    model = HeavyModel(tiny_model(width=WIDTH), tiny_tokenizer(), tokens=64, symbols={})
    heads = np.zeros((len(TEXTS), len(HEADS)), np.uint8)
    heads[:, 0] = 1
    heads[np.arange(len(TEXTS)), 1 + np.arange(len(TEXTS))] = 1
    ids = [f"made/{at}" for at in range(len(TEXTS))]
    return Examples.of_encodings(ids, model.encodings(TEXTS, tiny_bundle.fold), heads)


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


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ("a", "a", "b", "c")},
        {"ids": ("a", "b")},
        {"ids": ("a", "b", "c", "d" * 300)},
        {"vectors": np.zeros((4, WIDTH + 1), np.int8)},
        {"vectors": np.zeros((4, WIDTH), np.float32)},
        {"vectors": np.zeros(4, np.int8)},
        {"heads": np.zeros((4, 2), np.uint8)},
    ],
)
def test_examples_that_do_not_fit_are_refused(tmp_path, tiny_bundle, examples, change):
    wrong = {"ids": examples.ids, "vectors": examples.vectors, "heads": examples.heads} | change
    try:
        made = Examples(**wrong)
    except ValueError:
        made = object.__new__(Examples)  # as a file that somebody else wrote would have it
        for name, value in wrong.items():
            object.__setattr__(made, name, value)
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(model=tiny_model(width=WIDTH), examples=made))
    with pytest.raises(BundleError, match="example"):
        load_bundle(tmp_path)


def test_examples_need_a_model_that_gives_encodings(tmp_path, tiny_bundle, examples):
    write_with_heavy(tmp_path, tiny_bundle, tiny_parts(examples=examples))
    with pytest.raises(BundleError, match="encodings of 0"):
        load_bundle(tmp_path)


@given(arrays(np.float32, WIDTH, elements=st.floats(-1e6, 1e6, width=32)))
def test_the_order_is_that_of_the_cosine(encoding):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, WIDTH)).astype(np.float32)
    ids = [str(at) for at in range(50)]
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
        assert one.similarity == pytest.approx(float(cosines[int(one.id)]), abs=0.02)


def test_none_of_a_head_that_has_no_examples(examples):
    bare = dataclasses.replace(examples, heads=np.zeros_like(examples.heads))
    assert bare.nearest(np.ones(WIDTH, np.float32), 1) == ()
