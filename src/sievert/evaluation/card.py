"""The model card: what a bundle is for, how good it is and at what it fails, in Markdown."""

from collections.abc import Iterable

from sievert.evaluation.held_out import POOLED, HeldOutLine
from sievert.evaluation.identity_terms import IdentityTerms
from sievert.evaluation.models import ModelTable
from sievert.evaluation.robustness import Robustness
from sievert.evaluation.shipped_policies import PolicyPoint
from sievert.evaluation.trained import TrainedReport
from sievert.measurement.ranking import Estimate, RankingReport
from sievert.schema.bundle import Manifest
from sievert.schema.taxonomy import HARM

_COMMAND = "sievert train light-linear --data FOLDER --out FOLDER"
_HEAVY_COMMAND = "sievert train heavy-text --data FOLDER --out HEAVY"


def model_card(manifest: Manifest, report: TrainedReport) -> str:
    """Write the model card of a bundle, one sentence a line."""
    return "\n".join(
        [
            *_purpose(manifest, report),
            *_models(report.models),
            *_policies(report.policies),
            *_robustness(report.robustness),
            *_held_out(report),
            *_leave_one_out(report),
            *_calibration(report),
            *_languages(report),
            *_identity(report.identity_terms),
            *_limits(manifest, report),
        ]
    )


def shown(estimate: Estimate) -> str:
    """Write an estimate with its interval."""
    if estimate.value is None:
        return "not enough evidence"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _purpose(manifest: Manifest, report: TrainedReport) -> list[str]:
    shares = ", ".join(f"{head.name} {head.prevalence:.2%}" for head in manifest.heads)
    return [
        f"# Model card: {manifest.name}",
        "",
        f"The models: {manifest.model}.",
        f"The light one, with 2**{report.recipe.bits} rows of bytes, reads every post, costs microseconds, and",
        "knows words, not meaning.",
        *_heavy_purpose(report),
        "",
        "**For**: ordering posts for people to look at, lowering the reach of likely harm, and choosing what a",
        "heavier model should read.",
        "**Not for**: removing posts without a certificate from the platform's own traffic, judging people,",
        "languages other than English, pictures, and any of the policies listed below as having no head.",
        "",
        f"Probabilities are calibrated to these shares of traffic: {shares}.",
        "Where traffic differs, they are off by the difference of the prior logits.",
        "",
        f"No labels, hence no head and no probability: {', '.join(manifest.without_head)}.",
        "",
        f"Every number below comes from one command: `{_COMMAND}`"
        + (f" with `--heavy HEAVY`, after `{_HEAVY_COMMAND}`." if report.models else "."),
        "The same numbers for machines stand in `report.json`; the texts and their licences in `DATA_CARD.md`.",
        "A bundle's own labelled file is measured by `sievert evaluate FILE`.",
        "",
    ]


def _heavy_purpose(report: TrainedReport) -> list[str]:
    if report.models is None:
        return []
    return [
        "The heavy one is a text encoder that was fine-tuned on the same texts, costs milliseconds, and reads",
        "the posts that the light one finds likeliest to be harm; those are judged by both together.",
        "Its encoder is all-MiniLM-L6-v2 (Apache-2.0) unless the recipe was changed.",
    ]


def _models(table: ModelTable | None) -> list[str]:
    if table is None:
        return []
    rows = [
        "## Light, heavy, and the cascade",
        "",
        f"Harm on all held-out texts together, at {table.prevalence:.1%} harmful.",
        "A cascade lets the heavy model read the stated share of traffic; where the share is not stated it",
        "reads everything.",
        "",
        "| model | PR-AUC | recall at 0.1 % removed | at 0.5 % | at 1 % | Recall@Precision95 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {line.model} | {shown(line.ranking.pr_auc)} | {_recall_at(line.ranking, 0.001)} "
        f"| {_recall_at(line.ranking, 0.005)} | {_recall_at(line.ranking, 0.01)} "
        f"| {recall_at_precision(line.ranking)} |"
        for line in table.lines
    ]
    rows += [
        "",
        "Both together, as a second look hears them, less linear n-grams: PR-AUC of harm, on the same resamples.",
        "",
        "| corpus | linear | together | difference |",
        "| --- | ---: | ---: | --- |",
    ]
    rows += [
        f"| {line.corpus} | {line.linear:.3f} | {line.together:.3f} "
        f"| {line.difference.value:+.3f} ({line.difference.low:+.3f} to {line.difference.high:+.3f}) |"
        for line in table.corpora
    ]
    return [*rows, ""]


def _policies(points: tuple[PolicyPoint, ...]) -> list[str]:
    if not points:
        return []
    rows = [
        "## What the shipped policies do",
        "",
        "On the held-out texts, at the prevalence that each head is calibrated to.",
        "",
        "| policy | rule | from | share of traffic | precision | recall |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {one.policy} | {one.rule} | {one.at:g} | {one.share:.3%} "
        f"| {'never speaks' if one.precision is None else format(one.precision, '.2f')} | {one.recall:.3f} |"
        for one in points
    ]
    return [*rows, ""]


def _robustness(found: Robustness | None) -> list[str]:
    if found is None:
        return []
    plain = found.evasion[0]
    rows = [
        "## Disguises",
        "",
        f"{found.posts:,} harmful held-out posts, each trick on every word of four letters or more; recall at",
        f"the score that removes {found.removal_share:.1%} of traffic, and points lost against no trick.",
        f"`some`: the trick is on {found.disguised_share:.0%} of these words.",
        f"`raw` feeds the heavy model with the text as written; in the cascade it reads {found.heavy_share:.0%}.",
        "",
        "| trick | recall | lost | some: recall | lost | raw: recall | lost | cascade: recall | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {line.trick} | {line.whole:.1%} | {100 * (plain.whole - line.whole):.1f} "
        f"| {line.some:.1%} | {100 * (plain.some - line.some):.1f} "
        f"| {line.raw:.1%} | {100 * (plain.raw - line.raw):.1f} "
        f"| {line.cascade:.1%} | {100 * (plain.cascade - line.cascade):.1f} |"
        for line in found.evasion
    ]
    rows += [
        "",
        "## Mentions and quotes",
        "",
        "Harmless sentences of our own grammar, from frames that training did not see, at the same score.",
        "",
        "| kind | texts | false alarms | lowest group | highest group |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    rows += [
        f"| {line.kind} | {line.texts:,} | {line.false_alarms:.1%} "
        + (
            f"| {line.lowest:.1%} | {line.highest:.1%} ({line.highest_group}) |"
            if line.highest_group
            else "| | |"
        )
        for line in found.mentions
    ]
    return [*rows, ""]


def _held_out(report: TrainedReport) -> list[str]:
    prevalence = report.held_out.prevalence
    return [
        "## On held-out texts of the corpora it learned from",
        "",
        f"Test fold, reweighted to {prevalence:.1%} harmful, rounded weights; a heavy model, if there is one,",
        "reads every text.",
        f"Intervals are of 95 %, from {report.resamples} random reweighings; how often they hold the truth stands in",
        "`docs/intervals.md`. Where harmless texts are few they are wide, and the PR-AUC before them runs high.",
        "PR-AUC of a coin is the prevalence itself.",
        "`all` pools the corpora; every text weighs the same within its class.",
        "Recall@Precision95 needs many harmless texts: below the provable recall no sample of this size can",
        "show any, and the table says so.",
        "",
        *_table(report.held_out.lines),
        "",
        *_never(report),
    ]


def _never(report: TrainedReport) -> list[str]:
    if not report.never_trained:
        return []
    return [
        "English corpora that it may not learn from, whole:",
        "",
        *_table(report.never_trained),
        "",
    ]


def _table(lines: Iterable[HeldOutLine]) -> list[str]:
    rows = [
        "| head | corpus | harmful | harmless | PR-AUC | Recall@Precision95 | recall at 0.5 % removed | recall at 1 % removed |",
        "| --- | --- | ---: | ---: | --- | --- | --- | --- |",
    ]
    for line in lines:
        ranking = line.ranking
        rows.append(
            f"| {line.head} | {line.corpus} | {ranking.harmful:,} | {ranking.harmless:,} "
            f"| {shown(ranking.pr_auc)} | {recall_at_precision(ranking)} "
            f"| {_recall_at(ranking, 0.005)} | {_recall_at(ranking, 0.01)} |"
        )
    return rows


def recall_at_precision(ranking: RankingReport) -> str:
    """Write Recall@Precision, or that the sample is too small to show any."""
    if ranking.recall_at_precision.value is not None:
        return shown(ranking.recall_at_precision)
    return f"not enough evidence (provable from {ranking.provable_recall:.2f})"


def _recall_at(ranking: RankingReport, share: float) -> str:
    return next((shown(point.recall) for point in ranking.at_shares if point.share == share), "")


def _leave_one_out(report: TrainedReport) -> list[str]:
    if not report.leave_one_out:
        return ["## Leaving one corpus out", "", "Not measured in this run (`--quick`).", ""]
    rows = [
        "## Leaving one corpus out",
        "",
        "Linear n-grams, trained without a corpus, tested on its test fold: what to expect on texts of a new kind.",
        "Beside it, the same texts scored by the bundle, which learned from the corpus"
        + (" (both models together)." if report.models else "."),
        "",
        "| head | corpus | PR-AUC left out | PR-AUC trained on |",
        "| --- | --- | --- | --- |",
    ]
    for line in report.leave_one_out:
        known = report.held_out.line(line.head, line.corpus)
        beside = shown(known.ranking.pr_auc) if known else ""
        rows.append(f"| {line.head} | {line.corpus} | {shown(line.ranking.pr_auc)} | {beside} |")
    return [*rows, ""]


def _calibration(report: TrainedReport) -> list[str]:
    rows = [
        "## Do probabilities mean what they say?",
        "",
        "Test fold at each head's natural prevalence; bins of the harm head.",
        "",
        "| stated between | share of traffic | mean stated | observed harmful (95 % interval) | texts |",
        "| --- | ---: | ---: | --- | ---: |",
    ]
    harm = report.held_out.calibration.get(HARM)
    rows += [
        f"| {one.low:g} and {one.high:g} | {one.share:.3%} | {one.stated:.4f} "
        f"| {one.observed:.4f} ({one.observed_low:.4f} to {one.observed_high:.4f}) | {one.posts:,} |"
        for one in (harm.bins if harm else ())
    ]
    errors = ", ".join(
        f"{head} {table.expected_error:.4f}" for head, table in report.held_out.calibration.items()
    )
    rounding = ", ".join(f"{one.head} {one.exact:.4f} to {one.rounded:.4f}" for one in report.rounding)
    return [
        *rows,
        "",
        f"Expected calibration error: {errors}.",
        f"Rounding weights to bytes moves PR-AUC on the calibration fold: {rounding}.",
        "",
    ]


def _languages(report: TrainedReport) -> list[str]:
    rows = [
        "## Which language it thinks a text is in",
        "",
        "Only texts read as English are ever acted on automatically.",
        "",
        "| corpus | language | texts | read as English | as other | as unreadable | corpus trained on |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    rows += [
        f"| {line.source} | {line.language} | {line.texts:,} | {line.said['english']:.1%} "
        f"| {line.said['other']:.1%} | {line.said['unreadable']:.1%} | {'yes' if line.seen else 'no'} |"
        for line in report.languages
    ]
    return [*rows, ""]


def _identity(points: tuple[IdentityTerms, ...]) -> list[str]:
    rows = ["## Naming a group", ""]
    if not points:
        return [*rows, "Not measured: the templates (madlibs77k) were not in the folder.", ""]
    rows += [
        "Template sentences (madlibs77k, for measuring only) that differ in the identity term they name.",
        "A false alarm is a harmless sentence at or above the score at which a share of traffic would be removed;",
        "the score comes from the held-out texts, not from the templates.",
        "",
        "| share removed | at probability | false alarms, all terms | largest less smallest |",
        "| ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {one.removal_share:.1%} | {one.threshold:.4f} | {one.overall_false_alarms:.1%} | {one.gap:.1%} |"
        for one in points
    ]
    first, last = points[0], points[-1]
    at_first = {line.term: line.false_alarms for line in first.terms}
    rows += [
        "",
        f"Pinned AUC runs from {first.pinned_auc_lowest:.3f} to {first.pinned_auc_highest:.3f}.",
        "",
        f"| term | harmless | alarms at {first.removal_share:.1%} | at {last.removal_share:.1%} | pinned AUC |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {line.term} | {line.harmless:,} | {at_first[line.term]:.1%} | {line.false_alarms:.1%} "
        f"| {line.pinned_auc:.3f} |"
        for line in last.terms
    ]
    return [*rows, ""]


def _distilling(report: TrainedReport) -> list[str]:
    if report.models is None:
        return []
    how = report.recipe.distilling
    return [
        f"From there the light model went on to learn from the heavy one: {how.width} numbers an n-gram,",
        f"{how.units} hidden units, {how.epochs} epochs.",
    ]


def _limits(manifest: Manifest, report: TrainedReport) -> list[str]:
    scarce = [f"{head.name} ({head.positives:,})" for head in manifest.heads if head.positives < 2000]
    pooled = report.held_out.line(HARM, POOLED)
    lines = [
        "## What it gets wrong",
        "",
        "- Meaning, where only the light model looks: negation, irony, quoting to object, harm said politely.",
        *(["- The heavy model as well, where the tables above say so."] if report.models else []),
        "- Corpora disagree on plain profanity, so it is often taken for harm.",
        "- Harm of a new kind: compare the two columns of the leave-one-out table.",
        "- Adversarial pairs that differ by one emoji or one word: close to chance.",
    ]
    if scarce:
        lines.append(f"- Policies with few harmful labels: {', '.join(scarce)}.")
    if pooled is not None and pooled.ranking.recall_at_precision.value is None:
        lines.append(
            "- It cannot be shown to reach 95 % precision at any useful recall, and must not remove alone."
        )
    lines += [
        "- The templates above show which group names alone raise its score.",
        "",
        "## How it was made",
        "",
        f"Logistic regression over n-grams: {report.recipe.solver.epochs} epochs, dropout",
        f"{report.recipe.solver.dropout:g}, seed {report.recipe.seed}.",
        *_distilling(report),
        "Everything else stands in the recipes (`recipes/light-linear.yaml`, `recipes/heavy-text.yaml`).",
        "Choices were made on calibration folds; `experiments/LOG.md` tells of each.",
        "Twice a held-out table showed the fault first: the tail of the calibrator, and the language head on told_br and convabuse.",
        "Some settings were chosen on an earlier draw of the folds.",
        "Nothing of HateCheck, Multilingual HateCheck or the OpenAI moderation set was used or imitated.",
        "",
    ]
    return lines
