"""Unlabelled posts whose truth is known: what each kind of post says, shows and draws, and how it is reported."""

import numpy as np

from sievert.training.material import Described, MaterialFold
from sievert.training.packed_pictures import PackedPictures
from sievert.training.unlabelled import Unlabelled

SIDE = 24
KINDS = 6


def described():
    """What material of the folds would say, as far as it is asked."""
    return Described(
        history="",
        settings={},
        heads=("harm", "hate"),
        numbers={},
        grams=0,
        side=SIDE,
        encoder="",
        first={},
        end=0,
        populations={},
        causes=(),
    )


def unlabelled(rng, posts, *, reports=None, views=None, mute=False, blind=False):
    """Posts of some kinds, half of them with a picture; every other kind's words, colour and replies differ.

    With `mute` all say the same, with `blind` all show the same. The last quarter is held out.
    """
    kind = rng.integers(0, KINDS, posts)
    said = np.stack([np.full(posts, 5), 10 + kind * (not mute), rng.integers(40, 50, posts)], axis=1)
    drew = np.stack([np.full(posts, 6), 20 + kind, rng.integers(40, 50, posts)], axis=1)
    picture = np.where(rng.random(posts) < 0.5, kind * (not blind), -1).astype(np.int32)
    shades = np.zeros((KINDS, 3, SIDE, SIDE), np.uint8)
    for one in range(KINDS):
        shades[one] = np.array([one & 1, one >> 1 & 1, one >> 2 & 1])[:, None, None] * 200 + 20
    packed = PackedPictures.of(shades, SIDE)
    columns = {
        "token_ids": said.reshape(-1).astype(np.uint16),
        "token_starts": 3 * np.arange(posts + 1),
        "words_at": np.full(posts, 3, np.uint16),
        "picture": picture,
        "alike": kind.astype(np.int32),
        "creator": rng.integers(0, 9, posts).astype(np.int32),
        "held": np.arange(posts) >= posts - posts // 4,
        "reports": np.zeros(posts, np.float32) if reports is None else reports.astype(np.float32),
        "report_views": np.zeros(posts, np.float32) if views is None else views.astype(np.float32),
    }
    replies = {**columns, "token_ids": drew.reshape(-1).astype(np.uint16)}
    return Unlabelled(
        columns=columns,
        posts=MaterialFold(columns, packed, described()),
        replies=MaterialFold(replies, packed, described()),
        digest="0" * 64,
    )
