"""What a server counts about itself, for Prometheus; never a post's text, id or creator."""

import resource
import sys
import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# Nobody asks when a series began, and it doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Start at zero."""
        self.began = time.monotonic()
        self.registry = CollectorRegistry()
        self.posts = Counter(
            "sievert_posts", "Posts decided, by outcome.", ["outcome"], registry=self.registry
        )
        self.decided_anew = Counter(
            "sievert_posts_decided_anew",
            "Posts decided again after something happened to them, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.triggers = Counter(
            "sievert_triggers",
            "What called for deciding a post again.",
            ["trigger"],
            registry=self.registry,
        )
        self.events = Counter(
            "sievert_events",
            "Events that came, by whether they counted, repeated another or could not be read.",
            ["result"],
            registry=self.registry,
        )
        self.stages = Counter(
            "sievert_stages",
            "Posts decided, by the model that had the last word: the share of heavy is the dial's effect.",
            ["stage"],
            registry=self.registry,
        )
        self.heavy_share = Gauge(
            "sievert_heavy_share",
            "The share of each lane (text, or with pictures) that the heavy model reads now: where the dial stands.",
            ["lane"],
            registry=self.registry,
        )
        self.skipped = Counter(
            "sievert_skipped_posts",
            "Posts that the heavy model had no time for: queued; then looked_at, expired, or dropped for worse ones.",
            ["what"],
            registry=self.registry,
        )
        self.skipped_waiting = Gauge(
            "sievert_skipped_waiting", "Skipped posts that wait for the heavy model.", registry=self.registry
        )
        self.calls = Counter(
            "sievert_calls_anew",
            "Calls for deciding posts again beyond the budget of a second: queued; then taken, or dropped for worse ones.",
            ["what"],
            registry=self.registry,
        )
        self.anew_waiting = Gauge(
            "sievert_anew_waiting",
            "Posts that wait to be decided again: for the budget, or because another bundle decides (bundle).",
            ["what"],
            registry=self.registry,
        )
        self.lanes = Counter(
            "sievert_lanes",
            "Posts decided, by lane (text, or with pictures) and the model that had the last word.",
            ["lane", "stage"],
            registry=self.registry,
        )
        self.pictures = Counter(
            "sievert_pictures",
            "Pictures that came, by whether they were known, opened, encoded, read for words, too full of them to be "
            "read, or could not be opened anew for an encoder.",
            ["what"],
            registry=self.registry,
        )
        self.openers_replaced = Counter(
            "sievert_openers_replaced",
            "Processes that died or hung over a picture and were replaced.",
            registry=self.registry,
        )
        self.bank_matches = Counter(
            "sievert_bank_matches", "Posts like an entry of a bank.", ["bank", "kind"], registry=self.registry
        )
        self.bank_floods = Counter(
            "sievert_bank_floods",
            "Entries that matched a flood of posts and were put in quarantine.",
            ["bank"],
            registry=self.registry,
        )
        self.encoder_cache = Counter(
            "sievert_encoder_cache",
            "Windows of texts that the heavy model was asked about: hit (read before) or miss (the model ran).",
            ["result"],
            registry=self.registry,
        )
        self.shared_latents = Counter(
            "sievert_shared_latents",
            "Look-ups of what other servers made of posts: hit, miss, stale, corrupt, or away (Redis did not answer).",
            ["result"],
            registry=self.registry,
        )
        self.breakers = Counter(
            "sievert_breakers",
            "Policies that suddenly removed or demoted far more than usual, and were stopped.",
            ["policy", "what"],
            registry=self.registry,
        )
        self.withdrawals = Counter(
            "sievert_certificates_withdrawn",
            "Certificates that the monitor withdrew by itself.",
            ["policy"],
            registry=self.registry,
        )
        self.rule_posts = Counter(
            "sievert_rule_posts",
            "Posts for which a policy's own rule or list had a consequence, or held one back.",
            ["policy", "rule"],
            registry=self.registry,
        )
        self.rule_floods = Counter(
            "sievert_rule_floods",
            "Rules that held for a flood of posts and fell silent.",
            ["policy", "rule"],
            registry=self.registry,
        )
        self.rule_failures = Counter(
            "sievert_rule_failures",
            "Posts for which a rule's expression failed, so that it did not hold.",
            ["policy", "rule"],
            registry=self.registry,
        )
        self.languages = Counter(
            "sievert_languages",
            "Posts decided, by language as the model sees it.",
            ["language"],
            registry=self.registry,
        )
        self.policies = Counter(
            "sievert_policy_outcomes",
            "What policies did about posts.",
            ["policy", "outcome"],
            registry=self.registry,
        )
        self.held_back = Counter(
            "sievert_held_back",
            "Posts that would have met a more severe outcome.",
            ["outcome", "would"],
            registry=self.registry,
        )
        self.stage_seconds = Counter(
            "sievert_stage_seconds",
            "Wall-clock seconds spent in each stage of the path.",
            ["stage"],
            registry=self.registry,
        )
        self.batch_posts = Histogram(
            "sievert_batch_posts",
            "Posts that walked the path together.",
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "sievert_request_seconds",
            "Seconds until a request was answered, by route and status.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_posts = Gauge(
            "sievert_queue_posts", "Posts that wait or walk right now.", registry=self.registry
        )
        self.problems = Counter(
            "sievert_problems", "Problems answered.", ["type", "status"], registry=self.registry
        )
        self.sign_ins = Counter(
            "sievert_sign_ins",
            "Attempts to sign in: let in, refused, or paused because too many failed.",
            ["result"],
            registry=self.registry,
        )
        self.fetches = Counter(
            "sievert_fetches",
            "Pictures fetched by their addresses: fetched, or why not.",
            ["result"],
            registry=self.registry,
        )
        self.webhooks = Counter(
            "sievert_webhooks",
            "Webhook attempts: delivered, failed or dead.",
            ["result"],
            registry=self.registry,
        )
        self.outbox = Gauge(
            "sievert_outbox_messages", "Webhook messages, by state.", ["state"], registry=self.registry
        )
        self.stream_clients = Gauge(
            "sievert_stream_clients", "Live streams that are open.", registry=self.registry
        )
        self.stream_missed = Counter(
            "sievert_stream_missed", "Live events that slow clients did not get.", registry=self.registry
        )
        self.memory = Gauge(
            "sievert_peak_memory_bytes", "Most memory that the process ever held.", registry=self.registry
        )

    def picture(self, what: str) -> None:
        """Count a picture."""
        self.pictures.labels(what).inc()

    def problem(self, kind: str, status: int, *, count: int = 1) -> None:
        """Count problems."""
        self.problems.labels(kind.rpartition(":")[2], str(status)).inc(count)

    def page(self) -> bytes:
        """Write everything the way Prometheus reads it."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.memory.set(peak * (1 if sys.platform == "darwin" else 1024))  # macOS counts bytes
        return generate_latest(self.registry)


def metric_names() -> tuple[str, ...]:
    """Return the name of every metric, as documents must list them."""
    return tuple(sorted(family.name for family in Metrics().registry.collect()))
