"""What a labelled file says about a bundle, as one HTML page that needs nothing else: no script, no network."""

from html import escape

from sievert.evaluation.labelled_file import FileReport, HeadReport
from sievert.evaluation.offline_page import page_of
from sievert.measurement.ranking import Estimate, RankingReport
from sievert.measurement.totals import Estimate as Share

_POOLED = "all lines"


def file_page(report: FileReport) -> str:
    """Write the page."""
    title = f"{report.scored_by} on {report.file}"
    parts = [
        (
            f"<p>{report.lines:,} lines, weighed so that {report.prevalence:.2%} of posts are harmful, as in traffic. "
            "Intervals hold at 95 % unless the command said otherwise; no number here is of a balanced set.</p>"
        ),
        "<h2>How well it ranks</h2>",
        _table(
            [
                "head",
                "part",
                "harmful",
                "harmless",
                "PR-AUC",
                "Recall@Precision95",
                "PR-AUC by views",
                "Recall@Precision95 by views",
            ],
            [_ranked(one) for one in report.reports],
        ),
        "<h2>Whether it means what it says</h2>",
        _table(
            [
                "head",
                "part",
                "harmful as stated, on average",
                "harmful in traffic",
                "expected calibration error",
            ],
            [
                [
                    one.head,
                    _part(one),
                    f"{one.calibration.mean_stated:.4f}",
                    f"{one.calibration.prevalence:.4f}",
                    f"{one.calibration.expected_error:.4f}",
                ]
                for one in report.reports
            ],
        ),
    ]
    for one in report.gaps:
        parts += [
            f"<h2>Whether {escape(one.head)} errs alike in every group</h2>",
            (
                f"<p>Where {one.removal_share:.1%} of posts would be removed, from {one.threshold:.4f} on. Each group is "
                "compared with all others; what is found holds for all gaps together, at 5 %.</p>"
            ),
            _table(
                ["group", "rate", "posts", "here", "elsewhere", "gap", "found"],
                [
                    [
                        gap.group,
                        gap.rate.value,
                        f"{gap.posts:,}",
                        _share(gap.here),
                        _share(gap.elsewhere),
                        f"{gap.gap:+.1%} ({gap.low:+.1%} to {gap.high:+.1%})",
                        "yes" if gap.found else "",
                    ]
                    for gap in one.gaps
                ],
            ),
        ]
    if report.against:
        parts += [
            f"<h2>Beside {escape(report.against[0].bundle)}</h2>",
            _table(
                ["head", "PR-AUC here", "PR-AUC there", "difference on the same posts"],
                [
                    [
                        one.head,
                        f"{one.here:.3f}",
                        f"{one.there:.3f}",
                        f"{one.difference.value:+.3f} ({one.difference.low:+.3f} to {one.difference.high:+.3f})",
                    ]
                    for one in report.against
                ],
            ),
        ]
    return page_of(title, parts)


def _ranked(one: HeadReport) -> list[str]:
    cells = [
        one.head,
        _part(one),
        f"{one.ranking.harmful:,}",
        f"{one.ranking.harmless:,}",
        *_numbers(one.ranking),
    ]
    return cells + (_numbers(one.by_views) if one.by_views is not None else ["", ""])


def _part(one: HeadReport) -> str:
    return _POOLED if one.by is None else f"{one.by}: {one.group}"


def _numbers(ranking: RankingReport) -> list[str]:
    provable = f"not told: less than {ranking.provable_recall:.0%} cannot be proven"
    return [_estimate(ranking.pr_auc, "not told"), _estimate(ranking.recall_at_precision, provable)]


def _estimate(one: Estimate, otherwise: str) -> str:
    if one.value is None:
        return otherwise
    return f"{one.value:.3f}" + (
        f" ({one.low:.3f} to {one.high:.3f})" if one.low is not None and one.high is not None else ""
    )


def _share(one: Share) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "unknown"
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [
        '<div class="wide"><table>',
        "<thead><tr>",
        *(f"<th>{escape(head)}</th>" for head in heads),
        "</tr></thead><tbody>",
    ]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</tbody></table></div>"])
