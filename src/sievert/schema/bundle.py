"""Bundle: one versioned artefact that scores posts; here its manifest."""

import msgspec

BUNDLE_FORMAT = 1


class BundleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle, and the hash that it must have."""

    sha256: str
    size: int


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """One output of a bundle's models.

    `prevalence` is the natural share of harmful posts that the head's probabilities are calibrated
    to; `positives` and `negatives` count the labels it learned from.
    """

    name: str
    prevalence: float
    positives: int
    negatives: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bundle is, what it holds, and the hash of each file.

    `heads[0]` is the primary head, harm. `without_head` lists policies that have no labels and
    therefore no head: their probability is never invented. `added` are heads that somebody added from a
    few examples; the bundle's models know nothing of them.
    """

    format: int
    name: str
    created_at: str
    model: str
    heads: tuple[Head, ...]
    languages: tuple[str, ...]
    without_head: tuple[str, ...]
    feature_spec: str
    files: dict[str, BundleFile]
    added: tuple[Head, ...] = ()

    @property
    def every_head(self) -> tuple[Head, ...]:
        """The heads of the bundle's models, then the added ones."""
        return (*self.heads, *self.added)

    @property
    def prevalence(self) -> float:
        """The prevalence of harm that overall probabilities are calibrated to."""
        return self.heads[0].prevalence
