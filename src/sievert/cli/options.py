"""Options that several commands share, and the settings that follow from them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sievert.errors import ConfigurationError
from sievert.serving.settings import LoadedSettings, Settings, load_settings

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A TOML file, instead of sievert.toml.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder, instead of the one in the settings.")
]
HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.")]


def settings_from(config: Path | None, data: Path | None = None, **flags: object) -> LoadedSettings:
    """Load settings from everywhere; flags that are None were not given.

    Raises:
        ConfigurationError: lists everything that is wrong.
    """
    if data is not None:
        flags["data_folder"] = str(data)
    return load_settings(config=config, environ=os.environ, flags=flags)


def require_services(settings: Settings, *names: str) -> None:
    """Refuse to start a part of a server whose other parts could not be reached without these settings.

    Raises:
        ConfigurationError: names the settings that are missing.
    """
    missing = [name for name in names if not getattr(settings, name)]
    if missing:
        problems = [
            f"{name} is not set; a server in parts needs it (`sievert up` does not)." for name in missing
        ]
        raise ConfigurationError("Settings", problems)
