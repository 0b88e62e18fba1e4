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


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is, what it holds, and the hash of each file.

    `heads[0]` is the primary head, harm. `without_head` lists policies that have no labels and
    therefore no head: their probability is never invented.
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

    @property
    def prevalence(self) -> float:
        """The prevalence of harm that overall probabilities are calibrated to."""
        return self.heads[0].prevalence
