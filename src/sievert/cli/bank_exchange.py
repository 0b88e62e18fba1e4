"""Exchanges fill a bank, through the `threatexchange` library; what was fetched is not fetched again.

How far an exchange was read is kept in the data folder, beside the database. An exchange that always
tells everything, such as a file, or whose place was kept too long, is read whole; what it does not tell
any more then leaves the bank. Opinions count: what is told to be a false alarm, or is disputed, does not
enter a harmful bank.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sievert.cli.extras import needing
from sievert.errors import ConfigurationError, InvalidField, StoreUnavailable
from sievert.schema.bank import Bank, BankEntry, BankKind, Signal
from sievert.schema.clock import Micros
from sievert.schema.identity import derived_id
from sievert.scoring.banks.entries import entry_of

EXCHANGES = ("local_file", "sample", "fb_threatexchange", "ncmec", "stop_ncii")
"""Exchanges by the names that `threatexchange` has for them."""

_MODULES = {
    "local_file": ("file_api", "LocalFileSignalExchangeAPI"),
    "sample": ("static_sample", "StaticSampleSignalExchangeAPI"),
    "fb_threatexchange": ("fb_threatexchange_api", "FBThreatExchangeSignalExchangeAPI"),
    "ncmec": ("ncmec_api", "NCMECSignalExchangeAPI"),
    "stop_ncii": ("stop_ncii_api", "StopNCIISignalExchangeAPI"),
}
_TELL_ALL = ("local_file", "sample")
_SIGNALS = {"pdq": Signal.PDQ, "raw_text": Signal.TEXT}


class Told(NamedTuple):
    """What one step of a fetch told."""

    entries: list[BankEntry]
    gone: frozenset[str]  # marks of what the exchange took back; see `mark_of`


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How far an exchange was read for a bank."""

    bank_made_at: Micros
    checkpoint: dict[str, Any]


class Exchange:
    """One exchange, with its own configuration, for one bank."""

    def __init__(
        self, name: str, config: dict[str, Any], bank: Bank, *, folder: Path, signature: Callable[[str], str]
    ) -> None:
        """Make the exchange's client; `folder` is where its place is kept.

        Raises:
            MissingExtra: the library is not installed.
            ConfigurationError: the configuration does not fit, or no credentials were found.
        """
        self.name = name
        self._bank = bank
        self._signature = signature
        self._file = folder / "exchanges" / f"{bank.name}.{name}.json"
        self._types = _signal_types()
        self._api_class = _api_class(name)
        self._collab = _collab(self._api_class, name, config)
        self._api = _client(self._api_class, self._collab)
        self._place = self._kept()
        self._reached: Any = None

    @property
    def whole(self) -> bool:
        """Whether it is read from the beginning: what it does not tell then is there no more."""
        return self._place is None or self.name in _TELL_ALL

    @property
    def source(self) -> str:
        """What entries name as their source: the exchange, and the group in it."""
        return f"{self.name}/{self._collab.name}"

    def fetch(self, now: Micros) -> Iterator[Told]:
        """Read what is new, step by step; `keep_place` is called when all of it is durable.

        Raises:
            StoreUnavailable: the exchange does not answer.
        """
        steps = self._api.fetch_iter(self._types, None if self.whole else self._place)
        while True:
            try:
                delta = next(steps, None)
            except Exception as error:  # whatever a client of somebody else's network raises
                raise StoreUnavailable(
                    f"The exchange {self.name} does not answer: {type(error).__name__}.",
                    remedy="Check its configuration and the network, and try again; it goes on where it was.",
                ) from error
            if delta is None:
                break
            self._reached = delta.checkpoint
            yield self._told(delta.updates, now)

    def keep_place(self) -> None:
        """Keep how far the exchange was read, so that the next fetch goes on there."""
        if self._reached is None:
            return
        kept = _Kept(bank_made_at=self._bank.created_at, checkpoint=dataclasses.asdict(self._reached))
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        draft = self._file.with_suffix(".part")
        draft.write_bytes(msgspec.json.encode(kept))
        draft.replace(self._file)

    def mark_of(self, key: Any) -> str:
        """Return what an entry notes of the record that it came from, so that it can be taken back.

        A key may hold a text itself, so that no more than a digest of it is kept.
        """
        parts = key if isinstance(key, tuple) else (key,)
        return derived_id("record", self.source, *map(str, parts))

    def _told(self, updates: dict[Any, Any], now: Micros) -> Told:
        entries: list[BankEntry] = []
        gone = {self.mark_of(key) for key, value in updates.items() if value is None}
        for key, value in updates.items():
            if value is None:
                continue
            made = []
            # One record at a time: what it led to must be found again when it is taken back.
            found = self._api_class.naive_convert_to_signal_type(self._types, self._collab, {key: value})
            for kind, hashes in found.items():
                signal = _SIGNALS[kind.get_name()]
                for value_of_it, opinion in hashes.items():
                    if self._is_wanted(opinion):
                        made.append(self._entry(signal, value_of_it, key, now))
            entries += made
            if not made:
                gone.add(self.mark_of(key))  # it may have been wanted before
        return Told(entries, frozenset(gone))

    def _entry(self, signal: Signal, value: str, key: Any, now: Micros) -> BankEntry:
        if signal is Signal.TEXT:
            value = self._signature(value)
        mark = self.mark_of(key)
        return entry_of(self._bank.name, signal, value, added_at=now, source=self.source, note=mark)

    def _is_wanted(self, opinion: Any) -> bool:
        said: str = opinion.get_as_aggregate_opinion().category.name
        if self._bank.kind is BankKind.ALLOW:
            return said != "POSITIVE_CLASS"
        return said in ("POSITIVE_CLASS", "INVESTIGATION_SEED")

    def _kept(self) -> Any:
        """Return how far the exchange was read, or None where it is to be read from the beginning."""
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
            place = msgspec.convert(kept.checkpoint, type=self._api_class.get_checkpoint_cls())
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return None
        same = kept.bank_made_at == self._bank.created_at
        return place if same and not place.is_stale() else None


def read_config(path: Path) -> dict[str, Any]:
    """Read an exchange's own configuration, YAML or TOML.

    Raises:
        InvalidField: the file cannot be read as that.
    """
    try:
        text = path.read_text()
        if path.suffix == ".toml":
            return tomllib.loads(text)
        return msgspec.yaml.decode(text.encode(), type=dict[str, Any])
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidField(
            f"{path} cannot be read as an exchange's configuration: {error}.",
            field="exchange-config",
            remedy="Write a YAML or TOML file of names and values.",
        ) from error


def left_behind(
    entries: Sequence[BankEntry], told: set[str], gone: set[str], *, exchange: Exchange
) -> list[str]:
    """Return the ids of those entries that an exchange took back, or told no more while it told all."""
    mine = [one for one in entries if one.source == exchange.source]
    return [one.entry_id for one in mine if one.entry_id not in told and (exchange.whole or one.note in gone)]


def _signal_types() -> list[Any]:
    with needing("media", what="Reading an exchange"):
        from threatexchange.signal_type.pdq.signal import PdqSignal
        from threatexchange.signal_type.raw_text import RawTextSignal
    return [PdqSignal, RawTextSignal]


def _api_class(name: str) -> Any:
    import importlib

    if name not in _MODULES:
        raise InvalidField(
            f"There is no exchange {name[:40]!r}.",
            field="exchange",
            remedy=f"It is one of {', '.join(EXCHANGES)}.",
        )
    module, found = _MODULES[name]
    return getattr(importlib.import_module(f"threatexchange.exchanges.impl.{module}"), found)


def _collab(api_class: Any, name: str, config: dict[str, Any]) -> Any:
    kind = api_class.get_config_cls()
    settable = {field.name: field for field in dataclasses.fields(kind) if field.init}
    given = {"name": name, "api": name, "enabled": True, **config}
    known = {field: value for field, value in given.items() if field in settable}
    problems = [f"{field}: it has no such setting" for field in config if field not in settable]
    problems += [
        f"{field}: {one.metadata.get('help', 'it is missing')}"
        for field, one in settable.items()
        if field not in known and _is_required(one)
    ]
    if problems:
        raise ConfigurationError(f"The exchange {name}", problems)
    try:
        hints = _hints(kind)
        return kind(
            **{
                field: msgspec.convert(value, type=hints[field], strict=False)
                for field, value in known.items()
            }
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The exchange {name}", [str(error)]) from error


def _is_required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _hints(kind: Any) -> dict[str, Any]:
    import typing

    return typing.get_type_hints(kind)


def _client(api_class: Any, collab: Any) -> Any:
    from threatexchange.exchanges.auth import (
        SignalExchangeAPIInvalidAuthException,
        SignalExchangeAPIMissingAuthException,
    )

    try:
        return api_class.for_collab(collab)
    except SignalExchangeAPIMissingAuthException as error:
        raise ConfigurationError(
            f"The exchange {api_class.get_name()} needs credentials", error.hints
        ) from error
    except SignalExchangeAPIInvalidAuthException as error:
        raise ConfigurationError(
            f"The exchange {api_class.get_name()} got credentials that cannot be right", [error.message]
        ) from error
