"""Somebody closed their account: they are forgotten, and that is told to whoever asks how far it is."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta

from sievert.pipeline.decode import check_id
from sievert.schema.clock import Micros
from sievert.schema.decision import RecordVersion
from sievert.schema.forgetting import Forgetting, PlaceCount
from sievert.schema.post import DEFAULT_PLATFORM, Id, PlatformName
from sievert.serving.callers import caller_of
from sievert.serving.routes.posts import AnyRequest, TheDoors, record_of
from sievert.stores.sql import SqlStores


class ForgetCreator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to be forgotten."""

    creator_id: Annotated[Id, Meta(description="the account, 1 to 128 bytes")]
    platform: Annotated[Id, Meta(description="its platform, 1 to 128 bytes")] = DEFAULT_PLATFORM


class ForgettingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far a forgetting has come; it names nobody."""

    forgetting_id: Annotated[str, Meta(description="names it")]
    platform: PlatformName
    state: Annotated[str, Meta(description="asked, erasing, erased or done")]
    asked_by: Annotated[str, Meta(description="who asked")]
    asked_at: Annotated[Micros, Meta(description="when")]
    finished_at: Annotated[Micros | None, Meta(description="when it was done; null: it goes on")]
    places: Annotated[tuple[PlaceCount, ...], Meta(description="what was found, place by place")]
    record_version: RecordVersion = 1


@post(
    "/api/v1/forgettings",
    status_code=202,
    opt={"scope": "creators:forget"},
    summary="Forget a creator",
    description="Erases an account and all its posts from everywhere, for good: decisions, texts, features, "
    "labels, logs. Done within a while; asked again meanwhile, it is the same forgetting. The platform must send "
    "nothing of the account any more: what comes later is a new account's.",
)
async def forget(request: AnyRequest, doors: TheDoors) -> ForgettingReport:
    """Write down that somebody is to be forgotten."""
    wanted = await record_of(request, ForgetCreator)
    check_id("creator_id", wanted.creator_id)
    check_id("platform", wanted.platform)
    by, now = caller_of(request).actor, doors.clock.now()
    forgettings = _stores(doors).forgettings
    asked = await asyncio.to_thread(forgettings.ask, wanted.platform, wanted.creator_id, by=by, now=now)
    return told(asked)


@get(
    "/api/v1/forgettings/{forgetting_id:str}",
    opt={"scope": "creators:forget"},
    summary="How far is a forgetting?",
    description="With what was erased and what is left, place by place; left is nothing once it is erased.",
)
async def forgetting(doors: TheDoors, forgetting_id: FromPath[str]) -> ForgettingReport:
    """Return one forgetting."""
    return told(await asyncio.to_thread(_stores(doors).forgettings.find, forgetting_id))


def told(one: Forgetting) -> ForgettingReport:
    """Return what may be told."""
    return ForgettingReport(**{name: getattr(one, name) for name in ForgettingReport.__struct_fields__})


def _stores(doors: TheDoors) -> SqlStores:
    if not isinstance(doors.stores, SqlStores):
        raise TypeError("A server has stores that last.")
    return doors.stores
