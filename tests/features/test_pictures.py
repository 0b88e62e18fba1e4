import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFont, PngImagePlugin

from made_pictures import FORMATS, film, long_gif, png, png_chunk, saved, scene
from sievert.errors import InputError, InvalidField, TooLarge
from sievert.features.content import picture_files, pictures
from sievert.features.content.picture_files import MOST_FRAMES, walk
from sievert.features.content.pictures import FACTS_VERSION, View, open_picture, view_picture
from sievert.schema.media import MAX_PICTURE_BYTES

ANIMATED = ("GIF", "WEBP", "AVIF", "PNG")
RED, GREEN, BLUE = (200, 20, 20), (20, 160, 20), (20, 20, 200)


def apart(one, other):
    return (int(one.pdq, 16) ^ int(other.pdq, 16)).bit_count()


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("you_blorp.txt", "you blorp " * 20)
    return out.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_opened_for_what_it_is(kind):
    data = saved(scene(), kind)
    opened = open_picture(data)
    facts = opened.facts
    assert facts.version == FACTS_VERSION
    assert (facts.format, facts.bytes, facts.frames) == (kind.lower(), len(data), 1)
    assert (facts.width, facts.height) == (320, 240)
    assert (facts.has_words, facts.words, facts.features) == (0.0, None, ())
    assert opened.small.mode == "RGB"
    assert opened.small.size == (320, 240)
    (found,) = facts.hashes
    assert found.quality > 50
    # The same scene in another format is the same scene.
    assert apart(found, open_picture(saved(scene(), "PNG")).facts.hashes[0]) <= 16


@pytest.mark.parametrize("kind", ANIMATED)
def test_a_film_is_known_by_its_first_frames(kind):
    scenes = [scene(seed=seed) for seed in (1, 2, 3, 4, 5)]
    facts = open_picture(film(kind, scenes)).facts
    assert facts.frames == 5
    assert len(facts.hashes) == 3
    for at, found in enumerate(facts.hashes):
        assert apart(found, open_picture(saved(scenes[at], "PNG")).facts.hashes[0]) <= 24


@pytest.mark.parametrize("kind", ANIMATED)
def test_frames_that_show_the_same_are_hashed_once(kind):
    one, other = scene(seed=1), scene(seed=2)
    frames = [one.copy() for _ in range(4)] + [other]
    frames[1].putpixel((0, 0), (1, 2, 3))  # so that no writer joins them
    frames[2].putpixel((0, 0), (3, 2, 1))
    assert len(open_picture(film(kind, frames)).facts.hashes) == 2


@pytest.mark.parametrize("kind", ANIMATED)
def test_a_film_that_begins_blank_is_known_by_what_it_shows(kind):
    blank = [Image.new("RGB", (320, 240), (level, level, level)) for level in (250, 240, 230)]
    data = film(kind, [*blank, scene(seed=1), scene(seed=2)])
    opened = open_picture(data)
    assert apart(opened.facts.hashes[0], open_picture(saved(scene(seed=1), "PNG")).facts.hashes[0]) <= 24
    assert np.asarray(opened.small).std() > 20
    for how in View:
        assert np.asarray(Image.open(io.BytesIO(view_picture(data, how=how)))).std() > 10
    assert open_picture(film(kind, blank)).small.size == (320, 240)


def test_what_a_png_shows_before_it_moves_is_looked_at_too():
    frames = [scene(seed=seed) for seed in (1, 2, 3)]
    facts = open_picture(film("PNG", frames, default_image=True)).facts
    assert facts.frames == 3
    assert len(facts.hashes) == 3


def test_without_the_media_extra_there_are_no_hashes(monkeypatch):
    monkeypatch.setattr(pictures, "_hasher", lambda: None)
    facts = open_picture(film("GIF", [scene(seed=1), scene(seed=2)])).facts
    assert facts.hashes == ()
    assert facts.frames == 2


@pytest.mark.parametrize("size", [(1920, 1080), (4000, 3000), (513, 300), (224, 168), (3, 900), (1, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_is_looked_at_is_small_and_keeps_its_shape(kind, size):
    small = open_picture(saved(scene(*size), kind)).small
    assert max(small.size) <= 512
    assert max(small.size) >= min(max(size), 400)
    assert abs(small.width / small.height - size[0] / size[1]) <= 0.01 * size[0] / size[1] + 0.01


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size():
    for size, small in (((1920, 1080), (480, 270)), ((4000, 3000), (500, 375)), ((1280, 720), (512, 288))):
        assert open_picture(saved(Image.new("RGB", size), "JPEG")).small.size == small
        assert open_picture(saved(Image.new("RGB", size), "JPEG")).facts.width == size[0]


def test_an_avif_whose_size_only_its_decoder_knows_is_refused_before_it_is_decoded(monkeypatch):
    data = saved(scene(200, 100), "AVIF")
    monkeypatch.setattr(picture_files, "MOST_PIXELS", 19_999)
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(TooLarge, match="200 x 100 pixels"):
        open_picture(data)


def test_hashes_are_those_of_the_library_that_exchanges_use():
    from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

    for seed in range(5):
        data = saved(scene(384, 288, seed), "PNG")
        assert pdq_from_bytes(data) == (
            open_picture(data).facts.hashes[0].pdq,
            open_picture(data).facts.hashes[0].quality,
        )
    # Brought to one size, a larger picture keeps its hash, but for a few of 256 bits.
    for seed, size in enumerate([(1920, 1080), (1080, 1350), (640, 480), (512, 512)]):
        data = saved(scene(*size, seed), "JPEG", quality=85)
        theirs, ours = pdq_from_bytes(data)[0], open_picture(data).facts.hashes[0].pdq
        assert (int(theirs, 16) ^ int(ours, 16)).bit_count() <= 16


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_right_way_up_is_what_a_camera_says(kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = Image.new("RGB", (120, 80), BLUE)
    upright.paste(RED, (0, 0, 60, 40))
    upright.paste(GREEN, (60, 0, 120, 40))
    back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    sent = upright.transpose(back.get(turn, pictures._TURNS[turn])) if turn > 1 else upright
    opened = open_picture(saved(sent, kind, exif=exif))
    assert (opened.facts.width, opened.facts.height) == (120, 80)
    assert opened.small.size == (120, 80)
    for place, colour in (((20, 20), RED), ((100, 20), GREEN), ((60, 70), BLUE)):
        assert np.abs(np.subtract(opened.small.getpixel(place), colour)).max() < 40
    plain = Image.open(io.BytesIO(view_picture(saved(sent, kind, exif=exif), how=View.PLAIN)))
    assert plain.size == (120, 80)
    assert not plain.getexif()


def test_an_avif_turns_as_its_own_boxes_say():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(saved(scene(120, 80), "AVIF", exif=exif)).small.size == (80, 120)


def test_modes_that_no_screen_has_become_what_a_screen_shows():
    grey = np.linspace(0, 65535, 300 * 200).reshape(200, 300).astype(np.uint16)
    deep = open_picture(saved(Image.fromarray(grey), "PNG")).small
    assert deep.getpixel((0, 0))[0] < 3
    assert abs(deep.getpixel((150, 100))[0] - 128) < 3
    inks = scene().convert("CMYK")
    found = np.asarray(open_picture(saved(inks, "JPEG", quality=95)).small).astype(int)
    assert np.abs(found - np.asarray(scene()).astype(int)).mean() < 6
    for mode, kind in (("1", "PNG"), ("L", "JPEG"), ("P", "GIF"), ("P", "PNG"), ("LA", "PNG"), ("L", "AVIF")):
        opened = open_picture(saved(scene().convert(mode), kind))
        assert opened.small.mode == "RGB"
        assert apart(opened.facts.hashes[0], open_picture(saved(scene(), "PNG")).facts.hashes[0]) < 80


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_words_that_are_as_light_as_the_page_do_not_vanish(kind):
    words = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    ImageDraw.Draw(words).text((10, 30), "you blorp", font=ImageFont.load_default(40), fill=(255, 255, 255))
    opened = open_picture(saved(words, kind))
    assert np.asarray(opened.small.convert("L")).std() > 20
    # A copy that lies on white is known as well.
    on_white = Image.new("RGB", (300, 100), "white")
    assert any(
        apart(found, open_picture(saved(on_white, "PNG")).facts.hashes[0]) < 10
        for found in opened.facts.hashes
    )


def test_what_is_dark_lies_on_white():
    words = Image.new("RGBA", (300, 100), (255, 0, 0, 0))
    ImageDraw.Draw(words).text((10, 30), "you blorp", font=ImageFont.load_default(40), fill=(10, 10, 10))
    opened = open_picture(saved(words, "PNG"))
    assert opened.small.getpixel((1, 1)) == (255, 255, 255)
    assert len(opened.facts.hashes) == 1


def test_a_colour_that_stands_for_nothing_is_see_through():
    flat = Image.new("RGB", (40, 40), (0, 255, 0))
    flat.paste((10, 10, 10), (10, 10, 30, 30))
    opened = open_picture(saved(flat, "PNG", transparency=(0, 255, 0)))
    assert opened.small.getpixel((1, 1)) == (255, 255, 255)


def test_a_broken_colour_profile_and_broken_camera_data_are_passed_over():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        for icc in (profile[: len(profile) // 2], b"\xff" * 500):
            assert open_picture(saved(scene(), kind, icc_profile=icc)).small.size == (320, 240)
    for exif in (b"Exif\x00\x00garbage" * 20, b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\x00" * 40):
        assert open_picture(saved(scene(), "JPEG", exif=exif)).facts.width == 320


def test_text_that_a_picture_carries_is_never_unpacked():
    bomb = zlib.compress(bytes(200 << 20), 9)
    rows = zlib.compress((b"\x00" + bytes(32)) * 32)
    chunks = (
        png_chunk(b"zTXt", b"Comment\x00\x00" + bomb),
        png_chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + bomb),
        png_chunk(b"iCCP", b"profile\x00\x00" + bomb),
    )
    data = png(32, 32, rows, *chunks)
    assert open_picture(data).small.size == (32, 32)
    assert len(walk(data).pixels) < 500
    with pytest.raises(ValueError, match="too large"):  # what the decoder does with it, if it gets it
        Image.open(io.BytesIO(data), formats=["PNG"]).load()


@pytest.mark.parametrize(
    ("size", "rows"),
    [((100_000, 100_000), 1 << 20), ((1, 100_000), 100_000), ((20_000, 20_000), 1 << 20), ((0, 5), 1)],
)
def test_a_bomb_is_refused_by_its_header(size, rows, monkeypatch):
    monkeypatch.setattr(Image, "open", None)  # no decoder is asked
    data = png(*size, zlib.compress(bytes(rows), 9))
    with pytest.raises(InputError, match="pixels") as caught:
        open_picture(data)
    assert caught.value.field == "media"
    assert caught.value.remedy


def test_a_header_that_says_two_things_is_believed_in_neither():
    honest = png(32, 32, zlib.compress(bytes(33 * 32)))
    second = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    with pytest.raises(InputError):
        open_picture(honest[:33] + second + honest[33:])


def test_a_jpeg_that_is_drawn_in_endless_passes_is_refused():
    data = saved(scene(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(TooLarge, match="passes"):
        open_picture(data[:last] + data[last:-2] * 200 + data[-2:])


def test_a_file_of_nothing_but_parts_is_refused():
    data = saved(scene(64, 64), "JPEG")
    with pytest.raises(TooLarge, match="parts"):
        open_picture(data[:2] + b"\xff\xfe\x00\x02" * 300_000 + data[2:])
    gif = long_gif(1)
    with pytest.raises(TooLarge, match="parts"):
        open_picture(gif[:-1] + b"\x21\xfe" + b"\x01a" * 300_000 + b"\x00;")


def test_ten_thousand_frames_cost_ten():
    data = long_gif(10_000)
    assert open_picture(data).facts.frames == MOST_FRAMES
    looked = []
    image = pictures._decoder(walk(data))
    seek, image.seek = image.seek, lambda at: (looked.append(at), seek(at))
    assert len(list(pictures._looks(image, 10_000, 512))) == 10
    assert looked == list(range(1, 10))


def test_many_large_frames_are_not_all_decoded():
    large = Image.new("P", (5000, 5000))
    frames = [large.copy() for _ in range(6)]
    for at, frame in enumerate(frames):
        frame.paste(at + 1, (0, 0, 1000, 1000))
    image = pictures._decoder(walk(film("GIF", frames)))
    assert len(list(pictures._looks(image, 6, 512))) == 3


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- a -->\n<svg></svg>", "SVG"),
        (b"<!DOCTYPE html><html>you blorp</html>", "HTML"),
        (zipped(), "ZIP"),
        (b"%PDF-1.7 ...", "PDF"),
        (saved(scene(), "TIFF"), "TIFF"),
        (saved(scene(), "BMP"), "BMP"),
        (b"you blorp" * 100, "something else"),
        (b"\x00", "something else"),
    ],
)
def test_what_is_no_picture_is_named_and_refused(data, name):
    with pytest.raises(InvalidField, match=r"JPEG, PNG, WebP, GIF and AVIF are read\.") as caught:
        open_picture(data)
    assert name in caught.value.what
    assert caught.value.field == "media"
    assert caught.value.remedy


def test_nothing_and_too_much_are_refused():
    with pytest.raises(InvalidField, match="no bytes"):
        open_picture(b"")
    with pytest.raises(TooLarge, match="10,485,760"):
        open_picture(b"\xff\xd8\xff" + bytes(MAX_PICTURE_BYTES))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_file_that_breaks_off_is_refused(kind, share):
    data = saved(scene(), kind)
    with pytest.raises(InvalidField):
        open_picture(data[: int(len(data) * share)])
    with pytest.raises(InvalidField):
        open_picture(data[:-1])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "tail", [zipped(), b"<html><script>alert('you blorp')</script></html>", b"<?php echo 'blorp' ?>" * 3]
)
def test_what_is_a_picture_and_something_else_at_once_is_refused(kind, tail):
    with pytest.raises(InvalidField):
        open_picture(saved(scene(), kind) + tail)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_padding_and_a_stray_line_end_are_no_reason_to_refuse(kind):
    data = saved(scene(), kind)
    assert open_picture(data + b"\r\n").facts.bytes == len(data) + 2
    assert open_picture(data + bytes(4096)).small.size == (320, 240)


def test_what_a_camera_appends_is_accepted_and_not_read():
    data = saved(scene(), "JPEG")
    film_of_a_phone = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + b"mdat" + b"x" * 3000
    trailer = b"\x00\x00\x30\x0a\x10\x00\x00\x00MotionPhoto_Data" + b"x" * 3000 + b"SEFT"
    for tail in (film_of_a_phone, saved(scene(seed=7), "JPEG"), bytes(10) + film_of_a_phone, trailer):
        assert open_picture(data + tail).facts.hashes == open_picture(data).facts.hashes
    pair = saved(scene(), "MPO", save_all=True, append_images=[scene(seed=9)])
    facts = open_picture(pair).facts
    assert (facts.format, facts.frames) == ("jpeg", 1)


def test_a_plain_view_holds_nothing_but_pixels():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "you blorp")
    shown = view_picture(saved(scene(3000, 2000), "PNG", pnginfo=info), how=View.PLAIN)
    assert b"blorp" not in shown
    assert Image.open(io.BytesIO(shown)).size == (1024, 683)


@pytest.mark.parametrize("size", [(1200, 800), (160, 120), (72, 72), (20_000, 1)])
def test_a_blurred_view_is_small_and_grey_and_has_no_detail(size):
    shown = Image.open(io.BytesIO(view_picture(saved(scene(*size), "PNG"), how=View.BLURRED)))
    assert shown.mode == "L"
    assert max(shown.size) == min(160, max(size))
    values = np.asarray(shown).astype(int)
    steps = np.abs(np.diff(values, axis=1 if size[0] > 1 else 0))
    assert steps.max() < 40


def test_words_in_a_blurred_view_cannot_be_told_from_other_words():
    views = []
    for words in ("you blorp, go away", "the sun is out now"):
        page = scene(800, 500)
        ImageDraw.Draw(page).text((40, 200), words, font=ImageFont.load_default(60), fill="white")
        views.append(
            np.asarray(Image.open(io.BytesIO(view_picture(saved(page, "PNG"), how=View.BLURRED)))).astype(int)
        )
    noise = np.asarray(scene(160, 100).convert("L")).astype(int)
    assert np.abs(views[0] - views[1]).max() < 12
    assert np.abs(np.diff(views[0], axis=1)).mean() < np.abs(np.diff(noise, axis=1)).mean() / 2


WHOLE = [saved(scene(96, 64), kind) for kind in FORMATS]
WHOLE += [film(kind, [scene(48, 32, seed) for seed in range(3)]) for kind in ANIMATED]
WHOLE += [
    saved(scene(96, 64), "JPEG", progressive=True, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"),
    saved(scene(96, 64).convert("RGBA"), "WEBP", lossless=True),
    saved(scene(96, 64).convert("P"), "PNG", transparency=3),
]


@settings(max_examples=300)
@given(st.data())
def test_no_bytes_raise_anything_but_an_error_about_them(data):
    whole = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                whole[at] = data.draw(st.integers(0, 255))
            case 1:
                whole[at : at + 4] = data.draw(
                    st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"])
                )
            case 2:
                del whole[at : at + data.draw(st.integers(1, 40))]
            case _:
                stop = at + data.draw(st.integers(1, 40))
                whole[at:at] = whole[at:stop]
        if not whole:
            break
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    for use in (open_picture, lambda one: view_picture(one, how=View.BLURRED)):
        caught = None
        try:
            use(bytes(whole))
        except InputError as error:
            caught = error
        assert caught is None or (caught.field == "media" and caught.remedy)
