"""`sievert train policy`: a policy of a platform's own joins a bundle, from a few labelled examples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sievert.scoring.bundle import Bundle
    from sievert.training.few_shot import Stated, TrainedHead


def policy(
    name: Annotated[str, typer.Argument(help="What the policy is called, as in its YAML file.")],
    *,
    examples: Annotated[
        Path,
        typer.Option(
            help='NDJSON of {"text", "label": 0 or 1}, or .csv with these columns; or a folder of pictures '
            "with the subfolders NAME and other."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle to join, instead of the one that ships.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help='Your traffic, which needs no labels, at least 1,000 posts: NDJSON of {"text"}, or a folder of pictures.'
        ),
    ] = None,
    vision: Annotated[
        str | None,
        typer.Option(
            help="For pictures: a folder with a Hugging Face vision model, or a package that has one."
        ),
    ] = None,
    prevalence: Annotated[
        float,
        typer.Option(min=0.00001, max=0.2, help="Which share of your posts breaks the policy."),
    ] = 0.005,
    share: Annotated[
        float,
        typer.Option(
            min=0.0001,
            max=0.2,
            help="Which share of traffic the heavy model may read for it: more than the policy's own.",
        ),
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Another seed cuts the cross-validation elsewhere.")] = 1,
) -> None:
    """Add a policy of your own from 50 to 500 labelled examples, and write the bundle with it.

    The head reads what the bundle sees anyway; nothing else of it changes. The same name again replaces the
    head. A card in the bundle says what the examples prove.
    """
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.errors import ConfigurationError
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.training.few_shot import MOST_TRAFFIC, Stated, name_problems, train_text_head
    from sievert.training.few_shot_card import card_name, findings, with_added
    from sievert.training.few_shot_examples import read_examples, read_unlabelled

    console = Console(stderr=True)
    folder = bundle or default_bundle_path()
    loaded = load_bundle(folder)
    stated = Stated(name=name, prevalence=prevalence, share=share, seed=seed)
    if problems := [*name_problems(name, loaded.manifest), *_cannot(loaded, examples, vision)]:
        raise ConfigurationError("The policy", problems)
    if examples.is_dir():
        trained = _of_pictures(console, loaded, stated, examples, unlabelled=unlabelled, vision=vision)
    else:
        read = read_examples(examples, loaded.fold)
        traffic = read_unlabelled(unlabelled, most=MOST_TRAFFIC, seed=seed) if unlabelled else ()
        with stages(console) as advance:
            trained = train_text_head(loaded, read, traffic, stated, advance=advance)
    version = with_added(folder, out, loaded, trained)
    output = Console(highlight=False)
    for sentence in findings(trained):
        output.print(f"- {sentence}", soft_wrap=True)
    console.print(
        f"{version} written to {out}; {card_name(name)} has a policy to begin with", highlight=False
    )


def _cannot(bundle: "Bundle", examples: Path, vision: str | None) -> list[str]:
    """Say what a bundle lacks to read such examples."""
    if examples.is_dir():
        if vision is None and not bundle.encoders:
            return [
                "the bundle has no picture encoder: name a folder that holds a vision model with --vision"
            ]
        return []
    problems = [] if vision is None else ["--vision is for a folder of pictures: leave it out for texts"]
    if bundle.heavy is None or not bundle.heavy.model.width:
        problems.append(
            "the bundle has no heavy model that encodes texts: take one that has, such as the default"
        )
    return problems


def _of_pictures(
    console: "Console",
    bundle: "Bundle",
    stated: "Stated",
    examples: Path,
    *,
    unlabelled: Path | None,
    vision: str | None,
) -> "TrainedHead":
    """Learn a head from a folder of pictures, and name those that could not be opened."""
    from sievert.cli.extras import needing
    from sievert.cli.learning_progress import stages
    from sievert.pipeline.opening import Openers
    from sievert.training.few_shot import MOST_TRAFFIC
    from sievert.training.few_shot_pictures import train_picture_head

    brought = None
    if vision is not None:
        with needing("train", what="A vision model"):
            from sievert.training.vision import encoder_of

            brought = encoder_of(vision)
    with stages(console) as advance, Openers() as opener:
        trained, refused = train_picture_head(
            examples,
            brought or bundle.encoders[0],
            stated,
            opener=opener,
            traffic=unlabelled,
            most=MOST_TRAFFIC,
            brought=brought,
            advance=advance,
        )
    for one in refused:
        console.print(f"left out: {one.file}: {one.why}", highlight=False, markup=False)
    return trained
