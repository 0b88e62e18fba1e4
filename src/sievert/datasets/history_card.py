"""The data card of a training set that was built from a history: rows, labels, times, sampling, traps."""

import dataclasses

import numpy as np

from sievert.datasets.censoring import UncensoredViews
from sievert.datasets.folds import FOLDS
from sievert.datasets.history_columns import History
from sievert.datasets.sampling import Sample
from sievert.datasets.snapshots import CAUSES, Snapshots
from sievert.datasets.splits import TimeSplit
from sievert.datasets.supervision import SoftLabels, Supervision
from sievert.schema.clock import to_text


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSet:
    """A training set with everything that its card tells."""

    history: History
    taken: Snapshots
    split: TimeSplit
    supervision: Supervision  # as of the time until which training may know anything
    sample: Sample | None = None  # of the training rows, where not all are used
    views: UncensoredViews | None = None


def history_card(built: BuiltSet) -> str:
    """Write the data card, in Markdown, one sentence a line."""
    history = built.history
    lines = [
        "# Data card",
        "",
        f"Built from the history of the platform `{history.platform}`.",
        f"{len(history.posts):,} post revisions, {len(history.events):,} events, {len(history.labels):,} labels.",
        f"{history.quarantine.total:,} rows could not be used and were set aside.",
        f"{history.reordered:,} events did not stand in the order of their receipt, and were put in order.",
        "",
        *_rows(built),
        *_times(built),
        *_labels(built),
        *_sampling(built),
        *_views(built),
        *_traps(),
    ]
    return "\n".join(lines)


def _rows(built: BuiltSet) -> list[str]:
    fold = built.split.of_snapshots(built.taken)
    lines = [
        "## Rows",
        "",
        "A row is a snapshot: a post as of a moment at which it would have been scored.",
        "A post with k snapshots weighs 1/k each.",
        "",
        f"| cause | {' | '.join(FOLDS)} | in no fold |",
        f"| --- |{' ---: |' * (len(FOLDS) + 1)}",
    ]
    for code, cause in enumerate(CAUSES):
        mine = fold[built.taken.cause == code]
        counts = [int((mine == place).sum()) for place in (*range(len(FOLDS)), -1)]
        if sum(counts):
            lines.append(f"| {cause} | {' | '.join(f'{count:,}' for count in counts)} |")
    dropped = int((built.split.fold < 0).sum())
    return [
        *lines,
        "",
        f"{dropped:,} post revisions are in no fold.",
        "They nearly repeat one of an earlier fold, or lie outside the folds' times or creators.",
        "",
    ]


def _times(built: BuiltSet) -> list[str]:
    lines = [
        "## Times",
        "",
        "| fold | first post | last post | knows nothing from |",
        "| --- | --- | --- | --- |",
    ]
    for code, name in enumerate(FOLDS):
        received = built.history.posts.received_at[built.split.fold == code]
        first, last = (_time(received.min()), _time(received.max())) if len(received) else ("none", "none")
        lines.append(f"| {name} | {first} | {last} | {_time(built.split.until[code])} |")
    return [*lines, ""]


def _labels(built: BuiltSet) -> list[str]:
    supervision = built.supervision
    train = built.split.fold == 0
    value = supervision.expert.value[train]
    known = value[np.isfinite(value)]
    drawn = np.isfinite(supervision.expert.sampling_probability[train]).sum()
    lines = [
        "## Labels",
        "",
        f"About `{supervision.policy}`, as known before {_time(supervision.until)}; training posts only.",
        "A post without a label is unknown, and is not taken for harmless.",
        "",
        "| source | posts | harmful |",
        "| --- | ---: | ---: |",
        f"| expert | {len(known):,} | {int((known > 0.5).sum()):,} |",
    ]
    for name, soft in (("reports", supervision.reports), ("comments", supervision.comments)):
        if soft is not None:
            lines.append(_soft_line(name, soft, train))
    lines += ["", f"{drawn:,} expert labels were drawn with a known probability."]
    for name, soft in (("reports", supervision.reports), ("comments", supervision.comments)):
        if soft is not None:
            model = soft.model
            lines.append(
                f"The exposure model of {name}: a rate of {model.harmful.mean:.3g} on harmful posts, "
                f"{model.harmless.mean:.3g} on harmless ones, prevalence {model.prevalence:.2%}."
            )
    return [*lines, ""]


def _soft_line(name: str, soft: SoftLabels, train: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    value = soft.value[train & (soft.trials > 0)]
    value = value[np.isfinite(value)]
    return f"| {name}, soft | {len(value):,} | {value.sum():,.1f} expected |"


def _sampling(built: BuiltSet) -> list[str]:
    sample = built.sample
    if sample is None:
        return ["## Sampling", "", "Every training row is used.", ""]
    strata = len(np.unique(sample.stratum))
    least, most = sample.probability.min(), sample.probability.max()
    return [
        "## Sampling",
        "",
        f"{len(sample):,} training rows were drawn, balanced over {strata:,} strata of label and segment.",
        f"Logged with the rows are their inclusion probabilities, {least:.3g} to {most:.3g}.",
        "Shares in the sample say nothing of traffic until each row is weighed by one over its probability.",
        "",
    ]


def _views(built: BuiltSet) -> list[str]:
    if built.views is None:
        return []
    views = built.views
    return [
        "## Views",
        "",
        f"{int(views.censored.sum()):,} posts did not run their first week: acted on, taken down, or too recent.",
        f"Seen {views.seen.sum():,.0f} views; without the cuts {views.expected.sum():,.0f} are expected.",
        "",
    ]


def _traps() -> list[str]:
    return [
        "## Traps",
        "",
        "- Labels by people who were sent what a model had flagged say little of what no model flags.",
        "- Reports follow views: a post that few people saw is unknown, not harmless.",
        "- Brigades report together; joint reports are damped, a brigade's first two joint posts are not.",
        "- Removed posts have few views because they were removed; train on the expected ones.",
        "- Near-duplicates are found by shared n-grams; paraphrases may stand on both sides.",
        "- A creator may write on both sides of a split by time; the cold-start split is for that.",
        "",
    ]


def _time(moment: int | np.int64) -> str:
    return to_text(int(moment))[:16].replace("T", " ")
