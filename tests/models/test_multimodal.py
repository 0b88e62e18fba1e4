"""The heavy model is cut where its cache sits, and nothing leaks over the cut."""

import dataclasses

import pytest
import torch
import transformers

from sievert.errors import ConfigurationError, InvalidField, NotFound
from sievert.models import build
from sievert.models.batch import Pictures, Tokens
from sievert.models.towers import (
    ImageTower,
    ImageTowerConfig,
    TextTower,
    TowerConfig,
    image_tower,
    sized,
    text_tower,
)
from tiny_models import (
    HEARD,
    IMAGE,
    LATENTS,
    SIDE,
    TEXT,
    VOCABULARY,
    config_of,
    random_batch,
    tiny,
    unknown,
    without,
)

CONTENT = ("tokens", "pictures")


@pytest.fixture(scope="module")
def model():
    return tiny("multimodal")


@torch.no_grad()
def test_a_re_classification_says_what_a_first_one_says(model):
    batch = random_batch()
    z = model.encode(batch)
    assert z.shape == (batch.posts, *LATENTS)
    torch.testing.assert_close(model.update(z, without(batch, *CONTENT)), model(batch), atol=1e-5, rtol=0)


@torch.no_grad()
def test_latents_hang_on_content_alone_and_the_update_on_everything(model):
    batch = random_batch(posts=16)
    z, logits = model.encode(batch), model(batch)
    for name in HEARD:
        torch.testing.assert_close(model.encode(without(batch, name)), z, rtol=0, atol=0)
        assert (model(without(batch, name)) - logits).abs().max() > 1e-3
    for name in CONTENT:
        assert (model.encode(without(batch, name)) - z).abs().max() > 1e-3


@torch.no_grad()
def test_text_and_picture_meet_before_they_are_summed_up(model):
    """What a token becomes must hang on the picture: late fusion cannot see that."""
    batch = random_batch(posts=20, share=1.0)
    text, picture = unknown(batch, "pictures"), unknown(batch, "tokens")
    both, apart = model.encode(batch), (model.encode(text), model.encode(picture))
    model.encoder.text_looks, looks = torch.nn.ModuleList(), model.encoder.text_looks
    deaf = model.encode(batch)
    model.encoder.text_looks = looks
    assert (both - deaf).abs().max() > 1e-3
    assert min((both - one).abs().max() for one in apart) > 1e-3


@torch.no_grad()
def test_the_words_of_a_picture_are_a_segment_of_their_own():
    batch = random_batch(share=1.0)
    swapped = dataclasses.replace(batch.tokens, segment=1 - batch.tokens.segment)
    for architecture in (TEXT.architecture, {**TEXT.architecture, "type_vocab_size": 1}):
        tower = TextTower(TowerConfig(architecture=architecture)).eval()
        assert (tower.segments is None) == (architecture is TEXT.architecture)
        assert (tower(swapped) - tower(batch.tokens)).abs().max() > 1e-3


def test_no_encoder_is_given_a_text_without_a_single_token(monkeypatch):
    """Some kernels of attention answer NaN there, which no mask takes back."""
    tower, tokens, masks = TextTower(TEXT).eval(), random_batch().tokens, []
    plain = tower.encoder.forward
    monkeypatch.setattr(
        tower.encoder, "forward", lambda **asked: masks.append(asked["attention_mask"]) or plain(**asked)
    )
    tower(tokens)
    given = tokens.mask.any(dim=1)
    assert 0 < given.sum() < len(given)
    assert torch.equal(masks[0][given], tokens.mask[given].long())
    assert masks[0][~given].sum(dim=1).tolist() == [1] * int((~given).sum())


@torch.no_grad()
def test_a_model_without_an_image_encoder_looks_at_no_picture():
    model, batch = tiny("multimodal", image=None), random_batch()
    torch.testing.assert_close(model(without(batch, "pictures")), model(batch), rtol=0, atol=0)


@torch.no_grad()
def test_bytes_and_floats_are_the_same_picture(model):
    batch = random_batch()
    pictures = Pictures(pixels=batch.pictures.pixels.float() / 255, known=batch.pictures.known)
    floats = dataclasses.replace(batch, pictures=pictures)
    torch.testing.assert_close(model.encode(floats), model.encode(batch), atol=1e-5, rtol=0)


def test_what_does_not_fit_is_refused_by_name(model):
    batch = random_batch()
    z = model.encode(batch).detach()
    with pytest.raises(InvalidField, match="update network takes"):
        model.update(z[:, :2], batch)
    z[0, 0, 0] = float("inf")
    with pytest.raises(InvalidField, match=r"latents\.values holds a number"):
        model.update(z, batch)


@torch.no_grad()
def test_pictures_of_any_size_are_made_the_encoders(model):
    batch = random_batch()
    small = batch.pictures.pixels[..., :16, :16]
    asked = [Pictures(pixels=one, known=batch.pictures.known) for one in (small, sized(small, SIDE))]
    one, other = (model(dataclasses.replace(batch, pictures=pictures)) for pictures in asked)
    assert torch.equal(one, other)
    assert sized(small, SIDE).dtype == torch.uint8
    even = torch.full((1, 3, 40, 40), 77, dtype=torch.uint8)
    assert torch.equal(sized(even, SIDE), even[..., :SIDE, :SIDE])


_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
TEXTS = {
    "roberta": transformers.RobertaConfig(vocab_size=VOCABULARY, **_SIZES),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=VOCABULARY, dim=16, n_layers=1, n_heads=2, hidden_dim=24
    ),
    "electra": transformers.ElectraConfig(vocab_size=VOCABULARY, embedding_size=8, **_SIZES),
    "modernbert": transformers.ModernBertConfig(
        vocab_size=VOCABULARY,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        cls_token_id=2,
        sep_token_id=1,
        **_SIZES,
    ),
}
PICTURES = {
    "clip": transformers.CLIPVisionConfig(image_size=SIDE, patch_size=16, **_SIZES),
    "siglip": transformers.SiglipVisionConfig(image_size=SIDE, patch_size=16, **_SIZES),
    "dinov2": transformers.Dinov2Config(
        image_size=SIDE, patch_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    ),
    "convnext": transformers.ConvNextConfig(image_size=SIDE, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1]),
}


@pytest.mark.parametrize("kind", TEXTS)
@torch.no_grad()
def test_any_text_encoder_will_do(kind):
    tower = TextTower(TowerConfig(architecture=TEXTS[kind].to_dict())).eval()
    tokens = random_batch().tokens
    longer = Tokens(**{name: torch.nn.functional.pad(one, (0, 5)) for name, one in tokens.tensors().items()})
    known = tokens.mask
    assert tower(tokens)[known].shape == (int(known.sum()), 16)
    torch.testing.assert_close(
        tower(longer)[:, : known.shape[1]][known], tower(tokens)[known], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("kind", PICTURES)
@torch.no_grad()
def test_any_image_encoder_will_do(kind):
    tower = ImageTower(ImageTowerConfig(architecture=PICTURES[kind].to_dict())).eval()
    pictures = random_batch().pictures
    found = tower(pictures)
    assert found.shape[0] == len(pictures.known)
    assert found.shape[2] == tower.width == 16
    assert torch.isfinite(found).all()


def test_towers_begin_with_the_weights_of_a_folder(tmp_path):
    for name, config, kind in (
        ("text", TEXT, transformers.BertModel),
        ("image", IMAGE, transformers.ViTModel),
    ):
        torch.manual_seed(7)
        kind(transformers.AutoConfig.for_model(**config.architecture)).save_pretrained(tmp_path / name)
    (tmp_path / "image" / "preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.2, 0.3], "size": 32}'
    )
    text, image = text_tower(str(tmp_path / "text"), layers=1), image_tower(str(tmp_path / "image"))
    assert text.architecture["num_hidden_layers"] == 1
    assert image.mean == (0.1, 0.2, 0.3)
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(build("multimodal", config_of("multimodal", text=text, image=image)))
    for tower in ("text", "image"):
        one, other = (getattr(model.encoder, tower).encoder.state_dict() for model in models)
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(models[0].encoder.latents, models[1].encoder.latents)


def test_an_encoder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(NotFound, match="no encoder at"):
        text_tower(str(tmp_path))
    with pytest.raises(NotFound, match="carries no model"):
        text_tower("msgspec")
    with pytest.raises(NotFound, match="no weights"):
        TextTower(TowerConfig(architecture=TEXT.architecture, weights=str(tmp_path)))
    with pytest.raises(ConfigurationError, match="abacus"):
        TextTower(TowerConfig(architecture={"model_type": "abacus"}))


def test_an_image_tower_may_be_a_network_of_convolutions_that_cannot_do_without_its_mean():
    architecture = {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic",
        "image_size": 32,
    }  # fmt: skip
    tower = ImageTower(ImageTowerConfig(architecture=architecture)).eval()
    pictures = Pictures(pixels=torch.zeros(3, 3, 32, 32), known=torch.tensor([True, False, True]))
    patches = tower(pictures)
    assert patches.shape == (3, 16, 16)
    assert not patches[1].any()
