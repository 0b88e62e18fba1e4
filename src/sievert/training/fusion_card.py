"""The card of a bundle's fusion model, in Markdown, one sentence a line."""

import msgspec

from sievert.measurement.ranking import Estimate
from sievert.schema.bundle import Manifest
from sievert.training.fusion_graphs import Graphs
from sievert.training.fusion_report import FusionReport
from sievert.training.heavy_calibrators import RunCalibrators
from sievert.training.heavy_run import HeavyRun
from sievert.training.light_image import LightImageRun
from sievert.training.run_card import interval_of, value_of
from sievert.training.rung_batches import posts_of

CARD = "FUSION_CARD.md"


_KEPT = (
    "A post without a picture that nobody did anything with keeps what the cascade says, to the bit; all else is "
    "evidence, and is added to the cascade's logit."
)
_KEPT_BY_CONTENT = (
    "A post without a picture keeps what the cascade says, to the bit; what a picture shows is evidence, and is added "
    "to the cascade's logit where it speaks against the post. It speaks in the first decision, and the update model on top of it."
)
_EVIDENCE = "Maps are of evidence: 1 in the mean over harmless posts, as a ratio of likelihoods is; they hold at any prevalence."
_AGAINST = " What speaks for a post is left out where they serve."
_MOVED = "Maps are fitted at the share that the material has, and moved to the one that the bundle states by Bayes' rule."


def fusion_card(
    run: HeavyRun,
    report: FusionReport,
    manifest: Manifest,
    *,
    calibrators: RunCalibrators,
    light: LightImageRun | None,
    graphs: Graphs,
) -> str:
    """Write the card."""
    described = run.material.described
    learn = described.populations["learn"]
    lines = [
        "# Fusion model",
        "",
        f"It adds to what the cascade says of a post's texts: it hears {_heard(run)}. What is missing is masked.",
        *([_KEPT if run.hears_people else _KEPT_BY_CONTENT] if run.keeps_texts else []),
        f"It learned from {_taught(run)}, drawn from {learn.posts:,} posts.",
        f"What the texts say was said by the bundle `{run.said.bundle}`.",
        "",
        "## How well it ranks",
        "",
        (
            f"{report.posts:,} posts that came later than all that was learned from or calibrated on, {report.harmful:,} of "
            "them harmful, each at one of its moments."
        ),
        (
            f"At their natural prevalence: {report.prevalence:.2%} of posts, {report.prevalence_by_views:.2%} of views to "
            "come. In brackets are 95 % intervals."
        ),
        "",
        (
            "| scored by | PR-AUC, posts | recall at precision 0.95, posts | PR-AUC, views | recall at precision 0.95, views "
            "| PR-AUC when created |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.scored_by} | {_told(one.pr_auc)} | {_told(one.recall)} | {_told(one.views_pr_auc)} "
        f"| {_told(one.views_recall)} | {one.created:.3f} |"
        for one in report.lines
    ]
    lines += [
        "",
        "A source is switched off in scoring alone; the model learned to do without any of them.",
        "",
        "## Calibration",
        "",
        "| head | prevalence learned at | stated by the bundle | harmful posts behind the map | harmless ones |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    states = {head.name: head.prevalence for head in manifest.heads}
    lines += [
        f"| {head} | {one.prevalence:.2%} | {states[head]:.2%} | {one.harmful:,} | {one.harmless:,} |"
        for head, one in calibrators.heads.items()
    ]
    lines += [
        "",
        (_EVIDENCE if run.hears_people else _EVIDENCE + _AGAINST) if run.keeps_texts else _MOVED,
        *(
            f"`{head}` is passed through as the cascade says it: {why}."
            for head, why in calibrators.passed.items()
        ),
        "",
        "## Cost and size",
        "",
        *_costs(run, graphs, report, light),
        "",
        "## What it rests on",
        "",
        f"- The run `{run.result.weights[:12]}`, recipe `{run.recipe.name}`, seed {run.recipe.seed}.",
        "- It is for this bundle's texts, its behaviour features and its priors; another bundle needs another.",
        (
            "- In a simulated world people do what its settings say, and pictures are drawn; on a platform of your own, "
            "train it anew on your own history before anything hangs on it."
        ),
        "",
    ]
    return "\n".join(lines)


def _taught(run: HeavyRun) -> str:
    fold = run.material.folds["learn"]
    order, starts = posts_of(fold, msgspec.structs.replace(run.recipe, harmful_times=1))
    first = order[starts[:-1]]
    pictured = " with pictures" if run.recipe.by_pictures else ""
    return f"{len(first):,} posts{pictured}, {int(fold.harmful()[first].sum()):,} of them harmful"


def _heard(run: HeavyRun) -> str:
    texts = ["encodings of them"] if run.model.config.encodings else []
    picture = ["the picture"] if run.looks else []
    people = ["what people did with the post and what is known of its creator"] if run.hears_people else []
    return ", ".join(texts + picture + people)


def _costs(run: HeavyRun, graphs: Graphs, report: FusionReport, light: LightImageRun | None) -> list[str]:
    lines = [
        f"- {run.parameters:,} parameters; `fusion.onnx` has {len(graphs.fusion):,} bytes.",
        (
            f"- A post costs {report.cost.post:,.0f} core microseconds, of 64 in a batch; logits differ from torch's by "
            f"{graphs.fusion_differs:.1g} at most."
        ),
    ]
    if graphs.picture is not None and report.cost.picture is not None:
        lines.append(
            f"- Looking at a picture costs {report.cost.picture:,.0f} core microseconds, once a file; `picture.onnx` has "
            f"{len(graphs.picture):,} bytes, and differs from torch by {graphs.picture_differs:.1g} at most."
        )
    else:
        lines.append("- It looks at no pictures.")
    if (rounding := run.rounding) is not None:
        apart = rounding.difference
        why = "that is within its noise" if rounding.kept == "bytes" else "that is more than noise"
        lines.append(
            f"- Rounding the image tower to bytes changes the average precision on the time to calibrate on by "
            f"{apart.value:+.4f} ({apart.low:+.4f} to {apart.high:+.4f}): {why}, and {rounding.kept} are kept."
        )
    if light is not None:
        likeness = light.result.metrics["likeness"].value or 0.0
        lines.append(
            f"- The light image model's cross-entropy with the fusion model is {likeness:.4f}, over its heads."
        )
    return lines


def _told(one: Estimate) -> str:
    interval = interval_of(one)
    return f"{value_of(one)} ({interval})" if interval else value_of(one)
