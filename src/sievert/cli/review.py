"""`sievert review`: what people settled, as labels and examples that models learn from."""

from pathlib import Path
from typing import Annotated

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    review = typer.Typer(help="The work of reviewers.", no_args_is_help=True)

    review.command()(labels)
    review.command()(examples)
    app.add_typer(review, name="review")


def labels(
    *,
    out: Annotated[Path, typer.Option(help="Where the labels go, such as FOLDER/labels.ndjson.")],
    posts: Annotated[
        Path | None, typer.Option(help="Where their posts go, such as FOLDER/posts.ndjson.")
    ] = None,
    platform: Annotated[str, typer.Option(help="The platform; a history is of one.")] = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write what people settled as labels of a history, and the posts beside them.

    Both in one folder are a history: `sievert data check FOLDER` reads it, and so does
    `sievert data material --history FOLDER --labels review`. A running server does not mind.
    """
    import msgspec

    from sievert.cli.clocks import clock_of
    from sievert.review.exports import rows_of
    from sievert.serving.wiring import open_ledgers
    from sievert.stores.durable import write_durably

    settings = settings_from(config, data).settings
    with open_ledgers(settings, clock=clock_of(settings)) as ledgers:
        rows = [*rows_of(ledgers.all_labels(), platform=platform)]
    for path in (out, posts):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    write_durably(out, encoder.encode_lines([row.label for row in rows]))
    known = {(row.post["id"], row.post["revision"]): row.post for row in rows}
    if posts is not None:
        write_durably(posts, encoder.encode_lines([*known.values()]))
    typer.echo(f"{len(rows):,} labels of {len(known):,} posts")


def examples(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy that they are examples of.")],
    *,
    out: Annotated[Path, typer.Option(help="Where the examples go, such as judged.ndjson.")],
    since: Annotated[
        str | None,
        typer.Option(help="Of posts published since: 2027-01-31T12:00:00Z, or 3d ago.", show_default=False),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            "--with",
            help="Texts that were labelled elsewhere, to stand beside them; of the same text what people found here holds.",
        ),
    ] = None,
    platform: Annotated[str, typer.Option(help="The platform that the posts are of.")] = "default",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write what people found about cases of a policy as texts with 0 or 1.

    It is what `sievert train policy` learns from and `sievert bundle recalibrate` sets right by: for the second
    say `--since` the moment at which the head was trained. A running server does not mind.
    """
    from sievert.cli.clocks import clock_of
    from sievert.cli.policy_named import policy_named
    from sievert.cli.times import time_from
    from sievert.review.exports import examples_lines, examples_of, last_words
    from sievert.serving.wiring import open_ledgers, policies_path
    from sievert.stores.durable import write_durably

    settings = settings_from(config, data).settings
    clock = clock_of(settings)
    begin = 0 if since is None else time_from(since, clock.now())
    with open_ledgers(settings, clock=clock) as ledgers:
        found = examples_of(ledgers.all_labels(), policy=policy, platform=platform, since=begin)
    if not found:
        policy_named(policy, policies_path(settings))  # no examples of what is no policy is a slip of the pen
    if beside is not None:
        found = last_words([*_labelled(beside), *found])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(out, examples_lines(found))
    broke = sum(violates for _, violates in found)
    typer.echo(f"{len(found):,} examples, {broke:,} of them break {policy}")


def _labelled(path: Path) -> list[tuple[str, bool]]:
    """Read a file of examples as `sievert train policy` does; one text may have several lines here."""
    import msgspec

    from sievert.evaluation.labelled_file import numbered_lines, parse_line
    from sievert.training.few_shot_examples import TextExample

    decoder = msgspec.json.Decoder(TextExample)
    read = (parse_line(line, where, decoder) for where, line in numbered_lines(path))
    return [(one.text, one.label == 1) for one in read]
