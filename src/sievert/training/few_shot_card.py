"""An added head joins a bundle, with a card that says what its few examples prove and what they do not."""

from pathlib import Path

import msgspec

from sievert.schema.bundle import Head, Manifest
from sievert.scoring.added_heads import AddedHeads, Reads
from sievert.scoring.bundle import Bundle
from sievert.scoring.bundle_files import with_files
from sievert.training.few_shot import TrainedHead, needed, provable

_ASKS, _DEMOTES = 0.3, 0.7
"""Where a policy asks people and lowers reach unless it says otherwise (`schema.policy`)."""


def card_name(name: str) -> str:
    """Return the file of a bundle that tells about an added head."""
    return f"ADDED_{name.upper()}.md"


def with_added(folder: Path, out: Path, bundle: Bundle, trained: TrainedHead) -> str:
    """Write a bundle anew with this head, in place of one of its name; return the new bundle's version.

    Raises:
        BundleError: the bundle in `folder` is damaged.
    """
    added = bundle.added.with_head(trained.head, encoder=trained.encoder)
    files = {**added.files(), card_name(trained.name): added_card(trained).encode()}
    return with_files(
        folder,
        out,
        files,
        without=bundle.added.files(),
        stating=lambda manifest: _stated(manifest, added, trained),
    )


def _stated(manifest: Manifest, added: AddedHeads, trained: TrainedHead) -> Manifest:
    known = {head.name: head for head in manifest.added} | {
        trained.name: Head(
            name=trained.name,
            prevalence=trained.stated.prevalence,
            positives=trained.harmful,
            negatives=trained.harmless,
        )
    }
    return msgspec.structs.replace(
        manifest,
        added=tuple(known[name] for name in added.names),
        without_head=tuple(name for name in manifest.without_head if name not in known),
    )


def findings(trained: TrainedHead) -> list[str]:
    """Say in sentences what the examples prove of a head, and what they do not."""
    stated, pr_auc = trained.stated, trained.pr_auc
    what = "picture" if trained.head.spec.reads is Reads.PICTURE else "text"
    said = [
        (
            f"It learned from {trained.harmful:,} examples that break the policy and {trained.harmless:,} that do "
            f"not; near-duplicates counted once they are {trained.groups[0]:,} and {trained.groups[1]:,}."
        ),
        (
            f"Probabilities hold where {stated.prevalence:.2%} of posts break it, which you stated and nobody "
            "measured: with a wrong share they are wrong by as much."
        ),
        (
            f"Ranking, by cross-validation at that share: average precision {pr_auc.value:.3f}, "
            f"interval {pr_auc.low:.3f} to {pr_auc.high:.3f} at 95 %."
        ),
        _most(trained, what),
        (
            f"Its light half sends on what lies above the cut of {stated.share:.2%} of traffic: of the examples "
            f"{trained.sent_on[0]:.0%} of those that break the policy, and {trained.sent_on[1]:.0%} of the others. "
            + (
                "The cut is measured on that traffic."
                if trained.traffic
                else "The cut is guessed from the harmless examples; --unlabelled would have it measured."
            )
        ),
        "It may lower reach and ask people. It removes nothing: no certificate speaks of this bundle yet.",
    ]
    if stated.share < stated.prevalence:
        said.append(
            f"That share holds {stated.share / stated.prevalence:.0%} of what breaks the policy at most: state a "
            "larger one with --share."
        )
    if trained.repeated:
        said.append(f"{trained.repeated:,} further examples said the same again, and were left out.")
    if trained.unread:
        said.append(
            f"{trained.unread:,} examples are not in a language that the heavy model reads: on such posts the light "
            "half speaks alone."
        )
    return said


def _most(trained: TrainedHead, what: str) -> str:
    """Say how sure the head can be, and what would make it surer."""
    prevalence = trained.stated.prevalence
    most = f"The highest probability that it gives is {trained.highest:.3f}"
    if trained.traffic:
        return f"{most}; {trained.traffic:,} unlabelled {what}s of traffic speak for what is harmless."
    return (
        f"{most}: {trained.harmless:,} harmless examples prove {provable(trained.harmless, prevalence):.3f} at most. "
        f"To ask people at {_ASKS} takes about {needed(_ASKS, prevalence):,} of them, to lower reach at {_DEMOTES} "
        f"about {needed(_DEMOTES, prevalence):,}, or unlabelled traffic (--unlabelled); or a policy that asks earlier."
    )


def policy_yaml(trained: TrainedHead) -> str:
    """Return a policy that uses the head, in shadow, with thresholds that it can reach."""
    asks = min(_ASKS, round(trained.highest / 2, 3))
    return "\n".join(
        (
            f"name: {trained.name}",
            "version: 1",
            f"category: {trained.name}",
            f'title: "{trained.name.replace("_", " ")}"',
            "mode: shadow",
            f"review_at: {asks:g}",
        )
    )


def added_card(trained: TrainedHead) -> str:
    """Write the card, in Markdown, one sentence a line."""
    stated, spec = trained.stated, trained.head.spec
    lines = [
        f"# Added head: {trained.name}",
        "",
        f"It reads the {spec.reads.value} of a post, as the bundle sees it anyway.",
        *findings(trained),
        "",
        "## How it was made",
        "",
        f"- Logistic regression on frozen numbers, strength {trained.strength:g} by cross-validation, seed {stated.seed}.",
        "- The light half learned from the labels"
        + (f" and from what the other thinks of {trained.traffic:,} unlabelled ones." if trained.traffic else "."),
        "- Above the highest score of an example that breaks the policy the probability rises no further.",
        "",
        "## Not covered",
        "",
        "- Examples that are not like your traffic: a head learns what you show it, also what you did not mean.",
        "- Wrong labels: with fifty examples each one counts.",
        "- What people do with a post: the update model does not know this head, whose probability stays.",
        "",
        "## A policy that uses it",
        "",
        f"Save it as `{trained.name}.yaml` in your folder of policies.",
        "",
        "```yaml",
        policy_yaml(trained),
        "```",
        "",
    ]  # fmt: skip
    return "\n".join(lines)
