"""One ASGI application: routes, the guard before them, problems behind them, headers on everything."""

import contextlib
import functools
import time
from collections.abc import AsyncIterator

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Middleware, Receive, Scope, Send

from sievert.serving import openapi
from sievert.serving.console import refuse_scoring
from sievert.serving.dialects import DIALECTS
from sievert.serving.doors import Doors
from sievert.serving.headers import secure
from sievert.serving.pages import problem_page
from sievert.serving.problems import ProblemHandlers
from sievert.serving.queries import refuse_unknown
from sievert.serving.routes import (
    actions,
    banks,
    cases_page,
    comments,
    discourse,
    edges,
    events,
    forgettings,
    guardrail,
    hma,
    ledger_page,
    limits,
    live,
    media,
    moderations,
    overview_page,
    people,
    posts,
    posts_page,
    quotas,
    records,
    reviews,
    switch,
    switches_page,
    system,
    truth,
    undo,
    undo_page,
    webhooks,
    work_page,
)
from sievert.serving.telemetry import Metrics

ROUTES: tuple[HTTPRouteHandler, ...] = (
    posts.submit,
    posts.submit_batch,
    posts.trail,
    events.submit_events,
    edges.submit_edges,
    edges.similar_creators,
    forgettings.forget,
    forgettings.forgetting,
    media.upload,
    media.show,
    records.decisions,
    records.actions,
    actions.undo,
    actions.statement,
    limits.limits,
    limits.lift,
    limits.limit_statement,
    switch.switch,
    switch.turn_switch,
    undo.undo_hour,
    quotas.quotas,
    quotas.queue,
    records.cases,
    records.isolated,
    records.labels,
    records.audit,
    discourse.take_webhook,
    reviews.claim,
    reviews.release,
    reviews.verdict,
    reviews.take_back,
    reviews.mine,
    reviews.case,
    reviews.appeal,
    reviews.gold,
    reviews.drop_gold,
    reviews.reviewers,
    live.stream,
    webhooks.dead,
    webhooks.resend,
    banks.banks,
    banks.make_bank,
    banks.one_bank,
    banks.change_bank,
    banks.drop_bank,
    banks.entries,
    banks.add_entries,
    banks.drop_entry,
    banks.release_entry,
    guardrail.guardrail,
    guardrail.policy_ledger,
    guardrail.withdraw_certificate,
    overview_page.overview,
    hma.lookup,
    hma.raw_lookup,
    hma.index_status,
    hma.listed_banks,
    hma.listed_bank,
    moderations.moderations,
    comments.analyze,
    comments.suggest_score,
    people.sign_in_page,
    people.sign_in,
    people.sign_out,
    people.account,
    people.change_password,
    people.end_session,
    cases_page.cases_page,
    posts_page.posts_page,
    posts_page.undo,
    overview_page.overview_page,
    ledger_page.ledger_page,
    ledger_page.policy_page,
    ledger_page.withdraw_page,
    ledger_page.withdraw,
    switches_page.switches_page,
    switches_page.turn_page,
    switches_page.turn_switch,
    undo_page.undo_page,
    undo_page.undo,
    work_page.work_page,
    work_page.claim,
    work_page.case_page,
    work_page.verdict,
    work_page.release,
    work_page.undo,
    system.health,
    system.ready,
    system.metrics,
    system.live_page,
    system.schema_page,
    system.page_file,
    system.description,
)
"""The routes of every server; one that was given a board for the truth has a door for it, too."""


def make_app(doors: Doors) -> Litestar:
    """Build the application over these parts; its lifespan runs and closes them."""
    # Made when somebody first asks for it: a restart shall be quick.
    description = functools.cache(lambda: openapi.describe(ROUTES))

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with doors.running():
            yield

    return Litestar(
        route_handlers=ROUTES if doors.truth is None else (*ROUTES, truth.submit_truth),
        guards=[
            doors.gate.guard,
            refuse_unknown,
            *([] if doors.parts.bundle.has_models else [refuse_scoring]),
        ],
        dependencies={
            "doors": Provide(lambda: doors, sync_to_thread=False),
            "openapi": Provide(description, sync_to_thread=False),
        },
        exception_handlers=ProblemHandlers(doors.metrics, DIALECTS, problem_page).handlers(),
        middleware=[_timed(doors.metrics)],
        before_send=[secure],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )


def _timed(metrics: Metrics) -> Middleware:
    def around(app: ASGIApp) -> ASGIApp:
        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            began = time.perf_counter()

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    metrics.request_seconds.labels(
                        scope.get("path_template", "unknown"), str(message["status"])
                    ).observe(time.perf_counter() - began)
                await send(message)

            await app(scope, receive, noting)

        return timed

    return around
