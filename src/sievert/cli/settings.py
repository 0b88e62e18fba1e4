"""`sievert settings`: every value, and where it came from."""

import typer

from sievert.cli.options import ConfigOption, DataOption, settings_from


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("settings")(show)


def show(data: DataOption = None, config: ConfigOption = None) -> None:
    """Print every setting, its value, where that came from, and what it is for. Secrets are masked."""
    from rich.console import Console
    from rich.table import Table

    from sievert.serving.settings import SECRET_SETTINGS, describe

    loaded = settings_from(config, data)
    table = Table("setting", "value", "from", "what it is for")
    for name, source in loaded.sources.items():
        value = str(getattr(loaded.settings, name))
        table.add_row(
            name, "••••••••" if value and name in SECRET_SETTINGS else value, source, describe(name)
        )
    Console().print(table)
