"""`sievert evaluate`: labelled texts become a report with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sievert.evaluation.labelled_file import FileReport, HeadGaps
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
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Look at each source, language, surface, creator_group, account_age or views by itself; may be said "
            "again. Errors are compared between groups."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another bundle's folder: the difference on the same texts is told.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the report here: FILE.html works offline, FILE.json is for programs."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a bundle on labelled texts, at the prevalence that traffic has.

    A line may bring its own "probability"; then nothing is scored, and that is measured.
    """
    from rich.console import Console

    from sievert.errors import InvalidField
    from sievert.measurement.prevalence import refuse_balanced
    from sievert.scoring.bundle import default_bundle_path, load_bundle

    if source.is_dir() and (by or against or out):
        raise InvalidField(
            "--by, --against and --out are for a file: a folder is measured corpus by corpus always.",
            remedy="Leave them out.",
            field="by",
        )
    if out is not None and out.suffix not in (".html", ".json"):
        raise InvalidField(
            f"{out} is neither a page nor JSON.",
            remedy="Name a file that ends in .html or .json.",
            field="out",
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
        by=tuple(by or ()),
        against=against,
    )
    if out is not None:
        _write(report, out)
    if json:
        _print_json(report)
    else:
        _print_file(report, console)


def _evaluate_file(
    path: Path,
    bundle: "Bundle",
    *,
    prevalence: float,
    confidence: float,
    resamples: int,
    by: tuple[str, ...],
    against: Path | None,
) -> "FileReport":
    from rich.console import Console

    from sievert.cli.learning_progress import stages
    from sievert.evaluation.labelled_file import evaluate_lines, name_of, read_labelled
    from sievert.scoring.bundle import load_bundle

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
            by=by,
            against=load_bundle(against) if against else None,
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


def _write(report: "FileReport", out: Path) -> None:
    import msgspec

    from sievert.evaluation.file_page import file_page

    text = (
        file_page(report)
        if out.suffix == ".html"
        else msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    )
    out.write_text(text, encoding="utf-8")


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
                HeldOutLine(
                    head=one.head,
                    corpus=POOLED if one.by is None else f"{one.by}: {one.group}",
                    ranking=one.ranking,
                )
                for one in report.reports
            ],
        )
    )
    by_views = [
        HeldOutLine(head=one.head, corpus=POOLED, ranking=one.by_views)
        for one in report.reports
        if one.by is None and one.by_views is not None
    ]
    if by_views:
        console.print(rankings_table("each post as often as it was seen", by_views))
    for one in report.reports:
        if one.by is None:
            console.print(f"\n{one.head}: what removing the highest scores would catch", highlight=False)
            console.print(removal_table(one.ranking))
            console.print(
                f"{one.head}: stated beside observed; expected calibration error "
                f"{one.calibration.expected_error:.4f}",
                highlight=False,
            )
            console.print(reliability_table(one.calibration))
    for found in report.gaps:
        console.print(_gaps_in_words(found), highlight=False)
    for other in report.against:
        console.print(
            f"{other.head}: PR-AUC {other.here:.3f}, of {other.bundle} {other.there:.3f}; difference "
            f"{other.difference.value:+.3f} ({other.difference.low:+.3f} to {other.difference.high:+.3f})",
            highlight=False,
        )
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


def _gaps_in_words(found: "HeadGaps") -> str:
    where = f"{found.head}, where {found.removal_share:.1%} of posts would be removed"
    sure = [one for one in found.gaps if one.found]
    if not sure:
        return f"{where}: no gap between groups is found among {len(found.gaps)}; --out says how large each may be"
    told = [
        f"  {one.group}: {one.rate.value} {one.gap:+.1%} ({one.low:+.1%} to {one.high:+.1%}) beside all others"
        for one in sure
    ]
    return "\n".join([f"{where}, groups differ:", *told])
