"""A view forecaster joins a bundle, with a card that says what it learned from and how well."""

from pathlib import Path

from sievert.features.behaviour.rows import FEATURES
from sievert.scoring.bundle_files import with_files
from sievert.scoring.views import ViewsModel
from sievert.training.view_learning import TrainedViews
from sievert.training.views_recipe import ViewsRecipe
from sievert.training.views_report import ViewsReport

CARD = "VIEWS_CARD.md"


def with_views(folder: Path, out: Path, model: ViewsModel, *, card: str) -> str:
    """Write a bundle anew with this view forecaster; return its version.

    Raises:
        BundleError: the bundle in `folder` is damaged.
    """
    return with_files(folder, out, {**model.files(), CARD: card.encode()})


def views_card(trained: TrainedViews, report: ViewsReport, recipe: ViewsRecipe) -> str:
    """Write the card, in Markdown, one sentence a line."""
    worse = report.worse()
    lines = [
        "# View forecaster",
        "",
        (
            f"It tells how many views a post will get in the next {recipe.hours:g} hours if it is left alone, "
            f"each possible number counted up to {recipe.cap:,.0f}."
        ),
        (
            f"It learned from a history of {trained.posts:,} posts and {trained.events:,} events: {report.learned:,} "
            f"looks at posts, {report.held_out:,} held out to say when to stop."
        ),
        f"Posts are split by time: it was tested on {report.tested:,} looks at posts that came later.",
        (
            f"{report.censored:,} looks at posts that were acted on count through others of the same chance; "
            f"{report.left_out:,} have nobody to stand for them and are left out."
        ),
        "",
        "## How well it forecasts",
        "",
        "The line is log-linear in views so far and age; `views go on` takes the rate so far for the rate to come.",
        (
            "`error` is the mean distance of log(1 + views), `top 1 %` the share of views to come that stands in the "
            "hundredth with the highest forecasts, `level` the views that came over the capped means, in all."
        ),
        "",
        "| age | forecaster | looks | error | rank correlation | top 1 % | pinball | in the middle 80 % | level |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.age} | {one.forecaster} | {one.looks:,} | {one.error:.3f} | {shown(one.correlation)} "
        f"| {one.top:.1%} | {shown(one.pinball)} | {shown(one.coverage)} | {shown(one.level)} |"
        for one in report.lines
    ]
    beaten = (
        "It beats the line everywhere." if not worse else f"It does not beat the line in: {'; '.join(worse)}."
    )
    lines += [
        "",
        beaten,
        "",
        "## What it rests on",
        "",
        (
            f"- {len(FEATURES)} behaviour features, views so far and age, {recipe.units} hidden units, seed {recipe.seed}; "
            "the content is not heard."
        ),
        (
            "- Views are as the platform counts them. An event of views names nobody, so bots cannot be left out; that "
            "few reactions, shares and comments come of views is all that tells them."
        ),
        (
            "- Views of a post beyond the moment at which it was acted on were never seen. Where no draw decided, the "
            "forecast goes by posts that were left alone."
        ),
        (
            "- In a simulated world attention fades as its settings say; on a platform of your own, train it anew on "
            "your own history before anything hangs on it."
        ),
        "",
    ]
    return "\n".join(lines)


def shown(value: float | None) -> str:
    """Return a number with three places, or a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"
