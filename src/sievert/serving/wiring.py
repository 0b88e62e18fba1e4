"""The only place that chooses real parts: which bundle, which policies, and with `places.py` which stores."""

import contextlib
import dataclasses
import functools
import importlib.util
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sievert.enforcement.messages import messages_for
from sievert.features.content.thumbnail import WORDS_CUT
from sievert.guardrail.telling import silent
from sievert.pipeline.activity import ActivityCounters, reader_of
from sievert.pipeline.banks import Banks
from sievert.pipeline.budgets import Budgets
from sievert.pipeline.checking import StoredChecks
from sievert.pipeline.desk import Desk
from sievert.pipeline.guarding import Guard
from sievert.pipeline.hunting import Hunter
from sievert.pipeline.limiting import Limiting
from sievert.pipeline.opening import Openers
from sievert.pipeline.path import Parts
from sievert.pipeline.pictures import Pictures
from sievert.pipeline.revisiting import AccountRevisit
from sievert.pipeline.ruling import Ruling
from sievert.pipeline.watching import Watching
from sievert.policy.loading import default_policies_path, load_policies
from sievert.policy.rulebook import RuleBook
from sievert.review.exposure import ExposureLimits
from sievert.review.order import Shares
from sievert.schema.access import ApiKey, AuditNote
from sievert.schema.bank import Bank, BankEntry
from sievert.schema.batch import Effects
from sievert.schema.clock import HOUR, Clock
from sievert.schema.label import Label
from sievert.schema.stop import Stop
from sievert.scoring.banks.keeping import flood_note
from sievert.scoring.banks.matching import BankMatcher, OnFlood
from sievert.scoring.bundle import Bundle, at_prevalence, default_bundle_path
from sievert.scoring.cascade import load_warm
from sievert.serving.access import Gate, make_key
from sievert.serving.acting import ActingSteps, encoders_of, open_candidate
from sievert.serving.attaching import Attacher, Fetch
from sievert.serving.bodies import BodyRoom
from sievert.serving.carried import EVENTS, POSTS
from sievert.serving.creators import open_creators
from sievert.serving.dialling import make_anew, make_dial, triggers_of
from sievert.serving.discourse import DiscourseApi
from sievert.serving.doors import Doors, News, take_events, take_the_path
from sievert.serving.fetching import Fetcher
from sievert.serving.live import LiveFeed
from sievert.serving.micro_batch import MicroBatcher
from sievert.serving.places import (
    BUDGETS_HOLD,
    open_database,
    open_encoder_cache,
    open_latents,
    open_media,
    open_stores,
    segments_of,
)
from sievert.serving.queue import Queue, QueuedWalk
from sievert.serving.rule_alarms import RuleAlarms
from sievert.serving.sessions import Place, Sessions
from sievert.serving.settings import Settings
from sievert.serving.signing_in import SignIn
from sievert.serving.spool import SpoolRoom
from sievert.serving.telemetry import Metrics
from sievert.serving.tokens import RandomBytes
from sievert.serving.tracing import spans_of
from sievert.serving.truth import TruthBoard
from sievert.serving.watching import PathObserver
from sievert.serving.webhooks import Receiver, WebhookDelivery
from sievert.serving.worker import Worker
from sievert.stores.audit import AuditLog
from sievert.stores.banks.base import BankStore
from sievert.stores.banks.embedded import EmbeddedBanks
from sievert.stores.consequences import SqlConsequences
from sievert.stores.delayed import DelayedRemovals
from sievert.stores.grounds import Grounds
from sievert.stores.guardrail.base import GuardrailStore
from sievert.stores.journal.kept import KeptDecisions
from sievert.stores.keys import KeyStore, SqlKeyStore
from sievert.stores.limits import AccountLimits
from sievert.stores.outbox import Outbox
from sievert.stores.people import PeopleStore, SqlPeople
from sievert.stores.records import Records
from sievert.stores.reviews.base import ReviewStore
from sievert.stores.sql import SqlStores
from sievert.stores.standing import StandingActions
from sievert.stores.stops import Stops

_log = logging.getLogger("sievert.enforcement")


def open_doors(
    settings: Settings,
    *,
    clock: Clock,
    truth: TruthBoard | None = None,
    prevalence: float | None = None,
    wall: Clock | None = None,
    load: Callable[[Path], Bundle] = load_warm,
) -> Doors:
    """Put a server together, ready to run; with a board it has a door for the truth.

    `prevalence` is the share of harmful posts, where it is not the one that the bundle is calibrated to;
    `wall` the time of the people who sign in, where `clock` tells that of a simulated world; `load` reads
    the bundle.

    Raises:
        BundleError: the bundle does not load.
        ConfigurationError: the policies are wrong.
        MissingExtra: a bank holds PDQ hashes, and what searches them is not installed.
        StoreError: the data folder or the database does not open.
    """
    bundle = load(bundle_path(settings))
    if prevalence is not None:
        bundle = at_prevalence(bundle, prevalence)
    policies = load_policies(policies_path(settings))
    stores = open_stores(settings, clock=clock)
    shared = bool(settings.database_url)
    metrics = Metrics()
    if bundle.heavy is not None:
        bundle.heavy.model.cache = open_encoder_cache(settings, metrics)
    news = News()
    on_flood = _on_flood(stores.audit, metrics)
    banks = Banks(BankMatcher(stores.banks, fold=bundle.fold, clock=clock, on_flood=on_flood))
    media = open_media(settings, clock=clock)
    candidate = open_candidate(settings, stores, control=bundle, prevalence=prevalence)
    pictures = Pictures(
        opener=_opener(settings, metrics),
        log=stores.pictures,
        clock=clock,
        files=media,
        isolates=banks.isolates,
        words_cut=WORDS_CUT if can_read_words() else None,
        encoders=encoders_of(bundle, candidate),
        watch=metrics,
    )
    spans = spans_of(settings)
    observer = PathObserver(metrics, clock, publish=news, spans=spans)
    guard = Guard(
        stores.guardrail,
        policies,
        announce=messages_for if settings.webhook_url else silent,
        settlements=stores.reviews.settlements,
    )
    counters = ActivityCounters(stores.activity, said=reader_of(bundle), alone=not shared)
    parts = Parts(
        bundle=bundle,
        policies=policies,
        journal=stores.journal,
        counters=counters,
        ruling=Ruling(RuleBook(policies, bundle.fold), clock=clock, watch=RuleAlarms(stores.audit, metrics)),
        clock=clock,
        budgets=Budgets.of(
            policies, cases=stores.cases, actions=stores.actions, holds=BUDGETS_HOLD if shared else None
        ),
        checking=StoredChecks(
            policies,
            standing=stores.standing,
            stops=stores.stops,
            key=stores.database.secret("draws"),
            on_trip=_on_trip(metrics),
            would_have=guard.would_have_removed,
        ),
        limiting=Limiting(stores=stores, policies=policies, announce=has_receiver(settings)),
        watching=Watching(
            stores=stores, policies=policies, counters=counters, key=stores.database.secret("ties")
        ),
        observer=observer,
        max_text_bytes=settings.max_text_bytes,
        announce=has_receiver(settings),
        dial=make_dial(settings, metrics),
        triggers=triggers_of(settings),
        anew=make_anew(settings, metrics, clock=clock),
        pictures=pictures,
        banks=banks,
        reviews=stores.reviews,
        case_key=stores.database.secret("cases"),
        latents=open_latents(settings, clock=clock, metrics=metrics, prefix=str(stores.database.seed())),
        guard=guard,
        candidate=candidate,
        creators=open_creators(settings, stores, counters=counters, clock=clock),
    )
    if bundle.has_models:
        stores.guardrail.note_running(parts.running)
    stores.guardrail.note_policies(policies)
    sessions = Sessions(
        stores.people,
        clock=wall or clock,
        place=Place(settings.public_url),
        idle=settings.session_idle_minutes * HOUR // 60,
        longest=settings.session_hours * HOUR,
    )
    walk = functools.partial(take_the_path, parts=parts, observer=observer)
    worker = Worker(capacity=settings.queue_posts, gauge=metrics.queue_posts)
    return Doors(
        settings=settings,
        clock=clock,
        stores=stores,
        walk=walk,
        count=functools.partial(take_events, parts=parts, observer=observer),
        parts=parts,
        desk=Desk(
            parts=parts,
            reviews=stores.reviews,
            standing=stores.standing,
            key=str(stores.database.seed()).encode(),
            limits=ExposureLimits(an_hour=settings.heavy_cases_per_hour, a_day=settings.heavy_cases_per_day),
            shares=Shares(gold=settings.known_answers_share),
            claim_time=settings.claim_minutes * HOUR // 60,
            delayed=stores.delayed,
        ),
        attacher=Attacher(
            pictures, make_fetcher(settings, metrics=metrics), fetch=Fetch(settings.fetch_pictures)
        ),
        media=media,
        pictures=pictures,
        banks=banks,
        accounts=AccountRevisit(stores.limits, stores.pasts),
        hunter=Hunter(stores.banks, stores.pictures, flooded=_on_flood(stores.audit, metrics)),
        bodies=BodyRoom(),
        metrics=metrics,
        spans=spans,
        gate=Gate(stores.keys, clock=clock, sessions=sessions),
        sign_in=SignIn(stores.people, stores.audit, sessions=sessions, clock=wall or clock, metrics=metrics),
        worker=worker,
        batcher=MicroBatcher(worker, walk, capacity=settings.queue_posts),
        feed=LiveFeed(
            bundle=bundle.version,
            policy_set=policies.digest,
            clock=clock,
            metrics=metrics,
            most_watchers=settings.stream_clients,
            truth=truth,
        ),
        news=news,
        room=SpoolRoom(settings.spool_megabytes << 20),
        delivery=_delivery(settings, stores, clock=clock, metrics=metrics),
        truth=truth,
        acting=ActingSteps(settings, stores, policies=policies, clock=clock),
    )


def with_queue(doors: Doors, queue: Queue) -> Doors:
    """Let workers decide what comes in at these doors."""
    walk = QueuedWalk(queue, POSTS, doors.walk)
    return dataclasses.replace(
        doors,
        queue=queue,
        decides=False,
        walk=walk,
        count=QueuedWalk(queue, EVENTS, doors.count),
        batcher=MicroBatcher(doors.worker, walk, capacity=doors.settings.queue_posts),
    )


def _opener(settings: Settings, metrics: Metrics) -> Openers:
    """Make what opens pictures; its first process starts with the first picture."""
    return Openers(
        processes=settings.picture_processes,
        seconds=settings.picture_seconds,
        on_death=lambda _: metrics.openers_replaced.inc(),
    )


def make_fetcher(settings: Settings, *, metrics: Metrics) -> Fetcher:
    """Make what fetches pictures by their addresses, counted; it belongs to one event loop."""
    return Fetcher(
        allowed=settings.fetch_private_hosts,
        seconds=settings.fetch_seconds,
        count=lambda result: metrics.fetches.labels(result).inc(),
    )


def can_read_words() -> bool:
    """Tell whether what reads the words in pictures is installed."""
    return importlib.util.find_spec("rapidocr") is not None


def _on_flood(audit: AuditLog, metrics: Metrics) -> OnFlood:
    """Return what is done when an entry is put in quarantine: the audit log and a metric tell of it."""

    def flooded(bank: Bank, entry: BankEntry, posts: int) -> None:
        metrics.bank_floods.labels(bank.name).inc()
        audit.append([flood_note(bank, entry, posts)])

    return flooded


def _on_trip(metrics: Metrics) -> Callable[[Stop], None]:
    """Return what is done when a policy is stopped by its breaker; the audit log was told with it."""

    def tripped(stop: Stop) -> None:
        metrics.breakers.labels(stop.policy, stop.kind).inc()
        _log.error("%s of the policy %s were stopped: %s", stop.kind, stop.policy, stop.reason)

    return tripped


def has_receiver(settings: Settings) -> bool:
    """Tell whether anybody is to hear of actions and cases."""
    return bool(settings.webhook_url or settings.discourse_url)


def _delivery(
    settings: Settings, stores: SqlStores, *, clock: Clock, metrics: Metrics
) -> WebhookDelivery | None:
    if not has_receiver(settings):
        return None
    api = (
        DiscourseApi(
            url=settings.discourse_url,
            key=settings.discourse_api_key,
            user=settings.discourse_api_user,
            standing=stores.standing,
            limits=stores.limits,
        )
        if settings.discourse_url
        else None
    )
    receiver = Receiver(
        url=settings.webhook_url,
        secret=settings.webhook_secret,
        attempts=settings.webhook_attempts,
        private_hosts=settings.webhook_private_hosts,
        api=api,
    )
    return WebhookDelivery(stores.outbox, receiver, clock=clock, metrics=metrics)


def bundle_path(settings: Settings) -> Path:
    """Return the folder of the bundle that these settings choose."""
    return Path(settings.bundle) if settings.bundle else default_bundle_path()


def policies_path(settings: Settings) -> Path:
    """Return the folder of the policies that these settings choose."""
    return Path(settings.policies) if settings.policies else default_policies_path()


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What the command line may touch while a server runs: all but posts and the path that they take."""

    keys: KeyStore
    people: PeopleStore
    audit: AuditLog
    outbox: Outbox
    banks: BankStore
    standing: StandingActions
    stops: Stops
    grounds: Grounds
    limits: AccountLimits
    delayed: DelayedRemovals
    perform: Callable[[Effects], None]
    labels: Records[Label]
    reviews: ReviewStore
    guardrail: GuardrailStore
    decisions: KeptDecisions

    def all_labels(self) -> list[Label]:
        """Return all labels, oldest first."""
        found: list[Label] = []
        cursor = None
        while True:
            page = self.labels.list(cursor=cursor, limit=1000)
            found += page.items
            if (cursor := page.cursor) is None:
                return found[::-1]


@contextlib.contextmanager
def open_ledgers(settings: Settings, *, clock: Clock) -> Iterator[Ledgers]:
    """Open the database beside a running server.

    Raises:
        NotFound: there is no database; only the server makes one.
        StoreUnavailable: the database cannot be opened.
    """
    database = open_database(settings)
    try:
        consequences = SqlConsequences(database, clock=clock, alone=not settings.database_url)
        yield Ledgers(
            keys=SqlKeyStore(database),
            people=SqlPeople(database),
            audit=consequences.audit,
            outbox=consequences.outbox,
            banks=EmbeddedBanks(database),
            standing=consequences.standing,
            stops=consequences.stops,
            grounds=consequences.grounds,
            limits=consequences.limits,
            delayed=consequences.delayed,
            perform=consequences.perform,
            labels=consequences.labels,
            reviews=consequences.reviews,
            guardrail=consequences.guardrail,
            decisions=KeptDecisions(database, segments_of(settings)),
        )
    finally:
        database.close()


def add_key(
    keys: KeyStore,
    audit: AuditLog,
    *,
    name: str,
    scopes: tuple[str, ...],
    actor: str,
    clock: Clock,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> tuple[str, ApiKey]:
    """Make a key, keep it, and note that in the audit log; the text is told this once.

    Raises:
        InvalidField: see `access.make_key`.
    """
    text, key = make_key(name=name, scopes=scopes, clock=clock, random_bytes=random_bytes)
    note = AuditNote(
        actor=actor,
        event="key.added",
        subject=key.key_id,
        details={"name": key.name, "scopes": ",".join(key.scopes)},
    )
    # Noted first: no key may work that the log does not know.
    audit.append([note])
    keys.add(key)
    return text, key


def first_key(doors: Doors) -> str | None:
    """Make the admin key of a store that has no key at all; return it, to be shown once."""
    if doors.stores.keys.list():
        return None
    text, _ = add_key(
        doors.stores.keys,
        doors.stores.audit,
        name="first key",
        scopes=("admin",),
        actor="sievert",
        clock=doors.clock,
    )
    return text
