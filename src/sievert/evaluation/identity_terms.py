"""Does naming a group make a harmless sentence look harmful? Measured on templates.

Each template sentence names one identity term and is harmful or harmless by its other words, so that
terms differ in nothing but the name. Two numbers a term:

* the share of its harmless sentences above the score at which a stated share of real traffic would
  be removed (false alarms, at an operating point that comes from elsewhere);
* pinned AUC after Dixon et al. 2018 (AIES): how well the term's sentences, harmful and harmless, are
  told apart when mixed with as many sentences of all terms.

Not covered: templates are short and stiff; a small gap here is needed for fairness, and is no proof
of it. Names, dialects and terms that are not on the list are not measured.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from sievert.measurement.roc import area_under_roc

TERMS = (
    "african american", "american", "asian", "bisexual", "black", "blind", "buddhist", "canadian", "catholic",
    "chinese", "christian", "deaf", "elderly", "european", "female", "gay", "heterosexual", "hispanic",
    "homosexual", "indian", "japanese", "jewish", "latina", "latino", "latinx", "lesbian", "lgbt", "lgbtq",
    "male", "mexican", "middle aged", "middle eastern", "millenial", "muslim", "nonbinary", "old", "older",
    "paralyzed", "protestant", "queer", "sikh", "straight", "taoist", "teenage", "trans", "transgender",
    "white", "young", "younger", "african",
)  # fmt: skip


class TermLine(msgspec.Struct, frozen=True, kw_only=True):
    """One identity term. `false_alarms` is the share of harmless sentences at or above the threshold."""

    term: str
    harmful: int
    harmless: int
    false_alarms: float
    pinned_auc: float


class IdentityTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All terms at one threshold. `gap` is the largest share of false alarms less the smallest."""

    removal_share: float
    threshold: float
    overall_false_alarms: float
    gap: float
    pinned_auc_lowest: float
    pinned_auc_highest: float
    terms: tuple[TermLine, ...]


def measure_identity_terms(
    texts: list[str],
    y: npt.NDArray[np.bool_],
    score: npt.NDArray[np.float32],
    *,
    threshold: float,
    removal_share: float,
    seed: int = 0,
    terms: tuple[str, ...] = TERMS,
) -> IdentityTerms:
    """Measure n template sentences with labels y [n] and scores [n]; a text may name a term or none.

    Raises:
        ValueError: no text names any term.
    """
    term_of = terms_named(texts, terms)
    rng = np.random.default_rng(seed)
    named = np.flatnonzero(term_of >= 0)
    if not len(named):
        raise ValueError("None of these texts names an identity term.")
    alarm = score >= threshold
    lines = []
    for t, term in enumerate(terms):
        mine = np.flatnonzero(term_of == t)
        harmless = mine[~y[mine]]
        if not (len(harmless) and y[mine].any()):
            continue
        pinned = np.concatenate([mine, rng.choice(named, len(mine), replace=False)])
        lines.append(
            TermLine(
                term=term,
                harmful=int(y[mine].sum()),
                harmless=len(harmless),
                false_alarms=float(alarm[harmless].mean()),
                pinned_auc=area_under_roc(y[pinned], score[pinned]),
            )
        )
    overall = float(alarm[named[~y[named]]].mean())
    rates = [line.false_alarms for line in lines]
    areas = [line.pinned_auc for line in lines]
    return IdentityTerms(
        removal_share=removal_share,
        threshold=threshold,
        overall_false_alarms=overall,
        gap=max(rates) - min(rates),
        pinned_auc_lowest=min(areas),
        pinned_auc_highest=max(areas),
        terms=tuple(sorted(lines, key=lambda line: -line.false_alarms)),
    )


def terms_named(texts: list[str], terms: tuple[str, ...] = TERMS) -> npt.NDArray[np.int64]:
    """Return for each text [n] the index of the longest term that it names, or -1."""
    longest_first = sorted(range(len(terms)), key=lambda t: -len(terms[t]))
    found = np.full(len(texts), -1, np.int64)
    for i, text in enumerate(texts):
        padded = f" {' '.join(text.casefold().replace('.', ' ').split())} "
        found[i] = next((t for t in longest_first if f" {terms[t]} " in padded), -1)
    return found
