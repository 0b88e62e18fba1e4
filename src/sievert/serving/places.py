"""Where a server's records and pictures are kept, as its settings say: a folder, or services of many machines."""

from pathlib import Path
from urllib.parse import urlsplit

from sievert.errors import NotFound
from sievert.pipeline.latents import LatentCache
from sievert.pipeline.shared_latents import SharedLatents
from sievert.schema.clock import DAY, SECOND, Clock, Micros
from sievert.scoring.encoder_cache import EncoderCache
from sievert.serving.settings import Settings
from sievert.serving.telemetry import Metrics
from sievert.stores.database import Database
from sievert.stores.embedded import EmbeddedStores, database_file, make_folder, segments_folder
from sievert.stores.media.base import MediaStore
from sievert.stores.media.folder import FolderMedia
from sievert.stores.media.memory import NoMedia
from sievert.stores.media.s3 import S3Media
from sievert.stores.shared import SharedStores
from sievert.stores.shelf.redis import RedisShelf

BUDGETS_HOLD: Micros = SECOND
"""For how long what policies spent is taken from memory, where other processes spend too."""


def open_stores(settings: Settings, *, clock: Clock) -> EmbeddedStores | SharedStores:
    """Open the stores: of PostgreSQL where `database_url` names one, else of the data folder.

    Raises:
        ConfigurationError: the address is none.
        MigrationNeeded: a newer release wrote them.
        MissingExtra: what speaks to PostgreSQL is not installed.
        StoreUnavailable: they do not open.
    """
    folder = Path(settings.data_folder)
    if settings.database_url:
        make_folder(folder)  # for what waits on disk, and for pictures
        return SharedStores(settings.database_url, clock=clock)
    return EmbeddedStores(folder, clock=clock)


def has_database(settings: Settings) -> bool:
    """Tell whether there is a database to be opened beside a server; one of PostgreSQL is made when asked for."""
    return bool(settings.database_url) or database_file(Path(settings.data_folder)).exists()


def open_database(settings: Settings) -> Database:
    """Open the database beside a running server; several processes may.

    Raises:
        NotFound: there is none in the data folder; only the server makes one.
        StoreUnavailable: it cannot be opened.
    """
    if settings.database_url:
        return Database(settings.database_url)
    file = database_file(Path(settings.data_folder))
    if not has_database(settings):
        raise NotFound(
            f"There is no database in {file.parent}.",
            remedy="Name the server's data folder with --data, or start a server there with `sievert up`.",
        )
    return Database(file)


def segments_of(settings: Settings) -> Path | None:
    """Return the folder of plainly allowed posts; None where they lie in the database that several servers share."""
    return None if settings.database_url else segments_folder(Path(settings.data_folder))


def open_media(settings: Settings, *, clock: Clock) -> MediaStore:
    """Open where pictures are kept: a folder, a bucket, or nowhere.

    Raises:
        MissingExtra: it is a bucket, and the extra `scale` is not installed.
        StoreUnavailable: it does not open.
    """
    place = urlsplit(settings.media_store)
    store: MediaStore
    if place.scheme == "s3":
        store = S3Media(place.netloc, prefix=place.path, endpoint_url=settings.media_endpoint)
    else:
        folder = settings.media_store or Path(settings.data_folder) / "media"
        store = FolderMedia(Path(folder), clock=clock)
    return store if settings.keep_media_days else NoMedia(store)


def open_encoder_cache(settings: Settings, metrics: Metrics) -> EncoderCache:
    """Open what remembers what the heavy model said of texts."""
    hit, miss = (metrics.encoder_cache.labels(result) for result in ("hit", "miss"))

    def count(hits: int, misses: int) -> None:
        hit.inc(hits)
        miss.inc(misses)

    return EncoderCache(settings.encoder_cache_megabytes << 20, watch=count)


def open_latents(settings: Settings, *, clock: Clock, metrics: Metrics, prefix: str) -> LatentCache:
    """Open what remembers encodings of posts: this process alone, or with others over Redis.

    Raises:
        MissingExtra: what speaks to Redis is not installed.
    """
    most = settings.latents_megabytes << 20
    if not settings.redis_url:
        return LatentCache(most)
    return SharedLatents(
        open_shelf(settings, prefix=prefix),
        clock=clock,
        keep=settings.keep_text_days * DAY,
        watch=lambda result: metrics.shared_latents.labels(result).inc(),
        most_bytes=most,
    )


def open_shelf(settings: Settings, *, prefix: str) -> RedisShelf:
    """Open the shelf that servers share; stores of their own have prefixes of their own."""
    return RedisShelf(settings.redis_url, prefix=f"sievert:{prefix}:latents:")
