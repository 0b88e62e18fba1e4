"""Latent fusion begins as the cascade, adds to it, and says the same whenever its latents were made."""

import dataclasses

import pytest
import torch

from sievert.errors import ConfigurationError, InvalidField
from sievert.models import build
from sievert.models.batch import Vectors
from tiny_models import POLICIES, SPEAKS, WIDTHS, config_of, random_batch, tiny, unknown, without

HEADS = ("harm", "reports", *POLICIES)


def fresh():
    torch.manual_seed(1)
    return build("latent_fusion", config_of("latent_fusion")).eval()


def test_it_begins_as_what_the_cascade_says_head_by_head():
    batch = random_batch()
    found = fresh()(batch)
    said = batch.spoken.values
    for at, head in enumerate(HEADS):
        expected = said[:, SPEAKS.index(head)] if head in SPEAKS else torch.zeros(batch.posts)
        assert torch.equal(found[:, at], expected), head


@pytest.mark.parametrize("latents", [1, 3])
def test_a_re_classification_says_what_a_first_one_says(latents):
    model, batch = tiny("latent_fusion", picture_latents=latents), random_batch()
    with torch.no_grad():
        first = model(batch)
        kept = model.encode(batch)
        again = model.update(kept, without(batch, "pictures", "tokens"))
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    "name", ["spoken", "text_encoding", "words_encoding", "pictures", "behaviour", "context"]
)
def test_each_thing_it_is_given_is_heard(name):
    model, batch = tiny("latent_fusion"), random_batch()
    with torch.no_grad():
        assert not torch.allclose(model(batch), model(unknown(batch, name)), atol=1e-4)


@pytest.mark.parametrize("encodings", [(), ("text_encoding", "words_encoding")])
def test_of_texts_alone_the_cascade_may_keep_the_last_word(encodings):
    model, batch = tiny("latent_fusion", text_alone="kept", encodings=encodings), random_batch()
    with torch.no_grad():
        alone = model(unknown(batch, "pictures", "behaviour", "context", "creator"))
        for part in ("pictures", "behaviour", "context"):
            others = [one for one in ("pictures", "behaviour", "context", "creator") if one != part]
            told = model(unknown(batch, *others))
            assert not torch.allclose(told, alone, atol=1e-4), part
    for at, head in enumerate(HEADS):
        said = batch.spoken.values[:, SPEAKS.index(head)] if head in SPEAKS else torch.zeros(batch.posts)
        assert torch.allclose(alone[:, at], said, atol=1e-5), head


def test_without_encodings_texts_are_heard_through_the_cascade_alone():
    model, batch = tiny("latent_fusion", encodings=()), random_batch()
    with torch.no_grad():
        assert torch.equal(model(batch), model(unknown(batch, "text_encoding", "words_encoding")))
    with pytest.raises(ConfigurationError, match="encodings: name both, or none"):
        build("latent_fusion", config_of("latent_fusion", encodings=("text_encoding",)))


def test_behaviour_alone_may_be_all_that_is_heard_beside_the_cascade():
    model, batch = tiny("latent_fusion", encodings=(), image=None, text_alone="kept"), random_batch()
    with torch.no_grad():
        found = model(batch)
        assert torch.equal(found, model(unknown(batch, "pictures", "text_encoding", "words_encoding")))
        for part in ("behaviour", "context"):
            assert not torch.allclose(found, model(unknown(batch, part)), atol=1e-4), part


def test_where_texts_are_left_to_the_cascade_its_word_moves_a_post_as_far_as_itself():
    model = tiny("latent_fusion", text_alone="kept", encodings=(), dropout=0.0, forget=0.0)
    batch = random_batch()
    moved = dataclasses.replace(batch.spoken, values=batch.spoken.values + 3 * batch.spoken.known)
    louder = dataclasses.replace(batch, spoken=moved)
    with torch.no_grad():
        by = model(louder) - model(batch)
        model.worth += 0.1
        assert torch.equal(
            model(louder) - model(batch), by
        )  # what it is worth in the material does not serve
    for at, head in enumerate(HEADS):
        if head in SPEAKS:
            known = batch.spoken.known[:, SPEAKS.index(head)]
            assert torch.allclose(by[:, at], 3.0 * known, atol=1e-5), head
    with torch.no_grad():
        learning = model.train()(batch)
        assert not torch.allclose(learning, model.eval()(batch), atol=0.5)
        model.worth *= 0
        assert torch.allclose(model.train()(batch), model.eval()(batch), atol=1e-5)


def test_pictures_alone_learn_what_they_say_by_themselves_and_are_added_when_they_serve():
    numbers = {"spoken": WIDTHS["spoken"]}
    model = tiny("latent_fusion", text_alone="kept", encodings=(), numbers=numbers, dropout=0.0, forget=0.0)
    batch = without(random_batch(), "behaviour", "context", "creator", "text_encoding", "words_encoding")
    silent = dataclasses.replace(batch.spoken, values=torch.zeros_like(batch.spoken.values))
    with torch.no_grad():
        alone, served = model.train()(batch), model.eval()(batch)
        assert torch.equal(alone, model.train()(dataclasses.replace(batch, spoken=silent)))
    said = torch.nn.functional.pad(batch.spoken.values * batch.spoken.known, (0, 1))[:, model.source]
    assert torch.allclose(served - said, alone, atol=1e-5)
    assert model.worth is None


def test_in_training_whole_latents_and_rows_are_forgotten_and_what_is_spoken_never():
    model, batch = tiny("latent_fusion", forget=0.9, dropout=0.0).train(), random_batch(64, share=1.0)
    torch.manual_seed(5)
    nothing = unknown(batch, "text_encoding", "words_encoding", "pictures", "behaviour", "context", "creator")
    with torch.no_grad():
        found, silent = model(batch), model.eval()(nothing)
    alike = torch.isclose(found, silent, atol=1e-5).all(dim=1).float().mean()
    assert 0.3 < alike < 0.8  # 0.9 ** 6 is 0.53
    assert (found[:, 0] - silent[:, 0]).abs().max() > 1e-3


def test_latents_of_another_width_are_refused():
    model, batch = tiny("latent_fusion"), random_batch()
    wide = Vectors(values=torch.zeros(batch.posts, 99), known=torch.ones(batch.posts, dtype=torch.bool))
    with pytest.raises(InvalidField, match="text_encoding has 99 numbers a post, the model takes 10"):
        model(dataclasses.replace(batch, text_encoding=wide))
    with pytest.raises(InvalidField, match="picture has 99"):
        model.update(wide, batch)
    broken = Vectors(values=torch.full((batch.posts, 12), torch.nan), known=wide.known)
    with pytest.raises(InvalidField):
        model.update(broken, batch)


def test_a_configuration_that_contradicts_itself_is_refused():
    with pytest.raises(ConfigurationError, match=r"(?s)'facts' is not heard.*named twice"):
        build("latent_fusion", config_of("latent_fusion", numbers={"facts": 3}, speaks=("harm", "harm")))
    with pytest.raises(ConfigurationError, match="picture_latents"):
        build("latent_fusion", config_of("latent_fusion", picture_latents=5))
    with pytest.raises(ConfigurationError, match="4 logits are spoken for 1 heads"):
        build("latent_fusion", config_of("latent_fusion", speaks=("harm",)))
