"""A model of creators as a graph: ONNX Runtime says what torch says, alone or together, and turned as asked."""

import numpy as np
import pytest
import torch

from made_creators import made_up_creators
from sievert.errors import BundleError, InvalidField
from sievert.features.creators.alignment import Alignment
from sievert.models import build_of_creators
from sievert.scoring.creators import CREATOR_FILES, load_creators, numbers_in
from sievert.training.creator_graph import export_creators, laid_among
from sievert.training.creators import embedded
from tiny_creators import CREATOR_CONFIGS, tiny_of_creators


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    data, _ = made_up_creators(creators=80)
    torch.manual_seed(1)
    model = build_of_creators("graphsage", {**CREATOR_CONFIGS["graphsage"], "features": 4}).eval()
    model.scale.fit(data.numbers(np.arange(80)))
    torch.nn.init.normal_(model.inner.relation.weight)
    torch.nn.init.normal_(model.outer.alone)
    folder = tmp_path_factory.mktemp("creators")
    export_creators(model, data.names, folder, seed=5)
    return data, model, folder


def test_onnx_says_what_torch_says_and_serving_needs_no_torch(served):
    data, model, folder = served
    vectors, logits = load_creators(folder).embed(data.graph, numbers_in(data.values), np.arange(80))
    wanted = embedded(model, data, np.arange(80), seed=5)
    np.testing.assert_allclose(vectors, wanted[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(logits, wanted[1].numpy(), atol=1e-5)


def test_a_creator_is_embedded_the_same_alone_and_among_many(served):
    data, _, folder = served
    encoder = load_creators(folder)
    together, _ = encoder.embed(data.graph, numbers_in(data.values), np.arange(80))
    alone = np.concatenate(
        [encoder.embed(data.graph, numbers_in(data.values), np.array([one]))[0] for one in range(80)]
    )
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert encoder.embed(data.graph, numbers_in(data.values), np.arange(0))[0].shape == (0, 6)


def test_a_new_model_is_laid_where_the_old_one_lay(served, tmp_path):
    data, model, folder = served
    # The same model, with the axes of its vectors turned: what training anew does at the least.
    axes, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))
    turned = Alignment(turn=axes, cosine=0.0, unturned=0.0, creators=80)
    export_creators(model, data.names, tmp_path / "old", seed=5, aligned=turned)
    plain, old = load_creators(folder), load_creators(tmp_path / "old")
    before, _ = old.embed(data.graph, numbers_in(data.values), np.arange(80))
    assert np.abs(before - plain.embed(data.graph, numbers_in(data.values), np.arange(80))[0]).max() > 0.1
    found = laid_among(model, data, old, seed=5)
    assert found.cosine > 0.999
    assert found.unturned < 0.9
    export_creators(model, data.names, tmp_path / "laid", seed=5, aligned=found, aligned_to=old.version)
    laid = load_creators(tmp_path / "laid")
    np.testing.assert_allclose(
        laid.embed(data.graph, numbers_in(data.values), np.arange(80))[0], before, atol=1e-4
    )
    assert (laid.spec.aligned_to, laid.spec.cosine) == (old.version, found.cosine)
    assert len({plain.version, old.version, laid.version}) == 3


@pytest.mark.parametrize("file", CREATOR_FILES)
def test_a_torn_file_is_refused_by_name(served, file, tmp_path):
    _, _, folder = served
    for name in CREATOR_FILES:
        raw = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(raw[: len(raw) // 2] if name == file else raw)
    with pytest.raises(BundleError, match="cannot be used"):
        load_creators(tmp_path)


def test_a_model_of_another_release_is_refused(served, tmp_path):
    _, _, folder = served
    for name in CREATOR_FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    spec = tmp_path / CREATOR_FILES[0]
    spec.write_text(spec.read_text().replace("follow out", "follows out"))
    with pytest.raises(BundleError, match="another release"):
        load_creators(tmp_path)


@pytest.mark.parametrize("name", ["gcn", "id_embedding"])
def test_who_goes_by_number_cannot_be_served(name, tmp_path):
    with pytest.raises(InvalidField, match="graphsage"):
        export_creators(tiny_of_creators(name), ("a",), tmp_path, seed=0)
