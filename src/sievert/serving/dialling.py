"""What settings say of when posts are read and decided: the compute dial, triggers, their budget, with metrics."""

from pathlib import Path

from sievert.pipeline.anew import Anew
from sievert.pipeline.dial import ComputeDial
from sievert.pipeline.triggers import Triggers, default_triggers, load_triggers
from sievert.schema.clock import Clock
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


class AnewMetrics:
    """Tells metrics what becomes of calls for deciding posts anew."""

    def __init__(self, metrics: Metrics) -> None:
        """Tell these."""
        self._metrics = metrics

    def called(self, what: str, calls: int, *, waiting: int) -> None:
        """Count calls, and set how many wait."""
        self._metrics.calls.labels(what).inc(calls)
        self._metrics.anew_waiting.labels("budget").set(waiting)


def make_anew(settings: Settings, metrics: Metrics, *, clock: Clock) -> Anew:
    """Make the budget of decisions anew that these settings ask for."""
    return Anew(a_second=settings.anew_per_second, watch=AnewMetrics(metrics), clock=clock)


def triggers_of(settings: Settings) -> Triggers:
    """Load the triggers that these settings choose.

    Raises:
        ConfigurationError: their file is wrong.
    """
    return load_triggers(Path(settings.triggers)) if settings.triggers else default_triggers()
