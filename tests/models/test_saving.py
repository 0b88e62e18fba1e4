"""A model comes back from its files as it was, and nothing else comes back."""

import json

import msgspec
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from sievert.errors import BundleError
from sievert.models import MODELS, build, load_model, save_model
from sievert.models.saving import MODEL_FILES
from sievert.models.towers import text_tower
from tiny_models import TEXT, config_of, random_batch, tiny

CONFIG, TENSORS = MODEL_FILES


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_a_model_comes_back_as_it_was(name, tmp_path):
    model, batch = tiny(name), random_batch()
    save_model(model, tmp_path / "model")
    back = load_model(tmp_path / "model")
    assert type(back) is type(model)
    assert not back.training
    torch.testing.assert_close(back(batch), model(batch), rtol=0, atol=0)
    save_model(back, tmp_path / "again")
    for file in MODEL_FILES:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "model" / file).read_bytes()


def test_a_saved_model_needs_no_folder_that_it_began_with(tmp_path):
    transformers.BertModel(transformers.AutoConfig.for_model(**TEXT.architecture)).save_pretrained(
        tmp_path / "e"
    )
    model = build("multimodal", config_of("multimodal", text=text_tower(str(tmp_path / "e"))))
    save_model(model, tmp_path / "model")
    assert str(tmp_path) not in (tmp_path / "model" / CONFIG).read_text()
    (tmp_path / "e").rename(tmp_path / "gone")
    load_model(tmp_path / "model")


@pytest.fixture
def saved(tmp_path):
    save_model(tiny("light"), tmp_path)
    return tmp_path


def rewrite(folder, **changes):
    said = json.loads((folder / CONFIG).read_bytes())
    (folder / CONFIG).write_bytes(msgspec.json.encode({**said, **changes}))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
@pytest.mark.parametrize("file", MODEL_FILES)
def test_a_torn_file_is_refused(saved, file, share):
    raw = (saved / file).read_bytes()
    (saved / file).write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(BundleError, match=file):
        load_model(saved)


@pytest.mark.parametrize("file", MODEL_FILES)
def test_a_lost_file_is_refused(saved, file):
    (saved / file).unlink()
    with pytest.raises(BundleError, match=rf"{file}.*No such file"):
        load_model(saved)


def test_a_foreign_file_is_refused(saved, tmp_path):
    other = tmp_path / "other"
    save_model(tiny("light", units=9), other)
    (other / TENSORS).replace(saved / TENSORS)
    with pytest.raises(BundleError, match=r"does not belong to this model\.json"):
        load_model(saved)
    save_file({"x": torch.zeros(3)}, saved / TENSORS)
    with pytest.raises(BundleError, match="does not belong"):
        load_model(saved)
    (saved / TENSORS).write_bytes(b"\x80\x04\x95 a pickle or whatever")
    with pytest.raises(BundleError, match=TENSORS):
        load_model(saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "colossal"}, "no model 'colossal'"),
        ({"format": 2}, "format"),
        ({"config": {"policies": "hate"}}, "policies"),
        ({"config": {"policies": [], "numbers": {"weather": 1}}}, "weather"),
        ({"code": "import os"}, "code"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(saved, change, said):
    rewrite(saved, **change)
    with pytest.raises(BundleError, match=said):
        load_model(saved)


def with_tensors(folder, change):
    with (folder / TENSORS).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        told = json.loads(file.read(size))["__metadata__"]
    tensors = load_file(folder / TENSORS)
    change(tensors)
    save_file(tensors, folder / TENSORS, metadata=told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda all_: all_.pop("spoken.weight"),
            r"spoken\.weight is missing in place of \(\(4, 5\), 'F32'\)",
        ),
        (lambda all_: all_.update(extra=torch.zeros(2)), r"extra is \(\(2,\), 'F32'\) in place of nothing"),
        (lambda all_: all_.update({"direct.bias": torch.zeros(9)}), r"direct\.bias is \(\(9,\)"),
        (
            lambda all_: all_.update({"direct.bias": torch.zeros(4).half()}),
            r"direct\.bias is \(\(4,\), 'F16'\)",
        ),
        (lambda all_: all_["direct.bias"].fill_(float("nan")), "not finite"),
    ],
)
def test_tensors_that_the_model_does_not_have_are_refused(saved, change, said):
    with_tensors(saved, change)
    with pytest.raises(BundleError, match=said):
        load_model(saved)


def test_a_vast_configuration_takes_no_memory(saved):
    said = json.loads((saved / CONFIG).read_bytes())
    rewrite(saved, config={**said["config"], "vector": 10**9, "units": 10**9})
    with pytest.raises(BundleError, match="does not belong"):
        load_model(saved)
