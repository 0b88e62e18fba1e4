"""The dashboard and the alert rules speak of metrics that there are, with the labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from sievert.serving.telemetry import Metrics, metric_names

OPS = Path(__file__).parents[2] / "ops"
DASHBOARD = json.loads((OPS / "grafana.json").read_text())
RULES = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"][0]["rules"]
EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *(
        (panel["title"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ),
]
SUFFIX = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@pytest.fixture(scope="module")
def series():
    """Each series as Prometheus stores it, with its labels."""
    families = {family.name: family.type for family in Metrics().registry.collect()}
    labels = {}
    for one in vars(Metrics()).values():
        if (name := getattr(one, "_name", None)) in families:
            for suffix in SUFFIX[families[name]]:
                labels[name + suffix] = {*one._labelnames} | ({"le"} if suffix == "_bucket" else set())
    assert len(labels) >= len(metric_names())
    return labels


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_expression_names_series_and_labels_that_there_are(series, where, expression):
    named = set(re.findall(r"\bsievert_[a-z_]+", expression))
    assert named <= series.keys()
    if not named:
        assert expression == 'up{job="sievert"} == 0'
        return
    for name, selector in re.findall(r"(sievert_[a-z_]+){([^}]*)}", expression):
        assert set(re.findall(r"([a-z_]+)\s*=", selector)) <= series[name]
    grouped = {
        one for some in re.findall(r"by \(([a-z_, ]+)\)", expression) for one in re.split(r", ?", some)
    }
    for name in named if grouped else ():
        assert grouped <= series[name], f"{where}: {name} has no {sorted(grouped - series[name])}"


def test_what_legends_and_summaries_name_is_there(series):
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            known = set.union(*(series[name] for name in re.findall(r"\bsievert_[a-z_]+", target["expr"])))
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert legend <= known or len(panel["targets"]) > 1
    for rule in RULES:
        for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
            assert re.search(rf"by \([a-z_, ]*\b{label}\b", rule["expr"])


def test_every_metric_stands_on_the_dashboard():
    shown = " ".join(expression for _, expression in EXPRESSIONS)
    assert [name for name in metric_names() if not re.search(rf"\b{name}(_total|_bucket)?\b", shown)] == []


def test_panels_lie_beside_each_other_and_rules_say_what_to_do():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert all(set(rule["annotations"]) == {"summary", "action"} for rule in RULES)
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
