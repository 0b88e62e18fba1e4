"""What goes wrong with rules reaches whoever watches."""

from sievert.schema.policy import StatedRule
from sievert.serving.rule_alarms import RuleAlarms
from sievert.serving.telemetry import Metrics
from sievert.stores.memory import MemoryStores
from sievert.testing import FixedClock

RULE = StatedRule(name="word", then="review", words=("badword",), flood_per_hour=3)


def test_floods_and_failures_reach_metrics_and_the_audit_log():
    metrics, audit = Metrics(), MemoryStores(clock=FixedClock()).audit
    alarms = RuleAlarms(audit, metrics)
    alarms.flooded("spam", RULE, 4)
    alarms.failed("spam", "word", 2)
    page = metrics.page().decode()
    assert 'sievert_rule_floods_total{policy="spam",rule="word"} 1.0' in page
    assert 'sievert_rule_failures_total{policy="spam",rule="word"} 2.0' in page
    (entry,) = audit.entries()
    assert (entry.event, entry.subject, entry.details) == (
        "rule.silenced",
        "spam/word",
        {"posts": "4", "permitted": "3"},
    )
