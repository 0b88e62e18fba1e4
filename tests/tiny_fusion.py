"""A bundle in miniature with everything: light, heavy, update, fusion and picture model, all hand-made."""

from sievert.scoring.bundle import load_bundle
from sievert.scoring.bundle_files import with_files
from sievert.testing import hand_made_fusion, hand_made_picture, hand_made_update, write_tiny_bundle
from tiny_heavy import HEADS, tiny_model, tiny_parts, write_with_heavy

WIDTH, SIDE = 8, 16


def write_fused(folder, *, files=None):
    """Write and load a bundle whose fusion model hears text, words and pictures; `files` replace others."""
    light = write_tiny_bundle(folder / "light")
    write_with_heavy(folder / "heavy", light, tiny_parts(model=tiny_model(width=WIDTH)))
    picture = hand_made_picture(HEADS, side=SIDE)
    fusion = hand_made_fusion(HEADS, text_width=WIDTH, picture_width=picture.spec.width)
    made = {**hand_made_update(len(HEADS)).files(), **fusion.files(), **picture.files(), **(files or {})}
    with_files(folder / "heavy", folder / "fused", made)
    return load_bundle(folder / "fused")
