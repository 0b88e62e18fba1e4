"""A policy from a folder of pictures: any vision model becomes an encoder, hostile files are named, posts are decided."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from made_pictures import saved, scene
from plain_opener import PlainOpener
from sievert.cli import make_app
from sievert.errors import ConfigurationError, NotFound
from sievert.models.batch import Pictures
from sievert.models.towers import ImageTower, image_tower
from sievert.schema.media import PictureFacts, PictureHash
from sievert.scoring.bundle import load_bundle
from sievert.scoring.picture_encoder import EncoderSpec, PictureEncoder
from sievert.testing import hand_made_picture
from sievert.training.few_shot import Stated
from sievert.training.few_shot_card import with_added
from sievert.training.few_shot_pictures import groups_of, train_picture_head
from sievert.training.vision import encoder_of
from tiny_added import write_encoding
from tiny_models import SIDE, tiny_vision

STATED = Stated(name="sunsets", prevalence=0.01, share=0.01, seed=1)
BROKEN = saved(scene(seed=1), "PNG")[:200]


def run(*arguments):
    """Run a command in this process; what it refuses is raised."""
    return CliRunner().invoke(make_app(), [*map(str, arguments)], catch_exceptions=False)


def tinted(seed, colour):
    """Shapes under one colour of light."""
    return saved(Image.blend(scene(96, 72, seed), Image.new("RGB", (96, 72), colour), 0.6), "PNG")


def fill(folder, *, count=24, name="sunsets"):
    """A folder of red pictures and of blue ones."""
    for kind, colour in ((name, "orangered"), ("other", "steelblue")):
        (folder / kind).mkdir(parents=True)
        for seed in range(count):
            (folder / kind / f"{seed}.png").write_bytes(tinted(seed + 100 * (kind == "other"), colour))
    return folder


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    """A vision model in miniature, as Hugging Face saves one."""
    return tiny_vision(tmp_path_factory.mktemp("vision"))


@pytest.fixture(scope="module")
def encoder(vision):
    return encoder_of(str(vision))


@pytest.fixture(scope="module")
def colours():
    """An encoder made by hand, which knows the mean of each colour."""
    return PictureEncoder.of_graph(EncoderSpec(side=16, width=3), hand_made_picture(("harm",)).graph)


def learn(folder, encoder, traffic=None):
    return train_picture_head(
        folder, encoder, STATED,
        opener=PlainOpener(), traffic=traffic, most=2000, brought=encoder, advance=lambda *_: None,
    )  # fmt: skip


def test_the_graph_of_a_vision_model_says_what_torch_says(vision, encoder):
    tower = ImageTower(image_tower(str(vision))).eval()
    pixels = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE)).astype(np.uint8)
    with torch.no_grad():
        patches = tower(Pictures(pixels=torch.from_numpy(pixels[None]), known=torch.tensor([True])))
    np.testing.assert_allclose(encoder.vector(pixels), patches[0].mean(dim=0).numpy(), atol=1e-4)
    assert (encoder.side, encoder.width) == (SIDE, tower.width)


def test_a_folder_without_a_vision_model_is_refused(tmp_path):
    with pytest.raises(NotFound, match="There is no encoder"):
        encoder_of(str(tmp_path))


def test_a_folder_of_pictures_becomes_a_head_and_bad_files_are_named(tmp_path, colours):
    folder = fill(tmp_path)
    (folder / "sunsets" / "broken.png").write_bytes(BROKEN)
    (folder / "sunsets" / "copy.png").write_bytes((folder / "sunsets" / "0.png").read_bytes())
    os.mkfifo(folder / "other" / "pipe.png")
    head, refused = learn(folder, colours)
    assert [one.file for one in refused] == ["sunsets/broken.png", "other/pipe.png"]
    assert all(one.why for one in refused)
    assert (head.harmful, head.harmless, head.repeated) == (24, 24, 1)
    assert head.head.spec.encoder == colours.name
    assert head.pr_auc.value > 0.9
    red, blue = (colours.vector(np.full((3, 16, 16), 0, np.uint8) + np.array(shade, np.uint8)[:, None, None])
                 for shade in ((255, 69, 0), (70, 130, 180)))  # fmt: skip
    assert head.head.heavy.logits(red[None])[0] > head.head.heavy.logits(blue[None])[0]


def test_everything_that_is_wrong_with_the_folders_is_said_at_once(tmp_path, colours):
    folder = fill(tmp_path / "pictures", count=2)
    (folder / "other" / "same.png").write_bytes((folder / "sunsets" / "0.png").read_bytes())
    (folder / "other" / "broken.png").write_bytes(BROKEN)
    with pytest.raises(ConfigurationError) as caught:
        learn(folder, colours)
    same, few, fewer, broken = caught.value.problems
    assert same.startswith("sunsets/0.png and other/same.png are the same picture")
    assert few.startswith("2 examples break the policy")
    assert fewer.startswith("3 examples do not break it")
    assert broken.startswith("other/broken.png could not be used")
    (tmp_path / "shapes" / "maybe").mkdir(parents=True)
    with pytest.raises(ConfigurationError) as caught:
        learn(tmp_path / "shapes", colours)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "there is no subfolder sunsets",
        "there is no subfolder other",
        "the subfolder maybe belongs to neither side",
    ]
    with pytest.raises(NotFound, match="There is no folder"):
        learn(tmp_path / "nowhere", colours)


def test_little_traffic_is_refused(tmp_path, colours):
    folder = fill(tmp_path / "pictures")
    with pytest.raises(ConfigurationError, match="too few to show what traffic is like"):
        learn(folder, colours, traffic=folder / "other")


def test_pictures_whose_hashes_are_near_are_one_group():
    def facts(number, pdq, quality=100):
        hashes = (PictureHash(pdq=f"{pdq:064x}", quality=quality),)
        return PictureFacts(
            version=1, sha256=f"{number:064x}", format="png", bytes=1, width=1, height=1, hashes=hashes
        )

    far = int("f0" * 32, 16)
    some = [facts(1, 0), facts(2, 1), facts(3, far), facts(4, (1 << 25) - 1), facts(5, far, quality=10)]
    group = groups_of(some)
    assert group[0] == group[1] == group[3]
    assert len({group[0], group[2], group[4]}) == 3


def test_the_command_learns_from_a_folder_and_scores_pictures(tmp_path, tiny_bundle, vision, encoder):
    own, out, folder = tmp_path / "own", tmp_path / "out", fill(tmp_path / "pictures")
    own.mkdir()
    write_encoding(own, tiny_bundle)
    (folder / "other" / "broken.png").write_bytes(BROKEN)
    args = ("train", "policy", "sunsets", "--examples", folder, "--bundle", own, "--out", out)
    with pytest.raises(ConfigurationError, match="--vision"):
        run(*args)
    told = run(*args, "--vision", vision)
    assert "left out: other/broken.png" in told.stderr
    assert load_bundle(out).encoders[0].name == encoder.name  # the same model, the same graph
    lines = [
        {"text": "", "media": [{"path": f"pictures/{kind}/{at}.png"}]}
        for kind in ("sunsets", "other")
        for at in (3, 4)
    ]
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"text": "no picture"}\n')
    told = run("score", posts, "--bundle", out)
    said = [json.loads(line)["policies"]["sunsets"] for line in told.stdout.splitlines()]
    assert min(said[:2]) > 2 * max(said[2:4])
    assert said[4] == 0.0


def test_a_head_of_pictures_goes_with_its_encoder_and_is_replaced_with_it(tmp_path, tiny_bundle, colours):
    own, out = tmp_path / "own", tmp_path / "out"
    own.mkdir()
    bundle = write_encoding(own, tiny_bundle)
    head, _ = learn(fill(tmp_path / "pictures"), colours)
    with_added(own, out, bundle, head)
    one = load_bundle(out)
    assert [encoder.model for encoder in one.encoders] == [colours.model]
    other = PictureEncoder.of_graph(
        EncoderSpec(side=24, width=3), hand_made_picture(("harm",), side=24).graph
    )
    again, _ = learn(tmp_path / "pictures", other)
    with_added(out, out, one, again)  # in place: nothing of the first encoder stays
    assert [encoder.model for encoder in load_bundle(out).encoders] == [other.model]
    assert [path.name for path in out.glob("encoder-*")] == [f"encoder-{other.name}.onnx"]
