"""The removal rule, and whether a certificate lets it remove here.

With calibrated probability p, forecast views v, and a certificate that fixed l1 and l2, remove when
`v p + l1 (p - t) + l2 v (p - t_v) >= 0` and `p >= p_min`: the line that maximises prevented harmful views
under both precision constraints. Without a forecast v counts as zero, which leaves the most careful rule,
p >= t; above the policy's cap it counts as the cap.

Legend: n posts; p [n] probability; v [n] forecast views, NaN where there is no forecast.
"""

import numpy as np
import numpy.typing as npt

from sievert.errors import InvalidField
from sievert.schema.batch import Floats
from sievert.schema.certificate import CERTIFICATE_FORMAT, Certificate, Running, terms_of
from sievert.schema.clock import Micros
from sievert.schema.policy import Policy


def removal_rule(
    p: Floats, v: Floats, policy: Policy, *, lambda_posts: float, lambda_views: float
) -> npt.NDArray[np.bool_]:
    """Mark the posts [n] that the removal rule removes.

    Raises:
        InvalidField: a number of p is no probability, or views are negative.
    """
    _refuse_nonsense(p, v)
    v = counted_views(v, policy)
    gain = (
        v * p + lambda_posts * (p - policy.precision_posts) + lambda_views * v * (p - policy.precision_views)
    )
    marked: npt.NDArray[np.bool_] = (gain >= 0) & (p >= policy.floor)
    return marked


def level_of(p: Floats, v: Floats, policy: Policy, *, lambda_views: float) -> npt.NDArray[np.float64]:
    """Return the largest l1 [n] at which the removal rule removes each post; -inf where none does.

    A larger l1 is a more careful rule: from p >= t on every rule removes, below it only those that
    weigh views enough. So the rules of all l1 are nested, and a path is a falling series of levels.

    Raises:
        InvalidField: a number of p is no probability, or views are negative.
    """
    _refuse_nonsense(p, v)
    # Numbers of the policy as the rule compares them, beside single-precision probabilities.
    stated = np.array([policy.precision_posts, policy.precision_views, policy.floor], np.float32)
    t, t_views, floor = stated.astype(np.float64).tolist()
    p, v = p.astype(np.float64), counted_views(v, policy).astype(np.float64)
    gain = v * p + lambda_views * v * (p - t_views)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(p >= t, np.inf, gain / (t - p))
    return np.where((p >= floor) & (level > 0), level, -np.inf)


def counted_views(v: Floats, policy: Policy) -> Floats:
    """Return the views [n] that a post counts for: capped, and none where there is no forecast."""
    return np.minimum(np.where(np.isnan(v), 0, v), policy.most_views).astype(v.dtype)


def unmet(
    certificate: Certificate, policy: Policy, *, platform: str, running: Running, now: Micros
) -> tuple[str, ...]:
    """Return the names of what a certificate says otherwise than what runs here; with none it holds.

    All that it names must be equal, the compute dial within its range, and the time between issue and
    expiry.
    """
    named = {
        "format": certificate.format == CERTIFICATE_FORMAT,
        "policy": certificate.policy == policy.name,
        "policy_version": certificate.policy_version == policy.version,
        "terms": certificate.terms == terms_of(policy),
        "platform": certificate.platform == platform,
        "bundle": certificate.bundle == running.bundle,
        "forecaster": certificate.forecaster == running.forecaster,
        "embeddings": certificate.embeddings == running.embeddings,
        "triggers": certificate.triggers == running.triggers,
        "heavy_share": certificate.heavy_share.holds(running.heavy_share),
        "image_heavy_share": certificate.image_heavy_share.holds(running.image_heavy_share),
        "issued_at": certificate.issued_at <= now,
        "expires_at": now < certificate.expires_at,
    }
    return tuple(name for name, met in named.items() if not met)


def _refuse_nonsense(p: Floats, v: Floats) -> None:
    for values, right, field, needs in (
        (p, (p >= 0) & (p <= 1), "p", "a probability between 0 and 1"),
        (v, (v >= 0) | np.isnan(v), "views", "forecast views, 0 or more, or NaN where there is no forecast"),
    ):
        if len(values) != len(p) or not right.all():
            row = (
                "" if len(values) != len(p) else f", and {values[~right][0]} in row {np.argmin(right)} is not"
            )
            raise InvalidField(
                f"Each post needs {needs}{row}.", field=field, remedy="Mend what computed it, and try again."
            )
