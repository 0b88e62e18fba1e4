"""`sievert train`: from a folder of labelled corpora to a heavy model, and to a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli import train_fusion, train_rungs
from sievert.cli.train_creators import creators
from sievert.cli.train_policy import policy
from sievert.cli.training_options import Overrides, RecipeFile

if TYPE_CHECKING:
    from sievert.evaluation.trained import TrainedReport

_SECONDS_A_MEGABYTE = 4.6
"""Of packed corpora, by measurement on two cores, for sixteen epochs without leaving corpora out."""

_SECONDS_A_TEXT = 0.012
"""Of fine-tuning a six-layer encoder of width 384, by measurement on two cores."""

_SECONDS_OF_HEAVY = 900
"""Of measuring a heavy model beside the light one, by measurement."""

_LEAVING_OUT = 3.5
"""How many times as long it takes with the leave-one-corpus-out table."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    train = typer.Typer(help="Train a bundle from labelled texts.", no_args_is_help=True)
    train.callback()(_train)
    train.command("light-linear")(light_linear)
    train.command("heavy-text")(heavy_text)
    train.command("update")(update)
    train.command("views")(views)
    train.command("lane")(lane)
    train.command("policy")(policy)
    train.command("creators")(creators)
    train_rungs.register(train)
    train_fusion.register(train)
    app.add_typer(train, name="train")


def _train() -> None:
    """Train a bundle from labelled texts."""


def light_linear(
    overrides: Overrides = None,
    *,
    data: Annotated[Path, typer.Option(help="The folder of the corpora, as NAME.jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    recipe: RecipeFile = None,
    heavy: Annotated[
        Path | None, typer.Option(help="A folder made by `sievert train heavy-text`, to join the bundle.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few epochs, small table, no leave-one-out: to try things.")
    ] = False,
) -> None:
    """Train the light model, join a heavy one to it, measure both, and write a bundle with its cards.

    The same corpora, recipe and seed give the same model.
    """
    import msgspec
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.datasets.card import data_card
    from sievert.datasets.loading import load_folds
    from sievert.errors import InvalidField
    from sievert.evaluation.card import model_card
    from sievert.evaluation.trained import report_on
    from sievert.features.content.fold import build_fold_tables
    from sievert.schema.clock import SystemClock, to_text
    from sievert.scoring.bundle_files import pretty
    from sievert.training.distilled import learning_from
    from sievert.training.joining import teacher, with_heavy
    from sievert.training.light_linear import save, train_light_linear
    from sievert.training.light_recipe import LightRecipe
    from sievert.training.recipes import read_recipe

    if any(path.exists() and not path.is_dir() for path in (out, *out.parents)):
        raise InvalidField(
            f"{out} cannot be a folder: there is a file in its place.",
            remedy="Name another folder with --out.",
        )
    console = Console(stderr=True)
    chosen = read_recipe(LightRecipe, recipe, overrides or ())
    if quick:
        chosen = msgspec.structs.replace(
            chosen, bits=min(chosen.bits, 16), solver=msgspec.structs.replace(chosen.solver, epochs=3)
        )
    seconds = _expected_seconds(data, epochs=chosen.solver.epochs, factor=1.0 if quick else _LEAVING_OUT)
    if heavy is not None:
        seconds += _SECONDS_OF_HEAVY
    console.print(f"about {max(1, round(seconds / 60))} min on two cores", highlight=False)
    tables = build_fold_tables()
    with stages(console) as advance:
        advance("read and fold", 0, 1)
        folded = load_folds(data, tables)
        advance("read and fold", 1, 1)
        then = None
        if heavy is not None:
            then = learning_from(teacher(heavy, advance=advance), chosen, advance=advance)
        trained = train_light_linear(folded, chosen, tables, advance=advance, then=then)
        if heavy is not None:
            trained = with_heavy(trained, heavy, folded, chosen, advance=advance)
        report = report_on(
            trained,
            folded,
            data,
            chosen,
            tables,
            heavy=heavy,
            resamples=100 if quick else 500,
            with_leave_one_out=not quick,
            advance=advance,
        )
    manifest = trained.bundle.manifest
    version = save(
        trained.bundle,
        out,
        created_at=to_text(SystemClock().now()),
        documents={
            "MODEL_CARD.md": model_card(manifest, report).encode(),
            "DATA_CARD.md": data_card(folded).encode(),
            "report.json": pretty(report),
        },
        heavy=trained.heavy,
    )
    _print_report(report)
    console.print(f"{version} written to {out}; its cards tell the rest", highlight=False)


def heavy_text(
    overrides: Overrides = None,
    *,
    data: Annotated[Path, typer.Option(help="The folder of the corpora, as NAME.jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="Where the model goes; a folder, made if missing.")],
    recipe: RecipeFile = None,
    quick: Annotated[bool, typer.Option("--quick", help="One text in fifty: to try things.")] = False,
) -> None:
    """Train the heavy model and write it in three precisions; `train light-linear --heavy` takes it from there.

    Needs the extra `train`. The same corpora, recipe, seed and machine give the same model.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training the heavy model"):
        from sievert.training.heavy_text import train_heavy_text
    from sievert.cli.learning_progress import stages
    from sievert.datasets.loading import load_folds
    from sievert.features.content.fold import build_fold_tables
    from sievert.training.heavy_recipe import HeavyRecipe
    from sievert.training.joining import write_heavy
    from sievert.training.light_linear import LANGUAGE
    from sievert.training.light_recipe import LightRecipe
    from sievert.training.recipes import read_recipe

    console = Console(stderr=True)
    chosen = read_recipe(HeavyRecipe, recipe, overrides or ())
    tables = build_fold_tables()
    with stages(console) as advance:
        advance("read and fold", 0, 1)
        folded = load_folds(data, tables)
        advance("read and fold", 1, 1)
        rows = [row for row in folded.pick("train") if row.language == LANGUAGE]
        rows = rows[::50] if quick else rows
        hours = len(rows) * (chosen.epochs + 2 * chosen.quantised_epochs) * _SECONDS_A_TEXT / 3600
        console.print(f"about {max(0.1, hours):.1f} h on two cores", highlight=False)
        trained = train_heavy_text(rows, read_recipe(LightRecipe).heads, chosen, tables, advance=advance)
    write_heavy(trained, out, chosen)
    console.print(f"{chosen.name} written to {out}", highlight=False)


def update(
    overrides: Overrides = None,
    *,
    history: Annotated[Path, typer.Option(help="A folder of posts, events and labels.")],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle to join, instead of the one that ships.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="The source of labels to learn from; truth: that of a simulated world.")
    ] = "expert",
    recipe: RecipeFile = None,
) -> None:
    """Train the update model, which hears what people did with a post, and write the bundle with it.

    Needs the extra `train`. The same history, recipe and machine give the same model.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training the update model"):
        from sievert.training.updating import train_update
    from sievert.cli.learning_progress import stages
    from sievert.cli.learning_tables import causes_table
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.training.recipes import read_recipe
    from sievert.training.update_card import update_card, with_update
    from sievert.training.update_recipe import UpdateRecipe

    console = Console(stderr=True)
    folder = bundle or default_bundle_path()
    chosen = read_recipe(UpdateRecipe, recipe, overrides or ())
    with stages(console) as advance:
        trained = train_update(history, load_bundle(folder), chosen, learn_from=labels, advance=advance)
    version = with_update(folder, out, trained.model, card=update_card(trained, chosen, labels=labels))
    Console().print(causes_table(trained.lines))
    console.print(f"{version} written to {out}; UPDATE_CARD.md tells the rest", highlight=False)


def views(
    overrides: Overrides = None,
    *,
    history: Annotated[Path, typer.Option(help="A folder of posts and events.")],
    out: Annotated[
        Path, typer.Option(help="Where runs, report and the bundle go; a folder, made if missing.")
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle to join, instead of the one that ships.")
    ] = None,
    recipe: RecipeFile = None,
) -> None:
    """Train the view forecaster, which tells how often a post will be seen, and write a bundle with it.

    Needs the extra `train`. A run that was stopped goes on. The same history, recipe and machine give the
    same model.
    """
    from rich.console import Console

    from sievert.cli.extras import needing

    with needing("train", what="Training the view forecaster"):
        from sievert.scoring.bundle_files import pretty
    from sievert.cli.learning_progress import stages
    from sievert.cli.learning_tables import views_table
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.training.recipes import read_recipe
    from sievert.training.view_learning import train_views
    from sievert.training.views_card import CARD, views_card, with_views
    from sievert.training.views_recipe import ViewsRecipe
    from sievert.training.views_report import report_on

    console = Console(stderr=True)
    folder = bundle or default_bundle_path()
    chosen = read_recipe(ViewsRecipe, recipe, overrides or ())
    with stages(console) as advance:
        trained = train_views(history, load_bundle(folder), chosen, out=out, advance=advance)
    report = report_on(trained)
    card = views_card(trained, report, chosen)
    (out / "report.json").write_bytes(pretty(report))
    (out / CARD).write_text(card)
    version = with_views(folder, out / "bundle", trained.model, card=card)
    Console().print(views_table(report.lines))
    console.print(f"{version} written to {out / 'bundle'}; {CARD} tells the rest", highlight=False)


def lane(
    history: Annotated[Path, typer.Option(help="A folder of posts, labels, views and images.")],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle to join, instead of the one that ships.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="The source of labels to measure by; truth: that of a simulated world.")
    ] = "expert",
    *,
    posts: Annotated[
        int, typer.Option(min=200, help="Posts with pictures to draw evenly, and as many harmful ones.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed draws other posts.")] = 20270301,
) -> None:
    """Measure the lane of posts with pictures, and write the bundle with its cuts and what they lose.

    Needs the extra `media`: the words in the pictures are read.
    """
    from rich.console import Console
    from rich.table import Table

    from sievert.cli.learning_progress import stages
    from sievert.errors import MissingExtra
    from sievert.features.content.thumbnail import WORDS_CUT
    from sievert.pipeline.opening import Openers
    from sievert.policy.loading import default_policies_path, load_policies
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.serving.wiring import can_read_words
    from sievert.training.lane import fit_lane, lines_of, with_lane

    if not can_read_words():
        raise MissingExtra(
            "Reading the words in pictures needs rapidocr.", remedy="pip install 'sievert[media]'"
        )
    console = Console(stderr=True)
    folder = bundle or default_bundle_path()
    with stages(console) as advance, Openers() as opener:
        found = fit_lane(
            history,
            load_bundle(folder),
            load_policies(default_policies_path()),
            opener=opener,
            words_cut=WORDS_CUT,
            posts=posts,
            learn_from=labels,
            seed=seed,
            advance=advance,
        )
    version = with_lane(folder, out, found)
    table = Table("share to heavy", "from logit", "lost, by views", "at most", title="posts with pictures")
    for line in lines_of(found):
        table.add_row(*line)
    Console().print(table)
    console.print(f"{version} written to {out}", highlight=False)


def _expected_seconds(data: Path, *, epochs: int, factor: float) -> float:
    size = sum(path.stat().st_size for path in data.glob("*.jsonl.gz"))
    return 20 + factor * _SECONDS_A_MEGABYTE * size / 1e6 * (0.3 + 0.7 * epochs / 16)


def _print_report(report: "TrainedReport") -> None:
    from rich.console import Console

    from sievert.cli.learning_tables import rankings_table

    console = Console()
    prevalence = report.held_out.prevalence
    console.print(rankings_table(f"held-out texts, {prevalence:.2%} harmful", report.held_out.lines))
    if report.leave_one_out:
        console.print(rankings_table("trained without the corpus, tested on it", report.leave_one_out))
