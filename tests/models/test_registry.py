"""What is asked of every model that is registered, whatever it is."""

import dataclasses
import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sievert.errors import ConfigurationError, InvalidField, NotFound
from sievert.models import MODELS, build
from sievert.models.registry import name_of
from tiny_models import CONFIGS, config_of, random_batch, tiny, unknown, without

PARTS = tuple(random_batch().parts())
FLOATS = [
    f"{key}.{field}"
    for key, part in random_batch().parts().items()
    for field, one in part.tensors().items()
    if one.is_floating_point()
]
PARAMETERS = {
    "logistic": 308,
    "max_pool": 22_460,
    "late_fusion": 23_244,
    "multimodal": 60_684,
    "latent_fusion": 25_736,
    "light": 2_303,
    "log_linear_views": 7,
    "view_forecaster": 642,
}
"""Of the models in miniature; a layer that is added or lost is seen here."""

model_of = functools.cache(tiny)
"""For tests that change nothing about a model."""

every_model = pytest.mark.parametrize("name", MODELS)


def test_the_sweep_has_all_models():
    assert len(MODELS) == 8
    assert set(CONFIGS) == set(MODELS) == set(PARAMETERS)
    assert len(PARTS) == 14
    assert len(FLOATS) == 13


@every_model
def test_a_batch_becomes_finite_named_outputs(name):
    model, batch = model_of(name), random_batch()
    found = model(batch)
    assert found.shape == (batch.posts, len(model.columns))
    assert torch.isfinite(found).all()
    assert found.std(dim=0).min() > 0 or name == "log_linear_views"
    assert name_of(model) == name


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = tiny(name)
    found = model(random_batch(24))
    (found * torch.linspace(0.5, 1.5, found.numel()).view_as(found)).sum().backward()
    dead = [key for key, one in model.named_parameters() if one.grad is None or not one.grad.abs().max() > 0]
    assert dead == []
    assert model.parameters_in_all() == PARAMETERS[name]


@every_model
def test_a_batch_of_one_says_what_a_batch_of_many_says(name):
    model, batch = model_of(name), random_batch()
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(batch.take(torch.tensor([row]))) for row in range(batch.posts)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


@every_model
def test_the_order_of_posts_does_not_matter(name):
    model, batch = model_of(name), random_batch()
    rows = torch.randperm(batch.posts)
    with torch.no_grad():
        torch.testing.assert_close(model(batch.take(rows)), model(batch)[rows], atol=1e-5, rtol=1e-5)


@every_model
@settings(max_examples=12, deadline=None)
@given(missing=st.sets(st.sampled_from(PARTS)), seed=st.integers(0, 1000))
def test_whatever_is_missing_from_all_posts_there_is_an_answer(name, missing, seed):
    model, batch = model_of(name), random_batch(5, seed=seed)
    with torch.no_grad():
        absent, masked = model(without(batch, *missing)), model(unknown(batch, *missing))
    assert torch.isfinite(absent).all()
    torch.testing.assert_close(absent, masked, atol=1e-5, rtol=1e-5)


@every_model
def test_what_is_behind_a_mask_does_not_matter(name):
    model, batch = model_of(name), random_batch()
    changed = {}
    for key, part in batch.parts().items():
        tensors = part.tensors()
        for field, mask in (
            ("values", "known"),
            ("pixels", "known"),
            ("ids", "mask"),
            ("segment", "mask"),
            ("views", "known"),
            ("hours", "known"),
        ):
            if field in tensors:
                known = tensors[mask]
                while known.ndim < tensors[field].ndim:
                    known = known[..., None]
                tensors[field] = torch.where(known, tensors[field], torch.ones_like(tensors[field]))
        changed[key] = dataclasses.replace(part, **tensors)
    with torch.no_grad():
        torch.testing.assert_close(model(dataclasses.replace(batch, **changed)), model(batch))


@every_model
def test_more_padding_changes_nothing(name):
    model, batch = model_of(name), random_batch()
    padded = dataclasses.replace(
        batch.tokens,
        **{key: torch.nn.functional.pad(one, (0, 7)) for key, one in batch.tokens.tensors().items()},
    )
    with torch.no_grad():
        torch.testing.assert_close(
            model(dataclasses.replace(batch, tokens=padded)), model(batch), atol=1e-5, rtol=1e-5
        )


@every_model
@pytest.mark.parametrize("field", FLOATS)
def test_what_is_not_a_number_is_refused_by_name(name, field):
    batch = random_batch()
    key, tensor = field.split(".")
    part = getattr(batch, key)
    broken = getattr(part, tensor).clone()
    broken.view(-1)[3] = float("nan")
    batch = dataclasses.replace(batch, **{key: dataclasses.replace(part, **{tensor: broken})})
    with pytest.raises(InvalidField, match=field) as caught:
        model_of(name)(batch)
    assert caught.value.field == field


@every_model
def test_equal_seeds_build_equal_models(name):
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(build(name, config_of(name)))
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@every_model
def test_a_model_stays_on_the_device_that_its_batch_is_on(name, monkeypatch):
    """On a device without numbers: whatever is made on the CPU beside them is an error there."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)  # nothing there can be looked at
    found = tiny(name).to("meta")(random_batch().to("meta"))
    assert found.device.type == "meta"


def test_a_name_or_a_configuration_that_does_not_fit_is_refused():
    with pytest.raises(NotFound, match="multimodal"):
        build("colossal", {})
    with pytest.raises(ConfigurationError, match="units"):
        build("light", {"policies": [], "units": "many"})
    with pytest.raises(ConfigurationError, match=r"(?s)2 problem.*'facts' is not heard.*3 attention heads"):
        build("multimodal", config_of("multimodal", numbers={"facts": 3}, latent_width=25, latent_heads=3))
    with pytest.raises(ConfigurationError, match="named twice"):
        build("logistic", {"policies": ["spam", "spam"], "numbers": {"facts": 3}})
    with pytest.raises(ConfigurationError, match="'weather'"):
        build("logistic", {"policies": ["spam"], "numbers": {"weather": 3}})


@every_model
def test_a_batch_of_other_widths_is_refused(name):
    batch = random_batch()
    part = dataclasses.replace(
        batch.behaviour, values=batch.behaviour.values[:, :3], known=batch.behaviour.known[:, :3]
    )
    model = model_of(name)
    batch = dataclasses.replace(batch, behaviour=part)
    if "behaviour" in model.config.numbers:
        with pytest.raises(InvalidField, match="behaviour has 3 numbers a post, the model takes 5"):
            model(batch)
    else:
        model(batch)
