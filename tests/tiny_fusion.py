"""A bundle in miniature with everything: light, heavy, update, fusion and picture model, all hand-made."""

import dataclasses
import functools
import io

import msgspec
from PIL import Image

from plain_opener import PlainOpener
from sievert.schema.media import Media, PictureVector, SeenPicture
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.testing import (
    batch_of,
    hand_made_fusion,
    hand_made_picture,
    hand_made_update,
    write_tiny_bundle,
)
from tiny_heavy import HEADS, tiny_model, tiny_parts, write_with_heavy

WIDTH, SIDE = 8, 16


def write_fused(folder, *, files=None, hears_people=True):
    """Write and load a bundle whose fusion model hears text, words, pictures and people; `files` replace others.

    One that does not hear people hears pictures alone.
    """
    light = write_tiny_bundle(folder / "light")
    write_with_heavy(folder / "heavy", light, tiny_parts(model=tiny_model(width=WIDTH)))
    picture = hand_made_picture(HEADS, side=SIDE)
    fusion = hand_made_fusion(
        HEADS,
        text_width=WIDTH if hears_people else 0,
        picture_width=picture.spec.width,
        hears_people=hears_people,
    )
    made = {**hand_made_update(len(HEADS)).files(), **fusion.files(), **picture.files(), **(files or {})}
    with_files(folder / "heavy", folder / "fused", made)
    return load_bundle(folder / "fused")


def plain(colour, *, side=40):
    """A picture file of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


@functools.cache
def opened(data, side=SIDE):
    """The facts about a picture as whoever opens it tells them, and its pixels."""
    return PlainOpener().open_with_pixels(data, (side,))


def seen(bundle, data, *, words=None, encoded=True):
    """A picture as the path knows it; without its vector if no encoder has seen it."""
    facts, (pixels,) = opened(data)
    vectors = (
        (
            PictureVector(
                encoder=bundle.picture.name,
                model=bundle.picture.model,
                values=bundle.picture.vector(pixels).tobytes(),
            ),
        )
        if encoded
        else ()
    )
    facts = msgspec.structs.replace(facts, words=words, vectors=vectors)
    return SeenPicture(media=Media(sha256=facts.sha256), facts=facts)


def pictured(*posts):
    """Lay (text, pictures ...) out as a batch."""
    made = batch_of([Post(id=f"p{at}", text=text) for at, (text, *_) in enumerate(posts)])
    return dataclasses.replace(
        made, pictures={at: tuple(some) for at, (_, *some) in enumerate(posts) if some}
    )
