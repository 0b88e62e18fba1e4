"""An update model joins a bundle, with a card that says what it learned from and how well."""

from pathlib import Path

from sievert.features.behaviour.rows import FEATURES
from sievert.scoring.bundle_files import with_files
from sievert.scoring.update import UpdateModel
from sievert.training.update_recipe import UpdateRecipe
from sievert.training.updating import TrainedUpdate

CARD = "UPDATE_CARD.md"


def with_update(folder: Path, out: Path, model: UpdateModel, *, card: str) -> str:
    """Write a bundle anew with this update model; return its version.

    Raises:
        BundleError: the bundle in `folder` is damaged.
    """
    return with_files(folder, out, {**model.files(), CARD: card.encode()})


def update_card(trained: TrainedUpdate, recipe: UpdateRecipe, *, labels: str) -> str:
    """Write the card, in Markdown, one sentence a line."""
    comments = trained.comments
    lines = [
        "# Update model",
        "",
        "It adds what people did with a post, and with its creator's other posts, to what the text said.",
        (
            f"It learned from a history of {trained.posts:,} posts and {trained.events:,} events; "
            f"labels: {labels}."
        ),
        (
            f"There {trained.prevalence:.2%} of posts are harmful; "
            f"{trained.snapshots:,} snapshots were looked at."
        ),
        "Posts are split by time: what is measured below is later than what was learned from.",
        "",
        "## How well it ranks",
        "",
        "Average precision by what called for the look, at the history's own prevalence.",
        "The text's score is the bundle's, whose texts are of another kind than a simulated world's.",
        "",
        "| looked at because of | snapshots | of harmful posts | text | behaviour | both |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {line.cause} | {line.snapshots:,} | {line.harmful:,} | {line.by_text:.3f} "
        f"| {line.by_behaviour:.3f} | {line.by_both:.3f} |"
        for line in trained.lines
    ]
    lines += [
        "",
        "## Comments",
        "",
        "The comment model learned from comments of the simulated world's own grammar.",
        "",
        "| mood | told | others taken for it |",
        "| --- | ---: | ---: |",
    ]
    lines += [
        f"| {mood} | {comments.found[mood]:.1%} | {comments.false[mood]:.1%} |" for mood in comments.found
    ]
    lines += [
        "",
        "## What it rests on",
        "",
        (
            f"- {len(FEATURES)} features, {recipe.units} hidden units, {recipe.epochs} epochs, "
            f"seed {recipe.seed}."
        ),
        (
            "- Behaviour's evidence is added to the text's logit as if both were independent given what the "
            "post is."
        ),
        (
            "- In a simulated world people do what its settings say; on a platform of your own, train it anew "
            "on your own history before it may act."
        ),
        "",
    ]
    return "\n".join(lines)
