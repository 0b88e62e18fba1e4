"""Settings: defaults, then one TOML file, then the environment, then flags; every value knows its origin.

The file is `sievert.toml` in the working folder, or the one that `--config` or SIEVERT_CONFIG names.
Every setting has one environment variable: SIEVERT_ and its name in capitals.
"""

import base64
import binascii
import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from sievert.errors import ConfigurationError
from sievert.guardrail.drawing import AUDIT_RATE
from sievert.pipeline.anew import A_SECOND
from sievert.pipeline.dial import PATH_CORES
from sievert.pipeline.holding import MOST_HELD
from sievert.pipeline.path import HEAVY_SHARE
from sievert.schema.post import MAX_TEXT_BYTES
from sievert.stores.postgres import is_url

PREFIX = "SIEVERT_"
SECRET_SETTINGS = frozenset(
    {"database_url", "webhook_secret", "discourse_webhook_secret", "discourse_api_key"}
)
"""Settings that are never printed."""

_FILE = Path("sievert.toml")
# SIEVERT_CONFIG names the file; SIEVERT_DATA is the folder of corpora that `make bundle` reads.
_NOT_SETTINGS = frozenset({"SIEVERT_CONFIG", "SIEVERT_DATA"})
_SECRET_BYTES = range(24, 65)
_LISTS = frozenset({"fetch_private_hosts", "webhook_private_hosts"})

HostAndPort = Annotated[
    str, Meta(max_length=260, pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$")
]
"""Written exactly as in the URL; an address of IPv6 in brackets."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a server that its operator may choose."""

    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0 takes a free one")] = 8600
    data_folder: Annotated[str, Meta(min_length=1, description="folder of the database and the segments")] = (
        "sievert-data"
    )
    database_url: Annotated[
        str,
        Meta(
            description="where records are kept that several servers share: "
            "postgresql://user:password@host:5432/name; empty: in the data folder, for one server"
        ),
    ] = ""
    nats_url: Annotated[
        str,
        Meta(
            description="the queue between `sievert api` and `sievert worker`: nats://host:4222, with JetStream"
        ),
    ] = ""
    redis_url: Annotated[
        str,
        Meta(
            description="where servers share what encoders made of posts: redis://host:6379; empty: each keeps its own"
        ),
    ] = ""
    keep_days: Annotated[
        int, Meta(ge=7, le=36_500, description="days for which plainly allowed posts are remembered")
    ] = 365
    keep_text_days: Annotated[
        int,
        Meta(
            ge=7,
            le=36_500,
            description="days for which the text of all other posts is kept, and that of labels",
        ),
    ] = 365
    claim_minutes: Annotated[
        int, Meta(ge=1, le=1440, description="minutes after which a claimed case goes back to the others")
    ] = 15
    heavy_cases_per_hour: Annotated[
        int, Meta(ge=1, description="cases with pictures or likely harm that one person is given an hour")
    ] = 60
    heavy_cases_per_day: Annotated[int, Meta(ge=1, description="the same, a day")] = 300
    undo_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_HELD,
            description="seconds for which a verdict that was given on the page can be taken back; it takes effect then",
        ),
    ] = 20
    known_answers_share: Annotated[
        float,
        Meta(
            ge=0.0,
            le=0.5,
            description="the share of claims that ask for a known answer; raise it where a certificate waits for them",
        ),
    ] = 0.03
    bundle: Annotated[str, Meta(description="folder of the bundle that scores; empty: the shipped one")] = ""
    candidate: Annotated[
        str,
        Meta(
            description="folder of a second bundle that `sievert experiment create --acting` lets decide in clusters of creators; empty: none"
        ),
    ] = ""
    policies: Annotated[str, Meta(description="folder of the policies; empty: the shipped ones")] = ""
    triggers: Annotated[
        str, Meta(description="file of what has a post decided anew; empty: the shipped one")
    ] = ""
    anew_per_second: Annotated[
        float,
        Meta(
            ge=1.0,
            le=1_000_000.0,
            description="posts that each process may decide anew a second, those of most harmful views first; the others wait",
        ),
    ] = A_SECOND
    max_text_bytes: Annotated[int, Meta(ge=1, le=170_000, description="longest text of a post, in UTF-8")] = (
        MAX_TEXT_BYTES
    )
    media_store: Annotated[
        str,
        Meta(
            description="where pictures are kept: a folder, or s3://bucket/prefix; empty: in the data folder"
        ),
    ] = ""
    media_endpoint: Annotated[
        str, Meta(description="address of a server that speaks like S3; empty: Amazon's own")
    ] = ""
    keep_media_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36_500,
            description="days for which a picture is kept after it was last sent; 0: only while it is looked at",
        ),
    ] = 30
    fetch_private_hosts: Annotated[
        tuple[HostAndPort, ...],
        Meta(
            description="host:port of the own network that pictures may be fetched from, and ports beside 80 "
            "and 443; in the environment with commas between"
        ),
    ] = ()
    fetch_pictures: Annotated[
        Literal["all", "needed"],
        Meta(
            description="of pictures with a thumbnail: all, or needed: those whose thumbnail looks written on"
        ),
    ] = "all"
    fetch_seconds: Annotated[
        float, Meta(ge=1, le=120, description="seconds in which a picture must have been fetched")
    ] = 10.0
    picture_processes: Annotated[
        int, Meta(ge=1, le=64, description="processes that open pictures, apart from the server")
    ] = 1
    picture_seconds: Annotated[
        float, Meta(ge=1, le=120, description="seconds in which a picture must have been opened")
    ] = 10.0
    queue_posts: Annotated[
        int, Meta(ge=256, le=1_000_000, description="posts that may wait; beyond, callers are told to return")
    ] = 20_000
    spool_megabytes: Annotated[
        int,
        Meta(ge=16, le=1 << 20, description="disk for answers that wait for slow readers, all together"),
    ] = 4096
    latents_megabytes: Annotated[
        int,
        Meta(
            ge=1, le=1 << 20, description="memory for what encoders made of posts, so that events cost little"
        ),
    ] = 64
    encoder_cache_megabytes: Annotated[
        int,
        Meta(
            ge=0, le=1 << 20, description="memory for what the heavy model said of texts, for copies; 0: none"
        ),
    ] = 32
    connections: Annotated[
        int, Meta(ge=16, le=100_000, description="connections open at once; further ones are turned away")
    ] = 1000
    public_url: Annotated[
        str,
        Meta(
            description="the address under which people open the pages, such as https://sievert.example, where "
            "a proxy stands before them; empty: as requests say"
        ),
    ] = ""
    session_idle_minutes: Annotated[
        int, Meta(ge=1, le=1440, description="minutes without a request after which somebody is signed out")
    ] = 60
    session_hours: Annotated[
        int, Meta(ge=1, le=168, description="hours after which everybody signs in anew")
    ] = 12
    stream_clients: Annotated[int, Meta(ge=0, le=10_000, description="live streams open at once")] = 100
    webhook_url: Annotated[str, Meta(description="where actions and cases are sent; empty: nowhere")] = ""
    webhook_secret: Annotated[str, Meta(description="whsec_ and base64: signs what is sent")] = ""
    webhook_private_hosts: Annotated[
        tuple[HostAndPort, ...],
        Meta(
            description="host:port of the own network that webhook_url may lead to; in the environment with "
            "commas between"
        ),
    ] = ()
    discourse_webhook_secret: Annotated[
        str, Meta(description="the secret of Discourse's webhooks; empty: none are taken")
    ] = ""
    discourse_url: Annotated[
        str, Meta(description="a Discourse that does what is decided, in the place of webhook_url")
    ] = ""
    discourse_api_key: Annotated[str, Meta(description="its API key")] = ""
    discourse_api_user: Annotated[str, Meta(description="the member of its staff in whose name it acts")] = (
        "system"
    )
    webhook_attempts: Annotated[
        int, Meta(ge=1, le=100, description="attempts before a message is a dead letter")
    ] = 9
    creators_model: Annotated[
        str,
        Meta(description="folder `served` of a model of creators (`sievert train creators`); empty: none"),
    ] = ""
    heavy_share: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="the share of traffic, likeliest harm first, that the heavy model reads",
        ),
    ] = HEAVY_SHARE
    image_heavy_share: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="the same share of posts with pictures, by their text and the words in the pictures",
        ),
    ] = HEAVY_SHARE
    path_cores: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="cores that the path's one thread may use before the heavy model reads less than its shares; 0: it always reads them",
        ),
    ] = PATH_CORES
    audit_rate: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="the share of removals that people audit at random while a certificate is live, evenly and again by views",
        ),
    ] = AUDIT_RATE
    otlp_url: Annotated[
        str,
        Meta(
            description="address of an OpenTelemetry collector (OTLP over HTTP) for traces; empty: none are made"
        ),
    ] = ""
    otlp_share: Annotated[
        float, Meta(ge=0.0, le=1.0, description="the share of batches that a trace is made of")
    ] = 0.01
    log_format: Annotated[
        Literal["console", "json"], Meta(description="how log lines look: console or json")
    ] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least severity that is logged: debug, info, warning or error"),
    ] = "info"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings, and for each where its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def describe(name: str) -> str:
    """Return what a setting is for."""
    info = get_type_hints(Settings, include_extras=True)[name].__metadata__[0]
    return str(info.description)


def load_settings(
    *, config: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> LoadedSettings:
    """Put settings together; flags that are None were not given.

    Raises:
        ConfigurationError: lists everything that is wrong in all three places.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    for found, source in (
        _from_file(config, environ, problems),
        (_from_environment(environ, problems), "environment"),
        ({name: value for name, value in flags.items() if value is not None}, "flag"),
    ):
        for name, value in found.items():
            where = f"{PREFIX}{name.upper()}" if source == "environment" else f"{name} ({source})"
            if (checked := _checked(name, value, source, where, problems)) is not None:
                values[name] = checked
                sources[name] = source
    settings = Settings(**values)
    problems.extend(_contradictions(settings))
    if problems:
        raise ConfigurationError("Settings", problems)
    return LoadedSettings(settings=settings, sources=sources)


def _from_file(
    config: Path | None, environ: Mapping[str, str], problems: list[str]
) -> tuple[dict[str, Any], str]:
    named = config or (Path(environ["SIEVERT_CONFIG"]) if environ.get("SIEVERT_CONFIG") else None)
    path = named or _FILE
    if named is None and not path.exists():
        return {}, str(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path} cannot be read: {error}.")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path} is not TOML: {error}.")
    return {}, str(path)


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.__struct_fields__}
    found: dict[str, object] = {}
    for variable, value in environ.items():
        if variable in known:
            name = known[variable]
            found[name] = _listed(value) if name in _LISTS else value
        elif variable.startswith(PREFIX) and variable not in _NOT_SETTINGS:
            problems.append(f"{variable} is not a setting{_guess(variable, known)}.")
    return found


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _checked(name: str, value: object, source: str, where: str, problems: list[str]) -> object | None:
    hints = get_type_hints(Settings, include_extras=True)
    if name not in hints:
        problems.append(f"{where} is not a setting{_guess(name, hints)}.")
        return None
    try:
        checked: object = msgspec.convert(value, hints[name], strict=source != "environment")
    except msgspec.ValidationError as error:
        # The codec names types and bounds, never the value: a secret cannot slip out here.
        problems.append(f"{where}: {error}. What it sets: {describe(name)}.")
        return None
    return checked


def _guess(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; perhaps {close[0]} is meant" if close else ""


def _contradictions(settings: Settings) -> list[str]:
    """Say what is wrong beyond the types of single fields."""
    problems = []
    if settings.webhook_url:
        parts = urlsplit(settings.webhook_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            problems.append("webhook_url is no address: write http://... or https://...")
        if not settings.webhook_secret:
            problems.append("webhook_url without webhook_secret: what is sent must be signed. Set both.")
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
            problems.append("public_url is no address of a whole host: write https://sievert.example")
    problems.extend(_wrong_about_services(settings))
    problems.extend(_wrong_about_discourse(settings))
    problems.extend(_wrong_about_media(settings))
    if settings.webhook_secret and not _is_webhook_secret(settings.webhook_secret):
        problems.append("webhook_secret must be whsec_ and the base64 of 24 to 64 random bytes.")
    return problems


def _wrong_about_services(settings: Settings) -> list[str]:
    problems = []
    if settings.database_url and not is_url(settings.database_url):
        problems.append("database_url is no address: write postgresql://user:password@host:5432/name")
    if settings.nats_url and urlsplit(settings.nats_url).scheme not in ("nats", "tls"):
        problems.append("nats_url is no address: write nats://host:4222, or tls://host:4222")
    if settings.redis_url and urlsplit(settings.redis_url).scheme not in ("redis", "rediss"):
        problems.append("redis_url is no address: write redis://host:6379, or rediss://host:6379")
    if settings.otlp_url and urlsplit(settings.otlp_url).scheme not in ("http", "https"):
        problems.append("otlp_url is no address: write http://localhost:4318, or https://...")
    return problems


def _wrong_about_discourse(settings: Settings) -> list[str]:
    if not settings.discourse_url:
        return []
    problems = []
    parts = urlsplit(settings.discourse_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append("discourse_url is no address: write https://...")
    if settings.webhook_url:
        problems.append("discourse_url beside webhook_url: a message has one receiver. Set one of them.")
    if not settings.discourse_api_key:
        problems.append("discourse_url without discourse_api_key: Discourse asks for one. Set both.")
    return problems


def _wrong_about_media(settings: Settings) -> list[str]:
    problems = []
    place = urlsplit(settings.media_store)
    in_s3 = place.scheme == "s3"
    if "://" in settings.media_store and not (in_s3 and place.netloc):
        problems.append("media_store is no place: write the path of a folder, or s3://bucket/prefix.")
    if settings.media_endpoint:
        parts = urlsplit(settings.media_endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            problems.append("media_endpoint is no address: write http://... or https://...")
        if not in_s3:
            problems.append("media_endpoint without S3: it belongs to a media_store s3://bucket/prefix.")
    return problems


def _is_webhook_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith("whsec_") and len(key) in _SECRET_BYTES
