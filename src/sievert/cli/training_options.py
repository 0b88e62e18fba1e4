"""Options that the commands of `sievert train` share."""

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Entries of the recipe to change, such as seed=7; dots lead into nested parts.",
        show_default=False,
    ),
]
MaterialFolder = Annotated[Path, typer.Option(help="A folder made by `sievert data material`.")]
RunOut = Annotated[Path, typer.Option(help="The run folder, made if missing; a run in it goes on.")]
RecipeFile = Annotated[Path | None, typer.Option(help="A recipe file, instead of the one that ships.")]
BundleFolder = Annotated[
    Path | None, typer.Option(help="The bundle to join, instead of the one that ships; it is not changed.")
]
