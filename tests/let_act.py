"""An experiment in which a candidate acts, begun without a window of the past to speak of."""

from sievert.guardrail.experimenting import BothScored, start
from sievert.schema.clock import DAY
from sievert.testing import START


def let_act(guardrail, parts, acting, *, now):
    """Let the candidate of these parts act on hate, from a probability of 0.85 on as the control."""
    return start(
        guardrail,
        parts.policies.named("hate"),
        {"old": BothScored(revision=0, control=0.1, candidate=0.9, seen=1, counted=1.0, reports=0)},
        platform="default",
        window=(START - DAY, START),
        candidate=parts.candidate.bundle.version,
        control=(parts.bundle.version,),
        lines=(0.85, 0.85),
        all_views=10.0,
        draws=40,
        now=now,
        actor="test",
        acting=acting,
    )
