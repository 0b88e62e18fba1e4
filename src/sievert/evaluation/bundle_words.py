"""The report on a bundle in words: first what it gets wrong, then the tables, in Markdown."""

from collections.abc import Iterator, Sequence

from sievert.evaluation.bundle_report import BY_TEMPLATE, BundleReport, GroupErrors
from sievert.evaluation.card import recall_at_precision, shown
from sievert.evaluation.held_out import POOLED
from sievert.evaluation.suites import KindLine, Marked, SuiteReport
from sievert.measurement.fairness import GroupGap, RateKind
from sievert.measurement.ranking import RankingReport
from sievert.schema.taxonomy import HARM

_MOST = 8
"""Worst cases that a sentence names; tables have all."""


def written(report: BundleReport) -> str:
    """Write a report, one sentence a line."""
    return "\n".join(
        [
            *_wrong(report),
            *_corpora(report),
            *_policies(report),
            *_languages(report),
            *_groups(report),
            *_suites(report),
        ]
    ).rstrip()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows)] + [""]


def _percent(one: Marked) -> str:
    return f"{one.share:.1%} ({one.low:.1%} to {one.high:.1%})"


def _recall(ranking: RankingReport, share: float) -> str:
    return next((shown(point.recall) for point in ranking.at_shares if point.share == share), "")


def _named(gaps: Sequence[GroupGap]) -> str:
    told = [f"{one.group} {one.here.value or 0:.1%}" for one in gaps[:_MOST]]
    more = f", and {len(gaps) - _MOST} more" if len(gaps) > _MOST else ""
    return ", ".join(told) + more


def _found(errors: GroupErrors, rate: RateKind, *, worse: bool) -> list[GroupGap]:
    gaps = [one for one in errors.gaps if one.found and one.rate is rate and (one.gap > 0) is worse]
    return sorted(gaps, key=lambda one: -abs(one.gap))


def _wrong(report: BundleReport) -> list[str]:
    return ["## What it gets wrong", "", *(f"- {one}" for one in _sentences(report)), ""]


def _sentences(report: BundleReport) -> Iterator[str]:
    for about in (_of_ranking, _of_policies, _of_languages, _of_groups, _of_suites):
        yield from about(report)


def _of_ranking(report: BundleReport) -> Iterator[str]:
    pooled = report.held_out.line(HARM, POOLED)
    if pooled is not None:
        if pooled.ranking.recall_at_precision.value is None:
            yield (
                f"No recall at 95 % precision can be shown at {report.prevalence:.0%} harmful: with "
                f"{pooled.ranking.harmless:,} harmless texts one from {pooled.ranking.provable_recall:.0%} on could be. "
                "Whether it may remove is for a certificate to say, from traffic."
            )
        half = next(one for one in pooled.ranking.at_shares if one.share == report.shares[0])
        yield (
            f"Where {half.share:.1%} of traffic lies above, it finds {shown(half.recall)} of harm; the rest it does not "
            f"rank high enough. With the heavy model on {report.heavy_share:.0%}, as it is served, PR-AUC is "
            f"{shown(report.served.pr_auc)} in place of {shown(pooled.ranking.pr_auc)}."
        )
    cut = report.second_look
    if cut is not None and cut.value is not None:
        yield (
            f"Of harm that both models together put above that line the light one sends {cut.value:.1%} on, at least "
            f"{cut.low:.1%}, where the heavy one reads {report.heavy_share:.0%}; the rest it keeps to itself."
        )
    corpora = sorted(
        (one for one in report.held_out.lines if one.head == HARM and one.corpus != POOLED),
        key=lambda one: one.ranking.pr_auc.value or 0.0,
    )
    if corpora:
        weak = ", ".join(f"{one.corpus} {shown(one.ranking.pr_auc)}" for one in corpora[:3])
        yield f"It ranks harm worst on {weak} (PR-AUC; chance is {report.prevalence:.3f})."


def _of_policies(report: BundleReport) -> Iterator[str]:
    for one in report.policies:
        if one.precision is None or one.precision < 0.5:
            spoken = (
                "never speaks"
                if one.precision is None
                else f"is right {one.precision:.0%} of the time and finds {one.recall:.0%}"
            )
            yield f"`{one.policy}` from {one.at:g} ({one.rule}) {spoken}."


def _of_languages(report: BundleReport) -> Iterator[str]:
    others = [one for one in report.languages if one.caught and one.language != "en"]
    if others:
        best = max(others, key=lambda one: one.caught[-1].share)
        yield (
            f"Of other languages it asks a person about at most {best.caught[-1].share:.1%} of what is harmful "
            f"({best.corpus}, {best.language}); it reads English."
        )
        misread = max(others, key=lambda one: one.read_as_english)
        yield f"{misread.read_as_english:.1%} of {misread.corpus} ({misread.language}) is taken for English."


def _of_groups(report: BundleReport) -> Iterator[str]:
    for errors in report.groups:
        for rate, verb in ((RateKind.FALSE_ALARMS, "over-flagged"), (RateKind.MISSES, "missed more often")):
            if gaps := _found(errors, rate, worse=True):
                yield (
                    f"By {errors.told_by}, where {errors.share:.1%} of traffic lies above, {verb}: {_named(gaps)} "
                    f"({rate}; others {gaps[0].elsewhere.value or 0:.1%} beside the first)."
                )
        yield from _unproven(errors)


def _unproven(errors: GroupErrors) -> Iterator[str]:
    """Tell how large gaps may be where none was found: few texts prove little, and that is no all-clear."""
    alarms = [one for one in errors.gaps if one.rate is RateKind.FALSE_ALARMS]
    if errors.told_by != BY_TEMPLATE and alarms and not any(one.found for one in alarms):
        widest = max(alarms, key=lambda one: one.high)
        yield (
            f"By {errors.told_by}, where {errors.share:.1%} of traffic lies above, no gap of false alarms is found among "
            f"{len(alarms)} groups, and one may be as large as {widest.high:+.1%} ({widest.group}, {widest.posts:,} harmless texts)."
        )


def _of_suites(report: BundleReport) -> Iterator[str]:
    for suite in report.suites:
        failing = sorted((one for one in suite.kinds if _right(one) < 0.5), key=_right)
        if failing:
            told = ", ".join(f"{one.kind} {_right(one):.0%}" for one in failing[:_MOST])
            yield (
                f"Of {suite.name} ({suite.language}) {len(failing)} of {len(suite.kinds)} kinds are mostly judged wrongly "
                f"from {report.lines[-1]:g} on: {told}{' and more' if len(failing) > _MOST else ''}."
            )


def _right(kind: KindLine) -> float:
    last = kind.marked[-1].share
    return last if kind.harmful else 1.0 - last


def _corpora(report: BundleReport) -> list[str]:
    rows = [
        [
            one.head,
            one.corpus,
            f"{one.ranking.harmful:,}",
            f"{one.ranking.harmless:,}",
            shown(one.ranking.pr_auc),
            recall_at_precision(one.ranking),
            *(_recall(one.ranking, share) for share in report.shares),
        ]
        for one in report.held_out.lines
    ]
    return [
        "## By policy and corpus",
        "",
        (
            f"English test folds, at {report.prevalence:.1%} harmful, plain: these corpora tell no views. "
            "The heavy model reads every text."
        ),
        "",
        *_table(
            [
                "policy",
                "corpus",
                "harmful",
                "harmless",
                "PR-AUC",
                "Recall@Precision95",
                *(f"recall where {share:.1%} lies above" for share in report.shares),
            ],
            rows,
        ),
    ]


def _policies(report: BundleReport) -> list[str]:
    rows = [
        [
            f"`{one.policy}`",
            one.rule,
            f"{one.at:g}",
            f"{one.share:.3%}",
            "never speaks" if one.precision is None else f"{one.precision:.1%}",
            f"{one.recall:.1%}",
        ]
        for one in report.policies
    ]
    errors = [
        [head, f"{one.mean_stated:.3%}", f"{one.prevalence:.3%}", f"{one.expected_error:.4f}"]
        for head, one in report.held_out.calibration.items()
    ]
    return [
        "## What the shipped policies do",
        "",
        "The same texts, weighed to the share of traffic that each policy is calibrated to.",
        "",
        *_table(["policy", "rule", "from", "share of traffic", "precision", "recall"], rows),
        *_table(["policy", "stated", "true", "expected calibration error"], errors),
    ]


def _languages(report: BundleReport) -> list[str]:
    rows = [
        [
            one.corpus,
            one.language,
            "yes" if one.learned else "no",
            f"{one.texts:,}",
            f"{one.read_as_english:.1%}",
            shown(one.ranking.pr_auc) if one.ranking else "one kind only",
            *(_percent(some[at]) if some else "" for at in (1, 2) for some in (one.caught, one.alarms)),
        ]
        for one in report.languages
    ]
    asked = f"from {report.lines[-1]:g}"
    high = f"from {report.lines[1]:.4f}"
    return [
        "## Other languages, and corpora that it never saw",
        "",
        (
            "Only texts read as English are ever acted on automatically. `learned`: texts of that corpus trained the "
            "light model's head for languages, never one for harm, unless they are English."
        ),
        "",
        *_table(
            [
                "corpus",
                "language",
                "learned",
                "texts",
                "read as English",
                "PR-AUC",
                f"caught {high}",
                f"false alarms {high}",
                f"caught {asked}",
                f"false alarms {asked}",
            ],
            rows,
        ),
    ]


def _groups(report: BundleReport) -> list[str]:
    told = [
        "## Groups",
        "",
        (
            "False alarms, misses and precision of each group beside all others, with intervals of 95 %. Real texts are "
            "compared inside their corpora: others are weighed to the group's own mix. *Found* is found after Holm's "
            "correction over all rates and groups of a line: the chance of any false one is at most 5 %. "
            "What is not found may still be there."
        ),
        "",
        *_table(
            ["told by", "where lies above", "texts", "groups", "rates compared", "gaps found"],
            [
                [
                    one.told_by,
                    f"{one.share:.1%}",
                    f"{one.texts:,}",
                    f"{one.groups}",
                    f"{len(one.gaps)}",
                    f"{sum(gap.found for gap in one.gaps)}",
                ]
                for one in report.groups
            ],
        ),
    ]
    rows = [
        [
            one.told_by,
            f"{one.share:.1%}",
            gap.group,
            str(gap.rate),
            f"{gap.posts:,}",
            f"{gap.here.value or 0:.1%}",
            f"{gap.elsewhere.value or 0:.1%}",
            f"{gap.gap:+.1%} ({gap.low:+.1%} to {gap.high:+.1%})",
        ]
        for one in report.groups
        for gap in one.gaps
        if gap.found and gap.rate is not RateKind.PRECISION
    ]
    heads = ["told by", "where lies above", "group", "rate", "texts", "here", "others", "gap"]
    return [
        *told,
        "Gaps found, of false alarms and misses:",
        "",
        *_table(heads, rows),
        f"False alarms on real texts, where {report.shares[-1]:.1%} of traffic lies above; the highest first:",
        "",
        *_table(
            ["told by", "group", "harmless texts", "false alarms", "others"],
            [
                [
                    one.told_by,
                    gap.group,
                    f"{gap.posts:,}",
                    f"{gap.here.value or 0:.1%} ({gap.here.low or 0:.1%} to {gap.here.high or 0:.1%})",
                    f"{gap.elsewhere.value or 0:.1%}",
                ]
                for one in report.groups
                if one.share == report.shares[-1] and one.told_by != BY_TEMPLATE
                for gap in sorted(one.gaps, key=lambda gap: -(gap.here.value or 0.0))
                if gap.rate is RateKind.FALSE_ALARMS
            ],
        ),
    ]


def _suites(report: BundleReport) -> list[str]:
    if not report.suites:
        return [
            "## Blind test sets",
            "",
            (
                "Not measured in this run: HateCheck, Multilingual HateCheck and OpenAI's set were not at hand "
                "(`--blind FOLDER`)."
            ),
        ]
    return [
        "## Blind test sets",
        "",
        "Measured once, at lines that were fixed before; nothing was trained, calibrated or chosen by them.",
        "",
        *(line for suite in report.suites for line in _suite(suite, report)),
    ]


def _suite(suite: SuiteReport, report: BundleReport) -> list[str]:
    said = (
        f"PR-AUC {shown(suite.ranking.pr_auc)} at {report.prevalence:.1%} harmful, Recall@Precision95 "
        f"{recall_at_precision(suite.ranking)}"
        if suite.ranking
        else "too few cases of both kinds to rank"
    )
    gaps = [
        [
            gap.group,
            str(gap.rate),
            f"{gap.here.value or 0:.1%}",
            f"{gap.elsewhere.value or 0:.1%}",
            f"{gap.gap:+.1%}",
        ]
        for gap in suite.gaps
        if gap.found
    ]
    return [
        f"### {suite.name}, {suite.language}",
        "",
        (
            f"{suite.cases:,} cases, {suite.unlabelled:,} without a verdict on harm, {suite.read_as_english:.1%} read as "
            f"English; {said}."
        ),
        "",
        *_table(
            ["kind", "harmful", "cases", *(f"marked from {line:.4g}" for line in report.lines)],
            [
                [
                    one.kind,
                    "yes" if one.harmful else "no",
                    f"{one.cases:,}",
                    *(_percent(some) for some in one.marked),
                ]
                for one in suite.kinds
            ],
        ),
        *(_table(["group", "rate", "here", "others", "gap found"], gaps) if gaps else []),
    ]
