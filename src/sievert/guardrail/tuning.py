"""Where an attempt's path lies: from looks of the time before, and from what people said of earlier audits.

Rules speak of the stated probability, since that is what decides. How right it is, is estimated from
earlier labels (`calibration.recalibrating`), so that the path lies where audits are likely to prove it;
without labels probabilities are believed. Whatever path comes out, the audits prove its rules or do not.

While a certificate removes, posts that it removed are looked at no more; rules more careful than its own
would be seen on half of their posts, and are left out.
"""

import math
from collections.abc import Sequence

import numpy as np

from sievert.calibration.recalibrating import recalibrated
from sievert.guardrail.frames import MOST_CAREFUL, looks_of
from sievert.policy.paths import LAMBDAS_VIEWS, Path, tuned_levels
from sievert.schema.certificate import Certificate
from sievert.schema.guardrail import Audit, Crossing
from sievert.schema.policy import Policy

_NEARLY = 1e-7


def path_for(
    policy: Policy,
    crossings: Sequence[Crossing],
    labels: Sequence[Audit],
    *,
    audits: int,
    delta: float,
    beside: Certificate | None = None,
) -> Path | None:
    """Return the path on which so many audits are expected to bring the most; None where nothing crossed.

    `beside` is the certificate that removes meanwhile, if one does.
    """
    looks = looks_of(crossings)
    if not len(looks.posts):
        return None
    stated = np.clip(looks.p, _NEARLY, 1 - _NEARLY)
    right = recalibrated(
        [_logit(one.p) for one in labels], [float(one.harmful is True) for one in labels]
    ).apply(np.log(stated / (1 - stated)).ravel())
    p = np.where(looks.p > 0, right.reshape(stated.shape), 0.0)
    best: Path | None = None
    for lambda_views in LAMBDAS_VIEWS if beside is None else (beside.lambda_views,):
        level = looks.levels(policy, lambda_views)
        tuned = tuned_levels(level, p, looks.seen, policy, audits=audits, delta=delta)
        if tuned is not None and (best is None or tuned.worth > best.worth):
            best = Path(
                levels=np.unique(np.minimum(tuned.levels, MOST_CAREFUL))[::-1],
                audits_posts=tuned.audits_posts,
                audits_views=tuned.audits_views,
                worth=tuned.worth,
                lambda_views=lambda_views,
            )
    if best is None or beside is None:
        return best
    bolder = [beside.lambda_posts, *(one for one in best.levels.tolist() if one < beside.lambda_posts)]
    return Path(
        levels=np.array(bolder),
        audits_posts=best.audits_posts,
        audits_views=best.audits_views,
        worth=best.worth,
        lambda_views=beside.lambda_views,
    )


def _logit(p: float) -> float:
    p = min(max(p, _NEARLY), 1 - _NEARLY)
    return math.log(p / (1 - p))
