"""A platform that sends thumbnails is spared fetching; nothing that they call for is missed."""

import base64

import pytest
from PIL import Image, ImageDraw, ImageFont

from made_pictures import saved, scene
from picture_server import answer, serving
from running_server import running

CALM = scene(640, 480, seed=8)
LOUD = Image.new("RGB", (480, 320), "white")
for line in range(5):
    ImageDraw.Draw(LOUD).text(
        (10, 8 + 60 * line), "you blorp blorp", "black", ImageFont.load_default(size=56)
    )


def small(image, side=64):
    image = image.copy()
    image.thumbnail((side, side))
    return base64.b64encode(saved(image, "PNG")).decode()


@pytest.fixture(scope="module")
def host():
    whole = {"/calm.png": answer(saved(CALM, "PNG")), "/loud.png": answer(saved(LOUD, "PNG"))}
    with serving(whole) as pictures:
        yield pictures


@pytest.fixture(params=["needed", "all"])
def posted(request, tmp_path, tiny_folder, host):
    host.heads.clear()
    with (
        running(
            tmp_path / "data",
            tiny_folder,
            fetch_private_hosts=(host.place,),
            fetch_pictures=request.param,
            picture_seconds=20.0,
        ) as server,
        server.client() as client,
    ):

        def post(name, thumbnail):
            media = {"url": f"http://{host.place}/{name}.png", "thumbnail": thumbnail}
            return client.post("/api/v1/posts", json={"id": name, "text": "look", "media": [media]})

        post.fetches_all = request.param == "all"
        yield post


def test_the_whole_picture_is_fetched_where_its_thumbnail_calls_for_it(posted, host):
    assert posted("calm", small(CALM)).json()["decision"] == "allow"
    assert ("/calm.png" in host.paths) == posted.fetches_all
    assert posted("loud", small(LOUD)).json()["decision"] == "review"
    assert "/loud.png" in host.paths


@pytest.mark.parametrize("wrong", [small(CALM, 65), "?", base64.b64encode(bytes(40_000)).decode()])
def test_what_is_no_thumbnail_is_refused(posted, wrong):
    refused = posted("calm", wrong)
    assert refused.status_code in (413, 422)
    assert refused.json()["field"] == "media[0]"
