"""The fusion model and the picture model: what is refused, and that no post hears its neighbours."""

import dataclasses

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from sievert.calibration.logit_map import LogitMap, probability_of
from sievert.errors import BundleError
from sievert.features.behaviour.rows import CREATORS, FEATURES, OWN, BehaviourSpec
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.schema.media import PictureFacts
from sievert.scoring.bundle import at_prevalence, load_bundle
from sievert.scoring.bundle_files import read_manifest, with_files, write_files
from sievert.scoring.fusion import ROWS, FusionModel, Latents
from sievert.scoring.picture_model import PictureModel
from sievert.scoring.update import logits_of
from sievert.testing import hand_made_fusion, hand_made_picture
from tiny_fusion import SIDE, WIDTH, write_fused
from tiny_heavy import HEADS

RED, BLUE = ([255, 0, 0], [0, 0, 255])
DONE = (
    *("views", "comments", "reports", "edits", "shares"),
    *("hides_lift", "blocks_lift", "good_reactions_lift", "bad_reactions_lift"),
)


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    return write_fused(tmp_path_factory.mktemp("fused"))


@pytest.fixture(scope="module")
def folder(fused, tmp_path_factory):
    return next(one for one in tmp_path_factory.getbasetemp().glob("fused*/fused"))


def plain(colour):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, SIDE, SIDE)).copy()


@pytest.fixture(scope="module")
def wide():
    """A fusion model as wide as real ones, with a sum of the kind whose order hangs on the rows of a run."""
    made = hand_made_fusion(HEADS, text_width=384, picture_width=128)
    model = onnx.load_from_string(made.graph)
    nodes, weights = model.graph.node, model.graph.initializer
    (last,) = (node for node in nodes if node.output[0] == "logits")
    nodes.remove(last)
    spoken = np.random.default_rng(2).normal(0, 0.1, (8, len(HEADS))).astype(np.float32)
    for name, array in (("shape", [0, 48, 8]), ("axis", [1])):
        weights.append(numpy_helper.from_array(np.array(array, np.int64), name))
    weights.append(numpy_helper.from_array(spoken, "spoken"))
    nodes.extend(
        [
            helper.make_node("Reshape", ["text", "shape"], ["parts"]),
            helper.make_node("ReduceSum", ["parts", "axis"], ["sum"], keepdims=0),
            helper.make_node("MatMul", ["sum", "spoken"], ["more"]),
            helper.make_node("Add", [last.input[0], "more"], ["logits"]),
        ]
    )
    return FusionModel.of_files(msgspec.json.encode(made.spec), model.SerializeToString(), HEADS)


def made_up(count, seed=0, *, text=WIDTH, picture=3):
    """Facets of random content, encodings, pictures and behaviour."""
    rng = np.random.default_rng(seed)
    flags = rng.random((3, count)) < 0.7

    def vectors(width, known):
        return np.where(known[:, None], rng.normal(size=(count, width)), 0).astype(np.float32)

    latents = Latents(
        text=vectors(text, flags[0]),
        text_known=flags[0],
        words=vectors(text, flags[1]),
        words_known=flags[1],
        picture=vectors(picture, flags[2]),
        picture_known=flags[2],
    )
    rows = rng.normal(size=(count, len(FEATURES))).astype(np.float32)
    rows[:, FEATURES.index("creator_unknown")] = rng.random(count) < 0.3
    content = rng.random((count, len(HEADS))).astype(np.float32)
    return content, latents, rows


def taken(latents, rows):
    return Latents(**{one.name: getattr(latents, one.name)[rows] for one in dataclasses.fields(Latents)})


def test_a_facet_gets_the_same_probabilities_at_any_place_of_any_batch(wide):
    content, latents, rows = made_up(3 * ROWS + 5, text=384, picture=128)
    whole = wide.probabilities(content, latents, rows)
    for at in range(len(content)):
        alone = wide.probabilities(content[[at]], taken(latents, [at]), rows[[at]])
        assert alone[0].tobytes() == whole[at].tobytes()


@given(order=st.permutations(range(2 * ROWS + 3)), size=st.integers(1, 2 * ROWS + 3))
def test_neither_order_nor_size_of_a_batch_makes_a_difference(wide, order, size):
    content, latents, rows = made_up(2 * ROWS + 3, text=384, picture=128)
    whole = wide.probabilities(content, latents, rows)
    some = list(order)[:size]
    found = wide.probabilities(content[some], taken(latents, some), rows[some])
    assert found.tobytes() == whole[some].tobytes()


def test_nothing_is_scored_without_ado(fused):
    content, latents, rows = made_up(0)
    assert fused.fusion.probabilities(content, latents, rows).shape == (0, len(HEADS))


def test_what_is_not_known_is_as_if_it_were_not_there(fused):
    content, latents, rows = made_up(20)
    without = dataclasses.replace(
        latents,
        text_known=np.zeros(20, np.bool_),
        words_known=np.zeros(20, np.bool_),
        picture_known=np.zeros(20, np.bool_),
    )
    unknown = Latents.unknown(20, text=WIDTH, picture=3)
    masked = fused.fusion.probabilities(content, without, rows)
    assert masked.tobytes() == fused.fusion.probabilities(content, unknown, rows).tobytes()
    assert not np.array_equal(masked, fused.fusion.probabilities(content, latents, rows))


def test_of_texts_alone_the_cascade_may_keep_the_last_word(fused):
    content, latents, rows = made_up(20)
    spec = msgspec.structs.replace(fused.fusion.spec, text_alone="kept")
    kept = dataclasses.replace(fused.fusion, spec=spec)
    found, alone = kept.probabilities(content, latents), ~latents.picture_known
    assert 0 < alone.sum() < len(alone)
    assert np.array_equal(found[alone], content[alone])
    np.testing.assert_allclose(found[~alone], fused.fusion.probabilities(content, latents)[~alone], atol=1e-6)
    told = kept.probabilities(content, latents, rows)
    np.testing.assert_allclose(told, fused.fusion.probabilities(content, latents, rows), atol=1e-6)
    assert not np.isclose(told[alone], content[alone]).all(axis=1).any()
    assert not np.array_equal(fused.fusion.probabilities(content, latents)[alone], content[alone])


def test_a_post_that_nobody_touched_is_its_text_alone_whoever_its_creator_is(fused):
    content, latents, rows = made_up(20)
    spec = msgspec.structs.replace(fused.fusion.spec, text_alone="kept")
    kept = dataclasses.replace(fused.fusion, spec=spec)
    nothing = rows.copy()
    nothing[:, [FEATURES.index(f"post_{name}") for name in DONE]] = 0
    alone = ~latents.picture_known
    assert np.array_equal(kept.probabilities(content, latents, nothing)[alone], content[alone])
    for name in (f"post_{one}" for one in DONE):
        told = nothing.copy()
        told[:, FEATURES.index(name)] = 1
        found = kept.probabilities(content, latents, told)
        assert not np.array_equal(found[alone], content[alone]), name


def test_one_that_hears_no_people_says_the_same_whatever_they_do(tmp_path):
    fusion = write_fused(tmp_path, hears_people=False).fusion
    content, latents, rows = made_up(50, text=0)
    found = fusion.probabilities(content, latents, rows)
    assert np.array_equal(found, fusion.probabilities(content, latents))
    # A post without a picture keeps the cascade's word to the bit.
    assert np.array_equal(found[~latents.picture_known], content[~latents.picture_known])
    red = dataclasses.replace(
        latents, picture=np.full((50, 3), [1, 0, 0], np.float32), picture_known=np.ones(50, np.bool_)
    )
    assert (fusion.probabilities(content, red) > content).all()
    # What looks harmless excuses nothing.
    low = {head: {"x": [-1.0, 1.0], "y": [-9.0, -8.0]} for head in fusion.spec.calibrators}
    files = fusion.files()
    spec = msgspec.structs.replace(fusion.spec, calibrators=low)
    mild = FusionModel.of_files(msgspec.json.encode(spec), files["fusion.onnx"], HEADS)
    blue = dataclasses.replace(red, picture=np.full((50, 3), [0, 0, 1], np.float32))
    assert np.allclose(mild.probabilities(content, blue), content, atol=1e-6)


def test_evidence_is_added_to_what_the_cascade_says_at_any_prevalence(fused):
    content, latents, rows = made_up(20)
    plain = fused.fusion
    spec = msgspec.structs.replace(plain.spec, text_alone="kept")
    half = LogitMap(x=np.array([-1.0, 1.0]), y=np.array([-0.5, 0.5]))
    model = dataclasses.replace(plain, spec=spec, calibrators=(half,) * len(HEADS))
    said = logits_of(content)
    added = plain.logits(said, latents, rows) - said
    expected = probability_of(said + 0.5 * added.astype(np.float64))
    np.testing.assert_allclose(model.probabilities(content, latents, rows), expected, atol=1e-6)
    assert np.abs(added).max() > 0.1
    np.testing.assert_allclose(model.shifted(2.0).probabilities(content, latents, rows), expected, atol=1e-6)


def test_reports_and_red_pictures_are_believed(fused):
    content = np.full((3, len(HEADS)), 0.01, np.float32)
    latents = Latents.unknown(3, text=WIDTH, picture=3)
    latents.picture[:2] = [fused.picture.vector(plain(RED)), fused.picture.vector(plain(BLUE))]
    latents = dataclasses.replace(latents, picture_known=np.array([True, True, False]))
    rows = np.zeros((3, len(FEATURES)), np.float32)
    rows[2, FEATURES.index("post_reports_lift")] = 4.0
    harm = fused.fusion.probabilities(content, latents, rows)[:, 0]
    assert (harm > 0.5).tolist() == [True, False, True]
    # Where nothing is known of behaviour nothing is heard of it.
    assert fused.fusion.probabilities(content, latents, None)[2, 0] == pytest.approx(0.01, abs=1e-4)


def test_of_a_creator_who_is_not_known_nothing_is_told(fused):
    session = Listening(fused.fusion.session)
    listening = dataclasses.replace(fused.fusion, session=session)
    rows = np.ones((2, len(FEATURES)), np.float32)
    rows[:, FEATURES.index("creator_unknown")] = [0.0, 1.0]
    listening.logits(np.zeros((2, len(HEADS)), np.float32), Latents.unknown(2, text=WIDTH, picture=3), rows)
    heard = session.heard
    assert heard["context_known"][:3].all(axis=1).tolist() == [True, False, False]
    assert not heard["context"][1].any()
    assert heard["behaviour_known"][:3].all(axis=1).tolist() == [True, True, False]
    assert (heard["behaviour"].shape, heard["context"].shape) == ((ROWS, len(OWN)), (ROWS, len(CREATORS)))


class Listening:
    """A session that remembers what it was given."""

    def __init__(self, session):
        self._session = session

    def run(self, outputs, inputs):
        self.heard = inputs
        return self._session.run(outputs, inputs)


def test_files_come_back_as_they_were(fused):
    fusion = FusionModel.of_files(*fused.fusion.files().values(), HEADS)
    picture = PictureModel.of_files(*fused.picture.files().values(), HEADS)
    content, latents, rows = made_up(5)
    assert np.array_equal(
        fusion.probabilities(content, latents, rows), fused.fusion.probabilities(content, latents, rows)
    )
    assert (fusion.files(), picture.files()) == (fused.fusion.files(), fused.picture.files())
    assert picture.model == fused.picture.model


def test_another_side_or_graph_is_another_encoder():
    names = {hand_made_picture(HEADS, side=side, width=width).model for side in (16, 24) for width in (3, 4)}
    assert len(names) == 4


def test_a_thumbnail_speaks_alone_and_a_missing_one_says_nothing(fused):
    features = [0.0] * len(THUMBNAIL_FEATURES)
    features[THUMBNAIL_FEATURES.index("vivid_red")] = 1.0
    facts = PictureFacts(version=1, sha256="0" * 64, format="png", bytes=1, width=1, height=1)
    some = [msgspec.structs.replace(facts, features=tuple(features)), facts]
    logits = fused.picture.light_logits(some)
    assert logits[0, 0] == pytest.approx(6.0)
    assert (logits[1] == -np.inf).all()
    assert np.array_equal(fused.picture.light_logits(some[:1])[0], logits[0])


def test_where_harm_is_more_frequent_both_models_say_so(fused):
    moved = at_prevalence(fused, 0.5)
    content = np.full((1, len(HEADS)), 0.01, np.float32)
    latents = Latents.unknown(1, text=WIDTH, picture=3)
    assert fused.fusion.probabilities(content, latents)[0, 0] == pytest.approx(0.01, abs=1e-6)
    assert moved.fusion.probabilities(content, latents)[0, 0] == pytest.approx(0.5, abs=1e-4)
    assert (moved.picture.bias > fused.picture.bias).all()


def with_spec(model, change):
    spec = msgspec.json.decode(msgspec.json.encode(model.spec))
    change(spec)
    return msgspec.json.encode(spec)


FUSION_FAULTS = {
    "another width": lambda spec: spec.update(text_width=WIDTH + 1),
    "no pictures": lambda spec: spec.update(picture_width=0),
    "a head too few": lambda spec: spec["calibrators"].pop("hate"),
    "a head too many": lambda spec: spec["calibrators"].update(more={"x": [0, 1], "y": [0, 1]}),
    "a calibrator that falls": lambda spec: spec["calibrators"].update(hate={"x": [0, 1], "y": [1, 0]}),
    "a calibrator out of bounds": lambda spec: spec["calibrators"].update(hate={"x": [0, 1e9], "y": [0, 1]}),
    "no widths": lambda spec: spec.pop("text_width"),
    "it hears nothing": lambda spec: spec.update(behaviour=None, text_width=0, picture_width=0),
    "people unheard": lambda spec: spec.update(behaviour=None),
    "a width below zero": lambda spec: spec.update(picture_width=-1),
}


@pytest.mark.parametrize("fault", FUSION_FAULTS)
def test_a_fusion_model_that_is_not_as_it_says_is_refused(fused, fault):
    raw = with_spec(fused.fusion, FUSION_FAULTS[fault])
    with pytest.raises((ValueError, msgspec.DecodeError)):
        FusionModel.of_files(raw, fused.fusion.graph, HEADS)


PICTURE_FAULTS = {
    "another side": lambda spec: spec.update(side=SIDE + 8),
    "another width": lambda spec: spec.update(width=4),
    "an endless side": lambda spec: spec.update(side=100_000),
    "a weight too few": lambda spec: spec["light"]["weights"]["hate"].pop(),
    "a head too few": lambda spec: spec["light"]["weights"].pop("hate"),
    "a bias too few": lambda spec: spec["light"]["bias"].pop("harm"),
    "no number": lambda spec: spec["light"]["bias"].update(harm=1e60),
}


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_a_picture_model_that_is_not_as_it_says_is_refused(fused, fault):
    with pytest.raises((ValueError, msgspec.DecodeError)), np.errstate(over="ignore"):
        PictureModel.of_files(with_spec(fused.picture, PICTURE_FAULTS[fault]), fused.picture.graph, HEADS)


def test_a_graph_of_another_kind_or_none_is_refused(fused):
    for graph in (fused.picture.graph, b"", b"no graph", hand_made_fusion(HEADS[:3], text_width=WIDTH).graph):
        with pytest.raises(ValueError, match=r"model|graph|protobuf"):
            FusionModel.of_files(fused.fusion.files()["fusion.json"], graph, HEADS)
    with pytest.raises(ValueError, match="inputs"):
        PictureModel.of_files(fused.picture.files()["picture.json"], fused.fusion.graph, HEADS)


def test_a_model_that_answers_no_number_is_refused(fused):
    poisoned = fused.picture.graph.replace(np.float32(1 / 255).tobytes(), np.float32(np.nan).tobytes())
    assert poisoned != fused.picture.graph
    with pytest.raises(ValueError, match="no number"):
        PictureModel.of_files(fused.picture.files()["picture.json"], poisoned, HEADS)


def test_a_fusion_model_for_other_behaviour_is_refused(fused):
    stale = msgspec.structs.replace(fused.fusion.spec, behaviour=BehaviourSpec(definitions="old"))
    with pytest.raises(BundleError, match="behaviour features"):
        FusionModel.of_files(msgspec.json.encode(stale), fused.fusion.graph, HEADS)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("fusion.json",), "fusion.json"),
        (("fusion.onnx",), "fusion.onnx"),
        (("picture.json",), "picture.json"),
        (("picture.json", "picture.onnx"), "vectors"),
        (("fusion.json", "fusion.onnx"), "fusion"),
    ],
)
def test_a_bundle_with_half_of_it_is_refused(folder, tmp_path, missing, said):
    _, manifest = read_manifest(folder)
    kept = {name: (folder / name).read_bytes() for name in manifest.files if name not in missing}
    write_files(tmp_path / "half", kept, manifest)
    with pytest.raises(BundleError, match=said):
        load_bundle(tmp_path / "half")


def test_models_of_widths_that_do_not_fit_are_refused_together(folder, tmp_path):
    for at, files in enumerate(
        (
            hand_made_fusion(HEADS, text_width=WIDTH + 1, picture_width=3).files(),
            hand_made_fusion(HEADS, text_width=WIDTH, picture_width=5).files(),
            hand_made_fusion(HEADS, text_width=WIDTH).files(),
        )
    ):
        with_files(folder, tmp_path / str(at), files)
        with pytest.raises(BundleError, match="takes"):
            load_bundle(tmp_path / str(at))


def test_a_byte_that_was_altered_is_noticed(folder, tmp_path):
    _, manifest = read_manifest(folder)
    write_files(tmp_path / "bad", {name: (folder / name).read_bytes() for name in manifest.files}, manifest)
    for name in ("fusion.json", "fusion.onnx", "picture.json", "picture.onnx"):
        whole = (tmp_path / "bad" / name).read_bytes()
        (tmp_path / "bad" / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        with pytest.raises(BundleError, match=f"{name}.*hash"):
            load_bundle(tmp_path / "bad")
        (tmp_path / "bad" / name).write_bytes(whole)
