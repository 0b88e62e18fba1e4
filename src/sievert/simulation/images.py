"""Images of a world, drawn when they are asked for."""

from collections.abc import Iterable

from sievert.simulation.scenes import Scenes


def render(scenes: Scenes, rows: Iterable[int]) -> list[bytes]:
    """Draw these scenes."""
    return [bytes([int(scenes.shade[row])]) for row in rows]
