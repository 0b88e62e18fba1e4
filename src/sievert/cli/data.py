"""`sievert data`: what somebody's own data is and what is wrong with it; and a history becomes material."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.data_decisions import decisions

if TYPE_CHECKING:
    from sievert.datasets.data_report import DataReport


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    data = typer.Typer(help="Look at data of your own before anything learns from it.", no_args_is_help=True)

    data.command()(check)
    data.command()(material)
    data.command()(join)
    data.command()(decisions)
    app.add_typer(data, name="data")


def check(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|FILE",
            help="A folder with posts.*, events.* and labels.* (Parquet or NDJSON), a file of posts, "
            'or a corpus file of {"text", "harmful"}.',
        ),
    ],
    *,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write every row of a folder that cannot be used here, as NDJSON.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what data holds, which rows cannot be used and why; ends with 2 if there are any.

    Nothing is changed. The format is described in docs/data-format.md.
    """
    import msgspec

    from sievert.cli import EXIT_REFUSED
    from sievert.datasets.data_report import check_data

    report = check_data(path, quarantine=quarantine)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    if report.unusable:
        raise typer.Exit(EXIT_REFUSED)


def material(
    *,
    history: Annotated[Path, typer.Option(help="A folder that `sievert simulate` wrote.")],
    out: Annotated[Path, typer.Option(help="Where the material goes; a folder, made if missing.")],
    texts: Annotated[
        Path | None, typer.Option(help="The corpus that the world was made with, if it was made with one.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="The source of labels to learn from; truth: that of a simulated world.")
    ] = "truth",
    learn: Annotated[int, typer.Option(min=8, help="Posts to learn from, at most.")] = 12_000,
    harmless: Annotated[int, typer.Option(min=1, help="Harmless posts to test on, at most.")] = 40_000,
    unlabelled: Annotated[
        int,
        typer.Option(min=0, help="Posts without labels that drew comments or hashtags, at most; 0: none."),
    ] = 60_000,
    calibrate_from: Annotated[
        float, typer.Option(min=0, max=1, help="Where in the history's time the fold to calibrate on begins.")
    ] = 0.55,
    test_from: Annotated[
        float, typer.Option(min=0, max=1, help="Where the fold to test on begins, behind it.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other posts.")] = 20270601,
    side: Annotated[
        int,
        typer.Option(min=16, max=512, help="Pixels a side of pictures; as many as the image encoder takes."),
    ] = 96,
    pictures: Annotated[
        bool, typer.Option(help="Draw the posts' pictures; the world is lived again.")
    ] = True,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that reads texts, instead of the one that ships.")
    ] = None,
    said: Annotated[
        bool,
        typer.Option(
            help="Ask the bundle what it says of each content: `train heavy` hears it; some 5 ms a content."
        ),
    ] = True,
    encodings: Annotated[
        bool,
        typer.Option(
            help="Keep its encodings of texts too, for recipes that hear them; takes twice as long, and more room."
        ),
    ] = False,
) -> None:
    """Gather what the models of the ladder learn from: a sample of posts as tensors, once for all of them.

    Needs the extra `train`. The same history and seed give the same bytes.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Gathering material"):
        from sievert.training.gathering import GatherSettings, gather
        from sievert.training.material_sources import ENCODER, contents_by, drawing
    from sievert.cli.learning_progress import stages
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.scoring.update import judge_of

    console = Console(stderr=True)
    settings = GatherSettings(
        seed=seed,
        labels=labels,
        learn=learn,
        harmless_to_test=harmless,
        calibrate_from=calibrate_from,
        test_from=test_from,
        unlabelled=unlabelled,
        side=side,
    )
    reader = load_bundle(bundle or default_bundle_path())
    with stages(console) as advance:
        described = gather(
            history,
            out,
            settings,
            judge=judge_of(reader.update, reader.fold),
            contents=contents_by(reader, ENCODER, pooled=False, said=said, encodings=encodings),
            draw=drawing(history, texts=texts, side=settings.side, advance=advance) if pictures else None,
            advance=advance,
        )
    for name, one in described.populations.items():
        console.print(
            f"{name}: {one.taken:,} posts, {one.taken_harmful:,} harmful, stand for {one.posts:,} with "
            f"{one.harmful:,}; {one.left_out:,} were left out, {one.left_out_harmful:,} of them harmful, since "
            f"their text was learned from; of those taken {one.alike:,} nearly repeat one that was",
            highlight=False,
        )
    if (spare := described.unlabelled) is not None:
        console.print(
            f"unlabelled: {spare.taken:,} posts of {spare.posts:,} that drew comments or hashtags, and "
            f"{spare.held:,} held out; {spare.left_out:,} were left out, since a later fold shows their text",
            highlight=False,
        )


def join(
    first: Annotated[Path, typer.Argument(help="Material whose later folds are kept.")],
    second: Annotated[
        Path, typer.Argument(help="Material of another history, of which the learning fold is taken.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Where the joined material goes; a folder, made if missing.")],
    test_of_second: Annotated[
        bool, typer.Option(help="Test on the second's test fold, instead of the first's.")
    ] = False,
) -> None:
    """Join the learning folds of two materials: more labels than one history holds.

    Needs the extra `train`. Posts to learn from that say what a later fold says are left out.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Joining material"):
        from sievert.training.material import FOLDS, read_material
        from sievert.training.material_join import join as joined

    described = joined(read_material(first), read_material(second), out, test_of_second=test_of_second)
    learn = described.populations[FOLDS[0]]
    Console(stderr=True).print(
        f"learn: {learn.taken:,} posts, {learn.taken_harmful:,} harmful, stand for {learn.posts:,} with "
        f"{learn.harmful:,}",
        highlight=False,
    )


def _print(report: "DataReport") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(f"{report.name} holds {report.holds}\n", highlight=False, markup=False)
    facts = Table(show_header=False, box=None, pad_edge=False)
    for fact in report.facts:
        facts.add_row(fact.what, Text(fact.value))
    console.print(facts)
    if report.problems:
        table = Table("rows of", "cannot be used", "how many", "first", "its id", "what to do")
        for problem in report.problems:
            table.add_row(
                problem.noun,
                problem.reason,
                f"{problem.rows:,}",
                Text("\n".join([problem.first, *([_shown(problem.detail)] if problem.detail else [])])),
                Text(_shown(problem.id) if problem.id is not None else ""),
                problem.remedy,
            )
        console.print()
        console.print(table)
    console.print()
    told = f"{report.unusable:,} rows cannot be used" if report.unusable else "Every row can be used"
    console.print(f"{told}.", highlight=False)
    console.print(f"Next: {report.next_step}", highlight=False, markup=False, soft_wrap=True)


def _shown(words: str) -> str:
    """Return other people's words such that nothing in them moves the cursor, nor fills the screen."""
    return ascii(words)[1:-1][:80]
