"""The promise over time, as a picture: true precision, evidence, harmful views, and judgements of people."""

import math
from collections.abc import Sequence

from sievert.cli.promise_report import (
    DRIFTED,
    JUDGES,
    LEARNS,
    LIVE,
    WATCHES,
    WITHDRAWN,
    Report,
    Stage,
    running_precision,
    truth_of_rules,
)
from sievert.cli.promise_story import Story
from sievert.schema.clock import DAY, HOUR, Micros
from sievert.training.panels import Curve, Panel, Phase, panels

_BLUE, _RED, _GREEN, _PURPLE, _AMBER = range(5)
_LAST = 150
"""Removals that the running precision looks back on."""

_FEWEST = 30
_EVERY: Micros = 6 * HOUR
_LEAST_EVIDENCE = 1e-4

_PHASES = {
    LEARNS: ("shadow:\nlearns", None),
    WATCHES: ("window", None),
    JUDGES: ("audits\njudged", None),
    LIVE: ("live", _GREEN),
    DRIFTED: ("live, in\nthe craze", _RED),
    WITHDRAWN: ("withdrawn: demotes\nand asks", _AMBER),
}


def picture(story: Story, report: Report) -> str:
    """Draw what came of a story."""
    moments = list(range(story.start + DAY, story.account.line[-1].at + 1, _EVERY))
    xs = [(at - story.start) / DAY for at in moments]
    ends = {
        f"withdrawn day {one.ended:.1f}": one.ended
        for one in report.certificates
        if one.state == "withdrawn" and one.ended
    }
    return panels(
        title="The promise, run live on a simulated network",
        across="day",
        span=(0.0, report.days),
        ticks=list(range(0, math.ceil(report.days), 5)),
        stacked=[
            _precision(story, report, moments, xs),
            _evidence(story),
            _views(story, moments, xs),
            _labels(story, report, moments, xs),
        ],
        phases=[*map(_phase, report.stages)],
        marks={f"certified day {one.promoted:.1f}": one.promoted for one in report.certificates} | ends,
    )


def _phase(stage: Stage) -> Phase:
    name, ink = _PHASES.get(stage.name, (stage.name, None))
    return Phase(name=name, since=stage.since, until=stage.until, ink=ink)


def _precision(story: Story, report: Report, moments: Sequence[Micros], xs: Sequence[float]) -> Panel:
    """Draw the truth of what falls to the rule: removed while it is live, only counted otherwise."""
    policy, truth = story.installation.policy, truth_of_rules(story)
    live = [(one.promoted, one.ended or report.days, one.name) for one in report.certificates]
    removed, low, high = ([math.nan] * len(xs) for _ in range(3))
    counted = [math.nan] * len(xs)
    for place, x in enumerate(xs):
        before = [name for since, _, name in live if since <= x]
        name = before[-1] if before else live[0][2] if live else ""
        (found,) = running_precision(truth.get(name, []), [moments[place]], last=_LAST)
        if found.of < _FEWEST or found.share is None:
            continue
        if any(since <= x <= until for since, until, _ in live):
            removed[place], low[place], high[place] = found.share, found.low, found.high
        else:
            counted[place] = found.share
    return Panel(
        title=f"True precision of the last {_LAST} posts that fell to the certified rule",
        curves=[
            Curve(name="removed, 95 % interval", xs=xs, ys=removed, ink=_GREEN, band=(low, high)),
            Curve(name="not removed, only counted", xs=xs, ys=counted, ink=_PURPLE, dashed=True),
        ],
        span=(0.5, 1.0),
        ticks={0.5: "50 %", 0.75: "75 %", 1.0: "100 %"},
        levels={f"guardrail, {policy.precision_posts:.0%}": policy.precision_posts},
    )


def _evidence(story: Story) -> Panel:
    """Draw what each monitor has against the certificate; at 1 it is withdrawn."""
    curves = []
    for ink, by in ((_BLUE, "posts"), (_RED, "views")):
        xs: list[float] = []
        ys: list[float] = []
        certificate = ""
        for one in story.audits_heard():
            if one.by != by:
                continue
            at = (one.at - story.start) / DAY
            if one.certificate != certificate:
                xs, ys, certificate = [*xs, at], [*ys, math.nan], one.certificate
            xs.append(at)
            ys.append(max(one.evidence, _LEAST_EVIDENCE))
        curves.append(Curve(name=f"by {by}", xs=xs, ys=ys, ink=ink))
    return Panel(
        title="Evidence against the certificate, by audits of removals",
        curves=curves,
        span=(_LEAST_EVIDENCE, 3.0),
        ticks={0.0001: "0.0001", 0.01: "0.01", 1.0: "1"},
        log=True,
        levels={"at 1 it is withdrawn": 1.0},
    )


def _views(story: Story, moments: Sequence[Micros], xs: Sequence[float]) -> Panel:
    """Draw how many of 10,000 views are of harmful posts, a day at a time, with what was done and without."""
    with_us, without = [], []
    for at in moments:
        day = story.account.at(at).minus(story.account.at(at - DAY))
        with_us.append(10_000 * day.harmful_views / max(1, day.views))
        without.append(10_000 * day.harmful_views_without / max(1, day.views_without))
    most = 100 * math.ceil(max(*with_us, *without, 100) / 100)
    return Panel(
        title="Views of harmful posts, of 10,000 views",
        curves=[
            Curve(name="had nothing been done", xs=xs, ys=without, ink=_RED, dashed=True),
            Curve(name="as it was", xs=xs, ys=with_us, ink=_BLUE),
        ],
        span=(0.0, float(most)),
        ticks={0.0: "0", most / 2: f"{most // 2:,}", float(most): f"{most:,}"},
    )


def _labels(story: Story, report: Report, moments: Sequence[Micros], xs: Sequence[float]) -> Panel:
    """Draw what people judged so far, by what for."""
    kinds = (("decision", "cases", _BLUE), ("audit", "audits", _GREEN), ("gold", "known answers", _PURPLE))
    told = [dict(story.account.at(at).verdicts) for at in moments]
    most = 1000 * math.ceil(max(1, *(max(one.values(), default=1) for one in told)) / 1000)
    return Panel(
        title=f"Judgements of people so far, beside {report.labels['experts']:,} labels of experts",
        curves=[
            Curve(name=name, xs=xs, ys=[one.get(kind, 0) for one in told], ink=ink)
            for kind, name, ink in kinds
        ],
        span=(0.0, float(most)),
        ticks={0.0: "0", most / 2: f"{most // 2:,}", float(most): f"{most:,}"},
    )
