"""A second bundle beside a running server, which decides where an experiment lets it: loaded, and stopped by its rules."""

import asyncio
import functools
from pathlib import Path

from sievert.enforcement.messages import messages_for
from sievert.errors import StoreUnavailable
from sievert.guardrail.acting import ActingPost, is_acting, step, watched_posts
from sievert.guardrail.telling import silent
from sievert.pipeline.arms import Candidate
from sievert.schema.clock import HOUR, Clock, Micros
from sievert.schema.experiment import Experiment
from sievert.schema.policy import PolicySet
from sievert.scoring.bundle import Bundle, at_prevalence
from sievert.scoring.cascade import load_warm
from sievert.scoring.picture_encoder import PictureEncoder
from sievert.serving.places import segments_of
from sievert.serving.problems import log_unexpected
from sievert.serving.settings import Settings
from sievert.stores.journal.seen import SeenPosts
from sievert.stores.memory import MemoryStores
from sievert.stores.sql import SqlStores

STEP_SECONDS = 30
"""How soon what was judged of a candidate that acts is heard."""


def open_candidate(
    settings: Settings, stores: SqlStores, *, control: Bundle, prevalence: float | None
) -> Candidate | None:
    """Load the second bundle that the settings name, if they name one.

    Raises:
        BundleError: it does not load.
        ConfigurationError: it is the one that decides, or speaks of other policies.
    """
    if not settings.candidate:
        return None
    bundle = load_warm(Path(settings.candidate))
    if prevalence is not None:
        bundle = at_prevalence(bundle, prevalence)
    return Candidate(bundle, stores.guardrail, control=control)


def encoders_of(bundle: Bundle, candidate: Candidate | None) -> tuple[PictureEncoder, ...]:
    """Return what makes vectors of pictures, each once: a candidate with an encoder of its own must see as well."""
    both = [bundle] if candidate is None else [bundle, candidate.bundle]
    return tuple({encoder.model: encoder for one in both for encoder in one.encoders}.values())


class ActingSteps:
    """Draws from days that have closed, and stops a candidate that acts; for the process that leads."""

    def __init__(
        self, settings: Settings, stores: SqlStores | MemoryStores, *, policies: PolicySet, clock: Clock
    ) -> None:
        """Read and write these stores."""
        self._store = stores.guardrail
        self._policies = policies
        self._clock = clock
        self._announce = messages_for if settings.webhook_url else silent
        self._seen = (
            SeenPosts(stores.database, segments_of(settings)) if isinstance(stores, SqlStores) else None
        )
        self._done: tuple[int, Micros] | None = None
        self._read: tuple[str, Micros, list[ActingPost]] | None = None

    async def keep(self) -> None:
        """Do a step whenever anything was judged, and each hour."""
        while True:
            try:
                await asyncio.to_thread(self.step)
            except StoreUnavailable:
                pass  # somebody else was faster, or the disk does not answer: the next step finds what is left
            except Exception as error:  # noqa: BLE001  what was not heard is heard the next time
                log_unexpected(error)
            await asyncio.sleep(STEP_SECONDS)

    def step(self) -> list[Experiment]:
        """Do what is due; return the experiments that ended.

        Raises:
            StoreUnavailable: somebody else changed the records meanwhile; the next step finds what is left.
        """
        now = self._clock.now()
        due = self._store.version, now // HOUR
        if due == self._done or self._seen is None or not any(map(is_acting, self._store.experiments())):
            return []
        ended = step(
            self._store,
            functools.partial(self._watched, self._seen, now),
            self._policies,
            now=now,
            announce=self._announce,
        )
        self._done = self._store.version, now // HOUR
        return ended

    def _watched(self, seen: SeenPosts, now: Micros, experiment: Experiment) -> list[ActingPost]:
        """Read what became of watched posts, once an hour: within it nothing of that changes."""
        key = experiment.experiment_id, now // HOUR
        if self._read is None or self._read[:2] != key:
            self._read = *key, watched_posts(seen, experiment, now=now)
        return self._read[2]
