"""Parts of a path in which a policy may remove, for tests of what follows."""

import dataclasses

import msgspec

from sievert.pipeline.budgets import Budgets
from sievert.pipeline.checking import StoredChecks
from sievert.policy.loading import policy_set
from sievert.schema.certificate import Certificate, terms_of
from sievert.schema.clock import DAY
from sievert.schema.policy import Mode


def certified(parts, stores, **stated):
    """The same parts with a live policy on hate whose certificate names what runs."""
    hate = msgspec.structs.replace(parts.policies.named("hate"), mode=Mode.LIVE, **stated)
    policies = policy_set([hate])
    now = stores.clock.now()
    leave = Certificate(
        policy="hate",
        policy_version=hate.version,
        terms=terms_of(hate),
        platform="default",
        bundle=parts.running.bundle,
        forecaster=parts.running.forecaster,
        triggers=parts.running.triggers,
        lambda_posts=100.0,
        lambda_views=0.0,
        issued_at=now,
        expires_at=now + 7 * DAY,
    )
    budgets = Budgets.of(policies, cases=stores.cases, actions=stores.actions)
    checking = StoredChecks(policies, standing=stores.standing, stops=stores.stops)
    return dataclasses.replace(
        parts, policies=policies, certificates=(leave,), guard=None, budgets=budgets, checking=checking
    )
