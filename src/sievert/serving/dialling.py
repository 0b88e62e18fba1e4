"""What settings say of when posts are read and decided: the compute dial, with its metrics, and the triggers."""

from pathlib import Path

from sievert.pipeline.dial import ComputeDial
from sievert.pipeline.triggers import Triggers, default_triggers, load_triggers
from sievert.scoring.utterances import Shares
from sievert.serving.settings import Settings
from sievert.serving.telemetry import Metrics


class DialMetrics:
    """Tells metrics where the dial stands, and what becomes of posts that it skipped."""

    def __init__(self, metrics: Metrics) -> None:
        """Tell these."""
        self._metrics = metrics

    def dialled(self, shares: Shares) -> None:
        """Set both lanes' shares."""
        self._metrics.heavy_share.labels("text").set(shares.text)
        self._metrics.heavy_share.labels("pictures").set(shares.pictures)

    def skipped(self, what: str, posts: int, *, waiting: int) -> None:
        """Count posts, and set how many wait."""
        self._metrics.skipped.labels(what).inc(posts)
        self._metrics.skipped_waiting.set(waiting)


def make_dial(settings: Settings, metrics: Metrics) -> ComputeDial:
    """Make the dial that these settings ask for."""
    wanted = Shares(text=settings.heavy_share, pictures=settings.image_heavy_share)
    return ComputeDial(wanted, cores=settings.path_cores, watch=DialMetrics(metrics))


def triggers_of(settings: Settings) -> Triggers:
    """Load the triggers that these settings choose.

    Raises:
        ConfigurationError: their file is wrong.
    """
    return load_triggers(Path(settings.triggers)) if settings.triggers else default_triggers()
