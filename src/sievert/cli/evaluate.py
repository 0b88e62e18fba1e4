"""`sievert evaluate`: labelled texts become a report with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sievert.evaluation.labelled_file import FileReport
    from sievert.scoring.bundle import Bundle


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(evaluate)


def evaluate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help='NDJSON of {"text", "harmful"}, gzip too; - is standard input; '
            "or a folder of corpora: their test folds.",
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's folder, instead of the default one.")
    ] = None,
    *,
    prevalence: Annotated[float, typer.Option(help="The share of harmful posts in traffic.")] = 0.01,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=20_000, help="Random reweighings; 0 gives no intervals.")
    ] = 500,
    by: Annotated[str | None, typer.Option(help="`source` adds a report for each source of a file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a bundle on labelled texts, at the prevalence that traffic has.

    A line may bring its own "probability"; then nothing is scored, and that is measured.
    """
    from rich.console import Console

    from sievert.errors import InvalidField
    from sievert.measurement.prevalence import refuse_balanced
    from sievert.scoring.bundle import default_bundle_path, load_bundle

    if by not in (None, "source"):
        raise InvalidField(f"There is no --by {by}.", remedy="Say --by source, or leave it out.", field="by")
    if by is not None and source.is_dir():
        raise InvalidField(
            "--by is for a file: a folder is measured corpus by corpus always.",
            remedy="Leave --by out.",
            field="by",
        )
    refuse_balanced("pr_auc", prevalence=prevalence)
    loaded = load_bundle(bundle or default_bundle_path())
    console = Console()
    if source.is_dir():
        _evaluate_folder(
            source,
            loaded,
            console,
            prevalence=prevalence,
            confidence=confidence,
            resamples=bootstrap,
            as_json=json,
        )
        return
    report = _evaluate_file(
        source,
        loaded,
        prevalence=prevalence,
        confidence=confidence,
        resamples=bootstrap,
        by_source=by == "source",
    )
    if json:
        _print_json(report)
    else:
        _print_file(report, console)


def _evaluate_file(
    path: Path, bundle: "Bundle", *, prevalence: float, confidence: float, resamples: int, by_source: bool
) -> "FileReport":
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.evaluation.labelled_file import evaluate_lines, name_of, read_labelled

    lines = read_labelled(path)
    done = 0
    with stages(Console(stderr=True)) as advance:

        def scored(count: int) -> None:
            nonlocal done
            done += count
            advance("score", done, len(lines))

        return evaluate_lines(
            name_of(path),
            lines,
            bundle,
            prevalence=prevalence,
            confidence=confidence,
            resamples=resamples,
            by_source=by_source,
            advance=scored,
        )


def _evaluate_folder(
    folder: Path,
    bundle: "Bundle",
    console: "Console",
    *,
    prevalence: float,
    confidence: float,
    resamples: int,
    as_json: bool,
) -> None:
    from sievert.cli.learning_tables import rankings_table
    from sievert.datasets.loading import load_folds
    from sievert.evaluation.held_out import measure_held_out
    from sievert.evaluation.scored_rows import score_texts

    # The bundle's own fold tables: folds are drawn as they were when it was trained.
    test = [
        row
        for row in load_folds(folder, bundle.fold).pick("test")
        if row.language in bundle.manifest.languages
    ]
    scores = score_texts([row.text for row in test], bundle)
    held_out = measure_held_out(
        test,
        scores,
        prevalence=prevalence,
        calibrated_to={head.name: head.prevalence for head in bundle.manifest.every_head},
        confidence=confidence,
        resamples=resamples,
    )
    if as_json:
        _print_json(held_out)
        return
    console.print(rankings_table(f"{bundle.version} on test folds, {prevalence:.2%} harmful", held_out.lines))


def _print_json(report: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


def _print_file(report: "FileReport", console: "Console") -> None:
    from sievert.cli.learning_tables import rankings_table, reliability_table, removal_table
    from sievert.evaluation.held_out import POOLED, HeldOutLine

    console.print(f"{report.file}: {report.lines:,} lines, scored by {report.scored_by}", highlight=False)
    console.print(
        rankings_table(
            f"reweighted to {report.prevalence:.2%} harmful",
            [
                HeldOutLine(head=one.head, corpus=one.source or POOLED, ranking=one.ranking)
                for one in report.reports
            ],
        )
    )
    for one in report.reports:
        if one.source is None:
            console.print(f"\n{one.head}: what removing the highest scores would catch", highlight=False)
            console.print(removal_table(one.ranking))
            console.print(
                f"{one.head}: stated beside observed; expected calibration error "
                f"{one.calibration.expected_error:.4f}",
                highlight=False,
            )
            console.print(reliability_table(one.calibration))
    if report.languages:
        said = ", ".join(f"{name} {count:,}" for name, count in report.languages.items())
        console.print(f"language: {said}", highlight=False)
    identity = report.identity_terms
    if identity is not None:
        console.print(
            f"identity terms: false alarms {identity.overall_false_alarms:.1%} over all, largest less smallest "
            f"{identity.gap:.1%}, where {identity.removal_share:.1%} of this file's posts would be removed",
            highlight=False,
        )
