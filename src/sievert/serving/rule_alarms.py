"""What goes wrong with the rules of policies, told to metrics and the audit log."""

from sievert.schema.access import AuditNote
from sievert.schema.policy import StatedRule
from sievert.serving.telemetry import Metrics
from sievert.stores.audit import AuditLog


class RuleAlarms:
    """Hears of rules that fell silent or failed."""

    def __init__(self, audit: AuditLog, metrics: Metrics) -> None:
        """Write to these."""
        self._audit = audit
        self._metrics = metrics

    def flooded(self, policy: str, rule: StatedRule, posts: int) -> None:
        """Tell that a rule fell silent, after it held for so many posts within the hour."""
        self._metrics.rule_floods.labels(policy, rule.name).inc()
        note = AuditNote(
            actor="sievert",
            event="rule.silenced",
            subject=f"{policy}/{rule.name}",
            details={"posts": str(posts), "permitted": str(rule.flood_per_hour)},
        )
        self._audit.append([note])

    def failed(self, policy: str, rule: str, posts: int) -> None:
        """Count the posts for which a rule's expression failed."""
        self._metrics.rule_failures.labels(policy, rule).inc(posts)
