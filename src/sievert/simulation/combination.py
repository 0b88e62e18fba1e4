"""Harm that lies in neither the text nor the picture, but in both together.

A caption has an *intent* (it points at a person, at a whole people, offers something, or only admires),
a picture has a *motif*. The pair breaks a policy exactly if the table says so:

    intent      with: goose       pests        turnips   coins   any other
    pointing         harassment   harassment   threat    -       -
    gathering        hate         hate         threat    -       -
    offering         -            -            -         spam    -
    admiring         -            -            -         -       -

"Look who lives at number nine" is harmless over a garden, mocks over a goose, threatens over flying
turnips; the goose is harmless where somebody admires it. Every intent and every motif is common among
benign posts, with captions from the same patterns and pictures from the same recipes, now and then the
very same caption or picture, so that neither half tells much by itself.
"""

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s
from sievert.schema.taxonomy import LABELLED

INTENTS = ("pointing", "gathering", "offering", "admiring")
"""What a caption does; a column holds the place of the intent in here."""

MOTIFS = ("garden", "festival", "house", "goose", "turnips", "pests", "coins", "landscape")
"""What a picture shows; a column holds the place of the motif in here."""

_HARMFUL_PAIRS = {
    ("pointing", "goose"): "harassment",
    ("pointing", "pests"): "harassment",
    ("pointing", "turnips"): "threat",
    ("gathering", "goose"): "hate",
    ("gathering", "pests"): "hate",
    ("gathering", "turnips"): "threat",
    ("offering", "coins"): "spam",
}
# How often benign captions and pictures have each intent and motif: about as often as harmful ones,
# with the ones that never harm among them.
_BENIGN_INTENTS = np.array((0.38, 0.36, 0.13, 0.13))
_BENIGN_MOTIFS = np.array((0.09, 0.09, 0.09, 0.17, 0.17, 0.17, 0.13, 0.09))


def _table() -> Int8s:
    table = np.full((len(INTENTS), len(MOTIFS)), -1, np.int8)
    for (intent, motif), policy in _HARMFUL_PAIRS.items():
        table[INTENTS.index(intent), MOTIFS.index(motif)] = LABELLED.index(policy)
    return table


POLICY_OF = _table()
"""[intents, motifs] the policy that a pair breaks, as its place in LABELLED; -1 if none."""


def harmful_pairs(policy: Int8s, rng: np.random.Generator) -> tuple[Int8s, Int8s]:
    """Draw an intent and a motif for each row [n] that together break that row's policy."""
    intent, motif = np.empty(len(policy), np.int8), np.empty(len(policy), np.int8)
    for place in range(len(LABELLED)):
        rows = np.flatnonzero(policy == place)
        intents, motifs = np.nonzero(np.equal(POLICY_OF, place))
        drawn = rng.integers(len(intents), size=len(rows))
        intent[rows], motif[rows] = intents[drawn], motifs[drawn]
    return intent, motif


def harmless_pairs(count: int, rng: np.random.Generator) -> tuple[Int8s, Int8s]:
    """Draw pairs that break nothing: a harmful pair keeps one half and gets another other half."""
    intent = rng.choice(len(INTENTS), count, p=_BENIGN_INTENTS).astype(np.int8)
    motif = rng.choice(len(MOTIFS), count, p=_BENIGN_MOTIFS).astype(np.int8)
    while len(rows := np.flatnonzero(POLICY_OF[intent, motif] >= 0)):
        other_motif = rng.random(len(rows)) < 0.5
        again, anew = rows[other_motif], rows[~other_motif]
        motif[again] = rng.choice(len(MOTIFS), len(again), p=_BENIGN_MOTIFS)
        intent[anew] = rng.choice(len(INTENTS), len(anew), p=_BENIGN_INTENTS)
    return intent, motif


def harmless_intents(motif: Int8s, rng: np.random.Generator) -> Int8s:
    """Draw for each picture [n] an intent that makes no harm of it."""
    weights = np.where(POLICY_OF[:, motif] < 0, _BENIGN_INTENTS[:, None], 0.0)  # [intents, n]
    heaped = np.cumsum(weights, axis=0)
    drawn = rng.random(len(motif)) * heaped[-1]
    found: npt.NDArray[np.int8] = (heaped <= drawn).sum(axis=0).astype(np.int8)
    return found
