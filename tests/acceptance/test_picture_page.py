"""Pictures on the live page, in a real browser: blurred and grey until somebody asks to see one plainly."""

import base64

import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect

from browser import CHROMIUM, browser_page
from made_pictures import saved
from running_server import running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)"),
]

_COLOURS = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0, sharp = 0;
  for (let i = 4; i < data.length; i += 4) {
    coloured += Math.abs(data[i] - data[i + 1]) > 24 || Math.abs(data[i] - data[i + 2]) > 24;
    sharp = Math.max(sharp, Math.abs(data[i + 1] - data[i - 3]));
  }
  return [canvas.width, coloured, sharp];
}"""


@pytest.fixture
def picture():
    """Words in red on yellow: colours and edges that a blurred view must not have."""
    image = Image.new("RGB", (480, 200), "yellow")
    ImageDraw.Draw(image).text((20, 60), "you blorp", fill="red", font=ImageFont.load_default(size=64))
    return saved(image, "PNG")


def test_a_picture_is_blurred_until_somebody_asks_and_that_is_noted(tmp_path, tiny_folder, picture):
    with running(tmp_path / "data", tiny_folder, picture_seconds=20.0) as server, server.client() as client:
        media = [{"base64": base64.b64encode(picture).decode()}]
        sent = client.post("/api/v1/posts", json={"id": "shown", "text": "look", "media": media})
        assert sent.json()["decision"] == "review", sent.text
        with browser_page() as watched:
            page = watched.page
            page.goto(f"{server.address}/#key={server.key}")
            page.locator("#decisions tr", has_text="shown").get_by_role("button").click()
            figure = page.get_by_role("dialog").locator("figure.picture")
            canvas = figure.locator("canvas")
            expect(canvas).not_to_have_attribute("height", "1")
            width, coloured, sharp = canvas.evaluate(_COLOURS)
            assert (width <= 160, coloured) == (True, 0)
            assert sharp < 64
            expect(figure.get_by_text("you blorp")).to_be_hidden()
            assert "media.revealed" not in {entry.event for entry in server.doors.stores.audit.entries()}
            figure.get_by_role("button", name="show it plainly").click()
            expect(canvas).to_have_attribute("width", "480")
            _, coloured, sharp = canvas.evaluate(_COLOURS)
            assert coloured > 1000
            assert sharp > 128
            assert watched.complaints == []
            assert all(address.startswith((server.address, "data:")) for address in watched.requests)
        assert "media.revealed" in {entry.event for entry in server.doors.stores.audit.entries()}


def test_a_key_that_may_not_reveal_is_told_so(tmp_path, tiny_folder, picture):
    with running(tmp_path / "data", tiny_folder, picture_seconds=20.0) as server, server.client() as client:
        media = [{"base64": base64.b64encode(picture).decode()}]
        client.post("/api/v1/posts", json={"id": "shown", "text": "look", "media": media})
        key = server.new_key("decisions:read", "media:read")
        with browser_page() as watched:
            page = watched.page
            page.goto(f"{server.address}/#key={key}")
            page.locator("#decisions tr", has_text="shown").get_by_role("button").click()
            figure = page.get_by_role("dialog").locator("figure.picture")
            expect(figure.locator("canvas")).not_to_have_attribute("height", "1")
            figure.get_by_role("button", name="show it plainly").click()
            expect(figure).to_contain_text("media:reveal")
            assert figure.locator("canvas").evaluate(_COLOURS)[1] == 0
