"""An added head made by hand, and texts to learn one from; the bundle is the tiny one with its heavy model."""

import msgspec
import numpy as np

from sievert.features.content.tokens import STATS
from sievert.schema.bundle import Head
from sievert.scoring.added_heads import AddedHead, AddedHeads, AddedSpec, Grams, LinearHead, Reads
from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.scoring.heavy import HeavyModel
from sievert.testing import hand_made_update
from tiny_heavy import tiny_model, tiny_parts, tiny_tokenizer, write_with_heavy

WIDTH = 8
PROMO = "promo"
STRAIGHT = {"x": [-1.0, 1.0], "y": [-1.0, 1.0]}


def write_encoding(folder, tiny_bundle, **options):
    """Write and load the tiny bundle with a heavy model that encodes, and its update model."""
    write_with_heavy(folder, tiny_bundle, tiny_parts(model=tiny_model(width=WIDTH), **options))
    with_files(folder, folder, hand_made_update(len(tiny_bundle.manifest.heads)).files())
    return load_bundle(folder)


def meaning_of(word, tables):
    """The encoding of a word alone."""
    model = HeavyModel(tiny_model(width=WIDTH), tiny_tokenizer(), tokens=64, symbols={})
    return model.encodings([word], tables)[0]


def linear(weights, bias=0.0):
    """A head that is a plain weighted sum."""
    weights = np.asarray(weights, np.float32)
    return LinearHead(
        mean=np.zeros(len(weights), np.float32),
        spread=np.full(len(weights), 100.0, np.float32),
        weights=weights * 100.0,
        bias=np.array([bias], np.float32),
    )


def promo_head(bundle, *, name=PROMO, cut=0.0):
    """A head whose light half hears links, and whose other half hears the word "not" among unknown ones."""
    light = np.zeros(bundle.light.numbers, np.float32)
    light[len(bundle.light.scale) + STATS.index("links")] = 8.0
    meaning, unknown = meaning_of("not", bundle.fold), meaning_of("anything", bundle.fold)
    apart = meaning - unknown * (meaning @ unknown) / (unknown @ unknown)
    spec = AddedSpec(
        name=name, reads=Reads.TEXT, share=0.01, cut=cut, counts=1.0, first=STRAIGHT, second=STRAIGHT
    )
    heavy = linear(12.0 * apart / (apart @ meaning), -6.0)
    grams = Grams(np.zeros(len(bundle.light.table), np.int8), np.ones(1, np.float32))
    return AddedHead.of_parts(spec, light=linear(light, -4.0), heavy=heavy, grams=grams)


def write_added(folder, out, *heads):
    """Write and load a bundle with these heads, each alone or with the encoder that came with it."""
    added = AddedHeads(())
    for one in heads:
        head, encoder = one if isinstance(one, tuple) else (one, None)
        added = added.with_head(head, encoder=encoder)

    def stating(manifest):
        named = tuple(Head(name=name, prevalence=0.01, positives=30, negatives=30) for name in added.names)
        return msgspec.structs.replace(manifest, added=named)

    with_files(folder, out, added.files(), stating=stating)
    return load_bundle(out)
