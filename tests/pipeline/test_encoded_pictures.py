"""Vectors of pictures: made once for a file, kept with what else is known of it, made anew for another encoder."""

import dataclasses

import msgspec
import numpy as np
import pytest
from sqlalchemy import text as sql

from plain_opener import PlainOpener, painting
from sievert.errors import InvalidField, Overloaded
from sievert.features.content.pictures import open_picture
from sievert.features.content.pixels import pixels_of
from sievert.pipeline.pictures import Pictures
from sievert.schema.media import PictureFacts
from sievert.stores.media.memory import MemoryMedia
from sievert.testing import hand_made_picture
from tiny_heavy import HEADS


@dataclasses.dataclass
class CountedEncoder:
    """A picture model that says how often it was asked; under another name it is another one's encoder."""

    real: object
    name: str = "picture"
    asked: int = 0

    @property
    def model(self):
        return f"{self.real.model}-{self.name}"

    @property
    def side(self):
        return self.real.side

    def vector(self, pixels):
        self.asked += 1
        return self.real.vector(pixels)


class Told:
    """Remembers what happened to pictures."""

    def __init__(self):
        self.all = []

    def picture(self, what):
        self.all.append(what)


def counted(*, side=16, name="picture"):
    return CountedEncoder(hand_made_picture(HEADS, side=side), name)


def eyes(stores, *encoders, opener=None, isolates=lambda _: False, told=None):
    return Pictures(
        opener=opener or PlainOpener(),
        log=stores.pictures,
        clock=stores.clock,
        files=MemoryMedia(clock=stores.clock),
        isolates=isolates,
        encoders=encoders,
        watch=told or Told(),
    )


def vectors(facts):
    return {one.encoder: np.frombuffer(one.values, "<f4").tolist() for one in facts.vectors}


def expected(encoder, data):
    return encoder.real.vector(pixels_of(open_picture(data).small, encoder.side)).tolist()


def test_a_picture_is_encoded_once_also_after_a_restart(stores):
    encoder, opener = counted(), PlainOpener()
    for _ in range(2):
        pictures = eyes(stores, encoder, opener=opener)
        first, copy = pictures.take(painting(1)), pictures.take(painting(1))
        assert first == copy
        assert vectors(first) == {"picture": expected(encoder, painting(1))}
    assert (encoder.asked, len(opener.opened)) == (1, 1)


def test_of_a_bundle_with_more_encoders_each_has_its_vector(stores):
    one, other = counted(), counted(side=24, name="ours")
    facts = eyes(stores, one, other).take(painting(1))
    assert vectors(facts) == {
        "picture": expected(one, painting(1)),
        "ours": expected(other, painting(1)),
    }


def test_another_encoder_looks_anew_when_the_file_comes_and_the_old_vector_goes(stores):
    old, kept, new = counted(), counted(side=8, name="ours"), counted(side=24)
    sha256 = eyes(stores, old, kept).take(painting(1)).sha256
    told = Told()
    pictures = eyes(stores, new, kept, told=told)
    # Named by its hash alone it is known, and has no vector of the new encoder.
    (seen,) = pictures.named([sha256])
    assert new.real.kept(seen.facts) is None
    facts = pictures.take(painting(1))
    assert vectors(facts) == {"picture": expected(new, painting(1)), "ours": expected(kept, painting(1))}
    assert (kept.asked, new.asked, told.all) == (1, 1, ["encoded"])
    assert eyes(stores, new, kept).named([sha256])[0].facts == facts


def test_a_picture_that_cannot_be_opened_anew_is_known_as_before(stores):
    sha256 = eyes(stores).take(painting(1)).sha256
    for error in (InvalidField("It broke.", field="media"), Overloaded("Busy.")):
        told, opener = Told(), PlainOpener()
        opener.open_with_pixels = lambda *_, error=error: (_ for _ in ()).throw(error)
        facts = eyes(stores, counted(), opener=opener, told=told).take(painting(1))
        assert (facts.sha256, facts.vectors, told.all) == (sha256, (), ["unseen"])
        with pytest.raises(type(error)):
            eyes(stores, counted(), opener=opener).take(painting(2))


def test_what_must_not_be_kept_is_not_encoded(stores):
    encoder = counted()
    closed = eyes(stores, encoder, isolates=lambda _: True)
    assert closed.take(painting(1)).vectors == ()
    assert closed.take(painting(1)).vectors == ()
    assert encoder.asked == 0
    # What was encoded before a bank knew it is let go of.
    seen = eyes(stores, encoder)
    sha256 = seen.take(painting(2)).sha256
    seen.let_go([sha256])
    assert seen.named([sha256])[0].facts.vectors == ()


def test_facts_that_were_kept_before_there_were_vectors_are_read(stores):
    encoder = counted()
    facts = eyes(stores).take(painting(1))
    old = msgspec.json.decode(msgspec.json.encode(facts))
    del old["vectors"]
    if hasattr(stores, "database"):
        with stores.database.writing() as connection:
            connection.execute(sql("UPDATE pictures SET record = :old"), {"old": msgspec.json.encode(old)})
    assert msgspec.convert(old, PictureFacts) == facts
    pictures = eyes(stores, encoder)
    assert pictures.named([facts.sha256])[0].facts == facts
    assert pictures.take(painting(1)).vectors
