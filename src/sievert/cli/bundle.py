"""`sievert bundle`: what scores, whether it is whole, and an added head set right by what people found."""

from pathlib import Path
from typing import Annotated, Any

import typer

_MODELS = {
    "light": "light.safetensors",
    "heavy": "heavy.onnx",
    "update": "update.json",
    "fusion": "fusion.onnx",
    "picture": "picture.onnx",
    "views": "views.json",
}
"""Models by the file that a bundle has of each."""

_Folder = Annotated[Path | None, typer.Argument(help="A bundle's folder; the default bundle if left out.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    bundle = typer.Typer(help="Look at a bundle: the artefact that scores posts.", no_args_is_help=True)
    bundle.command()(show)
    bundle.command()(verify)
    bundle.command()(recalibrate)
    app.add_typer(bundle, name="bundle")


def show(
    folder: _Folder = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a bundle: version, heads, prevalences that probabilities are calibrated to, files."""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    described = describe(folder)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(described), indent=2).decode())
        return
    console = Console()
    console.print(
        f"[bold]{described['version']}[/bold]  {described['model']}, made {described['created_at']}"
    )
    console.print(f"languages: {', '.join(described['languages'])}", highlight=False)
    table = Table("head", "calibrated to prevalence", "harmful labels", "harmless labels")
    added = {head.name for head in described["added"]}
    for head in (*described["heads"], *described["added"]):
        name = f"{head.name} (added)" if head.name in added else head.name
        table.add_row(name, f"{head.prevalence:.2%}", f"{head.positives:,}", f"{head.negatives:,}")
    console.print(table)
    console.print(f"no labels, hence no head: {', '.join(described['without_head'])}", highlight=False)
    console.print(f"models: {', '.join(described['models'])}", highlight=False)
    console.print(
        f"{described['bytes'] / 1e6:.1f} MB in {len(described['files'])} files; the cards are in {described['folder']}"
    )


def verify(folder: _Folder = None) -> None:
    """Check every file of a bundle against the hash in its manifest."""
    from sievert.scoring.bundle import default_bundle_path
    from sievert.scoring.bundle_files import verify as verify_files

    version, manifest = verify_files(folder or default_bundle_path())
    typer.echo(f"{version}: {len(manifest.files)} files, every hash as stated")


def recalibrate(
    name: Annotated[str, typer.Argument(help="The added head, by its policy's name.")],
    *,
    judged: Annotated[
        Path,
        typer.Option(
            help='What people found of posts near and above the floor, as `sievert train policy` reads it: {"text", "label"}.'
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; a folder, made if missing.")],
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that has the head, instead of the one that ships.")
    ] = None,
) -> None:
    """Move the probabilities of an added head to what people found, and write the bundle with it.

    The posts must not be those that it learned from. A certificate for the old bundle does not hold for this.
    """
    from sievert.scoring.bundle import default_bundle_path, load_bundle
    from sievert.training.few_shot_examples import read_examples
    from sievert.training.recalibrating_head import recalibrate as moving

    folder = bundle or default_bundle_path()
    loaded = load_bundle(folder)
    read = read_examples(judged, loaded.fold)
    version, moved = moving(folder, out, loaded, name, read)
    typer.echo(
        f"{moved.posts:,} posts near and above the floor: {moved.stated:.1%} were stated to break the policy, "
        f"{moved.found:.1%} did.\n{version} written to {out}"
    )


def describe(folder: Path | None) -> dict[str, Any]:
    """Return what `bundle show --json` prints."""
    from sievert.scoring.bundle import default_bundle_path
    from sievert.scoring.bundle_files import read_manifest

    folder = folder or default_bundle_path()
    version, manifest = read_manifest(folder)
    return {
        "version": version,
        "name": manifest.name,
        "model": manifest.model,
        "created_at": manifest.created_at,
        "folder": str(folder),
        "prevalence": {
            "overall": manifest.prevalence,
            "policies": {head.name: head.prevalence for head in manifest.every_head[1:]},
        },
        "heads": manifest.heads,
        "added": manifest.added,
        "languages": manifest.languages,
        "without_head": manifest.without_head,
        "feature_spec": manifest.feature_spec,
        "models": [name for name, file in _MODELS.items() if file in manifest.files],
        "bytes": sum(file.size for file in manifest.files.values()),
        "files": manifest.files,
    }
