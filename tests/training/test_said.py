"""Material holds what a bundle says, by the functions that serve, and names whose word it is."""

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import load_file

from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.errors import ConfigurationError, InvalidField
from sievert.pipeline.decode import to_batch
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.scoring.cascade import score
from sievert.scoring.update import logits_of
from sievert.scoring.utterances import Shares, score_posts
from sievert.training.heavy_run import refuse_unless_said_by
from sievert.training.material import FOLDS, SAID, read_material
from sievert.training.rung_models import model_of
from sievert.training.said import Speaker
from tiny_chain import quiet, small_recipe
from tiny_fusion import write_fused


@pytest.fixture(scope="module")
def folders(said_folders):
    return said_folders


@pytest.fixture(scope="module")
def material(folders):
    return read_material(folders[0])


@pytest.fixture(scope="module")
def bundle(folders):
    return load_bundle(folders[1])


def test_columns_are_those_that_are_named(folders, material):
    for name in FOLDS:
        columns = load_file(folders[0] / f"{name}.said.safetensors")
        assert columns.keys() == SAID.keys()
        for column, told in SAID.items():
            assert columns[column].dtype == np.dtype(told.split()[0]), column
            rows = material.folds[name].contents if "[c" in told else len(material.folds[name])
            assert len(columns[column]) == rows, column
            assert np.isfinite(columns[column]).all()


def test_a_text_without_a_picture_is_spoken_of_as_the_cascade_speaks(folders, material, bundle):
    history = read_history(folders[0].parent / "history")
    fold = material.folds["test"]
    plain = np.flatnonzero(~fold.columns["words_encoding_known"])[:200]
    texts = history.posts.text.texts(fold.columns["row"][plain])
    batch = to_batch(
        [Post(id="a", text=one) for one in texts], [one.encode() for one in texts], received_at=0
    )
    scored = score(bundle, batch.text, heavy_share=1.0)
    expected = logits_of(np.concatenate([scored.harm[:, None], scored.policies[:, :-1]], axis=1))
    assert np.array_equal(fold.columns["spoken"][plain], expected)
    encoded = bundle.heavy.model.encodings(texts, bundle.fold)
    assert np.array_equal(fold.columns["text_encoding"][plain], encoded.astype(np.float16))
    assert fold.columns["text_encoding_known"][plain].all()
    assert expected[:, 0].std() > 0


def test_words_of_a_picture_can_carry_what_is_spoken(bundle):
    speaker = Speaker(bundle)
    found = speaker.contents(["you", "you", "", ""], ["", "idiots", "idiots", ""], quiet)
    assert found["text_encoding_known"].tolist() == [True, True, False, False]
    assert found["words_encoding_known"].tolist() == [False, True, True, False]
    assert not found["text_encoding"][2:].any()
    again = speaker.contents(["", "you"], ["idiots", ""], quiet)
    for name, rows in again.items():
        assert np.array_equal(rows, found[name][[2, 0]])


def test_what_the_update_model_makes_of_it_is_what_it_makes_when_serving(folders, material, bundle):
    history = read_history(folders[0].parent / "history")
    fold = material.folds["test"]
    row = fold.columns["row"][fold.columns["content"]]
    rows = behaviour_of(history).rows(
        history.posts.first[row], fold.columns["as_of"], bundle.update.spec.behaviour
    )
    spoken = fold.columns["spoken"][fold.columns["content"]]
    content = (1 / (1 + np.exp(-spoken))).astype(np.float32)
    expected = logits_of(bundle.update.probabilities(content, rows))
    np.testing.assert_allclose(fold.columns["updated"], expected, atol=1e-5)


def test_material_goes_into_the_bundle_that_said_it_whatever_else_that_gained(folders, material, tmp_path):
    with_files(folders[1], tmp_path / "carded", {"MODEL_CARD.md": b"# Another card\n"})
    assert refuse_unless_said_by(material.described, tmp_path / "carded").name == "tiny"
    heavy = (folders[1] / "heavy.json").read_bytes().replace(b"hand-made", b"hand-made-too")
    with_files(folders[1], tmp_path / "other", {"heavy.json": heavy})
    with pytest.raises(ConfigurationError, match="said by the bundle tiny@"):
        refuse_unless_said_by(material.described, tmp_path / "other")


def test_a_fusion_model_that_the_bundle_has_already_says_nothing(tmp_path):
    fused = write_fused(tmp_path)
    plain = dataclasses.replace(fused, fusion=None, picture=None)
    texts, words = ["you people in the garden", "the goose"], ["", "are a goose"]
    one, other = (Speaker(bundle).contents(texts, words, quiet) for bundle in (fused, plain))
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), name
    batch = to_batch([Post(id="a", text=texts[0])], [texts[0].encode()], received_at=0)
    whole = Shares(text=1.0, pictures=1.0)
    by_fusion, by_text = (score_posts(bundle, batch, shares=whole).harm for bundle in (fused, plain))
    assert by_fusion[0] != by_text[0]  # else it could say something and nobody would see it


def test_a_bundle_that_gives_no_encodings_is_not_asked(tiny_bundle):
    with pytest.raises(InvalidField, match="no heavy model that gives encodings"):
        Speaker(tiny_bundle)


def test_encodings_are_kept_where_they_are_asked_for(bundle, material):
    texts, words = ["you people in the garden"], ["are a goose"]
    whole, small = (
        Speaker(bundle, encodes=encodes).contents(texts, words, quiet) for encodes in (True, False)
    )
    assert small.keys() == {"spoken"}
    assert np.array_equal(whole["spoken"], small["spoken"])
    folds = {
        name: dataclasses.replace(
            fold, columns={key: one for key, one in fold.columns.items() if "_encoding" not in key}
        )
        for name, fold in material.folds.items()
    }
    without = dataclasses.replace(material, folds=folds)
    model_of(small_recipe("hears=[spoken, pictures]", "config.text_alone=kept"), without)
    with pytest.raises(ConfigurationError, match="--encodings"):
        model_of(small_recipe("hears=[spoken, text_encoding, words_encoding]"), without)
