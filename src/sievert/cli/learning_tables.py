"""What `train` and `evaluate` print about rankings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table

from sievert.evaluation.card import recall_at_precision, shown
from sievert.evaluation.held_out import HeldOutLine
from sievert.measurement.ranking import RankingReport
from sievert.measurement.reliability import Reliability

if TYPE_CHECKING:
    from sievert.training.fusion_report import FusionReport
    from sievert.training.quantised_table import QuantisedTable
    from sievert.training.updating import CauseLine
    from sievert.training.views_report import ViewsLine


def rankings_table(title: str, lines: Iterable[HeldOutLine]) -> Table:
    """Draw a line for each head and corpus."""
    table = Table("head", "corpus", "harmful", "harmless", "PR-AUC", "Recall@Precision95", title=title)
    for line in lines:
        ranking = line.ranking
        table.add_row(
            line.head,
            line.corpus,
            f"{ranking.harmful:,}",
            f"{ranking.harmless:,}",
            shown(ranking.pr_auc),
            recall_at_precision(ranking),
        )
    return table


def removal_table(ranking: RankingReport) -> Table:
    """Draw what removing the highest-scored share of all posts would catch."""
    table = Table("share removed", "threshold", "recall", "precision")
    for point in ranking.at_shares:
        table.add_row(
            f"{point.share:.1%}",
            "none" if point.threshold is None else f"{point.threshold:.4f}",
            shown(point.recall),
            shown(point.precision),
        )
    return table


def reliability_table(calibration: Reliability) -> Table:
    """Draw stated beside observed."""
    table = Table("stated between", "share of traffic", "mean stated", "observed harmful", "posts")
    for one in calibration.bins:
        table.add_row(
            f"{one.low:g} and {one.high:g}",
            f"{one.share:.3%}",
            f"{one.stated:.4f}",
            f"{one.observed:.4f} ({one.observed_low:.4f} to {one.observed_high:.4f})",
            f"{one.posts:,}",
        )
    return table


def causes_table(lines: "Iterable[CauseLine]") -> Table:
    """Draw a line for each cause of looking at a post again."""
    title = "average precision on later posts"
    table = Table("looked at because of", "snapshots", "harmful", "text", "behaviour", "both", title=title)
    for line in lines:
        ranked = (f"{value:.3f}" for value in (line.by_text, line.by_behaviour, line.by_both))
        table.add_row(line.cause, f"{line.snapshots:,}", f"{line.harmful:,}", *ranked)
    return table


def views_table(lines: "Iterable[ViewsLine]") -> Table:
    """Draw a line for each age and forecaster of views."""
    table = Table(
        "age", "forecaster", "looks", "error", "ranks", "top 1 %", "80 %", title="views of later posts"
    )
    for line in lines:
        correlation = "-" if line.correlation is None else f"{line.correlation:.3f}"
        coverage = "-" if line.coverage is None else f"{line.coverage:.1%}"
        measured = (f"{line.error:.3f}", correlation, f"{line.top:.1%}", coverage)
        table.add_row(line.age, line.forecaster, f"{line.looks:,}", *measured)
    return table


def fusion_table(report: "FusionReport") -> Table:
    """Draw a line for each way to score the test fold."""
    title = f"{report.posts:,} later posts, {report.prevalence:.2%} harmful"
    table = Table("scored by", "PR-AUC, posts", "PR-AUC, views", "when created", title=title)
    for line in report.lines:
        table.add_row(line.scored_by, shown(line.pr_auc), shown(line.views_pr_auc), f"{line.created:.3f}")
    return table


def quantised_table(table: "QuantisedTable") -> Table:
    """Draw three precisions of a model side by side."""
    from sievert.training.quantised_table import measured_on, table_cells

    heads, rows = table_cells(table)
    drawn = Table(*heads, title=measured_on(table))
    for cells in rows:
        drawn.add_row(*cells)
    return drawn
