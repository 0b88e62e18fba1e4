"""Reweighting: a sample with too many harmful posts speaks for traffic that has few.

Every metric here is stated at a prevalence. A metric of a balanced sample is refused: at one harmful
post in a hundred, a model that looks good on balanced data can be wrong most of the time it speaks.
"""

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField

MOST_HARMFUL_TRAFFIC = 0.20
"""No platform's traffic is more harmful than this; a higher number is a sample's, not traffic's."""

HEADLINES = ("pr_auc", "recall_at_precision", "recall_at_removal_share", "precision_at_removal_share")
"""What may stand in a headline. F1, accuracy and AUROC may not: they hide the rare false alarm."""


def natural_weights(
    y: npt.NDArray[np.bool_], *, prevalence: float, weight: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Return weights [n] that sum to 1 and make harmful posts (y [n]) the share `prevalence`.

    `weight` [n] are sampling weights inside each class. If a class is missing, its share is too.

    Raises:
        InvalidField: the prevalence is not one that traffic can have.
    """
    _refuse_unnatural(prevalence)
    natural = np.ones(len(y)) if weight is None else np.array(weight, np.float64)
    for harmful, share in ((True, prevalence), (False, 1.0 - prevalence)):
        mass = natural[y == harmful].sum()
        if mass > 0:
            natural[y == harmful] *= share / mass
    return natural


def refuse_balanced(metric: str, *, prevalence: float) -> None:
    """Refuse a headline that says nothing about traffic.

    Raises:
        InvalidField: the metric is none of `HEADLINES`, or the prevalence is not one that traffic can have.
    """
    if metric not in HEADLINES:
        raise InvalidField(
            f"{metric} is no headline: it looks good where harmful posts are rare and most alarms false.",
            remedy=f"Use one of {', '.join(HEADLINES)}, at the prevalence of traffic.",
            field="metric",
        )
    _refuse_unnatural(prevalence)


def _refuse_unnatural(prevalence: float) -> None:
    if not 0.0 < prevalence <= MOST_HARMFUL_TRAFFIC:
        raise InvalidField(
            f"A prevalence of {prevalence:g} is a sample's, and not one of natural traffic.",
            remedy="State the share of harmful posts in traffic with --prevalence, above 0 and at most "
            f"{MOST_HARMFUL_TRAFFIC:g}; the sample is weighed to match.",
            field="prevalence",
        )
